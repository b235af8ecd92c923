//! The cluster behind the gateway: the demo's own, or one that the user already has.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::files::{Layout, write_private, write_script};
use super::process::{Part, output_of};
use super::seed::Manifest;

/// The one namespace used in a cluster of the user's.
pub(super) const FOREIGN_NAMESPACE: &str = "countersign-demo";

/// The namespace the tour's commands run in, in the demo's own cluster.
pub(super) const OWN_NAMESPACE: &str = "shop";

/// The gateway's ServiceAccount in a cluster of the user's.
const GATEWAY_ACCOUNT: &str = "countersign-gateway";

/// Longer than a cold start on a busy machine; a cluster that needs more has failed.
const CLUSTER_LIMIT: Duration = Duration::from_secs(120);

/// The API server's own default lifetime; it is renewed at half of it.
const GATEWAY_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// Where the API server is and who the demo is there.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    /// The URL of the API server.
    pub(super) server: String,
    /// The credential of the demo itself, past the gateway.
    pub(super) admin: PathBuf,
    /// The credential of the gateway.
    pub(super) gateway: PathBuf,
    /// The gateway's name upstream, as a subject of a role binding.
    pub(super) gateway_subject: String,
    /// Whose cluster it is.
    pub(super) owner: Owner,
}

/// Whose cluster it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Started by the demo, gone with it.
    Demo,
    /// The user's: one namespace of it, which is removed again.
    User,
}

impl Owner {
    /// The namespace the tour's commands run in.
    pub(super) const fn namespace(self) -> &'static str {
        match self {
            Self::Demo => OWN_NAMESPACE,
            Self::User => FOREIGN_NAMESPACE,
        }
    }
}

/// What `cluster.json` of the cluster program says.
#[derive(Debug, Deserialize)]
struct Published {
    server: String,
    admin_kubeconfig: PathBuf,
    gateway_kubeconfig: PathBuf,
}

/// Starts the cluster program; the part is given back at once, so that it is stopped even if it
/// never becomes ready.
///
/// # Errors
/// If it cannot be started.
pub(super) fn start(layout: &Layout, program: &Path) -> Result<Part> {
    write_wrapper(layout, &format!("'{}' kubectl", program.display()))?;
    let mut command = Command::new(program);
    command
        .args(["up", "--stdin-eof-stops", "--dir"])
        .arg(layout.path("cluster"));
    Part::start("the cluster", command, &layout.path("log/cluster.log"))
}

/// Waits for the cluster program and reads how to reach it.
///
/// # Errors
/// If it ends or is not ready in time.
pub(super) async fn started(layout: &Layout, part: &mut Part) -> Result<Upstream> {
    part.ready(&layout.path("cluster/ready"), CLUSTER_LIMIT)
        .await?;
    let published = layout.path("cluster/cluster.json");
    let published: Published = serde_json::from_str(&fs::read_to_string(published)?)?;
    let admin = layout.kubeconfig("admin");
    let text = fs::read_to_string(published.admin_kubeconfig)?;
    write_private(&admin, in_namespace(&text, OWN_NAMESPACE)?)?;
    Ok(Upstream {
        server: published.server,
        admin,
        gateway: published.gateway_kubeconfig,
        gateway_subject: r#"{"kind": "User", "name": "countersign-gateway", "apiGroup": "rbac.authorization.k8s.io"}"#.to_owned(),
        owner: Owner::Demo,
    })
}

/// Reads how to reach a cluster of the user's. Nothing is written there yet.
///
/// # Errors
/// If the kubeconfig cannot be used or the demo's namespace is already there.
pub(super) async fn adopt(layout: &Layout, kubeconfig: &Path) -> Result<Upstream> {
    write_wrapper(layout, &find_kubectl()?)?;
    let admin = layout.kubeconfig("admin");
    let mut view = kubectl(layout, kubeconfig);
    view.args(["config", "view", "--minify", "--flatten", "--raw"]);
    let text = output_of(&mut view, None).await?;
    write_private(&admin, in_namespace(&text, FOREIGN_NAMESPACE)?)?;
    let config: Value = serde_yaml_ng::from_str(&text)?;
    let server = config
        .pointer("/clusters/0/cluster/server")
        .and_then(Value::as_str)
        .with_context(|| format!("`{}` names no server", kubeconfig.display()))?
        .to_owned();
    let gateway = layout.path("work/gateway.yaml");
    let upstream = Upstream {
        server,
        admin,
        gateway,
        gateway_subject: format!(
            r#"{{"kind": "ServiceAccount", "name": "{GATEWAY_ACCOUNT}", "namespace": "{FOREIGN_NAMESPACE}"}}"#
        ),
        owner: Owner::User,
    };
    let mut found = kubectl(layout, &upstream.admin);
    found.args([
        "get",
        "namespace",
        FOREIGN_NAMESPACE,
        "--ignore-not-found",
        "-o",
        "name",
    ]);
    if !output_of(&mut found, None).await?.trim().is_empty() {
        bail!(
            "namespace `{FOREIGN_NAMESPACE}` is already in that cluster; remove it with \
             `kubectl delete namespace {FOREIGN_NAMESPACE}` if it is left from a demo"
        );
    }
    write_gateway_kubeconfig(layout, &upstream, &config)?;
    Ok(upstream)
}

/// A kubeconfig whose commands run in the namespace of the tour.
fn in_namespace(kubeconfig: &str, namespace: &str) -> Result<String> {
    let mut config: Value = serde_yaml_ng::from_str(kubeconfig)?;
    let contexts = config.get_mut("contexts").and_then(Value::as_array_mut);
    for context in contexts.into_iter().flatten() {
        if let Some(context) = context.get_mut("context").and_then(Value::as_object_mut) {
            context.insert("namespace".to_owned(), Value::from(namespace));
        }
    }
    Ok(serde_yaml_ng::to_string(&config)?)
}

/// The gateway's kubeconfig in a user's cluster: the user's server and CA, a token of its own.
fn write_gateway_kubeconfig(layout: &Layout, upstream: &Upstream, config: &Value) -> Result<()> {
    let cluster = config
        .pointer("/clusters/0/cluster")
        .cloned()
        .unwrap_or_default();
    let text = serde_yaml_ng::to_string(&serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "gateway",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "contexts": [{"name": "gateway", "context": {"cluster": "cluster", "user": "gateway"}}],
        "users": [{"name": "gateway", "user": {"tokenFile": gateway_token(layout)}}],
    }))?;
    write_private(&upstream.gateway, text)
}

fn gateway_token(layout: &Layout) -> PathBuf {
    layout.path("work/gateway.token")
}

/// Asks the API server for a token of the gateway's ServiceAccount.
///
/// # Errors
/// If it gives none.
pub(super) async fn renew_gateway_token(layout: &Layout, upstream: &Upstream) -> Result<()> {
    let lifetime = format!("{}s", GATEWAY_TOKEN_LIFETIME.as_secs());
    let mut command = kubectl(layout, &upstream.admin);
    command.args(["-n", FOREIGN_NAMESPACE, "create", "token", GATEWAY_ACCOUNT]);
    command.args(["--duration", &lifetime]);
    write_private(
        &gateway_token(layout),
        output_of(&mut command, None).await?.trim(),
    )
}

/// Keeps the gateway's token fresh; never completes but by a fault.
///
/// # Errors
/// If the API server gives no token any more.
pub(super) async fn keep_gateway_token(layout: &Layout, upstream: &Upstream) -> Result<()> {
    match upstream.owner {
        Owner::Demo => std::future::pending().await,
        Owner::User => loop {
            tokio::time::sleep(GATEWAY_TOKEN_LIFETIME / 2).await;
            renew_gateway_token(layout, upstream).await?;
        },
    }
}

/// Asks before anything is written to a cluster of the user's.
///
/// # Errors
/// If there is nobody to ask.
pub(super) async fn ask(upstream: &Upstream, manifests: &[Manifest]) -> Result<bool> {
    print_question(upstream, manifests)?;
    // A thread of its own, so that Ctrl-C is an answer too.
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin()
            .read_line(&mut answer)
            .map(|_length| answer)
    });
    Ok(matches!(answer.await??.trim(), "y" | "Y" | "yes"))
}

fn print_question(upstream: &Upstream, manifests: &[Manifest]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "This writes to {}:", upstream.server)?;
    for manifest in manifests {
        let indent = if manifest.is_namespaced() {
            "    "
        } else {
            "  "
        };
        for object in manifest.objects() {
            writeln!(out, "{indent}{object}")?;
        }
    }
    writeln!(out, "All of it is removed when the demo ends.")?;
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to agree; say YES=1 (`--yes`) to agree beforehand");
    }
    write!(out, "Go on? [y/N] ")?;
    Ok(out.flush()?)
}

/// A kubectl of the right version with a kubeconfig.
pub(super) fn kubectl(layout: &Layout, kubeconfig: &Path) -> Command {
    let mut command = Command::new(layout.path("bin/kubectl"));
    command.env("KUBECONFIG", kubeconfig).kill_on_drop(true);
    command
}

/// A kubectl that people find first on their PATH; it caches below the demo's directory.
fn write_wrapper(layout: &Layout, program: &str) -> Result<()> {
    let cache = layout.path("cache");
    write_script(
        &layout.path("bin/kubectl"),
        &format!(
            "#!/bin/sh\nKUBECACHEDIR='{}' exec {program} \"$@\"\n",
            cache.display()
        ),
    )
}

/// The user's own kubectl, which fits the user's own cluster best.
fn find_kubectl() -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("kubectl"))
        .find(|file| file.is_file())
        .map(|file| format!("'{}'", file.display()))
        .context("no `kubectl` is on the PATH; install the one that fits your cluster")
}
