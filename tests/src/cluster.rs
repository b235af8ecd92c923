//! The real cluster: etcd, kube-apiserver, controllers, a fake kubelet, as one child process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::journal::Journal;
use crate::kubectl::Kubectl;
use crate::place::{cluster_program, scratch};
use crate::tls::{client_config, client_config_pem};
use crate::wire::Wire;

/// BOUND: a cluster that has not stopped by then is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How many test processes may run clusters beside each other.
const SLOT_COUNT: usize = 4;

/// What `cluster up` says about itself.
#[derive(Debug, Clone)]
pub struct Published(Value);

/// A running cluster. It ends with this process, because it ends with its standard input.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    published: Published,
    journal: Journal,
    _stdin: ChildStdin,
    child: Mutex<Child>,
}

impl Cluster {
    /// The cluster that all tests of this process share. Tests keep apart by namespaces.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start("shared", &["--apiserver-arg=--audit-log-maxsize=2000"]);
            cluster.prepare();
            cluster
        })
    }

    /// A cluster of its own, with further arguments for `up`.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        for slot in 0..SLOT_COUNT {
            let directory = scratch(&format!("cluster-{name}-{slot}"));
            if let Some(cluster) = Self::start_in(&directory, arguments) {
                return cluster;
            }
        }
        panic!("{SLOT_COUNT} clusters `{name}` run already");
    }

    /// `None` if another cluster holds the directory.
    fn start_in(directory: &Path, arguments: &[&str]) -> Option<Self> {
        let said = directory.join("up.stderr");
        let stderr = std::fs::File::create(&said).expect("a file for complaints");
        let mut child = Command::new(cluster_program())
            .arg("up")
            .arg("--dir")
            .arg(directory)
            .arg("--stdin-eof-stops")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the cluster program starts");
        let stdin = child.stdin.take().expect("piped");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line of `up`");
        if !line.starts_with("ready ") {
            drop(stdin);
            child.wait().expect("the cluster program ends");
            let complaint = std::fs::read_to_string(&said).expect("what it said");
            assert!(
                complaint.contains("another cluster runs"),
                "no cluster: {complaint}"
            );
            return None;
        }
        let text = std::fs::read(directory.join("cluster.json")).expect("cluster.json");
        let published = Published(serde_json::from_slice(&text).expect("cluster.json is JSON"));
        let journal = Journal::new(&published.path("audit_log"));
        Some(Self {
            directory: directory.to_path_buf(),
            published,
            journal,
            _stdin: stdin,
            child: Mutex::new(child),
        })
    }

    /// What it says about itself.
    #[must_use]
    pub const fn published(&self) -> &Published {
        &self.published
    }

    /// The folder with everything it writes.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The API server's own audit log: the oracle of most tests.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// kubectl as cluster administrator, past the gateway.
    #[must_use]
    pub fn admin(&self) -> Kubectl {
        Kubectl::new(&self.published.path("admin_kubeconfig"))
    }

    /// A raw connection to the API server as administrator.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.wire_as("admin_cert", "admin_key")
    }

    /// A raw connection with the gateway's own certificate.
    #[must_use]
    pub fn wire_as_gateway(&self) -> Wire {
        self.wire_as("gateway_cert", "gateway_key")
    }

    /// A raw connection that shows no certificate.
    #[must_use]
    pub fn wire_without_certificate(&self) -> Wire {
        let config = client_config(&self.published.read("ca"), &["http/1.1"], None);
        Wire::connect(self.published.address(), "127.0.0.1", config)
    }

    fn wire_as(&self, certificate: &str, key: &str) -> Wire {
        let config = client_config_pem(
            &self.published.read("ca"),
            &["http/1.1"],
            &self.published.read(certificate),
            &self.published.read(key),
        );
        Wire::connect(self.published.address(), "127.0.0.1", config)
    }

    /// A new namespace with a running pod `shell` if `pod` says so; waits until it runs.
    #[must_use]
    pub fn namespace(&self, prefix: &str) -> String {
        let name = crate::wait::fresh(prefix);
        self.admin().ok(&["create", "namespace", &name]);
        let what = format!("default ServiceAccount of {name}");
        crate::wait::eventually(&what, || {
            let found = self
                .admin()
                .run(&["-n", &name, "get", "serviceaccount", "default"]);
            (found.code == 0).then_some(())
        });
        name
    }

    /// A pod with one container `main` that the fake kubelet runs.
    pub fn pod(&self, namespace: &str, name: &str) {
        self.admin().apply(&format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"{namespace}"}},
            "spec":{{"nodeName":"node-1","terminationGracePeriodSeconds":0,"containers":[{{"name":"main","image":"busybox"}}]}}}}"#
        ));
        self.admin().ok(&[
            "-n",
            namespace,
            "wait",
            "--for=condition=Ready",
            &format!("pod/{name}"),
            "--timeout=60s",
        ]);
    }

    /// Makes a custom kind and waits until it is served. Several tests may want the same one.
    pub fn custom_kind(&self, definition: &Value) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let name = definition["metadata"]["name"].as_str().expect("a name");
        let _held = ONE_AT_A_TIME.lock().expect("no holder panicked");
        self.admin().apply(&definition.to_string());
        crate::wait::eventually(&format!("{name} to be served"), || {
            let listed = self.admin().run(&["get", name]);
            (listed.code == 0).then_some(())
        });
    }

    /// Process ids by part, and of `up` itself.
    #[must_use]
    pub fn pids(&self) -> BTreeMap<String, u64> {
        let pids = self.published.0.get("pids").and_then(Value::as_object);
        pids.expect("pids")
            .iter()
            .filter_map(|(name, pid)| Some((name.clone(), pid.as_u64()?)))
            .collect()
    }

    /// What the gateway and the test callers may do: the gateway impersonates and nothing else
    /// (K-7.10), members of `it:admins` are administrators, `it:readers` may view.
    fn prepare(&self) {
        self.admin()
            .apply(include_str!("../fixtures/cluster-roles.yaml"));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // `up` stops its parts in order when its standard input ends.
        let mut child = self.child.lock().expect("nobody else holds it");
        if let Err(fault) = Command::new("kill").arg(child.id().to_string()).status() {
            eprintln!("cluster not stopped: {fault}");
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        while child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                // Its parts end with it; the kernel sees to that.
                child.kill().expect("a child of ours");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Published {
    /// A text of `cluster.json`.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        let value = self.0.get(key).and_then(Value::as_str);
        value
            .unwrap_or_else(|| panic!("cluster.json has no `{key}`"))
            .to_owned()
    }

    /// A path of `cluster.json`.
    #[must_use]
    pub fn path(&self, key: &str) -> PathBuf {
        PathBuf::from(self.text(key))
    }

    /// The content of a file named by `cluster.json`.
    #[must_use]
    pub fn read(&self, key: &str) -> String {
        std::fs::read_to_string(self.path(key)).expect("a file of the cluster")
    }

    /// Where the API server listens.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        let server = self.text("server");
        server
            .trim_start_matches("https://")
            .parse()
            .expect("an address")
    }
}
