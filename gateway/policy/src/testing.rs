//! Random bundles, callers and requests, for property tests, benches and fuzzers.
//!
//! Everything is drawn from a seed that is given: one seed, one result.

mod draw;
mod fleet;
mod wild;
mod written;

pub use draw::Draw;
pub use fleet::{Fleet, FleetSize};
pub use wild::{Wild, wild_bundle, wild_caller, wild_request, wild_rule};
pub use written::written_bundle;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Bundle, Cluster, Disclose, Effect, Lint, Location, Mode, On, Rule};
use crate::model::{Severity, Term, Terms, Tests};

/// The cluster generated bundles speak for.
pub const CLUSTER: &str = "prod-eu-1";

/// A bundle without rules.
#[must_use]
pub fn empty_bundle() -> Bundle {
    Bundle {
        name: "generated".to_owned(),
        digest: "0".repeat(64),
        clusters: vec![Cluster {
            name: CLUSTER.to_owned(),
            labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        }],
        owners: Vec::new(),
        lint: Lint::default(),
        issuers: Vec::new(),
        groups: Vec::new(),
        identities: Vec::new(),
        namespace_sets: BTreeMap::new(),
        resource_sets: BTreeMap::new(),
        verb_sets: BTreeMap::new(),
        cidr_sets: BTreeMap::new(),
        schedules: BTreeMap::new(),
        mask_keys: BTreeMap::new(),
        masks: BTreeMap::new(),
        rules: Vec::new(),
        tests: Tests::default(),
    }
}

/// A rule about everything for everyone.
#[must_use]
pub fn plain_rule(id: &str, effect: Effect) -> Rule {
    Rule {
        id: id.to_owned(),
        effect,
        why: format!("why {id}"),
        owner: "platform".to_owned(),
        severity: Severity::Medium,
        ticket: None,
        review_by: None,
        expires: None,
        mode: Mode::Enforce,
        message: None,
        disclose: Disclose::Message,
        who: None,
        can: None,
        on: On::Everything,
        namespaces: None,
        named: None,
        clusters: Vec::new(),
        from: None,
        during: None,
        outside: None,
        obligations: Vec::new(),
        location: nowhere(),
        lines: BTreeMap::new(),
    }
}

/// A place in no file.
#[must_use]
pub fn nowhere() -> Location {
    Location {
        file: Arc::from("generated.kdl"),
        offset: 0,
        length: 0,
        line: 1,
    }
}

/// Values without sets and exclusions.
#[must_use]
pub fn values<T>(values: impl IntoIterator<Item = T>) -> Terms<T> {
    Terms {
        include: values.into_iter().map(Term::Value).collect(),
        exclude: Vec::new(),
    }
}
