//! One run of the demo: start in order, show or check, stop in the reverse order.

use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::cluster::{self, Owner, Upstream};
use super::files::{Layout, write_private, write_script};
use super::gateway::{self, Addresses};
use super::pki::Authority;
use super::process::Part;
use super::tokens::{StaticToken, create_key};
use super::{UpArguments, check, issuer, seed, tour};
use crate::exit;

/// How often it is looked whether a part has ended by itself.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// What runs, and what has to be undone.
struct Demo {
    layout: Layout,
    /// Keeps other demos out of the directory.
    _lock: File,
    /// In the order of their start.
    parts: Vec<Part>,
    /// A user's cluster in which something was written.
    planted: Option<Upstream>,
}

/// What a started demo is made of.
struct Started {
    upstream: Upstream,
    addresses: Addresses,
}

/// What the user is told when the demo must not go on.
enum Outcome {
    Good,
    Bad,
    Declined,
}

/// `demo up`: shows, until Ctrl-C.
///
/// # Errors
/// If a part does not start, or ends by itself.
pub(super) async fn up(arguments: &UpArguments) -> Result<ExitCode> {
    run(arguments, Outcome::Good, async |demo, started| {
        tour::print(&demo.layout, &started.upstream, &started.addresses.gateway)?;
        demo.watch(&started.upstream).await
    })
    .await
}

/// `demo check`: walks the tour by script.
///
/// # Errors
/// If a part does not start, or ends by itself.
pub(super) async fn check(arguments: &UpArguments) -> Result<ExitCode> {
    run(arguments, Outcome::Bad, async |demo, started| {
        let good = check::walk(&demo.layout, &started.upstream, &started.addresses).await?;
        Ok(if good { Outcome::Good } else { Outcome::Bad })
    })
    .await
}

/// Starts, shows and stops; a signal ends it with `interrupted`.
async fn run(
    arguments: &UpArguments,
    interrupted: Outcome,
    show: impl AsyncFnOnce(&mut Demo, &Started) -> Result<Outcome>,
) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    if !arguments.bundle.join("bundle.kdl").is_file() {
        bail!(
            "`{}` is not a bundle; name one with `--bundle`",
            arguments.bundle.display()
        );
    }
    let layout = Layout::at(&arguments.dir)?;
    let lock = layout.claim()?;
    let mut demo = Demo {
        layout,
        _lock: lock,
        parts: Vec::new(),
        planted: None,
    };
    let work = async {
        let Some(started) = demo.start(arguments).await? else {
            return Ok(Outcome::Declined);
        };
        show(&mut demo, &started).await
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = signals.any() => Ok(interrupted),
    };
    let stopped = demo.stop(arguments.keep).await;
    let outcome = outcome?;
    stopped?;
    Ok(match outcome {
        Outcome::Good => ExitCode::SUCCESS,
        Outcome::Bad | Outcome::Declined => ExitCode::from(exit::FINDINGS),
    })
}

impl Demo {
    /// Starts everything; `None` if the user does not agree.
    async fn start(&mut self, arguments: &UpArguments) -> Result<Option<Started>> {
        let begin = Instant::now();
        self.write_program()?;
        let authority = Authority::new()?;
        write_private(&self.layout.path("pki/ca.crt"), authority.certificate())?;
        let Some(upstream) = self.reach_cluster(arguments).await? else {
            return Ok(None);
        };
        let (url, legacy) = self.start_issuer(&authority).await?;
        let issuers = gateway::write_bundle(&self.layout, &arguments.bundle, &url, upstream.owner)?;
        let serving = authority.serving("Countersign demo gateway")?;
        gateway::write_configuration(&self.layout, &upstream, &serving, &issuers, &legacy)?;

        if upstream.owner == Owner::User {
            self.planted = Some(upstream.clone());
        }
        seed::plant(&self.layout, &upstream)
            .await
            .context("cannot seed the cluster")?;
        say(&format!("seeded, {:.1} s", begin.elapsed().as_secs_f64()))?;
        let addresses = self.start_gateway().await?;
        gateway::write_kubeconfigs(&self.layout, &addresses.gateway, upstream.owner, &legacy)?;
        seed::grown(&self.layout, &upstream)
            .await
            .context("the demo's pods do not come up")?;
        self.write_ports(&upstream, &addresses, &url)?;
        say(&format!("ready, {:.1} s", begin.elapsed().as_secs_f64()))?;
        Ok(Some(Started {
            upstream,
            addresses,
        }))
    }

    /// Puts this program beside kubectl on the PATH of the tour.
    fn write_program(&self) -> Result<()> {
        let program = std::env::current_exe()?;
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", program.display());
        write_script(&self.layout.path("bin/countersign"), &script)
    }

    async fn reach_cluster(&mut self, arguments: &UpArguments) -> Result<Option<Upstream>> {
        match (&arguments.cluster, &arguments.cluster_program) {
            (Some(kubeconfig), _) => {
                let upstream = cluster::adopt(&self.layout, kubeconfig).await?;
                let agreed =
                    arguments.yes || cluster::ask(&upstream, &seed::manifests(&upstream)).await?;
                Ok(agreed.then_some(upstream))
            }
            (None, Some(program)) => {
                say("starting a Kubernetes API server with etcd, controllers and one node")?;
                self.parts.push(cluster::start(&self.layout, program)?);
                let part = self
                    .parts
                    .last_mut()
                    .context("the cluster was just started")?;
                Ok(Some(cluster::started(&self.layout, part).await?))
            }
            (None, None) => bail!("say which cluster: `--cluster-program` or `--cluster`"),
        }
    }

    async fn start_issuer(&mut self, authority: &Authority) -> Result<(String, StaticToken)> {
        let serving = authority.serving("Countersign demo issuer")?;
        write_private(&self.layout.path("pki/issuer.crt"), serving.certificate)?;
        write_private(&self.layout.path("pki/issuer.key"), serving.key)?;
        create_key(&self.layout)?;
        let legacy = StaticToken::new();
        legacy.write(&self.layout)?;
        self.parts.push(issuer::start(&self.layout)?);
        let part = self
            .parts
            .last_mut()
            .context("the issuer was just started")?;
        Ok((issuer::started(&self.layout, part).await?, legacy))
    }

    async fn start_gateway(&mut self) -> Result<Addresses> {
        self.parts.push(gateway::start(&self.layout)?);
        let part = self
            .parts
            .last_mut()
            .context("the gateway was just started")?;
        gateway::started(&self.layout, part).await
    }

    fn write_ports(&self, upstream: &Upstream, addresses: &Addresses, issuer: &str) -> Result<()> {
        let Addresses { gateway, admin } = addresses;
        let server = &upstream.server;
        write_private(
            &self.layout.path("ports.env"),
            format!("GATEWAY={gateway}\nADMIN={admin}\nAPISERVER={server}\nISSUER={issuer}\n"),
        )
    }

    /// Waits for ever, or until a part ends by itself.
    async fn watch(&mut self, upstream: &Upstream) -> Result<Outcome> {
        let parts = &mut self.parts;
        let ended = async {
            loop {
                for part in parts.iter_mut() {
                    part.still_runs()?;
                }
                sleep(WATCH_INTERVAL).await;
            }
        };
        tokio::select! {
            fault = cluster::keep_gateway_token(&self.layout, upstream) => fault.map(|()| Outcome::Bad),
            fault = ended => fault,
        }
    }

    /// Stops and removes everything, even if some of it does not want to.
    async fn stop(mut self, keep: bool) -> Result<()> {
        let mut outcome = Ok(());
        if let Some(upstream) = &self.planted {
            // Nobody may be reading any more, and that must not keep anything in the cluster.
            drop(say("removing the demo from the cluster"));
            outcome = outcome.and(seed::uproot(&self.layout, upstream).await);
        }
        while let Some(part) = self.parts.pop() {
            outcome = outcome.and(part.stop().await);
        }
        if !keep {
            outcome = outcome.and(self.layout.release());
        }
        outcome
    }
}

/// A line for whoever watches.
fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "demo: {line}")?)
}

/// Ctrl-C and its relatives. From here on they no longer end the program by themselves.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
            _ = self.hang_up.recv() => (),
        }
    }
}
