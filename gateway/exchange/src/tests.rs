//! The walk without a socket: the demo bundle, minted tokens, and a shell that says yes or no.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_audit::Stage;
use gateway_identity::mint::{MintKey, jwks};
use gateway_identity::{KeyEvent, KeySet, Keyring};
use gateway_policy::compile::PolicySet;
use gateway_policy::decode::decode;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use proptest::prelude::*;

use crate::exchange::{Closing, Exchange, UpstreamFailure};
use crate::identities::{StaticIdentities, authenticator};
use crate::input::{BodyFault, Input, LiveFault, Now, Protocol, RequestHead};
use crate::output::{Ask, Carriage, EndCause, LongRunning, Output, UpstreamRequest};
use crate::snapshot::{ClusterSnapshot, Snapshot, still_allowed};

const NOW: i64 = 1_795_000_000;
const BUNDLE: &str = r#"
bundle "test" { format 1; cluster "demo"; owners "**" "platform" }
"#;
const ISSUER: &str = r#"
issuer "agents" {
    url "https://issuer.test.invalid"
    audiences "gateway"
    algorithms "ES256"
    max-token-age "1h"
    kind agent
    username claim="sub" prefix="demo:"
    delegation claim="act" rule=agent
}
"#;
const RULES: &str = r#"
defaults { owner "platform" }
allow "read-shop" { why "reads"; who { user "demo:reader" }; can read connect; on "pods" "pods/exec" "pods/log"; in "shop" }
allow "write-shop" { why "writes"; who { user "demo:reader" }; can create patch; on "configmaps"; in "shop"; reason min=5 }
allow "support" { why "reads"; who { user "demo:support" }; can read; on "pods"; in "shop" }
allow "act-as" { why "support acts as others"; who { user "demo:support" }; can impersonate; on "users" "groups"; in "@cluster" }
allow "short" { why "short watches"; who { user "demo:short" }; can watch; on "pods"; in "shop"; session-limit "30s" }
allow "read-masked" { why "masked"; who { user "demo:masked" }; can read patch; on "secrets"; in "shop"; mask "@secret-like" }
allow "own" { why "masked"; who { user "demo:own" }; can get patch; on "configmaps"; in "shop"; mask "own" }
allow "blind" { why "masked"; who { user "demo:blind" }; can patch; on "configmaps"; in "shop"; mask "own" }
allow "masked-sessions" { why "masked"; who { user "demo:masked" }; can read connect; on "pods/exec" "pods/portforward" "pods/log"; in "shop"; mask "streams" }
deny "never-vault" { why "vault is closed"; can all; on "*/*"; in "vault"; message "ask security" }
"#;
const MASKS: &str = r#"
mask "own" { for "configmaps" { at "data.*" redact }; write-back restore }
mask "streams" { for "pods/exec" "pods/portforward" "pods/log" { detect "aws-key" redact } }
"#;

fn snapshot(epoch: u64) -> Arc<Snapshot> {
    let files = BTreeMap::from([
        ("bundle.kdl".to_owned(), BUNDLE.as_bytes().to_vec()),
        ("identities.kdl".to_owned(), ISSUER.as_bytes().to_vec()),
        ("masks.kdl".to_owned(), MASKS.as_bytes().to_vec()),
        ("rules/base.kdl".to_owned(), RULES.as_bytes().to_vec()),
    ]);
    let (bundle, report) = decode(&files);
    let bundle = bundle.unwrap_or_else(|| panic!("{report:?}"));
    let policy = Arc::new(PolicySet::compile(&bundle, "demo").unwrap());
    let mut keys = Keyring::default();
    keys.keep(["https://issuer.test.invalid"]);
    let set = KeySet::parse(jwks([&key()]).as_bytes()).unwrap();
    keys.handle(
        "https://issuer.test.invalid",
        KeyEvent::Fetched(Arc::new(set)),
        Duration::ZERO,
    );
    let cluster = ClusterSnapshot {
        name: "demo".to_owned(),
        policy,
        scopes: Arc::default(),
    };
    Arc::new(Snapshot {
        epoch,
        bundle_digest: bundle.digest.clone(),
        authenticator: Arc::new(
            authenticator(&bundle.issuers, &StaticIdentities::default()).unwrap(),
        ),
        keys: Arc::new(keys),
        clusters: BTreeMap::from([("demo".to_owned(), Arc::new(cluster))]),
        hosts: Arc::new(HashMap::from([("demo.test".to_owned(), "demo".to_owned())])),
    })
}

fn key() -> MintKey {
    MintKey::test_es256(0)
}

fn claims(subject: &str, lifetime: i64) -> serde_json::Value {
    serde_json::json!({
        "iss": "https://issuer.test.invalid", "aud": "gateway", "sub": subject,
        "iat": NOW, "exp": NOW + lifetime, "jti": "t1",
    })
}

fn token(subject: &str, lifetime: i64) -> String {
    sign(&claims(subject, lifetime))
}

fn sign(claims: &serde_json::Value) -> String {
    key().sign(claims, &serde_json::json!({})).unwrap()
}

fn head(method: &str, target: &str, subject: &str) -> RequestHead {
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {}", token(subject, 600));
    headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
    RequestHead {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        target: target.as_bytes().to_vec(),
        protocol: Protocol::Http11,
        headers,
        ambiguous_framing: false,
        has_body: false,
        peer: ([192, 0, 2, 1], 4000).into(),
        host: Some("demo.test".to_owned()),
        authority_conflict: false,
        server_name: None,
        client_certificate: None,
        listener_cluster: None,
    }
}

fn with(mut head: RequestHead, name: &'static str, value: &str) -> RequestHead {
    head.headers.append(
        HeaderName::from_static(name),
        HeaderValue::from_str(value).unwrap(),
    );
    head
}

fn now() -> Now {
    Now {
        micros: NOW * 1_000_000,
        uptime: Duration::from_secs(1),
    }
}

fn fresh() -> Exchange {
    Exchange::new("id-1".to_owned(), snapshot(1), now().micros)
}

/// Walks until something goes upstream or is refused; the shell answers yes to everything.
fn walk(exchange: &mut Exchange, head: RequestHead, body: &[u8]) -> Output {
    walk_with(exchange, head, body, &Err(LiveFault::Broken))
}

/// The same, with this for the live object.
fn walk_with(
    exchange: &mut Exchange,
    head: RequestHead,
    body: &[u8],
    live: &Result<(StatusCode, Bytes), LiveFault>,
) -> Output {
    let mut output = exchange.handle(Input::Head(Box::new(head), None), now());
    loop {
        let input = match output {
            Output::Ask(Ask::Keys { .. }) => Input::Keys(snapshot(1)),
            Output::Ask(Ask::TokenReview { .. }) => Input::Reviewed(Err("no".to_owned())),
            Output::Ask(Ask::Scope { .. }) => Input::Scope(snapshot(1)),
            Output::Ask(Ask::Live { .. }) => Input::Live(live.clone()),
            Output::Ask(Ask::Body { .. }) => Input::Body(Ok(Bytes::copy_from_slice(body))),
            Output::Record { .. } => Input::Recorded(Ok(())),
            Output::Forward(_) | Output::Refuse(_) => return output,
        };
        output = exchange.handle(input, now());
    }
}

fn forwarded(head: RequestHead, body: &[u8]) -> UpstreamRequest {
    let output = walk(&mut fresh(), head, body);
    let Output::Forward(request) = output else {
        panic!("{output:?}")
    };
    *request
}

fn check_refused(head: RequestHead, body: &[u8], code: u16, part: &str) {
    let output = walk(&mut fresh(), head, body);
    let Output::Refuse(refusal) = output else {
        panic!("{output:?}")
    };
    let text = String::from_utf8(refusal.body.to_vec()).unwrap();
    assert_eq!(refusal.status.as_u16(), code, "{text}");
    assert!(text.contains(part), "`{part}` is not in {text}");
    assert_eq!(refusal.headers["countersign-decision-id"], "id-1");
}

#[test]
fn forwards_what_policy_allows_as_the_caller_and_without_its_credential() {
    let request = forwarded(
        with(
            head("GET", "/api/v1/namespaces/shop/pods?limit=5", "reader"),
            "cookie",
            "a=b",
        ),
        b"",
    );
    assert_eq!(request.target, "/api/v1/namespaces/shop/pods?limit=5");
    assert_eq!(request.headers["impersonate-user"], "demo:reader");
    assert_eq!(request.headers["audit-id"], "id-1");
    assert!(!request.headers.contains_key("authorization"));
    assert!(!request.headers.contains_key("cookie"));
    assert!(matches!(request.carriage, Carriage::Read));
    assert!(request.long.is_none());
}

#[test]
fn denials_name_the_rule_and_what_is_allowed() {
    check_refused(
        head("GET", "/api/v1/namespaces/vault/pods", "reader"),
        b"",
        403,
        "never-vault",
    );
    check_refused(
        head("GET", "/api/v1/namespaces/vault/pods", "reader"),
        b"",
        403,
        "ask security",
    );
    check_refused(
        head("GET", "/api/v1/pods", "reader"),
        b"",
        403,
        "namespace shop",
    );
    check_refused(
        head("GET", "/api/v1/namespaces/shop/secrets", "reader"),
        b"",
        403,
        "nothing is allowed on secrets",
    );
}

#[test]
fn a_watch_ends_with_its_credential_or_its_limit_whichever_is_first() {
    let watch = forwarded(
        head("GET", "/api/v1/namespaces/shop/pods?watch=1", "reader"),
        b"",
    );
    let long = watch.long.unwrap();
    assert_eq!(
        long.ends_at,
        Some(((NOW + 600) * 1_000_000, EndCause::CredentialExpired))
    );
    assert_eq!(still_allowed(&long, &snapshot(2), now()), None);
    let short = forwarded(
        head("GET", "/api/v1/namespaces/shop/pods?watch=1", "short"),
        b"",
    );
    let long = short.long.unwrap();
    assert_eq!(
        long.ends_at,
        Some(((NOW + 30) * 1_000_000, EndCause::SessionLimit))
    );
    assert_eq!(
        long.ended_at((NOW + 31) * 1_000_000),
        Some(EndCause::SessionLimit)
    );
}

/// Watches were cut where the gateway ended them: over HTTP/2 client-go took the reset for an event it
/// could not read, and listed everything anew (K-3.10).
#[test]
fn the_api_server_ends_a_watch_before_the_gateway_would_cut_it() {
    let path = "/api/v1/namespaces/shop/pods?watch=1";
    for (subject, asked, sent) in [
        ("reader", "", "&timeoutSeconds=599"),
        ("short", "", "&timeoutSeconds=29"),
        ("short", "&timeoutSeconds=300", "&timeoutSeconds=29"),
        ("short", "&timeoutSeconds=0", "&timeoutSeconds=29"),
        ("short", "&timeoutSeconds=7", "&timeoutSeconds=7"),
    ] {
        let request = forwarded(head("GET", &format!("{path}{asked}"), subject), b"");
        assert_eq!(request.target, format!("{path}{sent}"), "{subject} {asked}");
    }
    // Nothing else of this gateway ends a list.
    let list = forwarded(head("GET", "/api/v1/namespaces/shop/pods", "reader"), b"");
    assert_eq!(list.target, "/api/v1/namespaces/shop/pods");
}

#[test]
fn a_watch_that_upstream_ended_for_the_gateway_says_why_it_ended() {
    for (asked, seconds, cause) in [
        ("", 29, Some("session-limit")),
        ("", 28, None),
        ("&timeoutSeconds=7", 29, None),
    ] {
        let target = format!("/api/v1/namespaces/shop/pods?watch=1{asked}");
        let mut exchange = fresh();
        walk(&mut exchange, head("GET", &target, "short"), b"");
        let at = (NOW + seconds) * 1_000_000;
        let event = exchange.close(Closing::Completed, at).unwrap();
        assert_eq!(
            event.annotation("countersign/ended-by"),
            cause,
            "{asked} {seconds}"
        );
    }
}

fn watch() -> LongRunning {
    let target = "/api/v1/namespaces/shop/pods?watch=1";
    forwarded(head("GET", target, "reader"), b"").long.unwrap()
}

#[test]
fn a_newer_policy_that_does_not_know_the_cluster_ends_a_watch() {
    let known = snapshot(2);
    assert_eq!(still_allowed(&watch(), &known, now()), None);
    let gone = Snapshot {
        clusters: BTreeMap::new(),
        authenticator: Arc::clone(&known.authenticator),
        keys: Arc::clone(&known.keys),
        ..empty(2)
    };
    assert_eq!(
        still_allowed(&watch(), &gone, now()),
        Some(EndCause::PolicyChanged)
    );
}

/// Streams of a withdrawn key or a removed issuer went on until the token's own end (K-3.10).
#[test]
fn a_watch_ends_when_nobody_vouches_for_its_credential_any_more() {
    let known = snapshot(2);
    let withdrawn = Snapshot {
        clusters: known.clusters.clone(),
        authenticator: Arc::clone(&known.authenticator),
        ..empty(2)
    };
    let removed = Snapshot {
        clusters: known.clusters.clone(),
        keys: Arc::clone(&known.keys),
        ..empty(2)
    };
    for snapshot in [withdrawn, removed] {
        let cause = still_allowed(&watch(), &snapshot, now());
        assert_eq!(cause, Some(EndCause::CredentialRevoked));
    }
}

fn empty(epoch: u64) -> Snapshot {
    Snapshot {
        epoch,
        bundle_digest: String::new(),
        authenticator: Arc::default(),
        keys: Arc::default(),
        clusters: BTreeMap::new(),
        hosts: Arc::default(),
    }
}

#[test]
fn a_write_waits_for_the_audit_log_and_is_refused_without_it() {
    let mut write = head("POST", "/api/v1/namespaces/shop/configmaps", "reader");
    write.has_body = true;
    let write = with(write, "countersign-reason", "because of INC-1");
    let mut exchange = fresh();
    let asked = exchange.handle(Input::Head(Box::new(write), None), now());
    assert!(matches!(asked, Output::Ask(Ask::Body { .. })), "{asked:?}");
    let body = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#;
    let record = exchange.handle(Input::Body(Ok(Bytes::from_static(body))), now());
    let Output::Record { event, durable } = record else {
        panic!("{record:?}")
    };
    assert!(durable);
    assert_eq!(event.stage(), Stage::RequestReceived);
    assert_eq!(event.object_ref().unwrap().name.as_deref(), Some("x"));
    let refused = exchange.handle(Input::Recorded(Err("disk full".to_owned())), now());
    let Output::Refuse(refusal) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(String::from_utf8_lossy(&refusal.body).contains("disk full"));
}

/// Bodies were read and held for callers that policy denies whatever they send.
#[test]
fn a_write_that_no_body_can_make_allowed_is_refused_before_its_body_is_read() {
    let reads_body = |method: &str, target: &str, subject: &str| {
        let mut write = head(method, target, subject);
        write.has_body = true;
        let output = fresh().handle(Input::Head(Box::new(write), None), now());
        if let Output::Refuse(refusal) = &output {
            assert_eq!(refusal.status, StatusCode::FORBIDDEN, "{method} {target}");
        }
        let reads = matches!(output, Output::Ask(Ask::Body { .. }));
        assert!(reads || matches!(output, Output::Refuse(_)), "{output:?}");
        reads
    };
    let (shop, vault) = (
        "/api/v1/namespaces/shop/configmaps",
        "/api/v1/namespaces/vault/configmaps",
    );
    for (method, target, subject, expected) in [
        ("POST", vault.to_owned(), "reader", false),
        ("PUT", format!("{shop}/a"), "reader", false),
        ("DELETE", format!("{shop}/a"), "reader", false),
        ("PATCH", format!("{vault}/a"), "reader", false),
        // The name is in the body, and a rule may be about that name.
        ("POST", shop.to_owned(), "reader", true),
        ("POST", shop.to_owned(), "namer", true),
        ("PATCH", format!("{shop}/a"), "reader", true),
    ] {
        assert_eq!(
            reads_body(method, &target, subject),
            expected,
            "{method} {target}"
        );
    }
    let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert!(reads_body("POST", review, "reader"));
}

#[test]
fn an_allow_that_demands_a_reason_says_so() {
    let mut write = head("POST", "/api/v1/namespaces/shop/configmaps", "reader");
    write.has_body = true;
    let body = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#;
    check_refused(write, body, 403, "Countersign-Reason");
}

const SECRET: &str = "/api/v1/namespaces/shop/secrets/db";

/// A masked answer: the exchange that walks it, past its request.
fn masked(target: &str) -> Exchange {
    let mut exchange = fresh();
    let output = walk(&mut exchange, head("GET", target, "masked"), b"");
    let Output::Forward(request) = output else {
        panic!("{output:?}")
    };
    assert_eq!(request.headers["accept"], "application/json");
    exchange
}

fn json_head() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(header::CONTENT_TYPE, json)])
}

#[test]
fn masks_an_answer_at_any_split_and_counts_what_it_masked() {
    let body =
        br#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"},"data":{"pw":"Q0FOQVJZ"}}"#;
    for size in [1, 7, body.len()] {
        let mut exchange = masked(SECRET);
        let answered = exchange
            .response_head(StatusCode::OK, &json_head(), 0)
            .unwrap();
        assert_eq!(answered.framing, crate::response::Framing::Anew);
        let told = answered.headers["warning"].to_str().unwrap();
        assert!(told.contains("secret-like"), "{told}");
        let mut given = Vec::new();
        for chunk in body.chunks(size) {
            let chunk = Bytes::copy_from_slice(chunk);
            given.extend(
                exchange
                    .response_body(Some(chunk), false)
                    .unwrap()
                    .into_iter()
                    .flatten(),
            );
        }
        given.extend(
            exchange
                .response_body(None, true)
                .unwrap()
                .into_iter()
                .flatten(),
        );
        let given = String::from_utf8(given).unwrap();
        assert!(!given.contains("Q0FOQVJZ"), "{given}");
        assert!(given.starts_with(
            r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db"},"data":{"pw":"#
        ));
        let event = exchange.close(Closing::Completed, 1).unwrap();
        assert_eq!(event.annotation("countersign/masked"), Some("1"));
        assert_eq!(event.annotation("countersign/masks"), Some("secret-like"));
    }
}

#[test]
fn gives_nothing_of_an_answer_that_cannot_be_masked() {
    let protobuf = HeaderValue::from_static("application/vnd.kubernetes.protobuf");
    let heads = [
        HeaderMap::from_iter([(header::CONTENT_TYPE, protobuf)]),
        HeaderMap::new(),
        HeaderMap::from_iter([
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ),
            (header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        ]),
    ];
    for head in heads {
        let mut exchange = masked(SECRET);
        assert!(exchange.response_head(StatusCode::OK, &head, 0).is_err());
        let refusal = exchange.upstream_failed(UpstreamFailure::Broke);
        assert_eq!(refusal.status, StatusCode::BAD_GATEWAY);
    }
    let mut exchange = masked(SECRET);
    exchange
        .response_head(StatusCode::OK, &json_head(), 0)
        .unwrap();
    let broken = Bytes::from_static(b"{\"data\":{\"pw\" \"Q0FOQVJZ\"}}");
    assert!(exchange.response_body(Some(broken), false).is_err());
    assert!(
        exchange.response_body(None, true).is_err(),
        "it must not end well"
    );
    let event = exchange.close(Closing::UpstreamBroke, 1).unwrap();
    assert_eq!(event.annotation("countersign/ended-by"), Some("unmaskable"));
}

const MASKED_EXEC: &str = "/api/v1/namespaces/shop/pods/p/exec?command=id&stdout=1";

fn websocket(target: &str, protocol: &str) -> RequestHead {
    let head = with(head("GET", target, "masked"), "connection", "Upgrade");
    let head = with(head, "upgrade", "websocket");
    let head = with(head, "sec-websocket-version", "13");
    let head = with(head, "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    with(head, "sec-websocket-protocol", protocol)
}

#[test]
fn a_session_under_a_mask_is_masked_and_counted() {
    let mut exchange = fresh();
    let output = walk(
        &mut exchange,
        websocket(MASKED_EXEC, "v5.channel.k8s.io"),
        b"",
    );
    assert!(matches!(output, Output::Forward(_)), "{output:?}");
    let switched = HeaderMap::from_iter([
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static("v5.channel.k8s.io"),
        ),
    ]);
    let answered = exchange.response_head(StatusCode::SWITCHING_PROTOCOLS, &switched, 0);
    assert_eq!(answered.unwrap().framing, crate::response::Framing::Kept);
    let frame = Bytes::from_static(b"\x82\x16\x01AKIAIOSFODNN7EXAMPLE\n");
    let given = exchange.response_body(Some(frame), false).unwrap().unwrap();
    assert_eq!(
        given,
        b"\x82\x1c\x01countersign-masked:streams\n".as_slice()
    );
    assert!(exchange.response_body(None, true).unwrap().is_none());
    let event = exchange.close(Closing::Completed, 1).unwrap();
    assert_eq!(event.annotation("countersign/masked"), Some("1"));
    // A plain answer to the handshake is a refusal, or nothing that can be given.
    for (status, is_fit) in [(StatusCode::OK, false), (StatusCode::NOT_FOUND, true)] {
        let mut exchange = fresh();
        walk(
            &mut exchange,
            websocket(MASKED_EXEC, "v5.channel.k8s.io"),
            b"",
        );
        let answered = exchange.response_head(status, &json_head(), 0);
        assert_eq!(answered.is_ok(), is_fit, "{status}");
    }
}

#[test]
fn a_session_that_cannot_be_masked_is_refused_with_the_way_out() {
    let spdy = with(head("POST", MASKED_EXEC, "masked"), "connection", "Upgrade");
    let spdy = with(spdy, "upgrade", "SPDY/3.1");
    check_refused(spdy, b"", 403, "use WebSocket");
    let unknown = websocket(MASKED_EXEC, "v6.channel.k8s.io");
    check_refused(unknown, b"", 403, "v5.channel.k8s.io");
    let port = "/api/v1/namespaces/shop/pods/p/portforward";
    let tunnel = websocket(port, "SPDY/3.1+portforward.k8s.io");
    check_refused(tunnel, b"", 403, "a forwarded port");
}

#[test]
fn refuses_what_asks_about_masked_values_or_writes_their_marks_back() {
    let patch = |media: &'static str, body: &[u8], code: u16, part: &str| {
        let mut request = head("PATCH", SECRET, "masked");
        request.has_body = true;
        check_refused(with(request, "content-type", media), body, code, part);
    };
    let json = "application/json-patch+json";
    patch(
        json,
        br#"[{"op":"test","path":"/data/pw","value":"eA=="}]"#,
        403,
        "/data/pw",
    );
    patch(
        json,
        br#"[{"op":"copy","from":"/data/pw","path":"/metadata/annotations/x"}]"#,
        403,
        "/data/pw",
    );
    patch(
        json,
        br#"[{"op":"move","from":"/data","path":"/metadata/annotations"}]"#,
        403,
        "/data",
    );
    // A word that one JSON reader takes for its own, and then it saw no operation at all.
    patch(
        json,
        br#"[{"op":"add","path":"/metadata/labels","value":{"$serde_json::private::Number":"x"}},
            {"op":"replace","path":"/metadata/labels","value":{}},
            {"op":"copy","from":"/data/pw","path":"/metadata/annotations/x"}]"#,
        403,
        "/data/pw",
    );
    let mark = br#"{"stringData":{"pw":"countersign-masked:@secret-like"}}"#;
    patch("application/merge-patch+json", mark, 409, "/stringData/pw");
}

fn returning(subject: &str) -> RequestHead {
    let mut request = head("PATCH", "/api/v1/namespaces/shop/configmaps/c", subject);
    request.has_body = true;
    with(request, "content-type", "application/merge-patch+json")
}

const MARKED: &[u8] = br#"{"data":{"k":"countersign-masked:own"}}"#;

#[test]
fn the_live_object_is_read_as_the_caller_and_its_values_go_back() {
    let live =
        r#"{"kind":"ConfigMap","metadata":{"name":"c","resourceVersion":"7"},"data":{"k":"v"}}"#;
    let mut exchange = fresh();
    let mut output = exchange.handle(Input::Head(Box::new(returning("own")), None), now());
    let mut asked = 0;
    let request = loop {
        let input = match output {
            Output::Ask(Ask::Body { .. }) => Input::Body(Ok(Bytes::from_static(MARKED))),
            Output::Record { .. } => Input::Recorded(Ok(())),
            Output::Ask(Ask::Live { request, .. }) => {
                asked += 1;
                assert_eq!(request.method, Method::GET);
                assert_eq!(request.target, "/api/v1/namespaces/shop/configmaps/c");
                assert_eq!(request.headers["impersonate-user"], "demo:own");
                assert_eq!(request.headers["accept"], "application/json");
                assert!(!request.headers.contains_key("content-type"));
                Input::Live(Ok((StatusCode::OK, Bytes::from_static(live.as_bytes()))))
            }
            Output::Forward(request) => break request,
            other @ (Output::Ask(_) | Output::Refuse(_)) => panic!("{other:?}"),
        };
        output = exchange.handle(input, now());
    };
    assert_eq!(asked, 1);
    let Carriage::Write(body) = &request.carriage else {
        panic!("{request:?}")
    };
    assert_eq!(
        body,
        r#"{"data":{"k":"v"},"metadata":{"resourceVersion":"7"}}"#
    );
    let event = exchange.close(Closing::Completed, now().micros).unwrap();
    assert_eq!(event.annotation("countersign/restored"), Some("1"));
}

#[test]
fn nothing_is_written_without_the_live_object() {
    let check = |live, code: u16, part: &str| {
        let output = walk_with(&mut fresh(), returning("own"), MARKED, &live);
        let Output::Refuse(refusal) = output else {
            panic!("{output:?}")
        };
        let text = String::from_utf8(refusal.body.to_vec()).unwrap();
        assert_eq!(refusal.status.as_u16(), code, "{text}");
        assert!(text.contains(part), "`{part}` is not in {text}");
    };
    let answer = |code: u16, body: &'static str| {
        Ok((
            StatusCode::from_u16(code).unwrap(),
            Bytes::from_static(body.as_bytes()),
        ))
    };
    check(Err(LiveFault::NotReached), 503, "nothing was carried out");
    check(Err(LiveFault::TooSlow), 504, "nothing was written");
    check(Err(LiveFault::Broken), 504, "nothing was written");
    check(Err(LiveFault::TooLarge), 413, "larger");
    check(Err(LiveFault::NoRoom), 503, "try again");
    check(answer(404, "CANARY"), 404, r#"configmaps \"c\" not found"#);
    check(answer(403, "CANARY"), 403, "does not let you read it");
    check(answer(500, "CANARY"), 500, "nothing was written");
    check(answer(200, "no JSON"), 502, "does not fit");
    check(answer(200, r#"{"data":{"k":"v"}}"#), 502, "does not fit");
    let blind = walk(&mut fresh(), returning("blind"), MARKED);
    let Output::Refuse(refusal) = blind else {
        panic!("{blind:?}")
    };
    assert_eq!(refusal.status.as_u16(), 403);
}

/// `/watch/` paths select by what no authorizer is told of (K-1.3, K-4.22).
#[test]
fn refuses_selectors_that_ask_about_masked_values_on_every_path() {
    for target in [
        "/api/v1/namespaces/shop/secrets?fieldSelector=data.pw%3Dx",
        "/api/v1/namespaces/shop/secrets?watch=1&fieldSelector=data.pw%3Dx",
        "/api/v1/watch/namespaces/shop/secrets?fieldSelector=data.pw%3Dx",
        "/api/v1/watch/namespaces/shop/secrets/db?fieldSelector=data.pw%3Dx",
    ] {
        check_refused(head("GET", target, "masked"), b"", 403, "data.pw");
    }
}

#[test]
fn refuses_what_two_parsers_could_read_differently() {
    let get = |target: &str| head("GET", target, "reader");
    check_refused(get("/api/v1/namespaces//pods"), b"", 400, "empty segment");
    check_refused(get("/api/v1/namespaces/shop/pods/a%2Fb"), b"", 400, "");
    check_refused(
        get("https://demo.test/api/v1/pods"),
        b"",
        400,
        "must begin with `/`",
    );
    let mut both = get("/api/v1/namespaces/shop/pods");
    both.ambiguous_framing = true;
    check_refused(both, b"", 400, "send one");
    let mut old = get("/api/v1/namespaces/shop/pods");
    old.protocol = Protocol::Http10;
    check_refused(old, b"", 400, "HTTP/1.1");
    let mut two = get("/api/v1/namespaces/shop/pods");
    two.authority_conflict = true;
    check_refused(two, b"", 400, ":authority");
    let mut body = get("/api/v1/namespaces/shop/pods");
    body.has_body = true;
    check_refused(body, b"x", 400, "takes no body");
}

/// The connection stayed open after headers that make it doubtful where the next request begins.
#[test]
fn a_connection_is_not_used_again_after_headers_that_may_frame_it_otherwise() {
    let get = || head("GET", "/api/v1/namespaces/shop/pods", "reader");
    for (title, request, expected) in [
        (
            "two lengths",
            with(with(get(), "content-length", "0"), "content-length", "0"),
            true,
        ),
        (
            "an unknown coding",
            with(get(), "transfer-encoding", "xchunked"),
            true,
        ),
        ("a look-alike", with(get(), "content_length", "5"), true),
        (
            "an impersonation that says nothing",
            with(get(), "impersonate-uid", "1"),
            false,
        ),
    ] {
        let output = walk(&mut fresh(), request, b"");
        let Output::Refuse(refusal) = output else {
            panic!("{title}: {output:?}")
        };
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{title}");
        assert_eq!(refusal.close, expected, "{title}");
    }
}

/// CONNECT was answered by the HTTP library: without a decision id, a `Status` and an event.
#[test]
fn a_tunnel_is_refused_like_any_other_request_and_ends_the_connection() {
    for target in ["127.0.0.1:6443", "/api/v1/secrets"] {
        let mut exchange = fresh();
        let output = walk(&mut exchange, head("CONNECT", target, "reader"), b"");
        let Output::Refuse(refusal) = output else {
            panic!("{output:?}")
        };
        assert_eq!(refusal.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(refusal.close);
        let event = exchange.close(Closing::Completed, now().micros).unwrap();
        assert_eq!(event.verb(), "connect");
        assert_eq!(event.response_status().unwrap().code(), 405);
    }
}

#[test]
fn the_host_names_the_cluster_and_must_agree_with_the_handshake() {
    let mut unknown = head("GET", "/api/v1/namespaces/shop/pods", "reader");
    unknown.host = Some("other.test".to_owned());
    check_refused(unknown, b"", 404, "stands for no cluster");
    let mut differs = head("GET", "/api/v1/namespaces/shop/pods", "reader");
    differs.server_name = Some("other.test".to_owned());
    check_refused(differs, b"", 421, "differs");
}

#[test]
fn impersonation_is_judged_name_by_name_and_never_passed_on() {
    let request = with(
        head("GET", "/api/v1/namespaces/shop/pods", "reader"),
        "impersonate-user",
        "system:admin",
    );
    check_refused(request, b"", 403, "impersonate");
}

/// A rule that allows every group allowed `system:masters` too, and the answer was 500.
#[test]
fn nobody_acts_as_a_group_of_the_cluster_whatever_a_rule_allows() {
    let request = with(
        with(
            head("GET", "/api/v1/namespaces/shop/pods", "support"),
            "impersonate-user",
            "ana",
        ),
        "impersonate-group",
        "system:masters",
    );
    check_refused(request, b"", 403, "does not act as `system:masters`");
}

/// An allowed `--as` left no trace: the events named the caller and not whom it acted as.
#[test]
fn every_event_names_whom_the_caller_acts_as_or_asked_to() {
    let mut exchange = fresh();
    let asked = with(
        with(
            head("GET", "/api/v1/namespaces/shop/pods?watch=1", "support"),
            "impersonate-user",
            "ana",
        ),
        "impersonate-group",
        "people",
    );
    let asked = exchange.handle(Input::Head(Box::new(asked), None), now());
    let Output::Record { event, .. } = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(event.username(), "demo:support");
    assert_eq!(event.impersonated_username(), "ana");
    let Output::Forward(request) = exchange.handle(Input::Recorded(Ok(())), now()) else {
        panic!("not forwarded")
    };
    assert_eq!(request.headers["impersonate-user"], "ana");
    assert_eq!(request.headers["impersonate-group"], "people");
    let answered = exchange.response_head(StatusCode::OK, &HeaderMap::new(), now().micros);
    let answered = answered.unwrap();
    assert_eq!(answered.event.unwrap().impersonated_username(), "ana");
    let closed = exchange.close(Closing::Completed, now().micros).unwrap();
    assert_eq!(closed.impersonated_username(), "ana");

    let mut denied = fresh();
    let request = head("GET", "/api/v1/namespaces/shop/pods", "reader");
    walk(
        &mut denied,
        with(request, "impersonate-user", "system:admin"),
        b"",
    );
    let closed = denied.close(Closing::Completed, now().micros).unwrap();
    assert_eq!(closed.username(), "demo:reader");
    assert_eq!(closed.impersonated_username(), "system:admin");
}

/// The chain of earlier actors was read from the token and then dropped: no event named them.
#[test]
fn every_event_names_the_earlier_actors_of_a_delegated_token() {
    let mut claims = claims("ana", 600);
    claims["act"] = serde_json::json!({"sub": "reader", "act": {"sub": "planner"}});
    let mut request = head("GET", "/api/v1/namespaces/shop/pods", "reader");
    let bearer = HeaderValue::from_str(&format!("Bearer {}", sign(&claims))).unwrap();
    request.headers.insert("authorization", bearer);
    let mut exchange = fresh();
    let output = exchange.handle(Input::Head(Box::new(request), None), now());
    let Output::Record { event, .. } = output else {
        panic!("{output:?}")
    };
    assert_eq!(event.username(), "demo:reader");
    let note = |name| event.annotation(name);
    assert_eq!(note("countersign/acting-for"), Some("demo:ana"));
    assert_eq!(note("countersign/prior-actors"), Some("demo:planner"));
}

#[test]
fn a_token_that_proves_nobody_is_401_before_anything_else_is_judged() {
    let mut request = head("GET", "/api/v1/namespaces/vault/pods", "reader");
    request
        .headers
        .insert("authorization", HeaderValue::from_static("Bearer x.y.z"));
    check_refused(request, b"", 401, "Unauthorized");
    let mut request = head("GET", "/api/v1/namespaces/vault/pods", "reader");
    request.headers.clear();
    check_refused(request, b"", 401, "no credential");
}

#[test]
fn a_remembered_caller_is_void_after_its_end_and_under_another_epoch() {
    let mut exchange = fresh();
    walk(
        &mut exchange,
        head("GET", "/api/v1/namespaces/shop/pods", "reader"),
        b"",
    );
    let known = exchange.take_proven().unwrap();
    assert!(known.is_valid(1, now().micros));
    assert!(!known.is_valid(2, now().micros));
    assert!(!known.is_valid(1, now().micros + 61_000_000));
}

fn arbitrary_input(choice: u8) -> Input {
    match choice % 9 {
        0 => Input::Head(
            Box::new(head("GET", "/api/v1/namespaces/shop/pods", "reader")),
            None,
        ),
        1 => Input::Head(
            Box::new(head("DELETE", "/api/v1/namespaces/vault/pods/x", "reader")),
            None,
        ),
        2 => Input::Keys(snapshot(2)),
        3 => Input::Reviewed(Err("no".to_owned())),
        4 => Input::Scope(snapshot(2)),
        5 => Input::Body(Ok(Bytes::from_static(b"{}"))),
        6 => Input::Body(Err(BodyFault::Broken)),
        7 => Input::Recorded(Ok(())),
        _ => Input::Recorded(Err("full".to_owned())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// INVARIANT 1 and 5: whatever the shell says, nothing is forwarded before a record was stored,
    /// and there is one terminal event.
    #[test]
    fn nothing_is_forwarded_without_a_stored_decision(choices in proptest::collection::vec(any::<u8>(), 0..12)) {
        let mut exchange = fresh();
        let mut recorded = false;
        for choice in choices {
            let input = arbitrary_input(choice);
            let stored = matches!(input, Input::Recorded(Ok(())));
            match exchange.handle(input, now()) {
                Output::Forward(_) => prop_assert!(recorded && stored),
                Output::Record { .. } => recorded = true,
                Output::Ask(_)
                | Output::Refuse(_) => {}
            }
        }
        prop_assert!(exchange.close(Closing::Completed, now().micros).is_some());
        prop_assert!(exchange.close(Closing::DownstreamGone, now().micros).is_none());
    }
}

#[test]
fn a_write_that_may_have_happened_is_never_called_unavailable() {
    let mut exchange = fresh();
    walk(
        &mut exchange,
        head("GET", "/api/v1/namespaces/shop/pods", "reader"),
        b"",
    );
    assert_eq!(
        exchange.upstream_failed(UpstreamFailure::Broke).status,
        StatusCode::GATEWAY_TIMEOUT
    );
    let reached = exchange.upstream_failed(UpstreamFailure::NotReached);
    assert_eq!(reached.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn only_listed_headers_of_an_answer_go_on() {
    let mut exchange = fresh();
    walk(
        &mut exchange,
        head("GET", "/api/v1/namespaces/shop/pods", "reader"),
        b"",
    );
    let mut upstream = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json"),
        ("set-cookie", "a=b"),
        ("x-internal", "1"),
        ("warning", "299 - \"old\""),
    ] {
        upstream.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let answered = exchange.response_head(StatusCode::OK, &upstream, now().micros);
    let answered = answered.unwrap();
    let mut names: Vec<&str> = answered.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["content-type", "countersign-decision-id", "warning"]
    );
    assert!(answered.event.is_none());
}
