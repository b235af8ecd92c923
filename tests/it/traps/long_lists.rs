//! Lists that nobody can hold: masked while they come, in little memory, whoever else reads slowly.

use std::io::Write as _;

use bytes::Bytes;
use gateway_tests::{H2Client, Request, Script, Wire, block_on, get, read_request, write_answer};

use super::Bench;

const MASKED: &str = r#"
require "masked" { why "Long lists under masks"; owner "it"; severity low; can all; on "secrets"; mask "@secret-like" }
"#;
/// `CANARY` in base64.
const CANARY: &str = "Q0FOQVJZ";
/// Of about 10 KB: 150 MB.
const ITEM_COUNT: usize = 15_000;
const NOTE_BYTES: usize = 9_800;
/// BOUND: what a list of any length may cost beyond an idle gateway.
const GROWTH_BYTES_MAX: u64 = 32 << 20;

/// With that text in every masked place.
fn list(count: usize, value: &str) -> impl Iterator<Item = String> + use<> {
    let value = value.to_owned();
    let note = "n".repeat(NOTE_BYTES);
    (0..count).map(move |number| {
        let begin = match number {
            0 => r#"{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":["#,
            _ => ",",
        };
        let end = if number + 1 == count { "]}" } else { "" };
        format!(
            r#"{begin}{{"metadata":{{"name":"s-{number:06}","annotations":{{"note":"{note}"}}}},"data":{{"a":"{value}","b":"{value}"}}}}{end}"#
        )
    })
}

fn target(count: usize) -> String {
    format!("/api/v1/namespaces/a/secrets?limit={count}")
}

fn wanted(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once("limit=")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn http1() -> Script {
    Script::http1(|connection, _log| {
        while let Some(request) = read_request(connection)? {
            let Some(count) = wanted(&request.line) else {
                write_answer(connection, "200 OK", "{}")?;
                continue;
            };
            let stream = connection.get_mut();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for piece in list(count, CANARY) {
                write!(stream, "{:x}\r\n{piece}\r\n", piece.len())?;
            }
            stream.write_all(b"0\r\n\r\n")?;
            stream.flush()?;
        }
        Ok(())
    })
}

fn http2() -> Script {
    Script::http2(|(request, mut respond)| async move {
        let line = request.uri().to_string();
        let head = http::Response::builder().header("content-type", "application/json");
        let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else {
            return;
        };
        let pieces: Box<dyn Iterator<Item = String> + Send> = match wanted(&line) {
            Some(count) => Box::new(list(count, CANARY)),
            None => Box::new(std::iter::once("{}".to_owned())),
        };
        for piece in pieces {
            let mut piece = Bytes::from(piece);
            while !piece.is_empty() {
                stream.reserve_capacity(piece.len());
                let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
                let Some(Ok(capacity)) = capacity else { return };
                let now = piece.split_to(capacity.min(piece.len()));
                if stream.send_data(now, false).is_err() {
                    return;
                }
            }
        }
        // A client that went away is no fault of the upstream.
        stream.send_data(Bytes::new(), true).unwrap_or_default();
    })
}

/// The bytes that must come, in order.
struct Expected {
    pieces: Box<dyn Iterator<Item = String>>,
    piece: Vec<u8>,
    taken: usize,
}

impl Expected {
    fn list(count: usize, value: &str) -> Self {
        Self {
            pieces: Box::new(list(count, value)),
            piece: Vec::new(),
            taken: 0,
        }
    }

    fn take(&mut self, mut got: &[u8]) {
        while !got.is_empty() {
            if self.taken == self.piece.len() {
                let piece = self.pieces.next().expect("the list is not longer");
                (self.piece, self.taken) = (piece.into_bytes(), 0);
            }
            let count = got.len().min(self.piece.len() - self.taken);
            let wanted = &self.piece[self.taken..self.taken + count];
            assert!(got[..count] == *wanted, "{}", String::from_utf8_lossy(got));
            self.taken += count;
            got = &got[count..];
        }
    }

    fn end(mut self) {
        assert_eq!(self.taken, self.piece.len(), "the list is not shorter");
        assert_eq!(self.pieces.next(), None, "the list is not shorter");
    }
}

/// How a client reads.
enum Client {
    Http1(Box<Wire>),
    Http2(H2Client),
}

impl Client {
    fn read(&mut self, request: &Request, mut take: impl FnMut(&[u8])) {
        match self {
            Self::Http1(wire) => {
                wire.send(&request.bytes()).unwrap();
                assert_eq!(wire.head().unwrap().status, 200);
                while let Some(piece) = wire.piece().unwrap() {
                    take(&piece);
                }
            }
            Self::Http2(client) => block_on(async {
                let (head, mut body) = client.open(request).await.unwrap();
                assert_eq!(head.status, 200);
                while let Some(piece) = body.data().await {
                    let piece = piece.unwrap();
                    take(&piece);
                    body.flow_control().release_capacity(piece.len()).unwrap();
                }
            }),
        }
    }
}

/// Beside a client that reads nothing of such a list after its head.
#[test]
fn a_list_of_150_mb_passes_masked_in_32_mib() {
    for (script, over_h2) in [(http1(), false), (http2(), true)] {
        let bench = Bench::with_rules(script, MASKED);
        let request = |count| get(&target(count)).token(&bench.token());
        let mut client = if over_h2 {
            Client::Http2(bench.gateway.h2())
        } else {
            Client::Http1(Box::new(bench.gateway.wire()))
        };
        let mut short = Vec::new();
        client.read(&request(1), |piece| short.extend_from_slice(piece));
        let short: serde_json::Value = serde_json::from_slice(&short).expect("JSON");
        let marker = short["items"][0]["data"]["a"].as_str().expect("a text");
        assert_ne!(marker, CANARY);
        let idle = status_bytes(bench.gateway.pid(), "VmRSS:");
        forget_peak(bench.gateway.pid());

        let mut slow = bench.gateway.wire();
        slow.send(&request(ITEM_COUNT).bytes()).unwrap();
        assert_eq!(slow.head().unwrap().status, 200);
        let mut expected = Expected::list(ITEM_COUNT, marker);
        client.read(&request(ITEM_COUNT), |piece| expected.take(piece));
        expected.end();
        let small = get("/api/v1/namespaces/a/configmaps/x").token(&bench.token());
        assert_eq!(bench.gateway.wire().ask(&small).status, 200);

        let peak = status_bytes(bench.gateway.pid(), "VmHWM:");
        let growth = peak.saturating_sub(idle);
        assert!(growth <= GROWTH_BYTES_MAX, "{} KiB more", growth >> 10);
        drop(slow);
    }
}

fn status_bytes(pid: u64, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running gateway");
    let value = text.lines().find_map(|line| line.strip_prefix(field));
    let kib = value.expect("a field").trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") * 1024
}

fn forget_peak(pid: u64) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a running gateway");
}
