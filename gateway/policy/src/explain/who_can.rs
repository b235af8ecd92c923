//! `can-i --list` and `can-i --who`: all cells of a subject, all subjects of a request.

use std::collections::BTreeMap;

use gateway_kubeapi::{Attributes, Caller};
use jiff::Timestamp;

use crate::compile::PolicySet;
use crate::decide::{RuleIndex, Subject, Verdict};
use crate::model::{self, Effect, On, Rule};
use crate::naive::{self, Line, Standing};
use crate::wording;

/// What one rule says about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The rule.
    pub rule: String,
    /// Its effect.
    pub effect: Effect,
    /// For whom it counts.
    pub subject: Subject,
    /// `can` as written.
    pub verbs: String,
    /// `on` or `urls` as written.
    pub on: String,
    /// `in` as written; empty for everywhere.
    pub places: String,
    /// The other limits, each with its word.
    pub limits: Vec<String>,
    /// What it demands.
    pub obligations: Vec<String>,
}

/// The enforced rules that speak about a caller, denies first. Expired allows are left out.
#[must_use]
pub fn cells(set: &PolicySet, caller: &Caller, at: Timestamp) -> Vec<Cell> {
    let identity = set.identify(caller);
    let mut found = Vec::new();
    for part in identity.parts() {
        let rules = part
            .list()
            .iter()
            .filter_map(|index| set.rule(RuleIndex(*index)));
        found.extend(
            rules
                .filter(|rule| naive::standing(rule, at) == Standing::Enforced)
                .filter(|rule| !is_expired(rule, at))
                .map(|rule| cell(rule, part.subject())),
        );
    }
    found
}

/// The verdict on a request for each of several subjects, by name.
#[must_use]
pub fn who_can(
    set: &PolicySet,
    subjects: &BTreeMap<String, model::Subject>,
    attributes: &Attributes,
    at: Timestamp,
) -> Vec<(String, Verdict)> {
    let decide =
        |subject: &model::Subject| set.decide(&set.identify(&subject.caller), attributes, at);
    subjects
        .iter()
        .map(|(name, subject)| (name.clone(), decide(subject)))
        .collect()
}

fn is_expired(rule: &Rule, at: Timestamp) -> bool {
    match rule.effect {
        Effect::Allow => rule.expires.is_some_and(|end| end <= at),
        Effect::Deny | Effect::Require => false,
    }
}

fn cell(rule: &Rule, subject: Subject) -> Cell {
    let limits = [
        (Line::Named, rule.named.is_some()),
        (Line::From, rule.from.is_some()),
        (Line::During, rule.during.is_some()),
        (Line::Outside, rule.outside.is_some()),
        (Line::Expires, rule.expires.is_some()),
    ];
    let line = match rule.on {
        On::Urls(_) => Line::Urls,
        On::Resources(_) | On::Everything => Line::On,
    };
    Cell {
        rule: rule.id.clone(),
        effect: rule.effect,
        subject,
        verbs: wording::written(rule, Line::Can),
        on: wording::written(rule, line),
        places: wording::written(rule, Line::In),
        limits: limits
            .into_iter()
            .filter(|(_, is_written)| *is_written)
            .map(|(line, _)| format!("{} {}", line.as_str(), wording::written(rule, line)))
            .collect(),
        obligations: rule.obligations.iter().map(wording::obligation).collect(),
    }
}
