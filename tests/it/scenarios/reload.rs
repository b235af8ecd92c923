//! Policy, certificates and the gateway's own credential change while it runs.

use gateway_tests::{
    Bundle, FakeUpstream, Issuer, Script, Setup, client_config, connect, eventually, fresh, get,
    read_request, write_answer,
};

use super::{Stage, Watch};
use crate::ground::{EVERYTHING, assert_status, ground};

const NO_CONFIG_MAPS: &str = r#"
deny "no-config-maps" {
    why "The new policy takes ConfigMaps away"
    severity low
    can read
    on "configmaps"
    in "*"
}
"#;

#[test]
fn a_new_policy_counts_from_the_next_request_on() {
    let stage = Stage::new(|setup| setup);
    let target = format!(
        "/api/v1/namespaces/{}/configmaps/cm",
        stage.ground.namespace
    );
    let request = get(&target).token(&stage.issuer.token("agent"));
    let mut wire = stage.gateway.wire();
    assert_eq!(wire.ask(&request).status, 200);
    stage
        .gateway
        .publish(&stage.bundle(&[EVERYTHING, NO_CONFIG_MAPS].concat()));
    // On the same connection, with the same credential.
    assert_status("the new policy", &wire.ask(&request), 403);
    stage.gateway.publish(&stage.bundle(EVERYTHING));
    assert_eq!(wire.ask(&request).status, 200);
}

#[test]
fn an_invalid_bundle_is_reported_and_the_last_good_one_stays() {
    let stage = Stage::new(|setup| setup);
    let target = format!(
        "/api/v1/namespaces/{}/configmaps/cm",
        stage.ground.namespace
    );
    let request = get(&target).token(&stage.issuer.token("agent"));
    let good = stage.gateway.admin("/policy/status").1;
    for broken in [
        "allow \"x\" {",
        "allow \"x\" { why \"y\"; unknown \"z\" }",
        "deny \"x\" { can fly }",
    ] {
        stage.gateway.publish(&stage.bundle(broken));
        let status = eventually("the rejection to be reported", || {
            let status: serde_json::Value =
                serde_json::from_str(&stage.gateway.admin("/policy/status").1).ok()?;
            status["lastRejection"]["report"]
                .is_string()
                .then_some(status)
        });
        let before: serde_json::Value = serde_json::from_str(&good).expect("JSON");
        assert_eq!(
            status["active"]["digest"], before["active"]["digest"],
            "{broken}"
        );
        let report = status["lastRejection"]["report"]
            .as_str()
            .expect("a report");
        assert!(
            report.contains("rules/open.kdl"),
            "the report names the place: {report}"
        );
        assert_eq!(stage.gateway.wire().ask(&request).status, 200, "{broken}");
        // Repaired, so that the next one is a change again.
        stage.gateway.publish(&stage.bundle(EVERYTHING));
    }
    let rejected = r#"countersign_bundle_reloads_total{result="rejected"}"#;
    assert!(stage.gateway.metric(rejected) >= 3.0);
}

/// K-3.10.
#[test]
fn a_watch_ends_when_the_new_policy_denies_it_and_others_go_on() {
    let stage = Stage::new(|setup| setup);
    let namespace = &stage.ground.namespace;
    let token = stage.issuer.token("agent");
    let open = |resource: &str| {
        let target = format!("/api/v1/namespaces/{namespace}/{resource}?watch=1");
        Watch::open(&stage.gateway, &target, &token)
    };
    let (denied, mut kept) = (open("configmaps"), open("secrets"));
    let id = denied.id.clone();
    stage
        .gateway
        .publish(&stage.bundle(&[EVERYTHING, NO_CONFIG_MAPS].concat()));
    // Clean or cut: a client re-lists either way. It must end.
    let ended = denied.end();
    assert!(
        ended.as_ref().map_or_else(
            |fault| fault.kind() != std::io::ErrorKind::WouldBlock,
            |()| true
        ),
        "the watch goes on: {ended:?}"
    );
    let event = stage.gateway.journal().await_stage(&id, "ResponseComplete");
    assert_eq!(event.annotation("countersign/ended-by"), "policy-changed");
    let name = fresh("after");
    let admin = stage.ground.cluster.admin().with(&["-n", namespace]);
    admin.ok(&["create", "secret", "generic", &name]);
    let mut seen = String::new();
    while !seen.contains(&name) {
        let piece = kept
            .wire
            .piece()
            .expect("the other watch goes on")
            .expect("an event");
        seen.push_str(&String::from_utf8_lossy(&piece));
    }
}

#[test]
fn a_new_certificate_is_shown_without_a_restart() {
    let issuer = Issuer::start();
    let stage = Stage::new(|setup| setup);
    let directory = stage.gateway.directory().to_path_buf();
    let shown = || {
        let config = client_config(&stage.gateway.ca_pem(), &["http/1.1"], None);
        let stream = connect(stage.gateway.address(), "127.0.0.1", config).expect("a handshake");
        let chain = stream.conn.peer_certificates().expect("a certificate");
        chain[0].to_vec()
    };
    let before = shown();
    let mut open = stage.gateway.wire();
    let request = get("/version").token(&stage.issuer.token("agent"));
    assert_eq!(open.ask(&request).status, 200);
    let leaf = stage.gateway.authority().server(&["127.0.0.1"]);
    // A key that does not fit is not taken.
    std::fs::write(directory.join("gateway.crt"), &leaf.certificate_pem).expect("a file");
    std::fs::write(directory.join("gateway.key"), "no key").expect("a file");
    assert_eq!(shown(), before);
    std::fs::write(directory.join("gateway.key"), &leaf.key_pem).expect("a file");
    eventually("the new certificate", || (shown() != before).then_some(()));
    assert_eq!(
        open.ask(&request).status,
        200,
        "an open connection is not disturbed"
    );
    drop(issuer);
}

/// The key of a mask, mounted from a Secret, changes there and not in the bundle.
#[test]
fn a_new_key_of_a_mask_counts_without_a_new_bundle() {
    let ground = ground();
    let setup = Setup::new(ground.cluster, &ground.issuer).with_file("mask.key", &"k".repeat(48));
    let key = setup.directory().join("mask.key");
    let masks = format!(
        r#"
hmac-key "k" file="{}"
mask "hashed" {{ for "configmaps" {{ at "data.*" hash key="k" }} }}
"#,
        key.display()
    );
    let rules = r#"
require "hashed" { why "Values are compared and not read"; severity low; can read; on "configmaps"; mask "hashed" }
"#;
    let bundle = Bundle::open(&ground.issuer, &["one"])
        .with("masks.kdl", &masks)
        .with_rules(&[EVERYTHING, rules].concat());
    let gateway = setup.with_bundle(bundle).start();
    let target = format!("/api/v1/namespaces/{}/configmaps/cm", ground.namespace);
    let shown = || {
        let answer = gateway
            .wire()
            .ask(&get(&target).token(&ground.token("agent")));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["data"]["k"]
            .as_str()
            .expect("a value")
            .to_owned()
    };
    let before = shown();
    assert!(
        before.starts_with("countersign-masked:hashed:k:"),
        "{before}"
    );
    std::fs::write(&key, "n".repeat(48)).expect("a file");
    let after = eventually("digests by the new key", || {
        Some(shown()).filter(|after| *after != before)
    });
    // What is no key is reported, and the last good one stays.
    std::fs::write(&key, "short").expect("a file");
    eventually("the report", || {
        let status: serde_json::Value =
            serde_json::from_str(&gateway.admin("/policy/status").1).ok()?;
        let report = status["lastRejection"]["report"].as_str()?;
        report.contains("`k` has 5 bytes").then_some(())
    });
    assert_eq!(shown(), after);
    std::fs::write(&key, "k".repeat(48)).expect("a file");
    eventually("digests by the first key", || {
        (shown() == before).then_some(())
    });
}

/// A projected ServiceAccount token changes about every hour.
#[test]
fn the_gateways_own_token_file_is_read_again() {
    let upstream = FakeUpstream::start(Script::http1(|connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            write_answer(connection, "200 OK", "{}")?;
        }
        Ok(())
    }));
    let issuer = Issuer::start();
    let kubeconfig = upstream.kubeconfig();
    let token = kubeconfig.with_extension("token");
    std::fs::write(&token, "first-token\n").expect("a file");
    let text = std::fs::read_to_string(&kubeconfig).expect("the kubeconfig");
    let inline = r#""token":"upstream-credential""#;
    let file = format!(r#""tokenFile":"{}""#, token.display());
    std::fs::write(&kubeconfig, text.replace(inline, &file)).expect("a file");
    let gateway = Setup::with_kubeconfig(&kubeconfig, &issuer).start();
    let request = get("/api/v1/namespaces/a/configmaps/x").token(&issuer.token("agent"));
    let sent = || {
        assert_eq!(gateway.wire().ask(&request).status, 200);
        let last = upstream.received().pop().expect("a request");
        let line = last
            .headers
            .iter()
            .find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        line.cloned().unwrap_or_default()
    };
    assert!(sent().ends_with("Bearer first-token"), "{}", sent());
    std::fs::write(&token, "second-token\n").expect("a file");
    eventually("the new token", || {
        sent().ends_with("Bearer second-token").then_some(())
    });
}
