//! kube-rs. Its program is a workspace of its own, built into the scratch folder on first use.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use gateway_tests::{Bundle, Issuer, Setup, repository, scratch};

use super::masked::masking;
use crate::ground::{EVERYTHING, ground};

const NO_SECRETS: &str = r#"
deny "no-secrets" {
    why "A refusal, as a library shows it"
    severity low
    can read
    on "secrets"
    in "*"
}
"#;

/// Two tests want it; one of them builds it, and cargo itself lets the other wait.
fn built() -> PathBuf {
    let target = scratch("kube-check");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(repository().join("tests/clients/rust/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .stdout(Stdio::null())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "tests/clients/rust does not build");
    target.join("debug/kube-check")
}

#[test]
fn kube_rs_works_through_the_gateway() {
    let program = built();
    let issuer = Issuer::start();
    let rules = [EVERYTHING, NO_SECRETS].concat();
    let gateway = Setup::new(ground().cluster, &issuer)
        .with_rules(&rules)
        .start();
    let namespace = ground().cluster.namespace("rust");
    ground().cluster.pod(&namespace, "shell");
    let output = Command::new(program)
        .env(
            "KUBECONFIG",
            gateway.kubeconfig("main", &issuer.token("rust")),
        )
        .args([&namespace, "shell"])
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let done: Vec<&str> = said.lines().collect();
    let all = [
        "created", "listed", "patched", "watched", "applied", "deleted", "exec", "log", "denied",
    ];
    assert_eq!(done, all);
}

#[test]
fn kube_rs_reflectors_stay_in_sync_under_masks() {
    const SECONDS: &str = "10";
    let program = built();
    let ground = ground();
    let bundle = Bundle::open(&ground.issuer, &["one"]);
    let gateway = Setup::new(ground.cluster, &ground.issuer)
        .with_bundle(masking(bundle))
        .start();
    let namespace = ground.cluster.namespace("reflectors");
    let output = Command::new(program)
        .env(
            "KUBECONFIG",
            gateway.kubeconfig("main", &ground.token("rust")),
        )
        .args(["churn", &namespace, SECONDS])
        .arg(ground.cluster.published().path("admin_kubeconfig"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.matches("in sync").count(), 4, "{said}");
}
