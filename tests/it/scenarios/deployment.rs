//! `deploy/kubernetes`: the rights it gives the gateway are enough, and no more.

use std::path::PathBuf;
use std::sync::OnceLock;

use gateway_tests::{Bundle, Cluster, Gateway, Issuer, Setup, fresh, get, issuer_block, scratch};
use serde_json::json;

use crate::ground::{EVERYTHING, ground};

const MANIFEST: &str = include_str!("../../../deploy/kubernetes/gateway.yaml");
/// The gateway's account in it.
const ACCOUNT: &str = "system:serviceaccount:countersign:countersign-gateway";
const SERVICE_ACCOUNTS: &str = r#"issuer "sa" {
    url "https://kubernetes.default.svc"
    audiences "countersign-it"
    algorithms "RS256"
    max-token-age "1h"
    kind service
    username claim="sub"
    service-accounts
}
"#;

/// Applies what is not a workload, once; gives the namespace whose ServiceAccounts may call.
fn deployed() -> &'static str {
    static NAMESPACE: OnceLock<String> = OnceLock::new();
    NAMESPACE.get_or_init(|| {
        let cluster = ground().cluster;
        let namespace = cluster.namespace("deployment");
        deploy(cluster, &namespace);
        namespace
    })
}

fn deploy(cluster: &Cluster, namespace: &str) {
    let manifest = MANIFEST.replace(
        "system:serviceaccounts:apps",
        &format!("system:serviceaccounts:{namespace}"),
    );
    let documents: Vec<&str> = manifest
        .split("\n---\n")
        .filter(|document| {
            [
                "Namespace",
                "ServiceAccount",
                "ClusterRole",
                "ClusterRoleBinding",
            ]
            .iter()
            .any(|kind| document.contains(&format!("\nkind: {kind}\n")))
        })
        .collect();
    assert_eq!(documents.len(), 7, "the documents of the manifest");
    cluster.admin().apply(&documents.join("\n---\n"));
    // The rest, as far as the API server can tell.
    let arguments = ["apply", "--dry-run=server", "-f", "-"];
    let tried = cluster.admin().run_with_input(&arguments, &manifest);
    assert_eq!(tried.code, 0, "{tried:?}");
}

/// A kubeconfig with a token of the gateway's account.
fn kubeconfig(cluster: &Cluster) -> PathBuf {
    let create = [
        "create",
        "token",
        "countersign-gateway",
        "-n",
        "countersign",
    ];
    let token = cluster.admin().ok(&create);
    let path = scratch("deployment").join(fresh("kubeconfig"));
    let published = cluster.published();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {
            "server": published.text("server"), "certificate-authority": published.text("ca"),
        }}],
        "users": [{"name": "it", "user": {"token": token.trim()}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    std::fs::write(&path, config.to_string()).expect("a kubeconfig");
    path
}

fn gateway(cluster: &Cluster, issuer: &Issuer) -> Gateway {
    let block = issuer_block("agents", issuer, "    uid claim=\"uid\"\n");
    let block = block.replace(
        "groups claim=\"groups\" prefix=\"it:\"",
        "groups claim=\"groups\" prefix=\"agents:\"",
    );
    let bundle = Bundle::open(issuer, &["one"])
        .with("identities.kdl", &[&block, SERVICE_ACCOUNTS].concat())
        .with_rules(&EVERYTHING.replace("group \"it:admins\"", "anyone"));
    Setup::with_kubeconfig(&kubeconfig(cluster), issuer)
        .with_bundle(bundle)
        .with_line("issuer \"sa\" { token-review \"one\" }")
        .start()
}

#[test]
fn the_manifest_gives_the_gateway_the_rights_it_needs() {
    let ground = ground();
    let cluster = ground.cluster;
    let namespace = deployed();
    cluster.pod(namespace, "shell");
    let admin = cluster.admin().with(&["-n", namespace]);
    let group = format!("--group=system:serviceaccounts:{namespace}");
    let bind = ["create", "rolebinding", "viewers", "--clusterrole=view"];
    admin.ok(&[&bind[..], &["--group=agents:readers", &group]].concat());
    let gateway = gateway(cluster, &ground.issuer);

    let claims = ground.issuer.claims("agent");
    let claims = claims.with("groups", json!(["readers"]));
    let agent = ground.issuer.mint(&claims.with("uid", json!("42")));
    let create = ["create", "token", "default", "--audience=countersign-it"];
    let account = admin.ok(&create);
    let pod = ["--bound-object-kind=Pod", "--bound-object-name=shell"];
    let bound = admin.ok(&[&create[..], &pod].concat());

    let name = format!("system:serviceaccount:{namespace}:default");
    for (token, user, extra) in [
        (agent.as_str(), "it:agent", "credential-id"),
        (account.trim(), &name, "credential-id"),
        (bound.trim(), &name, "pod-name"),
    ] {
        let seen = fresh("deployment");
        let list = get(&format!("/api/v1/namespaces/{namespace}/configmaps"));
        let answer = gateway.wire().ask(&list.token(token).agent(&seen));
        assert_eq!(answer.status, 200, "{user}: {}", answer.text());
        let event = cluster.journal().await_agent(&seen, "ResponseComplete");
        assert_eq!(event.text("/user/username"), ACCOUNT);
        assert_eq!(event.text("/impersonatedUser/username"), user);
        let extra = format!("/impersonatedUser/extra/authentication.kubernetes.io~1{extra}");
        assert_eq!(event.texts(&extra).len(), 1, "{event:?}");
    }
}

/// K-7.10: it impersonates and nothing else, and never an administrator.
#[test]
fn the_manifest_gives_the_gateway_no_other_rights() {
    deployed();
    let admin = ground().cluster.admin().with(&[&format!("--as={ACCOUNT}")]);
    for question in [
        &["impersonate", "groups/system:masters"][..],
        &["impersonate", "groups/system:nodes"],
        &["get", "secrets", "-A"],
        &["list", "pods", "-A"],
        &["create", "pods", "-n", "countersign"],
        &["create", "serviceaccounts", "--subresource=token", "-A"],
    ] {
        let finished = admin.run(&[&["auth", "can-i"], question].concat());
        assert_eq!(finished.stdout.trim(), "no", "{question:?}: {finished:?}");
    }
}
