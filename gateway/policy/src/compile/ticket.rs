//! Ticket expressions of `reason ticket=`.

use crate::pattern::{Pattern, PatternFault};
use crate::tri::Tri;

/// An expression a word of a reason must match.
#[derive(Debug, Clone)]
pub(crate) struct Ticket(Pattern);

impl Ticket {
    pub(super) fn parse(text: &str) -> Result<Self, PatternFault> {
        Pattern::regex(text).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the word, as it is or without the punctuation around it, is a ticket.
    pub(crate) fn is_named_by(&self, word: &str) -> bool {
        let bare = word.trim_matches(|sign: char| sign.is_ascii_punctuation());
        self.0.matches(word) == Tri::True || self.0.matches(bare) == Tri::True
    }
}
