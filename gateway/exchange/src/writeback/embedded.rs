//! Documents that stand in strings: as JSON, or as base64 of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_kubeapi::JsonValue;

/// BOUND: a field of bytes whose mask opens base64 wraps a document twice; what is wrapped more often
/// is one text.
const WRAP_COUNT_MAX: usize = 2;

/// A document that was taken out of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) value: JsonValue,
    wraps: usize,
    /// White space behind the document: kubectl ends its annotation with a line.
    tail: String,
}

/// Opens a list or an object. `None`: the string is text.
pub(super) fn open(text: &str) -> Option<Opened> {
    open_at(text, 0)
}

fn open_at(text: &str, wraps: usize) -> Option<Opened> {
    let first = text.trim_ascii_start().bytes().next()?;
    if matches!(first, b'{' | b'[') {
        let value = JsonValue::parse(text.as_bytes()).ok()?;
        let tail = text.get(text.trim_ascii_end().len()..).unwrap_or_default();
        return Some(Opened {
            value,
            wraps,
            tail: tail.to_owned(),
        });
    }
    if wraps == WRAP_COUNT_MAX {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    open_at(&decoded, wraps + 1)
}

impl Opened {
    /// Both stood in their strings in one way.
    pub(super) const fn is_wrapped_as(&self, other: &Self) -> bool {
        self.wraps == other.wraps
    }

    /// The string again.
    pub(super) fn close(&self) -> String {
        let mut text = self.value.to_json();
        text.push_str(&self.tail);
        for _ in 0..self.wraps {
            text = STANDARD.encode(text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_is_a_document_and_closes_it_as_it_was() {
        let inner = r#"{"a":[1,"x"]}"#;
        let once = STANDARD.encode(inner);
        for text in [
            inner.to_owned(),
            format!("{inner}\n"),
            STANDARD.encode(&once),
            once,
        ] {
            let opened = open(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(opened.close(), text);
            assert_eq!(opened.value.to_json(), inner);
        }
        for text in ["", "text", "12", "\"x\"", "{broken", "aGVsbG8=", "null"] {
            assert_eq!(open(text), None, "{text}");
        }
    }
}
