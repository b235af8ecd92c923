//! Masked answers on every pair of protocols: whole where upstream's are, and never well ended where
//! they are not.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use gateway_tests::{Script, get, read_request, write_answer};

use super::Bench;

const TARGET: &str = "/api/v1/namespaces/a/secrets/db";
const MASKED: &str = r#"
require "masked" { why "The traps of masking"; owner "it"; severity low; can all; on "secrets"; mask "@secret-like" }
"#;
/// `CANARY` in base64.
const CANARY: &str = "Q0FOQVJZ";
/// What clients of the API server take of one event (K-3.1).
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// So that each piece is read by itself.
const PAUSE: Duration = Duration::from_millis(200);

fn http1(pieces: [&'static str; 2]) -> Script {
    Script::http1(move |connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            let length: usize = pieces.iter().map(|piece| piece.len()).sum();
            let stream = connection.get_mut();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            )?;
            for piece in pieces {
                stream.write_all(piece.as_bytes())?;
                stream.flush()?;
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    })
}

fn http2(pieces: [&'static str; 2]) -> Script {
    Script::http2(move |(_, mut respond)| async move {
        let head = http::Response::builder().header("content-type", "application/json");
        let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else {
            return;
        };
        for (index, piece) in pieces.into_iter().enumerate() {
            // A client that went away is no fault of the upstream.
            stream
                .send_data(Bytes::from(piece), index == 1)
                .unwrap_or_default();
            tokio::time::sleep(PAUSE).await;
        }
    })
}

fn bench(script: Script) -> Bench {
    Bench::with_rules(script, MASKED)
}

#[test]
fn a_masked_answer_is_whole_on_every_pair_of_protocols() {
    let pieces = [
        r#"{"kind":"Secret","data":{"pw":"Q0FO"#,
        r#"QVJZ"},"type":"Opaque"}"#,
    ];
    for script in [http1(pieces), http2(pieces)] {
        let bench = bench(script);
        let request = get(TARGET).token(&bench.token());
        let over_h1 = bench.gateway.wire().ask(&request);
        let over_h2 = bench.gateway.h2().ask(&request).expect("an answer");
        for (status, body) in [
            (over_h1.status, over_h1.body),
            (over_h2.status.as_u16(), over_h2.body),
        ] {
            let text = String::from_utf8(body).expect("JSON");
            assert_eq!(status, 200, "{text}");
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(value["type"], "Opaque");
            assert!(!text.contains(CANARY), "{text}");
        }
    }
}

/// What follows a fault may be anything: the client must not take what it got for all there was.
#[test]
fn a_broken_answer_under_a_mask_does_not_seem_to_end() {
    let broken = [
        r#"{"kind":"Secret","data":{"pw":"Q0FOQVJZ"},"#,
        r#""type" "Q0FOQVJZ"}"#,
    ];
    let cut = [r#"{"kind":"Secret","data":{"pw":""#, "Q0FOQVJZ"];
    for script in [http1(broken), http2(broken), http1(cut), http2(cut)] {
        let bench = bench(script);
        let request = get(TARGET).token(&bench.token());
        let mut wire = bench.gateway.wire();
        wire.send(&request.bytes()).expect("sent");
        let head = wire.head().expect("a head");
        let mut given = Vec::new();
        let ended = loop {
            match wire.piece() {
                Ok(Some(piece)) => given.extend(piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let text = String::from_utf8_lossy(&given);
        assert!(!text.contains(CANARY), "{text}");
        assert!(!ended, "status {}: {text}", head.status);
        let over_h2 = bench.gateway.h2().ask(&request);
        assert!(over_h2.is_err(), "{over_h2:?}");
        let metrics = bench.gateway.admin("/metrics").1;
        let counted = metrics.lines().any(|line| {
            line.starts_with("countersign_unmaskable_answers_total") && line.ends_with(" 2")
        });
        assert!(counted, "{metrics}");
    }
}

/// The words of an ERROR event quote what they like (K-4.16); its code tells the client what to do.
#[test]
fn the_error_event_of_a_watch_says_what_to_do_and_quotes_nothing() {
    let pieces = [
        "{\"type\":\"ADDED\",\"object\":{\"data\":{\"pw\":\"Q0FOQVJZ\"}}}\n{\"ty",
        "pe\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"Q0FOQVJZ\",\"code\":410}}\n",
    ];
    for script in [http1(pieces), http2(pieces)] {
        let bench = bench(script);
        let request = get("/api/v1/namespaces/a/secrets?watch=1").token(&bench.token());
        let answer = bench.gateway.wire().ask(&request);
        let text = answer.text();
        assert!(!text.contains(CANARY), "{text}");
        let last: serde_json::Value =
            serde_json::from_str(text.lines().last().expect("events")).expect("JSON");
        assert_eq!(last["type"], "ERROR");
        assert_eq!(last["object"]["code"], 410);
        assert_eq!(last["object"]["reason"], "Expired");
    }
}

/// One answer, always the same, over both protocols.
fn answering(body: &str) -> [Script; 2] {
    let over_h1 = body.to_owned();
    let over_h2 = Bytes::from(body.to_owned());
    let http1 = Script::http1(move |connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            write_answer(connection, "200 OK", &over_h1)?;
        }
        Ok(())
    });
    let http2 = Script::http2(move |(_, mut respond)| {
        let body = over_h2.clone();
        async move {
            let head = http::Response::builder().header("content-type", "application/json");
            if let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) {
                stream.send_data(body, true).unwrap_or_default();
            }
        }
    });
    [http1, http2]
}

/// What the caller gets of that body, over both protocols on both sides.
fn given(target: &str, body: &str) -> Vec<String> {
    let mut given = Vec::new();
    for script in answering(body) {
        let bench = bench(script);
        let request = get(target).token(&bench.token());
        let over_h1 = bench.gateway.wire().ask(&request);
        assert_eq!(over_h1.status, 200, "{}", over_h1.text());
        given.push(over_h1.text());
        let over_h2 = bench.gateway.h2().ask(&request).expect("an answer");
        given.push(String::from_utf8(over_h2.body).expect("JSON"));
    }
    given
}

/// No API server writes these; whoever stands between could.
#[test]
fn keys_that_readers_read_differently_are_all_masked() {
    for body in [
        r#"{"data":{"pw":"Q0FOQVJZ"},"kind":"Secret"}"#,
        r#"{"data":{"pw":"Q0FOQVJZ"},"data":{"pw":"Q0FOQVJZ"},"data":{"pw":"Q0FOQVJZ","pw":"Q0FOQVJZ"}}"#,
        r#"{"d\u0061ta":{"p\u0077":"Q0FOQVJZ"},"\u0064\u0061\u0074\u0061":{"":"Q0FOQVJZ"}}"#,
        r#"{"items":[{"data":{"pw":"Q0FOQVJZ"}}],"kind":"SecretList","items":[{"data":{"pw":"Q0FOQVJZ"}}]}"#,
        r#"{"rows":[{"object":{"data":{"a":"Q0FOQVJZ"}}},{"object":{"data":{"a":"Q0FOQVJZ"}}}],"kind":"Table"}"#,
    ] {
        for text in given(TARGET, body) {
            assert!(!text.contains(CANARY), "{text}");
            assert!(text.contains("Y291bnRlcnNpZ24"), "{text}");
        }
    }
}

/// Whoever reads the first document alone would not see the second.
#[test]
fn a_second_object_behind_the_first_is_not_given() {
    let body = "{\"data\":{\"pw\":\"Q0FOQVJZ\"}}\n{\"data\":{\"pw\":\"Q0FOQVJZ\"}}";
    for script in answering(body) {
        let bench = bench(script);
        let answer = bench.gateway.wire().ask(&get(TARGET).token(&bench.token()));
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(!answer.text().contains(CANARY), "{}", answer.text());
    }
}

/// An event that clients of the API server would not take passes as it streams, masked.
#[test]
fn an_event_beyond_what_clients_take_is_masked() {
    let large = CANARY.repeat(EVENT_BYTES_MAX / CANARY.len() + 1);
    let body = format!(
        "{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"annotations\":{{\"x\":\"{}\"}}}},\"data\":{{\"pw\":\"{large}\"}},\"type\":\"last\"}}}}\n",
        "y".repeat(EVENT_BYTES_MAX)
    );
    for text in given("/api/v1/namespaces/a/secrets?watch=1", &body) {
        assert!(!text.contains(CANARY));
        assert!(text.len() > EVENT_BYTES_MAX && text.ends_with("\"type\":\"last\"}}\n"));
    }
}

/// K-2.16: what was not asked for is not guessed at, and what is around a body is no way either.
#[test]
fn an_answer_that_cannot_be_read_gives_nothing_of_itself() {
    let gzip = "Content-Encoding: gzip";
    for (fields, code) in [
        ("Content-Type: application/vnd.kubernetes.protobuf", 502),
        ("Content-Type: application/cbor", 502),
        ("Content-Type: text/plain", 502),
        ("X-Nothing: said", 502),
        (gzip, 502),
        (
            "Content-Type: application/json\r\nContent-Encoding: gzip",
            502,
        ),
        (
            "Content-Type: application/json\r\nETag: CANARY\r\nWarning: 299 - CANARY\r\nX-Value: CANARY\r\nSet-Cookie: CANARY\r\nTrailer: X-Value",
            200,
        ),
    ] {
        let bench = bench(Script::http1(move |connection, log| {
            while let Some(request) = read_request(connection)? {
                log.add(request);
                let stream = connection.get_mut();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\n{fields}\r\nTransfer-Encoding: chunked\r\n\r\n19;x=CANARY\r\n{{\"data\":{{\"pw\":\"CANARY\"}} }}\r\n0\r\nX-Value: CANARY\r\n\r\n"
                )?;
                stream.flush()?;
            }
            Ok(())
        }));
        let request = get(TARGET).token(&bench.token());
        let mut wire = bench.gateway.wire();
        wire.send(&request.clone().header("Connection", "close").bytes())
            .expect("sent");
        let bytes = wire.rest();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("CANARY"), "{fields}: {text}");
        assert!(
            text.starts_with(&format!("HTTP/1.1 {code}")),
            "{fields}: {text}"
        );
        let answer = bench.gateway.h2().ask(&request).expect("an answer");
        let text = format!("{answer:?} {}", String::from_utf8_lossy(&answer.body));
        assert!(!text.contains("CANARY"), "{fields}: {text}");
    }
}
