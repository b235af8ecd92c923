//! The masker: chunks in, masked chunks out.

#![forbid(unsafe_code)]

mod sink;
#[cfg(test)]
mod tests;
mod walk;

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;

use crate::grammar::{Carry, DEPTH_MAX, Fault};
use crate::program::MaskProgram;
use crate::scan::{BLOCKS, Block, Kernel, WINDOW};
use sink::Sink;
use walk::{HeldTooLong, View, Walk};

pub use walk::{CAPTURED_BYTES_MAX, HELD_BYTES_MAX};

/// BOUND: the rules that a summary names; the others are counted only.
pub const SUMMARY_RULES_MAX: usize = 32;

thread_local! {
    /// Room for the masks of a window, all of which are written before they are read: to clear it for
    /// each chunk would take a tenth of a watch event's time.
    static BLOCKS_KEPT: Cell<Option<Box<[Block; BLOCKS]>>> = const { Cell::new(None) };
}

/// Why a stream was ended. Nothing may follow what was already handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskFault {
    /// Not JSON.
    #[error("the body is not JSON within the 64 bytes after byte {offset}")]
    Malformed {
        /// Bytes before the fault, up to 63 more not counted.
        offset: u64,
    },
    /// Not UTF-8.
    #[error("the body is not UTF-8 within the 8 KiB after byte {offset}")]
    NotUtf8 {
        /// Bytes before the window of the fault.
        offset: u64,
    },
    /// Too many open containers.
    #[error("the body nests deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Where a member may be dropped, too much stands between two values.
    #[error(
        "white space or a key of more than {HELD_BYTES_MAX} bytes stands where a member is dropped"
    )]
    HeldTooLong,
    /// The body ended within a document, or before one.
    #[error("the body ends before its document does")]
    Truncated,
    /// Used after a fault.
    #[error("the stream was ended by an earlier fault")]
    Poisoned,
}

/// What a masker did so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Values replaced or dropped, those in embedded documents included.
    pub masked_count: u64,
    /// Indexes of the rules that matched, rising, at most [`SUMMARY_RULES_MAX`].
    pub rules: Vec<usize>,
    /// Documents that have begun.
    pub document_count: u64,
    /// Bytes pushed.
    pub bytes_in: u64,
    /// Bytes handed out.
    pub bytes_out: u64,
}

/// One stream under a program.
///
/// Any split of the input gives the same bytes. All bytes of a chunk are handed on, replaced or
/// suppressed before [`Masker::push`] returns, but for a string whose text decides what becomes of
/// it, and for the comma and key of a member that may be dropped.
#[derive(Debug)]
pub struct Masker {
    program: Arc<MaskProgram>,
    kernel: Kernel,
    carry: Carry,
    walk: Walk,
    is_poisoned: bool,
    bytes_in: u64,
    bytes_out: u64,
}

impl Masker {
    /// A stream at its start.
    #[must_use]
    pub fn new(program: Arc<MaskProgram>, kernel: Kernel) -> Self {
        Self {
            carry: Carry::new(program.documents),
            program,
            kernel,
            walk: Walk::default(),
            is_poisoned: false,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Masks the next chunk; what may be handed on is appended to `out`.
    ///
    /// # Errors
    ///
    /// If the text is not JSON or passes a bound. `out` then ends before the window of the fault, and
    /// every later call fails: the stream must be aborted, not ended.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Bytes>) -> Result<(), MaskFault> {
        if self.is_poisoned {
            return Err(MaskFault::Poisoned);
        }
        // INVARIANT 2: poisoned until the whole chunk is proven, so that a panic poisons too.
        self.is_poisoned = true;
        let mut sink = Sink::new(chunk, out);
        // None where this masker works on a document within another's.
        let mut blocks = BLOCKS_KEPT
            .take()
            .unwrap_or_else(|| [Block::default(); BLOCKS].into());
        let result = self.windows(chunk, &mut *blocks, &mut sink);
        BLOCKS_KEPT.set(Some(blocks));
        self.bytes_out += sink.finish();
        self.is_poisoned = result.is_err();
        result
    }

    /// `blocks` holds a window, or all of a smaller chunk.
    fn windows(
        &mut self,
        chunk: &Bytes,
        blocks: &mut [Block],
        sink: &mut Sink<'_>,
    ) -> Result<(), MaskFault> {
        let mut base = 0;
        for bytes in chunk.chunks(WINDOW) {
            let passed = self.kernel.pass(bytes, &mut self.carry, blocks);
            passed.map_err(|fault| self.fault(fault))?;
            let blocks = blocks.get(..bytes.len().div_ceil(64)).unwrap_or_default();
            let view = View {
                blocks,
                bytes,
                base,
            };
            self.walk
                .window(&self.program, view, sink)
                .map_err(|HeldTooLong| MaskFault::HeldTooLong)?;
            base += bytes.len();
            self.bytes_in += bytes.len() as u64;
        }
        Ok(())
    }

    fn fault(&self, fault: Fault) -> MaskFault {
        match fault {
            Fault::Syntax(at) => MaskFault::Malformed {
                offset: self.bytes_in + at as u64,
            },
            Fault::Utf8 => MaskFault::NotUtf8 {
                offset: self.bytes_in,
            },
            Fault::Depth => MaskFault::TooDeep,
        }
    }

    /// Ends the stream. There is never a byte left to hand out: what was held belongs to a document
    /// that did not end.
    ///
    /// # Errors
    ///
    /// If the body ends within a document, or is no document where one must be.
    pub fn finish(&mut self) -> Result<Summary, MaskFault> {
        if self.is_poisoned {
            return Err(MaskFault::Poisoned);
        }
        self.is_poisoned = true;
        if self.carry.is_complete() {
            Ok(self.summary())
        } else {
            Err(MaskFault::Truncated)
        }
    }

    /// What was done so far: for watches, which end late.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            masked_count: self.walk.tally.masked_count,
            rules: self.walk.tally.rules().take(SUMMARY_RULES_MAX).collect(),
            document_count: self.carry.document_count(),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
        }
    }

    /// Bytes of memory that this stream holds between two pushes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.walk.memory_bytes()
    }
}
