//! The gateway of the demo: its configuration, its process, and how each subject reaches it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::cluster::{FOREIGN_NAMESPACE, Owner, Upstream};
use super::files::{Layout, copy_tree, write_private};
use super::pki::Identity;
use super::process::Part;
use super::tokens::{Credential, LEGACY, SUBJECTS, StaticToken, Subject};

/// The issuer's URL in `policies/demo`; the demo's own issuer gets a port from the system.
const ISSUER_IN_BUNDLE: &str = "https://issuer.demo.invalid";

/// A gateway that needs more has failed.
const GATEWAY_LIMIT: Duration = Duration::from_secs(30);

/// A legacy token of the demo is of no use for longer than anybody looks at a demo.
const LEGACY_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the ready file of `countersign serve` says.
#[derive(Debug, Deserialize)]
struct Ready {
    listen: std::collections::BTreeMap<String, String>,
    admin: Option<String>,
}

/// Where the gateway listens.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    /// The proxy, as a URL.
    pub(super) gateway: String,
    /// Health and metrics, as a URL.
    pub(super) admin: String,
}

/// Writes the bundle that the gateway follows, and gives the names of its issuers.
///
/// # Errors
/// If `from` cannot be copied.
pub(super) fn write_bundle(
    layout: &Layout,
    from: &Path,
    issuer: &str,
    owner: Owner,
) -> Result<Vec<String>> {
    copy_tree(from, &layout.path("bundle"), &|text| {
        let text = text.replace(ISSUER_IN_BUNDLE, issuer);
        match owner {
            Owner::Demo => text,
            Owner::User => text.replace("\"shop\"", &format!("\"{FOREIGN_NAMESPACE}\"")),
        }
    })
    .with_context(|| format!("cannot take the bundle `{}`", from.display()))?;
    let identities = fs::read_to_string(layout.path("bundle/identities.kdl"))?;
    Ok(identities
        .lines()
        .filter_map(|line| line.strip_prefix("issuer \"")?.split('"').next())
        .map(str::to_owned)
        .collect())
}

/// Writes `countersign.kdl` and the gateway's certificate.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write_configuration(
    layout: &Layout,
    upstream: &Upstream,
    serving: &Identity,
    issuers: &[String],
    legacy: &StaticToken,
) -> Result<()> {
    write_private(&layout.path("pki/gateway.crt"), &serving.certificate)?;
    write_private(&layout.path("pki/gateway.key"), &serving.key)?;
    let expires = (Timestamp::now() + LEGACY_LIFETIME).strftime("%Y-%m-%d");
    let issuers: String = issuers
        .iter()
        .map(|name| format!("issuer \"{name}\" {{ ca \"pki/ca.crt\" }}\n"))
        .collect();
    let text = format!(
        r#"// The gateway's configuration for this run of the demo. docs/configuration.md explains each line.
listen "main" {{
    address "127.0.0.1:0"
    certificate "pki/gateway.crt" key="pki/gateway.key"
    cluster "demo"
}}
admin "127.0.0.1:0"
cluster "demo" {{
    kubeconfig "{kubeconfig}"
}}
// Edit the rules below bundle/ while the demo runs: a second later they hold.
policy {{
    directory "bundle"
    every "1s"
}}
{issuers}legacy "ci" {{
    hash "sha256:{hash}"
    user "{user}"
    groups {groups}
    expires "{expires}"
}}
audit {{
    file "audit.jsonl"
    on-failure deny-writes
}}
drain {{
    ready-delay "0s"
    deadline "3s"
}}
log {{
    level "info"
    format text
}}
"#,
        kubeconfig = relative(layout, &upstream.gateway),
        hash = legacy.hash(),
        user = LEGACY.user,
        groups = LEGACY
            .groups_upstream
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(" "),
    );
    write_private(&layout.path("countersign.kdl"), text)
}

fn relative(layout: &Layout, path: &Path) -> String {
    path.strip_prefix(layout.root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Starts `countersign serve`.
///
/// # Errors
/// If this program cannot start itself.
pub(super) fn start(layout: &Layout) -> Result<Part> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["serve", "--stdin-eof-stops", "--config"])
        .arg(layout.path("countersign.kdl"))
        .arg("--ready-file")
        .arg(layout.path("work/gateway.json"));
    Part::start("the gateway", command, &layout.path("log/gateway.log"))
}

/// Waits until the gateway accepts requests.
///
/// # Errors
/// If it ends or is not ready in time.
pub(super) async fn started(layout: &Layout, part: &mut Part) -> Result<Addresses> {
    let ready = part
        .ready(&layout.path("work/gateway.json"), GATEWAY_LIMIT)
        .await?;
    let ready: Ready = serde_json::from_str(&ready)?;
    let main = ready
        .listen
        .get("main")
        .context("the gateway's ready file names no listener")?;
    let admin = ready
        .admin
        .context("the gateway's ready file names no admin address")?;
    Ok(Addresses {
        gateway: format!("https://{main}"),
        admin: format!("http://{admin}"),
    })
}

/// Writes the kubeconfig of each subject.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write_kubeconfigs(
    layout: &Layout,
    gateway: &str,
    owner: Owner,
    legacy: &StaticToken,
) -> Result<()> {
    for subject in &SUBJECTS {
        let user = match subject.credential {
            Credential::Issued => plugin(layout, subject)?,
            Credential::Static => json!({"token": legacy.as_str()}),
        };
        let text = serde_yaml_ng::to_string(&json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": subject.name,
            "clusters": [{"name": "gateway", "cluster": {
                "server": gateway,
                "certificate-authority": layout.path("pki/ca.crt"),
            }}],
            "contexts": [{"name": subject.name, "context": {
                "cluster": "gateway",
                "user": subject.name,
                "namespace": owner.namespace(),
            }}],
            "users": [{"name": subject.name, "user": user}],
        }))?;
        write_private(&layout.kubeconfig(subject.name), text)?;
    }
    Ok(())
}

/// kubectl asks this program for a token whenever it needs one, so that none goes stale.
fn plugin(layout: &Layout, subject: &Subject) -> Result<serde_json::Value> {
    Ok(json!({"exec": {
        // The version that kubectl 1.20 and the newest both speak.
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": std::env::current_exe()?,
        "args": ["demo", "token", "--dir", layout.root(), "--as", subject.name, "--exec-credential"],
        "interactiveMode": "Never",
        "provideClusterInfo": false,
    }}))
}
