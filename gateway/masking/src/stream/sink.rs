//! Where masked bytes go: an untouched chunk as it is, long stretches as slices of it, short ones
//! and replacements copied together.

#![forbid(unsafe_code)]

use bytes::Bytes;

/// From here on a slice of the chunk is cheaper than its copy.
const SLICE_BYTES_MIN: usize = 4096;
/// BOUND: copied bytes are handed on in pieces of about this size.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Sink<'a> {
    chunk: &'a Bytes,
    out: &'a mut Vec<Bytes>,
    buffer: Vec<u8>,
    /// A stretch of the chunk not yet handed on; empty where start is end.
    start: usize,
    end: usize,
    count: u64,
}

impl<'a> Sink<'a> {
    pub(super) const fn new(chunk: &'a Bytes, out: &'a mut Vec<Bytes>) -> Self {
        Self {
            chunk,
            out,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            count: 0,
        }
    }

    /// A stretch of the chunk passes.
    // INVARIANT 8: what is not replaced is a stretch of the input, never written anew.
    #[inline]
    pub(super) fn pass(&mut self, start: usize, end: usize) {
        if start >= end {
            return;
        }
        if self.end != start {
            self.commit();
            self.start = start;
        }
        self.end = end;
    }

    /// Other bytes pass.
    #[inline]
    pub(super) fn text(&mut self, text: &[u8]) {
        self.commit();
        self.copy(text);
    }

    #[inline]
    fn copy(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > self.buffer.capacity() {
            self.make_room(bytes.len());
        }
        self.buffer.extend_from_slice(bytes);
        self.count += bytes.len() as u64;
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, length: usize) {
        self.flush();
        // Enough for most chunks at once; it is given away at the end of the push.
        let usual = (self.chunk.len() + 256).min(BUFFER_BYTES_MAX);
        self.buffer.reserve_exact(usual.max(length));
    }

    #[inline]
    fn commit(&mut self) {
        let (start, end) = (self.start, self.end);
        self.start = end;
        if end - start >= SLICE_BYTES_MIN {
            self.flush();
            self.out.push(self.chunk.slice(start..end));
            self.count += (end - start) as u64;
        } else if let Some(bytes) = self.chunk.get(start..end).filter(|bytes| !bytes.is_empty()) {
            self.copy(bytes);
        }
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.out.push(Bytes::from(std::mem::take(&mut self.buffer)));
        }
    }

    /// Hands on what is left; gives the bytes handed on in all.
    pub(super) fn finish(mut self) -> u64 {
        let whole = self.count == 0 && self.start == 0 && self.end == self.chunk.len();
        if whole && !self.chunk.is_empty() {
            self.out.push(self.chunk.clone());
            return self.chunk.len() as u64;
        }
        self.commit();
        self.flush();
        self.count
    }
}
