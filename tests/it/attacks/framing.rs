//! Message framing that two servers read differently (K-1.22, K-1.23). The API server itself accepts
//! most of these, so what the gateway lets pass would take effect.

use super::{Attack, Marks, Outcome, assert_nobody_rose, check, marks};
use crate::ground::ground;

const LIST: &str = "GET /api/v1/namespaces/{ns}/configmaps HTTP/1.1";
const JUDGED_LIST: Outcome = Outcome::DroppedOrJudged("list||configmaps|{ns}|");
const CREATE: &str = "POST /api/v1/namespaces/{ns}/configmaps HTTP/1.1";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A message whose end two readers see in different places. Its body is a good one for the reader
/// who is wrong, and what follows is a good request to the reader who sees an end before it, so
/// that either mistake takes effect at the API server.
struct Doubtful {
    /// The body, a ConfigMap that may be created.
    body: String,
    /// The same in one chunk.
    chunks: String,
    /// What the adversary hides behind it: a whole request with a good credential.
    hidden: String,
}

impl Doubtful {
    fn new(marks: &Marks) -> Self {
        let Marks {
            agent,
            token,
            namespace,
        } = marks;
        let body =
            format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{agent}"}}}}"#);
        let hidden = format!(
            "GET /api/v1/namespaces/{namespace}/secrets HTTP/1.1\r\nHost: 127.0.0.1\r\n\
            User-Agent: {agent}-hidden\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        Self {
            body,
            chunks,
            hidden,
        }
    }
}

fn create(marks: &Marks, lines: &str, body: &str) -> Vec<u8> {
    let head = format!("Content-Type: application/json\r\n{lines}");
    [marks.request(CREATE, &head), body.into()].concat()
}

/// The message with what is hidden in one packet, and the same with a pause between.
fn closed(title: &str, message: Vec<u8>, hidden: &str) -> [Attack; 2] {
    let together = [message.as_slice(), hidden.as_bytes()].concat();
    let later = Attack::new(format!("{title}, with a pause"), message, Outcome::Closed);
    [
        Attack::new(title, together, Outcome::Closed),
        later.then(hidden),
    ]
}

/// What the attacks below hide is carried out where the framing leaves no doubt; so they can fail.
#[test]
fn carries_out_both_requests_where_there_is_no_doubt() {
    let ground = ground();
    let marks = marks(ground);
    let Doubtful { body, hidden, .. } = &Doubtful::new(&marks);
    let mut wire = ground.gateway.wire();
    let lines = format!("Content-Length: {}\r\n", body.len());
    wire.send(&create(&marks, &lines, body)).unwrap();
    let answer = wire.answer(true).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    wire.send(hidden.as_bytes()).unwrap();
    let answer = wire.answer(true).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let journal = ground.cluster.journal();
    journal.await_agent(&marks.agent, "ResponseComplete");
    journal.await_agent(&format!("{}-hidden", marks.agent), "ResponseComplete");
}

#[test]
fn refuses_a_length_beside_a_coding() {
    check(|marks| {
        let Doubtful {
            body,
            chunks,
            hidden,
        } = &Doubtful::new(marks);
        let all = chunks.len() + hidden.len();
        let length = |length: usize| format!("Content-Length: {length}\r\n");
        let twice = |title: &str, length: &str, coding: &str, body: &str| {
            let length_first = create(marks, &[length, coding].concat(), body);
            let coding_first = create(marks, &[coding, length].concat(), body);
            [
                closed(
                    &format!("length, then coding: {title}"),
                    length_first,
                    hidden,
                ),
                closed(
                    &format!("coding, then length: {title}"),
                    coding_first,
                    hidden,
                ),
            ]
        };
        [
            twice("by chunks", &length(all), CHUNKED, chunks),
            twice("by length", &length(body.len()), CHUNKED, body),
            twice("by no length", &length(0), CHUNKED, ""),
            twice(
                "a look-alike",
                &length(all),
                "Transfer_Encoding: chunked\r\n",
                chunks,
            ),
            twice(
                "a look-alike",
                &format!("Content_Length: {all}\r\n"),
                CHUNKED,
                chunks,
            ),
        ]
        .into_iter()
        .flatten()
        .flatten()
        .collect()
    });
}

#[test]
fn refuses_lengths_that_are_not_one_number() {
    check(|marks| {
        let Doubtful { body, hidden, .. } = &Doubtful::new(marks);
        let length = body.len();
        let longer = length + hidden.len();
        let wrapped = (1_u128 << 64) + length as u128;
        let one = |value: String| format!("Content-Length: {value}\r\n");
        let two = |first: usize, second: usize| {
            format!("Content-Length: {first}\r\nContent-Length: {second}\r\n")
        };
        let hexadecimal = one(format!("0x{length:x}"));
        [
            ("the shorter first", two(length, longer), body.as_str()),
            ("the longer first", two(longer, length), body),
            ("nothing first", two(0, longer), ""),
            ("two that agree", two(length, length), body),
            ("a list", one(format!("{length}, {length}")), body),
            (
                "a list that differs",
                one(format!("{length}, {longer}")),
                body,
            ),
            ("two words", one(format!("{length} {longer}")), body),
            ("a sign", one(format!("+{length}")), body),
            ("negative", one(format!("-{length}")), body),
            ("negative, read as none", one("-1".to_owned()), ""),
            ("hexadecimal", hexadecimal.clone(), body),
            ("hexadecimal, read as none", hexadecimal, ""),
            ("empty", one(String::new()), ""),
            ("beyond 64 bits", one(wrapped.to_string()), body),
        ]
        .into_iter()
        .flat_map(|(title, lines, body)| closed(title, create(marks, &lines, body), hidden))
        .collect()
    });
}

#[test]
fn refuses_codings_other_than_exactly_chunked() {
    check(|marks| {
        let Doubtful { chunks, hidden, .. } = &Doubtful::new(marks);
        [
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: \r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
            "X: y\r\n Transfer-Encoding: chunked\r\n",
        ]
        .into_iter()
        .flat_map(|lines| {
            let title = format!("{lines:?}");
            let ignored = format!("{lines:?}, read as no coding");
            [
                closed(&title, create(marks, lines, chunks), hidden),
                closed(&ignored, create(marks, lines, ""), hidden),
            ]
        })
        .flatten()
        .collect()
    });
}

#[test]
fn refuses_broken_chunks() {
    check(|marks| {
        let Doubtful { body, hidden, .. } = &Doubtful::new(marks);
        let length = body.len();
        let size = format!("{length:x}");
        let wrapped = (1_u128 << 64) + length as u128;
        let chunk = |size: &str| format!("{size}\r\n{body}\r\n0\r\n\r\n");
        [
            ("a size with a sign", chunk(&format!("+{size}"))),
            ("a negative size", chunk(&format!("-{size}"))),
            ("a size beyond 64 bits", chunk(&format!("{wrapped:x}"))),
            ("a size with 0x", chunk(&format!("0x{size}"))),
            ("a size with 0x, read as none", format!("0x{size}\r\n\r\n")),
            ("a size that is no number", chunk(&format!("{size}g"))),
            ("a size with a blank before", chunk(&format!(" {size}"))),
            ("a size in two words", chunk(&format!("{size} {size}"))),
            (
                "no line end after the data",
                format!("{size}\r\n{body}0\r\n\r\n"),
            ),
            (
                "more data than its size",
                format!("{size}\r\n{body}xx\r\n0\r\n\r\n"),
            ),
            ("no size", format!("\r\n{body}\r\n0\r\n\r\n")),
            ("no size, read as the last", "\r\n\r\n".to_owned()),
            (
                "a bare line feed after the size",
                format!("{size}\n{body}\r\n0\r\n\r\n"),
            ),
            (
                "a bare line feed after the data",
                format!("{size}\r\n{body}\n0\r\n\r\n"),
            ),
            (
                "a bare line feed in an extension",
                format!("{size};x\n{body}\r\n0\r\n\r\n"),
            ),
            (
                "a bare line feed after the last chunk",
                format!("{size}\r\n{body}\r\n0\n\r\n"),
            ),
            (
                "a bare line feed at the end",
                format!("{size}\r\n{body}\r\n0\r\n\n"),
            ),
        ]
        .into_iter()
        .flat_map(|(title, chunks)| closed(title, create(marks, CHUNKED, &chunks), hidden))
        .collect()
    });
}

/// The HTTP library takes a chunk without a size for the last one, where another reader may skip the
/// empty line; what came after it was the next request. The body is whole either way, and judged.
#[test]
fn nothing_follows_a_chunk_without_a_size() {
    let ground = ground();
    for line in [
        CREATE,
        "POST /api/v1/namespaces/{ns}/pods/shell/proxy/x HTTP/1.1",
    ] {
        let marks = marks(ground);
        let before = ground.cluster.journal().count();
        let Doubtful { body, hidden, .. } = &Doubtful::new(&marks);
        let chunks = format!("{:x}\r\n{body}\r\n\r\n\r\n", body.len());
        let head = marks.request(
            line,
            &format!("Content-Type: application/json\r\n{CHUNKED}"),
        );
        let mut wire = ground.gateway.wire();
        wire.send(&[head, chunks.into_bytes()].concat()).unwrap();
        let answer = wire.answer(true).unwrap();
        // The gateway may have closed by now.
        wire.send(hidden.as_bytes()).ok();
        assert!(
            wire.is_closed(),
            "{line}: it goes on after {}",
            answer.text()
        );
        ground.sentinel();
        let agent = format!("{}-hidden", marks.agent);
        assert_eq!(ground.cluster.journal().by_agent(&agent).len(), 0, "{line}");
        assert_nobody_rose(ground, before);
    }
}

/// The API server takes each of these as it comes; `X-A: b<LF>Impersonate-User: root` really made
/// the gateway's own certificate act as root when it was passed on.
#[test]
fn no_line_break_in_a_value_becomes_a_header() {
    check(|marks| {
        let lines = [
            ("a bare line feed", "X-A: b\nImpersonate-User: root\r\n"),
            (
                "a bare carriage return",
                "X-A: b\rImpersonate-User: root\r\n",
            ),
            ("a folded line", "X-A: b\r\n Impersonate-User: root\r\n"),
            (
                "a line folded by a tab",
                "X-A: b\r\n\tImpersonate-User: root\r\n",
            ),
            ("a NUL", "X-A: b\0Impersonate-User: root\r\n"),
            ("a vertical tab", "X-A: b\x0bImpersonate-User: root\r\n"),
            ("a name with a blank", "Impersonate-User : root\r\n"),
            ("a name with a blank before", " Impersonate-User: root\r\n"),
            ("a name with a tab", "Impersonate-User\t: root\r\n"),
            ("no colon", "Impersonate-User\r\n"),
            ("an empty name", ": root\r\n"),
            ("a name with a NUL", "Impersonate-User\0: root\r\n"),
            ("a name with a parenthesis", "Imperson(ate-User: root\r\n"),
        ];
        lines
            .into_iter()
            .map(|(title, lines)| Attack::new(title, marks.request(LIST, lines), Outcome::Dropped))
            .collect()
    });
}

#[test]
fn refuses_versions_other_than_1_1() {
    check(|marks| {
        [
            "HTTP/1.0",
            "HTTP/1.2",
            "HTTP/2.0",
            "HTTP/0.9",
            "HTTP/3",
            "HTTP/1.1 ",
            "http/1.1",
            "HTTP/01.1",
            "FTP/1.1",
        ]
        .into_iter()
        .map(|version| {
            let line = format!("GET /api/v1/namespaces/{{ns}}/configmaps {version}");
            Attack::new(version, marks.request(&line, ""), Outcome::Dropped)
        })
        .chain([
            Attack::new(
                "HTTP/1.0 kept alive",
                marks.request("GET /api/v1/nodes HTTP/1.0", "Connection: keep-alive\r\n"),
                Outcome::Dropped,
            ),
            Attack::new(
                "no version",
                b"GET /api/v1/secrets\r\n\r\n".as_slice(),
                Outcome::Dropped,
            ),
        ])
        .collect()
    });
}

#[test]
fn refuses_targets_that_are_not_origin_form() {
    check(|marks| {
        [
            "GET https://127.0.0.1/api/v1/secrets HTTP/1.1",
            "GET http://127.0.0.1/api/v1/secrets HTTP/1.1",
            "GET https://10.0.0.1:6443/api/v1/secrets HTTP/1.1",
            "GET api/v1/secrets HTTP/1.1",
            "GET ?watch=1 HTTP/1.1",
            "GET * HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET  /api/v1/secrets HTTP/1.1",
            "GET\t/api/v1/secrets HTTP/1.1",
            "CONNECT 127.0.0.1:6443 HTTP/1.1",
            "CONNECT /api/v1/secrets HTTP/1.1",
            "CONNECT 169.254.169.254:80 HTTP/1.1",
        ]
        .into_iter()
        .map(|line| Attack::new(line, marks.request(line, ""), Outcome::Dropped))
        .chain({
            // The HTTP library escapes the blank, so this is one odd name and no second word.
            let line = "GET /api/v1/secrets /x HTTP/1.1";
            let judged = Outcome::DroppedOrJudged("get||secrets ||x");
            [Attack::new(line, marks.request(line, ""), judged)]
        })
        .collect()
    });
}

fn with_hosts(marks: &Marks, hosts: &'static str, outcome: Outcome) -> Attack {
    let Marks { agent, token, .. } = marks;
    let rest = format!("User-Agent: {agent}\r\nAuthorization: Bearer {token}\r\n\r\n");
    let bytes = format!("GET /api/v1/nodes HTTP/1.1\r\n{hosts}{rest}");
    Attack::new(format!("{hosts:?}"), bytes, outcome)
}

#[test]
fn refuses_more_than_one_host() {
    check(|marks| {
        [
            "Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n",
            "Host: 127.0.0.1\r\nHost: evil.example\r\n",
            "Host: evil.example\r\nHost: 127.0.0.1\r\n",
        ]
        .map(|hosts| with_hosts(marks, hosts, Outcome::Closed))
        .into()
    });
}

/// The authority upstream is the configured one (K-1.22), so these mean nothing to this listener,
/// which stands for one cluster. Where the host chooses the cluster: `scenarios::routing`.
#[test]
fn a_host_that_is_none_means_nothing() {
    check(|marks| {
        [
            "Host: 127.0.0.1, evil.example\r\n",
            "Host: 127.0.0.1/../\r\n",
            "Host: 127.0.0.1 evil\r\n",
            "Host: a@127.0.0.1\r\n",
            "Host: \r\n",
            "",
        ]
        .map(|hosts| with_hosts(marks, hosts, Outcome::DroppedOrJudged("list||nodes||")))
        .into()
    });
}

#[test]
fn a_body_where_none_belongs_is_never_a_second_request() {
    check(|marks| {
        let Doubtful { hidden, .. } = &Doubtful::new(marks);
        let length = format!("Content-Length: {}\r\n", hidden.len());
        let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        let head = LIST.replace("GET", "HEAD");
        let watch = "GET /api/v1/namespaces/{ns}/configmaps?watch=1&timeoutSeconds=1 HTTP/1.1";
        let closed = |title, line: &str, lines: &str, body: &str| {
            let bytes = [marks.request(line, lines), body.as_bytes().to_vec()].concat();
            Attack::new(title, bytes, Outcome::Closed)
        };
        vec![
            closed("GET with a body", LIST, &length, hidden),
            closed("GET with chunks", LIST, CHUNKED, &chunked),
            closed("a watch with a body", watch, &length, hidden),
            closed("HEAD with a body", &head, &length, hidden),
        ]
    });
}

/// Two requests in one packet: the first is judged, the second is not looked at.
#[test]
fn takes_one_request_at_a_time() {
    let ground = ground();
    let marks = marks(ground);
    let Doubtful { hidden, .. } = &Doubtful::new(&marks);
    let mut wire = ground.gateway.wire();
    let bytes = [marks.get("/api/v1/nodes"), hidden.clone().into_bytes()].concat();
    wire.send(&bytes).unwrap();
    assert_eq!(wire.answer(true).unwrap().status, 200);
    assert!(wire.is_closed());
    ground.sentinel();
    let agent = format!("{}-hidden", marks.agent);
    assert_eq!(ground.cluster.journal().by_agent(&agent).len(), 0);
}

/// A request that stops in the middle holds a connection, never a request.
#[test]
fn forwards_nothing_of_an_unfinished_write() {
    let ground = ground();
    let marks = marks(ground);
    let Doubtful { body, .. } = &Doubtful::new(&marks);
    let head = format!("Content-Length: {}\r\n", body.len() + 1);
    let mut wire = ground.gateway.wire();
    wire.send(&create(&marks, &head, body)).unwrap();
    drop(wire);
    ground.sentinel();
    assert_eq!(ground.cluster.journal().by_agent(&marks.agent).len(), 0);
}

/// Benign oddities that RFC 9112 lets a server take: they pass as what they are, or not at all.
#[test]
fn judges_or_refuses_odd_but_lawful_heads() {
    check(|marks| {
        let Marks {
            agent,
            token,
            namespace,
        } = marks;
        let list = format!("GET /api/v1/namespaces/{namespace}/configmaps HTTP/1.1");
        let lf = format!(
            "{list}\nHost: 127.0.0.1\nUser-Agent: {agent}\nAuthorization: Bearer {token}\n\n"
        );
        vec![
            Attack::new("bare line feeds throughout", lf, JUDGED_LIST),
            Attack::new(
                "an empty line before the request",
                [b"\r\n".as_slice(), &marks.request(LIST, "")].concat(),
                JUDGED_LIST,
            ),
            Attack::new(
                "Expect: 100-continue",
                marks.request(LIST, "Expect: 100-continue\r\n"),
                JUDGED_LIST,
            ),
            Attack::new(
                "TE: trailers",
                marks.request(LIST, "TE: trailers\r\n"),
                JUDGED_LIST,
            ),
        ]
    });
}
