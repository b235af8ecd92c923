//! T1, T7, and sessions that say nothing for a while.

use std::io::{Read, Write};
use std::time::Duration;

use gateway_tests::{Request, Script, WebSocket, fresh, get, read_request};

use super::Bench;
use crate::ground::ground;

const EXEC: &str = "/api/v1/namespaces/a/pods/p/exec?command=id&stdout=1&stdin=1";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Accept: x\r\n\r\n";

/// Says 101 with these bytes glued to it, then echoes.
fn switches(glued: &'static [u8]) -> Script {
    Script::http1(move |connection, log| {
        let Some(request) = read_request(connection)? else {
            return Ok(());
        };
        log.add(request);
        let stream = connection.get_mut();
        stream.write_all(&[SWITCH, glued].concat())?;
        stream.flush()?;
        let mut piece = [0; 1024];
        loop {
            let count = connection.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            connection.get_mut().write_all(&piece[..count])?;
            connection.get_mut().flush()?;
        }
    })
}

/// T1: up to one in nine sessions was torn down right after its 101, when the upstream was fast.
/// `COUNTERSIGN_HANDSHAKES` sets the number.
#[test]
fn no_session_is_torn_down_after_its_upgrade() {
    let bench = Bench::new(switches(b""));
    let token = bench.token();
    race(|| {
        let request = WebSocket::request(EXEC, &["v5.channel.k8s.io"]).token(&token);
        let mut socket =
            WebSocket::open(bench.gateway.wire(), &request).expect("every upgrade succeeds");
        let wire = socket.wire();
        wire.send(b"ping").is_ok() && wire.exactly(4).is_ok_and(|back| back == b"ping")
    });
}

/// Opens sessions side by side; each must answer. `COUNTERSIGN_HANDSHAKES` sets the number.
pub(super) fn race(one: impl Fn() -> bool + Sync) {
    const THREADS: usize = 4;
    let count = std::env::var("COUNTERSIGN_HANDSHAKES").ok();
    let count: usize = count.map_or(1_000, |count| count.parse().expect("a number"));
    let torn: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| (0..count / THREADS).filter(|_| !one()).count()))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"))
            .sum()
    });
    assert_eq!(torn, 0, "of {count} sessions");
}

/// T7.
#[test]
fn bytes_that_come_with_the_101_are_part_of_the_session() {
    let bench = Bench::new(switches(b"glued-to-the-head"));
    for _ in 0..20 {
        let request = WebSocket::request(EXEC, &["v5.channel.k8s.io"]).token(&bench.token());
        let mut socket = WebSocket::open(bench.gateway.wire(), &request).expect("an upgrade");
        let wire = socket.wire();
        assert_eq!(wire.exactly(17).unwrap(), b"glued-to-the-head");
        wire.send(b"ping").unwrap();
        assert_eq!(wire.exactly(4).unwrap(), b"ping");
    }
}

/// Bytes a client sends ahead of the 101 belong to the session, or the upgrade is refused; they are
/// never another request.
#[test]
fn bytes_sent_ahead_of_the_101_are_no_request() {
    let bench = Bench::new(switches(b""));
    let request = WebSocket::request(EXEC, &["v5.channel.k8s.io"]).token(&bench.token());
    let early = get("/api/v1/secrets").token(&bench.token()).bytes();
    let mut wire = bench.gateway.wire();
    wire.send(&[request.bytes(), early.clone()].concat())
        .unwrap();
    if wire.head().is_ok_and(|head| head.status == 101) {
        assert_eq!(wire.exactly(early.len()).unwrap(), early);
    }
    assert_eq!(bench.received("secrets").len(), 0);
}

/// A refused upgrade is an answer like any other.
#[test]
fn an_upgrade_that_upstream_refuses_is_a_plain_answer() {
    let ground = ground();
    let target = format!(
        "/api/v1/namespaces/{}/pods/nobody/exec?command=id&stdout=1",
        ground.namespace
    );
    let request = WebSocket::request(&target, &["v5.channel.k8s.io"]).token(&ground.token("agent"));
    let answer = WebSocket::open(ground.gateway.wire(), &request).expect_err("no such pod");
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(answer.json()["reason"], "NotFound");
    // The connection may serve the next request.
    let spdy = Request::new("POST", &target)
        .token(&ground.token("agent"))
        .header("Connection", "Upgrade")
        .header("Upgrade", "SPDY/3.1")
        .header("X-Stream-Protocol-Version", "v4.channel.k8s.io");
    let answer = ground.ask(&spdy);
    assert_eq!(answer.status, 404, "{}", answer.text());
}

/// The library cuts upgraded connections after 60 s of silence unless told otherwise. Slow by
/// nature; it runs beside the others.
#[test]
fn a_session_lives_through_a_silent_minute() {
    let ground = ground();
    let agent = fresh("silent");
    let target = format!(
        "/api/v1/namespaces/{}/pods/shell/exec?command=cat&stdout=1&stdin=1",
        ground.namespace
    );
    let request = WebSocket::request(&target, &["v5.channel.k8s.io"])
        .token(&ground.token("agent"))
        .agent(&agent);
    let mut socket = WebSocket::open(ground.gateway.wire(), &request).expect("an upgrade");
    socket.send(b"\0before\n").unwrap();
    assert_eq!(socket.channel(1, 7).unwrap(), b"before\n");
    // This silence is what is under test.
    std::thread::sleep(Duration::from_secs(62));
    socket.send(b"\0after\n").unwrap();
    assert_eq!(socket.channel(1, 6).unwrap(), b"after\n");
}
