//! The walk over the masks of a window, along the automaton.
//!
//! The grammar is already proven when a window comes here. Every open container whose members or
//! elements matter has a level; the others are skipped by depth. Bytes pass, are suppressed, or wait
//! (`holding`) until it is known whether their member stays.

#![forbid(unsafe_code)]

use std::fmt;

use memchr::memchr;

use super::sink::Sink;
use crate::apply::{self, Applied};
use crate::guard::{GUARDED_BYTES_MAX, Hits};
use crate::program::{Action, ActionKind, Automaton, DEAD, MaskProgram, ROOT, State, StateId};
use crate::scan::{BLOCK, Block};
use crate::text;

/// BOUND: a string whose text decides what becomes of it is captured to here, escapes included; a
/// longer one is redacted whole.
pub const CAPTURED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// BOUND: comma, white space and key of a member that may be dropped; beyond, the stream ends.
pub const HELD_BYTES_MAX: usize = 64 * 1024;
/// An escape spends at most this many bytes on one byte of a name.
const ESCAPE_BYTES_MAX: usize = 6;

pub(super) struct HeldTooLong;

/// A window: its masks, its bytes and where in the chunk it begins.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub blocks: &'a [Block],
    pub bytes: &'a [u8],
    pub base: usize,
}

/// What the walk waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The value of a member, or a root.
    Value {
        state: StateId,
        /// Its text decides a `[key=value]` of its object.
        probe: Option<u32>,
    },
    /// The next member of the innermost object, or its end.
    Members,
    /// The next element of the innermost array, or its end.
    Elements,
    /// The end of a key that began in an earlier window.
    Key,
    /// The end of a string.
    String,
    /// The end of a scalar.
    Scalar,
    /// The close that leaves so many containers open.
    Skip { floor: u32 },
    /// The end of a string whose text decides.
    Capture { state: StateId },
}

/// An open container with something to look for.
#[derive(Debug, Clone, Copy)]
struct Level {
    state: StateId,
    is_object: bool,
    /// Its members or elements may be dropped.
    drops: bool,
    /// One was not.
    kept: bool,
}

/// What was masked.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub masked_count: u64,
    rules: [u64; 4],
}

impl Tally {
    fn add(&mut self, action: &Action) {
        self.masked_count += 1;
        self.name(action);
    }

    fn name(&mut self, action: &Action) {
        for rule in &action.rules {
            if let Some(word) = self.rules.get_mut(rule / 64) {
                *word |= 1 << (rule % 64);
            }
        }
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = usize> {
        let words = self.rules;
        (0..words.len() * 64).filter(move |rule| {
            words
                .get(rule / 64)
                .is_some_and(|word| word >> (rule % 64) & 1 == 1)
        })
    }
}

/// The walk between two windows. `Debug` shows none of the text that it holds.
pub(super) struct Walk {
    phase: Phase,
    levels: Vec<Level>,
    /// Bytes at this place of the text do not pass.
    is_suppressed: bool,
    /// Bytes at this place wait in `held`.
    is_holding: bool,
    /// The key or probed value that `spill` holds is longer than any that matters. Means nothing of a
    /// key that lies within one window.
    is_overlong: bool,
    held: Vec<u8>,
    /// The begun key or probed value.
    spill: Vec<u8>,
    captured: Vec<u8>,
    /// Of the window: where detectors may find something.
    hits: Hits,
    /// What the value at hand decides.
    probe: Option<u32>,
    pub tally: Tally,
}

impl fmt::Debug for Walk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Walk");
        shown
            .field("phase", &self.phase)
            .field("levels", &self.levels.len());
        shown.field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            phase: Phase::Value {
                state: ROOT,
                probe: None,
            },
            levels: Vec::new(),
            is_suppressed: false,
            is_holding: false,
            is_overlong: false,
            held: Vec::new(),
            spill: Vec::new(),
            captured: Vec::new(),
            hits: Hits::default(),
            probe: None,
            tally: Tally::default(),
        }
    }
}

impl Walk {
    /// Walks one window.
    pub(super) fn window(
        &mut self,
        program: &MaskProgram,
        view: View<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), HeldTooLong> {
        let from = (!self.is_suppressed).then_some(0);
        self.hits.clear();
        let mut cursor = Cursor {
            walk: self,
            automaton: &program.automaton,
            program,
            view,
            sink,
            from,
            is_overheld: false,
        };
        let mut at = 0;
        while !cursor.is_overheld {
            match cursor.advance(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        cursor.end()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let bytes = self.held.capacity() + self.spill.capacity() + self.captured.capacity();
        bytes + self.levels.capacity() * size_of::<Level>() + self.hits.memory_bytes()
    }
}

/// The walk within a window.
struct Cursor<'w, 'v, 's> {
    walk: &'w mut Walk,
    automaton: &'v Automaton,
    program: &'v MaskProgram,
    view: View<'v>,
    sink: &'w mut Sink<'s>,
    /// Where the bytes begin that pass and are not yet handed on.
    from: Option<usize>,
    is_overheld: bool,
}

impl<'v> Cursor<'_, 'v, '_> {
    /// One step from `at`: where to go on. `None` at the end of the window.
    #[inline]
    fn advance(&mut self, at: usize) -> Option<usize> {
        match self.walk.phase {
            Phase::Members => self.members(at),
            Phase::Elements => self.elements(at),
            Phase::Value { state, probe } => {
                let start = self.find(at, |block| block.quote | block.scalar | block.open)?;
                self.value(start, state, probe)
            }
            Phase::Key => self.key_goes_on(at),
            Phase::String => self.string(at),
            Phase::Scalar => {
                let end = self.find(at, |block| !block.scalar)?;
                Some(self.value_end(end))
            }
            Phase::Skip { floor } => {
                let close = self.skip(at, floor)?;
                Some(self.value_end(close + 1))
            }
            Phase::Capture { state } => self.capture_goes_on(at, state),
        }
    }

    /// At the end of the window.
    fn end(mut self) -> Result<(), HeldTooLong> {
        if self.is_overheld {
            return Err(HeldTooLong);
        }
        let len = self.view.bytes.len();
        self.walk.is_suppressed = self.from.is_none();
        match self.from {
            Some(from) if self.walk.is_holding => {
                self.check_held(len);
                self.walk
                    .held
                    .extend_from_slice(self.view.bytes.get(from..).unwrap_or_default());
            }
            Some(_) => self.flush(len),
            None => {}
        }
        if self.is_overheld {
            Err(HeldTooLong)
        } else {
            Ok(())
        }
    }

    /// The next place from `at` on where the mask has a bit.
    #[inline]
    fn find(&self, at: usize, mask: impl Fn(&Block) -> u64) -> Option<usize> {
        let mut index = at / BLOCK;
        let mut bits = mask(self.view.blocks.get(index)?) & !0 << (at % BLOCK);
        while bits == 0 {
            index += 1;
            bits = mask(self.view.blocks.get(index)?);
        }
        let found = index * BLOCK + bits.trailing_zeros() as usize;
        (found < self.view.bytes.len()).then_some(found)
    }

    /// The next close from `at` on that leaves `floor` containers open. `at` stands behind the open
    /// bracket that makes it one more, or at the start of the window.
    #[inline]
    fn skip(&self, at: usize, floor: u32) -> Option<usize> {
        let mut index = at / BLOCK;
        let mut block = self.view.blocks.get(index)?;
        let mut depth = if at == 0 { block.depth } else { floor + 1 };
        let mut all = (block.open | block.close) & !0 << (at % BLOCK);
        loop {
            while all != 0 {
                let bit = all & all.wrapping_neg();
                all ^= bit;
                let opens = block.open & bit != 0;
                depth = if opens { depth + 1 } else { depth - 1 };
                if depth == floor {
                    return Some(index * BLOCK + bit.trailing_zeros() as usize);
                }
            }
            loop {
                index += 1;
                block = self.view.blocks.get(index)?;
                if block.depth_min <= floor {
                    break;
                }
            }
            depth = block.depth;
            all = block.open | block.close;
        }
    }

    fn has(&self, at: usize, mask: impl Fn(&Block) -> u64) -> bool {
        let block = self.view.blocks.get(at / BLOCK);
        block.is_some_and(|block| mask(block) >> (at % BLOCK) & 1 == 1)
    }

    fn byte(&self, at: usize) -> u8 {
        self.view.bytes.get(at).copied().unwrap_or_default()
    }

    fn slice(&self, from: usize, to: usize) -> &'v [u8] {
        self.view.bytes.get(from..to).unwrap_or_default()
    }

    /// Hands on what passes before `to`.
    #[inline]
    fn flush(&mut self, to: usize) {
        if let Some(from) = self.from {
            self.sink.pass(self.view.base + from, self.view.base + to);
            self.from = Some(to);
        }
    }

    /// Bytes from `at` on do not pass.
    fn suppress(&mut self, at: usize) {
        self.flush(at);
        self.from = None;
    }

    fn open_count(&self) -> u32 {
        // No more levels than open containers, of which there are at most `DEPTH_MAX`.
        u32::try_from(self.walk.levels.len()).unwrap_or(u32::MAX)
    }

    /// A value has ended before `end`.
    #[inline]
    fn value_end(&mut self, end: usize) -> usize {
        self.from = self.from.or(Some(end));
        self.walk.phase = self.after_value();
        end
    }

    fn after_value(&self) -> Phase {
        match self.walk.levels.last() {
            Some(level) if level.is_object => Phase::Members,
            Some(_) => Phase::Elements,
            None => Phase::Value {
                state: ROOT,
                probe: None,
            },
        }
    }

    /// Walks objects until something else is to be done.
    fn members(&mut self, at: usize) -> Option<usize> {
        let mut at = at;
        while self.walk.phase == Phase::Members && !self.is_overheld {
            at = self.member(at)?;
        }
        Some(at)
    }

    /// To the next member of the innermost object that matters, and into its value.
    #[inline(always)]
    fn member(&mut self, at: usize) -> Option<usize> {
        let level = *self.walk.levels.last()?;
        let state = self.automaton.state(level.state);
        let commas = if level.drops { !0 } else { 0 };
        let blocks = self.view.blocks;
        let events = |block: &Block| block.key | block.open | block.close | block.comma & commas;
        let mut index = at / BLOCK;
        let mut block = blocks.get(index)?;
        let mut bits = events(block) & !0 << (at % BLOCK);
        loop {
            while bits == 0 {
                index += 1;
                block = blocks.get(index)?;
                bits = events(block);
            }
            let bit = bits & bits.wrapping_neg();
            bits ^= bit;
            let found = index * BLOCK + bit.trailing_zeros() as usize;
            if block.key & bit != 0 {
                if level.drops || state.may_name(self.view.bytes, found + 1) {
                    return self.key(found, level);
                }
            } else if block.open & bit != 0 {
                // The value of a member that does not matter.
                let floor = self.open_count();
                let Some(close) = self.skip(found + 1, floor) else {
                    self.walk.phase = Phase::Skip { floor };
                    return None;
                };
                index = close / BLOCK;
                block = blocks.get(index)?;
                bits = events(block) & !1 << (close % BLOCK);
            } else {
                return Some(self.close_or_comma(found, level));
            }
        }
    }

    #[inline]
    fn elements(&mut self, at: usize) -> Option<usize> {
        let level = *self.walk.levels.last()?;
        let state = self.automaton.state(level.state);
        let commas = if level.drops { !0 } else { 0 };
        let scalars = if state.visits_scalars || level.drops {
            !0
        } else {
            0
        };
        let found = self.find(at, |block| {
            let others = block.comma & commas | (block.quote | block.scalar) & scalars;
            block.open | block.close | others
        })?;
        if self.has(found, |block| block.close | block.comma) {
            return Some(self.close_or_comma(found, level));
        }
        let is_object = self.byte(found) == b'{';
        let target = if is_object {
            state.element_object
        } else {
            state.element_other
        };
        if level.drops && !self.is_dropped(target) {
            self.keep(found);
            if self.is_overheld {
                return None;
            }
        }
        self.value(found, target, None)
    }

    #[inline]
    fn close_or_comma(&mut self, at: usize, level: Level) -> usize {
        if self.has(at, |block| block.close) {
            self.walk.levels.pop();
            return self.value_end(at + 1);
        }
        // Where nothing was kept before, the comma goes whatever comes.
        self.flush(at);
        self.from = Some(if level.kept { at } else { at + 1 });
        self.walk.is_holding = true;
        at + 1
    }

    fn is_dropped(&self, state: StateId) -> bool {
        let action = self.automaton.action(self.automaton.state(state));
        action.is_some_and(|action| matches!(action.kind, ActionKind::Drop))
    }

    /// The member or element at hand stays.
    fn keep(&mut self, at: usize) {
        if self.walk.is_holding {
            self.check_held(at);
            self.walk.is_holding = false;
            let held = std::mem::take(&mut self.walk.held);
            if !held.is_empty() && !self.is_overheld {
                self.sink.text(&held);
            }
        }
        if let Some(level) = self.walk.levels.last_mut() {
            level.kept = true;
        }
    }

    /// The member or element at hand goes, with what waits.
    fn drop_held(&mut self, at: usize) {
        if self.walk.is_holding {
            self.check_held(at);
            self.walk.is_holding = false;
            self.walk.held = Vec::new();
            self.from = None;
        } else {
            self.suppress(at);
        }
    }

    /// Counted from the comma to the place of the decision, so that windows do not matter.
    fn check_held(&mut self, at: usize) {
        let length = self.walk.held.len() + at - self.from.unwrap_or(at);
        self.is_overheld |= length > HELD_BYTES_MAX;
    }

    #[inline]
    fn key(&mut self, quote: usize, level: Level) -> Option<usize> {
        if level.drops && !self.walk.is_holding {
            self.flush(quote);
            self.walk.is_holding = true;
        }
        let start = quote + 1;
        let Some(end) = self.find(start, |block| block.quote) else {
            self.walk.phase = Phase::Key;
            self.walk.spill.clear();
            self.walk.is_overlong = false;
            self.spill_key(start, level);
            return None;
        };
        let is_blind = self.automaton.state(level.state).is_blind();
        let raw = (!is_blind).then(|| (self.slice(start, end), self.has_backslash(start, end)));
        self.key_end(raw, end, level);
        if self.is_overheld {
            return None;
        }
        match self.walk.phase {
            // Most values begin right behind their key.
            Phase::Value { state, probe } => {
                let start = match self.slice(end + 1, end + 3) {
                    [b':', first] if *first > b' ' => end + 2,
                    _ => self.find(end + 1, |block| block.quote | block.scalar | block.open)?,
                };
                self.value(start, state, probe)
            }
            Phase::Members
            | Phase::Elements
            | Phase::Key
            | Phase::String
            | Phase::Scalar
            | Phase::Skip { .. }
            | Phase::Capture { .. } => Some(end + 1),
        }
    }

    /// There is a backslash from `start` to `end`, which is in the window.
    fn has_backslash(&self, start: usize, end: usize) -> bool {
        let index = start / BLOCK;
        if index == end / BLOCK {
            let block = self.view.blocks.get(index);
            let range = !0 << (start % BLOCK) & !(!0 << (end % BLOCK));
            return block.is_none_or(|block| block.backslash & range != 0);
        }
        memchr(b'\\', self.slice(start, end)).is_some()
    }

    fn spill_key(&mut self, start: usize, level: Level) {
        let longest = self.automaton.state(level.state).name_bytes_max;
        self.spill(start, self.view.bytes.len(), longest);
    }

    /// Keeps the bytes of a begun key or value, unless it is longer than any that matters.
    fn spill(&mut self, start: usize, end: usize, longest: usize) {
        let bytes = self.slice(start, end);
        // BOUND: an escape spends six bytes on one; what is longer equals nothing.
        if self.walk.spill.len() + bytes.len() > longest * ESCAPE_BYTES_MAX {
            self.walk.is_overlong = true;
        } else {
            self.walk.spill.extend_from_slice(bytes);
        }
    }

    fn key_goes_on(&mut self, at: usize) -> Option<usize> {
        let level = *self.walk.levels.last()?;
        let Some(end) = self.find(at, |block| block.quote) else {
            self.spill_key(at, level);
            return None;
        };
        let longest = self.automaton.state(level.state).name_bytes_max;
        self.spill(at, end, longest);
        let raw = std::mem::take(&mut self.walk.spill);
        let known = !self.walk.is_overlong;
        let is_escaped = memchr(b'\\', &raw).is_some();
        self.key_end(known.then_some((raw.as_slice(), is_escaped)), end, level);
        self.walk.spill = raw;
        Some(end + 1)
    }

    /// A key is known, or known to be longer than any that matters: where its value leads.
    #[inline(always)]
    fn key_end(&mut self, raw: Option<(&[u8], bool)>, end: usize, level: Level) {
        let state = self.automaton.state(level.state);
        let raw = raw.filter(|_| !state.is_blind());
        let found = raw.and_then(|(raw, is_escaped)| {
            if is_escaped {
                state.edge(&text::unescape(raw))
            } else {
                state.edge(raw)
            }
        });
        let (target, probe) = found.map_or((state.other, None), |edge| (edge.target, edge.probe));
        if level.drops {
            if self.is_dropped(target) {
                self.drop_held(end);
            } else {
                self.keep(end);
            }
        }
        self.walk.phase = if target == DEAD && probe.is_none() {
            Phase::Members
        } else {
            Phase::Value {
                state: target,
                probe,
            }
        };
    }

    /// A value begins.
    #[inline(always)]
    fn value(&mut self, start: usize, target: StateId, probe: Option<u32>) -> Option<usize> {
        let first = self.byte(start);
        self.walk.probe = probe;
        if let Some(probe) = probe {
            self.walk.spill.clear();
            self.walk.is_overlong = false;
            if first != b'"' {
                self.walk.probe = None;
                self.settle(probe, None);
            }
        }
        let state = self.automaton.state(target);
        if let Some(action) = self.automaton.action(state) {
            return self.masked(start, target, action);
        }
        if let (Some(guard), b'"') = (state.guard, first) {
            return self.guarded(start, target, guard);
        }
        Some(self.passed(start, target))
    }

    /// Goes into a value that passes.
    #[inline]
    fn passed(&mut self, start: usize, target: StateId) -> usize {
        let state = self.automaton.state(target);
        let first = self.byte(start);
        let is_object = first == b'{';
        let (is_live, drops) = match first {
            b'{' => (state.object_is_live, state.drops_members),
            b'[' => (state.array_is_live, state.drops_elements),
            _ => {
                // In an object, neither the rest of a string nor of a scalar can be taken for a key.
                let in_object = self.walk.levels.last().is_some_and(|level| level.is_object);
                self.walk.phase = match first {
                    b'"' if !in_object || self.walk.probe.is_some() => Phase::String,
                    _ if in_object => Phase::Members,
                    _ => Phase::Scalar,
                };
                return start + 1;
            }
        };
        self.walk.phase = if is_live {
            self.walk.levels.push(Level {
                state: target,
                is_object,
                drops,
                kept: false,
            });
            if is_object {
                Phase::Members
            } else {
                Phase::Elements
            }
        } else {
            Phase::Skip {
                floor: self.open_count(),
            }
        };
        start + 1
    }

    /// A value that an action applies to begins.
    #[inline(always)]
    fn masked(&mut self, start: usize, target: StateId, action: &Action) -> Option<usize> {
        let first = self.byte(start);
        let is_drop = matches!(action.kind, ActionKind::Drop);
        if is_drop && !self.walk.levels.is_empty() {
            self.walk.tally.add(action);
            self.drop_held(start);
            return self.over(start);
        }
        if first == b'n' {
            return Some(self.passed(start, DEAD));
        }
        self.suppress(start);
        if first == b'"' && apply::reads_text(&action.kind) {
            self.walk.phase = Phase::Capture { state: target };
            return self.capture_goes_on(start + 1, target);
        }
        self.walk.tally.add(action);
        self.sink.text(match first {
            b'"' => &action.text,
            b'{' => b"{}",
            b'[' => b"[]",
            b't' | b'f' => b"false",
            _ => b"0",
        });
        self.over(start)
    }

    /// Goes over a value that does not pass: to its end, where that is in the window.
    #[inline(always)]
    fn over(&mut self, start: usize) -> Option<usize> {
        let (phase, end) = match self.byte(start) {
            b'{' | b'[' => {
                let floor = self.open_count();
                let close = self.skip(start + 1, floor);
                (Phase::Skip { floor }, close.map(|close| close + 1))
            }
            b'"' => {
                let close = self.find(start + 1, |block| block.quote);
                (Phase::String, close.map(|close| close + 1))
            }
            _ => (Phase::Scalar, self.find(start + 1, |block| !block.scalar)),
        };
        if let (Some(end), None) = (end, self.walk.probe) {
            return Some(self.value_end(end));
        }
        self.walk.phase = phase;
        Some(start + 1)
    }

    /// A string that detectors watch begins.
    fn guarded(&mut self, start: usize, target: StateId, guard: u32) -> Option<usize> {
        let end = self.find(start + 1, |block| block.quote);
        let Some(end) = end else {
            self.suppress(start);
            self.walk.phase = Phase::Capture { state: target };
            return self.capture_goes_on(start + 1, target);
        };
        let raw = self.slice(start + 1, end);
        let guards = &self.program.guards;
        let place = (start + 1, end);
        // No string within one window is too long to be read.
        let may_find = guards.may_find_at(&mut self.walk.hits, self.view.bytes, place);
        if may_find && let Some(guarded) = apply::guard_all(guards, guard, raw) {
            self.suppress(start);
            self.walk.tally.masked_count += guarded.count;
            self.sink.text(&guarded.text);
        }
        self.probe_end(raw);
        Some(self.value_end(end + 1))
    }

    fn string(&mut self, at: usize) -> Option<usize> {
        let found = self.find(at, |block| block.quote);
        let Some(probe) = self.walk.probe else {
            return Some(self.value_end(found? + 1));
        };
        let longest = self
            .automaton
            .probe(probe)
            .map_or(0, |probe| probe.length_max);
        self.spill(at, found.unwrap_or(self.view.bytes.len()), longest);
        let end = found?;
        let raw = std::mem::take(&mut self.walk.spill);
        self.probe_end(&raw);
        self.walk.spill = raw;
        Some(self.value_end(end + 1))
    }

    /// A string that a `[key=value]` waits for has ended.
    fn probe_end(&mut self, raw: &[u8]) {
        if let Some(probe) = self.walk.probe.take() {
            let known = !self.walk.is_overlong;
            self.settle(probe, known.then(|| text::unescape(raw)).as_deref());
        }
    }

    /// The member of a `[key=value]` is this string, or none that could be equal.
    fn settle(&mut self, probe: u32, text: Option<&[u8]>) {
        let Some(probe) = self.automaton.probe(probe) else {
            return;
        };
        let state = text.map_or(probe.other, |text| probe.state_of(text));
        let drops = self.automaton.state(state).drops_members;
        if let Some(level) = self.walk.levels.last_mut() {
            level.state = state;
            level.drops |= drops;
        }
    }

    /// A captured string goes on at `at`.
    fn capture_goes_on(&mut self, at: usize, target: StateId) -> Option<usize> {
        let state = self.automaton.state(target);
        let action = self.automaton.action(state);
        let found = self.find(at, |block| block.quote);
        let piece = self.slice(at, found.unwrap_or(self.view.bytes.len()));
        let bound = if action.is_some() {
            CAPTURED_BYTES_MAX
        } else {
            GUARDED_BYTES_MAX
        };
        if self.walk.captured.len() + piece.len() > bound {
            self.walk.captured = Vec::new();
            self.walk.is_overlong = true;
            self.walk.phase = Phase::String;
            self.write(&self.whole(action, state));
            return Some(at);
        }
        if found.is_none() || !self.walk.captured.is_empty() {
            self.walk.captured.extend_from_slice(piece);
        }
        let end = found?;
        let captured = std::mem::take(&mut self.walk.captured);
        let raw = if captured.is_empty() {
            piece
        } else {
            &captured
        };
        let applied = match (action, state.guard) {
            (Some(action), None) => apply::action(action, raw),
            (Some(action), Some(guard)) => {
                apply::guard_after(&self.program.guards, guard, apply::action(action, raw))
            }
            (None, Some(guard)) => apply::guard(&self.program.guards, guard, raw)
                .unwrap_or_else(|| apply::unchanged(raw)),
            (None, None) => apply::unchanged(raw),
        };
        if let Some(action) = action {
            self.walk.tally.name(action);
        }
        self.write(&applied);
        self.probe_end(raw);
        Some(self.value_end(end + 1))
    }

    /// What stands for a string that is too long to read.
    fn whole(&self, action: Option<&Action>, state: &State) -> Applied {
        match (action, state.guard) {
            (Some(action), _) => apply::whole(action),
            (None, Some(guard)) => apply::guard_whole(&self.program.guards, guard),
            (None, None) => Applied {
                text: b"\"\"".to_vec(),
                count: 1,
            },
        }
    }

    fn write(&mut self, applied: &Applied) {
        self.walk.tally.masked_count += applied.count;
        self.sink.text(&applied.text);
    }
}
