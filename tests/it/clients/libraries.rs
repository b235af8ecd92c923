//! The Python client and client-go.

use std::process::Command;

use gateway_tests::{Bundle, Gateway, Issuer, Setup, cluster_command, repository};
use serde_json::Value;

use super::installed;
use super::masked::{furnished, masking};
use crate::ground::{EVERYTHING, ground};

/// Everything but Secrets, so that a refusal is seen too.
const NO_SECRETS: &str = r#"
deny "no-secrets" {
    why "A refusal, as a library shows it"
    severity low
    can read
    on "secrets"
    in "*"
}
"#;

fn gateway() -> (Gateway, String) {
    let issuer = Issuer::start();
    let rules = [EVERYTHING, NO_SECRETS].concat();
    let gateway = Setup::new(ground().cluster, &issuer)
        .with_rules(&rules)
        .start();
    let token = issuer.token("library");
    (gateway, token)
}

#[test]
fn the_python_client_works_through_the_gateway() {
    let python = installed("install-python");
    let (gateway, token) = gateway();
    let namespace = ground().cluster.namespace("python");
    ground().cluster.pod(&namespace, "shell");
    let output = Command::new(python)
        .arg(repository().join("tests/clients/python/check.py"))
        .arg(gateway.kubeconfig("main", &token))
        .args([&namespace, "shell"])
        .output()
        .expect("python runs");
    let (said, complaint) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complaint}");
}

#[test]
fn the_python_client_decodes_masked_objects() {
    let python = installed("install-python");
    let ground = ground();
    let bundle = masking(Bundle::open(&ground.issuer, &["one"]));
    let gateway = Setup::new(ground.cluster, &ground.issuer)
        .with_bundle(bundle)
        .start();
    let namespace = furnished();
    let live = ground.cluster.admin().with(&["-n", &namespace]);
    let before = live.json(&["get", "secret", "db"])["data"].clone();
    let output = Command::new(python)
        .arg(repository().join("tests/clients/python/masked.py"))
        .arg(gateway.kubeconfig("main", &ground.token("python")))
        .arg(&namespace)
        .output()
        .expect("python runs");
    let (said, complaint) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complaint}");
    let after = live.json(&["get", "secret", "db"])["data"].clone();
    assert_eq!(before, after, "the values are as they were");
}

/// Typed objects, so protobuf; WatchList; both exec protocols.
#[test]
fn a_client_go_informer_works_through_the_gateway() {
    let (gateway, token) = gateway();
    let namespace = ground().cluster.namespace("informer");
    let output = cluster_command("informer")
        .arg("--kubeconfig")
        .arg(gateway.kubeconfig("main", &token))
        .args(["--namespace", &namespace, "--seconds", "5"])
        .output()
        .expect("the informer runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_str(said.trim()).expect("one JSON line");
    assert_eq!(report["synced"], true, "{report}");
    assert_eq!(report["exec_websocket"], "hello\n", "{report}");
    assert_eq!(report["exec_spdy"], "hello\n", "{report}");
    assert_eq!(report["errors"], serde_json::json!([]), "{report}");
}
