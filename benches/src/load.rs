//! Load by h2load, and what it says about it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::process::{Core, Process, pinned};
use crate::sample::Sample;

/// What clients speak; TLS always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, one request after the other on each of 32 connections.
    Http1,
    /// HTTP/2, ten streams on each of eight connections.
    Http2,
}

/// How much is asked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// As much as goes.
    Full,
    /// So many requests a second on each of 16 connections: latency without a queue.
    PerConnection(u32),
}

/// One run.
#[derive(Debug)]
pub struct Load<'a> {
    /// Where to.
    pub url: &'a str,
    /// Header lines of each request, the credential among them.
    pub headers: &'a [String],
    /// Over what.
    pub protocol: Protocol,
    /// How much.
    pub pressure: Pressure,
    /// How long.
    pub seconds: u32,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Answered requests, all with success.
    pub requests: f64,
    /// The same for each second.
    pub per_second: f64,
    /// How long each took.
    pub latency: Sample,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// Its name in rows.
    #[must_use]
    pub const fn case(self) -> &'static str {
        match self {
            Self::Http1 => "tls-h1",
            Self::Http2 => "tls-h2",
        }
    }
}

impl Load<'_> {
    /// Runs it; files go to `directory`.
    ///
    /// # Errors
    /// h2load cannot be run, or a request did not end with success.
    pub fn run(&self, directory: &Path) -> Result<Outcome> {
        let log = directory.join("requests.log");
        // h2load appends.
        File::create(&log)?;
        let mut command = h2load(self.url, self.headers, self.protocol);
        let (connections, streams) = match (self.pressure, self.protocol) {
            (Pressure::Full, Protocol::Http1) => (32, 1),
            (Pressure::Full, Protocol::Http2) => (8, 10),
            (Pressure::PerConnection(_), _) => (16, 1),
        };
        command.args(["-c", &connections.to_string(), "-m", &streams.to_string()]);
        command.args(["-D", &self.seconds.to_string()]);
        if let Pressure::PerConnection(rate) = self.pressure {
            command.args(["--rps", &rate.to_string()]);
            command.arg(format!("--log-file={}", log.display()));
        }
        let output = command.output().context("cannot run h2load")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let requests =
            successes(&text).with_context(|| format!("h2load on {}:\n{text}", self.url))?;
        let latency = Sample::of_values(&latencies(&fs::read_to_string(&log)?));
        Ok(Outcome {
            requests,
            per_second: requests / f64::from(self.seconds),
            latency,
        })
    }
}

/// Opens so many connections with one request each, and keeps them while the value lives.
///
/// # Errors
/// h2load cannot be started.
pub fn hold(
    url: &str,
    headers: &[String],
    protocol: Protocol,
    connections: usize,
    log: &Path,
) -> Result<Process> {
    let mut command = h2load(url, headers, protocol);
    let count = connections.to_string();
    // One request each, the next in a quarter of an hour: a connection that has answered stays.
    command.args(["-c", &count, "-m", "1", "-D", "900", "--rps", "0.001"]);
    Process::start("h2load", &mut command, log)
}

fn h2load(url: &str, headers: &[String], protocol: Protocol) -> Command {
    let mut command = pinned(Core::Around, Path::new("h2load"));
    if protocol == Protocol::Http1 {
        command.arg("--h1");
    }
    for header in headers {
        command.args(["-H", header]);
    }
    command.args(["-t", "1", url]);
    command
}

/// Answered requests.
///
/// # Errors
/// Some did not end with success: then nothing was measured.
fn successes(text: &str) -> Result<f64> {
    let line = |start: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(start))
            .with_context(|| format!("no `{start}`"))
    };
    let count = |line: &str, what: &str| -> Result<f64> {
        let part = line.split(',').find(|part| part.trim().ends_with(what));
        let word = part.and_then(|part| part.split_whitespace().next());
        Ok(word
            .with_context(|| format!("no count of {what}"))?
            .parse()?)
    };
    let codes = line("status codes:")?;
    let requests = line("requests:")?;
    for (of, what) in [
        (codes, "3xx"),
        (codes, "4xx"),
        (codes, "5xx"),
        (requests, "failed"),
    ] {
        let bad = count(of, what)?;
        ensure!(bad < 0.5, "{bad} {what}");
    }
    let good = count(codes, "2xx")?;
    ensure!(good > 0.5, "nothing was answered");
    Ok(good)
}

/// Third column of h2load's log: microseconds of a request.
fn latencies(log: &str) -> Vec<f64> {
    log.lines()
        .filter_map(|line| line.split('\t').nth(2)?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "finished in 3.00s, 7000.67 req/s, 3.10MB/s\n\
        requests: 21002 total, 21034 started, 21002 done, 21002 succeeded, 0 failed, 0 errored, 0 timeout\n\
        status codes: 21002 2xx, 0 3xx, 0 4xx, 0 5xx\n";

    #[test]
    fn counts_what_was_answered_with_success() {
        assert!((successes(GOOD).unwrap() - 21_002.0).abs() < 0.5);
    }

    #[test]
    fn a_denied_or_failed_request_spoils_the_run() {
        for (from, to) in [
            ("0 4xx", "1 4xx"),
            ("0 failed", "2 failed"),
            ("21002 2xx", "0 2xx"),
        ] {
            assert!(successes(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn latency_is_the_third_column() {
        assert_eq!(
            latencies("1700000000000000\t200\t812\n1700000000000001\t200\t90\n"),
            [812.0, 90.0]
        );
    }
}
