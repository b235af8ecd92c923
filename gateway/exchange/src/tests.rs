//! The walk without a socket: the demo bundle, minted tokens, and a shell that says yes or no.

mod callers;
mod masks;
mod requests;
mod watches;

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
allow "nested" { why "masked"; who { user "demo:nested" }; can watch; on "configmaps"; in "shop"; mask "nested" }
allow "found" { why "masked"; who { user "demo:found" }; can read patch; on "configmaps"; in "shop"; mask "found" }
allow "writes-alone" { why "no reads"; who { user "demo:writer" }; can patch; on "secrets" "pods/status"; in "shop" }
allow "reads-status" { why "no pods"; who { user "demo:writer" }; can get; on "deployments.apps/status"; in "shop" }
require "for-readers" { why "masked"; who { user "demo:writer" }; can read; on "secrets" "deployments.apps"; mask "@secret-like" "env" }
require "for-writers" { why "masked"; who { user "demo:writer" }; can write; on "pods"; mask "env" }
allow "blind" { why "masked"; who { user "demo:blind" }; can patch; on "configmaps"; in "shop"; mask "own" }
allow "masked-sessions" { why "masked"; who { user "demo:masked" }; can read connect; on "pods/exec" "pods/portforward" "pods/log"; in "shop"; mask "streams" }
deny "never-vault" { why "vault is closed"; can all; on "*/*"; in "vault"; message "ask security" }
"#;
const MASKS: &str = r#"
mask "own" { for "configmaps" { at "data.*" redact }; write-back restore }
mask "found" { for "configmaps" { detect "email" "aws-key" (re)"cust-[0-9]{6}" (re)"^only-[0-9]{6}$" redact } }
mask "env" { for "pods" { at "spec.containers[*].env[*].value" redact } }
mask "nested" { for "configmaps" { at "data.*" json { at "pin" redact } } }
mask "streams" { for "pods/exec" "pods/portforward" "pods/log" { detect "aws-key" redact } }
"#;

fn snapshot(epoch: u64) -> Arc<Snapshot> {
    snapshot_of(epoch, MASKS)
}

fn snapshot_of(epoch: u64, masks: &str) -> Arc<Snapshot> {
    let files = BTreeMap::from([
        ("bundle.kdl".to_owned(), BUNDLE.as_bytes().to_vec()),
        ("identities.kdl".to_owned(), ISSUER.as_bytes().to_vec()),
        ("masks.kdl".to_owned(), masks.as_bytes().to_vec()),
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
