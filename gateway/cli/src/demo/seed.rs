//! What the demo puts into the cluster, and how it takes it out again.

use anyhow::Result;
use serde::Deserialize as _;
use serde_json::Value;

use super::cluster::{FOREIGN_NAMESPACE, Owner, Upstream, kubectl, renew_gateway_token};
use super::files::Layout;
use super::process::output_of;
use super::tokens::SUBJECTS;

/// Objects applied together.
#[derive(Debug)]
pub(super) struct Manifest {
    /// The namespace of those that have one.
    namespace: Option<&'static str>,
    text: String,
}

impl Manifest {
    fn new(namespace: Option<&'static str>, text: &str) -> Self {
        Self {
            namespace,
            text: text.to_owned(),
        }
    }

    /// Whether its objects stand in a namespace.
    pub(super) const fn is_namespaced(&self) -> bool {
        self.namespace.is_some()
    }

    /// `kind/name` of each object.
    pub(super) fn objects(&self) -> Vec<String> {
        serde_yaml_ng::Deserializer::from_str(&self.text)
            .filter_map(|document| Value::deserialize(document).ok())
            .filter_map(|object| {
                let kind = object.get("kind")?.as_str()?.to_lowercase();
                Some(format!(
                    "{kind}/{}",
                    object.pointer("/metadata/name")?.as_str()?
                ))
            })
            .collect()
    }
}

/// All that is applied, in order.
pub(super) fn manifests(upstream: &Upstream) -> Vec<Manifest> {
    let shop = include_str!("manifests/shop.yaml");
    let build = include_str!("manifests/build.yaml");
    let gateway = Manifest::new(None, &gateway_role(&upstream.gateway_subject));
    match upstream.owner {
        Owner::Demo => vec![
            Manifest::new(None, include_str!("manifests/namespaces.yaml")),
            gateway,
            Manifest::new(
                None,
                &callers(include_str!("manifests/callers-cluster.yaml")),
            ),
            Manifest::new(Some("shop"), shop),
            Manifest::new(Some("shop-dev"), shop),
            Manifest::new(Some("shop-ci"), build),
            Manifest::new(Some("vault"), include_str!("manifests/vault.yaml")),
        ],
        Owner::User => vec![
            gateway,
            Manifest::new(None, include_str!("manifests/namespace.yaml")),
            Manifest::new(
                Some(FOREIGN_NAMESPACE),
                &callers(include_str!("manifests/callers-namespace.yaml")),
            ),
            Manifest::new(Some(FOREIGN_NAMESPACE), shop),
        ],
    }
}

fn gateway_role(gateway_subject: &str) -> String {
    let quoted = |names: Vec<&str>| {
        names
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let users = SUBJECTS.iter().map(|subject| subject.user).collect();
    let mut groups: Vec<&str> = SUBJECTS
        .iter()
        .flat_map(|subject| subject.groups_upstream)
        .copied()
        .collect();
    groups.sort_unstable();
    groups.dedup();
    include_str!("manifests/gateway-role.yaml")
        .replace("{USERS}", &quoted(users))
        .replace("{GROUPS}", &quoted(groups))
        .replace("{GATEWAY}", gateway_subject)
}

fn callers(template: &str) -> String {
    let subjects: Vec<String> = SUBJECTS
        .iter()
        .map(|subject| {
            format!(
                "{{kind: User, name: \"{}\", apiGroup: rbac.authorization.k8s.io}}",
                subject.user
            )
        })
        .collect();
    template.replace("{CALLERS}", &format!("[{}]", subjects.join(", ")))
}

/// Applies everything and waits until the pods run.
///
/// # Errors
/// If the API server refuses something or a pod does not come up.
pub(super) async fn plant(layout: &Layout, upstream: &Upstream) -> Result<()> {
    // One call for what has a namespace of its own text, one per namespace: a kubectl takes a
    // third of a second to start.
    let manifests = manifests(upstream);
    let (cluster, namespaced): (Vec<_>, Vec<_>) = manifests
        .iter()
        .partition(|manifest| manifest.namespace.is_none());
    let cluster: Vec<&str> = cluster
        .iter()
        .map(|manifest| manifest.text.as_str())
        .collect();
    let whole = Manifest::new(None, &cluster.join("\n---\n"));
    apply(layout, upstream, &whole).await?;
    let mut applying = tokio::task::JoinSet::new();
    for manifest in namespaced {
        let (layout, upstream) = (layout.clone(), upstream.clone());
        let manifest = Manifest::new(manifest.namespace, &manifest.text);
        applying.spawn(async move { apply(&layout, &upstream, &manifest).await });
    }
    while let Some(applied) = applying.join_next().await {
        applied??;
    }
    match upstream.owner {
        Owner::Demo => Ok(()),
        Owner::User => renew_gateway_token(layout, upstream).await,
    }
}

async fn apply(layout: &Layout, upstream: &Upstream, manifest: &Manifest) -> Result<()> {
    let mut command = kubectl(layout, &upstream.admin);
    command.args(
        manifest
            .namespace
            .iter()
            .flat_map(|namespace| ["-n", namespace]),
    );
    output_of(command.args(["apply", "-f", "-"]), Some(&manifest.text))
        .await
        .map(drop)
}

/// Waits until every pod of the tour runs.
///
/// # Errors
/// If one does not in time.
pub(super) async fn grown(layout: &Layout, upstream: &Upstream) -> Result<()> {
    let mut command = kubectl(layout, &upstream.admin);
    command.args(["-n", upstream.owner.namespace(), "wait", "--timeout=120s"]);
    // `Available` and not the pods' own `Ready`: the Deployment may not have made them yet.
    let mut rollout = kubectl(layout, &upstream.admin);
    rollout.args([
        "-n",
        upstream.owner.namespace(),
        "rollout",
        "status",
        "--timeout=120s",
    ]);
    let (pod, deployment) = tokio::join!(
        output_of(command.args(["--for=condition=Ready", "pod/toolbox"]), None),
        output_of(rollout.args(["deployment/web"]), None),
    );
    pod.and(deployment).map(drop)
}

/// Takes out of a user's cluster what was put there.
///
/// # Errors
/// If something stays; the message says what.
pub(super) async fn uproot(layout: &Layout, upstream: &Upstream) -> Result<()> {
    let mut role = kubectl(layout, &upstream.admin);
    role.args(["delete", "--ignore-not-found", "--wait=false"]);
    role.args([
        "clusterrolebinding/countersign-demo-gateway",
        "clusterrole/countersign-demo-gateway",
    ]);
    let mut namespace = kubectl(layout, &upstream.admin);
    namespace.args([
        "delete",
        "namespace",
        FOREIGN_NAMESPACE,
        "--ignore-not-found",
    ]);
    namespace.arg("--timeout=120s");
    let (role, namespace) =
        tokio::join!(output_of(&mut role, None), output_of(&mut namespace, None));
    role.and(namespace).map(drop)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn upstream(owner: Owner) -> Upstream {
        Upstream {
            server: "https://127.0.0.1:6443".to_owned(),
            admin: PathBuf::new(),
            gateway: PathBuf::new(),
            gateway_subject: "{kind: User, name: gateway}".to_owned(),
            owner,
        }
    }

    fn objects(owner: Owner) -> String {
        let manifests = manifests(&upstream(owner));
        let lines = manifests.iter().flat_map(|manifest| {
            let namespace = manifest.namespace.unwrap_or("-");
            manifest
                .objects()
                .into_iter()
                .map(move |object| format!("{namespace} {object}\n"))
        });
        lines.collect()
    }

    #[test]
    fn every_document_is_an_object() {
        for manifest in manifests(&upstream(Owner::Demo)) {
            assert_eq!(
                manifest.objects().len(),
                manifest.text.matches("\napiVersion:").count()
            );
        }
    }

    #[test]
    fn writes_to_one_namespace_of_a_users_cluster() {
        insta::assert_snapshot!("users_cluster", objects(Owner::User));
    }

    #[test]
    fn lets_the_gateway_impersonate_the_callers_and_nobody_else() {
        insta::assert_snapshot!("gateway_role", gateway_role("{kind: User, name: gateway}"));
    }
}
