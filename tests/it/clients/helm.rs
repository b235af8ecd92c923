//! helm, built from its Go module, with masks on what its charts hold and on what it keeps itself
//! (K-4.5). It takes minutes to build, so `make helm` runs these tests and `make test` does not.

use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::{Bundle, Finished, Gateway, Kubectl, Setup, repository, scratch};
use serde_json::Value;

use super::installed;
use crate::ground::ground;

/// Whoever runs helm must read its releases whole: they are named here, and lists, in which they
/// stand too, are left alone. What a chart installs is masked wherever it is named.
const RELEASES_WHOLE: &str = r#"
mask "app" {
    for "configmaps" { at "data.token" redact }
    for "pods" { at "spec.containers[*].env[*].value" redact }
}
"#;
const RELEASES_WHOLE_RULES: &str = r#"
defaults { owner "platform"; severity low }
require "chart-secrets-are-masked" {
    why "helm reads its own releases whole, and nothing else"
    can get create update patch delete
    on "secrets"
    named "*" "!sh.helm.release.v1.*"
    mask "@secret-like"
}
require "the-rest-is-masked" {
    why "Tokens stand in other objects too"
    on "configmaps" "pods" "deployments.apps" "replicasets.apps"
    mask "app"
}
"#;
/// As it is for agents: every Secret, releases too.
const RELEASES_MASKED: &str = r#"
defaults { owner "platform"; severity low }
require "secrets-are-masked" {
    why "Secret values never leave the cluster"
    on "secrets"
    mask "@secret-like"
}
"#;

struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Helm {
    #[expect(
        clippy::print_stdout,
        reason = "what helm said, shown with `--nocapture`"
    )]
    fn run(&self, arguments: &str) -> Finished {
        let chart = repository().join("tests/clients/helm/chart");
        let arguments = arguments.replace("CHART", &chart.display().to_string());
        let output = Command::new(&self.program)
            .args(arguments.split(' '))
            .args(["--namespace", &self.namespace])
            .env_clear()
            .env("HOME", scratch("helm"))
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .expect("helm runs");
        let finished = Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        println!(
            "helm {arguments}: {}\n{}{}",
            finished.code, finished.stdout, finished.stderr
        );
        finished
    }

    fn ok(&self, arguments: &str) -> String {
        let finished = self.run(arguments);
        assert_eq!(finished.code, 0, "helm {arguments}: {finished:?}");
        finished.stdout
    }
}

struct Shop {
    through: Helm,
    direct: Helm,
    admin: Kubectl,
    _gateway: Gateway,
}

impl Shop {
    fn new(masks: &str, rules: &str) -> Self {
        let ground = ground();
        let program = installed("install-helm");
        let bundle = Bundle::open(&ground.issuer, &["one"])
            .with("masks.kdl", masks)
            .with("rules/masked.kdl", rules);
        let gateway = Setup::new(ground.cluster, &ground.issuer)
            .with_bundle(bundle)
            .start();
        let namespace = ground.cluster.namespace("helm");
        let helm = |kubeconfig| Helm {
            program: program.clone(),
            kubeconfig,
            namespace: namespace.clone(),
        };
        Self {
            through: helm(gateway.kubeconfig("main", &ground.token("helm"))),
            direct: helm(ground.cluster.published().path("admin_kubeconfig")),
            admin: ground.cluster.admin().with(&["-n", &namespace]),
            _gateway: gateway,
        }
    }

    /// What the cluster holds of a release: Secret, ConfigMap, environment.
    fn values(&self, release: &str) -> [String; 3] {
        let secret = self
            .admin
            .json(&["get", "secret", &format!("{release}-db")]);
        let map = self
            .admin
            .json(&["get", "configmap", &format!("{release}-app")]);
        let web = self
            .admin
            .json(&["get", "deployment", &format!("{release}-web")]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let password = STANDARD
            .decode(text(&secret["data"]["password"]))
            .expect("base64");
        [
            String::from_utf8(password).expect("UTF-8"),
            text(&map["data"]["token"]),
            text(&web["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]),
        ]
    }

    fn releases(&self) -> Value {
        let listed = self.admin.json(&["get", "secrets", "-l", "owner=helm"]);
        listed["items"].clone()
    }
}

#[test]
#[ignore = "helm takes minutes to build: `make helm`"]
fn helm_works_where_its_releases_are_whole_and_its_charts_are_masked() {
    let shop = Shop::new(RELEASES_WHOLE, RELEASES_WHOLE_RULES);
    let helm = &shop.through;
    let everywhere = |value: &str| [value; 3].map(str::to_owned);
    helm.ok("install shop CHART --set password=CaNaRy-one");
    assert_eq!(shop.values("shop"), everywhere("CaNaRy-one"));
    assert!(helm.ok("list").contains("shop-1.0.0"));
    assert!(helm.ok("status shop").contains("STATUS: deployed"));
    assert!(helm.ok("get values shop").contains("CaNaRy-one"));
    helm.ok("upgrade shop CHART --set password=CaNaRy-two");
    assert_eq!(shop.values("shop"), everywhere("CaNaRy-two"));
    helm.ok("upgrade --install shop CHART --set password=CaNaRy-three --server-side=false");
    assert_eq!(shop.values("shop"), everywhere("CaNaRy-three"));
    helm.ok("upgrade shop CHART --reuse-values --set unused=1 --wait --timeout=60s");
    assert_eq!(shop.values("shop"), everywhere("CaNaRy-three"));
    helm.ok("rollback shop 1");
    assert_eq!(shop.values("shop"), everywhere("CaNaRy-one"));
    assert_eq!(helm.ok("history shop").lines().count(), 6);
    helm.ok("uninstall shop");
    assert_eq!(shop.releases(), Value::Array(Vec::new()));
    let left = shop.admin.ok(&["get", "secret", "-o", "name"]);
    assert!(!left.contains("shop-db"), "{left}");
}

/// What helm keeps is one opaque value that it reads back: masked, it knows no release. It says so and
/// leaves everything as it was.
#[test]
#[ignore = "helm takes minutes to build: `make helm`"]
fn helm_knows_no_release_where_releases_are_masked_and_corrupts_none() {
    let shop = Shop::new("", RELEASES_MASKED);
    shop.direct
        .ok("install shop CHART --set password=CaNaRy-one");
    let (before, releases) = (shop.values("shop"), shop.releases());
    let helm = &shop.through;
    for arguments in ["list", "history shop"] {
        let listed = helm.run(arguments);
        assert_eq!(listed.stdout.lines().count(), 1, "a head and no row");
        assert!(listed.stderr.contains("masked by"), "{listed:?}");
    }
    for arguments in [
        "status shop",
        "get values shop",
        "get manifest shop",
        "upgrade shop CHART --set password=CaNaRy-two",
        "upgrade --install shop CHART --set password=CaNaRy-two",
        "install shop CHART --set password=CaNaRy-two",
        "rollback shop 1",
        "uninstall shop",
    ] {
        let finished = helm.run(arguments);
        assert_ne!(finished.code, 0, "helm {arguments}: {finished:?}");
        assert!(
            finished.stderr.contains("Error: "),
            "helm {arguments}: {finished:?}"
        );
        let said = finished.stdout + &finished.stderr;
        assert!(!said.contains("CaNaRy-one"), "helm {arguments}: {said}");
        assert_eq!(shop.values("shop"), before, "helm {arguments}");
        assert_eq!(shop.releases(), releases, "helm {arguments}");
    }
    assert!(shop.direct.ok("list").contains("deployed"));
    shop.direct
        .ok("upgrade shop CHART --set password=CaNaRy-two");
    shop.direct.ok("uninstall shop");
}
