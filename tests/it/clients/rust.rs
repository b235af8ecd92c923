//! kube-rs. Its program is a workspace of its own, built into the scratch folder on first use.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use gateway_tests::{Issuer, Setup, repository, scratch};

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
