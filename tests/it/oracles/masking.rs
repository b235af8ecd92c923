//! Masks: what comes through the gateway is, byte for byte, what an oracle in Python makes of the direct
//! answer. It has its own JSON, paths, digests and detectors and shares no line with the gateway; what it
//! knows stands in docs/masks.md.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use gateway_tests::{
    Bundle, Cluster, Gateway, Issuer, Setup, fresh, repository, scratch, sha256_hex,
};
use serde_json::{Value, json};

/// What `make test` looks at; others find more.
const SEED: u64 = 11;

/// The oracle is no use if it is wrong itself: samples of the standards, and small documents.
#[test]
fn the_oracle_of_masks_knows_its_samples() {
    let output = python()
        .args(["-m", "unittest", "-q", "samples"])
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// One round looks at a sample of users for each shape; several rounds at all of them.
#[test]
fn every_read_shape_is_masked_byte_for_byte_as_the_oracle_says() {
    let rounds = number("COUNTERSIGN_MASKING_ROUNDS").unwrap_or(1);
    let first = number("COUNTERSIGN_MASKING_SEED").unwrap_or(SEED);
    for seed in first..first + rounds {
        compare(seed, rounds > 1);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command
        .arg("-B")
        .current_dir(repository().join("tests/oracles/masking"));
    command
}

/// The oracle at work, ended with this test.
struct Oracle {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    complaints: PathBuf,
}

impl Oracle {
    fn start(job: &Value) -> Self {
        let complaints = scratch("masking-oracle").join(fresh("stderr"));
        let mut child = python()
            .arg("run.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&complaints).expect("a file"))
            .spawn()
            .expect("python3 runs");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let mut oracle = Self {
            child,
            said,
            complaints,
        };
        oracle.tell(job);
        oracle
    }

    fn tell(&mut self, what: &Value) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{what}").expect("the oracle listens");
    }

    /// The line that says that the cluster is filled and the bundle written.
    fn users(&mut self) -> Vec<String> {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("a line");
        let found: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("no bundle: {}", self.complaints());
        });
        let users = found["users"].as_array().expect("users").iter();
        users
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(&self.complaints).unwrap_or_default()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It has ended already, unless this test fails.
        if self.child.kill().is_ok() {
            self.child.wait().expect("a child of ours");
        }
    }
}

#[expect(clippy::print_stdout, reason = "what was compared is the result")]
fn compare(seed: u64, all_users: bool) {
    // A cluster that nothing else changes: answers are compared with what was there a moment before.
    let cluster = Cluster::start("masking", &["--no-controllers", "--no-kubelet"]);
    cluster
        .admin()
        .apply(include_str!("../../fixtures/cluster-roles.yaml"));
    let published = cluster.published();
    let directory = tempfile::tempdir().expect("a folder");
    let mut oracle = Oracle::start(&json!({
        "server": published.address().to_string(),
        "ca": published.text("ca"),
        "certificate": published.text("admin_cert"),
        "key": published.text("admin_key"),
        "directory": directory.path(),
        "cluster": "one",
        "seed": seed,
        "full": all_users,
        "kinds": std::env::var("COUNTERSIGN_MASKING_KINDS").map_or_else(
            |_| Vec::new(),
            |kinds| kinds.split(' ').map(str::to_owned).collect::<Vec<_>>(),
        ),
    }));
    let users = oracle.users();
    let written = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect(name);
    let (gateway, ca) = start_gateway(
        &cluster,
        &users,
        &written("masks.kdl"),
        &written("rules.kdl"),
    );
    let ca_file = directory.path().join("gateway.crt");
    std::fs::write(&ca_file, ca).expect("a file");
    let tokens: Value = users
        .iter()
        .map(|user| (user.clone(), Value::from(token(user))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    oracle.tell(&json!({
        "server": gateway.address().to_string(), "ca": ca_file, "tokens": tokens,
    }));
    let mut result = String::new();
    oracle.said.read_to_string(&mut result).expect("a result");
    let ended = oracle.child.wait().expect("a child of ours");
    let complaints = oracle.complaints();
    println!("seed {seed}: {result}{complaints}");
    assert!(
        ended.success() && result.ends_with(" 0 faults\n"),
        "COUNTERSIGN_MASKING_SEED={seed} does it again\n{result}{complaints}"
    );
}

fn start_gateway(
    cluster: &Cluster,
    users: &[String],
    masks: &str,
    rules: &str,
) -> (Gateway, String) {
    let issuer = Issuer::start();
    let bundle = Bundle::open(&issuer, &["one"])
        .with("masks.kdl", masks)
        .with(
            "rules/masked.kdl",
            &format!("defaults {{ owner \"platform\" }}\n{rules}"),
        );
    let mut setup = Setup::new(cluster, &issuer).with_bundle(bundle);
    for user in users {
        // Shared tokens, because a long run outlives signed ones.
        setup = setup.with_line(&format!(
            "legacy \"{user}\" {{\n    hash \"sha256:{}\"\n    user \"legacy:{user}\"\n    \
            groups \"it:admins\" \"it:{user}\"\n    expires \"2100-01-01T00:00:00Z\"\n}}",
            sha256_hex(token(user).as_bytes())
        ));
    }
    let gateway = setup.start();
    let ca = gateway.ca_pem();
    (gateway, ca)
}

fn token(user: &str) -> String {
    format!("a-shared-token-for-the-oracle-of-masks-{user}")
}
