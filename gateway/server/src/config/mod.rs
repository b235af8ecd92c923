//! The gateway's static configuration, read once at start.

mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_kubeapi::CallerKind;
use gateway_policy::diagnostic::{Code, Finding, Report, human};
use gateway_policy::shape::conform;
use gateway_policy::source::{Node, parse_text};

use crate::audit::{AuditConfig, FileConfig, OnFailure, Rotation, SinkConfig};
use crate::proxy::TlsFiles;
use crate::telemetry::LogFormat;

/// A name used twice or not defined; numbers, hashes and the like that are out of form.
const REFERENCE: Code = Code::new("GC301");
const VALUE: Code = Code::new("GC201");

const POLICY_INTERVAL: Duration = Duration::from_secs(1);
const CONNECTIONS_MAX: usize = 10_000;
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);

/// As meant: checked and with defaults filled in.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Listeners by name.
    pub(crate) listeners: BTreeMap<String, ListenerConfig>,
    /// Admin listener.
    pub(crate) admin: Option<SocketAddr>,
    /// Clusters by name.
    pub(crate) clusters: BTreeMap<String, ClusterConfig>,
    /// Policy source.
    pub(crate) policy: PolicyConfig,
    /// Network facts of issuers by name.
    pub(crate) issuers: BTreeMap<String, IssuerConfig>,
    /// Client certificates.
    pub(crate) certificates: Option<CertificateConfig>,
    /// Static tokens by name.
    pub(crate) legacy: BTreeMap<String, LegacyConfig>,
    /// Audit log.
    pub(crate) audit: AuditConfig,
    /// BOUND: open connections of all listeners.
    pub(crate) connections_max: usize,
    /// Time between unready and closing the listeners.
    pub(crate) ready_delay: Duration,
    /// When what is left is ended.
    pub(crate) drain_deadline: Duration,
    /// Log filter.
    pub(crate) log_filter: String,
    /// Log format.
    pub(crate) log_format: LogFormat,
}

/// `listen`.
#[derive(Debug, Clone)]
pub(crate) struct ListenerConfig {
    /// Address to bind.
    pub(crate) address: SocketAddr,
    /// TLS files.
    pub(crate) tls: TlsFiles,
    /// Fixed cluster.
    pub(crate) cluster: Option<String>,
}

/// `cluster`.
#[derive(Debug, Clone)]
pub(crate) struct ClusterConfig {
    /// Where the API server is.
    pub(crate) upstream: UpstreamConfig,
    /// Host names.
    pub(crate) hosts: Vec<String>,
}

/// Where an API server is found.
#[derive(Debug, Clone)]
pub(crate) enum UpstreamConfig {
    /// `kubeconfig`.
    Kubeconfig(PathBuf, Option<String>),
    /// `in-cluster`.
    InCluster,
}

/// `policy`.
#[derive(Debug, Clone)]
pub(crate) struct PolicyConfig {
    /// Directory.
    pub(crate) directory: PathBuf,
    /// How often it is looked at.
    pub(crate) every: Duration,
}

/// `issuer`.
#[derive(Debug, Clone, Default)]
pub(crate) struct IssuerConfig {
    /// Authorities; none means the system's.
    pub(crate) ca: Option<PathBuf>,
    /// Discovery URL.
    pub(crate) discovery: Option<String>,
    /// Key file.
    pub(crate) jwks: Option<PathBuf>,
    /// Cluster that reviews tokens.
    pub(crate) token_review: Option<String>,
}

/// `client-certificates`.
#[derive(Debug, Clone)]
pub(crate) struct CertificateConfig {
    /// Name for audit and rules.
    pub(crate) name: String,
    /// What stands behind them.
    pub(crate) kind: CallerKind,
    /// User name prefix.
    pub(crate) username_prefix: String,
    /// Group prefix.
    pub(crate) groups_prefix: String,
}

/// `legacy`.
#[derive(Debug, Clone)]
pub(crate) struct LegacyConfig {
    /// `sha256:…`.
    pub(crate) hash: String,
    /// User name.
    pub(crate) user: String,
    /// Groups.
    pub(crate) groups: Vec<String>,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
}

/// Reads and checks the file; every fault is in the text.
///
/// # Errors
/// A report for a person, with places and help.
pub(crate) fn read(path: &Path) -> Result<Config, String> {
    let bytes =
        fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    let name = path
        .file_name()
        .map_or_else(|| "countersign.kdl".into(), |name| name.to_string_lossy());
    let base = path.parent().unwrap_or(Path::new("."));
    decode(&name, &bytes, base)
}

fn decode(name: &str, bytes: &[u8], base: &Path) -> Result<Config, String> {
    let mut report = Report::new();
    let nodes = parse_text(name, bytes, &mut report);
    conform(name, &nodes, shapes::TOP, &mut report);
    let config = if report.has_errors() {
        None
    } else {
        let mut decoder = Decoder {
            nodes: &nodes,
            base,
            report: &mut report,
        };
        decoder.config()
    };
    match config.filter(|_| !report.has_errors()) {
        Some(config) => Ok(config),
        None => Err(human(
            &report,
            &BTreeMap::from([(name.to_owned(), bytes.to_vec())]),
        )),
    }
}

struct Decoder<'a> {
    nodes: &'a [Node],
    base: &'a Path,
    report: &'a mut Report,
}

impl Decoder<'_> {
    fn config(&mut self) -> Option<Config> {
        let clusters = self.named("cluster", Self::cluster);
        let known: BTreeSet<String> = clusters.keys().cloned().collect();
        let config = Config {
            listeners: self.named("listen", Self::listener),
            admin: self.top("admin").and_then(|node| node.socket_address(0)),
            policy: self.policy()?,
            issuers: self.named("issuer", |this, node| Some(this.issuer(node))),
            certificates: self.top("client-certificates").and_then(certificates),
            legacy: self.named("legacy", Self::legacy),
            audit: self.audit()?,
            connections_max: self.connections(),
            ready_delay: self.drain("ready-delay").unwrap_or_default(),
            drain_deadline: self.drain("deadline").unwrap_or(DRAIN_DEADLINE),
            log_filter: self.log("level").unwrap_or("info").to_owned(),
            log_format: match self.log("format") {
                Some("json") => LogFormat::Json,
                Some(_) | None => LogFormat::Text,
            },
            clusters,
        };
        self.check_references(&known);
        Some(config)
    }

    fn top(&self, word: &str) -> Option<&'_ Node> {
        self.nodes.iter().find(|node| node.word == word)
    }

    fn log(&self, word: &str) -> Option<&str> {
        self.top("log")?.line(word)?.text(0)
    }

    fn drain(&self, word: &str) -> Option<Duration> {
        self.top("drain")?.line(word)?.duration(0)
    }

    fn connections(&self) -> usize {
        self.top("limits")
            .and_then(|limits| limits.line("connections")?.integer(0))
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(CONNECTIONS_MAX)
    }

    fn named<T>(
        &mut self,
        word: &str,
        read: impl Fn(&mut Self, &Node) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut found = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.word == word) {
            let Some(name) = node.text(0).map(str::to_owned) else {
                continue;
            };
            let Some(value) = read(self, node) else {
                continue;
            };
            if found.insert(name.clone(), value).is_some() {
                self.add(
                    REFERENCE,
                    node,
                    format!("`{word} \"{name}\"` stands twice"),
                    "name it differently",
                );
            }
        }
        found
    }

    fn add(&mut self, code: Code, node: &Node, message: String, help: &str) {
        self.report
            .add(Finding::new(code, message, node.location.clone()).help(help));
    }

    fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    fn listener(&mut self, node: &Node) -> Option<ListenerConfig> {
        let certificate = node.line("certificate")?;
        Some(ListenerConfig {
            address: node.line("address")?.socket_address(0)?,
            tls: TlsFiles {
                certificate: self.path(certificate.text(0)?),
                key: self.path(certificate.property_text("key")?),
                client_ca: node
                    .line("client-ca")
                    .and_then(|line| line.text(0))
                    .map(|ca| self.path(ca)),
            },
            cluster: node
                .line("cluster")
                .and_then(|line| line.text(0))
                .map(str::to_owned),
        })
    }

    fn cluster(&mut self, node: &Node) -> Option<ClusterConfig> {
        let upstream = match (node.line("kubeconfig"), node.line("in-cluster")) {
            (Some(line), None) => UpstreamConfig::Kubeconfig(
                self.path(line.text(0)?),
                line.property_text("context").map(str::to_owned),
            ),
            (None, Some(_)) => UpstreamConfig::InCluster,
            (Some(_), Some(_)) | (None, None) => {
                let message = "a cluster takes either `kubeconfig` or `in-cluster`".to_owned();
                self.add(VALUE, node, message, "keep one of the two lines");
                return None;
            }
        };
        let hosts = node
            .line("hosts")
            .map(|line| line.texts(0))
            .unwrap_or_default();
        Some(ClusterConfig { upstream, hosts })
    }

    fn policy(&self) -> Option<PolicyConfig> {
        let node = self.top("policy")?;
        Some(PolicyConfig {
            directory: self.path(node.line("directory")?.text(0)?),
            every: node
                .line("every")
                .and_then(|line| line.duration(0))
                .unwrap_or(POLICY_INTERVAL),
        })
    }

    fn issuer(&self, node: &Node) -> IssuerConfig {
        let text = |word: &str| node.line(word).and_then(|line| line.text(0));
        IssuerConfig {
            ca: text("ca").map(|path| self.path(path)),
            discovery: text("discovery").map(str::to_owned),
            jwks: text("jwks").map(|path| self.path(path)),
            token_review: text("token-review").map(str::to_owned),
        }
    }

    fn legacy(&mut self, node: &Node) -> Option<LegacyConfig> {
        let hash = node.line("hash")?;
        let text = hash.text(0)?;
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64
            || !hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            let message = "the hash is not `sha256:` and 64 lower-case hex digits".to_owned();
            self.add(VALUE, hash, message, "printf %s \"$TOKEN\" | sha256sum");
            return None;
        }
        Some(LegacyConfig {
            hash: text.to_owned(),
            user: node.line("user")?.text(0)?.to_owned(),
            groups: node
                .line("groups")
                .map(|line| line.texts(0))
                .unwrap_or_default(),
            expires_at: node.line("expires")?.values.first()?.instant()?.as_second(),
        })
    }

    fn audit(&self) -> Option<AuditConfig> {
        let node = self.top("audit")?;
        let sink = match node.line("file")?.text(0)? {
            "-" => SinkConfig::Stdout,
            path => SinkConfig::File(FileConfig {
                path: self.path(path),
                rotation: node.line("rotate").and_then(rotation),
            }),
        };
        let on_failure = match node.line("on-failure").and_then(|line| line.text(0)) {
            Some("deny-all") => OnFailure::DenyAll,
            Some(_) | None => OnFailure::DenyWrites,
        };
        Some(AuditConfig { sink, on_failure })
    }

    fn check_references(&mut self, clusters: &BTreeSet<String>) {
        self.check_hosts();
        for node in self.nodes {
            let reference = match node.word.as_str() {
                "listen" => node.line("cluster"),
                "issuer" => node.line("token-review"),
                _ => None,
            };
            let Some(line) = reference else { continue };
            if let Some(name) = line.text(0).filter(|name| !clusters.contains(*name)) {
                let message = format!("no cluster `{name}` is configured");
                let help = "add a `cluster` block or correct the name";
                self.add(REFERENCE, line, message, help);
            }
        }
    }

    fn check_hosts(&mut self) {
        let mut seen = BTreeSet::new();
        let lines = self.nodes.iter().filter(|node| node.word == "cluster");
        for line in lines.filter_map(|node| node.line("hosts")) {
            for host in line.texts(0) {
                if !seen.insert(host.to_ascii_lowercase()) {
                    let message = format!("host `{host}` means two clusters");
                    self.add(
                        REFERENCE,
                        line,
                        message,
                        "give each cluster its own host name",
                    );
                }
            }
        }
    }
}

fn certificates(node: &Node) -> Option<CertificateConfig> {
    let text = |word: &str| {
        node.line(word)
            .and_then(|line| line.text(0))
            .map(str::to_owned)
    };
    Some(CertificateConfig {
        name: node.text(0)?.to_owned(),
        kind: CallerKind::parse(&text("kind")?)?,
        username_prefix: text("username-prefix")?,
        groups_prefix: text("groups-prefix").unwrap_or_default(),
    })
}

fn rotation(line: &Node) -> Option<Rotation> {
    Some(Rotation {
        file_bytes_max: line.size(0)?,
        kept_count_max: u32::try_from(line.property("keep")?.integer()?)
            .ok()?
            .try_into()
            .ok()?,
    })
}

#[cfg(test)]
mod tests;
