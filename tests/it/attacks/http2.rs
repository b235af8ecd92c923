//! HTTP/2 that no library sends (K-1.33).

use std::time::Duration;

use gateway_tests::{Frame, FrameKind, Frames, header_block};

use super::{Marks, assert_judged, assert_untouched, marks};
use crate::ground::{Ground, ground};

const LIST: &str = "/api/v1/nodes";
const VECTOR: &str = "list||nodes||";

/// A good head; tricks replace or add fields.
fn head(marks: &Marks) -> Vec<(String, String)> {
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "127.0.0.1"),
        (":path", LIST),
        ("user-agent", &marks.agent),
        ("authorization", &format!("Bearer {}", marks.token)),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn connect(ground: &Ground) -> Frames {
    Frames::connect(ground.gateway.address(), &ground.gateway.ca_pem())
}

fn block(fields: &[(String, String)]) -> Vec<u8> {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    header_block(&fields)
}

/// Sends one head; gives the status, or `None` if the stream or connection was ended.
fn outcome(ground: &Ground, fields: &[(String, String)]) -> Option<u16> {
    let mut frames = connect(ground);
    frames
        .send(&Frame::headers(1, block(fields), true))
        .unwrap();
    frames.outcome(1)
}

fn refuses(title: &str, change: impl Fn(&mut Vec<(String, String)>)) {
    let ground = ground();
    let marks = marks(ground);
    let before = ground.cluster.journal().count();
    let mut fields = head(&marks);
    change(&mut fields);
    let status = outcome(ground, &fields);
    assert!(
        status.is_none_or(|status| status >= 400),
        "{title}: {status:?}"
    );
    assert_untouched(ground, &marks, before);
}

fn set(fields: &mut [(String, String)], name: &str, value: &str) {
    let field = fields.iter_mut().find(|(found, _)| found == name).unwrap();
    field.1 = value.to_owned();
}

#[test]
fn a_good_head_passes() {
    let ground = ground();
    let marks = marks(ground);
    let before = ground.cluster.journal().count();
    assert_eq!(outcome(ground, &head(&marks)), Some(200));
    assert_judged(ground, &marks, before, VECTOR);
}

#[test]
fn refuses_pseudo_fields_that_are_missing_doubled_or_strange() {
    for name in [":method", ":scheme", ":path"] {
        refuses(&format!("no {name}"), |fields| {
            fields.retain(|(found, _)| found != name)
        });
        refuses(&format!("two {name}"), |fields| {
            let field = fields
                .iter()
                .find(|(found, _)| found == name)
                .unwrap()
                .clone();
            fields.insert(1, field);
        });
        // Nothing is made of the scheme.
        if name != ":scheme" {
            refuses(&format!("an empty {name}"), |fields| set(fields, name, ""));
        }
    }
    for path in [
        "*",
        "api/v1/nodes",
        "//api/v1/nodes",
        "/api/v1/nodes/../secrets",
        "/api/v1/no des",
        "/api/v1/nodes HTTP/1.1\r\nX: y",
        "/api/v1/nodes\0",
        "/api/v1/nodes\nx",
        "https://127.0.0.1/api/v1/nodes",
        "/api/v1/\u{e4}",
    ] {
        refuses(&format!("path {path:?}"), |fields| {
            set(fields, ":path", path)
        });
    }
    for method in ["CONNECT", "get", "GET x", "OPTIONS", "PRI", "G\rT"] {
        refuses(&format!("method {method:?}"), |fields| {
            set(fields, ":method", method)
        });
    }
    for authority in ["evil.example@127.0.0.1", "127.0.0.1/..", "a b"] {
        refuses(&format!("authority {authority:?}"), |fields| {
            set(fields, ":authority", authority)
        });
    }
    refuses("a pseudo field of its own", |fields| {
        fields.insert(0, (":foo".into(), "x".into()))
    });
    refuses("a response's pseudo field", |fields| {
        fields.insert(0, (":status".into(), "200".into()))
    });
    refuses("a pseudo field after others", |fields| {
        let path = fields.remove(3);
        fields.push(path);
    });
    refuses("extended CONNECT", |fields| {
        set(fields, ":method", "CONNECT");
        fields.insert(1, (":protocol".into(), "websocket".into()));
    });
}

#[test]
fn refuses_fields_that_http_1_would_read_differently() {
    for (name, value) in [
        ("connection", "impersonate-user"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("te", "gzip"),
        ("host", "evil.example"),
        ("Impersonate-User", "root"),
        ("impersonate-user", "root"),
        ("impersonate_user", "root"),
        ("x-a", "b\r\nimpersonate-user: root"),
        ("x-a", "b\nimpersonate-user: root"),
        ("x-a", "b\rimpersonate-user: root"),
        ("x-a", "b\0c"),
        ("x-a: b\r\nimpersonate-user", "root"),
        ("x a", "b"),
        ("x:a", "b"),
        ("", "b"),
        ("content-length", "5"),
        ("content-length", "-1"),
        ("expect", "100-continue\r\nimpersonate-user: root"),
    ] {
        refuses(&format!("{name:?}: {value:?}"), |fields| {
            fields.push((name.to_owned(), value.to_owned()));
        });
    }
}

/// A body shorter or longer than it says; it is a good one, so whoever ignores the length creates it.
#[test]
fn refuses_a_body_that_is_not_as_long_as_it_says() {
    let ground = ground();
    for difference in [Some(1), Some(-1), None] {
        let marks = marks(ground);
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}"}}}}"#,
            marks.agent
        );
        let length = difference.map_or(0, |more| body.len().strict_add_signed(more));
        let before = ground.cluster.journal().count();
        let mut fields = head(&marks);
        set(&mut fields, ":method", "POST");
        set(
            &mut fields,
            ":path",
            &format!("/api/v1/namespaces/{}/configmaps", marks.namespace),
        );
        fields.push(("content-type".into(), "application/json".into()));
        fields.push(("content-length".into(), length.to_string()));
        let mut frames = connect(ground);
        frames
            .send(&Frame::headers(1, block(&fields), false))
            .unwrap();
        // The gateway may have ended the connection by now.
        frames.send(&Frame::data(1, body.as_bytes(), true)).ok();
        let status = frames.outcome(1);
        assert!(
            status.is_none_or(|status| status >= 400),
            "length {length}: {status:?}"
        );
        ground.sentinel();
        let seen = ground.cluster.journal().by_agent(&marks.agent);
        if length == 0 && !seen.is_empty() {
            // The head alone is a whole request, and what came after it ended the stream.
            super::assert_nobody_rose(ground, before);
        } else {
            assert!(seen.is_empty(), "length {length}: {status:?}, {seen:?}");
            assert_untouched(ground, &marks, before);
        }
    }
}

#[test]
fn bounds_a_head_without_end() {
    let ground = ground();
    let marks = marks(ground);
    let before = ground.cluster.journal().count();
    let mut frames = connect(ground);
    frames.set_patience(Duration::from_secs(10));
    let first = Frame {
        kind: FrameKind::Headers,
        flags: 1,
        stream: 1,
        payload: block(&head(&marks)),
    };
    frames.send(&first).unwrap();
    let more = header_block(&[("x-long", &"y".repeat(8 * 1024))]);
    let ended = (0..10_000).any(|_| {
        let next = Frame {
            kind: FrameKind::Continuation,
            flags: 0,
            stream: 1,
            payload: more.clone(),
        };
        frames.send(&next).is_err()
    });
    assert!(
        ended || frames.outcome(1).is_none_or(|status| status >= 400),
        "80 MiB of head"
    );
    assert_untouched(ground, &marks, before);
}

/// CVE-2023-44487: streams opened and reset in the same breath.
#[test]
fn survives_rapid_reset() {
    let ground = ground();
    let marks = marks(ground);
    let before = ground.cluster.journal().count();
    let mut frames = connect(ground);
    let head = block(&head(&marks));
    for number in 0..2_000_u32 {
        let stream = 2 * number + 1;
        let sent = frames
            .send(&Frame::headers(stream, head.clone(), true))
            .and_then(|()| frames.send(&Frame::cancel(stream)));
        if sent.is_err() {
            break;
        }
    }
    drop(frames);
    ground.sentinel();
    super::assert_nobody_rose(ground, before);
    let events = ground.cluster.journal().by_agent(&marks.agent);
    for event in events {
        assert_eq!(event.vector(), VECTOR);
    }
}
