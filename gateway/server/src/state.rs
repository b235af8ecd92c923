//! What all listeners share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use gateway_audit::Event;
use gateway_exchange::{
    Answer, Closing, Exchange, Input, KnownCaller, Output, RequestHead, Snapshot,
};
use gateway_identity::CacheKey;
use http::{HeaderValue, StatusCode};
use pingora_core::connectors::http::Connector;
use uuid::Uuid;

use crate::account::Account;
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::known::{KnownCallers, credential_key};
use crate::proxy::{BodyBudget, LiveExchanges, Peers};
use crate::snapshot::Publisher;
use crate::telemetry::{Metrics, Phase, Readiness};
use crate::upstream::{CredentialSource, Discovery};

/// One API server, ready to be used.
pub(crate) struct UpstreamCluster {
    pub(crate) peers: Peers,
    pub(crate) credential: CredentialSource,
    pub(crate) discovery: Discovery,
}

impl UpstreamCluster {
    /// The gateway's own `Authorization`, if it has one.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        self.credential.bearer()
    }
}

/// Shared by every hook of every listener.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) publisher: Publisher,
    pub(crate) connector: Connector,
    pub(crate) body_budget: Arc<BodyBudget>,
    pub(crate) upstreams: Arc<BTreeMap<String, Arc<UpstreamCluster>>>,
    pub(crate) callers: KnownCallers,
    pub(crate) audit: AuditLog,
    pub(crate) live: Arc<LiveExchanges>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) account: Account,
    pub(crate) readiness: Arc<Readiness>,
    /// Which cluster reviews the tokens of an issuer block.
    pub(crate) reviewers: BTreeMap<String, String>,
}

impl State {
    /// A fresh exchange on the current snapshot.
    pub(crate) fn begin(&self) -> Exchange {
        // Version 7: ids sort by time in logs.
        let id = Uuid::now_v7().to_string();
        Exchange::new(id, self.snapshot.load_full(), self.clock.micros())
    }

    pub(crate) fn upstream(&self, cluster: &str) -> Option<Arc<UpstreamCluster>> {
        self.upstreams.get(cluster).cloned()
    }

    /// What is remembered of a credential.
    pub(crate) fn known(&self, key: Option<CacheKey>) -> Option<Arc<KnownCaller>> {
        self.callers.find(key?)
    }

    /// Walks an exchange by one step; remembers a caller that it proves and how long that took.
    pub(crate) fn step(&self, exchange: &mut Exchange, input: Input, walk: Walk) -> Output {
        let begun = Instant::now();
        let output = exchange.handle(input, self.clock.now());
        if let Some(proven) = exchange.take_proven() {
            if let Some(key) = walk.key {
                self.callers.remember(key, proven);
            }
            let time = walk.begun.elapsed();
            self.metrics.took(Phase::Authenticate, time);
        } else if is_decided(&output, exchange) {
            self.metrics.took(Phase::Judge, begun.elapsed());
        }
        output
    }

    pub(crate) async fn fetch_keys(&self, issuer: &str) -> Arc<Snapshot> {
        self.publisher.fetch_keys(issuer).await;
        self.snapshot.load_full()
    }

    pub(crate) async fn review_token(
        &self,
        issuer: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let cluster = self
            .reviewers
            .get(issuer)
            .and_then(|cluster| self.upstream(cluster));
        match cluster {
            Some(upstream) => upstream.discovery.review_token(body).await,
            None => Err(format!(
                "issuer `{issuer}` has no `token-review` in the configuration"
            )),
        }
    }

    pub(crate) async fn resolve_scope(&self, cluster: &str) -> Arc<Snapshot> {
        if let Some(upstream) = self.upstream(cluster) {
            let tell = |scopes| self.publisher.learn_scopes(cluster, scopes);
            if let Err(why) = upstream.discovery.refresh(tell).await {
                tracing::warn!(k8s.cluster = cluster, why, "discovery failed");
            }
        }
        self.snapshot.load_full()
    }

    /// Stores an event; `durable` waits for the disk.
    pub(crate) async fn record(&self, event: &Event, durable: bool) -> Result<(), String> {
        let started = Instant::now();
        let stored = if durable {
            self.audit.submit_durable(event).await
        } else {
            self.audit.submit(event).await
        };
        self.metrics.took(Phase::Audit, started.elapsed());
        stored.map_err(|fault| fault.to_string())
    }

    /// Hands over an event that nothing waits for any more: the answer is under way or done.
    pub(crate) fn submit(&self, event: &Event) {
        self.audit.submit_terminal(event);
    }

    /// An exchange is over: its terminal event, its counters, its line in the log.
    pub(crate) fn close(&self, exchange: &mut Exchange, closing: Closing) {
        let now = self.clock.micros();
        if let Some(event) = exchange.close(closing, now) {
            self.submit(&event);
            self.account.finished(&exchange.summary(), closing, now);
        }
    }
}

/// One exchange on its way to a decision.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    /// Under what its caller is remembered.
    pub(crate) key: Option<CacheKey>,
    begun: Instant,
}

impl Walk {
    /// Begins with the head.
    pub(crate) fn of(head: &RequestHead) -> Self {
        Self {
            begun: Instant::now(),
            key: credential_key(head),
        }
    }
}

/// Policy has spoken in this step.
fn is_decided(output: &Output, exchange: &Exchange) -> bool {
    match output {
        Output::Record { .. } => true,
        Output::Refuse(_) => exchange.summary().answer == Some(Answer::Deny),
        Output::Ask(_) | Output::Forward(_) => false,
    }
}
