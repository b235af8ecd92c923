//! The subset construction.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, ActionKind};
use super::{CompileFault, MaskRule, STATE_COUNT_MAX};
use crate::guard::Guards;
use crate::path::{FieldPath, Step};

/// A state: what may still match at and below a value.
pub(crate) type StateId = u32;

/// Nothing matches at or below.
pub(crate) const DEAD: StateId = 0;
/// The state of each document.
pub(crate) const ROOT: StateId = 1;

/// A step of a pattern: those of paths, and one for the end of `a.**`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Move {
    Path(Step),
    /// A member or an element.
    AnyChild,
}

/// What a pattern that has matched a value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Rule(usize),
    Guard(usize),
}

/// One rule at one mount.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    moves: Vec<Move>,
    meaning: Meaning,
}

impl Pattern {
    pub(super) fn of_rule(mount: Vec<Step>, path: &FieldPath, index: usize) -> Self {
        let mut moves: Vec<Move> = mount.into_iter().map(Move::Path).collect();
        moves.extend(path.steps().iter().cloned().map(Move::Path));
        if path.steps().last() == Some(&Step::AnyDepth) {
            moves.push(Move::AnyChild);
        }
        Self {
            moves,
            meaning: Meaning::Rule(index),
        }
    }

    /// A guard watches the strings at its path and all below; without a path, all of the object.
    pub(super) fn of_guard(mount: Vec<Step>, path: Option<&FieldPath>, index: usize) -> Self {
        let mut moves: Vec<Move> = mount.into_iter().map(Move::Path).collect();
        let steps = path.map(FieldPath::steps).unwrap_or_default();
        moves.extend(steps.iter().cloned().map(Move::Path));
        if steps.last() != Some(&Step::AnyDepth) {
            moves.push(Move::Path(Step::AnyDepth));
        }
        Self {
            moves,
            meaning: Meaning::Guard(index),
        }
    }
}

/// Whether a pattern has passed a `[key=value]` for sure. The number is that of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    Open,
    /// The member has not been read: counts as a match.
    Pending(usize),
    /// The member was read with another value.
    Shut(usize),
}

/// A pattern that has taken some of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    pattern: usize,
    step: usize,
    gate: Gate,
}

type Items = BTreeSet<Item>;

/// One key that matters in an object.
#[derive(Debug)]
pub(crate) struct Edge {
    name: Box<[u8]>,
    /// State of the member's value.
    pub target: StateId,
    /// The value decides a `[key=value]` of the object.
    pub probe: Option<u32>,
}

/// As `==`, without its call: names are short.
#[inline]
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        text.first_chunk().zip(text.last_chunk())
    }
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        8..=16 => ends::<8>(left) == ends(right),
        4..=7 => ends::<4>(left) == ends(right),
        _ => left == right,
    }
}

/// What a value of `[key=value]` makes of the state of its object.
#[derive(Debug)]
pub(crate) struct Probe {
    values: Box<[(Box<[u8]>, StateId)]>,
    pub other: StateId,
    /// No value longer than this, unescaped, is one of them.
    pub length_max: usize,
}

impl Probe {
    /// The state of the object when the member is this string, unescaped.
    pub(crate) fn state_of(&self, text: &[u8]) -> StateId {
        let found = self.values.iter().find(|(value, _)| **value == *text);
        found.map_or(self.other, |(_, state)| *state)
    }
}

/// One state of the automaton.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of a state, each true or not"
)]
pub(crate) struct State {
    /// What is done to a value in this state.
    pub action: Option<u32>,
    /// Which detectors look at a string in this state.
    pub guard: Option<u32>,
    edges: Box<[Edge]>,
    /// Bit n: a name of n bytes, or of 63 and more, is among the edges.
    lengths: u64,
    /// Bits of the first and of the second byte, closing quote included, that a key may have which
    /// matters: of names, of escapes, and all bits where every key matters.
    first: [u64; 4],
    second: [u64; 4],
    /// No name of an edge is longer.
    pub name_bytes_max: usize,
    /// State of the members that no edge names.
    pub other: StateId,
    /// State of elements that are objects, and of all others.
    pub element_object: StateId,
    pub element_other: StateId,
    /// Some member or element matters.
    pub object_is_live: bool,
    pub array_is_live: bool,
    /// Elements that are no containers matter.
    pub visits_scalars: bool,
    pub drops_members: bool,
    pub drops_elements: bool,
}

impl State {
    /// The edge of a key without escapes.
    pub(crate) fn edge(&self, name: &[u8]) -> Option<&Edge> {
        if self.lengths >> name.len().min(63) & 1 == 0 {
            return None;
        }
        self.edges.iter().find(|edge| is_equal(&edge.name, name))
    }

    /// The key whose text begins at `at` may matter. False is certain.
    #[inline]
    pub(crate) fn may_name(&self, window: &[u8], at: usize) -> bool {
        let Some([first, second]) = window.get(at..at + 2).and_then(|key| key.first_chunk()) else {
            return true;
        };
        let has = |set: &[u64; 4], byte: u8| {
            let word = set.get(usize::from(byte >> 6)).copied().unwrap_or(!0);
            word >> (byte & 63) & 1 == 1
        };
        has(&self.first, *first) && has(&self.second, *second)
    }

    /// Fills the sets of [`Self::may_name`].
    fn set_bytes(&mut self) {
        if self.other != DEAD {
            (self.first, self.second) = ([!0; 4], [!0; 4]);
            return;
        }
        let add = |set: &mut [u64; 4], byte: u8| {
            if let Some(word) = set.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        };
        for edge in &self.edges {
            let mut bytes = edge.name.iter().copied().chain(*b"\"");
            add(&mut self.first, bytes.next().unwrap_or(b'"'));
            match bytes.next() {
                Some(byte) => add(&mut self.second, byte),
                // Behind an empty key anything may stand.
                None => self.second = [!0; 4],
            }
            // Any name can be written with escapes; an escape's second byte is any.
            add(&mut self.first, b'\\');
            add(&mut self.second, b'\\');
        }
        if !self.edges.is_empty() {
            for byte in *b"u\"\\/bfnrt" {
                add(&mut self.second, byte);
            }
        }
    }

    /// There is nothing to look for in a key.
    pub(crate) fn is_blind(&self) -> bool {
        self.edges.is_empty()
    }

    fn targets(&self) -> impl Iterator<Item = StateId> {
        let edges = self.edges.iter().map(|edge| edge.target);
        edges.chain([self.other, self.element_object, self.element_other])
    }
}

/// The deterministic automaton of a program.
#[derive(Debug)]
pub(crate) struct Automaton {
    states: Box<[State]>,
    probes: Box<[Probe]>,
    actions: Box<[Action]>,
    dead: State,
}

impl Automaton {
    pub(super) fn build(
        patterns: &[Pattern],
        rules: &[MaskRule],
        guards: &mut Guards,
        depth: usize,
    ) -> Result<Self, CompileFault> {
        let mut builder = Builder {
            patterns,
            numbers: BTreeMap::new(),
            waiting: Vec::new(),
            states: Vec::new(),
            probes: Vec::new(),
            accepted: Vec::new(),
        };
        builder.number(Items::new())?;
        builder.number(builder.start())?;
        while let Some(items) = builder.waiting.pop() {
            builder.expand(&items)?;
        }
        let mut actions = Vec::new();
        let mut known = BTreeMap::new();
        for (state, (of_rules, of_guards)) in builder.states.iter_mut().zip(builder.accepted) {
            if !known.contains_key(&of_rules) {
                let number = match Action::join(rules, &of_rules, depth)? {
                    None => None,
                    Some(action) => {
                        actions.push(action);
                        Some(index_of(actions.len() - 1)?)
                    }
                };
                known.insert(of_rules.clone(), number);
            }
            state.action = known.get(&of_rules).copied().flatten();
            state.guard = guards.join(&of_guards);
        }
        let mut automaton = Self {
            states: builder.states.into(),
            probes: builder.probes.into(),
            actions: actions.into(),
            dead: State::default(),
        };
        automaton.prune();
        automaton.flag();
        Ok(automaton)
    }

    /// Turns every state from which nothing can come into [`DEAD`].
    fn prune(&mut self) {
        let mut useful: Vec<bool> = self
            .states
            .iter()
            .map(|state| state.action.is_some() || state.guard.is_some())
            .collect();
        let probe_targets = |probe: u32, probes: &[Probe]| -> Vec<StateId> {
            let probe = probes.get(probe as usize);
            probe.map_or_else(Vec::new, |probe| {
                let values = probe.values.iter().map(|(_, state)| *state);
                values.chain([probe.other]).collect()
            })
        };
        loop {
            let mut changed = false;
            for (index, state) in self.states.iter().enumerate() {
                let is_useful = |id: StateId| useful.get(id as usize).copied().unwrap_or_default();
                let probed = state.edges.iter().filter_map(|edge| edge.probe);
                let reached = state.targets().any(is_useful)
                    || probed
                        .flat_map(|probe| probe_targets(probe, &self.probes))
                        .any(is_useful);
                if let (true, Some(flag @ false)) = (reached, useful.get_mut(index)) {
                    *flag = true;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let live = |id: StateId| {
            let keep = useful.get(id as usize).copied().unwrap_or_default();
            if keep { id } else { DEAD }
        };
        for state in &mut self.states {
            for edge in &mut state.edges {
                edge.target = live(edge.target);
            }
            state.other = live(state.other);
            state.element_object = live(state.element_object);
            state.element_other = live(state.element_other);
            // An edge that leads where all others lead matters only for what it probes.
            let other = state.other;
            let edges = std::mem::take(&mut state.edges).into_vec();
            let kept = edges.into_iter();
            let kept = kept.filter(|edge| edge.target != other || edge.probe.is_some());
            state.edges = kept.collect();
        }
    }

    fn flag(&mut self) {
        let facts: Vec<(bool, bool)> = self
            .states
            .iter()
            .map(|state| {
                let acts = state.action.is_some() || state.guard.is_some();
                let action = state
                    .action
                    .and_then(|action| self.actions.get(action as usize));
                let drops = action.is_some_and(|action| matches!(action.kind, ActionKind::Drop));
                (acts, drops)
            })
            .collect();
        let fact = |id: StateId| facts.get(id as usize).copied().unwrap_or_default();
        for state in &mut self.states {
            let members = || {
                state
                    .edges
                    .iter()
                    .map(|edge| edge.target)
                    .chain([state.other])
            };
            state.object_is_live = !state.edges.is_empty() || state.other != DEAD;
            state.array_is_live = state.element_object != DEAD || state.element_other != DEAD;
            state.visits_scalars = fact(state.element_other).0;
            state.drops_members = members().any(|id| fact(id).1);
            state.drops_elements = fact(state.element_object).1 || fact(state.element_other).1;
            state.visits_scalars |= state.drops_elements;
            let lengths = state.edges.iter().map(|edge| 1 << edge.name.len().min(63));
            state.lengths = lengths.fold(0, |all, bit: u64| all | bit);
            let longest = state.edges.iter().map(|edge| edge.name.len()).max();
            state.name_bytes_max = longest.unwrap_or_default();
            state.set_bytes();
        }
    }

    pub(crate) fn state(&self, id: StateId) -> &State {
        self.states.get(id as usize).unwrap_or(&self.dead)
    }

    pub(crate) fn action(&self, state: &State) -> Option<&Action> {
        self.actions.get(state.action? as usize)
    }

    pub(crate) fn probe(&self, id: u32) -> Option<&Probe> {
        self.probes.get(id as usize)
    }

    pub(super) fn state_count(&self) -> usize {
        self.states.len()
    }
}

fn index_of(index: usize) -> Result<u32, CompileFault> {
    u32::try_from(index).or(Err(CompileFault::TooManyStates))
}

struct Builder<'a> {
    patterns: &'a [Pattern],
    numbers: BTreeMap<Items, StateId>,
    /// Numbered, not yet expanded.
    waiting: Vec<Items>,
    states: Vec<State>,
    probes: Vec<Probe>,
    /// Rules and guards that each state accepts.
    accepted: Vec<(Vec<usize>, Vec<usize>)>,
}

impl Builder<'_> {
    fn start(&self) -> Items {
        let items = (0..self.patterns.len()).map(|pattern| Item {
            pattern,
            step: 0,
            gate: Gate::Open,
        });
        self.closed(items.collect())
    }

    fn number(&mut self, items: Items) -> Result<StateId, CompileFault> {
        if let Some(number) = self.numbers.get(&items) {
            return Ok(*number);
        }
        if self.states.len() >= STATE_COUNT_MAX {
            return Err(CompileFault::TooManyStates);
        }
        let number = index_of(self.states.len())?;
        self.states.push(State::default());
        self.accepted.push(self.accepted_by(&items));
        self.numbers.insert(items.clone(), number);
        self.waiting.push(items);
        Ok(number)
    }

    fn accepted_by(&self, items: &Items) -> (Vec<usize>, Vec<usize>) {
        let (mut rules, mut guards) = (BTreeSet::new(), BTreeSet::new());
        for item in items {
            let shut = match item.gate {
                Gate::Open | Gate::Pending(_) => false,
                Gate::Shut(_) => true,
            };
            let Some(pattern) = self.patterns.get(item.pattern) else {
                continue;
            };
            if shut || item.step != pattern.moves.len() {
                continue;
            }
            match pattern.meaning {
                Meaning::Rule(index) => rules.insert(index),
                Meaning::Guard(index) => guards.insert(index),
            };
        }
        (rules.into_iter().collect(), guards.into_iter().collect())
    }

    fn at(&self, item: &Item) -> Option<&Move> {
        self.patterns.get(item.pattern)?.moves.get(item.step)
    }

    /// `**` may stand for nothing.
    fn closed(&self, mut items: Items) -> Items {
        let mut waiting: Vec<Item> = items.iter().copied().collect();
        while let Some(item) = waiting.pop() {
            if self.at(&item) == Some(&Move::Path(Step::AnyDepth)) {
                let after = Item {
                    step: item.step + 1,
                    ..item
                };
                if items.insert(after) {
                    waiting.push(after);
                }
            }
        }
        items
    }

    fn expand(&mut self, items: &Items) -> Result<(), CompileFault> {
        let number = self.number(items.clone())?;
        let names = self.names(items);
        let other = self.number(self.child(items, |_| false))?;
        let element_object = self.number(self.element(items, true))?;
        let element_other = self.number(self.element(items, false))?;
        let mut edges = Vec::new();
        for (name, probed) in names {
            let target = self.number(self.child(items, |key| *key == *name))?;
            let probe = if probed {
                Some(self.probe(items, &name)?)
            } else {
                None
            };
            edges.push(Edge {
                name: name.as_bytes().into(),
                target,
                probe,
            });
        }
        if let Some(state) = self.states.get_mut(number as usize) {
            state.edges = edges.into();
            state.other = other;
            state.element_object = element_object;
            state.element_other = element_other;
        }
        Ok(())
    }

    /// Keys that a pattern names here, and whether one decides a `[key=value]`.
    fn names(&self, items: &Items) -> BTreeMap<Box<str>, bool> {
        let mut names = BTreeMap::new();
        for item in items {
            if let (Gate::Open | Gate::Pending(_), Some(Move::Path(Step::Key(name)))) =
                (item.gate, self.at(item))
            {
                names.entry(name.clone()).or_insert(false);
            }
            if let Some((key, _)) = self.gate_of(item) {
                names.insert(key.into(), true);
            }
        }
        names
    }

    /// The `[key=value]` that an item waits for.
    fn gate_of(&self, item: &Item) -> Option<(&str, &str)> {
        let step = match item.gate {
            Gate::Open => return None,
            Gate::Pending(step) | Gate::Shut(step) => step,
        };
        match self.patterns.get(item.pattern)?.moves.get(step)? {
            Move::Path(Step::Element { key, value }) => Some((key, value)),
            Move::Path(Step::Key(_) | Step::AnyKey | Step::AnyElement | Step::AnyDepth)
            | Move::AnyChild => None,
        }
    }

    /// The items of a member's value, for a key that `is` the names it equals.
    fn child(&self, items: &Items, is: impl Fn(&str) -> bool) -> Items {
        let mut next = Items::new();
        for item in items {
            if matches!(item.gate, Gate::Shut(_)) {
                continue;
            }
            let step = match self.at(item) {
                Some(Move::Path(Step::Key(name))) if is(name) => item.step + 1,
                Some(Move::Path(Step::AnyKey) | Move::AnyChild) => item.step + 1,
                Some(Move::Path(Step::AnyDepth)) => item.step,
                Some(Move::Path(Step::Key(_) | Step::AnyElement | Step::Element { .. })) | None => {
                    continue;
                }
            };
            next.insert(Item {
                step,
                gate: Gate::Open,
                ..*item
            });
        }
        self.closed(next)
    }

    /// The items of an element.
    fn element(&self, items: &Items, is_object: bool) -> Items {
        let mut next = Items::new();
        for item in items {
            if matches!(item.gate, Gate::Shut(_)) {
                continue;
            }
            let (step, gate) = match self.at(item) {
                Some(Move::Path(Step::AnyElement) | Move::AnyChild) => (item.step + 1, Gate::Open),
                Some(Move::Path(Step::AnyDepth)) => (item.step, Gate::Open),
                Some(Move::Path(Step::Element { .. })) if is_object => {
                    (item.step + 1, Gate::Pending(item.step))
                }
                Some(Move::Path(Step::Key(_) | Step::AnyKey | Step::Element { .. })) | None => {
                    continue;
                }
            };
            next.insert(Item {
                step,
                gate,
                ..*item
            });
        }
        self.closed(next)
    }

    /// What the value of the member `name` makes of an object in this state.
    fn probe(&mut self, items: &Items, name: &str) -> Result<u32, CompileFault> {
        let gates = items.iter().filter_map(|item| self.gate_of(item));
        let values = gates
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.into());
        let values: BTreeSet<Box<str>> = values.collect();
        let settled = |value: Option<&str>| -> Items {
            let settle = |item: &Item| match (item.gate, self.gate_of(item)) {
                (Gate::Pending(step) | Gate::Shut(step), Some((key, wanted))) if key == name => {
                    // A repeated member that does equal the text opens the gate again; an open one
                    // stays open.
                    let equal = value == Some(wanted);
                    let gate = if equal { Gate::Open } else { Gate::Shut(step) };
                    Item { gate, ..*item }
                }
                _ => *item,
            };
            items.iter().map(settle).collect()
        };
        let other = settled(None);
        let known: Vec<(Box<str>, Items)> = values
            .into_iter()
            .map(|value| (value.clone(), settled(Some(&value))))
            .collect();
        let mut numbered = Vec::new();
        for (value, items) in known {
            numbered.push((value.as_bytes().into(), self.number(items)?));
        }
        let length_max = numbered
            .iter()
            .map(|(value, _): &(Box<[u8]>, _)| value.len())
            .max();
        let other = self.number(other)?;
        self.probes.push(Probe {
            values: numbered.into(),
            other,
            length_max: length_max.unwrap_or_default(),
        });
        index_of(self.probes.len() - 1)
    }
}
