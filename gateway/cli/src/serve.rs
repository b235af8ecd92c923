//! `countersign serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gateway_server::StartFault;

use crate::exit;

/// How the gateway is started.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration file; docs/configuration.md explains each line.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Written once every listener accepts: the addresses as JSON.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    ready_file: Option<PathBuf>,
    /// Only say whether the configuration is in order; opens no socket.
    #[arg(long)]
    check: bool,
    /// Drain and stop when standard input ends.
    #[cfg(feature = "demo")]
    #[arg(long, hide = true)]
    stdin_eof_stops: bool,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// If the system gives no threads.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.check {
        return Ok(told(gateway_server::check(&arguments.config)));
    }
    #[cfg(feature = "demo")]
    if arguments.stdin_eof_stops {
        crate::demo::stop_when_stdin_ends();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ready_file = arguments.ready_file.as_deref();
    Ok(told(runtime.block_on(gateway_server::serve(
        &arguments.config,
        ready_file,
    ))))
}

fn told(outcome: Result<(), StartFault>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            #[expect(
                clippy::print_stderr,
                reason = "there is no log yet when the start fails"
            )]
            {
                eprintln!("{fault}");
            }
            ExitCode::from(exit::FINDINGS)
        }
    }
}
