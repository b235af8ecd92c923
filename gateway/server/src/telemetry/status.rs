//! Which policy is active and why the last candidate is not: the cell behind `/policy/status`.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// What is known of the policy source.
#[derive(Debug, Default)]
pub struct PolicyStatus {
    active: ArcSwap<Option<BundleStatus>>,
    rejected: ArcSwap<Option<Rejection>>,
}

/// The active bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleStatus {
    /// From `bundle "NAME"`.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// Where it was read from.
    pub source: String,
    /// When it was published, in microseconds since 1970.
    pub published_at_micros: i64,
    /// How many rules of each sort it has.
    pub rules: RuleCounts,
}

/// Enforced rules by effect, and rules in shadow mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleCounts {
    /// Enforced allow rules.
    pub allow: usize,
    /// Enforced deny rules.
    pub deny: usize,
    /// Enforced require rules.
    pub require: usize,
    /// Rules in shadow mode, of any effect.
    pub shadow: usize,
}

/// A candidate that was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// When, in microseconds since 1970.
    pub at_micros: i64,
    /// The report an author would see.
    pub report: String,
}

impl PolicyStatus {
    /// Nothing was published or rejected yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A bundle was published. An earlier rejection is settled by it.
    pub fn publish(&self, bundle: BundleStatus) {
        self.active.store(Arc::new(Some(bundle)));
        self.rejected.store(Arc::new(None));
    }

    /// A candidate was rejected; the active bundle stays.
    pub fn reject(&self, rejection: Rejection) {
        self.rejected.store(Arc::new(Some(rejection)));
    }

    /// The active bundle.
    #[must_use]
    pub fn active(&self) -> Arc<Option<BundleStatus>> {
        self.active.load_full()
    }

    /// The last rejection since the active bundle was published.
    #[must_use]
    pub fn rejected(&self) -> Arc<Option<Rejection>> {
        self.rejected.load_full()
    }
}
