//! A real kube-apiserver behind the proxies: the program that `tests/cluster/build` makes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Behind, bearer, bundle};
use crate::process::{Core, PATIENCE, pinned};

/// The gateway's own rights, as the tests have them.
const RIGHTS: &str = include_str!("../../../tests/fixtures/cluster-roles.yaml");
/// What the agent and the peers read. The agent's name is that of the bench's bundle.
const SEED: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
  {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "peer", "namespace": "shop"}},
  {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "bench"},
   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
   "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "corp:bench-agent"}]},
  {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "peer"},
   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "it-gateway"},
   "subjects": [{"kind": "ServiceAccount", "name": "peer", "namespace": "shop"}]},
  {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
   "spec": {"serviceAccountName": "peer", "nodeName": "nowhere",
            "containers": [{"name": "web", "image": "registry.invalid/web:1"}]}}
]}"#;

/// A running cluster. It ends with its standard input, so with this value.
#[derive(Debug)]
pub struct ApiServer {
    child: Child,
    directory: PathBuf,
    said: Value,
}

impl ApiServer {
    /// Starts one on the core of everything around, and makes what is read.
    ///
    /// # Errors
    /// It does not come up, or refuses the objects.
    pub fn start(program: &Path, directory: &Path) -> Result<Self> {
        let directory = directory.join("cluster");
        fs::create_dir_all(&directory)?;
        let log = File::create(directory.join("cluster.log"))?;
        let mut command = pinned(Core::Around, program);
        command.args(["up", "--dir"]).arg(&directory);
        command.arg("--stdin-eof-stops");
        let child = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the cluster program")?;
        let ready = directory.join("ready");
        let mut this = Self {
            child,
            directory,
            said: Value::Null,
        };
        let ready = eventually(|| ready.exists().then_some(()));
        ready.context("the cluster does not come up")?;
        this.said = serde_json::from_slice(&fs::read(this.directory.join("cluster.json"))?)?;
        this.seed()?;
        Ok(this)
    }

    /// Where it is, whom to trust, and a token that it takes.
    ///
    /// # Errors
    /// What the cluster says about itself lacks something.
    pub fn behind(&self) -> Result<Behind> {
        let address = self
            .said("server")?
            .trim_start_matches("https://")
            .parse()?;
        let ca = PathBuf::from(self.said("ca")?);
        let ca_der = self.directory.join("ca.der");
        fs::write(&ca_der, der_of(&fs::read_to_string(&ca)?)?)?;
        let token = self.kubectl(
            &["create", "token", "peer", "-n", "shop", "--duration=1h"],
            "",
        )?;
        // The same work for the API server: one credential for all, and the gateway's peers bring the
        // impersonation along.
        let token = token.trim();
        let kubeconfig = self.directory.join("kubeconfig-bench.json");
        fs::write(
            &kubeconfig,
            super::kubeconfig(address, &ca, token).to_string(),
        )?;
        let mut headers = vec![bearer(token)];
        headers.push("impersonate-user: corp:bench-agent".to_owned());
        let groups = bundle::agent_groups().into_iter();
        headers.extend(groups.map(|group| format!("impersonate-group: corp:{group}")));
        Ok(Behind {
            address,
            name: "localhost".to_owned(),
            ca,
            ca_der,
            kubeconfig,
            headers,
        })
    }

    fn seed(&self) -> Result<()> {
        // Controllers and bootstrap roles take a moment.
        let made = eventually(|| self.kubectl(&["apply", "-f", "-"], SEED).ok());
        made.context("the cluster refuses the objects of the bench")?;
        self.kubectl(&["apply", "-f", "-"], RIGHTS)?;
        Ok(())
    }

    fn said(&self, key: &str) -> Result<&str> {
        let value = self.said.get(key).and_then(Value::as_str);
        value.with_context(|| format!("cluster.json has no `{key}`"))
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        use std::io::Write as _;
        let mut child = Command::new(self.said("kubectl")?)
            .arg("--kubeconfig")
            .arg(self.said("admin_kubeconfig")?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "kubectl {arguments:?} failed");
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It stops by itself; a failure to wait leaves nothing to do.
        drop(self.child.wait());
    }
}

fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        sleep(Duration::from_millis(100));
    }
    None
}

/// The first certificate of a PEM file.
fn der_of(pem: &str) -> Result<Vec<u8>> {
    let lines = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"));
    let body: String = lines
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    Ok(STANDARD.decode(body)?)
}
