//! The live object of a write: read once, under bounds, and nothing is written without it.

use std::io::{Result, Write};

use gateway_tests::{
    Answer, Bundle, Connection, FakeUpstream, Issuer, Request, Script, Setup, read_request,
};

use super::Bench;
use crate::ground::EVERYTHING;

const TARGET: &str = "/api/v1/namespaces/a/configmaps/c";
const MASKS: &str = r#"mask "own" { for "configmaps" { at "data.*" redact }; write-back restore }"#;
const RULE: &str = r#"
require "masked" { why "The live object"; owner "it"; severity low; can all; on "configmaps"; mask "own" }
"#;
const LIVE: &str = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","namespace":"a","resourceVersion":"7"},"data":{"k":"CANARY"}}"#;
const RACED: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","message":"CANARY","code":409}"#;

/// Answers a read with this, on a connection that then goes on or not, and a write with a conflict.
fn bench(show: impl Fn(&mut dyn Write) -> Result<bool> + Send + Sync + 'static) -> Bench {
    let script = Script::http1(move |connection: &mut Connection, log| {
        while let Some(request) = read_request(connection)? {
            let is_read = request
                .line
                .starts_with("GET /api/v1/namespaces/a/configmaps/c ");
            log.add(request);
            let stream = connection.get_mut();
            if !is_read {
                answer(stream, "409 Conflict", RACED.as_bytes())?;
            } else if !show(stream)? {
                return Ok(());
            }
        }
        Ok(())
    });
    let upstream = FakeUpstream::start(script);
    let issuer = Issuer::start();
    let bundle = Bundle::open(&issuer, &["one"])
        .with("masks.kdl", MASKS)
        .with_rules(&[EVERYTHING, RULE].concat());
    let setup = Setup::with_kubeconfig(&upstream.kubeconfig(), &issuer);
    let gateway = setup.with_bundle(bundle).start();
    Bench {
        upstream,
        issuer,
        gateway,
    }
}

fn answer(stream: &mut dyn Write, status: &str, body: &[u8]) -> Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)?;
    stream.flush()
}

/// Sends a marker back; gives the answer and what upstream saw of it.
fn send(bench: &Bench) -> (Answer, Vec<String>) {
    let patch = r#"{"data":{"k":"countersign-masked:own"}}"#;
    let request = Request::new("PATCH", TARGET).body("application/merge-patch+json", patch);
    let answer = bench.gateway.wire().ask(&request.token(&bench.token()));
    assert!(!answer.text().contains("CANARY"), "{}", answer.text());
    let seen = bench.received("/configmaps/c");
    let seen = seen.iter().map(|request| {
        let verb = request.line.split(' ').next().unwrap_or_default();
        format!("{verb} {}", String::from_utf8_lossy(&request.body))
    });
    (answer, seen.map(|line| line.trim().to_owned()).collect())
}

#[test]
fn a_race_after_the_read_is_the_api_servers_conflict() {
    let bench = bench(|stream| answer(stream, "200 OK", LIVE.as_bytes()).map(|()| true));
    let (answer, seen) = send(&bench);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(answer.json()["reason"], "Conflict");
    assert_eq!(
        seen,
        [
            "GET",
            r#"PATCH {"data":{"k":"CANARY"},"metadata":{"resourceVersion":"7"}}"#
        ]
    );
}

#[test]
fn nothing_is_written_where_the_live_object_does_not_come_whole() {
    let large = format!(r#"{{"data":{{"k":"{}"}}}}"#, "x".repeat(5 << 20));
    let too_large = bench(move |stream| {
        // The gateway closes before it has all.
        answer(stream, "200 OK", large.as_bytes()).map(|()| true)
    });
    let (answer, seen) = send(&too_large);
    assert_eq!(
        (answer.status, seen.as_slice()),
        (413, &["GET".to_owned()][..])
    );
    let cut = bench(|stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{LIVE}"
        )?;
        stream.flush().map(|()| false)
    });
    let (answer, seen) = send(&cut);
    assert_eq!(
        (answer.status, seen.as_slice()),
        (504, &["GET".to_owned()][..])
    );
    // A connection that was closed is tried once more, as nothing is done by a read.
    let silent = bench(|_| Ok(false));
    let (answer, seen) = send(&silent);
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(seen, ["GET", "GET"]);
    let strange = bench(|stream| self::answer(stream, "200 OK", b"[1]").map(|()| true));
    let (answer, seen) = send(&strange);
    assert_eq!(
        (answer.status, seen.as_slice()),
        (502, &["GET".to_owned()][..])
    );
}
