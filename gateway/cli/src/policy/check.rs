//! `countersign policy check`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gateway_policy::check::check;
use jiff::Timestamp;

use super::{Format, bundle};
use crate::exit;

/// What is to be checked.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the bundle.
    #[arg(value_name = "BUNDLE", default_value = ".")]
    bundle: PathBuf,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Prints every finding; fails as the bundle's `lint` says.
///
/// # Errors
/// If the bundle cannot be read.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let files = bundle::read(&arguments.bundle)?;
    let checked = check(&files, Timestamp::now());
    let text = arguments.format.write(&checked.report, &files);
    write!(std::io::stdout().lock(), "{text}")?;
    Ok(exit::clean_if(!checked.fails))
}
