//! The marker that a mask leaves, and finding it again in what a client sends back.

#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::program::Encoding;

/// What every marker begins with.
pub const MARKER: &str = "countersign-masked:";

/// The marker of a mask.
#[must_use]
pub fn text(mask: &str) -> String {
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
