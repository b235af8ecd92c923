//! Plain text: logs of pods and output of commands. Detectors alone can help here, and they are a
//! second net, not a promise (K-4.19).

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;

use crate::program::MaskProgram;

/// BOUND: of a line without an end this much is looked back at; more is handed on, looked at.
pub const LOOK_BACK_BYTES: usize = 4096;
/// BOUND: a line, or a secret within one, is held to here. Of a longer secret the rest goes with it,
/// up to the next white space.
const LINE_BYTES_MAX: usize = 4 * LOOK_BACK_BYTES;
/// BOUND: no private key is longer than this; after it, lines pass again.
const KEY_BYTES_MAX: usize = 64 * 1024;

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
/// secret that crosses chunks is found.
pub struct LogMasker {
    program: Arc<MaskProgram>,
    within: Within,
    line: Vec<u8>,
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
    pub const fn new(program: Arc<MaskProgram>) -> Self {
        Self {
            program,
            within: Within::Line,
            line: Vec::new(),
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

    /// Hands on the last line, which has no end.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) {
        let mut masked = Vec::new();
        self.end_line(&mut masked);
        if !masked.is_empty() {
            out.push(Bytes::from(masked));
        }
    }

    /// Adds to the line, a little at a time, so that its bound holds.
    fn add(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.chunks(LOOK_BACK_BYTES) {
            self.line.extend_from_slice(piece);
            self.leave_secret();
            if self.line.len() >= 2 * LOOK_BACK_BYTES {
                self.shorten(out);
            }
        }
    }

    /// The rest of an overlong secret goes, up to white space.
    fn leave_secret(&mut self) {
        if self.within == Within::Secret {
            match self.line.iter().position(u8::is_ascii_whitespace) {
                Some(end) => {
                    self.line.drain(..end);
                    self.within = Within::Line;
                }
                None => self.line.clear(),
            }
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        if let Within::Key(length) = self.within {
            self.key_line(length);
        } else if !self.line.is_empty() {
            let begins = self.begins_key();
            match self.program.everywhere {
                Some(set) => match self.program.guards.apply(set, &self.line) {
                    Some(guarded) => {
                        self.masked_count += guarded.count as u64;
                        out.extend_from_slice(&guarded.text);
                        // Where all went to the end of the line, the line still ends.
                        if self.line.ends_with(b"\n") && !guarded.text.ends_with(b"\n") {
                            out.push(b'\n');
                        }
                    }
                    None => out.extend_from_slice(&self.line),
                },
                None => out.extend_from_slice(&self.line),
            }
            if begins {
                self.within = Within::Key(0);
            }
        }
        if self.within == Within::Secret {
            self.within = Within::Line;
        }
        self.line.clear();
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
            self.line.clear();
            return;
        }
        let Some(set) = self.program.everywhere else {
            return;
        };
        let mut cut = self.line.len() - LOOK_BACK_BYTES;
        let spans = self.program.guards.spans(set, &self.line);
        for (start, end) in &spans {
            if (*start..*end).contains(&cut) {
                cut = *start;
            }
        }
        if cut == 0 {
            if self.line.len() < LINE_BYTES_MAX {
                return;
            }
            cut = self.line.len();
            self.within = Within::Secret;
        }
        let kept = self.line.split_off(cut);
        match self.program.guards.apply(set, &self.line) {
            Some(guarded) => {
                self.masked_count += guarded.count as u64;
                out.extend_from_slice(&guarded.text);
            }
            None => out.extend_from_slice(&self.line),
        }
        self.line = kept;
    }
}
