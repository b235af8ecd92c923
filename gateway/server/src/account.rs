//! What each finished exchange leaves behind: one log line, counters, its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_exchange::{Answer, Closing, Summary, UnmaskableCause};

use crate::telemetry::{
    AuthenticationFailure, ClusterMetrics, CodeClass, Metrics, Phase, Reason, Unmaskable,
    UpstreamResult, VerbClass,
};

/// Counts finished exchanges. Handles are made at the start: nothing is looked up by text.
#[derive(Debug)]
pub(crate) struct Account {
    metrics: Arc<Metrics>,
    clusters: BTreeMap<String, ClusterMetrics>,
    no_cluster: ClusterMetrics,
}

impl Account {
    pub(crate) fn new<'a>(
        metrics: &Arc<Metrics>,
        clusters: impl Iterator<Item = &'a String>,
    ) -> Self {
        Self {
            clusters: clusters
                .map(|name| (name.clone(), metrics.for_cluster(name)))
                .collect(),
            no_cluster: metrics.for_no_cluster(),
            metrics: Arc::clone(metrics),
        }
    }

    fn cluster(&self, name: Option<&str>) -> &ClusterMetrics {
        name.and_then(|name| self.clusters.get(name))
            .unwrap_or(&self.no_cluster)
    }

    /// An exchange is over.
    pub(crate) fn finished(&self, summary: &Summary<'_>, closing: Closing, now_micros: i64) {
        let reason = Reason::parse(summary.reason).unwrap_or(Reason::Internal);
        if summary.answer.is_some() {
            self.metrics.decided(reason);
        }
        if let Some(word) = summary.authentication_failure {
            let failure = AuthenticationFailure::parse(word)
                .unwrap_or(AuthenticationFailure::CredentialMalformed);
            self.metrics.authentication_failed(failure);
        }
        let verb = summary.policy_verb.map_or(VerbClass::Other, VerbClass::of);
        let code = summary.code.map_or(CodeClass::None, CodeClass::of);
        let cluster = self.cluster(summary.cluster);
        cluster.answered(verb, code);
        cluster.masked(summary.masked_count, summary.masked_bytes);
        if let Some(cause) = summary.unmaskable {
            self.metrics.unmaskable(label_of(cause));
        }
        if summary.answer == Some(Answer::Allow) || reason == Reason::UpstreamAnswer {
            cluster.upstream_ended(match closing {
                Closing::Completed => UpstreamResult::Answered,
                Closing::UpstreamBroke => UpstreamResult::Broken,
                Closing::DownstreamGone | Closing::Ended(_) | Closing::Panicked => {
                    UpstreamResult::Cancelled
                }
            });
        }
        if !summary.is_long {
            let micros = u64::try_from(now_micros - summary.received_at).unwrap_or_default();
            self.metrics
                .took(Phase::Total, Duration::from_micros(micros));
        }
        tracing::info!(
            exchange.id = summary.id,
            k8s.cluster = summary.cluster,
            k8s.verb = summary.verb,
            user.name = summary.username,
            decision.effect = summary.answer.map(Answer::as_str),
            decision.reason = summary.reason,
            policy.rule = summary.rule,
            response.code = summary.code,
            "exchange closed"
        );
    }

    /// A request upstream came to no answer.
    pub(crate) fn upstream_failed(&self, cluster: Option<&str>, result: UpstreamResult) {
        self.cluster(cluster).upstream_ended(result);
    }

    /// A connection to an API server was made.
    pub(crate) fn upstream_connected(&self, cluster: &str) {
        self.cluster(Some(cluster)).upstream_connected();
    }
}

const fn label_of(cause: UnmaskableCause) -> Unmaskable {
    match cause {
        UnmaskableCause::Encoding => Unmaskable::Encoding,
        UnmaskableCause::MediaType => Unmaskable::MediaType,
        UnmaskableCause::Malformed => Unmaskable::Malformed,
        UnmaskableCause::Truncated => Unmaskable::Truncated,
        UnmaskableCause::Bound => Unmaskable::Bound,
        UnmaskableCause::WatchEvent => Unmaskable::WatchEvent,
        UnmaskableCause::Program => Unmaskable::Program,
    }
}
