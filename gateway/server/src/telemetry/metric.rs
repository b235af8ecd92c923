//! Every metric of the process. Handles are made once, at start or when a cluster or issuer is
//! configured; `docs/metrics.md` is the golden list.

mod family;
mod make;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{Encoder as _, Gauge, GaugeVec, Histogram, IntCounter};
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};
use thiserror::Error;

use family::{Counters, Gauges, Histograms};
use make::Make;

use super::label::{
    AuthenticationFailure, CodeClass, ConnectionRejection, Fetch, Label, Phase, Reason, Reload,
    SessionKind, Unmaskable, UpstreamResult, VerbClass,
};

/// Every handle, and the registry behind `/metrics`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    decisions: Counters<Reason>,
    phases: Histograms<Phase>,
    authentication_failures: Counters<AuthenticationFailure>,
    connection_rejections: Counters<ConnectionRejection>,
    unread_heads: IntCounter,
    reloads: Counters<Reload>,
    sessions: Gauges<SessionKind>,
    exchanges: IntGauge,
    watches: IntGauge,
    connections: IntGauge,
    upstream_requests: IntCounterVec,
    upstream_connections: IntCounterVec,
    masked_values: IntCounterVec,
    masked_bytes: IntCounterVec,
    unmaskable: Counters<Unmaskable>,
    jwks_fetches: IntCounterVec,
    jwks_age: GaugeVec,
    bundle_info: IntGaugeVec,
    bundle_age: Gauge,
    ready: IntGauge,
    audit: AuditMetrics,
    ages: Mutex<Ages>,
}

/// Instants whose age is worked out when metrics are read.
#[derive(Debug)]
struct Ages {
    published_at: Instant,
    fetched_at: BTreeMap<String, Instant>,
}

/// Why metrics cannot be made or read.
#[derive(Debug, Error)]
#[error("metrics cannot be registered or written: {0}")]
pub struct MetricsFault(#[from] prometheus::Error);

impl Metrics {
    /// Makes and registers every metric. Ages count from `now` until there is something younger.
    ///
    /// # Errors
    ///
    /// If two metrics have one name, which the tests rule out.
    pub fn new(now: Instant) -> Result<Self, MetricsFault> {
        let registry = Registry::new();
        let make = Make(&registry);
        make.process()?;
        make.build_info()?;
        Ok(Self {
            requests: make.counters(
                "requests_total",
                "Requests by cluster, what they wanted and the class of the answer's status code.",
                &["cluster", "verb", "code"],
            )?,
            decisions: make.decisions()?,
            phases: make.phases()?,
            authentication_failures: make.counters_of(
                "authentication_failures_total",
                "Requests whose credential proved no caller, by reason.",
                "reason",
            )?,
            connection_rejections: make.counters_of(
                "connections_rejected_total",
                "Downstream connections closed before their first request, by reason.",
                "reason",
            )?,
            unread_heads: make.unread_heads()?,
            reloads: make.counters_of(
                "bundle_reloads_total",
                "Looks at the policy source, by result.",
                "result",
            )?,
            sessions: make.sessions()?,
            exchanges: make.exchanges()?,
            watches: make.gauge("watches", "Watches that are open.")?,
            connections: make.gauge("connections", "Downstream connections that are open.")?,
            upstream_requests: make.counters(
                "upstream_requests_total",
                "Requests sent to API servers, by cluster and how they ended.",
                &["cluster", "result"],
            )?,
            upstream_connections: make.counters(
                "upstream_connections_total",
                "Connections made to API servers for requests.",
                &["cluster"],
            )?,
            masked_values: make.masked_values()?,
            masked_bytes: make.masked_bytes()?,
            unmaskable: make.unmaskable()?,
            jwks_fetches: make.counters(
                "jwks_fetches_total",
                "Fetches of issuer keys, by issuer and result.",
                &["issuer", "result"],
            )?,
            jwks_age: make.jwks_age()?,
            bundle_info: make.gauges(
                "bundle_active_info",
                "The active bundle by its digest: one series of value 1, none before the first.",
                &["digest"],
            )?,
            bundle_age: make.float_gauge(
                "bundle_age_seconds",
                "Seconds since the active bundle was published; since the start, if none was.",
            )?,
            ready: make.gauge("ready", "1 if every readiness check holds.")?,
            audit: make.audit()?,
            ages: Mutex::new(Ages {
                published_at: now,
                fetched_at: BTreeMap::new(),
            }),
            registry,
        })
    }

    /// A decision was made.
    pub fn decided(&self, reason: Reason) {
        self.decisions.increment(reason);
    }

    /// A part of an exchange took this long.
    pub fn took(&self, phase: Phase, time: Duration) {
        self.phases.observe(phase, time);
    }

    /// A credential proved no caller.
    pub fn authentication_failed(&self, reason: AuthenticationFailure) {
        self.authentication_failures.increment(reason);
    }

    /// A connection was closed before its first request.
    pub fn connection_rejected(&self, reason: ConnectionRejection) {
        self.connection_rejections.increment(reason);
    }

    /// A request's head could not be read.
    pub fn head_unread(&self) {
        self.unread_heads.inc();
    }

    /// An answer could not be given masked.
    pub fn unmaskable(&self, cause: Unmaskable) {
        self.unmaskable.increment(cause);
    }

    /// Counts a downstream connection until the value is dropped.
    #[must_use]
    pub fn connection(&self) -> Live {
        Live::new(&self.connections)
    }

    /// Counts an exchange until the value is dropped.
    #[must_use]
    pub fn exchange(&self) -> Live {
        Live::new(&self.exchanges)
    }

    /// Counts a watch until the value is dropped.
    #[must_use]
    pub fn watch(&self) -> Live {
        Live::new(&self.watches)
    }

    /// Counts a session until the value is dropped.
    #[must_use]
    pub fn session(&self, kind: SessionKind) -> Live {
        self.sessions.enter(kind)
    }

    /// The policy source was looked at.
    pub fn reloaded(&self, result: Reload) {
        self.reloads.increment(result);
    }

    /// The bundle of this digest is active from `now` on.
    pub fn published(&self, digest: &str, now: Instant) {
        self.bundle_info.reset();
        self.bundle_info.with_label_values(&[digest]).set(1);
        self.with_ages(|ages| ages.published_at = now);
    }

    /// The handles of one cluster. `name` comes from the configuration.
    #[must_use]
    pub fn for_cluster(&self, name: &str) -> ClusterMetrics {
        ClusterMetrics {
            requests: VerbClass::ALL
                .iter()
                .map(|verb| {
                    Counters::new(|code: CodeClass| {
                        self.requests
                            .with_label_values(&[name, verb.as_str(), code.as_str()])
                    })
                })
                .collect(),
            upstream: Counters::new(|result: UpstreamResult| {
                self.upstream_requests
                    .with_label_values(&[name, result.as_str()])
            }),
            connections: self.upstream_connections.with_label_values(&[name]),
            masked_values: self.masked_values.with_label_values(&[name]),
            masked_bytes: self.masked_bytes.with_label_values(&[name]),
        }
    }

    /// The handles of requests that named no cluster.
    #[must_use]
    pub fn for_no_cluster(&self) -> ClusterMetrics {
        self.for_cluster("")
    }

    /// The handles of one issuer. `name` comes from the bundle.
    #[must_use]
    pub fn for_issuer(self: &Arc<Self>, name: &str, now: Instant) -> IssuerMetrics {
        self.with_ages(|ages| {
            ages.fetched_at.entry(name.to_owned()).or_insert(now);
        });
        IssuerMetrics {
            metrics: Arc::clone(self),
            name: name.to_owned(),
            fetches: Counters::new(|result: Fetch| {
                self.jwks_fetches
                    .with_label_values(&[name, result.as_str()])
            }),
        }
    }

    /// Forgets every issuer that is not named: a bundle may have dropped it.
    pub fn keep_issuers(&self, names: &[&str]) {
        self.with_ages(|ages| {
            let is_kept = |name: &String| names.contains(&name.as_str());
            for name in ages.fetched_at.keys().filter(|name| !is_kept(name)) {
                for result in Fetch::ALL {
                    // It fails only where there is nothing to remove.
                    drop(
                        self.jwks_fetches
                            .remove_label_values(&[name, result.as_str()]),
                    );
                }
            }
            ages.fetched_at.retain(|name, _| is_kept(name));
        });
    }

    /// The handles of the audit log.
    #[must_use]
    pub const fn audit(&self) -> &AuditMetrics {
        &self.audit
    }

    /// The exposition text at `now`.
    ///
    /// # Errors
    ///
    /// If the registry cannot be written.
    pub fn render(&self, is_ready: bool, now: Instant) -> Result<Vec<u8>, MetricsFault> {
        self.ready.set(i64::from(is_ready));
        self.with_ages(|ages| {
            self.bundle_age.set(seconds_since(ages.published_at, now));
            self.jwks_age.reset();
            for (issuer, fetched_at) in &ages.fetched_at {
                let age = seconds_since(*fetched_at, now);
                self.jwks_age.with_label_values(&[issuer]).set(age);
            }
        });
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// The content type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    fn with_ages<T>(&self, work: impl FnOnce(&mut Ages) -> T) -> T {
        // Each change is one assignment, so what a panicking thread left behind is whole.
        work(&mut self.ages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn seconds_since(then: Instant, now: Instant) -> f64 {
    now.saturating_duration_since(then).as_secs_f64()
}

/// The handles of one cluster.
#[derive(Debug, Clone)]
pub struct ClusterMetrics {
    requests: Vec<Counters<CodeClass>>,
    upstream: Counters<UpstreamResult>,
    connections: IntCounter,
    masked_values: IntCounter,
    masked_bytes: IntCounter,
}

impl ClusterMetrics {
    /// A request was answered, or its downstream went away.
    pub fn answered(&self, verb: VerbClass, code: CodeClass) {
        if let Some(codes) = self.requests.get(verb.index()) {
            codes.increment(code);
        }
    }

    /// A request upstream ended.
    pub fn upstream_ended(&self, result: UpstreamResult) {
        self.upstream.increment(result);
    }

    /// An answer under masks is over.
    pub fn masked(&self, values: u64, bytes: u64) {
        self.masked_values.inc_by(values);
        self.masked_bytes.inc_by(bytes);
    }

    /// A connection to the API server was made.
    pub fn upstream_connected(&self) {
        self.connections.inc();
    }
}

/// The handles of one issuer.
#[derive(Debug, Clone)]
pub struct IssuerMetrics {
    metrics: Arc<Metrics>,
    name: String,
    fetches: Counters<Fetch>,
}

impl IssuerMetrics {
    /// The issuer's keys were fetched.
    pub fn fetched(&self, now: Instant) {
        self.fetches.increment(Fetch::Fetched);
        self.metrics.with_ages(|ages| {
            // Not inserted anew: the issuer may have been dropped while the fetch was under way.
            if let Some(fetched_at) = ages.fetched_at.get_mut(&self.name) {
                *fetched_at = now;
            }
        });
    }

    /// The issuer's keys could not be fetched.
    pub fn failed(&self) {
        self.fetches.increment(Fetch::Failed);
    }
}

/// The handles of the audit log.
#[derive(Debug, Clone)]
pub struct AuditMetrics {
    /// Events that wait for the writer.
    pub(crate) queue_length: IntGauge,
    /// Time to write and sync one batch.
    pub(crate) write_seconds: Histogram,
    /// Events written.
    pub(crate) events: IntCounter,
    /// Events that were not stored.
    pub(crate) lost: IntCounter,
    /// Failed attempts to write.
    pub(crate) failures: IntCounter,
    /// 1 while the sink takes events.
    pub(crate) writable: IntGauge,
}

/// Counts something for as long as it lives, on every path out.
#[derive(Debug)]
pub struct Live(Option<IntGauge>);

impl Live {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(Some(gauge.clone()))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.dec();
        }
    }
}

#[cfg(test)]
mod tests;
