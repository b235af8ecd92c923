use std::collections::BTreeMap;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use proptest::prelude::*;

use super::{
    Framing, HeaderFault, IdentityFault, ImpersonationHeaders, RequestHeaders, SystemNames,
    Upgrade, check_before_send, has_control_byte, response_headers,
};
use crate::caller::UserInfo;
use crate::negotiate::AcceptPlan;
use crate::target::RequestTarget;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

fn judge(lines: &[(&str, &str)]) -> Result<RequestHeaders, HeaderFault> {
    RequestHeaders::judge(&map(lines))
}

fn target(method: &Method, path: &str) -> RequestTarget {
    RequestTarget::parse(method, path.as_bytes()).unwrap()
}

fn lines(head: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = head
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines
}

const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
const VERSION: (&str, &str) = ("sec-websocket-version", "13");
const CONNECTION: (&str, &str) = ("connection", "Upgrade");
const WEBSOCKET: (&str, &str) = ("upgrade", "websocket");
const EXEC: &str = "/api/v1/namespaces/a/pods/p/exec?command=id";

#[test]
fn forwards_nothing_but_the_allow_list() {
    let headers = judge(&[
        ("user-agent", "kubectl/v1.36"),
        ("accept", "application/json"),
        ("accept", "application/vnd.kubernetes.protobuf"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/json"),
        ("if-none-match", "\"x\""),
        ("kubectl-command", "kubectl get"),
        ("kubectl-session", "1"),
        ("authorization", "Bearer t"),
        ("cookie", "a=b"),
        ("impersonate-user", "root"),
        ("x-remote-user", "root"),
        ("x-remote-group", "system:masters"),
        ("x-remote-extra-a", "b"),
        ("audit-id", "chosen"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("x-http-method-override", "DELETE"),
        ("connection", "Impersonate-User, Authorization"),
        ("proxy-authorization", "x"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("expect", "100-continue"),
        ("origin", "https://x"),
        ("host", "x"),
        ("content-length", "0"),
        ("x-unknown", "y"),
    ])
    .unwrap();
    let head = headers
        .upstream(&target(&Method::GET, "/api/v1/pods"), AcceptPlan::Forward)
        .unwrap();
    assert_eq!(
        lines(&head),
        [
            "accept-encoding: identity",
            "accept: application/json",
            "content-type: application/json",
            "if-none-match: \"x\"",
            "kubectl-command: kubectl get",
            "kubectl-session: 1",
            "user-agent: kubectl/v1.36",
        ]
    );
}

#[test]
fn rewrites_accept_only_where_an_object_can_come_back() {
    let headers = judge(&[(
        "accept",
        "application/vnd.kubernetes.protobuf,application/json",
    )])
    .unwrap();
    for (path, expected) in [
        ("/api/v1/pods", "application/json"),
        (
            "/openapi/v2",
            "application/vnd.kubernetes.protobuf,application/json",
        ),
        (
            "/apis",
            "application/vnd.kubernetes.protobuf,application/json",
        ),
        (
            "/api/v1/nodes/n/proxy/",
            "application/vnd.kubernetes.protobuf,application/json",
        ),
    ] {
        let target = target(&Method::GET, path);
        let head = headers
            .upstream(&target, AcceptPlan::RewriteToJson)
            .unwrap();
        assert_eq!(head["accept"], expected, "{path}");
    }
}

#[test]
fn refuses_ambiguous_framing() {
    for headers in [
        &[("content-length", "1"), ("transfer-encoding", "chunked")][..],
        &[("content-length", "1"), ("content-length", "1")],
        &[("content-length", "1, 1")],
        &[("content-length", "+1")],
        &[("content-length", "")],
        &[("content-length", "99999999999999999999")],
        &[("transfer-encoding", "gzip, chunked")],
        &[
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked"),
        ],
        &[("transfer-encoding", "xchunked")],
        &[("host", "a"), ("host", "b")],
        &[
            ("content-type", "application/json"),
            ("content-type", "application/yaml"),
        ],
        &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
        &[CONNECTION, WEBSOCKET, KEY, VERSION, ("content-length", "1")],
        &[
            CONNECTION,
            WEBSOCKET,
            KEY,
            VERSION,
            ("transfer-encoding", "chunked"),
        ],
    ] {
        assert_eq!(
            judge(headers).unwrap_err().http_status(),
            StatusCode::BAD_REQUEST,
            "{headers:?}"
        );
    }
    assert_eq!(judge(&[]).unwrap().framing(), Framing::Unstated);
    assert_eq!(
        judge(&[("content-length", "12")]).unwrap().framing(),
        Framing::Length(12)
    );
    assert_eq!(
        judge(&[("transfer-encoding", "Chunked")])
            .unwrap()
            .framing(),
        Framing::Chunked
    );
}

#[test]
fn refuses_names_that_look_like_security_headers() {
    for name in [
        "impersonate_user",
        "x_remote_user",
        "x-remote_user",
        "content_length",
        "transfer_encoding",
        "authorization_".trim_end_matches('_'),
        "audit_id",
        "x_forwarded_for",
        "sec_websocket_protocol",
    ] {
        let fault = judge(&[(name, "x")]);
        let refused = matches!(fault, Err(HeaderFault::LookAlike { .. }));
        assert_eq!(refused, name.contains('_'), "{name}");
    }
    assert!(judge(&[("x_trace_id", "1")]).is_ok());
}

/// The HTTP parser may build values without checks; a safe test cannot, so it looks one step below.
#[test]
fn sees_every_control_byte_in_a_value() {
    let clean = |byte: u8| byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
    for byte in 0..=u8::MAX {
        assert_eq!(
            has_control_byte(&[b'a', byte, b'b']),
            !clean(byte),
            "0x{byte:02x}"
        );
    }
}

#[test]
fn refuses_content_codings_and_oversized_heads() {
    let fault = judge(&[("content-encoding", "gzip")]).unwrap_err();
    assert_eq!(fault.http_status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(judge(&[("content-encoding", "identity")]).is_ok());
    let long = "a".repeat(super::HEADER_BYTES_MAX);
    assert_eq!(judge(&[("x", &long)]), Err(HeaderFault::TooLarge));
}

#[test]
fn upgrades_only_exactly_and_only_on_connect_paths() {
    let exec = target(&Method::GET, EXEC);
    let headers = judge(&[
        CONNECTION,
        WEBSOCKET,
        KEY,
        VERSION,
        (
            "sec-websocket-protocol",
            "v5.channel.k8s.io, v4.channel.k8s.io",
        ),
        ("sec-websocket-extensions", "permessage-deflate"),
    ])
    .unwrap();
    assert_eq!(
        lines(&headers.upstream(&exec, AcceptPlan::Forward).unwrap()),
        [
            "accept-encoding: identity",
            "connection: Upgrade",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-protocol: v5.channel.k8s.io, v4.channel.k8s.io",
            "sec-websocket-version: 13",
            "upgrade: websocket",
        ]
    );
    let watch = target(&Method::GET, "/api/v1/secrets?watch=1");
    assert_eq!(
        headers.upgrade_on(&watch),
        Err(HeaderFault::UpgradeElsewhere)
    );
    let log = target(&Method::GET, "/api/v1/namespaces/a/pods/p/log");
    assert_eq!(headers.upgrade_on(&log), Err(HeaderFault::UpgradeElsewhere));
    assert!(headers.upgrade_on(&target(&Method::POST, EXEC)).is_err());
    let spdy = judge(&[
        ("connection", "keep-alive, upgrade"),
        ("upgrade", "SPDY/3.1"),
        ("x-stream-protocol-version", "v4.channel.k8s.io"),
        ("x-stream-protocol-version", "v3.channel.k8s.io"),
    ])
    .unwrap();
    let post = target(&Method::POST, EXEC);
    let Some(Upgrade::Spdy { protocols }) = spdy.upgrade_on(&post).unwrap() else {
        panic!()
    };
    assert_eq!(protocols, &["v4.channel.k8s.io", "v3.channel.k8s.io"]);
}

#[test]
fn refuses_upgrades_that_are_not_exact() {
    for headers in [
        &[CONNECTION][..],
        &[WEBSOCKET],
        &[("connection", "close"), WEBSOCKET, KEY, VERSION],
        &[("connection", "xupgradex"), WEBSOCKET, KEY, VERSION],
        &[CONNECTION, ("upgrade", "h2c")],
        &[CONNECTION, ("upgrade", "websocket, SPDY/3.1"), KEY, VERSION],
        &[CONNECTION, ("upgrade", "xwebsocketx"), KEY, VERSION],
        &[CONNECTION, ("upgrade", "SPDY/3.0")],
        &[CONNECTION, WEBSOCKET, WEBSOCKET, KEY, VERSION],
        &[CONNECTION, WEBSOCKET, VERSION],
        &[CONNECTION, WEBSOCKET, KEY],
        &[CONNECTION, WEBSOCKET, KEY, ("sec-websocket-version", "8")],
        &[
            CONNECTION,
            WEBSOCKET,
            ("sec-websocket-key", "short"),
            VERSION,
        ],
        &[
            CONNECTION,
            WEBSOCKET,
            KEY,
            VERSION,
            ("sec-websocket-protocol", "a,,b"),
        ],
    ] {
        assert!(judge(headers).is_err(), "{headers:?}");
    }
}

#[test]
fn takes_the_websocket_bearer_out_of_the_protocols() {
    let token = "base64url.bearer.authorization.k8s.io.dG9rZW4";
    let with = |protocols: &str| {
        judge(&[
            CONNECTION,
            WEBSOCKET,
            KEY,
            VERSION,
            ("sec-websocket-protocol", protocols),
        ])
    };
    let headers = with(&format!("{token}, v5.channel.k8s.io")).unwrap();
    assert_eq!(headers.bearer().unwrap().expose(), "token");
    assert_eq!(format!("{:?}", headers.bearer()), "Some([secret])");
    let head = headers
        .upstream(&target(&Method::GET, EXEC), AcceptPlan::Forward)
        .unwrap();
    assert_eq!(head["sec-websocket-protocol"], "v5.channel.k8s.io");
    for protocols in [
        token.to_owned(),
        format!("{token},{token},v5.channel.k8s.io"),
        format!("{token}==,v5.channel.k8s.io"),
        "base64url.bearer.authorization.k8s.io.,v5.channel.k8s.io".to_owned(),
        "Base64url.Bearer.authorization.k8s.io.dG9rZW4,v5.channel.k8s.io".to_owned(),
    ] {
        assert_eq!(
            with(&protocols).unwrap_err().http_status(),
            StatusCode::UNAUTHORIZED,
            "{protocols}"
        );
    }
    let stray = judge(&[("sec-websocket-protocol", token)]).unwrap_err();
    assert_eq!(stray.http_status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn reads_whom_the_client_asks_to_act_as() {
    let headers = judge(&[
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "dev, ops"),
        ("Impersonate-Group", "qa"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-acme.com%2fteam", "x"),
        ("Impersonate-Extra-acme.com%2fteam", "y"),
    ])
    .unwrap();
    let asked = headers.impersonation().unwrap();
    assert_eq!(
        (asked.user.as_str(), asked.uid.as_deref()),
        ("jane", Some("7"))
    );
    assert_eq!(asked.groups, ["dev, ops", "qa"]);
    assert_eq!(asked.extra["acme.com/team"], ["x", "y"]);
    for headers in [
        &[("impersonate-user", "")][..],
        &[("impersonate-user", ""), ("impersonate-user", "root")],
        &[("impersonate-user", "a"), ("impersonate-user", "b")],
        &[("impersonate-group", "a")],
        &[("impersonate-uid", "a")],
        &[("impersonate-extra-a", "a")],
        &[("impersonate-user", "a"), ("impersonate-group", "")],
        &[("impersonate-user", "a"), ("impersonate-other", "x")],
        &[("impersonate-user", "a"), ("impersonate-extra-%zz", "x")],
        &[("impersonate-user", "a"), ("impersonate-extra-", "x")],
    ] {
        let fault = judge(headers).unwrap_err();
        assert!(
            matches!(fault, HeaderFault::Impersonation { .. }),
            "{headers:?}: {fault}"
        );
    }
}

fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo {
        username: name.to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        ..UserInfo::default()
    }
}

#[test]
fn sends_exactly_one_identity() {
    let mut agent = user("agents:bot", &["agents:dev", "agents:qa"]);
    agent.uid = Some("42".to_owned());
    agent.extra = BTreeMap::from([(
        "acme.com/Te\u{e4}m".to_owned(),
        vec!["a".to_owned(), "\u{e4}".to_owned()],
    )]);
    let identity = ImpersonationHeaders::build(&agent, SystemNames::Refuse).unwrap();
    let mut head = map(&[("impersonate-user", "root"), ("impersonate-extra-x", "y")]);
    identity.apply_to(&mut head);
    assert_eq!(
        lines(&head),
        [
            "impersonate-extra-acme.com%2f%54e%c3%a4m: a",
            "impersonate-extra-acme.com%2f%54e%c3%a4m: \u{e4}",
            "impersonate-group: agents:dev",
            "impersonate-group: agents:qa",
            "impersonate-uid: 42",
            "impersonate-user: agents:bot",
        ]
    );
    check_before_send(&head).unwrap();
}

#[test]
fn refuses_identities_that_the_api_server_could_take_for_another() {
    for (name, groups) in [
        ("", &[][..]),
        (" a", &[]),
        ("a ", &[]),
        ("a\u{a0}", &[]),
        ("a\nImpersonate-User: root", &[]),
        ("a\0", &[]),
        ("a\tb", &[]),
        ("system:admin", &[]),
        ("System:admin", &[]),
        ("system:serviceaccount:a:b", &[]),
        ("a", &["system:masters"]),
        ("a", &[""]),
        ("a", &["x\r"]),
    ] {
        assert!(
            ImpersonationHeaders::build(&user(name, groups), SystemNames::Refuse).is_err(),
            "{name:?} {groups:?}"
        );
    }
    let build = |name, groups: &[&str]| {
        ImpersonationHeaders::build(&user(name, groups), SystemNames::ServiceAccounts)
    };
    let account = "system:serviceaccount:a:b";
    assert!(
        build(
            account,
            &[
                "system:serviceaccounts",
                "system:serviceaccounts:a",
                "system:authenticated"
            ]
        )
        .is_ok()
    );
    for (name, groups) in [
        (account, &["system:masters"][..]),
        (account, &["system:serviceaccounts:b"]),
        ("system:serviceaccount:a", &[]),
        ("system:serviceaccount:a:b:c", &[]),
        ("system:node:n", &[]),
        ("a", &["system:serviceaccounts:a"]),
    ] {
        assert!(
            matches!(build(name, groups), Err(IdentityFault::SystemName { .. })),
            "{name} {groups:?}"
        );
    }
}

#[test]
fn refuses_to_send_a_head_without_one_user() {
    for head in [
        &[][..],
        &[("impersonate-user", "")],
        &[("impersonate-user", "a"), ("impersonate-user", "b")],
        &[("impersonate-user", "a"), ("x-remote-user", "b")],
        &[("impersonate-user", "a"), ("cookie", "b")],
    ] {
        assert!(check_before_send(&map(head)).is_err(), "{head:?}");
    }
}

#[test]
fn passes_only_listed_response_headers() {
    let upstream = map(&[
        ("content-type", "application/json"),
        ("warning", "299 - \"a\""),
        ("warning", "299 - \"b\""),
        ("audit-id", "1"),
        ("x-kubernetes-pf-flowschema-uid", "2"),
        ("set-cookie", "a=b"),
        ("www-authenticate", "Basic"),
        ("location", "/api/v1/nodes/n/proxy/x"),
        ("server", "x"),
        ("x-accepted-stream-protocol-versions", "v4"),
        ("connection", "close"),
    ]);
    let pods = target(&Method::GET, "/api/v1/pods");
    let got = lines(&response_headers(&pods, StatusCode::OK, &upstream));
    assert_eq!(
        got,
        [
            "audit-id: 1",
            "content-type: application/json",
            "warning: 299 - \"a\"",
            "warning: 299 - \"b\"",
            "x-kubernetes-pf-flowschema-uid: 2",
        ]
    );
    let proxy = target(&Method::GET, "/api/v1/nodes/n/proxy");
    let moved = response_headers(&proxy, StatusCode::MOVED_PERMANENTLY, &upstream);
    assert_eq!(moved["location"], "/api/v1/nodes/n/proxy/x");
    for away in ["https://x/", "//x/", "/\\x"] {
        let upstream = map(&[("location", away)]);
        assert!(response_headers(&proxy, StatusCode::MOVED_PERMANENTLY, &upstream).is_empty());
    }
}

proptest! {
    /// No header that the client chooses changes who the API server sees.
    #[test]
    fn no_client_header_reaches_identity(
        names in prop::collection::vec(
            prop::sample::select(vec!["impersonate-user", "impersonate-group", "x-remote-user",
                "authorization", "cookie", "connection", "audit-id", "user-agent", "x_remote_user"]), 0..6),
        value in "[ -~]{0,12}",
    ) {
        let headers: Vec<(&str, &str)> = names.iter().map(|&name| (name, value.as_str())).collect();
        if let Ok(judged) = judge(&headers) {
            let mut head = judged.upstream(&target(&Method::GET, "/api/v1/pods"), AcceptPlan::Forward).unwrap();
            prop_assert!(head.keys().all(|name| ["user-agent", "accept-encoding"].contains(&name.as_str())));
            ImpersonationHeaders::build(&user("u", &["g"]), SystemNames::Refuse).unwrap().apply_to(&mut head);
            prop_assert_eq!(head.get_all("impersonate-user").iter().count(), 1);
            prop_assert!(check_before_send(&head).is_ok());
        }
    }
}
