//! What an allow may demand: a reason, an end.

use std::time::{Duration, Instant};

use gateway_tests::{Request, eventually, get};

use super::{Stage, Watch};
use crate::ground::assert_status;

#[test]
fn a_rule_that_wants_a_reason_lets_nobody_pass_without_one() {
    const RULES: &str = r#"
allow "with-a-reason" {
    why "Changes are explained"
    who { kind agent }
    can create
    on "configmaps"
    in "*"
    reason min=10 ticket="CHG-[0-9]+"
}
"#;
    let stage = Stage::new(|setup| setup.with_rules(RULES));
    let name = gateway_tests::fresh("reason");
    let object =
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#);
    let target = format!("/api/v1/namespaces/{}/configmaps", stage.ground.namespace);
    let create = |reason: Option<&str>| {
        let request = Request::new("POST", &target)
            .token(&stage.issuer.token("agent"))
            .body("application/json", object.clone());
        let request = match reason {
            Some(reason) => request.header("Countersign-Reason", reason),
            None => request,
        };
        stage.gateway.wire().ask(&request)
    };
    assert_status("no reason", &create(None), 403);
    assert_status("a short reason", &create(Some("CHG-1")), 403);
    assert_status("no ticket", &create(Some("because I said so")), 403);
    let answer = create(Some("CHG-4711 the shop needs it"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.header("countersign-decision-id").expect("an id");
    let event = stage.gateway.journal().await_stage(id, "RequestReceived");
    assert_eq!(
        event.annotation("countersign/stated-reason"),
        "CHG-4711 the shop needs it"
    );
}

const SHORT_WATCHES: &str = r#"
allow "for-a-while" {
    why "Watches are short here"
    who { kind agent }
    can read
    on "configmaps"
    in "*"
    session-limit "3s"
}
"#;

#[test]
fn a_session_limit_ends_a_watch_and_the_gauge_falls() {
    let stage = Stage::new(|setup| setup.with_rules(SHORT_WATCHES));
    let target = format!(
        "/api/v1/namespaces/{}/configmaps?watch=1",
        stage.ground.namespace
    );
    let opened = Instant::now();
    let watch = Watch::open(&stage.gateway, &target, &stage.issuer.token("agent"));
    assert!(
        (stage.gateway.metric("countersign_watches ") - 1.0).abs() < 0.1,
        "one watch"
    );
    let id = watch.id.clone();
    let ended = watch.end();
    assert!(opened.elapsed() < Duration::from_secs(10), "{ended:?}");
    ended.expect("it ended as a watch ends and was not cut");
    let event = stage.gateway.journal().await_stage(&id, "ResponseComplete");
    assert_eq!(event.annotation("countersign/ended-by"), "session-limit");
    eventually("the gauge to fall", || {
        (stage.gateway.metric("countersign_watches ") < 0.1).then_some(())
    });
}

/// Over HTTP/2 the stream was reset, which client-go takes for an event it cannot read: it listed
/// everything anew each time (K-3.10).
#[test]
fn a_session_limit_ends_a_watch_over_http2_without_a_reset() {
    let stage = Stage::new(|setup| setup.with_rules(SHORT_WATCHES));
    let target = format!(
        "/api/v1/namespaces/{}/configmaps?watch=1",
        stage.ground.namespace
    );
    let request = get(&target).token(&stage.issuer.token("agent"));
    let answer = stage.gateway.h2().ask(&request);
    let answer = answer.expect("an end and no reset");
    assert_eq!(answer.status, 200);
    assert!(answer.body.ends_with(b"}\n"), "whole events");
}

/// BOUND: one connection more than allowed is closed, and the others do not notice.
#[test]
fn more_connections_than_allowed_are_closed() {
    let stage = Stage::new(|setup| setup.with_line("limits { connections 4 }"));
    let request = get("/version").token(&stage.issuer.token("agent"));
    let mut open: Vec<_> = (0..4).map(|_| stage.gateway.wire()).collect();
    for wire in &mut open {
        assert_eq!(wire.ask(&request).status, 200);
    }
    for _ in 0..3 {
        assert!(!stage.gateway.accepts(), "a fifth connection");
    }
    for wire in &mut open {
        assert_eq!(wire.ask(&request).status, 200);
    }
    open.pop();
    eventually("room for another", || stage.gateway.accepts().then_some(()));
}
