//! What stands for what detectors found.

#![forbid(unsafe_code)]

use super::{Compiled, GuardStrategy, Guarded};
use crate::apply;
use crate::marker;

/// Something that was found.
#[derive(Clone, Copy)]
pub(super) struct Find<'a> {
    pub start: usize,
    pub end: usize,
    pub rule: &'a Compiled,
}

impl Find<'_> {
    /// 0 is strongest.
    fn order(&self) -> (usize, usize, u8, u8, &str, &str) {
        let (rank, number, text) = match &self.rule.strategy {
            GuardStrategy::Redact => (0, 0, ""),
            GuardStrategy::Hash { key } => (1, 0, key.id()),
            GuardStrategy::Fpe { key } => (2, 0, key.id()),
            GuardStrategy::Partial { keep_last } => (3, *keep_last, ""),
        };
        (self.start, self.end, rank, number, &self.rule.mask, text)
    }
}

/// What a rule makes of what it found. What cannot be done redacts.
pub(super) fn replacement(rule: &Compiled, found: &[u8]) -> Vec<u8> {
    let changed = match &rule.strategy {
        GuardStrategy::Redact => None,
        GuardStrategy::Hash { key } => Some(apply::digest(&rule.mask, key, found)),
        GuardStrategy::Fpe { key } => apply::encrypted(key, found),
        GuardStrategy::Partial { keep_last } => apply::partial(&rule.mask, *keep_last, found),
    };
    changed.unwrap_or_else(|| marker::text(&rule.mask).into_bytes())
}

/// What goes of a text, from its start to its end; no two overlap.
pub(crate) struct Place {
    pub start: usize,
    pub end: usize,
    /// What stands for it.
    pub text: Vec<u8>,
}

/// Of several finds of the same place the strongest counts; those that overlap otherwise become one
/// marker, of the first: a part that one leaves may be what another hides.
pub(super) fn places(text: &[u8], mut finds: Vec<Find<'_>>) -> Vec<Place> {
    finds.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
    let mut places = Vec::new();
    let mut rest = finds.as_slice();
    while let Some((first, others)) = rest.split_first() {
        let mut end = first.end;
        let mut is_one = true;
        rest = others;
        while let Some((next, behind)) = rest.split_first() {
            if next.start >= end {
                break;
            }
            is_one &= (next.start, next.end) == (first.start, first.end);
            end = end.max(next.end);
            rest = behind;
        }
        let found = text.get(first.start..end).unwrap_or_default();
        places.push(Place {
            start: first.start,
            end,
            text: if is_one {
                replacement(first.rule, found)
            } else {
                marker::text(&first.rule.mask).into_bytes()
            },
        });
    }
    places
}

/// The text with each place replaced.
pub(super) fn spliced(text: &[u8], places: &[Place]) -> Guarded {
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for place in places {
        out.extend_from_slice(text.get(done..place.start).unwrap_or_default());
        out.extend_from_slice(&place.text);
        done = place.end;
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
    Guarded {
        text: out,
        count: places.len(),
    }
}
