//! Who is it, whom does it act as, and what do events say of it.

use super::*;

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
