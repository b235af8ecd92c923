//! Families with one handle for each value of a closed label, made once.

use std::marker::PhantomData;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};

use super::Live;
use crate::telemetry::label::Label;

/// One counter for each value of a label.
#[derive(Debug, Clone)]
pub(super) struct Counters<L>(Vec<IntCounter>, PhantomData<fn(L)>);

impl<L: Label> Counters<L> {
    pub(super) fn new(counter: impl Fn(L) -> IntCounter) -> Self {
        Self(
            L::ALL.iter().map(|label| counter(*label)).collect(),
            PhantomData,
        )
    }

    pub(super) fn increment(&self, label: L) {
        if let Some(counter) = self.0.get(label.index()) {
            counter.inc();
        }
    }
}

/// One gauge for each value of a label.
#[derive(Debug)]
pub(super) struct Gauges<L>(Vec<IntGauge>, PhantomData<fn(L)>);

impl<L: Label> Gauges<L> {
    pub(super) fn new(gauge: impl Fn(L) -> IntGauge) -> Self {
        Self(
            L::ALL.iter().map(|label| gauge(*label)).collect(),
            PhantomData,
        )
    }

    pub(super) fn enter(&self, label: L) -> Live {
        self.0.get(label.index()).map_or(Live(None), Live::new)
    }
}

/// One histogram for each value of a label.
#[derive(Debug)]
pub(super) struct Histograms<L>(Vec<Histogram>, PhantomData<fn(L)>);

impl<L: Label> Histograms<L> {
    pub(super) fn new(histogram: impl Fn(L) -> Histogram) -> Self {
        Self(
            L::ALL.iter().map(|label| histogram(*label)).collect(),
            PhantomData,
        )
    }

    pub(super) fn observe(&self, label: L, time: Duration) {
        if let Some(histogram) = self.0.get(label.index()) {
            histogram.observe(time.as_secs_f64());
        }
    }
}
