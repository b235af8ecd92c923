//! Plain text: logs of pods and output of commands. Detectors alone can help here, and they are a
//! second net, not a promise (K-4.19).

#![forbid(unsafe_code)]

mod opening;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;

use crate::guard::Place;
use crate::program::MaskProgram;

use opening::Openings;

pub(crate) use opening::Course;

/// BOUND: of a line without an end this much is looked back at; more is handed on, looked at.
pub const LOOK_BACK_BYTES: usize = 4096;
/// BOUND: a line, or a secret within one, is held to here. Of a longer secret the rest goes with it,
/// up to the next white space.
const LINE_BYTES_MAX: usize = 4 * LOOK_BACK_BYTES;
/// BOUND: no private key is longer than this; after it, lines pass again.
const KEY_BYTES_MAX: usize = 64 * 1024;
/// What may be the beginning of a secret is held from this many bytes on: fewer tell nothing of it,
/// and a person who types waits for the echo of each letter.
const OPENING_BYTES_MIN: usize = 8;
/// Bytes handed on that are kept for the expressions to look back at: one character.
const CONTEXT_BYTES: usize = 4;

const KEY_BEGIN: &[u8] = b"PRIVATE KEY";
const KEY_END: &[u8] = b"-----END ";

/// What the text is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Line,
    /// A private key that was begun on an earlier line, after so many bytes of it.
    Key(usize),
    /// A secret longer than a line may be.
    Secret,
}

/// Masks a stream of text by the detectors of a program that watch everywhere.
///
/// Each complete line is handed on at once. A line without its end is held up to a bound, so that a
/// secret that crosses chunks is found. Who waits for an answer in the middle of a line, as a person
/// at a prompt does, calls [`Self::release`] where the text pauses.
///
/// Limits: a secret is found within its line (private keys excepted), by its shape alone, and of one
/// that came in pieces with a pause between them the first 7 bytes may be out before it is known.
pub struct LogMasker {
    program: Arc<MaskProgram>,
    within: Within,
    line: Vec<u8>,
    /// So much of the line was handed on; it is kept for what may follow it.
    given: usize,
    openings: Openings,
    masked_count: u64,
    bytes_in: u64,
}

impl std::fmt::Debug for LogMasker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("LogMasker");
        shown
            .field("masked_count", &self.masked_count)
            .finish_non_exhaustive()
    }
}

impl LogMasker {
    /// A stream at its start.
    #[must_use]
    pub fn new(program: Arc<MaskProgram>) -> Self {
        Self {
            program,
            within: Within::Line,
            line: Vec::new(),
            given: 0,
            openings: Openings::default(),
            masked_count: 0,
            bytes_in: 0,
        }
    }

    /// How many secrets were masked.
    #[must_use]
    pub const fn masked_count(&self) -> u64 {
        self.masked_count
    }

    /// How many bytes were looked at.
    #[must_use]
    pub const fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// Masks the next chunk; what may be handed on is appended to `out`.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Bytes>) {
        self.bytes_in += chunk.len() as u64;
        if self.program.everywhere.is_none() {
            out.push(chunk.clone());
            return;
        }
        let mut masked = Vec::with_capacity(chunk.len());
        let mut rest: &[u8] = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, behind) = rest.split_at_checked(end + 1).unwrap_or_default();
            rest = behind;
            self.add(line, &mut masked);
            self.end_line(&mut masked);
        }
        self.add(rest, &mut masked);
        if !masked.is_empty() {
            out.push(Bytes::from(masked));
        }
    }

    /// Hands on what no detector can be in the middle of, so that a prompt comes out although its
    /// line has no end. What may go on as a secret stays, unless it is shorter than
    /// 8 bytes and no secret yet; what is found later still counts those bytes as its beginning.
    ///
    /// It matters where this is called, so it is called at places that the sender chose, such as the
    /// end of a message, and not where the network cut.
    pub fn release(&mut self, out: &mut Vec<Bytes>) {
        let Some(set) = self.program.everywhere else {
            return;
        };
        if self.within != Within::Line || self.line.len() == self.given {
            return;
        }
        let end = self.line.len();
        let opening = self.openings.follow(&self.program.guards, set, &self.line);
        let mut cut = opening.unwrap_or(end);
        let places = self.program.guards.places(set, &self.line);
        let is_nothing_yet = places.iter().all(|place| place.end <= cut);
        if end - cut < OPENING_BYTES_MIN && is_nothing_yet {
            cut = end;
        }
        let cut = before(&places, cut);
        let mut masked = Vec::new();
        self.give(cut, &mut masked);
        if !masked.is_empty() {
            out.push(Bytes::from(masked));
        }
        let kept = opening.unwrap_or(end).min(self.given);
        self.forget(kept.saturating_sub(CONTEXT_BYTES));
    }

    /// Hands on the last line, which has no end.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) {
        let mut masked = Vec::new();
        self.end_line(&mut masked);
        if !masked.is_empty() {
            out.push(Bytes::from(masked));
        }
    }

    /// Adds to the line, a little at a time, so that its bound holds. The steps are those of the
    /// line, whatever the pieces.
    fn add(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LOOK_BACK_BYTES - self.line.len() % LOOK_BACK_BYTES;
            let (piece, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            rest = behind;
            self.line.extend_from_slice(piece);
            self.leave_secret();
            if self.line.len() >= 2 * LOOK_BACK_BYTES
                && self.line.len().is_multiple_of(LOOK_BACK_BYTES)
            {
                self.shorten(out);
            }
        }
    }

    /// The rest of an overlong secret goes, up to white space.
    fn leave_secret(&mut self) {
        if self.within == Within::Secret {
            match self.line.iter().position(u8::is_ascii_whitespace) {
                Some(end) => {
                    self.forget(end);
                    self.within = Within::Line;
                }
                None => self.clear(),
            }
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        if let Within::Key(length) = self.within {
            self.key_line(length);
        } else if self.line.len() > self.given {
            let begins = self.begins_key();
            self.give(self.line.len(), out);
            // Where all went to the end of the line, the line still ends.
            if self.line.ends_with(b"\n") && !out.ends_with(b"\n") {
                out.push(b'\n');
            }
            if begins {
                self.within = Within::Key(0);
            }
        }
        if self.within == Within::Secret {
            self.within = Within::Line;
        }
        self.clear();
    }

    /// Hands on the line up to there, with what is found in it replaced.
    fn give(&mut self, cut: usize, out: &mut Vec<u8>) {
        let Some(set) = self.program.everywhere else {
            return;
        };
        let mut done = self.given;
        for place in self.program.guards.places(set, &self.line) {
            if place.start >= cut || place.end <= self.given {
                continue;
            }
            out.extend_from_slice(self.line.get(done..place.start).unwrap_or_default());
            out.extend_from_slice(&place.text);
            self.masked_count += 1;
            done = place.end;
        }
        out.extend_from_slice(self.line.get(done..cut).unwrap_or_default());
        self.given = done.max(cut);
    }

    /// The front of the line goes, handed on or hidden.
    fn forget(&mut self, count: usize) {
        self.line.drain(..count.min(self.line.len()));
        self.given = self.given.saturating_sub(count);
        self.openings.shift(count);
    }

    fn clear(&mut self) {
        self.line.clear();
        self.given = 0;
        self.openings.restart();
    }

    /// The line begins a private key that does not end on it, and private keys are looked for.
    fn begins_key(&self) -> bool {
        let last = memchr::memmem::rfind(&self.line, b"-----BEGIN ");
        let tail = last.and_then(|at| self.line.get(at..)).unwrap_or_default();
        self.program.finds_keys
            && memchr::memmem::find(tail, KEY_BEGIN).is_some()
            && memchr::memmem::find(tail, KEY_END).is_none()
    }

    /// A line of a private key goes; its last line gives way to what stands behind it.
    fn key_line(&mut self, length: usize) {
        let length = length + self.line.len();
        let ends = memchr::memmem::find(&self.line, KEY_END).is_some();
        self.within = if ends || length > KEY_BYTES_MAX {
            Within::Line
        } else {
            Within::Key(length)
        };
    }

    /// Hands on all but the last of a long line.
    fn shorten(&mut self, out: &mut Vec<u8>) {
        if let Within::Key(length) = self.within {
            self.key_line(length);
            self.clear();
            return;
        }
        let Some(set) = self.program.everywhere else {
            return;
        };
        let places = self.program.guards.places(set, &self.line);
        let mut cut = before(&places, self.line.len() - LOOK_BACK_BYTES);
        if cut <= self.given {
            if self.line.len() < LINE_BYTES_MAX {
                self.forget(cut);
                return;
            }
            cut = self.line.len();
            self.within = Within::Secret;
        }
        self.give(cut, out);
        self.forget(cut);
    }
}

/// The cut, moved before each place that it would part.
fn before(places: &[Place], cut: usize) -> usize {
    let parted = |place: &&Place| (place.start + 1..place.end).contains(&cut);
    places.iter().find(parted).map_or(cut, |place| place.start)
}
