//! Both audit logs tell one story.

use gateway_tests::{Event, Request, WebSocket, fresh, get};
use serde_json::Value;

use super::Stage;
use crate::ground::{EVERYTHING, assert_status, ground};

/// The API server knows the agent as the impersonated user, and joins by the audit id (K-7.12).
#[test]
fn the_api_server_sees_the_agent_behind_the_gateway() {
    let ground = ground();
    let object = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"audit-"}}"#;
    let base = format!("/api/v1/namespaces/{}/configmaps", ground.namespace);
    let claims = ground.issuer.claims("auditee");
    let credential = claims.text("jti");
    let token = ground.issuer.mint(&claims);
    for (request, code) in [
        (get(&base), 200),
        (get(&format!("{base}/cm")), 200),
        (get(&format!("{base}/absent")), 404),
        (
            Request::new("POST", &base).body("application/json", object),
            201,
        ),
        (get("/version"), 200),
    ] {
        let agent = fresh("audit");
        let answer = ground.ask(&request.token(&token).agent(&agent));
        assert_eq!(answer.status, code, "{}", answer.text());
        let id = answer
            .header("countersign-decision-id")
            .expect("a decision id");
        let theirs = ground
            .cluster
            .journal()
            .await_agent(&agent, "ResponseComplete");
        let ours = ground.gateway.journal().await_stage(id, "ResponseComplete");
        assert_eq!(theirs.text("/auditID"), id);
        assert_eq!(theirs.text("/user/username"), "countersign-gateway");
        assert_eq!(theirs.text("/impersonatedUser/username"), "it:auditee");
        let extra = "/impersonatedUser/extra/authentication.kubernetes.io~1credential-id/0";
        assert_eq!(theirs.text(extra), format!("JTI={credential}"));
        assert_same_story(&ours, &theirs);
        assert_eq!(
            ours.annotation("countersign/credential-id"),
            format!("JTI={credential}")
        );
    }
}

#[test]
fn a_denied_request_has_one_event_and_no_answer_of_the_api_server() {
    let ground = ground();
    let request = get("/api/v1/nodes").token(&ground.token("denied"));
    let request = request.header("Impersonate-User", "it:somebody");
    let answer = ground.ask(&request);
    assert_status("impersonation", &answer, 403);
    let id = answer
        .header("countersign-decision-id")
        .expect("a decision id");
    ground.gateway.journal().await_stage(id, "ResponseComplete");
    let events = ground.gateway.journal().by_id(id);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].annotation("countersign/decision"), "deny");
    assert_eq!(events[0].code(), 403);
    assert_eq!(ground.cluster.journal().by_id(id).len(), 0);
}

/// An allowed `--as` left a hole: the gateway's log named the caller alone.
#[test]
fn both_logs_say_whom_an_allowed_impersonation_acts_as() {
    let rules = r#"
allow "act-as-ana" {
    why "Support looks at what Ana sees"
    who { user "it:support" }
    can impersonate
    on "users" "groups"
    in "@cluster"
    named "it:ana" "it:admins"
}
"#;
    let rules = [EVERYTHING, rules].concat();
    let stage = Stage::new(|setup| setup.with_rules(&rules));
    let agent = fresh("audit");
    let target = format!("/api/v1/namespaces/{}/configmaps", stage.ground.namespace);
    let request = get(&target)
        .token(&stage.issuer.token("support"))
        .agent(&agent)
        .header("Impersonate-User", "it:ana")
        .header("Impersonate-Group", "it:admins");
    let answer = stage.gateway.wire().ask(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer
        .header("countersign-decision-id")
        .expect("a decision id");
    let theirs = stage
        .ground
        .cluster
        .journal()
        .await_agent(&agent, "ResponseComplete");
    for stage_of_event in ["RequestReceived", "ResponseComplete"] {
        let ours = stage.gateway.journal().await_stage(id, stage_of_event);
        assert_eq!(ours.text("/user/username"), "it:support");
        for pointer in ["/impersonatedUser/username", "/impersonatedUser/groups/0"] {
            assert_eq!(ours.text(pointer), theirs.text(pointer), "{pointer}");
        }
        assert_eq!(ours.text("/impersonatedUser/username"), "it:ana");
    }
}

#[test]
fn a_session_has_a_beginning_and_an_end_in_both_logs() {
    let ground = ground();
    let agent = fresh("audit");
    let target = format!(
        "/api/v1/namespaces/{}/pods/shell/exec?command=echo&command=hi&stdout=1",
        ground.namespace
    );
    let token = ground.token("auditee");
    let request = WebSocket::request(&target, &["v5.channel.k8s.io"])
        .token(&token)
        .agent(&agent);
    let mut socket = WebSocket::open(ground.gateway.wire(), &request).expect("an upgrade");
    assert_eq!(socket.channel(1, 3).unwrap(), b"hi\n");
    drop(socket);
    let theirs = ground
        .cluster
        .journal()
        .await_agent(&agent, "ResponseStarted");
    let id = theirs.text("/auditID").to_owned();
    for stage in ["RequestReceived", "ResponseStarted", "ResponseComplete"] {
        let ours = ground.gateway.journal().await_stage(&id, stage);
        assert_eq!(ours.text("/objectRef/subresource"), "exec", "{stage}");
    }
    let ends = ground.gateway.journal().by_id(&id);
    let ends = ends
        .iter()
        .filter(|event| event.text("/stage") == "ResponseComplete")
        .count();
    assert_eq!(ends, 1, "one terminal event");
}

/// Tools that read the API server's log read the gateway's.
fn assert_same_story(ours: &Event, theirs: &Event) {
    for pointer in [
        "/kind",
        "/apiVersion",
        "/level",
        "/stage",
        "/auditID",
        "/verb",
        "/userAgent",
    ] {
        assert_eq!(ours.text(pointer), theirs.text(pointer), "{pointer}");
    }
    assert_eq!(ours.code(), theirs.code());
    assert_eq!(
        ours.text("/user/username"),
        theirs.text("/impersonatedUser/username")
    );
    for field in [
        "resource",
        "namespace",
        "apiGroup",
        "apiVersion",
        "subresource",
    ] {
        let pointer = format!("/objectRef/{field}");
        assert_eq!(ours.text(&pointer), theirs.text(&pointer), "{pointer}");
    }
    let keys = |event: &Event| -> Vec<String> {
        let object = event
            .0
            .as_object()
            .map(|object| object.keys().cloned().collect());
        object.unwrap_or_default()
    };
    let known: Vec<String> = keys(theirs);
    for key in keys(ours) {
        assert!(
            known.contains(&key),
            "`{key}` is unknown to readers of audit.k8s.io/v1"
        );
    }
    assert!(ours.0.get("annotations").is_some_and(Value::is_object));
}
