//! A token in the making.

use std::collections::BTreeMap;

use gateway_kubeapi::UserInfo;
use serde_json::{Map, Value, json};

use super::{Case, Expected, MAIL, PLAIN};
use crate::Algorithm;
use crate::mint::MintKey;

/// Which issuer a draft is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Plain,
    Mail,
}

/// The worst of several mutations counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Accepted,
    RefusedHere,
    Refused,
}

pub(super) struct Draft {
    pub(super) now: i64,
    pub(super) key: MintKey,
    pub(super) algorithm: Algorithm,
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    pub(super) user: UserInfo,
    pub(super) verdict: Verdict,
    /// Changes the written header, the written claims, and the signed token.
    pub(super) edits: [fn(String) -> String; 3],
}

impl Draft {
    pub(super) fn new(which: Which, now: i64) -> Self {
        let key = MintKey::test_es256(0);
        let mut draft = Self {
            now,
            algorithm: key.algorithm(),
            header: Map::new(),
            claims: Map::new(),
            user: UserInfo::default(),
            verdict: Verdict::Accepted,
            edits: [|text| text; 3],
            key,
        };
        draft.use_key(MintKey::test_es256(0), Algorithm::Es256);
        draft.header("typ", json!("JWT"));
        draft.claim("aud", json!("k8s-gateway"));
        // Ten minutes of delay must not change a verdict, and the skew must not matter.
        draft.claim("iat", json!(now - 120));
        draft.claim("nbf", json!(now - 120));
        draft.claim("exp", json!(now + 1800));
        draft.claim("jti", json!("id-1"));
        let id = (
            "authentication.kubernetes.io/credential-id".to_owned(),
            vec!["JTI=id-1".to_owned()],
        );
        draft.user.extra = BTreeMap::from([id]);
        match which {
            Which::Plain => draft.plain(),
            Which::Mail => draft.mail(),
        }
        draft
    }

    fn plain(&mut self) {
        self.claim("iss", json!(PLAIN));
        self.claim("sub", json!("ana"));
        self.claim("groups", json!(["ops", "dev"]));
        self.claim("uid", json!("u-1"));
        self.claim("team", json!("search"));
        self.claim("tenant", json!("harbour"));
        self.user.username = "p:ana".to_owned();
        self.user.groups = vec!["g:ops".to_owned(), "g:dev".to_owned()];
        self.user.uid = Some("u-1".to_owned());
        self.user
            .extra
            .insert("test.example/team".to_owned(), vec!["search".to_owned()]);
    }

    fn mail(&mut self) {
        self.claim("iss", json!(MAIL));
        self.claim("sub", json!("0815"));
        self.claim("email", json!("ana@harbour.example"));
        self.claim("email_verified", json!(true));
        self.user.username = "ana@harbour.example".to_owned();
    }

    pub(super) fn use_key(&mut self, key: MintKey, algorithm: Algorithm) {
        self.header("alg", json!(algorithm.as_str()));
        self.header("kid", json!(key.id()));
        self.algorithm = algorithm;
        self.key = key;
    }

    pub(super) fn header(&mut self, name: &str, value: Value) {
        self.header.insert(name.to_owned(), value);
    }

    pub(super) fn claim(&mut self, name: &str, value: Value) {
        self.claims.insert(name.to_owned(), value);
    }

    /// A claim that cannot be built as a value: `1e400`.
    pub(super) fn written_claim(&mut self, name: &str, written: &str) {
        self.claim(name, serde_json::from_str(written).unwrap_or_default());
    }

    pub(super) fn without(&mut self, name: &str) {
        self.claims.shift_remove(name);
    }

    pub(super) fn is_good(&self) -> bool {
        self.verdict == Verdict::Accepted
    }

    pub(super) fn becomes(&mut self, verdict: Verdict) {
        self.verdict = self.verdict.max(verdict);
    }

    #[expect(
        clippy::expect_used,
        reason = "fixed test keys; the mutations pair them with algorithms"
    )]
    pub(super) fn case(self, name: String) -> Case {
        let [edit_header, edit_claims, edit_token] = self.edits;
        let header = edit_header(Value::Object(self.header).to_string());
        let claims = edit_claims(Value::Object(self.claims).to_string());
        let token = self
            .key
            .sign_text(&header, &claims, self.algorithm)
            .expect("a fitting key");
        let expected = match self.verdict {
            Verdict::Accepted => Expected::Accepted(self.user),
            Verdict::RefusedHere => Expected::RefusedHere,
            Verdict::Refused => Expected::Refused,
        };
        Case {
            name,
            token: edit_token(token),
            expected,
        }
    }
}

/// Numbers from a seed (splitmix64), so that a failing case can be made again.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let at = self.next().checked_rem(items.len() as u64)?;
        items.get(usize::try_from(at).ok()?)
    }
}
