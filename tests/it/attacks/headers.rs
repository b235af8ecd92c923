//! Attacks 41, 43 and their kin: header fields that some hop gives power to (K-7.2 to K-7.8).

use super::{Attack, Outcome, check};

const LIST: &str = "GET /api/v1/nodes HTTP/1.1";
const JUDGED: Outcome = Outcome::Judged("list||nodes||");

fn lists(attacks: &[(&'static str, Outcome)]) {
    check(|marks| {
        attacks
            .iter()
            .map(|(lines, outcome)| Attack::new(*lines, marks.request(LIST, lines), *outcome))
            .collect()
    });
}

/// Attack 41: the names a client nominates as hop-by-hop must not take away what the gateway adds.
#[test]
fn nothing_the_client_nominates_removes_the_gateways_own_headers() {
    lists(&[
        ("Connection: Impersonate-User\r\n", JUDGED),
        (
            "Connection: close, Impersonate-User, Impersonate-Group, Audit-ID\r\n",
            JUDGED,
        ),
        (
            "Connection: Host\r\n",
            Outcome::DroppedOrJudged("list||nodes||"),
        ),
        (
            "Connection: Authorization\r\n",
            Outcome::DroppedOrJudged("list||nodes||"),
        ),
        (
            "Connection: User-Agent\r\nConnection: Impersonate-User\r\n",
            Outcome::DroppedOrJudged("list||nodes||"),
        ),
        ("Proxy-Connection: Impersonate-User\r\n", JUDGED),
        ("Keep-Alive: Impersonate-User\r\n", JUDGED),
    ]);
}

/// Attack 43, first part (K-7.15, K-7.2).
#[test]
fn refuses_impersonation_that_policy_does_not_grant() {
    lists(&[
        ("Impersonate-User: root\r\n", Outcome::Refused(403)),
        ("Impersonate-User: it:other\r\n", Outcome::Refused(403)),
        ("Impersonate-User: it:attacker\r\n", Outcome::Refused(403)),
        (
            "Impersonate-User: system:admin\r\nImpersonate-Group: system:masters\r\n",
            Outcome::Refused(403),
        ),
        ("impersonate-user: root\r\n", Outcome::Refused(403)),
        ("Impersonate-User: \r\n", Outcome::Refused(400)),
        (
            "Impersonate-User: \r\nImpersonate-User: root\r\n",
            Outcome::Refused(400),
        ),
        (
            "Impersonate-User: it:a\r\nImpersonate-User: root\r\n",
            Outcome::Refused(400),
        ),
        (
            "Impersonate-Group: system:masters\r\n",
            Outcome::Refused(400),
        ),
        ("Impersonate-Uid: 0\r\n", Outcome::Refused(400)),
        ("Impersonate-Extra-scopes: all\r\n", Outcome::Refused(400)),
        ("Impersonate-Unknown: x\r\n", Outcome::Refused(400)),
        ("Impersonate-: x\r\n", Outcome::Refused(400)),
    ]);
}

/// Attack 43, second part: these pass, and mean nothing.
#[test]
fn identity_headers_of_proxies_mean_nothing() {
    lists(&[
        (
            "X-Remote-User: root\r\nX-Remote-Group: system:masters\r\n",
            JUDGED,
        ),
        ("X-Remote-Uid: 0\r\nX-Remote-Extra-Scopes: all\r\n", JUDGED),
        ("Audit-ID: 00000000-0000-0000-0000-000000000000\r\n", JUDGED),
        (
            "X-Forwarded-For: 6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n",
            JUDGED,
        ),
        (
            "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\n",
            JUDGED,
        ),
        (
            "Cookie: token=x\r\nProxy-Authorization: Basic eDp4\r\n",
            JUDGED,
        ),
        (
            "X-Original-URL: /api/v1/secrets\r\nX-Rewrite-URL: /api/v1/secrets\r\n",
            JUDGED,
        ),
        ("Origin: https://evil.example\r\n", JUDGED),
        (
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            Outcome::DroppedOrJudged("list||nodes||"),
        ),
    ]);
}

/// Some servers read `_` as `-`.
#[test]
fn refuses_look_alikes_of_headers_with_power() {
    lists(&[
        ("Impersonate_User: root\r\n", Outcome::Refused(400)),
        ("Impersonate-User_: root\r\n", Outcome::Refused(400)),
        ("X_Remote_User: root\r\n", Outcome::Refused(400)),
        ("X_Forwarded_For: 6.6.6.6\r\n", Outcome::Refused(400)),
        ("Authorization_: x\r\n", JUDGED),
        ("Audit_ID: x\r\n", Outcome::Refused(400)),
    ]);
}

#[test]
fn refuses_more_headers_than_any_client_sends() {
    check(|marks| {
        let many: String = (0..300)
            .map(|number| format!("X-{number}: y\r\n"))
            .collect();
        let some: String = (0..200)
            .map(|number| format!("X-{number}: y\r\n"))
            .collect();
        let long = format!("X-Long: {}\r\n", "y".repeat(80 * 1024));
        let groups: String = (0..200).map(|_| "Impersonate-Group: g\r\n").collect();
        vec![
            Attack::new("300 headers", marks.request(LIST, &many), Outcome::Dropped),
            Attack::new("200 headers", marks.request(LIST, &some), Outcome::Dropped),
            Attack::new(
                "80 KiB in one header",
                marks.request(LIST, &long),
                Outcome::Cut,
            ),
            Attack::new("200 groups", marks.request(LIST, &groups), Outcome::Dropped),
            Attack::new(
                "2 MiB in one header",
                marks.request(LIST, &format!("X-Long: {}\r\n", "y".repeat(2 << 20))),
                Outcome::Cut,
            ),
        ]
    });
}

/// The answer's own headers are an allow-list too (K-4.28), and the audit id is the gateway's.
#[test]
fn the_audit_id_is_the_gateways_own_and_addresses_are_the_peers() {
    let ground = crate::ground::ground();
    let marks = super::marks(ground);
    let chosen = "11111111-2222-3333-4444-555555555555";
    let lines = format!("Audit-ID: {chosen}\r\nX-Forwarded-For: 6.6.6.6\r\n");
    let mut wire = ground.gateway.wire();
    wire.send(&marks.request(LIST, &lines)).unwrap();
    let answer = wire.answer(true).unwrap();
    let id = answer.header("countersign-decision-id").unwrap().to_owned();
    assert_ne!(id, chosen);
    assert_eq!(
        answer.header("audit-id"),
        Some(id.as_str()),
        "{:?}",
        answer.headers
    );
    let event = ground
        .cluster
        .journal()
        .await_stage(&id, "ResponseComplete");
    assert!(!event.texts("/sourceIPs").contains(&"6.6.6.6"), "{event:?}");
    let own = ground
        .gateway
        .journal()
        .await_stage(&id, "ResponseComplete");
    assert!(!own.texts("/sourceIPs").contains(&"6.6.6.6"), "{own:?}");
}
