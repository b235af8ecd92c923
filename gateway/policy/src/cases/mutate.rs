//! The mutation check: which rules could be dropped without a test noticing?

use std::collections::{BTreeMap, BTreeSet};

use super::{Asking, run};
use crate::model::{Bundle, Test, Tests};

/// Ids of rules without which all tests still pass, sorted. Empty if tests fail as it is: then
/// there is nothing to compare with.
///
/// A rule is tried only against the tests it can change: those whose request it matches, and those
/// that name it. So the cost grows with the matches, not with rules times tests.
#[must_use]
pub fn survivors(bundle: &Bundle) -> Vec<String> {
    let report = run(bundle);
    if !report.is_success() {
        return Vec::new();
    }
    let tests = bundle.tests.suites.iter().flat_map(|suite| &suite.tests);
    let mut concerned: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
    for (test, result) in tests.zip(&report.results) {
        let ids: BTreeSet<&str> = result
            .matched
            .iter()
            .map(String::as_str)
            .chain(named(test))
            .collect();
        for id in ids {
            concerned.entry(id).or_default().push(test);
        }
    }
    let mut dropping = Dropping::new(bundle);
    let mut found: Vec<String> = bundle
        .rules
        .iter()
        .enumerate()
        .filter(|(place, rule)| match concerned.get(rule.id.as_str()) {
            Some(tests) => !dropping.is_noticed(*place, tests),
            None => true,
        })
        .map(|(_, rule)| rule.id.clone())
        .collect();
    found.sort();
    found
}

fn named(test: &Test) -> impl Iterator<Item = &str> {
    let near = test.expect.near.iter().map(|(id, _)| id.as_str());
    test.expect.by.iter().map(String::as_str).chain(near)
}

/// A bundle from which one rule at a time is taken.
struct Dropping(Bundle);

impl Dropping {
    fn new(bundle: &Bundle) -> Self {
        let subjects = bundle.tests.subjects.clone();
        Self(Bundle {
            tests: Tests {
                subjects,
                suites: Vec::new(),
            },
            ..bundle.clone()
        })
    }

    /// Whether one of the tests fails without the rule at a place. The order of rules has no
    /// meaning, so the last one may stand in its place meanwhile.
    fn is_noticed(&mut self, place: usize, tests: &[&Test]) -> bool {
        let Some(last) = self.0.rules.len().checked_sub(1) else {
            return false;
        };
        let rule = self.0.rules.swap_remove(place);
        let is_noticed = tests.iter().any(|test| fails(&self.0, test));
        self.0.rules.push(rule);
        self.0.rules.swap(place, last);
        is_noticed
    }
}

fn fails(bundle: &Bundle, test: &Test) -> bool {
    match Asking::of(bundle, test) {
        Ok(asking) => asking.answer(bundle, test).failure.is_some(),
        Err(_failure) => true,
    }
}
