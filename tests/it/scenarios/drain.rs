//! SIGTERM with work under way (pingora-notes §5).

use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_tests::{
    Bundle, FakeUpstream, Issuer, Request, Script, Setup, WebSocket, eventually, fresh, get,
};
use serde_json::json;

use super::{Stage, Watch};
use crate::ground::EVERYTHING;

const DEADLINE: Duration = Duration::from_secs(4);

#[test]
fn a_drain_refuses_newcomers_ends_streams_at_the_deadline_and_exits_well() {
    let stage =
        Stage::new(|setup| setup.with_line("drain { ready-delay \"1s\"; deadline \"4s\" }"));
    let namespace = &stage.ground.namespace;
    let token = stage.issuer.token("agent");
    let watch = Watch::open(
        &stage.gateway,
        &format!("/api/v1/namespaces/{namespace}/configmaps?watch=1"),
        &token,
    );
    let exec =
        format!("/api/v1/namespaces/{namespace}/pods/shell/exec?command=cat&stdin=1&stdout=1");
    let request = WebSocket::request(&exec, &["v5.channel.k8s.io"]).token(&token);
    let mut session = WebSocket::open(stage.gateway.wire(), &request).expect("an upgrade");
    session.send(b"\0one\n").unwrap();
    assert_eq!(session.channel(1, 4).unwrap(), b"one\n");
    let mut idle = stage.gateway.wire();
    assert_eq!(idle.ask(&get("/version").token(&token)).status, 200);

    let asked = Instant::now();
    stage.gateway.signal("TERM");
    eventually("readiness to fall", || {
        (stage.gateway.admin("/readyz").0 == 503).then_some(())
    });
    eventually("the listener to close", || {
        (!stage.gateway.accepts()).then_some(())
    });
    // What is under way goes on.
    session.send(b"\0two\n").unwrap();
    assert_eq!(session.channel(1, 4).unwrap(), b"two\n");
    let id = watch.id.clone();
    let ended = watch.end();
    let took = asked.elapsed();
    assert!(
        took < DEADLINE + Duration::from_secs(6),
        "{took:?}, {ended:?}"
    );
    assert_eq!(stage.gateway.exit_code(), 0, "{}", stage.gateway.log());
    let event = stage.gateway.journal().await_stage(&id, "ResponseComplete");
    assert_eq!(event.annotation("countersign/ended-by"), "drained");
    let sessions = stage.gateway.journal().matching(|event| {
        event.text("/objectRef/subresource") == "exec" && event.text("/stage") == "ResponseComplete"
    });
    assert_eq!(sessions.len(), 1, "the session has its end in the log");
}

#[test]
fn an_idle_gateway_ends_at_once() {
    let stage =
        Stage::new(|setup| setup.with_line("drain { ready-delay \"0s\"; deadline \"20s\" }"));
    let mut idle = stage.gateway.wire();
    let request = get("/version").token(&stage.issuer.token("agent"));
    assert_eq!(idle.ask(&request).status, 200);
    let asked = Instant::now();
    stage.gateway.signal("TERM");
    assert_eq!(stage.gateway.exit_code(), 0, "{}", stage.gateway.log());
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
}

/// A list that its reader takes slowly, so that the API server is in the middle of it when the
/// signal comes, arrives whole.
#[test]
fn a_slow_list_is_finished_before_the_end() {
    // Together more than any buffer between the API server and the reader holds.
    const COUNT: usize = 40;
    const PAYLOAD_BYTES: usize = 900 * 1024;
    let stage =
        Stage::new(|setup| setup.with_line("drain { ready-delay \"0s\"; deadline \"60s\" }"));
    let cluster = stage.ground.cluster;
    let namespace = cluster.namespace("slow");
    let collection = format!("/api/v1/namespaces/{namespace}/configmaps");
    let payload = "x".repeat(PAYLOAD_BYTES);
    let mut admin = cluster.wire();
    for number in 0..COUNT {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("big-{number}"), "labels": {"size": "big"}},
            "data": {"payload": payload},
        });
        let create = Request::new("POST", &collection).body("application/json", body.to_string());
        assert_eq!(admin.ask(&create).status, 201);
    }
    let agent = fresh("slow");
    let list = get(&format!("{collection}?labelSelector=size%3Dbig"));
    let list = list.token(&stage.issuer.token("agent")).agent(&agent);
    let mut wire = stage.gateway.wire();
    wire.send(&list.bytes()).unwrap();
    let mut answer = wire.head().unwrap();
    assert_eq!(answer.status, 200);
    stage.gateway.signal("TERM");
    eventually("the listener to close", || {
        (!stage.gateway.accepts()).then_some(())
    });
    let under_way = cluster.journal().by_agent(&agent);
    let ended = under_way
        .iter()
        .any(|event| event.text("/stage") == "ResponseComplete");
    assert!(!ended, "it is not slow: {under_way:?}");
    while let Some(piece) = wire.piece().expect("the list is not cut") {
        answer.body.extend(piece);
    }
    let items = answer.json()["items"].as_array().map(Vec::len);
    assert_eq!(items, Some(COUNT));
    assert_eq!(stage.gateway.exit_code(), 0, "{}", stage.gateway.log());
    let event = cluster.journal().await_agent(&agent, "ResponseComplete");
    assert_eq!(event.code(), 200);
    cluster
        .admin()
        .ok(&["delete", "namespace", &namespace, "--wait=false"]);
}

/// The same for an upstream that sends slowly.
#[test]
fn a_list_that_comes_slowly_is_finished_before_the_end() {
    const PIECES: usize = 20;
    let script = Script::http2(|(request, mut respond)| async move {
        let slow = request.uri().path().contains("/namespaces/slow/");
        let head = http::Response::builder().header("content-type", "application/json");
        let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else {
            return;
        };
        for _ in 0..if slow { PIECES } else { 1 } {
            stream
                .send_data(Bytes::from_static(b"[0123456789]"), false)
                .unwrap_or_default();
            if slow {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        stream.send_data(Bytes::new(), true).unwrap_or_default();
    });
    let upstream = FakeUpstream::start(script);
    let issuer = Issuer::start();
    let bundle = Bundle::open(&issuer, &["one"]).with_rules(EVERYTHING);
    let gateway = Setup::with_kubeconfig(&upstream.kubeconfig(), &issuer)
        .with_bundle(bundle)
        .start();
    let request = get("/api/v1/namespaces/slow/configmaps").token(&issuer.token("agent"));
    let mut wire = gateway.wire();
    wire.send(&request.bytes()).unwrap();
    let mut answer = wire.head().unwrap();
    gateway.signal("TERM");
    while let Some(piece) = wire.piece().expect("the list is not cut") {
        answer.body.extend(piece);
    }
    assert_eq!(answer.body.len(), 12 * PIECES);
    assert_eq!(gateway.exit_code(), 0);
}
