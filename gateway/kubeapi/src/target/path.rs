//! The path of a request target: raw bytes to decoded segments and back.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::TargetFault;

/// BOUND: object paths have at most nine segments; proxy subpaths and OpenAPI documents are longer.
/// More is refused.
pub(super) const SEGMENT_COUNT_MAX: usize = 64;

/// Bytes of a segment that go upstream encoded. What stays raw is what Go's `EscapedPath` leaves
/// raw as well, `;` excepted: workloads behind a proxy may cut parameters off there.
const SEGMENT_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'=')
    .remove(b',');

/// A path in canonical form: decoded segments, none of them empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    /// Whether the path ended with one `/` after at least one segment.
    pub(super) trailing_slash: bool,
}

impl Path {
    /// Splits and decodes. Splitting before decoding equals the API server's order because an
    /// encoded `/` is refused (K-1.19, K-1.21).
    pub(super) fn parse(raw: &str) -> Result<Self, TargetFault> {
        let Some(rest) = raw.strip_prefix('/') else {
            return Err(TargetFault::NotOriginForm);
        };
        let (rest, trailing_slash) = match rest.strip_suffix('/') {
            Some(shorter) => (shorter, true),
            None => (rest, false),
        };
        if rest.is_empty() {
            // `/` is the root; `//` has an empty segment.
            return match trailing_slash {
                true => Err(TargetFault::EmptySegment),
                false => Ok(Self {
                    segments: Vec::new(),
                    trailing_slash: false,
                }),
            };
        }
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            if segments.len() == SEGMENT_COUNT_MAX {
                return Err(TargetFault::TooManySegments);
            }
            segments.push(decode_segment(segment)?);
        }
        Ok(Self {
            segments,
            trailing_slash,
        })
    }

    /// The decoded text: `/api/v1/pods`.
    pub(super) fn decoded(&self, keep_trailing_slash: bool) -> String {
        let mut text = String::from("/");
        text.push_str(&self.segments.join("/"));
        if keep_trailing_slash && self.trailing_slash {
            text.push('/');
        }
        text
    }

    /// The encoded text, which decodes to these segments and nothing else.
    pub(super) fn encoded(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            text.extend(utf8_percent_encode(segment, SEGMENT_ESCAPES));
        }
        if text.is_empty() || self.trailing_slash {
            text.push('/');
        }
        text
    }
}

fn decode_segment(raw: &str) -> Result<String, TargetFault> {
    let decoded = decode(raw.as_bytes(), Plus::Literal)?;
    if decoded.is_empty() {
        return Err(TargetFault::EmptySegment);
    }
    if decoded == "." || decoded == ".." {
        return Err(TargetFault::DotSegment);
    }
    match decoded
        .chars()
        .find(|&c| matches!(c, '/' | '\\' | '%') || c.is_control())
    {
        Some(found) => Err(TargetFault::ForbiddenCharacter {
            found: describe(found),
        }),
        None => Ok(decoded),
    }
}

/// What `+` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// In paths: itself.
    Literal,
    /// In queries: a space, as Go's `QueryUnescape` has it.
    Space,
}

/// Percent-decodes once, strictly.
pub(super) fn decode(raw: &[u8], plus: Plus) -> Result<String, TargetFault> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let Some((&[high, low], tail)) = tail.split_first_chunk() else {
                    return Err(TargetFault::BadEscape);
                };
                let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else {
                    return Err(TargetFault::BadEscape);
                };
                bytes.push(high << 4 | low);
                rest = tail;
            }
            b'+' if plus == Plus::Space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|source| TargetFault::NotUtf8 {
        source: source.utf8_error(),
    })
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A character as it may stand in a message.
fn describe(character: char) -> String {
    let mut text = String::new();
    match character {
        '/' => text.push_str("an encoded `/`"),
        '\\' => text.push_str("`\\`"),
        '%' => text.push_str("an encoded `%`"),
        control => match write!(text, "control character U+{:04X}", u32::from(control)) {
            Ok(()) => {}
            Err(_) => text.push_str("a control character"),
        },
    }
    text
}
