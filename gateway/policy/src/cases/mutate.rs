//! The mutation check: which rules could be dropped without a test noticing?

use std::collections::{BTreeMap, BTreeSet};

use super::{Asking, run};
use crate::masks::{MaskKeys, MaskTable};
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
    // Masks stand beside the rules, so they are the same whichever rule is dropped.
    let Ok(masks) = MaskTable::build(bundle, "", &MaskKeys::offline(bundle)) else {
        return Vec::new();
    };
    let mut dropping = Dropping::new(bundle, &masks);
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
struct Dropping<'a> {
    bundle: Bundle,
    masks: &'a MaskTable,
}

impl<'a> Dropping<'a> {
    fn new(bundle: &Bundle, masks: &'a MaskTable) -> Self {
        let subjects = bundle.tests.subjects.clone();
        let bundle = Bundle {
            tests: Tests {
                subjects,
                suites: Vec::new(),
            },
            ..bundle.clone()
        };
        Self { bundle, masks }
    }

    /// Whether one of the tests fails without the rule at a place. The order of rules has no
    /// meaning, so the last one may stand in its place meanwhile.
    fn is_noticed(&mut self, place: usize, tests: &[&Test]) -> bool {
        let rules = &mut self.bundle.rules;
        let Some(last) = rules.len().checked_sub(1) else {
            return false;
        };
        let rule = rules.swap_remove(place);
        let is_noticed = tests.iter().any(|test| self.fails(test));
        self.bundle.rules.push(rule);
        self.bundle.rules.swap(place, last);
        is_noticed
    }

    fn fails(&self, test: &Test) -> bool {
        match Asking::of(&self.bundle, test) {
            Ok(asking) => {
                let answer = asking.answer(&self.bundle, self.masks, test);
                answer.failure.is_some()
            }
            Err(_failure) => true,
        }
    }
}
