//! `countersign policy test`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gateway_policy::cases::{self, TestReport};
use gateway_policy::diagnostic::{Code, Finding, Report};

use super::{Format, bundle};
use crate::exit;

/// What is to be tested.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the bundle.
    #[arg(value_name = "BUNDLE", default_value = ".")]
    bundle: PathBuf,
    /// Print how often each rule was met and how often it decided.
    #[arg(long)]
    coverage: bool,
    /// Drop each rule in turn; fail if no test notices.
    #[arg(long)]
    mutate: bool,
    /// How failures are written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Runs every test of the bundle.
///
/// # Errors
/// If the bundle cannot be read.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Some(bundle) = bundle::decoded(&arguments.bundle)? else {
        return Ok(exit::clean_if(false));
    };
    let tested = cases::run(&bundle);
    let survivors = if arguments.mutate {
        cases::survivors(&bundle)
    } else {
        Vec::new()
    };
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Human => {
            for failure in cases::failures(&bundle) {
                writeln!(out, "{failure}")?;
            }
            if arguments.coverage {
                print_coverage(&mut out, &tested)?;
            }
            for rule in &survivors {
                writeln!(
                    out,
                    "rule `{rule}` can be dropped and every test still passes"
                )?;
            }
            let failed = failed(&tested).count();
            writeln!(
                out,
                "{} passed, {failed} failed",
                tested.results.len() - failed
            )?;
        }
        Format::Json | Format::Sarif | Format::Junit | Format::Github => {
            let files = bundle::read(&arguments.bundle)?;
            write!(
                out,
                "{}",
                arguments.format.write(&findings(&tested), &files)
            )?;
        }
    }
    Ok(exit::clean_if(tested.is_success() && survivors.is_empty()))
}

fn failed(tested: &TestReport) -> impl Iterator<Item = &cases::TestResult> {
    tested
        .results
        .iter()
        .filter(|result| result.failure.is_some())
}

fn findings(tested: &TestReport) -> Report {
    let mut report = Report::new();
    for result in failed(tested) {
        let failure = result.failure.as_deref().unwrap_or_default();
        let message = format!("`{}` / `{}`: {failure}", result.suite, result.name);
        report.add(Finding::new(Code::GP602, message, result.location.clone()));
    }
    report
}

fn print_coverage(out: &mut impl Write, tested: &TestReport) -> Result<()> {
    let width = tested
        .coverage
        .keys()
        .map(String::len)
        .max()
        .unwrap_or_default();
    writeln!(out, "{:width$}  met  decided", "rule")?;
    for (rule, coverage) in &tested.coverage {
        writeln!(
            out,
            "{rule:width$}  {:>3}  {:>7}",
            coverage.matched, coverage.deciding
        )?;
    }
    Ok(())
}
