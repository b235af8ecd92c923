//! The `countersign` program: serves, checks and explains policy, shows itself.

#![forbid(unsafe_code)]

#[cfg(feature = "demo")]
mod demo;
mod policy;
#[cfg(feature = "server")]
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

// Measured against the system's allocator: ADR 0009.
#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An access gateway between agents and Kubernetes: proves who calls, decides by policy, forwards
/// as that caller, and writes down what happened.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    max_term_width = 100,
    propagate_version = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    #[cfg(feature = "server")]
    Serve(serve::Arguments),
    /// Check, test, format and ask policy bundles; needs no cluster and no network.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Show the gateway in front of a cluster on this machine; for trying and developing only.
    #[cfg(feature = "demo")]
    #[command(subcommand)]
    Demo(demo::Command),
}

/// How every command ends, where it does not say otherwise itself.
mod exit {
    use std::process::ExitCode;

    /// Why the program did not even begin: what was typed asks for nothing that can be done.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot do that")]
    pub(crate) struct Usage;

    /// Findings, a failed test, a denied request.
    pub(crate) const FINDINGS: u8 = 1;
    /// See [`Usage`]; clap uses the same.
    pub(crate) const USAGE: u8 = 2;
    /// The program's own fault, or the machine's.
    pub(crate) const INTERNAL: u8 = 3;

    /// Clean, or findings.
    pub(crate) fn clean_if(good: bool) -> ExitCode {
        if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FINDINGS)
        }
    }
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        #[cfg(feature = "server")]
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Policy(command) => policy::run(&command),
        #[cfg(feature = "demo")]
        Command::Demo(command) => demo::run(command),
    };
    outcome.unwrap_or_else(|error| {
        #[expect(
            clippy::print_stderr,
            reason = "the last words of a program that failed"
        )]
        {
            eprintln!("countersign: {error:#}");
        }
        ExitCode::from(if error.is::<exit::Usage>() {
            exit::USAGE
        } else {
            exit::INTERNAL
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::CommandLine;

    #[test]
    fn describes_a_consistent_command_line() {
        CommandLine::command().debug_assert();
    }

    /// `--help` of a command, as a terminal of 100 columns shows it.
    fn help(words: &[&str]) -> String {
        let mut command = CommandLine::command().term_width(100);
        command.build();
        let found = words.iter().try_fold(&mut command, |command, word| {
            command.find_subcommand_mut(word)
        });
        found.unwrap().render_long_help().to_string()
    }

    #[test]
    fn explains_every_policy_command() {
        for command in ["init", "check", "test", "fmt", "explain", "can-i"] {
            insta::assert_snapshot!(format!("help_policy_{command}"), help(&["policy", command]));
        }
        insta::assert_snapshot!("help_policy", help(&["policy"]));
    }

    #[cfg(feature = "demo")]
    #[test]
    fn explains_every_demo_command() {
        for command in ["up", "check", "token", "issuer"] {
            insta::assert_snapshot!(format!("help_demo_{command}"), help(&["demo", command]));
        }
        insta::assert_snapshot!("help_demo", help(&["demo"]));
    }

    #[cfg(feature = "server")]
    #[test]
    fn explains_serve() {
        insta::assert_snapshot!("help_serve", help(&["serve"]));
    }

    #[cfg(all(feature = "demo", feature = "server"))]
    #[test]
    fn explains_itself() {
        insta::assert_snapshot!("help", help(&[]));
    }
}
