//! Where a detector could be in the middle of a secret at the end of a text that goes on.
//!
//! The expressions of the detectors are followed byte by byte, from every place at which one could
//! begin. What no expression is within can be handed on: nothing that follows makes it part of a
//! secret. Word boundaries and anchors are taken for met, because the next byte may meet them, so a
//! place may be held that is none, and none is missed.

#![forbid(unsafe_code)]

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

use crate::guard::Guards;

/// An expression that can be followed.
pub(crate) struct Course {
    nfa: NFA,
    /// The states that read the first byte of a match.
    heads: Vec<StateID>,
    /// The bytes with which a match can begin.
    firsts: [bool; 256],
    /// Nothing is asked of what surrounds a match, so one that is found ends what came after it.
    is_plain: bool,
}

impl Course {
    pub(crate) fn new(nfa: NFA) -> Self {
        let mut reached = Reached::of(&nfa);
        let is_plain = nfa.look_set_any().is_empty();
        reached.close(&nfa, nfa.start_anchored(), 0, is_plain);
        let heads: Vec<StateID> = reached.threads.iter().map(|thread| thread.state).collect();
        let mut firsts = [false; 256];
        for (byte, first) in (0..=u8::MAX).zip(&mut firsts) {
            *first = heads.iter().any(|head| step(&nfa, *head, byte).is_some());
        }
        Self {
            nfa,
            heads,
            firsts,
            is_plain,
        }
    }

    fn begins_with(&self, byte: u8) -> bool {
        self.firsts.get(usize::from(byte)).is_some_and(|is| *is)
    }
}

/// A state that waits for a byte, and where the match began that leads to it.
#[derive(Debug, Clone, Copy)]
struct Thread {
    state: StateID,
    start: usize,
}

/// States after the same bytes, those of the earliest start first.
#[derive(Debug, Default)]
struct Reached {
    threads: Vec<Thread>,
    /// Which states were entered, one flag a state.
    entered: Vec<bool>,
    undo: Vec<StateID>,
    /// What is to be entered, and whether the next byte has a say in it.
    stack: Vec<(StateID, bool)>,
}

impl Reached {
    fn of(nfa: &NFA) -> Self {
        Self {
            entered: vec![false; nfa.states().len()],
            ..Self::default()
        }
    }

    fn clear(&mut self) {
        self.threads.clear();
        for state in self.undo.drain(..) {
            if let Some(entered) = self.entered.get_mut(state.as_usize()) {
                *entered = false;
            }
        }
    }

    /// Adds what is reached from `state` without a byte, in the order in which the expression
    /// prefers it; a match that the next byte may undo is among it. True if a match is reached that
    /// ends whatever is preferred less.
    fn close(&mut self, nfa: &NFA, state: StateID, start: usize, is_plain: bool) -> bool {
        self.stack.clear();
        self.stack.push((state, false));
        while let Some((state, asks)) = self.stack.pop() {
            match self.entered.get_mut(state.as_usize()) {
                Some(entered) if !*entered => *entered = true,
                Some(_) | None => continue,
            }
            self.undo.push(state);
            match nfa.state(state) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                    self.threads.push(Thread { state, start });
                }
                State::Look { next, .. } => self.stack.push((*next, true)),
                State::Capture { next, .. } => self.stack.push((*next, asks)),
                State::Union { alternates } => {
                    let alternates = alternates.iter().rev();
                    self.stack.extend(alternates.map(|next| (*next, asks)));
                }
                State::BinaryUnion { alt1, alt2 } => {
                    self.stack.extend([(*alt2, asks), (*alt1, asks)]);
                }
                State::Match { .. } if asks => self.threads.push(Thread { state, start }),
                State::Match { .. } if is_plain => return true,
                State::Fail | State::Match { .. } => {}
            }
        }
        false
    }
}

fn step(nfa: &NFA, state: StateID, byte: u8) -> Option<StateID> {
    match nfa.state(state) {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(transitions) => transitions.matches_byte(byte),
        State::Dense(transitions) => transitions.matches_byte(byte),
        State::Look { .. }
        | State::Union { .. }
        | State::BinaryUnion { .. }
        | State::Capture { .. }
        | State::Fail
        | State::Match { .. } => None,
    }
}

/// One expression on its way through a text.
#[derive(Debug)]
struct Follower {
    now: Reached,
    next: Reached,
}

impl Follower {
    fn of(course: &Course) -> Self {
        Self {
            now: Reached::of(&course.nfa),
            next: Reached::of(&course.nfa),
        }
    }

    fn read(&mut self, course: &Course, byte: u8, at: usize) {
        let begins = course.begins_with(byte);
        if self.now.threads.is_empty() && !begins {
            return;
        }
        self.next.clear();
        let heads = course.heads.iter().filter(|_| begins);
        let fresh = heads.map(|&state| Thread { state, start: at });
        for thread in self.now.threads.iter().copied().chain(fresh) {
            let Some(state) = step(&course.nfa, thread.state, byte) else {
                continue;
            };
            let next = &mut self.next;
            if next.close(&course.nfa, state, thread.start, course.is_plain) {
                break;
            }
        }
        std::mem::swap(&mut self.now, &mut self.next);
    }

    /// The text lost this many bytes at its front.
    fn shift(&mut self, count: usize) {
        for thread in &mut self.now.threads {
            thread.start = thread.start.saturating_sub(count);
        }
    }
}

/// All detectors of a set on their way through one text, each byte of which is read once.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    followers: Vec<Follower>,
    read: usize,
}

impl Openings {
    /// Reads on to the end of the text; gives the earliest place at which something begins that may
    /// go on behind it.
    pub(crate) fn follow(&mut self, guards: &Guards, set: u32, text: &[u8]) -> Option<usize> {
        if self.followers.is_empty() {
            self.followers = guards.courses(set).map(Follower::of).collect();
        }
        let fresh = text.get(self.read..).unwrap_or_default();
        for (follower, course) in self.followers.iter_mut().zip(guards.courses(set)) {
            for (at, byte) in (self.read..).zip(fresh) {
                follower.read(course, *byte, at);
            }
        }
        self.read = text.len();
        let first = |follower: &Follower| follower.now.threads.first().map(|own| own.start);
        self.followers.iter().filter_map(first).min()
    }

    /// The text lost this many bytes at its front.
    pub(crate) fn shift(&mut self, count: usize) {
        if self.read < count {
            // Not read so far: what began there is behind the look-back.
            self.restart();
            return;
        }
        self.read -= count;
        for follower in &mut self.followers {
            follower.shift(count);
        }
    }

    /// Another text begins.
    pub(crate) fn restart(&mut self) {
        self.read = 0;
        for follower in &mut self.followers {
            follower.now.clear();
        }
    }
}
