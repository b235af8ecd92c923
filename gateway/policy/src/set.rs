//! How the values of one line are read: alternatives, exclusions, named sets, two readings.
//!
//! A request denotes a set of objects `R`, a line selects a set `S`. An allow asks whether `S`
//! covers `R`, a deny and a require whether `S` touches `R` (policy-language §3.1). Taking values
//! out turns the question round: what is left covers `R` only if what was taken out does not touch
//! it, and touches `R` unless what was taken out covers it.

use std::net::IpAddr;

use gateway_kubeapi::{ResourceId, Verb};

use crate::builtin;
use crate::model::{Effect, ResourcePattern, Term, Terms, VerbTerm};
use crate::pattern::Pattern;
use crate::tri::Tri;

/// Deepest nesting of named sets. Deeper sets, and sets that name themselves, are *unknown*; the
/// check rejects them before.
pub const SET_DEPTH_MAX: usize = 8;

/// Which question a line is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Does the line hold the whole request?
    Covers,
    /// Does the line hold a part of the request?
    Touches,
}

impl Reading {
    /// The question rules of this effect ask.
    #[must_use]
    pub const fn of(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::Covers,
            Effect::Deny | Effect::Require => Self::Touches,
        }
    }

    /// The question for what is taken out.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::Covers => Self::Touches,
            Self::Touches => Self::Covers,
        }
    }

    /// Whether an answer lets the rule match: doubt counts against the request.
    #[must_use]
    pub const fn is_met_by(self, answer: Tri) -> bool {
        match (self, answer) {
            (_, Tri::True) | (Self::Touches, Tri::Unknown) => true,
            (_, Tri::False) | (Self::Covers, Tri::Unknown) => false,
        }
    }
}

/// Evaluates terms. `find` knows the named sets; `ask` answers for one value.
pub fn evaluate<'a, T: 'a>(
    terms: &'a Terms<T>,
    reading: Reading,
    find: &dyn Fn(&str) -> Option<&'a Terms<T>>,
    ask: &dyn Fn(Reading, &T) -> Tri,
) -> Tri {
    Evaluation { find, ask }.terms(terms, reading, SET_DEPTH_MAX)
}

struct Evaluation<'q, 'a, T> {
    find: &'q dyn Fn(&str) -> Option<&'a Terms<T>>,
    ask: &'q dyn Fn(Reading, &T) -> Tri,
}

impl<'a, T: 'a> Evaluation<'_, 'a, T> {
    fn terms(&self, terms: &'a Terms<T>, reading: Reading, depth: usize) -> Tri {
        let included = Tri::any(
            terms
                .include
                .iter()
                .map(|term| self.term(term, reading, depth)),
        );
        let turned = reading.turned();
        let excluded = Tri::any(
            terms
                .exclude
                .iter()
                .map(|term| self.term(term, turned, depth)),
        );
        included.and(!excluded)
    }

    fn term(&self, term: &'a Term<T>, reading: Reading, depth: usize) -> Tri {
        match term {
            Term::Value(value) => (self.ask)(reading, value),
            Term::Set(name) => match ((self.find)(plain_name(name)), depth.checked_sub(1)) {
                (Some(set), Some(depth)) => self.terms(set, reading, depth),
                (None, _) | (_, None) => Tri::Unknown,
            },
        }
    }
}

/// The name of a set without its mark.
#[must_use]
pub fn plain_name(name: &str) -> &str {
    name.strip_prefix('@').unwrap_or(name)
}

/// Whether a verb is one of those a term stands for.
#[must_use]
pub const fn verb_in(term: &VerbTerm, verb: Verb) -> bool {
    match term {
        VerbTerm::One(own) => *own as u8 == verb as u8,
        VerbTerm::Read => verb.is_read(),
        VerbTerm::Write => verb.is_write(),
        VerbTerm::All => true,
    }
}

/// Whether a resource, under any of its served names, is one a pattern stands for. Placeholders
/// have no place in resources, so a pattern with one is unknown.
#[must_use]
pub fn resource_in(pattern: &ResourcePattern, resource: &ResourceId) -> Tri {
    if is_every_resource(pattern) {
        return Tri::True;
    }
    let subresource = match (&pattern.subresource, resource.subresource.as_str()) {
        (None, "") => Tri::True,
        (None, _) | (Some(_), "") => Tri::False,
        (Some(own), asked) => own.matches(asked),
    };
    let named = |group: &str, name: &str| {
        let group = pattern
            .group
            .as_ref()
            .map_or(Tri::True, |own| own.matches(group));
        group.and(pattern.resource.matches(name))
    };
    let own = named(&resource.group, &resource.resource);
    let alias = builtin::alias_of(&resource.group, &resource.resource)
        .map_or(Tri::False, |(group, name)| named(group, name));
    subresource.and(own.or(alias))
}

/// `"*/*"`: every resource and every subresource. `"nodes/*"` is every subresource, but not the
/// resource itself (policy-language §4.3: a person who reads nodes is not at `@node-level`).
#[must_use]
pub fn is_every_resource(pattern: &ResourcePattern) -> bool {
    pattern.group.is_none()
        && pattern.resource.is_everything()
        && pattern
            .subresource
            .as_ref()
            .is_some_and(Pattern::is_everything)
}

/// A pattern against all namespaces there may be.
#[must_use]
pub fn every_name(reading: Reading, pattern: &Pattern) -> Tri {
    prefix_holds(reading, pattern, "")
}

/// A pattern against all texts that begin with `prefix`.
#[must_use]
pub fn prefix_holds(reading: Reading, pattern: &Pattern, prefix: &str) -> Tri {
    match reading {
        Reading::Covers => pattern.covers_prefix(prefix),
        Reading::Touches => pattern.overlaps_prefix(prefix),
    }
}

/// Whether an address is in a network, in the form it came or without its IPv4-in-IPv6 wrapping.
#[must_use]
pub fn address_in(network: &ipnet::IpNet, address: IpAddr) -> bool {
    network.contains(&address) || network.contains(&address.to_canonical())
}
