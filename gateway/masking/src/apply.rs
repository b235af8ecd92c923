//! What a string becomes whose text decides it.

#![forbid(unsafe_code)]

mod fpe;
#[cfg(test)]
mod tests;
mod yaml;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::guard::{GUARDED_BYTES_MAX, Guards};
use crate::marker::MARKER;
use crate::program::{Action, ActionKind, Encoding, MaskProgram, Wrap};
use crate::scan::Kernel;
use crate::secret::MaskKey;
use crate::stream::Masker;
use crate::text;

/// A string that stands in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    /// With its quotes.
    pub text: Vec<u8>,
    /// How many values were masked.
    pub count: u64,
}

/// The action needs the text of a string.
pub(crate) const fn reads_text(kind: &ActionKind) -> bool {
    match kind {
        ActionKind::Drop | ActionKind::Redact => false,
        ActionKind::Hash(_)
        | ActionKind::Fpe(_)
        | ActionKind::Partial(_)
        | ActionKind::Embedded(..) => true,
    }
}

/// The whole string, masked.
pub(crate) fn whole(action: &Action) -> Applied {
    Applied {
        text: action.text.to_vec(),
        count: 1,
    }
}

/// The string as it was.
pub(crate) fn unchanged(raw: &[u8]) -> Applied {
    Applied {
        text: [b"\"", raw, b"\""].concat(),
        count: 0,
    }
}

/// Applies an action to the inside of a string. What cannot be done redacts.
pub(crate) fn action(action: &Action, raw: &[u8]) -> Applied {
    changed(action, raw).unwrap_or_else(|| whole(action))
}

fn changed(action: &Action, raw: &[u8]) -> Option<Applied> {
    let plain = text::unescape(raw);
    let decoded = match action.encoding {
        Encoding::Plain => plain,
        Encoding::Base64 => STANDARD.decode(plain).ok()?,
    };
    let (text, count) = match &action.kind {
        ActionKind::Drop | ActionKind::Redact => return None,
        ActionKind::Hash(key) => (digest(&action.mask, key, &decoded), 1),
        ActionKind::Fpe(key) => (encrypted(key, &decoded)?, 1),
        ActionKind::Partial(keep) => (partial(&action.mask, *keep, &decoded)?, 1),
        ActionKind::Embedded(wrap, program) => embedded(*wrap, program, &decoded)?,
    };
    let text = match action.encoding {
        Encoding::Plain => text,
        Encoding::Base64 => STANDARD.encode(text).into_bytes(),
    };
    Some(Applied {
        text: quoted(&text),
        count,
    })
}

/// The marker with the digest of a text.
pub(crate) fn digest(mask: &str, key: &MaskKey, text: &[u8]) -> Vec<u8> {
    format!("{MARKER}{mask}:{}:{}", key.id(), key.digest(text)).into_bytes()
}

/// The text with its digits encrypted. `None` of too few or too many.
pub(crate) fn encrypted(key: &MaskKey, text: &[u8]) -> Option<Vec<u8>> {
    fpe::encrypt_digits(key.cipher(), text)
}

/// The marker with the last characters of a text. `None` of a text that is too short.
pub(crate) fn partial(mask: &str, keep: u8, text: &[u8]) -> Option<Vec<u8>> {
    let tail = tail(text, usize::from(keep))?;
    Some(format!("{MARKER}{mask}:…{tail}").into_bytes())
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    text::escape(text, &mut out);
    out.push(b'"');
    out
}

/// The last `keep` characters of a text that has at least `2 * keep + 4`.
fn tail(text: &[u8], keep: usize) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let count = text.chars().count();
    if count < 2 * keep + 4 {
        return None;
    }
    let start = text
        .char_indices()
        .nth(count - keep)
        .map_or(text.len(), |(start, _)| start);
    text.get(start..)
}

fn embedded(wrap: Wrap, program: &Arc<MaskProgram>, text: &[u8]) -> Option<(Vec<u8>, u64)> {
    match wrap {
        Wrap::Json => document(program, text),
        Wrap::Base64 => {
            let inner = STANDARD.decode(text).ok()?;
            // Compressed documents (K-4.5) are no JSON, so they are masked whole like all else.
            let (masked, count) = document(program, &inner)?;
            Some((STANDARD.encode(masked).into_bytes(), count))
        }
        Wrap::Yaml => yaml::document(program, text),
    }
}

/// Masks one JSON document.
fn document(program: &Arc<MaskProgram>, text: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut masker = Masker::new(Arc::clone(program), Kernel::best());
    let mut out = Vec::new();
    masker.push(&Bytes::copy_from_slice(text), &mut out).ok()?;
    let summary = masker.finish().ok()?;
    Some((out.concat(), summary.masked_count))
}

/// What detectors find in a string that an action has left something of.
pub(crate) fn guard_after(guards: &Guards, set: u32, applied: Applied) -> Applied {
    let raw = applied
        .text
        .get(1..applied.text.len().saturating_sub(1))
        .unwrap_or_default();
    match guard(guards, set, raw) {
        Some(guarded) => Applied {
            count: applied.count + guarded.count,
            ..guarded
        },
        None => applied,
    }
}

/// The string with what detectors found replaced. `None` if nothing was.
pub(crate) fn guard(guards: &Guards, set: u32, raw: &[u8]) -> Option<Applied> {
    if raw.len() <= GUARDED_BYTES_MAX && !guards.may_find(raw) {
        return None;
    }
    guard_all(guards, set, raw)
}

/// The slow twin of [`guard`]: every expression on every string.
pub(crate) fn guard_all(guards: &Guards, set: u32, raw: &[u8]) -> Option<Applied> {
    if raw.len() > GUARDED_BYTES_MAX {
        return Some(guard_whole(guards, set));
    }
    let guarded = guards.apply_all(set, &text::unescape(raw))?;
    Some(Applied {
        text: quoted(&guarded.text),
        count: guarded.count as u64,
    })
}

pub(crate) fn guard_whole(guards: &Guards, set: u32) -> Applied {
    Applied {
        text: quoted(&guards.whole(set)),
        count: 1,
    }
}
