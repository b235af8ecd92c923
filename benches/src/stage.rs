//! The files and programs of one comparison: certificates, an API server's stand-in, a bundle, and
//! the proxies.

mod bundle;
mod cluster;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use gateway_identity::mint::{MintKey, jwks};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::process::{Core, Process, pinned};

pub use cluster::ApiServer;

/// The object that is read.
pub const OBJECT: &str = "/api/v1/namespaces/shop/pods/web";
/// A watch that tells a little every second.
pub const WATCH: &str = "/api/v1/namespaces/shop/pods?watch=true";
/// Rules of the gateway's bundle.
pub const RULES: usize = 10_000;
/// Longest life of a token in the bundle, and the life of the one that is used.
const TOKEN_SECONDS: u64 = 3600;
/// Name of the static upstream.
const UPSTREAM_NAME: &str = "upstream.bench.invalid";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// Countersign with everything on.
    Gateway,
    /// Raw Pingora.
    Pingora,
    /// nginx.
    Nginx,
}

/// Everything that is set up once.
#[derive(Debug)]
pub struct Stage {
    directory: tempfile::TempDir,
    countersign: PathBuf,
    passthrough: PathBuf,
    behind: Behind,
    upstream_status: SocketAddr,
    /// The agent's own token, as a header.
    headers: Vec<String>,
}

/// What stands behind the proxies.
#[derive(Debug, Clone)]
pub struct Behind {
    address: SocketAddr,
    /// A DNS name, since nginx checks no addresses.
    name: String,
    ca: PathBuf,
    ca_der: PathBuf,
    /// How the gateway gets there.
    kubeconfig: PathBuf,
    /// What it takes from proxies that pass on what they get.
    headers: Vec<String>,
}

impl Proxy {
    /// Its name in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "countersign",
            Self::Pingora => "pingora-pass-through",
            Self::Nginx => "nginx",
        }
    }
}

impl Stage {
    /// Writes all files.
    ///
    /// # Errors
    /// A file cannot be written, or there is no randomness.
    pub fn new(countersign: PathBuf, passthrough: PathBuf) -> Result<Self> {
        Self::with_rules(countersign, passthrough, RULES)
    }

    /// The same with so many rules.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_rules(countersign: PathBuf, passthrough: PathBuf, rules: usize) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("countersign-bench-")
            .tempdir()?;
        let path = |name: &str| directory.path().join(name);
        let behind = Behind {
            address: free_address()?,
            name: UPSTREAM_NAME.to_owned(),
            ca: path("ca.crt"),
            ca_der: path("ca.der"),
            kubeconfig: path("upstream.kubeconfig"),
            headers: Vec::new(),
        };
        let mut stage = Self {
            directory,
            countersign,
            passthrough,
            behind,
            upstream_status: free_address()?,
            headers: Vec::new(),
        };
        stage.write_certificates()?;
        stage.headers = vec![bearer(&stage.write_keys()?)];
        stage.behind.headers.clone_from(&stage.headers);
        bundle::write(&stage.path("bundle"), rules)?;
        stage.write_kubeconfig()?;
        stage.write_configuration()?;
        stage.write("watch.json", &bookmark().repeat(5_000))?;
        let text = UPSTREAM
            .replace("{object}", &pod().to_string())
            .replace("{upstream}", &stage.behind.address.to_string())
            .replace("{status}", &stage.upstream_status.to_string())
            .replace("{directory}", &stage.directory().display().to_string());
        stage.write("upstream.conf", &text)?;
        Ok(stage)
    }

    /// A file of the stage.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory of all files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the static upstream is, or what stands in for it.
    #[must_use]
    pub const fn upstream_address(&self) -> SocketAddr {
        self.behind.address
    }

    /// The object that is read, as text.
    #[must_use]
    pub fn object() -> String {
        pod().to_string()
    }

    /// Adds a file to the gateway's bundle.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add_to_bundle(&self, name: &str, text: &str) -> Result<()> {
        self.write(&format!("bundle/{name}"), text)
    }

    /// From now on proxies that are started have this behind them.
    ///
    /// # Errors
    /// The gateway's configuration cannot be written.
    pub fn stand_before(&mut self, behind: Behind) -> Result<()> {
        self.behind = behind;
        self.write_configuration()
    }

    fn write_configuration(&self) -> Result<()> {
        let kubeconfig = self.behind.kubeconfig.display().to_string();
        self.write("gateway.kdl", &GATEWAY.replace("{kubeconfig}", &kubeconfig))
    }

    /// What is sent: the agent's own token, or what the upstream takes from anybody.
    #[must_use]
    pub fn headers(&self, proxy: Proxy) -> &[String] {
        match proxy {
            Proxy::Gateway => &self.headers,
            Proxy::Pingora | Proxy::Nginx => &self.behind.headers,
        }
    }

    /// Starts what stands for the API server.
    ///
    /// # Errors
    /// nginx does not start.
    pub fn start_upstream(&self) -> Result<Process> {
        let mut command = self.nginx(Core::Around, "upstream.conf");
        self.start_listening("upstream", &mut command, self.behind.address)
    }

    /// Starts a proxy and says where it listens.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&self, proxy: Proxy) -> Result<(Process, SocketAddr)> {
        let address = free_address()?;
        let mut command = match proxy {
            Proxy::Gateway => return self.start_gateway(),
            Proxy::Pingora => {
                let mut command = pinned(Core::UnderTest, &self.passthrough);
                command.arg(address.to_string());
                command.args(["proxy.crt", "proxy.key"].map(|file| self.path(file)));
                command
                    .arg(self.behind.address.to_string())
                    .arg(&self.behind.ca_der);
                command
            }
            Proxy::Nginx => {
                let text = NGINX
                    .replace("{listen}", &address.to_string())
                    .replace("{upstream}", &self.behind.address.to_string())
                    .replace("{ca}", &self.behind.ca.display().to_string())
                    .replace("{name}", &self.behind.name);
                self.write("nginx.conf", &text)?;
                self.nginx(Core::UnderTest, "nginx.conf")
            }
        };
        let process = self.start_listening(proxy.name(), &mut command, address)?;
        Ok((process, address))
    }

    /// Requests the upstream has open.
    #[must_use]
    pub fn open_requests(&self) -> Option<usize> {
        use std::io::{Read as _, Write as _};
        let mut stream = TcpStream::connect(self.upstream_status).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (_, rest) = text.split_once("Writing: ")?;
        rest.split_whitespace().next()?.parse().ok()
    }

    fn start_gateway(&self) -> Result<(Process, SocketAddr)> {
        let ready = self.path("ready.json");
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let mut command = pinned(Core::UnderTest, &self.countersign);
        command
            .args(["serve", "--config"])
            .arg(self.path("gateway.kdl"));
        command.arg("--ready-file").arg(&ready);
        let name = Proxy::Gateway.name();
        let mut process = Process::start(name, &mut command, &self.path("gateway.log"))?;
        let listening = process.wait_until("readiness", |_| {
            let ready: Value = serde_json::from_slice(&fs::read(&ready).ok()?).ok()?;
            ready.get("listen")?.get("main")?.as_str()?.parse().ok()
        });
        let address = listening.with_context(|| self.log("gateway"))?;
        Ok((process, address))
    }

    fn start_listening(
        &self,
        name: &str,
        command: &mut Command,
        address: SocketAddr,
    ) -> Result<Process> {
        let mut process = Process::start(name, command, &self.path(&format!("{name}.log")))?;
        process
            .wait_until("listening", |_| TcpStream::connect(address).ok())
            .with_context(|| self.log(name))?;
        Ok(process)
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    fn nginx(&self, core: Core, file: &str) -> Command {
        let mut command = pinned(core, Path::new("nginx"));
        command
            .args(["-e", "stderr", "-c", file, "-p"])
            .arg(self.directory.path());
        command
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.path(name), text).with_context(|| format!("cannot write {name}"))
    }

    fn write_certificates(&self) -> Result<()> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "bench CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        self.write("ca.crt", &ca.pem())?;
        fs::write(self.path("ca.der"), ca.der())?;
        for name in ["proxy", "upstream"] {
            let hosts = ["127.0.0.1", UPSTREAM_NAME].map(str::to_owned);
            let key = KeyPair::generate()?;
            let leaf = CertificateParams::new(hosts)?.signed_by(&key, &ca)?;
            self.write(&format!("{name}.crt"), &leaf.pem())?;
            self.write(&format!("{name}.key"), &key.serialize_pem())?;
        }
        Ok(())
    }

    /// The issuer's public keys, and one token of the agent.
    fn write_keys(&self) -> Result<String> {
        let key = MintKey::generate_es256()?;
        self.write("keys.json", &jwks([&key]))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": bundle::ISSUER,
            "sub": "bench-agent",
            "aud": bundle::AUDIENCE,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "groups": bundle::agent_groups(),
        });
        Ok(key.sign(&claims, &json!({}))?)
    }

    fn write_kubeconfig(&self) -> Result<()> {
        let Behind { address, ca, .. } = &self.behind;
        let text = kubeconfig(*address, ca, "a-token-nobody-checks").to_string();
        self.write("upstream.kubeconfig", &text)
    }
}

fn kubeconfig(server: SocketAddr, ca: &Path, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {
            "server": format!("https://{server}"),
            "certificate-authority": ca,
        }}],
        "users": [{"name": "gateway", "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "gateway"}}],
    })
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

/// An address nothing listens at. Another program could take it before it is used; then the run
/// fails and says so.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// About 300 bytes.
fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "6f8a1c1e-7d0b-4a55-9b1e-0c4f6a1d2e3f",
            "resourceVersion": "1234567",
            "labels": {"app": "web"},
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "registry.invalid/web:1"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.17"},
    })
}

fn bookmark() -> String {
    let event = json!({
        "type": "BOOKMARK",
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"resourceVersion": "1234567"}},
    });
    format!("{event}\n")
}

const GATEWAY: &str = r#"listen "main" {
    address "127.0.0.1:0"
    certificate "proxy.crt" key="proxy.key"
    cluster "bench"
}
admin "127.0.0.1:0"
cluster "bench" { kubeconfig "{kubeconfig}" }
policy { directory "bundle" }
issuer "agents" { jwks "keys.json" }
audit { file "audit.jsonl"; on-failure deny-writes; rotate "256MiB" keep=1 }
log { level "warn"; format json }
"#;

/// One process: the time of a worker would else not be its own.
const UPSTREAM: &str = "daemon off;
master_process off;
pid upstream.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
    access_log off;
    default_type application/json;
    keepalive_timeout 900s;
    keepalive_requests 1000000000;
    http2_max_concurrent_streams 250;
    ssl_certificate upstream.crt;
    ssl_certificate_key upstream.key;
    ssl_protocols TLSv1.3;
    server {
        listen {upstream} ssl http2;
        location = /api/v1/namespaces/shop/pods/web { return 200 '{object}'; }
        location = /api/v1/namespaces/shop/pods { limit_rate 256; alias {directory}/watch.json; }
        location / { return 404 '{}'; }
    }
    server {
        listen {status};
        location / { stub_status; }
    }
}
";

const NGINX: &str = "daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
    access_log off;
    keepalive_timeout 900s;
    keepalive_requests 1000000000;
    http2_max_concurrent_streams 250;
    ssl_certificate proxy.crt;
    ssl_certificate_key proxy.key;
    ssl_protocols TLSv1.3;
    upstream api {
        server {upstream};
        keepalive 128;
        keepalive_requests 1000000000;
        keepalive_timeout 90s;
    }
    server {
        listen {listen} ssl http2;
        location / {
            proxy_pass https://api;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_buffering off;
            proxy_read_timeout 900s;
            proxy_ssl_protocols TLSv1.3;
            proxy_ssl_name {name};
            proxy_ssl_server_name on;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {ca};
        }
    }
}
";
