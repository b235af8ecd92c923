//! Names, help texts and buckets: makes metrics and registers them.

use prometheus::core::Collector;
use prometheus::{Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter};
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::AuditMetrics;
use super::family::{Counters, Gauges, Histograms};
use crate::telemetry::label::{Label, Phase, Reason, SessionKind, Unmaskable};

/// From ten microseconds, a decision from memory, to a minute, the API server's own request limit
/// (K-9.13).
const PHASE_SECONDS: [f64; 14] = [
    1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0,
];

/// From a write into the page cache to a disk that stalls.
const WRITE_SECONDS: [f64; 11] = [
    1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 10.0,
];

/// Makes metrics and registers them; names get the prefix here.
pub(super) struct Make<'a>(pub(super) &'a Registry);

impl Make<'_> {
    fn put<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("countersign_{name}"), help)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.put(IntCounter::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.put(IntCounterVec::new(Self::opts(name, help), labels)?)
    }

    pub(super) fn counters_of<L: Label>(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<Counters<L>, prometheus::Error> {
        let family = self.counters(name, help, &[label])?;
        Ok(Counters::new(|label: L| {
            family.with_label_values(&[label.as_str()])
        }))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.put(IntGauge::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.put(IntGaugeVec::new(Self::opts(name, help), labels)?)
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.put(Gauge::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn float_gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, prometheus::Error> {
        self.put(GaugeVec::new(Self::opts(name, help), labels)?)
    }

    pub(super) fn decisions(&self) -> Result<Counters<Reason>, prometheus::Error> {
        let family = self.counters(
            "decisions_total",
            "Decisions by effect (allow, deny by policy, refuse by the gateway) and reason.",
            &["effect", "reason"],
        )?;
        Ok(Counters::new(|reason: Reason| {
            family.with_label_values(&[reason.effect().as_str(), reason.as_str()])
        }))
    }

    pub(super) fn phases(&self) -> Result<Histograms<Phase>, prometheus::Error> {
        let opts = HistogramOpts::new(
            "countersign_phase_seconds",
            "Time spent in each part of an exchange; watches, logs and sessions have no total.",
        );
        let family = self.put(HistogramVec::new(
            opts.buckets(PHASE_SECONDS.to_vec()),
            &["phase"],
        )?)?;
        Ok(Histograms::new(|phase: Phase| {
            family.with_label_values(&[phase.as_str()])
        }))
    }

    pub(super) fn sessions(&self) -> Result<Gauges<SessionKind>, prometheus::Error> {
        let family = self.gauges("sessions", "Sessions that are open, by kind.", &["kind"])?;
        Ok(Gauges::new(|kind: SessionKind| {
            family.with_label_values(&[kind.as_str()])
        }))
    }

    pub(super) fn audit(&self) -> Result<AuditMetrics, prometheus::Error> {
        let opts = HistogramOpts::new(
            "countersign_audit_write_seconds",
            "Time to write one batch of audit events, and to sync it if one of them demands it.",
        );
        Ok(AuditMetrics {
            queue_length: self.gauge(
                "audit_queue_length",
                "Audit events that wait for the writer.",
            )?,
            write_seconds: self.put(Histogram::with_opts(opts.buckets(WRITE_SECONDS.to_vec()))?)?,
            events: self.counter("audit_events_total", "Audit events written.")?,
            lost: self.counter(
                "audit_events_lost_total",
                "Audit events that were not stored: the sink failed or the queue was full.",
            )?,
            failures: self.counter(
                "audit_failures_total",
                "Failed attempts to write the audit log.",
            )?,
            writable: self.gauge("audit_writable", "1 while the audit log can be written.")?,
        })
    }

    pub(super) fn unread_heads(&self) -> Result<IntCounter, prometheus::Error> {
        self.counter(
            "unread_heads_total",
            "HTTP/1.1 requests whose head cannot be read: an empty 400, no id, no audit event.",
        )
    }

    pub(super) fn masked_values(&self) -> Result<IntCounterVec, prometheus::Error> {
        self.counters(
            "masked_values_total",
            "Values that masks replaced or left out, counted when the answer ends.",
            &["cluster"],
        )
    }

    pub(super) fn masked_bytes(&self) -> Result<IntCounterVec, prometheus::Error> {
        self.counters(
            "masked_bytes_total",
            "Bytes of answers that masks looked at, counted when the answer ends.",
            &["cluster"],
        )
    }

    pub(super) fn unmaskable(&self) -> Result<Counters<Unmaskable>, prometheus::Error> {
        self.counters_of(
            "unmaskable_answers_total",
            "Answers that were ended or refused because they could not be given masked, by cause.",
            "cause",
        )
    }

    pub(super) fn exchanges(&self) -> Result<IntGauge, prometheus::Error> {
        self.gauge(
            "exchanges",
            "Exchanges that are not over, streams included.",
        )
    }

    pub(super) fn build_info(&self) -> Result<(), prometheus::Error> {
        let family = self.gauges(
            "build_info",
            "The running version: one series of value 1.",
            &["version"],
        )?;
        family
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        Ok(())
    }

    pub(super) fn process(&self) -> Result<(), prometheus::Error> {
        #[cfg(target_os = "linux")]
        self.0.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(())
    }

    pub(super) fn jwks_age(&self) -> Result<GaugeVec, prometheus::Error> {
        self.float_gauges(
            "jwks_age_seconds",
            "Seconds since the issuer's keys were fetched; since it was configured, if never.",
            &["issuer"],
        )
    }
}
