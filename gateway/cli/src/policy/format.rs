//! `countersign policy fmt`.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use gateway_policy::diagnostic::human;
use gateway_policy::format::{FormatFault, format, is_formattable};
use gateway_policy::source::Files;

use super::bundle;
use crate::exit;

/// What is to be formatted.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the bundle.
    #[arg(value_name = "BUNDLE", default_value = ".")]
    bundle: PathBuf,
    /// Write nothing; name the files that would change, and fail if there are any.
    #[arg(long)]
    check: bool,
}

/// Formats every file, or says which are not in order.
///
/// # Errors
/// If a file cannot be read or written.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let files = bundle::read(&arguments.bundle)?;
    let mut clean = true;
    let mut out = std::io::stdout().lock();
    for (path, bytes) in files.iter().filter(|(path, _)| is_formattable(path)) {
        match format(path, bytes) {
            Ok(text) if text.as_bytes() == bytes => (),
            Ok(_) if arguments.check => {
                clean = false;
                writeln!(
                    out,
                    "{path}: not in canonical layout; run `countersign policy fmt`"
                )?;
            }
            Ok(text) => {
                let target = arguments.bundle.join(path);
                fs::write(&target, text)
                    .with_context(|| format!("cannot write `{}`", target.display()))?;
                writeln!(out, "{path}: formatted")?;
            }
            Err(fault) => {
                clean = false;
                write!(out, "{}", told(path, &fault, &files))?;
            }
        }
    }
    Ok(exit::clean_if(clean))
}

fn told(path: &str, fault: &FormatFault, files: &Files) -> String {
    match fault {
        FormatFault::Unreadable(report) => human(report, files),
        FormatFault::Changed => format!("{path}: {fault}\n"),
    }
}
