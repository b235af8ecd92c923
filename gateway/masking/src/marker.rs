//! The marker that a mask leaves, and finding it again in what a client sends back.

#![forbid(unsafe_code)]

mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use memchr::memmem::Finder;

use crate::program::Encoding;
use crate::text::unescape_leniently;

pub use fields::{MARKED_FIELD_COUNT_MAX, MarkerScan};

/// What every marker begins with.
pub const MARKER: &str = "countersign-masked:";

/// BOUND: texts within texts; a marker that is wrapped more often is not found, and no client wraps
/// what it read more often than it was wrapped.
const WRAP_DEPTH_MAX: usize = 4;
/// No base64 text is shorter that holds a marker.
const BASE64_BYTES_MIN: usize = 24;

/// The marker of a mask.
pub(crate) fn text(mask: &str) -> String {
    format!("{MARKER}{mask}")
}

/// The marker as a JSON string, quotes included. Names of masks need no escapes.
pub(crate) fn string(mask: &str, encoding: Encoding) -> Vec<u8> {
    let text = text(mask);
    let text = match encoding {
        Encoding::Plain => text,
        Encoding::Base64 => STANDARD.encode(text),
    };
    [b"\"", text.as_bytes(), b"\""].concat()
}

/// Where a marker stands in plain bytes.
#[must_use]
pub fn find_marker(bytes: &[u8]) -> Option<usize> {
    FINDERS.plain.find(bytes)
}

struct Finders {
    plain: Finder<'static>,
    /// What base64 makes of the marker at each of its three alignments, in both alphabets.
    encoded: Vec<Finder<'static>>,
}

static FINDERS: LazyLock<Finders> = LazyLock::new(|| Finders {
    plain: Finder::new(MARKER),
    encoded: encoded()
        .iter()
        .map(|text| Finder::new(text).into_owned())
        .collect(),
});

/// The characters that depend on the marker alone, whatever stands around it.
fn encoded() -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for shift in 0..3 {
        let text = STANDARD_NO_PAD.encode([vec![0; shift].as_slice(), MARKER.as_bytes()].concat());
        // Of the first and last group the bits of neighbours are left out.
        let first = (shift * 8).div_ceil(6);
        let last = (shift + MARKER.len()) * 8 / 6;
        let text = text.get(first..last).unwrap_or_default();
        texts.insert(text.to_owned());
        texts.insert(text.replace('+', "-").replace('/', "_"));
    }
    texts
}

/// A text holds a marker: plain, in base64 of either alphabet at any alignment, or behind up to
/// [`WRAP_DEPTH_MAX`] layers of JSON escapes and base64.
pub(crate) fn is_marked(text: &[u8]) -> bool {
    holds(text, 0)
}

fn holds(text: &[u8], depth: usize) -> bool {
    if text.len() < MARKER.len() || depth > WRAP_DEPTH_MAX {
        return false;
    }
    let finders = &*FINDERS;
    if finders.plain.find(text).is_some()
        || finders
            .encoded
            .iter()
            .any(|finder| finder.find(text).is_some())
    {
        return true;
    }
    if memchr::memchr(b'\\', text).is_some() && holds(&unescape_leniently(text), depth + 1) {
        return true;
    }
    let runs = text
        .split(|byte| !is_base64(*byte))
        .filter(|run| run.len() >= BASE64_BYTES_MIN);
    runs.filter_map(decode)
        .any(|inner| holds(&inner, depth + 1))
        || wrapped_lines(text, depth)
}

/// base64 broken into lines.
fn wrapped_lines(text: &[u8], depth: usize) -> bool {
    let is_space = u8::is_ascii_whitespace;
    let folded = text.iter().any(is_space)
        && text
            .iter()
            .all(|byte| is_space(byte) || is_base64(*byte) || *byte == b'=');
    if !folded {
        return false;
    }
    let joined: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !is_space(byte))
        .collect();
    holds(&joined, depth + 1)
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Decodes whole groups, in either alphabet.
fn decode(run: &[u8]) -> Option<Vec<u8>> {
    let whole = run.len() / 4 * 4;
    let standard: Vec<u8> = run
        .iter()
        .take(whole)
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    STANDARD_NO_PAD.decode(standard).ok()
}
