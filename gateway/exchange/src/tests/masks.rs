//! Masked answers and sessions, and writes of what they showed.

use super::*;

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

/// Detectors that look everywhere find in an object what a selector or a `test` asks for.
#[test]
fn refuses_questions_whose_own_value_a_detector_finds() {
    let list = "/api/v1/namespaces/shop/configmaps";
    for asked in [
        "labelSelector=customer%3Dcust-000001",
        "labelSelector=customer+in+(x,cust-000001)",
        "labelSelector=customer+notin+(cust-000001)",
        "fieldSelector=metadata.name%3Dcust-000001",
    ] {
        let target = format!("{list}?{asked}");
        check_refused(
            head("GET", &target, "found"),
            b"",
            403,
            "asks about a value",
        );
    }
    // By halving, a number is found that is never named.
    for sign in ["%3E", "%3C"] {
        let halving = format!("{list}?labelSelector=customer{sign}4111");
        check_refused(
            head("GET", &halving, "found"),
            b"",
            403,
            "asks about a value",
        );
    }
    forwarded(
        head(
            "GET",
            &format!("{list}?labelSelector=customer%3Dx"),
            "found",
        ),
        b"",
    );
    let patch = || {
        let mut request = head("PATCH", &format!("{list}/c"), "found");
        request.has_body = true;
        with(request, "content-type", "application/json-patch+json")
    };
    for value in [
        r#""a@b.example""#,
        r#"{"mail":["a@b.example"]}"#,
        // As it is read, not as it is written.
        r#""x\nAKIAIOSFODNN7EXAMPLE""#,
        r#""only-000001""#,
    ] {
        let body = format!(r#"[{{"op":"test","path":"/data/contact","value":{value}}}]"#);
        check_refused(patch(), body.as_bytes(), 403, "/data/contact");
    }
    let body = r#"[{"op":"test","path":"/data/contact","value":"nothing"}]"#;
    forwarded(patch(), body.as_bytes());
}

/// The kubelet cuts there within lines, and no detector knows nineteen letters of twenty.
#[test]
fn a_masked_log_is_not_cut_off_at_a_byte() {
    let log = "/api/v1/namespaces/shop/pods/p/log";
    check_refused(
        head("GET", &format!("{log}?limitBytes=19"), "masked"),
        b"",
        403,
        "limitBytes",
    );
    forwarded(head("GET", &format!("{log}?tailLines=19"), "masked"), b"");
    // Without a mask it is nobody's business.
    forwarded(head("GET", &format!("{log}?limitBytes=19"), "reader"), b"");
}

/// Who may write and not read was shown all in clear: a denied read demands no mask.
#[test]
fn an_echo_is_masked_for_those_who_may_not_read_what_it_shows() {
    for (method, target) in [
        ("PATCH", SECRET),
        ("PATCH", "/api/v1/namespaces/shop/pods/p/status"),
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/d/status"),
    ] {
        let mut request = head(method, target, "writer");
        let mut body: &[u8] = b"";
        if method == "PATCH" {
            request.has_body = true;
            request = with(request, "content-type", "application/merge-patch+json");
            body = b"{}";
        }
        let mut exchange = fresh();
        let output = walk(&mut exchange, request, body);
        assert!(matches!(output, Output::Forward(_)), "{target}: {output:?}");
        let answered = exchange
            .response_head(StatusCode::OK, &json_head(), 0)
            .unwrap();
        assert_eq!(answered.framing, crate::response::Framing::Anew, "{target}");
    }
}
