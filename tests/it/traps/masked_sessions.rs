//! Sessions under a mask, before an upstream that misbehaves on demand: nothing is torn or delayed, and
//! what is not understood ends the session.

use std::io::{Read, Write};
use std::time::Duration;

use gateway_tests::{Script, WebSocket, eventually, read_request};

use super::Bench;
use super::sessions::race;
use crate::clients::masked_sessions::{MASKED, MASKS};

const EXEC: &str = "/api/v1/namespaces/a/pods/p/exec?command=id&stdout=1&stdin=1";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n";
const V5: &str = "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n";
/// So that each piece is read by itself.
const PAUSE: Duration = Duration::from_millis(100);

/// Says 101 with these lines and, in the same write, the first piece; then the others, one by one;
/// then one answer to whatever comes.
fn says(lines: &'static str, pieces: &[&[u8]], answer: &'static [u8]) -> Script {
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    Script::http1(move |connection, log| {
        let Some(request) = read_request(connection)? else {
            return Ok(());
        };
        log.add(request);
        let head = [SWITCH, lines, "\r\n"].concat().into_bytes();
        let first = pieces.first().cloned().unwrap_or_default();
        let stream = connection.get_mut();
        stream.write_all(&[head, first].concat())?;
        stream.flush()?;
        for piece in pieces.iter().skip(1) {
            std::thread::sleep(PAUSE);
            stream.write_all(piece)?;
            stream.flush()?;
        }
        if answer.is_empty() {
            // The end of the connection, as told and not as it breaks.
            stream.conn.send_close_notify();
            return stream.flush();
        }
        let mut piece = [0; 1024];
        while connection.read(&mut piece)? > 0 {
            connection.get_mut().write_all(answer)?;
            connection.get_mut().flush()?;
        }
        Ok(())
    })
}

fn bench(script: Script) -> Bench {
    Bench::with_masks(script, MASKED, MASKS)
}

fn open(bench: &Bench) -> WebSocket {
    let request = WebSocket::request(EXEC, &["v5.channel.k8s.io"]).token(&bench.token());
    WebSocket::open(bench.gateway.wire(), &request).expect("an upgrade")
}

/// T1, with frames that are read on the way. `COUNTERSIGN_HANDSHAKES` sets the number.
#[test]
fn no_masked_session_is_torn_down_after_its_upgrade() {
    let bench = bench(says(V5, &[], b"\x82\x05\x01pong"));
    race(|| {
        let mut socket = open(&bench);
        socket.send(b"\0ping").is_ok()
            && socket
                .receive()
                .is_ok_and(|back| back.as_deref() == Some(b"\x01pong"))
    });
}

/// T7: what comes with the 101 is masked like the rest, also where a frame or a secret begins there.
#[test]
fn frames_that_come_with_the_101_are_masked_and_whole() {
    for pieces in [
        &[b"\x82\x01\x01\x82\x16\x01AKIAIOSFODNN7EXAMPLE\n".as_slice()][..],
        &[b"\x82\x01\x01\x82\x16\x01AKIAIOS", b"FODNN7EXAMPLE\n"],
        &[
            b"\x82",
            b"\x01\x01\x82\x16",
            b"\x01AKIAIOSFODNN7EXAMPLE",
            b"\n",
        ],
    ] {
        let bench = bench(says(V5, pieces, b"\x82\x03\x01$ "));
        let mut socket = open(&bench);
        assert_eq!(
            socket.receive().unwrap().as_deref(),
            Some(b"\x01".as_slice())
        );
        let mark = b"countersign-masked:streams\n";
        assert_eq!(socket.channel(1, mark.len()).unwrap(), mark);
        socket.send(b"\0\n").unwrap();
        assert_eq!(
            socket.receive().unwrap().as_deref(),
            Some(b"\x01$ ".as_slice())
        );
    }
}

/// What is held comes out when upstream breaks off, and the session does not seem to have been
/// closed.
#[test]
fn what_is_held_comes_out_at_the_end() {
    let bench = bench(says(V5, &[b"\x82\x0c\x01eyJhbGciOi", b"J"], b""));
    let mut socket = open(&bench);
    assert_eq!(socket.channel(1, 11).unwrap(), b"eyJhbGciOiJ");
    assert!(socket.receive().is_err(), "no close came");
    let bench = bench_that_closes();
    let mut socket = open(&bench);
    assert_eq!(
        socket.messages().unwrap(),
        [b"\x01eyJhbGciOi".to_vec()],
        "before the close"
    );
}

fn bench_that_closes() -> Bench {
    bench(says(
        V5,
        &[b"\x82\x0b\x01eyJhbGciOi\x88\x02\x03\xe8"],
        b"\x8a\x00",
    ))
}

#[test]
fn frames_that_are_not_understood_end_the_session() {
    for frames in [
        // Compressed, masked, of an unknown kind, absurdly long, on an unknown channel.
        b"\xc2\x05\x01late".as_slice(),
        b"\x82\x85\0\0\0\0\x01late",
        b"\x83\x05\x01late",
        b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff\x01late",
        b"\x82\x05\x09late",
        b"\x81\x05\x01late",
    ] {
        let pieces = [b"\x82\x06\x01first".as_slice(), frames];
        let bench = bench(says(V5, &pieces, b"\x82\x06\x01later"));
        let mut socket = open(&bench);
        assert_eq!(socket.channel(1, 5).unwrap(), b"first");
        let rest = socket.messages();
        assert!(rest.is_err(), "{frames:?}: {rest:?}");
        let event = eventually("the session's event", || {
            let journal = bench.gateway.journal();
            let mut events = journal.matching(|event| {
                event.text("/objectRef/subresource") == "exec"
                    && event.text("/stage") == "ResponseComplete"
            });
            events.pop()
        });
        let cause = event.0["annotations"]["countersign/ended-by"].as_str();
        assert_eq!(cause, Some("unmaskable"), "{event:?}");
    }
}

#[test]
fn a_session_that_cannot_be_read_is_not_begun() {
    for lines in [
        "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Protocol: v6.channel.k8s.io\r\n",
        "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n",
        "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n",
        "",
    ] {
        let bench = bench(says(lines, &[b"\x82\x05\x01late"], b"\x82\x05\x01late"));
        let request = WebSocket::request(EXEC, &["v5.channel.k8s.io"]).token(&bench.token());
        let refused = WebSocket::open(bench.gateway.wire(), &request);
        let answer = refused.expect_err("it cannot be read");
        assert_eq!(answer.status, 502, "{lines:?}: {}", answer.text());
        assert!(!answer.text().contains("late"), "{lines:?}");
    }
}
