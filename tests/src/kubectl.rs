//! kubectl as a person runs it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::place::{cluster_program, scratch};
use crate::terminal::Terminal;

/// kubectl with one kubeconfig and arguments that go before every call.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    before: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// What a run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Exit code, -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Kubectl {
    /// kubectl of the cluster's own version.
    #[must_use]
    pub fn new(kubeconfig: &Path) -> Self {
        let program = cluster_program().with_file_name("kubectl");
        Self {
            program,
            kubeconfig: kubeconfig.to_path_buf(),
            before: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    /// The same with another program.
    #[must_use]
    pub fn with_program(mut self, program: &Path) -> Self {
        self.program = program.to_path_buf();
        self
    }

    /// The same, with arguments before every call's own.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.before
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// The same, with one more environment variable.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with_input(arguments, "")
    }

    /// Runs to the end with this on standard input.
    #[must_use]
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Finished {
        let mut child = self.command(arguments).spawn().expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("piped");
        let input = input.to_owned();
        // Beside the reading of its output, so that neither side waits for the other. A program
        // that does not want its input is no fault.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).is_ok());
        let output = child.wait_with_output().expect("kubectl ends");
        writer.join().expect("the writer does not panic");
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs to the end and must succeed; gives the standard output.
    ///
    /// # Panics
    /// When it fails.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!(
            finished.code, 0,
            "kubectl {arguments:?} failed: {}",
            finished.stderr
        );
        finished.stdout
    }

    /// Applies a manifest.
    ///
    /// # Panics
    /// When it fails.
    pub fn apply(&self, manifest: &str) {
        let finished = self.run_with_input(&["apply", "-f", "-"], manifest);
        assert_eq!(
            finished.code, 0,
            "kubectl apply failed: {}",
            finished.stderr
        );
    }

    /// `get … -o json`, parsed.
    #[must_use]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        serde_json::from_str(&self.ok(&arguments)).expect("kubectl prints JSON")
    }

    /// Starts it and leaves it running; all three standard streams are pipes.
    #[must_use]
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("kubectl starts")
    }

    /// Starts it on a terminal of its own.
    #[must_use]
    pub fn on_terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .arg(format!(
                "--cache-dir={}",
                scratch("kubectl-cache").display()
            ))
            .args(&self.before)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", scratch("home"))
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}
