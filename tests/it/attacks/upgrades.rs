//! Attacks 15, 34 to 39: channels into workloads and kubelets (K-3.2, K-4.20, K-6).

use gateway_tests::{Gateway, Request, Setup, WebSocket, eventually, fresh, get};

use super::{Attack, Marks, Outcome, check};
use crate::ground::{DISCOVERY, Ground, assert_status, ground};

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const EXEC: &str = "GET /api/v1/namespaces/{ns}/pods/shell/exec?command=id&stdout=1 HTTP/1.1";

/// Reads of everything, and nothing else.
const READ_ONLY: &str = r#"
allow "reads" {
    why "Reads and nothing else"
    who { group "it:admins" }
    can read
    on "*/*"
    in "*" "@cluster"
}
"#;

fn read_only(ground: &Ground) -> Gateway {
    Setup::new(ground.cluster, &ground.issuer)
        .with_rules(&[DISCOVERY, READ_ONLY].concat())
        .start()
}

fn upgrade(marks: &Marks, line: &str, more: &str) -> Vec<u8> {
    marks.request(line, &format!("{WEBSOCKET}{more}"))
}

/// Attack 15: a watch or log over WebSocket would pass frames nobody looks at (K-3.2).
#[test]
fn refuses_an_upgrade_where_none_belongs() {
    check(|marks| {
        [
            "GET /api/v1/namespaces/{ns}/secrets?watch=1 HTTP/1.1",
            "GET /api/v1/watch/namespaces/{ns}/secrets HTTP/1.1",
            "GET /api/v1/namespaces/{ns}/pods/shell/log HTTP/1.1",
            "GET /api/v1/namespaces/{ns}/pods/shell/log?follow=1 HTTP/1.1",
            "GET /api/v1/namespaces/{ns}/secrets/db HTTP/1.1",
            "GET /version HTTP/1.1",
        ]
        .into_iter()
        .map(|line| {
            let bytes = upgrade(marks, line, "Origin: https://127.0.0.1\r\n");
            Attack::new(line, bytes, Outcome::Refused(403))
        })
        .collect()
    });
}

/// K-6.3: the server matches upgrades by substring, so only exact ones go on.
#[test]
fn refuses_upgrades_that_are_almost_one() {
    check(|marks| {
        let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        [
            format!("Connection: Upgrade\r\nUpgrade: xwebsocketx\r\n{key}"),
            format!("Connection: xupgradex\r\nUpgrade: websocket\r\n{key}"),
            format!("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n{key}"),
            format!("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: SPDY/3.1\r\n{key}"),
            format!("Connection: Upgrade\r\nUpgrade: SPDY/3.2\r\n{key}"),
            format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{key}"),
            format!("Connection: Upgrade\r\nUpgrade: \r\n{key}"),
            format!("Upgrade: websocket\r\n{key}"),
            "Connection: Upgrade\r\nUpgrade: websocket\r\n".to_owned(),
            format!("{WEBSOCKET}Content-Length: 5\r\n"),
            format!("{WEBSOCKET}Transfer-Encoding: chunked\r\n"),
            format!("{WEBSOCKET}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
        ]
        .into_iter()
        .map(|lines| {
            Attack::new(
                "an odd upgrade",
                marks.request(EXEC, &lines),
                Outcome::Dropped,
            )
        })
        .chain([
            Attack::new(
                "a WebSocket by POST",
                upgrade(marks, &EXEC.replace("GET", "POST"), ""),
                Outcome::Dropped,
            ),
            Attack::new(
                "exec without an upgrade",
                marks.request(EXEC, ""),
                Outcome::DroppedOrJudged("get||pods/exec|{ns}|shell"),
            ),
        ])
        .collect()
    });
}

/// Attacks 34, 37, 38, 39, 49: none of these is a read, whatever its method (K-6.1, K-6.8, K-4.20,
/// K-6.15, K-4.18).
#[test]
fn a_read_only_policy_opens_no_channel() {
    let ground = ground();
    let gateway = read_only(ground);
    let token = ground.token("reader");
    for (title, request) in channels(&ground.namespace) {
        let agent = fresh("channel");
        let answer = gateway.wire().ask(&request.token(&token).agent(&agent));
        assert_status(title, &answer, 403);
        ground.sentinel();
        assert_eq!(
            ground.cluster.journal().by_agent(&agent).len(),
            0,
            "{title}"
        );
    }
}

/// Every way into a workload, a kubelet or a credential.
fn channels(namespace: &str) -> Vec<(&'static str, Request)> {
    let pod = format!("/api/v1/namespaces/{namespace}/pods/shell");
    let exec = format!("{pod}/exec?command=id&stdout=1");
    let kubelet =
        format!("/api/v1/nodes/node-1/proxy/exec/{namespace}/shell/main?command=id&output=1");
    let port_forward = format!("{pod}/portforward");
    let spdy = |method: &str, target: &str| {
        Request::new(method, target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "SPDY/3.1")
            .header("X-Stream-Protocol-Version", "v4.channel.k8s.io")
    };
    let protocols = ["v5.channel.k8s.io"];
    let patch = r#"{"spec":{"ephemeralContainers":[{"name":"debug","image":"busybox"}]}}"#;
    vec![
        (
            "exec by WebSocket GET",
            WebSocket::request(&exec, &protocols),
        ),
        ("exec by SPDY POST", spdy("POST", &exec)),
        ("exec by SPDY GET", spdy("GET", &exec)),
        ("exec by plain GET", get(&exec)),
        (
            "attach by WebSocket GET",
            WebSocket::request(&format!("{pod}/attach?stdout=1"), &protocols),
        ),
        (
            "port-forward by WebSocket GET",
            WebSocket::request(&format!("{port_forward}?ports=80"), &["v4.channel.k8s.io"]),
        ),
        (
            "port-forward tunnelled through a WebSocket",
            WebSocket::request(&port_forward, &["SPDY/3.1+portforward.k8s.io"]),
        ),
        ("port-forward by SPDY POST", spdy("POST", &port_forward)),
        ("port-forward by SPDY GET", spdy("GET", &port_forward)),
        ("pod proxy", get(&format!("{pod}/proxy/"))),
        (
            "service proxy",
            get(&format!("/api/v1/namespaces/{namespace}/services/s/proxy/")),
        ),
        ("node proxy", get("/api/v1/nodes/node-1/proxy/pods")),
        ("legacy proxy path", get("/api/v1/proxy/nodes/node-1/pods")),
        (
            "kubelet exec by WebSocket GET",
            WebSocket::request(&kubelet, &["v4.channel.k8s.io"]),
        ),
        ("kubelet exec by plain GET", get(&kubelet)),
        (
            "ephemeral containers",
            Request::new("PATCH", &format!("{pod}/ephemeralcontainers"))
                .body("application/strategic-merge-patch+json", patch),
        ),
        (
            "a token of a ServiceAccount",
            Request::new(
                "POST",
                &format!("/api/v1/namespaces/{namespace}/serviceaccounts/default/token"),
            )
            .body(
                "application/json",
                r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"#,
            ),
        ),
    ]
}

/// Attack 35: kubectl tries SPDY after a refused WebSocket (K-6.9); the second door is shut too.
#[test]
fn a_denied_exec_stays_denied_when_kubectl_falls_back() {
    let ground = ground();
    let gateway = read_only(ground);
    let kubectl = gateway.kubectl(&ground.token("fallback"));
    let before = gateway.journal().count();
    let finished = kubectl.run(&["-n", &ground.namespace, "exec", "shell", "--", "id"]);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains("forbidden"), "{}", finished.stderr);
    let denied = eventually("both attempts in the audit log", || {
        let mut events = gateway.journal().since(before);
        events.retain(|event| event.text("/objectRef/subresource") == "exec");
        (events.len() >= 2).then_some(events)
    });
    for event in denied {
        assert_eq!(event.code(), 403, "{event:?}");
    }
}

/// Attack 36: older subprotocols are sessions like the newest (K-6.4).
#[test]
fn every_subprotocol_is_the_same_session_upstream() {
    let ground = ground();
    let exec = format!(
        "/api/v1/namespaces/{}/pods/shell/exec?command=echo&command=hello&stdout=1",
        ground.namespace
    );
    for protocols in [
        &["v5.channel.k8s.io"][..],
        &["v4.channel.k8s.io"],
        &["channel.k8s.io"],
        &["v5.channel.k8s.io", "v4.channel.k8s.io"],
        &["v4.base64.channel.k8s.io"],
        &["base64.channel.k8s.io"],
        &[],
    ] {
        let agent = fresh("subprotocol");
        let request = WebSocket::request(&exec, protocols)
            .token(&ground.token("agent"))
            .agent(&agent);
        let mut socket = WebSocket::open(ground.gateway.wire(), &request)
            .unwrap_or_else(|answer| panic!("{protocols:?}: {} {}", answer.status, answer.text()));
        let base64 = protocols.iter().any(|protocol| protocol.contains("base64"));
        let (channel, expected) = if base64 {
            (b'1', b"aGVsbG8K".as_slice())
        } else {
            (1, b"hello\n".as_slice())
        };
        assert_eq!(
            socket.channel(channel, expected.len()).unwrap(),
            expected,
            "{protocols:?}"
        );
        let event = ground
            .cluster
            .journal()
            .await_agent(&agent, "ResponseStarted");
        assert_eq!(event.text("/objectRef/subresource"), "exec");
        assert_eq!(event.text("/impersonatedUser/username"), "it:agent");
    }
}
