//! Which fields of a JSON body hold a marker.

#![forbid(unsafe_code)]

use std::fmt::Write as _;

use super::is_marked;
use crate::grammar::{Carry, Documents};
use crate::scan::{BLOCKS, Block, Kernel, WINDOW};
use crate::text;

/// BOUND: fields that are named; more are known of, not named.
pub const MARKED_FIELD_COUNT_MAX: usize = 32;
/// BOUND: a named pointer; a longer one is cut.
const POINTER_BYTES_MAX: usize = 1024;

/// The fields of a body that hold a marker. A write with any is a masked value on its way back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkerScan {
    fields: Vec<Box<str>>,
    count: usize,
}

enum Level {
    Array(usize),
    /// The current key, as it stands in the text.
    Object(usize, usize),
}

impl MarkerScan {
    /// Looks at each string and each key of a body. A body that is not JSON is one field.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let mut scan = Self::default();
        if is_json(body) {
            scan.walk(body);
        } else if is_marked(body) {
            scan.add(body, &[]);
        }
        scan
    }

    /// There is no marker.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.count == 0
    }

    /// How many fields hold a marker.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// JSON pointers (RFC 6901) of the first [`MARKED_FIELD_COUNT_MAX`].
    #[must_use]
    pub fn fields(&self) -> &[Box<str>] {
        &self.fields
    }

    fn walk(&mut self, body: &[u8]) {
        let mut levels: Vec<Level> = Vec::new();
        let mut key_is_due = false;
        let mut at = 0;
        while let Some(byte) = body.get(at) {
            match byte {
                b'{' | b'[' => {
                    key_is_due = *byte == b'{';
                    levels.push(if key_is_due {
                        Level::Object(0, 0)
                    } else {
                        Level::Array(0)
                    });
                }
                b'}' | b']' => {
                    levels.pop();
                    key_is_due = false;
                }
                b',' => match levels.last_mut() {
                    Some(Level::Array(index)) => *index += 1,
                    Some(Level::Object(..)) => key_is_due = true,
                    None => {}
                },
                b'"' => {
                    let end = string_end(body, at + 1);
                    if let (true, Some(Level::Object(from, to))) = (key_is_due, levels.last_mut()) {
                        (*from, *to) = (at + 1, end);
                        key_is_due = false;
                    }
                    let raw = body.get(at + 1..end).unwrap_or_default();
                    if is_marked(&text::unescape(raw)) {
                        self.add(body, &levels);
                    }
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn add(&mut self, body: &[u8], levels: &[Level]) {
        self.count += 1;
        if self.fields.len() < MARKED_FIELD_COUNT_MAX {
            let pointer = pointer(body, levels);
            // A key with a marker and its value are one field.
            if self.fields.last().is_none_or(|last| **last != *pointer) {
                self.fields.push(pointer.into());
            }
        }
    }
}

fn pointer(body: &[u8], levels: &[Level]) -> String {
    let mut pointer = String::new();
    for level in levels {
        match level {
            Level::Array(index) => {
                // Writing to a string cannot fail.
                let _written = write!(pointer, "/{index}");
            }
            Level::Object(from, to) => {
                let key = text::unescape(body.get(*from..*to).unwrap_or_default());
                let key = String::from_utf8_lossy(&key)
                    .replace('~', "~0")
                    .replace('/', "~1");
                pointer.push('/');
                pointer.push_str(&key);
            }
        }
        if pointer.len() > POINTER_BYTES_MAX {
            let cut = pointer.floor_char_boundary(POINTER_BYTES_MAX);
            pointer.truncate(cut);
            break;
        }
    }
    pointer
}

/// The place of the closing quote of a checked string.
fn string_end(body: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(found) if rest.get(found) == Some(&b'\\') => at += found + 2,
            Some(found) => return at + found,
            None => return body.len(),
        }
    }
}

fn is_json(body: &[u8]) -> bool {
    let kernel = Kernel::best();
    let mut carry = Carry::new(Documents::Many);
    let mut blocks = [Block::default(); BLOCKS];
    let passed = body
        .chunks(WINDOW)
        .all(|window| kernel.pass(window, &mut carry, &mut blocks).is_ok());
    passed && carry.is_complete()
}
