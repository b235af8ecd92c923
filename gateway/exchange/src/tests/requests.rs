//! Requests: what is forwarded, what is refused, and what becomes of the connection.

use super::*;

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
