//! What a gateway is started with: configuration, certificates, bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::certificate::{Authority, Leaf};
use crate::cluster::Cluster;
use crate::gateway::Gateway;
use crate::issuer::Issuer;

/// A policy bundle as text, by path.
#[derive(Debug, Clone)]
pub struct Bundle(BTreeMap<String, String>);

/// Everything before the start.
#[derive(Debug)]
pub struct Setup {
    pub(crate) directory: TempDir,
    pub(crate) authority: Authority,
    bundle: Bundle,
    listeners: Vec<String>,
    clusters: Vec<String>,
    lines: Vec<String>,
    hosts: Vec<String>,
    policy_every: &'static str,
    pub(crate) file_blocks_max: Option<u32>,
}

/// Lets everybody do everything, so that a refusal under it is the gateway's own.
const OPEN_RULES: &str = r#"defaults { owner "platform" }
allow "everything" {
    why "These tests look at the gateway, not at a policy"
    who { anyone }
    can all
    on "*/*"
    in "*" "@cluster"
}
allow "every-url" {
    why "These tests look at the gateway, not at a policy"
    who { anyone }
    can all
    urls "*"
}
"#;

impl Bundle {
    /// Everybody whom `issuer` proves may do everything on these clusters.
    #[must_use]
    pub fn open(issuer: &Issuer, clusters: &[&str]) -> Self {
        let clusters: Vec<String> = clusters
            .iter()
            .map(|name| format!("    cluster \"{name}\"\n"))
            .collect();
        let mut bundle = Self(BTreeMap::new());
        bundle.set(
            "bundle.kdl",
            &format!(
                "bundle \"it\" {{\n    format 1\n{}    owners \"**\" \"platform\"\n    lint {{ allow-code \"GP501\" \"GP502\" \"GP503\" }}\n}}\n",
                clusters.concat()
            ),
        );
        bundle.set("identities.kdl", &issuer_block("agents", issuer, ""));
        bundle.set("rules/open.kdl", OPEN_RULES);
        bundle
    }

    /// Replaces a file.
    pub fn set(&mut self, path: &str, text: &str) {
        self.0.insert(path.to_owned(), text.to_owned());
    }

    /// The same with another file.
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.set(path, text);
        self
    }

    /// The same with these rules in place of the open ones.
    #[must_use]
    pub fn with_rules(self, rules: &str) -> Self {
        let text = format!("defaults {{ owner \"platform\" }}\n{rules}");
        self.with("rules/open.kdl", &text)
    }

    pub(crate) fn write_into(&self, directory: &Path) {
        for (path, text) in &self.0 {
            let path = directory.join(path);
            // A file that stays as it is must not look new.
            if std::fs::read_to_string(&path).is_ok_and(|found| found == *text) {
                continue;
            }
            write_file(&path, text);
        }
    }
}

/// An `issuer` block for a local issuer; `more` holds further lines.
#[must_use]
pub fn issuer_block(name: &str, issuer: &Issuer, more: &str) -> String {
    format!(
        r#"issuer "{name}" {{
    url "{}"
    audiences "{}"
    algorithms "ES256"
    max-token-age "1h"
    kind agent
    username claim="sub" prefix="it:"
    groups claim="groups" prefix="it:"
{more}}}
"#,
        issuer.url(),
        issuer.audience()
    )
}

impl Setup {
    /// One listener `main` for one cluster `one`, one issuer, and a policy that allows everything.
    #[must_use]
    pub fn new(cluster: &Cluster, issuer: &Issuer) -> Self {
        Self::with_kubeconfig(&cluster.published().path("gateway_kubeconfig"), issuer)
    }

    /// The same in front of whatever that kubeconfig names.
    #[must_use]
    pub fn with_kubeconfig(kubeconfig: &Path, issuer: &Issuer) -> Self {
        let bundle = Bundle::open(issuer, &["one"]);
        let mut setup = Self::without_issuer(kubeconfig, bundle);
        setup.trust("agents", issuer);
        setup
    }

    /// The same with this bundle, whose issuers are the caller's to configure.
    #[must_use]
    pub fn without_issuer(kubeconfig: &Path, bundle: Bundle) -> Self {
        let setup = Self::empty(bundle).with_listener("main", Some("one"));
        setup.with_cluster("one", kubeconfig, &[])
    }

    /// No listener, no cluster, no issuer.
    #[must_use]
    pub fn empty(bundle: Bundle) -> Self {
        Self {
            directory: directory(),
            authority: Authority::new("gateway CA"),
            bundle,
            listeners: Vec::new(),
            clusters: Vec::new(),
            lines: Vec::new(),
            hosts: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            policy_every: "100ms",
            file_blocks_max: None,
        }
    }

    /// One more listener; without a cluster the host name decides.
    #[must_use]
    pub fn with_listener(self, name: &str, cluster: Option<&str>) -> Self {
        let line = cluster.map_or_else(String::new, |name| format!("    cluster \"{name}\"\n"));
        self.with_listener_lines(name, &line)
    }

    /// One more listener with these lines; a listener of the same name is replaced.
    #[must_use]
    pub fn with_listener_lines(mut self, name: &str, lines: &str) -> Self {
        let head = format!("listen \"{name}\" {{");
        self.listeners
            .retain(|listener| !listener.starts_with(&head));
        self.listeners.push(format!(
            "{head}\n    address \"127.0.0.1:0\"\n    certificate \"gateway.crt\" key=\"gateway.key\"\n{lines}}}\n"
        ));
        self
    }

    /// One more cluster, known by these host names too.
    #[must_use]
    pub fn with_cluster(mut self, name: &str, kubeconfig: &Path, hosts: &[&str]) -> Self {
        let mut line = format!(
            "cluster \"{name}\" {{\n    kubeconfig \"{}\"\n",
            kubeconfig.display()
        );
        if !hosts.is_empty() {
            line.push_str(&format!("    hosts \"{}\"\n", hosts.join("\" \"")));
            self.hosts
                .extend(hosts.iter().map(|host| (*host).to_owned()));
        }
        self.clusters.push(line + "}\n");
        self
    }

    /// The bundle in place of the open one.
    #[must_use]
    pub fn with_bundle(mut self, bundle: Bundle) -> Self {
        self.bundle = bundle;
        self
    }

    /// Rules in place of the open ones.
    #[must_use]
    pub fn with_rules(mut self, rules: &str) -> Self {
        self.bundle = self.bundle.with_rules(rules);
        self
    }

    /// A line or block of the configuration.
    #[must_use]
    pub fn with_line(mut self, line: &str) -> Self {
        self.lines.push(format!("{line}\n"));
        self
    }

    /// No file of the gateway may grow beyond this many blocks of 512 bytes.
    #[must_use]
    pub const fn with_file_blocks_max(mut self, count: u32) -> Self {
        self.file_blocks_max = Some(count);
        self
    }

    /// A file beside the configuration.
    #[must_use]
    pub fn with_file(self, name: &str, text: &str) -> Self {
        write_file(&self.directory.path().join(name), text);
        self
    }

    /// Trusts the CA of that issuer for the block of that name.
    pub fn trust(&mut self, block: &str, issuer: &Issuer) {
        let name = format!("{block}-ca.crt");
        write_file(&self.directory.path().join(&name), &issuer.ca_pem());
        self.lines
            .push(format!("issuer \"{block}\" {{ ca \"{name}\" }}\n"));
    }

    /// The folder of configuration, bundle and audit log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts the program and waits until it accepts.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(self) -> Gateway {
        let config = self.write();
        Gateway::start(self, &config)
    }

    /// A server certificate of the gateway's CA.
    #[must_use]
    pub fn certificate(&self) -> Leaf {
        let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
        self.authority.server(&hosts)
    }

    /// Writes everything; gives the configuration's path.
    fn write(&self) -> PathBuf {
        let directory = self.directory.path();
        let leaf = self.certificate();
        write_file(&directory.join("gateway.crt"), &leaf.certificate_pem);
        write_file(&directory.join("gateway.key"), &leaf.key_pem);
        self.bundle.write_into(&directory.join("bundle"));
        let mut text = self.listeners.concat() + &self.clusters.concat() + &self.lines.concat();
        let every = self.policy_every;
        for (start, line) in [
            ("admin ", "admin \"127.0.0.1:0\"\n".to_owned()),
            (
                "policy ",
                format!("policy {{ directory \"bundle\"; every \"{every}\" }}\n"),
            ),
            ("audit ", "audit { file \"audit.jsonl\" }\n".to_owned()),
            (
                "drain ",
                "drain { ready-delay \"0s\"; deadline \"10s\" }\n".to_owned(),
            ),
            ("log ", "log { level \"debug\"; format text }\n".to_owned()),
        ] {
            if !self.lines.iter().any(|own| own.starts_with(start)) {
                text.push_str(&line);
            }
        }
        let config = directory.join("countersign.kdl");
        write_file(&config, &text);
        config
    }
}

/// A folder that goes away with the gateway, unless `COUNTERSIGN_TEST_KEEP` is set.
fn directory() -> TempDir {
    let mut directory = tempfile::tempdir().expect("a folder");
    if std::env::var_os("COUNTERSIGN_TEST_KEEP").is_some() {
        directory.disable_cleanup(true);
        eprintln!("kept: {}", directory.path().display());
    }
    directory
}

/// Writes a file so that nobody sees half of it.
pub(crate) fn write_file(path: &Path, text: &str) {
    let parent = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(parent).expect("a folder");
    let mut name = std::ffi::OsString::from(".unfinished-");
    name.push(path.file_name().expect("a file has a name"));
    let unfinished = parent.join(name);
    std::fs::write(&unfinished, text).expect("a file");
    std::fs::rename(&unfinished, path).expect("a rename");
}
