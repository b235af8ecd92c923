//! The gateway as the program it is.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use crate::certificate::{Authority, Leaf};
use crate::journal::Journal;
use crate::kubectl::Kubectl;
use crate::place::countersign;
use crate::setup::{Bundle, Setup, write_file};
use crate::stream::H2Client;
use crate::tls::{client_config, connect};
use crate::wait::{PATIENCE, eventually};
use crate::wire::Wire;

/// Ends the program when standard input ends, that is, when the tests are gone in whatever way.
/// With a limit on file sizes, the program gets `EFBIG` where a full disk would say `ENOSPC`.
const WATCHED: &str = r#"
if [ -n "$FILE_BLOCKS_MAX" ]; then
    trap '' XFSZ
    ulimit -f "$FILE_BLOCKS_MAX"
fi
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( cat <&3 >/dev/null; kill -KILL $child ) 2>/dev/null &
watcher=$!
wait $child
code=$?
kill $watcher 2>/dev/null
exit $code
"#;

/// A running gateway. Dropping it kills it.
#[derive(Debug)]
pub struct Gateway {
    setup: Setup,
    ready: Value,
    journal: Journal,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    exit: Option<i32>,
}

impl Gateway {
    pub(crate) fn start(setup: Setup, config: &Path) -> Self {
        let directory = setup.directory();
        let ready_file = directory.join("ready.json");
        let running = Mutex::new(spawn(&setup, config, &ready_file));
        let journal = Journal::new(&directory.join("audit.jsonl"));
        let ready = await_ready(&running, &ready_file, directory);
        Self {
            setup,
            ready,
            journal,
            running,
        }
    }

    /// Starts the same gateway again after it ended; ports may differ.
    pub fn restart(&mut self) {
        let directory = self.setup.directory();
        let ready_file = directory.join("ready.json");
        std::fs::remove_file(&ready_file).expect("the ready file of the last start");
        let config = directory.join("countersign.kdl");
        self.running = Mutex::new(spawn(&self.setup, &config, &ready_file));
        self.ready = await_ready(&self.running, &ready_file, directory);
    }

    /// The folder of configuration, bundle and audit log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.setup.directory()
    }

    /// Its audit log.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Where listener `main` listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address_of("main")
    }

    /// Where that listener listens.
    #[must_use]
    pub fn address_of(&self, listener: &str) -> SocketAddr {
        parse_address(&self.ready["listen"][listener])
    }

    /// The CA of its certificate, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.setup.authority.pem()
    }

    /// The CA of its certificate.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.setup.authority
    }

    /// Whether a new connection gets through its handshake.
    #[must_use]
    pub fn accepts(&self) -> bool {
        let config = client_config(&self.ca_pem(), &["http/1.1"], None);
        connect(self.address(), "127.0.0.1", config).is_ok()
    }

    /// A raw HTTP/1.1 connection.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.wire_with(None)
    }

    /// A raw HTTP/1.1 connection with a client certificate.
    #[must_use]
    pub fn wire_with(&self, leaf: Option<&Leaf>) -> Wire {
        let config = client_config(&self.ca_pem(), &["http/1.1"], leaf);
        Wire::connect(self.address(), "127.0.0.1", config)
    }

    /// A raw HTTP/1.1 connection to that listener, asking for that server name.
    #[must_use]
    pub fn wire_to(&self, listener: &str, name: &str) -> Wire {
        let config = client_config(&self.ca_pem(), &["http/1.1"], None);
        Wire::connect(self.address_of(listener), name, config)
    }

    /// An HTTP/2 connection.
    #[must_use]
    pub fn h2(&self) -> H2Client {
        H2Client::connect(self.address(), &self.ca_pem())
    }

    /// kubectl through the gateway with that token.
    #[must_use]
    pub fn kubectl(&self, token: &str) -> Kubectl {
        Kubectl::new(&self.kubeconfig("main", token))
    }

    /// A kubeconfig for that listener and token.
    #[must_use]
    pub fn kubeconfig(&self, listener: &str, token: &str) -> PathBuf {
        let path = self
            .directory()
            .join(format!("{}.kubeconfig", crate::wait::fresh("kubectl")));
        let ca = self.directory().join("clients-ca.crt");
        write_file(&ca, &self.ca_pem());
        let text = format!(
            r#"{{"apiVersion":"v1","kind":"Config","current-context":"it",
            "clusters":[{{"name":"cluster","cluster":{{"server":"https://{}","certificate-authority":"{}"}}}}],
            "users":[{{"name":"it","user":{{"token":"{token}"}}}}],
            "contexts":[{{"name":"it","context":{{"cluster":"cluster","user":"it"}}}}]}}"#,
            self.address_of(listener),
            ca.display()
        );
        write_file(&path, &text);
        path
    }

    /// Replaces the one file of the bundle that changes and waits until the gateway has looked at
    /// it: published, or reported as invalid.
    pub fn publish(&self, bundle: &Bundle) {
        let before = self.admin("/policy/status").1;
        self.write_bundle(bundle);
        eventually("the gateway to notice the new bundle", || {
            (self.admin("/policy/status").1 != before).then_some(())
        });
    }

    /// Replaces files of the bundle.
    pub fn write_bundle(&self, bundle: &Bundle) {
        bundle.write_into(&self.directory().join("bundle"));
    }

    /// Asks the admin listener; gives status and body.
    #[must_use]
    pub fn admin(&self, path: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let address = parse_address(&self.ready["admin"]);
        let mut socket = std::net::TcpStream::connect(address).expect("the admin listener");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a read timeout");
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("an answer");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = text
            .split_once("\r\n\r\n")
            .map_or(String::new(), |(_, body)| body.to_owned());
        (status.expect("a status line"), body)
    }

    /// The value of one metric line, `name{labels}`; 0 if there is none.
    #[must_use]
    pub fn metric(&self, line: &str) -> f64 {
        let text = self.admin("/metrics").1;
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        found
            .and_then(|rest| rest.trim().parse().ok())
            .unwrap_or(0.0)
    }

    /// What it logged until now.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("log")).expect("its log")
    }

    /// Sends a signal, as `kill -SIGNAL`.
    pub fn signal(&self, signal: &str) {
        let pid = self.ready["pid"].as_u64().expect("pid").to_string();
        let signal = format!("-{signal}");
        let status = Command::new("kill").args([signal, pid]).status();
        let status = status.expect("kill runs");
        assert!(status.success(), "the gateway is gone already");
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.ready["pid"].as_u64().expect("pid")
    }

    /// Waits for its end; gives the exit code.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        eventually("the gateway to end", || {
            self.running.lock().expect("no waiter panicked").ended()
        })
    }

    /// True until it has ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
            .lock()
            .expect("no waiter panicked")
            .ended()
            .is_none()
    }
}

impl Running {
    fn ended(&mut self) -> Option<i32> {
        if self.exit.is_none() {
            let status = self.child.try_wait().expect("a child of ours");
            self.exit = status.map(|status| status.code().unwrap_or(-1));
        }
        self.exit
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stdin.take();
        if let Err(fault) = self.child.wait() {
            eprintln!("gateway not awaited: {fault}");
        }
    }
}

fn spawn(setup: &Setup, config: &Path, ready_file: &Path) -> Running {
    let directory = setup.directory();
    let log = File::create(directory.join("log")).expect("a log file");
    let mut child = Command::new("sh")
        .args(["-c", WATCHED, "sh"])
        .arg(countersign())
        .arg("serve")
        .arg("--config")
        .arg(config)
        .arg("--ready-file")
        .arg(ready_file)
        .current_dir(directory)
        .envs(
            setup
                .file_blocks_max
                .map(|count| ("FILE_BLOCKS_MAX", count.to_string())),
        )
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("the log file"))
        .stderr(log)
        .spawn()
        .expect("the gateway's program starts");
    let stdin = child.stdin.take();
    Running {
        child,
        stdin,
        exit: None,
    }
}

fn await_ready(running: &Mutex<Running>, ready_file: &Path, directory: &Path) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = std::fs::read(ready_file) {
            return serde_json::from_slice(&text).expect("the ready file is JSON");
        }
        let ended = running.lock().expect("no waiter panicked").ended();
        let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        assert!(ended.is_none(), "the gateway ended at once:\n{}", log());
        assert!(
            Instant::now() < deadline,
            "the gateway is not ready after {PATIENCE:?}:\n{}",
            log()
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn parse_address(value: &Value) -> SocketAddr {
    let text = value.as_str().expect("an address in the ready file");
    text.parse().expect("an address")
}
