//! Attacks 1 to 4 and 7: targets that two parsers read differently (K-1.3 to K-1.26).

use super::{Attack, Marks, Outcome, check};

fn targets(marks: &Marks, outcome: Outcome, targets: &[&'static str]) -> Vec<Attack> {
    let attacks = targets
        .iter()
        .map(|target| Attack::new(*target, marks.get(target), outcome));
    attacks.collect()
}

/// Attack 1: the `url` crate would make Secret `s` of another namespace of it (K-1.20).
#[test]
fn refuses_dot_segments_raw_and_encoded() {
    check(|marks| {
        targets(
            marks,
            Outcome::Refused(400),
            &[
                "/api/v1/namespaces/{ns}/configmaps/%2e%2e/%2e%2e/kube-system/secrets/s",
                "/api/v1/namespaces/{ns}/configmaps/%2E%2e/cm",
                "/api/v1/namespaces/{ns}/configmaps/../secrets/db",
                "/api/v1/namespaces/{ns}/configmaps/./cm",
                "/api/v1/namespaces/{ns}/configmaps/.%2e/secrets/db",
                "/api/../api/v1/secrets",
                "/version/../api/v1/secrets",
                "/api/v1/namespaces/{ns}/configmaps/cm/..",
                "/..",
                "/.",
            ],
        )
    });
}

/// Attack 2: decoded before it is split upstream (K-1.19).
#[test]
fn refuses_an_encoded_separator() {
    check(|marks| {
        targets(
            marks,
            Outcome::Refused(400),
            &[
                "/api/v1/namespaces/{ns}/secrets/db%2Fstatus",
                "/api/v1/namespaces/{ns}%2Fsecrets%2Fdb",
                "/api%2fv1%2fsecrets",
                "/api/v1/namespaces/{ns}/secrets%2fdb",
                "/%2fapi/v1/secrets",
                "/api/v1/namespaces/{ns}/secrets/db%5Cx",
                "/api/v1/namespaces/{ns}/secrets/db\\x",
                "/api/v1/namespaces/{ns}/secrets/db%252Fstatus",
            ],
        )
    });
}

/// Attack 3: an empty segment is a cluster-wide list upstream (K-1.17, K-1.18).
#[test]
fn refuses_an_empty_segment() {
    check(|marks| {
        targets(
            marks,
            Outcome::Refused(400),
            &[
                "/api/v1/namespaces//secrets",
                "/api/v1//secrets",
                "/api/v1/namespaces/{ns}//secrets",
                "//api/v1/secrets",
                "//",
                "/api/v1/namespaces/{ns}/secrets//",
                "/api//v1/secrets",
                "/api/v1/namespaces///",
            ],
        )
    });
}

/// Attack 4: Go drops such a pair, others read it (K-1.10).
#[test]
fn refuses_a_query_that_readers_split_differently() {
    check(|marks| {
        targets(
            marks,
            Outcome::Refused(400),
            &[
                "/api/v1/namespaces/{ns}/secrets?watch=true;x=1",
                "/api/v1/namespaces/{ns}/secrets?;",
                "/api/v1/namespaces/{ns}/secrets?watch=%zz",
                "/api/v1/namespaces/{ns}/secrets?%",
                "/api/v1/namespaces/{ns}/secrets?a=%f",
                "/api/v1/namespaces/{ns}/secrets?watch=0&watch=1",
                "/api/v1/namespaces/{ns}/secrets?labelSelector=a&labelSelector=b",
                "/api/v1/namespaces/{ns}/secrets?fieldSelector=a%00b",
                "/api/v1/namespaces/{ns}/secrets?access_token=x",
            ],
        )
    });
}

#[test]
fn refuses_control_bytes_broken_escapes_and_what_is_no_utf_8() {
    check(|marks| {
        targets(
            marks,
            Outcome::Refused(400),
            &[
                "/api/v1/namespaces/{ns}/secrets/db%00",
                "/api/v1/namespaces/{ns}/secrets/db%0a",
                "/api/v1/namespaces/{ns}/secrets/db%0d%0aX:y",
                "/api/v1/namespaces/{ns}/secrets/db%7f",
                "/api/v1/namespaces/{ns}/secrets/%ff",
                "/api/v1/namespaces/{ns}/secrets/%c0%af",
                "/api/v1/namespaces/{ns}/secrets/%",
                "/api/v1/namespaces/{ns}/secrets/%2",
                "/api/v1/namespaces/{ns}/secrets/%zz",
            ],
        )
    });
}

/// Bytes that do not even make a target in some parsers.
#[test]
fn drops_raw_bytes_that_are_no_target() {
    check(|marks| {
        // The HTTP library drops a fragment before anybody sees it; what is left is judged and sent.
        let fragment = "/api/v1/namespaces/{ns}/secrets#/../pods";
        let judged = Outcome::DroppedOrJudged("list||secrets|{ns}|");
        let mut attacks = targets(marks, judged, &[fragment]);
        for (title, bytes) in [
            ("a raw byte above 0x7f", b"\xff".as_slice()),
            ("raw UTF-8", "\u{e4}".as_bytes()),
            ("a raw NUL", b"\0"),
            ("a raw tab", b"\t"),
            ("a raw escape", b"\x1b"),
        ] {
            let text = marks.get("/api/v1/namespaces/{ns}/secrets/MARK");
            let at = text
                .windows(4)
                .position(|window| window == b"MARK")
                .unwrap();
            let raw = [&text[..at], bytes, &text[at + 4..]].concat();
            attacks.push(Attack::new(title, raw, Outcome::Dropped));
        }
        attacks
    });
}

/// Attack 7: the server joins and cleans the subpath (K-1.24); `?path=` would be overwritten
/// (K-1.26).
#[test]
fn refuses_a_proxy_subpath_that_climbs() {
    check(|marks| {
        targets(
            marks,
            Outcome::Refused(400),
            &[
                "/api/v1/nodes/node-1/proxy/metrics/../exec/{ns}/shell/main?command=id",
                "/api/v1/nodes/node-1/proxy/metrics/%2e%2e/exec/{ns}/shell/main?command=id",
                "/api/v1/nodes/node-1/proxy/metrics%2f..%2fexec?command=id",
                "/api/v1/nodes/node-1/proxy?path=/exec/{ns}/shell/main",
                "/api/v1/namespaces/{ns}/pods/a:b:c:d/proxy/x",
                "/api/v1/nodes/node-1/proxy//exec",
            ],
        )
    });
}

#[test]
fn judges_an_escaped_letter_as_the_letter() {
    check(|marks| {
        vec![
            Attack::new(
                "an escaped letter in a resource",
                marks.get("/api/v1/n%6fdes"),
                Outcome::Judged("list||nodes||"),
            ),
            Attack::new(
                "an escaped letter in the prefix",
                marks.get("/%61pi/v1/nodes"),
                Outcome::Judged("list||nodes||"),
            ),
            Attack::new(
                "one trailing slash",
                marks.get("/api/v1/nodes/"),
                Outcome::Judged("list||nodes||"),
            ),
        ]
    });
}

#[test]
fn refuses_a_target_that_is_longer_than_any_use() {
    check(|marks| {
        let target = format!("/api/v1/nodes?labelSelector={}", "a".repeat(140 * 1024));
        vec![Attack::new(
            "140 KiB of query",
            marks.get(&target),
            Outcome::Cut,
        )]
    });
}
