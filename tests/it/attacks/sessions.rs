//! Ways to a secret past the detectors of a session: each subprotocol, each channel, the words of a
//! status, and protocols that nobody can read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::{Bundle, Gateway, Request, Setup, WebSocket, fresh, get};

use crate::clients::masked_sessions::{MASKED, MASKS, check_clean};
use crate::ground::{EVERYTHING, Ground, assert_status, ground};

const MARK: &str = "countersign-masked:streams";

fn gateway(ground: &Ground) -> Gateway {
    let rules = [EVERYTHING, MASKED].concat();
    let bundle = Bundle::open(&ground.issuer, &["one"])
        .with("masks.kdl", MASKS)
        .with_rules(&rules);
    Setup::new(ground.cluster, &ground.issuer)
        .with_bundle(bundle)
        .start()
}

fn canary() -> String {
    let payload = fresh("eyJzdWIiOiJjYW5hcnki");
    format!("eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJlLW9mLXRoZS1jYW5hcnk")
}

fn exec(ground: &Ground, script: &str) -> String {
    let script = script.replace(' ', "%20").replace(';', "%3B");
    let script = script.replace('>', "%3E").replace('&', "%26");
    format!(
        "/api/v1/namespaces/{}/pods/shell/exec?command=sh&command=-c&command={script}&stdout=1&stderr=1",
        ground.namespace
    )
}

/// The bytes of each channel.
fn channels(messages: &[Vec<u8>], is_base64: bool) -> [Vec<u8>; 4] {
    let mut channels = [const { Vec::new() }; 4];
    for message in messages {
        let (first, rest) = message.split_first().expect("a channel");
        let channel = if is_base64 { first - b'0' } else { *first };
        let bytes = if is_base64 {
            STANDARD.decode(rest).expect("base64")
        } else {
            rest.to_vec()
        };
        channels[usize::from(channel)].extend(bytes);
    }
    channels
}

/// K-6.4: whatever a client offers, the output of each channel is masked, and the status still says
/// how it ended.
#[test]
fn no_subprotocol_shows_a_secret() {
    let ground = ground();
    let gateway = gateway(ground);
    for protocols in [
        &["v5.channel.k8s.io"][..],
        &["v4.channel.k8s.io"],
        &["channel.k8s.io"],
        &["v5.channel.k8s.io", "v4.channel.k8s.io"],
        &["v4.base64.channel.k8s.io"],
        &["base64.channel.k8s.io"],
        &["unknown.k8s.io", "v4.channel.k8s.io"],
        &[],
    ] {
        let canary = canary();
        let script = format!("echo {canary}; printf {canary} >&2; exit 7");
        let target = exec(ground, &script);
        let request = WebSocket::request(&target, protocols).token(&ground.token("agent"));
        let mut socket = WebSocket::open(gateway.wire(), &request)
            .unwrap_or_else(|answer| panic!("{protocols:?}: {} {}", answer.status, answer.text()));
        let messages = socket.messages().expect("an end");
        let is_base64 = protocols.iter().any(|name| name.contains("base64"));
        let [_, stdout, stderr, status] = channels(&messages, is_base64);
        let raw = String::from_utf8_lossy(&messages.concat()).into_owned();
        check_clean(&canary, &raw);
        assert_eq!(stdout, format!("{MARK}\n").as_bytes(), "{protocols:?}");
        assert_eq!(stderr, MARK.as_bytes(), "{protocols:?}");
        let status = String::from_utf8(status).expect("text");
        assert!(status.contains("exit"), "{protocols:?}: {status}");
        if protocols.iter().any(|name| name.starts_with('v')) {
            let status: serde_json::Value = serde_json::from_str(&status).expect("a Status");
            assert_eq!(status["details"]["causes"][0]["message"], "7", "{status}");
        }
    }
}

/// What the container says of a command that could not be run quotes it, and the status may.
#[test]
fn the_words_of_a_session_that_fails_do_not_quote_a_secret() {
    let ground = ground();
    let gateway = gateway(ground);
    for protocol in ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"] {
        let canary = canary();
        let target = format!(
            "/api/v1/namespaces/{}/pods/shell/exec?command={canary}&stdout=1&stderr=1",
            ground.namespace
        );
        let request = WebSocket::request(&target, &[protocol]).token(&ground.token("agent"));
        let mut socket = WebSocket::open(gateway.wire(), &request).expect("an upgrade");
        let messages = socket.messages().expect("an end");
        let [_, _, stderr, _] = channels(&messages, false);
        let text = String::from_utf8_lossy(&messages.concat()).into_owned();
        check_clean(&canary, &text);
        assert!(String::from_utf8_lossy(&stderr).contains(MARK), "{text}");
        let has_code = protocol.starts_with('v');
        assert_eq!(text.contains("127"), has_code, "{text}");
    }
}

/// K-6.7, K-6.8: what nobody can read is refused before it begins, whatever way it is asked for.
#[test]
fn a_session_that_cannot_be_masked_is_not_opened() {
    let ground = ground();
    let gateway = gateway(ground);
    let exec = exec(ground, "id");
    let pod = format!("/api/v1/namespaces/{}/pods/shell", ground.namespace);
    let port_forward = format!("{pod}/portforward");
    let spdy = |method: &str, target: &str| {
        Request::new(method, target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "SPDY/3.1")
            .header("X-Stream-Protocol-Version", "v4.channel.k8s.io")
    };
    for (title, request, part) in [
        ("exec by SPDY POST", spdy("POST", &exec), "use WebSocket"),
        ("exec by SPDY GET", spdy("GET", &exec), "use WebSocket"),
        (
            "attach by SPDY",
            spdy("POST", &format!("{pod}/attach?stdout=1")),
            "use WebSocket",
        ),
        (
            "an unknown subprotocol",
            WebSocket::request(&exec, &["v6.channel.k8s.io"]),
            "subprotocols",
        ),
        (
            "port-forward by WebSocket",
            WebSocket::request(&format!("{port_forward}?ports=80"), &["v4.channel.k8s.io"]),
            "forwarded port",
        ),
        (
            "port-forward tunnelled",
            WebSocket::request(&port_forward, &["SPDY/3.1+portforward.k8s.io"]),
            "forwarded port",
        ),
        (
            "port-forward by SPDY",
            spdy("POST", &port_forward),
            "forwarded port",
        ),
    ] {
        let agent = fresh("unmaskable");
        let request = request.token(&ground.token("agent")).agent(&agent);
        let answer = gateway.wire().ask(&request);
        assert_status(title, &answer, 403);
        assert!(answer.text().contains(part), "{title}: {}", answer.text());
        ground.sentinel();
        let seen = ground.cluster.journal().by_agent(&agent);
        assert_eq!(seen.len(), 0, "{title}");
    }
}

/// A session of an extension that the client offers is a plain one: the offer goes no further.
#[test]
fn an_offered_compression_is_not_passed_on() {
    let ground = ground();
    let gateway = gateway(ground);
    let canary = canary();
    let target = exec(ground, &format!("echo {canary}"));
    let request = WebSocket::request(&target, &["v5.channel.k8s.io"])
        .header("Sec-WebSocket-Extensions", "permessage-deflate")
        .token(&ground.token("agent"));
    let mut socket = WebSocket::open(gateway.wire(), &request).expect("an upgrade");
    let messages = socket.messages().expect("an end");
    let [_, stdout, ..] = channels(&messages, false);
    assert_eq!(stdout, format!("{MARK}\n").as_bytes());
}

/// K-4.19 on both protocols downstream; the answer of a container that is not there is withheld.
#[test]
fn logs_show_no_secret_on_either_protocol() {
    let ground = ground();
    let gateway = gateway(ground);
    let canary = canary();
    let namespace = ground.cluster.namespace("logs");
    ground.cluster.admin().apply(&format!(
        r#"{{"apiVersion":"v1","kind":"Pod",
        "metadata":{{"name":"talks","namespace":"{namespace}","annotations":{{"tests.countersign/log":"token {canary} end"}}}},
        "spec":{{"nodeName":"node-1","containers":[{{"name":"main","image":"busybox"}}]}}}}"#
    ));
    let wait = [
        "-n",
        &namespace,
        "wait",
        "--for=condition=Ready",
        "pod/talks",
    ];
    ground.cluster.admin().ok(&wait);
    let log = format!("/api/v1/namespaces/{namespace}/pods/talks/log");
    let expected = format!("token {MARK} end\n");
    for target in [
        log.clone(),
        format!("{log}?timestamps=true"),
        format!("{log}?tailLines=100"),
    ] {
        let request = get(&target).token(&ground.token("agent"));
        let over_h1 = gateway.wire().ask(&request);
        let over_h2 = gateway.h2().ask(&request).expect("an answer");
        for (status, body) in [
            (over_h1.status, over_h1.body),
            (over_h2.status.as_u16(), over_h2.body),
        ] {
            let text = String::from_utf8_lossy(&body).into_owned();
            assert_eq!(status, 200, "{text}");
            check_clean(&canary, &text);
            assert!(text.contains(&expected), "{text}");
        }
    }
    // Cut off within the secret, it would be known by no detector.
    let cut = "token ".len() + canary.to_string().len() - 1;
    for limit in [cut, 100_000] {
        let request = get(&format!("{log}?limitBytes={limit}")).token(&ground.token("agent"));
        let answer = gateway.wire().ask(&request);
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("limitBytes"), "{}", answer.text());
    }
    let request = get(&format!("{log}?follow=true&tailLines=3")).token(&ground.token("agent"));
    let mut wire = gateway.wire();
    wire.send(&request.bytes()).expect("sent");
    assert_eq!(wire.head().expect("a head").status, 200);
    let mut text = String::new();
    while text.lines().count() < 5 {
        let piece = wire.piece().expect("a piece").expect("no end");
        assert!(piece.ends_with(b"\n"), "whole lines");
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    check_clean(&canary, &text);
    let request = get(&format!("{log}?container={canary}")).token(&ground.token("agent"));
    let answer = gateway.wire().ask(&request);
    assert_eq!(answer.status, 400, "{}", answer.text());
    check_clean(&canary, &answer.text());
}
