//! `countersign demo`: the gateway in front of a real API server, on one machine.
//!
//! For trying and developing. Nothing here is used by `countersign serve`.

mod check;
mod cluster;
mod files;
mod gateway;
mod issuer;
mod live;
mod pki;
mod process;
mod run;
mod seed;
mod tokens;
mod tour;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

/// What can be done with the demo.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything, print a guided tour, and run until Ctrl-C.
    Up(UpArguments),
    /// Start everything, walk the tour with kubectl, check every expectation, and stop.
    Check(UpArguments),
    /// Print a fresh token of a subject of the running demo.
    Token(tokens::TokenArguments),
    /// Serve the discovery document and the keys of the demo's issuer.
    Issuer(issuer::IssuerArguments),
}

/// How the demo is started.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Where the demo's files go; they are removed when it ends.
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    dir: PathBuf,
    /// The policy bundle to show; a copy of it is used.
    #[arg(long, value_name = "DIR", default_value = "policies/demo")]
    bundle: PathBuf,
    /// The program that `tests/cluster/build` makes.
    #[arg(long, value_name = "FILE", required_unless_present = "cluster")]
    cluster_program: Option<PathBuf>,
    /// Stand in front of the cluster of this kubeconfig, in a namespace of its own, instead of
    /// starting one. Asks before it writes there.
    #[arg(long, value_name = "KUBECONFIG", conflicts_with = "cluster_program")]
    cluster: Option<PathBuf>,
    /// Do not ask before writing to the cluster of `--cluster`.
    #[arg(long, requires = "cluster")]
    yes: bool,
    /// Keep the files when the demo ends.
    #[arg(long)]
    keep: bool,
}

/// Ends this process in order once standard input does, as a SIGTERM would. A child of the demo
/// thereby ends with its parent, however that ends.
pub(crate) fn stop_when_stdin_ends() {
    // A thread of its own: a runtime would wait for a read that may never return.
    std::thread::spawn(|| {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
    });
}

/// Runs one of them.
///
/// # Errors
/// If the machine or the cluster does not play along; the message says what to do.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = match command {
        Command::Up(arguments) => runtime.block_on(run::up(&arguments)),
        Command::Check(arguments) => runtime.block_on(run::check(&arguments)),
        Command::Token(arguments) => tokens::run(&arguments),
        Command::Issuer(arguments) => runtime.block_on(issuer::run(&arguments)),
    };
    // It may still wait for an answer that nobody needs any more.
    runtime.shutdown_background();
    outcome
}
