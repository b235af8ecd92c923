//! Message framing that two servers read differently (K-1.22, K-1.23). The API server itself accepts
//! most of these, so what the gateway lets pass would take effect.

use gateway_tests::fresh;

use super::{Attack, Marks, Outcome, assert_nobody_rose, check, marks};
use crate::ground::ground;

const LIST: &str = "GET /api/v1/namespaces/{ns}/configmaps HTTP/1.1";
const JUDGED_LIST: Outcome = Outcome::DroppedOrJudged("list||configmaps|{ns}|");
const CREATE: &str = "POST /api/v1/namespaces/{ns}/configmaps HTTP/1.1";

/// The body that would be read by whoever believes in `Transfer-Encoding`, then a request of the
/// adversary for whoever believes in `Content-Length`.
fn smuggled(marks: &Marks) -> String {
    format!(
        "0\r\n\r\nGET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nUser-Agent: {}\r\nImpersonate-User: root\r\n\r\n",
        marks.agent
    )
}

fn with_body(marks: &Marks, lines: &str, body: &str) -> Vec<u8> {
    let head = format!("Content-Type: application/json\r\n{lines}");
    [marks.request(CREATE, &head), body.as_bytes().to_vec()].concat()
}

#[test]
fn refuses_a_message_with_two_lengths() {
    check(|marks| {
        let body = smuggled(marks);
        let length = body.len();
        let lines = [
            (
                "length, then coding",
                format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            ),
            (
                "coding, then length",
                format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
            ),
            (
                "two lengths that differ",
                format!("Content-Length: 5\r\nContent-Length: {length}\r\n"),
            ),
            (
                "two lengths that agree",
                format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            ),
            (
                "a list of lengths",
                format!("Content-Length: {length}, {length}\r\n"),
            ),
            ("a signed length", format!("Content-Length: +{length}\r\n")),
            ("a negative length", "Content-Length: -1\r\n".to_owned()),
            (
                "a hexadecimal length",
                format!("Content-Length: 0x{length:x}\r\n"),
            ),
            ("an empty length", "Content-Length: \r\n".to_owned()),
            (
                "a length beyond 64 bits",
                "Content-Length: 18446744073709551617\r\n".to_owned(),
            ),
            (
                "length and a look-alike",
                format!("Content-Length: {length}\r\nTransfer_Encoding: chunked\r\n"),
            ),
            (
                "a look-alike of a length",
                format!("Transfer-Encoding: chunked\r\nContent_Length: {length}\r\n"),
            ),
        ];
        lines
            .into_iter()
            .map(|(title, lines)| {
                Attack::new(title, with_body(marks, &lines, &body), Outcome::Dropped)
            })
            .collect()
    });
}

#[test]
fn refuses_codings_other_than_exactly_chunked() {
    check(|marks| {
        let body = smuggled(marks);
        [
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
            "X: y\r\n Transfer-Encoding: chunked\r\n",
        ]
        .into_iter()
        .map(|lines| Attack::new(lines, with_body(marks, lines, &body), Outcome::Dropped))
        .collect()
    });
}

#[test]
fn refuses_broken_chunks() {
    check(|marks| {
        let next = smuggled(marks);
        let next = next.split_once("\r\n\r\n").unwrap().1;
        [
            ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
            ("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
            (
                "a size beyond 64 bits",
                "10000000000000005\r\nhello\r\n0\r\n\r\n",
            ),
            ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
            ("a size with a blank before", " 5\r\nhello\r\n0\r\n\r\n"),
            ("no line end after the data", "5\r\nhello0\r\n\r\n"),
            ("more data than its size", "3\r\nhello\r\n0\r\n\r\n"),
            ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ]
        .into_iter()
        .map(|(title, body)| {
            let bytes = with_body(marks, "Transfer-Encoding: chunked\r\n", body);
            Attack::new(
                title,
                [bytes.as_slice(), next.as_bytes()].concat(),
                Outcome::Dropped,
            )
        })
        .collect()
    });
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

#[test]
fn refuses_more_than_one_host_and_a_host_that_is_none() {
    check(|marks| {
        let Marks { agent, token, .. } = marks;
        let rest = format!("User-Agent: {agent}\r\nAuthorization: Bearer {token}\r\n\r\n");
        [
            ("two hosts", "Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n"),
            (
                "two hosts that differ",
                "Host: 127.0.0.1\r\nHost: evil.example\r\n",
            ),
            ("a host with a path", "Host: 127.0.0.1/../\r\n"),
            ("a host with a blank", "Host: 127.0.0.1 evil\r\n"),
            ("a host with user info", "Host: a@127.0.0.1\r\n"),
        ]
        .into_iter()
        .map(|(title, hosts)| {
            let bytes = format!("GET /api/v1/nodes HTTP/1.1\r\n{hosts}{rest}");
            Attack::new(title, bytes, Outcome::DroppedOrJudged("list||nodes||"))
        })
        .collect()
    });
}

#[test]
fn a_body_where_none_belongs_is_never_a_second_request() {
    check(|marks| {
        let hidden = smuggled(marks);
        let hidden = hidden.split_once("\r\n\r\n").unwrap().1;
        let length = format!("Content-Length: {}\r\n", hidden.len());
        let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        let with = |line: &str, head: &str, body: &str| {
            [marks.request(line, head), body.as_bytes().to_vec()].concat()
        };
        let watch = "GET /api/v1/namespaces/{ns}/configmaps?watch=1&timeoutSeconds=1 HTTP/1.1";
        vec![
            Attack::new(
                "GET with a body",
                with(LIST, &length, hidden),
                Outcome::Dropped,
            ),
            Attack::new(
                "GET with chunks",
                with(LIST, "Transfer-Encoding: chunked\r\n", &chunked),
                Outcome::Dropped,
            ),
            Attack::new(
                "a watch with a body",
                with(watch, &length, hidden),
                Outcome::Dropped,
            ),
            Attack::new(
                "HEAD with a body",
                with(&LIST.replace("GET", "HEAD"), &length, hidden),
                Outcome::Dropped,
            ),
        ]
    });
}

/// Two requests in one packet are two requests: each is judged by itself.
#[test]
fn judges_pipelined_requests_one_by_one() {
    let ground = ground();
    let before = ground.cluster.journal().count();
    let (first, second) = (marks(ground), marks(ground));
    let mut bytes = first.get("/api/v1/nodes");
    bytes.extend(second.request("GET /api/v1/secrets HTTP/1.1", "Impersonate-User: root\r\n"));
    let mut wire = ground.gateway.wire();
    wire.send(&bytes).unwrap();
    assert_eq!(wire.answer(true).unwrap().status, 200);
    let refused = wire.answer(true);
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status >= 400));
    ground.sentinel();
    assert_eq!(ground.cluster.journal().by_agent(&second.agent).len(), 0);
    assert_nobody_rose(ground, before);
}

/// After a refusal that leaves doubt about where the next request begins, there is no next request.
#[test]
fn closes_the_connection_after_doubtful_framing() {
    let ground = ground();
    let marks = marks(ground);
    let head = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
    let mut bytes = with_body(&marks, head, "0\r\n\r\n");
    bytes.extend(marks.get("/api/v1/nodes"));
    let mut wire = ground.gateway.wire();
    wire.send(&bytes).unwrap();
    let first = wire.answer(true).unwrap();
    assert_eq!(first.status, 400, "{}", first.text());
    assert!(wire.answer(true).is_err(), "nothing follows");
    ground.sentinel();
    assert_eq!(ground.cluster.journal().by_agent(&marks.agent).len(), 0);
}

/// A request that stops in the middle holds a connection, never a request.
#[test]
fn forwards_nothing_of_an_unfinished_write() {
    let ground = ground();
    let marks = marks(ground);
    let name = fresh("half");
    let body =
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#);
    let head = format!("Content-Length: {}\r\n", body.len() + 1);
    let mut wire = ground.gateway.wire();
    wire.send(&with_body(&marks, &head, &body)).unwrap();
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
