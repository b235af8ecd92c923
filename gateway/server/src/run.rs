//! Start, run, drain.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use gateway_exchange::ClusterSnapshot;
use pingora_core::apps::HttpServerApp as _;
use pingora_core::connectors::http::Connector;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::http_proxy;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::account::Account;
use crate::admin::{self, AdminState};
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::config::{self, ClusterConfig, Config, UpstreamConfig};
use crate::fetch::{ClientTls, Fetcher};
use crate::keys::Keys;
use crate::known::KnownCallers;
use crate::proxy::{
    BodyBudget, Gateway, KillApp, Listener, LiveExchanges, Peers, TlsFiles, acceptor,
};
use crate::snapshot::{Publisher, Shown};
use crate::state::{State, UpstreamCluster};
use crate::telemetry::{Check, Metrics, PolicyStatus, Readiness, start_log};
use crate::upstream::kubeconfig::{Upstream, from_kubeconfig, in_cluster};
use crate::upstream::{CredentialSource, Discovery};

/// How often certificate files are looked at.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(2);
/// How often each API server is asked whether it answers, for readiness.
const REACHABILITY_INTERVAL: Duration = Duration::from_secs(5);
/// How often a cluster that serves custom kinds to somebody is asked again what it serves.
const SCOPES_INTERVAL: Duration = Duration::from_secs(30);
/// How often long exchanges are held against their ends.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);
/// BOUND: time for the last audit events after everything else has ended.
const AUDIT_FLUSH_MAX: Duration = Duration::from_secs(10);

/// Why the gateway does not start.
#[derive(Debug, Error)]
pub enum StartFault {
    /// The configuration file; the text is a whole report.
    #[error("{0}")]
    Config(String),
    /// A part of it cannot be used.
    #[error("{what}: {why}")]
    Part {
        /// Which part.
        what: String,
        /// Why.
        why: String,
    },
}

fn part(what: impl Into<String>, why: impl std::fmt::Display) -> StartFault {
    StartFault::Part {
        what: what.into(),
        why: why.to_string(),
    }
}

/// Checks the configuration without opening a socket.
///
/// # Errors
/// [`StartFault`] with everything that is wrong.
pub fn check(path: &Path) -> Result<(), StartFault> {
    let config = config::read(path).map_err(StartFault::Config)?;
    for (name, listener) in &config.listeners {
        acceptor(&listener.tls).map_err(|fault| part(format!("listen `{name}`"), fault))?;
    }
    for (name, cluster) in &config.clusters {
        upstream_of(cluster).map_err(|why| part(format!("cluster `{name}`"), why))?;
    }
    Ok(())
}

/// Runs until SIGTERM or SIGINT, then drains. The future must run on a multi-threaded runtime.
///
/// # Errors
/// [`StartFault`]: nothing was served.
pub async fn serve(path: &Path, ready_file: Option<&Path>) -> Result<(), StartFault> {
    let config = config::read(path).map_err(StartFault::Config)?;
    start_log(config.log_format, &config.log_filter).map_err(|fault| part("log", fault))?;
    // Pingora would install it too; first one wins.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a crypto provider is already installed");
    }
    let gateway = Running::start(config).await?;
    if let Some(path) = ready_file {
        gateway
            .announce(path)
            .map_err(|error| part("ready file", error))?;
    }
    let stopped = stop_signal(&gateway.state.audit)
        .await
        .map_err(|error| part("signals", error))?;
    tracing::info!(signal = stopped, "draining");
    gateway.drain().await;
    Ok(())
}

/// Waits for the order to stop. SIGHUP opens the audit file anew, for logrotate.
async fn stop_signal(audit: &AuditLog) -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok("SIGTERM"),
            _ = interrupt.recv() => return Ok("SIGINT"),
            _ = hang_up.recv() => match audit.reopen().await {
                Ok(()) => tracing::info!("audit log opened anew"),
                Err(fault) => tracing::error!(%fault, "audit log not opened anew"),
            },
        }
    }
}

struct Running {
    config: Config,
    state: Arc<State>,
    addresses: BTreeMap<String, SocketAddr>,
    admin: Option<SocketAddr>,
    shutdown: watch::Sender<bool>,
    apps: Vec<Arc<KillApp>>,
    connections: TaskTracker,
    background: TaskTracker,
    stop_background: tokio_util::sync::CancellationToken,
    writer: crate::audit::AuditWriter,
}

impl Running {
    async fn start(config: Config) -> Result<Self, StartFault> {
        let clock = Clock::start();
        let metrics = Metrics::new(Instant::now()).map_err(|fault| part("metrics", fault))?;
        let metrics = Arc::new(metrics);
        let readiness = Arc::new(Readiness::new());
        let (audit, writer) =
            AuditLog::start(config.audit.clone(), &metrics, Arc::clone(&readiness))
                .map_err(|fault| part("audit", fault))?;
        let upstreams = Arc::new(upstreams(&config, &readiness)?);
        let keys = Arc::new(Keys::new(
            config.issuers.clone(),
            clock,
            Arc::clone(&readiness),
            Arc::clone(&metrics),
        ));
        let live = Arc::new(LiveExchanges::default());
        let policy_status = Arc::new(PolicyStatus::new());
        let shown = Shown {
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            status: Arc::clone(&policy_status),
        };
        let publisher = Publisher::new(&config, Arc::clone(&keys), Arc::clone(&live), clock, shown);
        let snapshot = publisher.snapshot();
        publisher.look();
        let state = Arc::new(State {
            clock,
            snapshot,
            publisher: publisher.clone(),
            connector: Connector::new(None),
            body_budget: BodyBudget::new(),
            upstreams,
            callers: KnownCallers::default(),
            audit,
            live,
            account: Account::new(&metrics, config.clusters.keys()),
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            reviewers: config
                .issuers
                .iter()
                .filter_map(|(name, issuer)| Some((name.clone(), issuer.token_review.clone()?)))
                .collect(),
        });
        let mut running = Self {
            addresses: BTreeMap::new(),
            admin: None,
            shutdown: watch::Sender::new(false),
            apps: Vec::new(),
            connections: TaskTracker::new(),
            background: TaskTracker::new(),
            stop_background: tokio_util::sync::CancellationToken::new(),
            writer,
            config,
            state,
        };
        running.follow(&publisher, &keys);
        running.listen().await?;
        running
            .serve_admin(AdminState {
                metrics,
                readiness,
                policy: policy_status,
            })
            .await?;
        running.state.readiness.set(&Check::Serving, Ok(()));
        Ok(running)
    }

    /// A background task that ends with the gateway.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop_background.clone();
        self.background.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    fn follow(&self, publisher: &Publisher, keys: &Arc<Keys>) {
        self.spawn(Arc::clone(keys).run());
        self.spawn(publisher.clone().follow_directory());
        self.spawn(publisher.clone().follow_keys());
        self.spawn(publisher.clone().follow_time());
        for (name, upstream) in self.state.upstreams.iter() {
            self.spawn(upstream.credential.clone().follow());
            self.spawn(watch_reachability(
                name.clone(),
                upstream.discovery.clone(),
                Arc::clone(&self.state.readiness),
            ));
        }
        for name in self.state.upstreams.keys() {
            self.spawn(follow_scopes(name.clone(), Arc::clone(&self.state)));
        }
        let state = Arc::clone(&self.state);
        self.spawn(async move {
            loop {
                tokio::time::sleep(EXPIRY_INTERVAL).await;
                let now = state.clock.micros();
                state.live.review(|long| long.ended_at(now));
            }
        });
    }

    async fn listen(&mut self) -> Result<(), StartFault> {
        let connections = Arc::new(Semaphore::new(self.config.connections_max));
        let conf = Arc::new(ServerConf::default());
        for (name, listener) in &self.config.listeners {
            let what = || format!("listen `{name}`");
            let loaded = acceptor(&listener.tls).map_err(|fault| part(what(), fault))?;
            let current = Arc::new(ArcSwap::from_pointee(loaded));
            self.spawn(follow_certificates(
                listener.tls.clone(),
                Arc::clone(&current),
            ));
            let socket = TcpListener::bind(listener.address).await.map_err(|error| {
                part(what(), format!("cannot bind {}: {error}", listener.address))
            })?;
            let address = socket.local_addr().map_err(|error| part(what(), error))?;
            self.addresses.insert(name.clone(), address);
            let gateway = Gateway {
                state: Arc::clone(&self.state),
                cluster: listener.cluster.clone(),
            };
            let app = Arc::new(KillApp::new(http_proxy(&conf, gateway), &self.state));
            self.apps.push(Arc::clone(&app));
            let accept = Listener {
                socket,
                acceptor: current,
                app,
                connections: Arc::clone(&connections),
                metrics: Arc::clone(&self.state.metrics),
            };
            let (shutdown, tracker) = (self.shutdown.subscribe(), self.connections.clone());
            self.connections.spawn(accept.run(shutdown, tracker));
            tracing::info!(listener = name, %address, "listening");
        }
        Ok(())
    }

    async fn serve_admin(&mut self, state: AdminState) -> Result<(), StartFault> {
        let Some(address) = self.config.admin else {
            return Ok(());
        };
        let socket = TcpListener::bind(address)
            .await
            .map_err(|error| part("admin", format!("cannot bind {address}: {error}")))?;
        self.admin = Some(socket.local_addr().map_err(|error| part("admin", error))?);
        let stop = self.stop_background.clone();
        self.background.spawn(async move {
            admin::serve(socket, state, async move { stop.cancelled().await }).await;
        });
        Ok(())
    }

    /// Written by rename, so that a reader never sees half of it.
    fn announce(&self, path: &Path) -> std::io::Result<()> {
        let listen: BTreeMap<&String, String> = self
            .addresses
            .iter()
            .map(|(name, address)| (name, address.to_string()))
            .collect();
        let text = serde_json::json!({
            "listen": listen,
            "admin": self.admin.map(|address| address.to_string()),
            "pid": std::process::id(),
        });
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, format!("{text}\n"))?;
        fs::rename(temporary, path)
    }

    /// Unready, then no new connections, then what is under way ends by itself or at the deadline.
    async fn drain(self) {
        self.state
            .readiness
            .set(&Check::Serving, Err("the gateway drains".to_owned()));
        tokio::time::sleep(self.config.ready_delay).await;
        self.shutdown.send_replace(true);
        for app in &self.apps {
            app.http_cleanup().await;
        }
        self.connections.close();
        let deadline = self.config.drain_deadline;
        if tokio::time::timeout(deadline, self.connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(exchanges = self.state.live.count(), "drain deadline passed");
            self.state.live.end_all();
            if tokio::time::timeout(Duration::from_secs(2), self.connections.wait())
                .await
                .is_err()
            {
                tracing::warn!("connections left open");
            }
        }
        self.stop_background.cancel();
        self.background.close();
        if tokio::time::timeout(Duration::from_secs(2), self.background.wait())
            .await
            .is_err()
        {
            tracing::warn!("background tasks left running");
        }
        match tokio::time::timeout(AUDIT_FLUSH_MAX, self.writer.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::error!(%fault, "audit log not closed"),
            Err(_elapsed) => tracing::error!("audit log not closed in time"),
        }
        tracing::info!("stopped");
    }
}

fn upstream_of(cluster: &ClusterConfig) -> Result<Upstream, String> {
    match &cluster.upstream {
        UpstreamConfig::Kubeconfig(path, context) => {
            from_kubeconfig(path, context.as_deref()).map_err(|fault| fault.to_string())
        }
        UpstreamConfig::InCluster => {
            let host = std::env::var("KUBERNETES_SERVICE_HOST");
            let port = std::env::var("KUBERNETES_SERVICE_PORT");
            match (host, port) {
                (Ok(host), Ok(port)) => {
                    let host = if host.contains(':') {
                        format!("[{host}]")
                    } else {
                        host
                    };
                    in_cluster(&format!("{host}:{port}")).map_err(|fault| fault.to_string())
                }
                _ => Err(
                    "`in-cluster` works only in a pod: KUBERNETES_SERVICE_HOST and _PORT are \
                          not set"
                        .to_owned(),
                ),
            }
        }
    }
}

fn upstreams(
    config: &Config,
    readiness: &Readiness,
) -> Result<BTreeMap<String, Arc<UpstreamCluster>>, StartFault> {
    let mut found = BTreeMap::new();
    for (name, cluster) in &config.clusters {
        let what = || format!("cluster `{name}`");
        let upstream = upstream_of(cluster).map_err(|why| part(what(), why))?;
        let credential =
            CredentialSource::new(&upstream.credential).map_err(|why| part(what(), why))?;
        let tls = ClientTls {
            authorities: upstream.endpoint.authorities.clone(),
            identity: upstream.endpoint.client.clone(),
        };
        let fetcher = Fetcher::new(&tls).map_err(|fault| part(what(), fault))?;
        let authority = upstream.endpoint.authority.clone();
        let discovery = Discovery::new(fetcher, authority, credential.clone());
        readiness.expect(&Check::Upstream(name.clone()));
        let peers = Peers::new(&upstream.endpoint);
        found.insert(
            name.clone(),
            Arc::new(UpstreamCluster {
                peers,
                credential,
                discovery,
            }),
        );
    }
    Ok(found)
}

/// Keeps what is known of custom kinds fresh, once somebody has asked for one (K-11.5).
async fn follow_scopes(cluster: String, state: Arc<State>) {
    loop {
        tokio::time::sleep(SCOPES_INTERVAL).await;
        let snapshot = state.snapshot.load_full();
        let is_used = |known: &Arc<ClusterSnapshot>| !known.scopes.is_empty();
        if snapshot.clusters.get(&cluster).is_some_and(is_used) {
            state.resolve_scope(&cluster).await;
        }
    }
}

async fn watch_reachability(name: String, discovery: Discovery, readiness: Arc<Readiness>) {
    loop {
        readiness.set(&Check::Upstream(name.clone()), discovery.reachable().await);
        tokio::time::sleep(REACHABILITY_INTERVAL).await;
    }
}

/// Swaps the acceptor when the files change and are good; connections under way keep theirs.
async fn follow_certificates(files: TlsFiles, current: Arc<ArcSwap<Acceptor>>) {
    let mut seen = stamp(&files);
    loop {
        tokio::time::sleep(CERTIFICATE_INTERVAL).await;
        let now = stamp(&files);
        if now == seen {
            continue;
        }
        match acceptor(&files) {
            Ok(fresh) => {
                current.store(Arc::new(fresh));
                seen = now;
                tracing::info!(certificate = %files.certificate.display(), "certificate swapped");
            }
            // A half-written pair is looked at again.
            Err(fault) => tracing::warn!(%fault, "certificate not swapped"),
        }
    }
}

fn stamp(files: &TlsFiles) -> Vec<Option<Vec<u8>>> {
    [
        Some(&files.certificate),
        Some(&files.key),
        files.client_ca.as_ref(),
    ]
    .into_iter()
    .map(|path| path.and_then(|path| fs::read(path).ok()))
    .collect()
}
