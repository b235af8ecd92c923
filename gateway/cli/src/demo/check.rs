//! The tour walked by script, every expectation checked.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use super::cluster::{Upstream, kubectl};
use super::files::Layout;
use super::gateway::Addresses;
use super::live;
use super::process::output_of;
use super::tour::{Expect, SAME, STEPS, Step, in_namespace};

/// No command of the tour takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);

/// Every Secret of the demo has it in its values, and no refused caller may see it.
const CANARY: &str = "canary-";

/// The same as it stands in `data`.
const CANARY_ENCODED: &str = "Y2FuYXJ5L";

/// Walks the whole tour, prints a line for each expectation, and tells whether all were met.
///
/// # Errors
/// If nobody reads; a failed expectation is no error.
pub(super) async fn walk(
    layout: &Layout,
    upstream: &Upstream,
    addresses: &Addresses,
) -> Result<bool> {
    let mut tally = Tally::default();
    for (who, path) in SAME {
        let path = in_namespace(path, upstream.owner);
        let what = format!("GET {path} byte for byte as without the gateway");
        tally.expect(who, &what, same(layout, who, &path)).await?;
    }
    let mut decisions = Vec::new();
    for step in STEPS.iter().filter(|step| step.place.is_in(upstream.owner)) {
        let walked = walk_step(layout, step, &mut decisions);
        tally.expect(step.who, step.command, walked).await?;
    }
    beside_the_tour(layout, addresses, &decisions, &mut tally).await?;
    tally.end()
}

/// What no command of the tour shows.
async fn beside_the_tour(
    layout: &Layout,
    addresses: &Addresses,
    decisions: &[String],
    tally: &mut Tally,
) -> Result<()> {
    let what = "says on its admin address that it is ready";
    tally
        .expect("gateway", what, live::gateway_is_ready(addresses))
        .await?;
    let audited = live::refusals_are_audited(layout, decisions);
    tally
        .expect("audit log", "holds every refusal of this tour", audited)
        .await?;
    let clean = async { live::audit_holds_no_secrets(layout) };
    tally
        .expect("audit log", "holds no Secret and no token", clean)
        .await?;
    let what = "a new rule holds without a restart";
    tally
        .expect("bundle", what, live::new_rule_holds(layout))
        .await?;
    let what = "with a fault is not taken, the last good one stays";
    tally
        .expect("bundle", what, live::faulty_bundle_is_not_taken(layout))
        .await?;
    let what = "a removed rule no longer holds";
    tally
        .expect("bundle", what, live::removed_rule_is_gone(layout))
        .await
}

/// What has come out so far.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Waits for one expectation and prints a line on it.
    async fn expect(
        &mut self,
        who: &str,
        what: &str,
        check: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let begin = Instant::now();
        let outcome = timeout(LIMIT, check).await.context("it did not end");
        let seconds = begin.elapsed().as_secs_f64();
        let mut out = std::io::stdout().lock();
        match outcome.and_then(|outcome| outcome) {
            Ok(()) => {
                self.passed += 1;
                writeln!(out, "  ✓ {who:<13} {what}  {seconds:.1} s")?;
            }
            Err(fault) => {
                self.failed += 1;
                writeln!(out, "  ✗ {who:<13} {what}  {seconds:.1} s\n      {fault:#}")?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<bool> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} passed, {} failed", self.passed, self.failed)?;
        Ok(self.failed == 0)
    }
}

/// Reads one path past the gateway and through it. Both must be equal, lists included: these are
/// read at one resource version, so that nothing that happens meanwhile makes a difference.
async fn same(layout: &Layout, who: &str, path: &str) -> Result<()> {
    let direct = raw(layout, "admin", path).await?;
    let object: serde_json::Value = serde_json::from_str(&direct)?;
    let is_list = object.get("items").is_some();
    let version = object
        .pointer("/metadata/resourceVersion")
        .and_then(|version| version.as_str());
    let (path, direct) = match version {
        Some(version) if is_list => {
            let joint = if path.contains('?') { '&' } else { '?' };
            let exact =
                format!("{path}{joint}resourceVersion={version}&resourceVersionMatch=Exact");
            let direct = raw(layout, "admin", &exact).await?;
            (exact, direct)
        }
        _ => (path.to_owned(), direct),
    };
    let through = raw(layout, who, &path).await?;
    ensure!(
        direct == through,
        "{} bytes direct, {} through",
        direct.len(),
        through.len()
    );
    Ok(())
}

async fn raw(layout: &Layout, who: &str, path: &str) -> Result<String> {
    let mut command = kubectl(layout, &layout.kubeconfig(who));
    output_of(command.args(["get", "--raw", path]), None).await
}

/// Runs one step; the decisions that refusals name are added to `decisions`.
async fn walk_step(layout: &Layout, step: &Step, decisions: &mut Vec<String>) -> Result<()> {
    match step.expect {
        Expect::Prints(fragments) => {
            let end = run(layout, step.who, step.command).await?;
            end.has_code(0)?;
            end.shows(&end.out, fragments)
        }
        Expect::Ends(code) => run(layout, step.who, step.command).await?.has_code(code),
        Expect::Says(fragments) => {
            let end = run(layout, step.who, step.command).await?;
            end.has_code(1)?;
            end.shows(&end.both(), fragments)
        }
        Expect::Refused(fragments) => {
            let end = run(layout, step.who, step.command).await?;
            end.has_code(1)?;
            end.shows(&end.err, &["forbidden", "(decision "])?;
            end.shows(&end.err, fragments)?;
            decisions.extend(live::decision_in(&end.err));
            end.leaks_nothing()
        }
        Expect::Follows { prints, meanwhile } => follow(layout, step, prints, meanwhile).await,
        Expect::Forwards(answer) => forward(layout, step, answer).await,
    }
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct End {
    code: Option<i32>,
    out: String,
    err: String,
}

impl End {
    fn both(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Whether it ended with that code.
    ///
    /// # Errors
    /// If not; the message holds what it said.
    pub(super) fn has_code(&self, code: i32) -> Result<()> {
        ensure!(
            self.code == Some(code),
            "it ended with {:?}, not {code}: {}",
            self.code,
            self.both()
        );
        Ok(())
    }

    fn shows(&self, text: &str, fragments: &[&str]) -> Result<()> {
        for fragment in fragments {
            ensure!(
                text.contains(fragment),
                "`{fragment}` is not in: {}",
                self.both()
            );
        }
        Ok(())
    }

    fn leaks_nothing(&self) -> Result<()> {
        let both = self.both();
        let leaks = [CANARY, CANARY_ENCODED]
            .iter()
            .any(|canary| both.contains(canary));
        ensure!(!leaks, "a Secret's value came through");
        Ok(())
    }
}

/// A command of the tour, as a person runs it.
fn shell(layout: &Layout, who: &str, command: &str) -> Command {
    let mut path = layout.path("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(layout.path("work"))
        .env("PATH", path)
        .env("KUBECONFIG", layout.kubeconfig(who))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    shell
}

/// Runs a command of the tour to its end.
///
/// # Errors
/// If there is no shell.
pub(super) async fn run(layout: &Layout, who: &str, command: &str) -> Result<End> {
    let output = shell(layout, who, command).output().await?;
    Ok(End {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

async fn follow(layout: &Layout, step: &Step, prints: &[&str], meanwhile: &str) -> Result<()> {
    let mut following = Following::start(layout, step)?;
    for (index, fragment) in prints.iter().enumerate() {
        following.see(fragment).await?;
        if index == 0 && !meanwhile.is_empty() {
            run(layout, "admin", meanwhile).await?.has_code(0)?;
        }
    }
    following.stop().await
}

async fn forward(layout: &Layout, step: &Step, answer: &str) -> Result<()> {
    let mut following = Following::start(layout, step)?;
    let line = following.see("Forwarding from 127.0.0.1:").await?;
    let port = line
        .split_once("127.0.0.1:")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse::<u16>().ok())
        .with_context(|| format!("no port in `{line}`"))?;
    let response = http_get(&format!("127.0.0.1:{port}"), "/").await?;
    ensure!(
        response.contains(answer),
        "`{answer}` is not in: {response}"
    );
    following.stop().await
}

/// The whole response to a plain GET.
///
/// # Errors
/// If nobody answers.
pub(super) async fn http_get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: demo\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

/// A command that does not end by itself.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(layout: &Layout, step: &Step) -> Result<Self> {
        // `exec`, so that it is kubectl that is killed, and not only its shell.
        let mut child = shell(layout, step.who, &format!("exec {}", step.command)).spawn()?;
        let output = child.stdout.take().context("its output is not open")?;
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
        })
    }

    /// Reads until a line has `fragment`, and gives that line.
    async fn see(&mut self, fragment: &str) -> Result<String> {
        let mut seen = String::new();
        while let Some(line) = self.lines.next_line().await? {
            if line.contains(fragment) {
                return Ok(line);
            }
            seen += &line;
            seen.push('\n');
        }
        if let Some(errors) = self.child.stderr.as_mut() {
            errors.read_to_string(&mut seen).await?;
        }
        bail!("it ended before `{fragment}`: {seen}")
    }

    async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
