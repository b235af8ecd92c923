//! T6: what is sent twice when a reused connection dies after delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_tests::{
    Frame, Request, Script, WebSocket, get, header_block, read_request, write_answer,
};

use super::Bench;

/// Answers the first request of each connection, and closes after reading any further one.
fn dies_on_reuse() -> Script {
    Script::http1(|connection, log| {
        let mut served = false;
        while let Some(request) = read_request(connection)? {
            log.add(request);
            if served {
                return Ok(());
            }
            served = true;
            // An upgrade is refused, which leaves the connection usable.
            write_answer(connection, "200 OK", "{}")?;
        }
        Ok(())
    })
}

const TARGET: &str = "/api/v1/namespaces/a/configmaps/x";
const EXEC: &str = "/api/v1/namespaces/a/pods/p/exec?command=id&stdout=1";

/// Requests with how often each may be delivered.
fn cases() -> Vec<(&'static str, Request, usize)> {
    let object = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#;
    let spdy = Request::new("POST", EXEC)
        .header("Connection", "Upgrade")
        .header("Upgrade", "SPDY/3.1")
        .header("X-Stream-Protocol-Version", "v4.channel.k8s.io")
        .header("Content-Length", "0");
    vec![
        ("GET", get(TARGET), 2),
        (
            "POST",
            Request::new("POST", "/api/v1/namespaces/a/configmaps")
                .body("application/json", object),
            1,
        ),
        (
            "PUT",
            Request::new("PUT", TARGET).body("application/json", object),
            1,
        ),
        (
            "PATCH",
            Request::new("PATCH", TARGET).body("application/merge-patch+json", "{}"),
            1,
        ),
        ("DELETE", Request::new("DELETE", TARGET), 1),
        (
            "DELETE with a body",
            Request::new("DELETE", TARGET).body("application/json", "{}"),
            1,
        ),
        (
            "exec by WebSocket GET",
            WebSocket::request(EXEC, &["v5.channel.k8s.io"]),
            1,
        ),
        ("exec by SPDY POST", spdy, 1),
        (
            "a proxied POST",
            Request::new("POST", "/api/v1/namespaces/a/pods/p/proxy/x").body("text/plain", "x"),
            1,
        ),
        (
            "a proxied GET",
            get("/api/v1/namespaces/a/pods/p/proxy/x"),
            1,
        ),
    ]
}

#[test]
fn only_plain_reads_are_ever_delivered_twice() {
    for (title, request, deliveries_max) in cases() {
        let bench = Bench::new(dies_on_reuse());
        let request = request.token(&bench.token());
        // Warms the pool for both kinds of connection.
        let warm = [
            get(TARGET),
            WebSocket::request(EXEC, &["v5.channel.k8s.io"]),
        ];
        for warm in warm {
            bench.gateway.wire().ask(&warm.token(&bench.token()));
        }
        let before = bench.upstream.received().len();
        let answer = bench.gateway.wire().ask(&request);
        let delivered = bench.upstream.received().len() - before;
        assert!(
            delivered <= deliveries_max,
            "{title} was delivered {delivered} times"
        );
        assert!(delivered > 0, "{title} was not delivered");
        // A write that may have happened is never called unavailable (K-9.12).
        assert!(
            [200, 502, 504].contains(&answer.status),
            "{title}: {} {}",
            answer.status,
            answer.text()
        );
    }
}

/// What an HTTP/2 upstream does to the first requests it gets.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    /// GOAWAY below the stream: not processed.
    GoAwayBelow,
    /// REFUSED_STREAM: not processed.
    RefusedStream,
    /// GOAWAY that takes the stream in, then the end: perhaps processed.
    GoAwayAbove,
    /// CANCEL: perhaps processed.
    Cancel,
}

/// Refuses that many requests, then answers 201. Counts what it gets.
fn refuses(count: usize, refusal: Refusal, seen: &Arc<AtomicUsize>) -> Script {
    let seen = Arc::clone(seen);
    Script::frames(move |frames| {
        loop {
            let stream = frames.next_request()?;
            if seen.fetch_add(1, Ordering::SeqCst) >= count {
                let head = [(":status", "201"), ("content-type", "application/json")];
                frames.send(&Frame::headers(stream, header_block(&head), false))?;
                frames.send(&Frame::data(stream, b"{}", true))?;
                continue;
            }
            match refusal {
                Refusal::GoAwayBelow => return frames.send(&Frame::go_away(stream - 1)),
                Refusal::GoAwayAbove => return frames.send(&Frame::go_away(stream)),
                Refusal::RefusedStream => frames.send(&Frame::refuse(stream))?,
                Refusal::Cancel => frames.send(&Frame::cancel(stream))?,
            }
        }
    })
}

/// An API server with `--goaway-chance`, or about to end, refuses streams that it did nothing for;
/// the caller was told 504, "may have been carried out".
#[test]
fn a_write_that_was_surely_not_carried_out_is_sent_once_more() {
    for (refusal, times, status, deliveries) in [
        (Refusal::GoAwayBelow, 1, 201, 2),
        (Refusal::RefusedStream, 1, 201, 2),
        (Refusal::GoAwayBelow, 9, 503, 2),
        (Refusal::RefusedStream, 9, 503, 2),
        (Refusal::GoAwayAbove, 9, 504, 1),
        (Refusal::Cancel, 9, 504, 1),
    ] {
        let seen = Arc::new(AtomicUsize::new(0));
        let bench = Bench::new(refuses(times, refusal, &seen));
        let write = Request::new("DELETE", TARGET)
            .token(&bench.token())
            .body("application/json", "{}");
        let answer = bench.gateway.wire().ask(&write);
        assert_eq!(answer.status, status, "{refusal:?}: {}", answer.text());
        let seen = seen.load(Ordering::SeqCst);
        assert_eq!(seen, deliveries, "{refusal:?} {times} times");
    }
}
