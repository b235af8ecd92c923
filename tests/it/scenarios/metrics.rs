//! Every metric says something: each family moves when what it counts happens.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

use gateway_tests::{Gateway, Request, WebSocket, eventually, fresh, get};

use super::{Stage, Watch};
use crate::ground::{EVERYTHING, assert_status};

/// Families that move only where something fails that does not fail here, or for a moment; their
/// own tests are beside the audit log.
const ELSEWHERE: [&str; 4] = [
    "countersign_audit_events_lost_total",
    "countersign_audit_failures_total",
    "countersign_audit_queue_length",
    // Beside the traps of masked answers.
    "countersign_unmaskable_answers_total",
];

const MASKED: &str = r#"
require "masked" { why "Masks count"; owner "it"; severity low; can read; on "secrets"; mask "@secret-like" }
"#;

/// Half of the metrics had no caller: exchanges, upstream connections and three of five phases were
/// 0 for ever, failed writes were left out, and the times of watches stood among those of requests.
#[test]
fn every_family_moves_when_what_it_counts_happens() {
    let stage = Stage::new(|setup| setup);
    let gateway = &stage.gateway;
    let token = stage.issuer.token("agent");
    let base = format!("/api/v1/namespaces/{}/configmaps", stage.ground.namespace);
    for _ in 0..2 {
        assert_eq!(gateway.wire().ask(&get(&base).token(&token)).status, 200);
    }
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}"}}}}"#,
        fresh("metric")
    );
    let write = Request::new("POST", &base).body("application/json", object);
    let answer = gateway.wire().ask(&write.token(&token));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_status("nobody", &gateway.wire().ask(&get(&base)), 401);
    let mut plain = TcpStream::connect(gateway.address()).expect("a connection");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("bytes");
    let mut broken = gateway.wire();
    broken.send(b" GET / HTTP/1.1\r\n\r\n").expect("bytes");
    assert_eq!(broken.answer(true).expect("an answer").status, 400);
    gateway.publish(&stage.bundle(&[EVERYTHING, MASKED].concat()));
    let secrets = format!("/api/v1/namespaces/{}/secrets", stage.ground.namespace);
    let secret = format!("metric-{}", fresh("masked"));
    stage.ground.cluster.admin().ok(&[
        "-n",
        &stage.ground.namespace,
        "create",
        "secret",
        "generic",
        &secret,
        "--from-literal=a=b",
    ]);
    let answer = gateway.wire().ask(&get(&secrets).token(&token));
    assert_eq!(answer.status, 200, "{}", answer.text());

    let total = "countersign_phase_seconds_count{phase=\"total\"}";
    eventually("the requests to be over", || {
        (gateway.metric("countersign_exchanges") == 0.0).then_some(())
    });
    let before = gateway.metric(total);
    assert_eq!(before, 5.0, "one for each request");
    let watch = Watch::open(gateway, &format!("{base}?watch=1"), &token);
    let exec = format!(
        "/api/v1/namespaces/{}/pods/shell/exec?command=cat&stdin=1&stdout=1",
        stage.ground.namespace
    );
    let request = WebSocket::request(&exec, &["v5.channel.k8s.io"]).token(&token);
    let socket = WebSocket::open(gateway.wire(), &request).expect("an upgrade");
    eventually("the gauges to say what is open", || {
        let open = ["countersign_watches", "countersign_sessions{kind=\"exec\"}"];
        let open = open.iter().all(|gauge| gateway.metric(gauge) == 1.0);
        (open && gateway.metric("countersign_exchanges") == 2.0).then_some(())
    });
    eventually("every family to have moved", || {
        let still = unmoved(gateway);
        still.is_empty().then_some(()).or_else(|| {
            eprintln!("still: {still:?}");
            None
        })
    });
    for phase in ["authenticate", "judge", "audit", "upstream_first_byte"] {
        let count = format!("countersign_phase_seconds_count{{phase=\"{phase}\"}}");
        assert!(gateway.metric(&count) > 0.0, "{phase}");
    }
    drop((watch, socket));
    eventually("everything to be over", || {
        (gateway.metric("countersign_exchanges") == 0.0).then_some(())
    });
    assert_eq!(gateway.metric("countersign_watches"), 0.0);
    assert_eq!(gateway.metric("countersign_sessions{kind=\"exec\"}"), 0.0);
    assert_eq!(gateway.metric(total), before, "streams have no total");
}

/// Families of which every sample is 0.
fn unmoved(gateway: &Gateway) -> Vec<String> {
    let text = gateway.admin("/metrics").1;
    let mut families: BTreeMap<&str, f64> = BTreeMap::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().unwrap_or_default();
            families.insert(name, 0.0);
        }
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let name = name.strip_suffix("_count").unwrap_or(name);
        let value: f64 = line
            .rsplit(' ')
            .next()
            .and_then(|value| value.parse().ok())
            .unwrap_or_default();
        if let Some(sum) = families.get_mut(name) {
            *sum += value;
        }
    }
    families.retain(|name, sum| {
        name.starts_with("countersign_") && *sum == 0.0 && !ELSEWHERE.contains(name)
    });
    families.into_keys().map(str::to_owned).collect()
}
