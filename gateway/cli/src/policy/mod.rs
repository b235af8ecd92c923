//! `countersign policy`: for those who write bundles. Needs no cluster, no network and no secret.

mod ask;
mod bundle;
mod check;
mod format;
mod init;
mod request;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use gateway_policy::diagnostic::{self, Report};
use gateway_policy::source::Files;

/// What can be done with a bundle.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a starter bundle into an empty directory.
    Init(init::Arguments),
    /// Report every fault of every file in one run.
    Check(check::Arguments),
    /// Run the bundle's own tests.
    Test(test::Arguments),
    /// Write every file in its canonical layout; comments are kept.
    Fmt(format::Arguments),
    /// Say why a request is allowed or denied, rule by rule and line by line.
    Explain(ask::ExplainArguments),
    /// Say whether a subject may do something, what it may do, or who may do it.
    CanI(ask::CanIArguments),
}

/// How findings are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people, with the lines in question.
    Human,
    /// For programs; stable.
    Json,
    /// For code scanning.
    Sarif,
    /// For CI systems that read test reports.
    Junit,
    /// As annotations of a GitHub pull request.
    Github,
}

impl Format {
    fn write(self, report: &Report, files: &Files) -> String {
        match self {
            Self::Human => diagnostic::human(report, files),
            Self::Json => diagnostic::json(report, files),
            Self::Sarif => diagnostic::sarif(report, files),
            Self::Junit => diagnostic::junit(report),
            Self::Github => diagnostic::github(report, files),
        }
    }
}

/// Runs one of them.
///
/// # Errors
/// If the bundle cannot be read, or the question is none.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Init(arguments) => init::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Fmt(arguments) => format::run(arguments),
        Command::Explain(arguments) => ask::explain(arguments),
        Command::CanI(arguments) => ask::can_i(arguments),
    }
}
