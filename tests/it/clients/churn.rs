//! Informers of client-go under masks while everything they watch is written, changed and deleted
//! past the gateway: none falls behind, none fails to decode, none lists more often than it has to.

use gateway_tests::{Bundle, Setup, cluster_command};
use serde_json::{Value, json};

use crate::ground::{EVERYTHING, ground};

/// What `tests/cluster/churn_kinds.go` says once more.
const MASKS: &str = r#"
mask "churned" {
    for "configmaps" {
        at "data.token" redact
        at "binaryData.*" redact
    }
    for "pods" {
        at "spec.containers[*].env[*].value" redact
    }
    for "churns.it.countersign" {
        at "spec.token" redact
        at "spec.pin" redact
    }
}
"#;
const RULES: &str = r#"
require "masked" {
    why "Informers are kept in sync by masked watches"
    severity low
    on "configmaps" "deployments.apps" "churns.it.countersign"
    mask "churned"
}
require "secrets-masked" {
    why "Informers are kept in sync by masked watches"
    severity low
    on "secrets"
    mask "@secret-like"
}
require "watches-end" {
    why "Where the client sets no end the gateway does"
    severity low
    can watch
    in "*"
    session-limit "7s"
}
"#;

/// A custom kind whose numbers and texts are masked.
fn custom_kind() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "churns.it.countersign"},
        "spec": {
            "group": "it.countersign", "scope": "Namespaced",
            "names": {"plural": "churns", "singular": "churn", "kind": "Churn"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                    "type": "object",
                    "properties": {
                        "plain": {"type": "string"},
                        "token": {"type": "string"},
                        "pin": {"type": "integer", "format": "int64"},
                    },
                }}}},
            }],
        },
    })
}

/// `COUNTERSIGN_CHURN=10m` is the long run.
#[expect(
    clippy::print_stdout,
    reason = "what a long run came to, shown with `--nocapture`"
)]
fn informers_stay_in_sync(watch_list: bool) {
    let ground = ground();
    ground.cluster.custom_kind(&custom_kind());
    let namespace = ground.cluster.namespace("churn");
    let bundle = Bundle::open(&ground.issuer, &["one"])
        .with("masks.kdl", MASKS)
        .with_rules(&[EVERYTHING, RULES].concat());
    let gateway = Setup::new(ground.cluster, &ground.issuer)
        .with_bundle(bundle)
        .start();
    let duration = std::env::var("COUNTERSIGN_CHURN").unwrap_or_else(|_| "20s".to_owned());
    // The usual token of the tests lives ten minutes.
    let claims = ground.issuer.claims("informer").ending_in(3_000);
    let token = ground.issuer.mint(&claims);
    let output = cluster_command("churn")
        .arg("--kubeconfig")
        .arg(gateway.kubeconfig("main", &token))
        .arg("--direct")
        .arg(ground.cluster.published().path("admin_kubeconfig"))
        .args(["--namespace", &namespace, "--duration", &duration])
        .arg(format!("--watch-list={watch_list}"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{complaint}");
    let report: Value = serde_json::from_str(said.trim()).expect("one JSON line");
    assert_eq!(report["errors"], json!([]), "{report}");
    let informers = report["informers"].as_array().expect("a list");
    assert_eq!(informers.len(), 9, "{report}");
    let expired = informers
        .iter()
        .map(|informer| informer["expired"].as_u64());
    assert!(
        expired.flatten().sum::<u64>() > 0,
        "no watch began too late: {report}"
    );
    for informer in informers {
        assert_eq!(informer["in_sync"], true, "{informer}");
        assert!(
            informer["events"]["delete"].as_u64() >= Some(1),
            "{informer}"
        );
    }
    for follower in report["followers"].as_array().expect("a list") {
        assert_eq!(follower["identical"], true, "{follower}");
        assert!(
            follower["events"]["BOOKMARK"].as_u64() >= Some(1),
            "{follower}"
        );
    }
}

#[test]
fn informers_that_list_and_watch_stay_in_sync_under_masks() {
    informers_stay_in_sync(false);
}

#[test]
fn informers_that_list_by_watching_stay_in_sync_under_masks() {
    informers_stay_in_sync(true);
}
