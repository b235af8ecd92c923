//! T2, T3, T8, T9: bodies on every pair of protocols.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gateway_tests::{
    Frame, Frames, Log, Received, Request, Script, block_on, eventually, get, header_block,
    read_request, write_answer,
};
use serde_json::{Value, json};

use super::Bench;
use crate::ground::assert_status;

const COLLECTION: &str = "/api/v1/namespaces/a/configmaps";
/// Above the 64 KiB that the proxy library keeps of a body, below the API server's limit.
const PAYLOAD_BYTES: usize = 900 * 1024;

/// Answers 201 to everything with a body, 200 to the rest.
fn http1() -> Script {
    Script::http1(|connection, log| {
        while let Some(request) = read_request(connection)? {
            let created = !request.body.is_empty();
            log.add(request);
            let status = if created { "201 Created" } else { "200 OK" };
            write_answer(connection, status, "{}")?;
        }
        Ok(())
    })
}

fn http2(log: Log) -> Script {
    Script::http2(move |(request, mut respond)| {
        let log = log.clone();
        async move {
            let (head, mut stream) = request.into_parts();
            let mut body = Vec::new();
            while let Some(Ok(piece)) = stream.data().await {
                body.extend(&piece);
                let released = stream.flow_control().release_capacity(piece.len());
                released.expect("capacity just used");
            }
            let status = if body.is_empty() { 200 } else { 201 };
            let line = format!("{} {}", head.method, head.uri.path());
            log.add(Received {
                line,
                headers: Vec::new(),
                body,
            });
            let answer = http::Response::builder().status(status);
            let answer = answer.header("content-type", "application/json");
            // A client that went away is no fault of the upstream.
            if let Ok(mut sending) = respond.send_response(answer.body(()).unwrap(), false) {
                sending
                    .send_data(Bytes::from_static(b"{}"), true)
                    .unwrap_or_default();
            }
        }
    })
}

fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"payload": "x".repeat(PAYLOAD_BYTES)},
    })
}

/// Each pair of protocols, allowed and denied; `received` reads what the upstream got.
fn check_large_bodies(bench: &Bench, received: impl Fn() -> Vec<Received>) {
    for (index, downstream) in ["h1", "h2"].into_iter().enumerate() {
        let create = |name: &str| {
            let body = config_map(name).to_string();
            Request::new("POST", COLLECTION)
                .token(&bench.token())
                .body("application/json", body)
        };
        let name = format!("allowed-{downstream}");
        let (allowed, denied) = if downstream == "h1" {
            let denied = bench.gateway.wire().ask(&create("denied"));
            assert_status("a denied body", &denied, 403);
            (
                bench.gateway.wire().ask(&create(&name)).status,
                denied.status,
            )
        } else {
            let client = bench.gateway.h2();
            let denied = client.ask(&create("denied")).expect("an answer");
            let allowed = client.ask(&create(&name)).expect("an answer");
            (allowed.status.as_u16(), denied.status.as_u16())
        };
        assert_eq!((allowed, denied), (201, 403), "{downstream}");
        let bodies: Vec<Received> = received()
            .into_iter()
            .filter(|request| request.line.starts_with("POST"))
            .collect();
        assert_eq!(
            bodies.len(),
            index + 1,
            "{downstream}: delivered once, the denied never"
        );
        let body: Value = serde_json::from_slice(&bodies[index].body).expect("JSON upstream");
        assert_eq!(body, config_map(&name), "{downstream}");
    }
}

/// T2, T3.
#[test]
fn judges_and_delivers_large_bodies_to_http_1() {
    let bench = Bench::new(http1());
    check_large_bodies(&bench, || bench.upstream.received());
}

/// T2, T3.
#[test]
fn judges_and_delivers_large_bodies_to_http_2() {
    let log = Log::default();
    let bench = Bench::new(http2(log.clone()));
    check_large_bodies(&bench, || log.all());
}

#[test]
fn refuses_a_body_above_the_api_servers_own_limit() {
    let bench = Bench::new(http1());
    let body = format!(r#"{{"data":"{}"}}"#, "x".repeat(3 * 1024 * 1024));
    let request = Request::new("POST", COLLECTION).token(&bench.token());
    let request = request.body("application/json", body);
    let answer = bench.gateway.h2().ask(&request).expect("an answer");
    assert_eq!(answer.status, 413);
    // Over HTTP/1.1 the connection is closed, so the client may not get to read the answer.
    let mut wire = bench.gateway.wire();
    let sent = wire.send(&request.bytes());
    let answer = wire.answer(true);
    assert!(sent.is_err() || answer.is_err() || answer.is_ok_and(|answer| answer.status == 413));
    assert_eq!(bench.received(COLLECTION).len(), 0);
}

/// T8: the end of such a body is a frame of its own; what came before must not wait for it.
#[test]
fn a_body_that_ends_in_trailers_arrives_whole() {
    let script = Script::http2(|(_, mut respond)| async move {
        let head = http::Response::builder().header("content-type", "application/json");
        let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else {
            return;
        };
        let pieces = ["{\"kind\":\"Con", "figMap\",\"unfinished\":", "true}"];
        for piece in pieces {
            stream
                .send_data(Bytes::from(piece), false)
                .unwrap_or_default();
        }
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-trailer", http::HeaderValue::from_static("t"));
        stream.send_trailers(trailers).unwrap_or_default();
    });
    let bench = Bench::new(script);
    let expected = r#"{"kind":"ConfigMap","unfinished":true}"#;
    let read = get("/api/v1/namespaces/a/configmaps/x").token(&bench.token());
    let write = Request::new("POST", COLLECTION).token(&bench.token()).body(
        "application/json",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#,
    );
    for request in [read, write] {
        let answer = bench.gateway.wire().ask(&request);
        assert_eq!(answer.text(), expected);
        let answer = bench.gateway.h2().ask(&request).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    }
}

/// T9: an empty last DATA frame was written as a second end of the chunks, so that the pooled
/// upstream connection was out of step for whoever came next.
#[test]
fn an_upload_ended_by_an_empty_frame_ends_once_upstream() {
    let bench = Bench::new(http1());
    let target = "/api/v1/namespaces/a/pods/p/proxy/upload";
    let head = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "127.0.0.1"),
        (":path", target),
        ("authorization", &format!("Bearer {}", bench.token())),
    ];
    let mut frames = Frames::connect(bench.gateway.address(), &bench.gateway.ca_pem());
    for round in 0..3_u32 {
        let stream = 2 * round + 1;
        frames
            .send(&Frame::headers(stream, header_block(&head), false))
            .unwrap();
        frames.send(&Frame::data(stream, b"hello", false)).unwrap();
        frames.send(&Frame::data(stream, b"", true)).unwrap();
        assert_eq!(frames.outcome(stream), Some(201), "round {round}");
    }
    let received = bench.received(target);
    assert_eq!(received.len(), 3);
    for request in received {
        assert!(
            request.line.starts_with("POST "),
            "a request begins where the last ended: {request:?}"
        );
        assert_eq!(
            String::from_utf8_lossy(&request.body),
            "5\r\nhello\r\n0\r\n\r\n"
        );
    }
}

/// A response that breaks off must not look whole.
#[test]
fn a_body_that_breaks_off_upstream_breaks_off_downstream() {
    use std::io::Write;
    let script = Script::http1(|connection, log| {
        let Some(request) = read_request(connection)? else {
            return Ok(());
        };
        log.add(request);
        let stream = connection.get_mut();
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
            Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
        )?;
        stream.flush()
    });
    let bench = Bench::new(script);
    let request = get("/api/v1/namespaces/a/configmaps/x").token(&bench.token());
    let mut wire = bench.gateway.wire();
    wire.send(&request.bytes()).unwrap();
    let answer = wire.answer(true);
    assert!(answer.is_err(), "a truncated answer: {answer:?}");
    let answer = bench.gateway.h2().ask(&request);
    assert!(answer.is_err(), "a reset stream: {answer:?}");
}

/// A client that goes away takes its upstream request with it, and the audit log says so.
#[test]
fn a_client_that_goes_away_ends_the_upstream_request() {
    let open = Arc::new(Mutex::new(0_i32));
    let seen = Arc::clone(&open);
    let script = Script::http2(move |(_, mut respond)| {
        let seen = Arc::clone(&seen);
        async move {
            let head = http::Response::builder().header("content-type", "application/json");
            let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else {
                return;
            };
            stream
                .send_data(Bytes::from_static(b"{\"type\":\"BOOKMARK\"}\n"), false)
                .unwrap_or_default();
            *seen.lock().unwrap() += 1;
            // Resolves when the other side resets the stream.
            std::future::poll_fn(|context| stream.poll_reset(context))
                .await
                .ok();
            *seen.lock().unwrap() -= 1;
        }
    });
    let bench = Bench::new(script);
    let watch = get("/api/v1/namespaces/a/configmaps?watch=1").token(&bench.token());
    let count = || *open.lock().unwrap();
    let mut wire = bench.gateway.wire();
    wire.send(&watch.bytes()).unwrap();
    let id = wire
        .head()
        .unwrap()
        .header("countersign-decision-id")
        .unwrap()
        .to_owned();
    wire.piece().unwrap();
    let client = bench.gateway.h2();
    let (answer, body) = block_on(client.open(&watch)).expect("an answer");
    assert_eq!(answer.status, 200);
    eventually("both watches upstream", || (count() == 2).then_some(()));
    drop(wire);
    eventually("one watch upstream", || (count() == 1).then_some(()));
    drop((body, client));
    eventually("no watch upstream", || (count() == 0).then_some(()));
    let event = bench.gateway.journal().await_stage(&id, "ResponseComplete");
    assert_eq!(event.code(), 200, "{event:?}");
}
