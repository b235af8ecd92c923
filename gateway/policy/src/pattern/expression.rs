//! Regular expressions as one automaton each.
//!
//! A dense automaton searches without a cache and so without allocating, and its states can be
//! asked what the engines of `regex` cannot say: is every continuation accepted from here?

use std::collections::{BTreeMap, BTreeSet};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::{primitives::StateID, start, syntax};
use regex_automata::{Anchored, MatchKind};

use super::PatternFault;

/// Most bytes one automaton may take, and most its construction may take. `[a-z0-9-]{1,63}` takes
/// about 20 KiB; past the bound the bundle is rejected.
const AUTOMATON_BYTES_MAX: usize = 1 << 18;

/// An expression that matches whole texts.
pub(super) struct Expression {
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
    /// States from which some continuation is accepted, sorted.
    accepts_some: Box<[StateID]>,
    /// States from which every ASCII continuation is accepted, sorted. ASCII is enough: what
    /// follows a `generateName` prefix is made by the API server from ASCII letters and digits, and
    /// namespaces are DNS labels.
    accepts_all: Box<[StateID]>,
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, PatternFault> {
        syntax::parse_with(text, &options()).map_err(|error| PatternFault::Expression {
            expression: text.to_owned(),
            cause: last_line(&error.to_string()),
        })?;
        let too_complex = || PatternFault::TooComplex {
            expression: text.to_owned(),
        };
        let automaton = dense::Builder::new()
            .syntax(options())
            .configure(
                dense::Config::new()
                    // All matches are kept, so "a match ends at the end of the text" can be read
                    // off the last state; that anchors the expression without rewriting it.
                    .match_kind(MatchKind::All)
                    .start_kind(StartKind::Anchored)
                    .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                    .determinize_size_limit(Some(AUTOMATON_BYTES_MAX)),
            )
            .thompson(
                regex_automata::nfa::thompson::Config::new()
                    .nfa_size_limit(Some(AUTOMATON_BYTES_MAX)),
            )
            .build(text)
            .map_err(|_too_large_or_unsupported| too_complex())?;
        let start = automaton
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|_no_such_start| too_complex())?;
        let (accepts_some, accepts_all) = classify(&automaton, start);
        Ok(Self {
            automaton,
            start,
            accepts_some,
            accepts_all,
        })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.after(text)
            .is_some_and(|state| accepts_end(&self.automaton, state))
    }

    pub(super) fn covers_prefix(&self, prefix: &str) -> bool {
        self.after(prefix)
            .is_some_and(|state| self.accepts_all.binary_search(&state).is_ok())
    }

    pub(super) fn overlaps_prefix(&self, prefix: &str) -> bool {
        self.after(prefix)
            .is_some_and(|state| self.accepts_some.binary_search(&state).is_ok())
    }

    /// The state after the text; `None` if nothing can match any more.
    fn after(&self, text: &str) -> Option<StateID> {
        let mut state = self.start;
        for byte in text.bytes() {
            state = self.automaton.next_state(state, byte);
            if self.automaton.is_dead_state(state) {
                return None;
            }
        }
        Some(state)
    }
}

fn options() -> syntax::Config {
    // A name may hold any character, a line feed included; a deny on `.*` must not miss it.
    syntax::Config::new().dot_matches_new_line(true)
}

fn last_line(message: &str) -> String {
    message
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

fn accepts_end(automaton: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    automaton.is_match_state(automaton.next_eoi_state(state))
}

/// Two backward searches over the states that can be reached: from those that accept the end of
/// the text, and, along ASCII bytes, from those that do not.
fn classify(automaton: &dense::DFA<Vec<u32>>, start: StateID) -> (Box<[StateID]>, Box<[StateID]>) {
    let states = reachable(automaton, start);
    let (accepting, refusing): (Vec<StateID>, Vec<StateID>) = states
        .iter()
        .partition(|state| accepts_end(automaton, **state));
    let some = leading_to(&edges(automaton, &states, u8::MAX), accepting);
    let refused = leading_to(&edges(automaton, &states, 0x7f), refusing);
    (
        some.into_iter().collect(),
        states.difference(&refused).copied().collect(),
    )
}

fn reachable(automaton: &dense::DFA<Vec<u32>>, start: StateID) -> BTreeSet<StateID> {
    let mut found = BTreeSet::from([start]);
    let mut todo = vec![start];
    while let Some(state) = todo.pop() {
        for byte in 0..=u8::MAX {
            let next = automaton.next_state(state, byte);
            if found.insert(next) {
                todo.push(next);
            }
        }
    }
    found
}

/// For each state, those that lead to it by one byte up to `last`.
fn edges(
    automaton: &dense::DFA<Vec<u32>>,
    states: &BTreeSet<StateID>,
    last: u8,
) -> BTreeMap<StateID, Vec<StateID>> {
    let mut sources: BTreeMap<StateID, Vec<StateID>> = BTreeMap::new();
    for state in states {
        let next: BTreeSet<StateID> = (0..=last)
            .map(|byte| automaton.next_state(*state, byte))
            .collect();
        for target in next {
            sources.entry(target).or_default().push(*state);
        }
    }
    sources
}

fn leading_to(
    sources: &BTreeMap<StateID, Vec<StateID>>,
    mut todo: Vec<StateID>,
) -> BTreeSet<StateID> {
    let mut found: BTreeSet<StateID> = todo.iter().copied().collect();
    while let Some(state) = todo.pop() {
        for source in sources.get(&state).into_iter().flatten() {
            if found.insert(*source) {
                todo.push(*source);
            }
        }
    }
    found
}
