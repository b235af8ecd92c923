//! Claims that are missing, computed, or change the user.

use serde_json::{Value, json};

use super::super::draft::Draft;
use super::super::draft::Verdict::{Refused, RefusedHere};
use super::super::draft::Which::{Mail, Plain};
use super::Area::{Audience, Groups, Issuer, Misc, Time, User};
use super::Free;

pub(super) const ROWS: &[Free] = &[
    (Issuer, Plain, "no iss", |d| {
        d.without("iss");
        d.becomes(Refused);
    }),
    (Audience, Plain, "no aud", |d| {
        d.without("aud");
        d.becomes(Refused);
    }),
    (Time, Plain, "expires in an hour", |d| {
        d.claim("exp", json!(d.now + 3400));
    }),
    (Time, Plain, "expired a second ago", |d| {
        d.claim("exp", json!(d.now - 1));
        d.becomes(Refused);
    }),
    (Time, Plain, "expires now", |d| {
        d.claim("exp", json!(d.now));
        d.becomes(Refused);
    }),
    (Time, Plain, "expired an hour ago", |d| {
        d.claim("exp", json!(d.now - 3600));
        d.becomes(Refused);
    }),
    (Time, Plain, "lives longer than allowed", |d| {
        d.claim("exp", json!(d.now + 7200));
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "exp as a string", |d| {
        d.claim("exp", json!((d.now + 1800).to_string()));
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "exp as a string of the past", |d| {
        d.claim("exp", json!((d.now - 1800).to_string()));
        d.becomes(Refused);
    }),
    (Time, Plain, "no exp", |d| {
        d.without("exp");
        d.becomes(Refused);
    }),
    (Time, Plain, "exp with a fraction", |d| {
        d.written_claim("exp", &format!("{}.75", d.now + 1800));
    }),
    (Time, Plain, "exp with an exponent", |d| {
        d.written_claim("exp", &format!("{}e-1", (d.now + 1800) * 10));
    }),
    (Time, Plain, "exp 1e400", |d| {
        d.written_claim("exp", "1e400");
        d.becomes(Refused);
    }),
    (Time, Plain, "exp 9223372036854775808", |d| {
        d.written_claim("exp", "9223372036854775808");
        d.becomes(Refused);
    }),
    (Time, Plain, "exp 1e18", |d| {
        d.written_claim("exp", "1e18");
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "exp 9007199254740993", |d| {
        d.written_claim("exp", "9007199254740993");
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "valid in half a minute", |d| {
        d.claim("nbf", json!(d.now + 30));
    }),
    (Time, Plain, "valid in two hours", |d| {
        d.claim("nbf", json!(d.now + 7200));
        d.becomes(Refused);
    }),
    (Time, Plain, "no nbf", |d| {
        d.without("nbf");
    }),
    (Time, Plain, "nbf as a string", |d| {
        d.claim("nbf", json!((d.now - 5).to_string()));
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "nbf as a string of the future", |d| {
        d.claim("nbf", json!((d.now + 7200).to_string()));
        d.becomes(Refused);
    }),
    (Time, Plain, "no iat", |d| {
        d.without("iat");
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "iat as a string", |d| {
        d.claim("iat", json!((d.now - 5).to_string()));
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "issued in two hours", |d| {
        d.claim("iat", json!(d.now + 7200));
        d.becomes(RefusedHere);
    }),
    (Time, Plain, "issued too long ago", |d| {
        d.claim("iat", json!(d.now - 7200));
        d.becomes(RefusedHere);
    }),
    (User, Plain, "no sub", |d| {
        d.without("sub");
        d.becomes(Refused);
    }),
    (User, Plain, "sub Ünïcödé", |d| {
        d.claim("sub", json!("Ünïcödé"));
        d.user.username = "p:Ünïcödé".to_owned();
    }),
    (User, Plain, "sub 日本語", |d| {
        d.claim("sub", json!("日本語"));
        d.user.username = "p:日本語".to_owned();
    }),
    (User, Plain, "sub 😀", |d| {
        d.claim("sub", json!("😀"));
        d.user.username = "p:😀".to_owned();
    }),
    (User, Plain, "sub ana maria", |d| {
        d.claim("sub", json!("ana maria"));
        d.user.username = "p:ana maria".to_owned();
    }),
    (User, Plain, "sub system:masters", |d| {
        d.claim("sub", json!("system:masters"));
        d.user.username = "p:system:masters".to_owned();
    }),
    (
        User,
        Plain,
        "sub system:serviceaccount:kube-system:default",
        |d| {
            d.claim("sub", json!("system:serviceaccount:kube-system:default"));
            d.user.username = "p:system:serviceaccount:kube-system:default".to_owned();
        },
    ),
    (User, Plain, "sub ana after a blank", |d| {
        d.claim("sub", json!(" ana"));
        d.user.username = "p: ana".to_owned();
    }),
    (User, Plain, "sub a/b:c#d", |d| {
        d.claim("sub", json!("a/b:c#d"));
        d.user.username = "p:a/b:c#d".to_owned();
    }),
    (User, Plain, "sub %0a", |d| {
        d.claim("sub", json!("%0a"));
        d.user.username = "p:%0a".to_owned();
    }),
    (User, Plain, "sub ../x", |d| {
        d.claim("sub", json!("../x"));
        d.user.username = "p:../x".to_owned();
    }),
    (User, Plain, "sub with a zero", |d| {
        d.claim("sub", json!("an\0a"));
        d.becomes(RefusedHere);
    }),
    (User, Plain, "sub with a direction override", |d| {
        d.claim("sub", json!("an\u{202e}a"));
        d.becomes(RefusedHere);
    }),
    (User, Plain, "sub with a zero width space", |d| {
        d.claim("sub", json!("an\u{200b}a"));
        d.becomes(RefusedHere);
    }),
    (User, Plain, "sub with a delete", |d| {
        d.claim("sub", json!("an\u{7f}a"));
        d.becomes(RefusedHere);
    }),
    (User, Plain, "a long sub", |d| {
        let sub = "a".repeat(2000);
        d.claim("sub", json!(sub));
        d.user.username = format!("p:{sub}");
    }),
    (User, Plain, "an overlong sub", |d| {
        d.claim("sub", json!("a".repeat(3000)));
        d.becomes(RefusedHere);
    }),
    (User, Mail, "an email", |d| {
        let _unchanged = d;
    }),
    (User, Mail, "email_verified absent", |d| {
        d.without("email_verified");
    }),
    (User, Mail, "no sub beside an email", |d| {
        d.without("sub");
    }),
    (User, Mail, "no email", |d| {
        d.without("email");
        d.becomes(Refused);
    }),
    (User, Mail, "a unicode email", |d| {
        d.claim("email", json!("zoë@härbour.example"));
        d.user.username = "zoë@härbour.example".to_owned();
    }),
    (Groups, Plain, "groups 'ops'", |d| {
        d.claim("groups", json!("ops"));
        d.groups(&["ops"]);
    }),
    (Groups, Plain, "groups 'a,b'", |d| {
        d.claim("groups", json!("a,b"));
        d.groups(&["a,b"]);
    }),
    (Groups, Plain, "groups []", |d| {
        d.claim("groups", json!([]));
        d.groups(&[]);
    }),
    (Groups, Plain, "groups ['a', 'a']", |d| {
        d.claim("groups", json!(["a", "a"]));
        d.groups(&["a", "a"]);
    }),
    (Groups, Plain, "groups ['system:masters']", |d| {
        d.claim("groups", json!(["system:masters"]));
        d.groups(&["system:masters"]);
    }),
    (Groups, Plain, "groups ['ä', '😀']", |d| {
        d.claim("groups", json!(["ä", "😀"]));
        d.groups(&["ä", "😀"]);
    }),
    (Groups, Plain, "no groups", |d| {
        d.without("groups");
        d.groups(&[]);
    }),
    (Groups, Plain, "two hundred groups", |d| {
        let groups: Vec<_> = (0..200).map(|n| format!("g{n}")).collect();
        d.claim("groups", json!(groups));
        d.user.groups = groups.iter().map(|group| format!("g:{group}")).collect();
    }),
    (Groups, Plain, "six hundred groups", |d| {
        d.claim("groups", json!(vec!["g"; 600]));
        d.becomes(RefusedHere);
    }),
    (Groups, Plain, "groups kept elsewhere", |d| {
        d.without("groups");
        d.claim("_claim_names", json!({"groups": "s"}));
        d.claim("_claim_sources", json!({"s": {"JWT": "a"}}));
        d.becomes(RefusedHere);
    }),
    (
        Groups,
        Plain,
        "groups kept at an address nobody answers at",
        |d| {
            d.without("groups");
            d.claim("_claim_names", json!({"groups": "s"}));
            d.claim(
                "_claim_sources",
                json!({"s": {"endpoint": "https://127.0.0.1:1/"}}),
            );
            d.becomes(Refused);
        },
    ),
    (Groups, Plain, "groups here and elsewhere", |d| {
        d.claim("_claim_names", json!({"groups": "s"}));
        d.claim(
            "_claim_sources",
            json!({"s": {"endpoint": "https://127.0.0.1:1/"}}),
        );
    }),
    (Groups, Plain, "other claims kept elsewhere", |d| {
        d.claim("_claim_names", json!({"photo": "s"}));
        d.claim(
            "_claim_sources",
            json!({"s": {"endpoint": "https://127.0.0.1:1/"}}),
        );
    }),
    (Misc, Plain, "no uid", |d| {
        d.without("uid");
        d.becomes(Refused);
    }),
    (Misc, Plain, "no team", |d| {
        d.without("team");
        d.team(&[]);
    }),
    (Misc, Plain, "team ['a', '', 'b']", |d| {
        d.claim("team", json!(["a", "", "b"]));
        d.team(&["a", "b"]);
    }),
    (Misc, Plain, "team ''", |d| {
        d.claim("team", json!(""));
        d.team(&[]);
    }),
    (Misc, Plain, "team []", |d| {
        d.claim("team", json!([]));
        d.team(&[]);
    }),
    (Misc, Plain, "team ['ü']", |d| {
        d.claim("team", json!(["ü"]));
        d.team(&["ü"]);
    }),
    (Misc, Plain, "no tenant", |d| {
        d.without("tenant");
        d.becomes(Refused);
    }),
    (Misc, Plain, "no jti", |d| {
        d.without("jti");
        d.no_id();
    }),
    (Misc, Plain, "an empty jti", |d| {
        d.claim("jti", json!(""));
        d.no_id();
    }),
    (
        Time,
        Plain,
        "a claim in another letter case: EXP of the future",
        |d| {
            d.claim("EXP", json!(d.now + 1800));
            d.becomes(RefusedHere);
        },
    ),
    (
        Time,
        Plain,
        "a claim in another letter case: EXP of the past",
        |d| {
            d.claim("EXP", json!(d.now - 1800));
            d.becomes(Refused);
        },
    ),
    (
        Misc,
        Plain,
        "Groups and Email in another letter case",
        |d| {
            d.claim("Groups", json!(["eve"]));
            d.claim("Email", json!("eve@eve.example"));
        },
    ),
    (Misc, Plain, "a claim nested twenty deep", |d| {
        d.claim("x", nested(20));
    }),
    (Misc, Plain, "a claim nested forty deep", |d| {
        d.claim("x", nested(40));
        d.becomes(RefusedHere);
    }),
    (Misc, Plain, "five kilobytes of padding", |d| {
        d.claim("x", json!("x".repeat(5000)));
    }),
    (Misc, Plain, "a token beyond the bound", |d| {
        d.claim("x", json!("x".repeat(14_000)));
        d.becomes(RefusedHere);
    }),
];

impl Draft {
    fn groups(&mut self, groups: &[&str]) {
        self.user.groups = groups.iter().map(|group| format!("g:{group}")).collect();
    }

    fn team(&mut self, values: &[&str]) {
        self.user.extra.remove("test.example/team");
        if !values.is_empty() {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            self.user
                .extra
                .insert("test.example/team".to_owned(), values);
        }
    }

    fn no_id(&mut self) {
        self.user
            .extra
            .remove("authentication.kubernetes.io/credential-id");
    }
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}
