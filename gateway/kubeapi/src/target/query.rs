//! The query of a request target: ordered pairs with Go's meaning.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::TargetFault;
use super::path::{Plus, decode};

/// BOUND: exec passes one `command` pair per argument; the API server's own limit is 10 000. More
/// is refused.
pub(super) const PAIR_COUNT_MAX: usize = 1024;

const PAIR_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The pairs of a query in order. Keys are case-sensitive (K-1.9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses the text after `?`. What Go would drop silently is refused (K-1.10).
    pub(super) fn parse(raw: &str) -> Result<Self, TargetFault> {
        if raw.contains(';') {
            return Err(TargetFault::Semicolon);
        }
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == PAIR_COUNT_MAX {
                return Err(TargetFault::TooManyParameters);
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key.as_bytes(), Plus::Space)?;
            let value = decode(value.as_bytes(), Plus::Space)?;
            // Line breaks in values are normal: `sh -c` scripts of exec. NUL ends C strings early.
            if key.chars().any(char::is_control) || value.contains('\0') {
                return Err(TargetFault::ControlInQuery);
            }
            pairs.push((key, value));
        }
        Ok(Self { pairs })
    }

    /// The pairs in the order written, decoded.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The first value of a key: the one that counts for scalars (K-1.9).
    #[must_use]
    pub fn first(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a key, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the first value means true: every value but `0` and `false` in any case (K-1.8).
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.first(key)
            .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// Replaces the first value of a key that is present.
    pub(super) fn replace_first(&mut self, key: &str, text: String) {
        if let Some((_, value)) = self.pairs.iter_mut().find(|(name, _)| name == key) {
            *value = text;
        }
    }

    /// Sets the value of a key, which is added at the end where it is missing.
    pub(super) fn set(&mut self, key: &str, text: String) {
        if self.first(key).is_some() {
            self.replace_first(key, text);
        } else {
            self.pairs.push((key.to_owned(), text));
        }
    }

    /// The encoded text, without `?`; empty for no pairs.
    pub(super) fn encoded(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.pairs {
            if !text.is_empty() {
                text.push('&');
            }
            text.extend(utf8_percent_encode(key, PAIR_ESCAPES));
            text.push('=');
            text.extend(utf8_percent_encode(value, PAIR_ESCAPES));
        }
        text
    }
}
