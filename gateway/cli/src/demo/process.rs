//! The demo's child processes: started quietly, told to stop by the end of their standard input.
//!
//! A pipe ends however this program ends, so that even `kill -9` leaves no child behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout_at};

/// How often a file is looked for that a child writes once it is ready.
const READY_POLL: Duration = Duration::from_millis(25);

/// A child that has not stopped by then is killed. Longer than the cluster program needs to end
/// etcd in order.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// So many lines of a failed child's output are shown.
const LAST_LINES: usize = 15;

/// A child process and what it wrote.
#[derive(Debug)]
pub(super) struct Part {
    name: &'static str,
    child: Child,
    /// Apart from `child`, because waiting for a child closes the input it holds.
    input: Option<ChildStdin>,
    log: PathBuf,
}

impl Part {
    /// Starts a child in a process group of its own, so that Ctrl-C reaches this program alone and
    /// the children end in order.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(super) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let output =
            File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start `{}`",
                    command.as_std().get_program().display()
                )
            })?;
        let input = child.stdin.take();
        Ok(Self {
            name,
            child,
            input,
            log: log.to_owned(),
        })
    }

    /// Waits until the child has written `file`, and reads it.
    ///
    /// # Errors
    /// If the child ends first or `limit` passes.
    pub(super) async fn ready(&mut self, file: &Path, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        while !file.exists() {
            self.still_runs()?;
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready after {limit:?}{}",
                    self.name,
                    self.last_lines()
                );
            }
            sleep(READY_POLL).await;
        }
        fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
    }

    /// Looks whether the child has ended by itself.
    ///
    /// # Errors
    /// If it has; the message holds the end of what it wrote.
    pub(super) fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended: {status}{}", self.name, self.last_lines()),
            None => Ok(()),
        }
    }

    /// Tells the child to stop, and kills it if it does not.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        let deadline = Instant::now() + STOP_DEADLINE;
        match timeout_at(deadline, self.child.wait()).await {
            Ok(status) => status.map(drop)?,
            Err(_elapsed) => self.child.kill().await?,
        }
        Ok(())
    }

    /// The end of what the child wrote, for an error message.
    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.split_at(lines.len().saturating_sub(LAST_LINES)).1;
        if last.is_empty() {
            return String::new();
        }
        format!("; its last lines:\n  {}", last.join("\n  "))
    }
}

/// Runs a program to its end and gives its standard output.
///
/// # Errors
/// If it cannot be started or fails; the message holds its standard error.
pub(super) async fn output_of(command: &mut Command, input: Option<&str>) -> Result<String> {
    let program = command.as_std().get_program().to_owned();
    let child = command
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start `{}`", program.display()))?;
    let output = talk(child, input).await?;
    if !output.status.success() {
        let words: Vec<_> = command
            .as_std()
            .get_args()
            .map(OsStr::to_string_lossy)
            .collect();
        bail!(
            "`{} {}` failed: {}",
            program.display(),
            words.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

async fn talk(mut child: Child, input: Option<&str>) -> Result<std::process::Output> {
    use tokio::io::AsyncWriteExt as _;
    let pipe = child.stdin.take();
    let write = async {
        if let (Some(mut pipe), Some(input)) = (pipe, input) {
            pipe.write_all(input.as_bytes()).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    // Both at once: a child may fill its output before it has read all input.
    let (written, output) = tokio::join!(write, child.wait_with_output());
    let output = output?;
    // A child that failed early has said why; a broken pipe would only hide it.
    if output.status.success() {
        written?;
    }
    Ok(output)
}
