//! What a head holds on the far side: an allow-list, both ways (K-4.28, K-7.3, K-7.6, K-7.7).

use std::collections::BTreeSet;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_tests::{Received, Request, Script, WebSocket, get, read_request, write_answer};

use super::Bench;

fn answers() -> Script {
    Script::http1(|connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            write_answer(connection, "200 OK", "{}")?;
        }
        Ok(())
    })
}

fn names(request: &Received) -> BTreeSet<String> {
    let names = request
        .headers
        .iter()
        .filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn value<'a>(request: &'a Received, name: &str) -> Vec<&'a str> {
    let lines = request
        .headers
        .iter()
        .filter_map(|line| line.split_once(':'));
    lines
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

#[test]
fn upstream_sees_allowed_headers_the_gateways_credential_and_the_caller() {
    let bench = Bench::new(answers());
    let token = bench.token();
    let request = get("/api/v1/namespaces/a/configmaps/x")
        .token(&token)
        .agent("kubectl/v1.36.3")
        .header("Accept", "application/json")
        .header("Accept-Encoding", "gzip, br")
        .header("Cookie", "a=b")
        .header("Proxy-Authorization", "Basic eDp4")
        .header("X-Remote-User", "root")
        .header("X-Forwarded-For", "6.6.6.6")
        .header("Audit-ID", "chosen")
        .header("X-Custom", "y")
        .header("Origin", "https://evil.example")
        .header("Kubectl-Command", "kubectl get")
        .header("Connection", "X-Custom");
    let answer = bench.gateway.wire().ask(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = bench.received("configmaps/x").remove(0);
    let expected = [
        "accept",
        "accept-encoding",
        "audit-id",
        "authorization",
        "host",
        "impersonate-group",
        "impersonate-user",
        "kubectl-command",
        "user-agent",
    ];
    let mut found = names(&seen);
    // The credential's id travels with it (K-8.4).
    found.retain(|name| !name.starts_with("impersonate-extra-"));
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        expected,
        "{seen:?}"
    );
    assert_eq!(
        value(&seen, "authorization"),
        ["Bearer upstream-credential"]
    );
    assert_eq!(value(&seen, "impersonate-user"), ["it:agent"]);
    assert_eq!(value(&seen, "impersonate-group"), ["it:admins"]);
    assert_eq!(value(&seen, "accept-encoding"), ["identity"]);
    assert_eq!(value(&seen, "user-agent"), ["kubectl/v1.36.3"]);
    assert_eq!(value(&seen, "host"), [bench.upstream.address().to_string()]);
    let id = answer
        .header("countersign-decision-id")
        .expect("a decision id");
    assert_eq!(value(&seen, "audit-id"), [id]);
    assert!(
        !format!("{seen:?}").contains(&token),
        "the client's token went upstream"
    );
}

/// Attack 44: a token in a subprotocol is a credential, and credentials stop here.
#[test]
fn a_bearer_subprotocol_does_not_reach_upstream() {
    let bench = Bench::new(answers());
    let encoded = URL_SAFE_NO_PAD.encode(bench.token());
    let bearer = format!("base64url.bearer.authorization.k8s.io.{encoded}");
    let exec = "/api/v1/namespaces/a/pods/p/exec?command=id&stdout=1";
    for protocols in [
        &[bearer.as_str(), "v5.channel.k8s.io", "v4.channel.k8s.io"][..],
        &["v5.channel.k8s.io", bearer.as_str(), "v4.channel.k8s.io"],
        &["v5.channel.k8s.io", "v4.channel.k8s.io", bearer.as_str()],
    ] {
        bench
            .gateway
            .wire()
            .ask(&WebSocket::request(exec, protocols));
    }
    let seen = bench.received("/exec");
    assert_eq!(seen.len(), 3);
    for request in seen {
        let offered = value(&request, "sec-websocket-protocol");
        assert_eq!(
            offered,
            ["v5.channel.k8s.io, v4.channel.k8s.io"],
            "{request:?}"
        );
        assert!(
            !format!("{request:?}").contains("bearer.authorization"),
            "{request:?}"
        );
        assert_eq!(value(&request, "upgrade"), ["websocket"]);
    }
}

#[test]
fn downstream_sees_allowed_headers_only() {
    let script = Script::http1(|connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            let stream = connection.get_mut();
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                Set-Cookie: a=b\r\nWWW-Authenticate: Basic\r\nServer: x\r\nX-Internal: y\r\n\
                Warning: 299 - \"careful\"\r\nX-Kubernetes-Pf-Flowschema-Uid: u\r\nAudit-Id: z\r\n\r\n{}",
            )?;
            stream.flush()?;
        }
        Ok(())
    });
    let bench = Bench::new(script);
    let object = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#;
    for request in [
        get("/api/v1/namespaces/a/configmaps/x"),
        Request::new("PUT", "/api/v1/namespaces/a/configmaps/x").body("application/json", object),
    ] {
        let answer = bench.gateway.wire().ask(&request.token(&bench.token()));
        let names: BTreeSet<&str> = answer
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        for gone in ["set-cookie", "www-authenticate", "server", "x-internal"] {
            assert!(!names.contains(gone), "{gone} came through: {answer:?}");
        }
        for kept in ["content-type", "warning", "x-kubernetes-pf-flowschema-uid"] {
            assert!(names.contains(kept), "{kept} is missing: {answer:?}");
        }
        assert_eq!(answer.text(), "{}");
    }
}
