//! Detectors: what is a secret by its shape, wherever it stands.

#![forbid(unsafe_code)]

mod checksum;
mod prefilter;
mod replace;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Input, Span};

use crate::log::Course;
use crate::marker;
use crate::path::FieldPath;
use crate::secret::MaskKey;
use prefilter::Prefilter;
use replace::Find;

pub(crate) use prefilter::Hits;
pub(crate) use replace::Place;

/// BOUND: longer strings at a watched place are masked whole, unread.
pub const GUARDED_BYTES_MAX: usize = 256 * 1024;
/// BOUND: the length of an own pattern; a longer one is refused.
pub const PATTERN_BYTES_MAX: usize = 256;
/// BOUND: the compiled size of an own pattern; a larger one is refused.
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detector {
    /// A signed JSON Web Token.
    Jwt,
    /// A private key in PEM.
    Pem,
    /// Id of an AWS access key.
    AwsKey,
    /// A token of GitHub.
    GithubToken,
    /// A token of Slack.
    SlackToken,
    /// An e-mail address.
    Email,
    /// A bank account number whose check digits are right.
    Iban,
    /// A payment card number whose check digit is right.
    Card,
    /// An own regular expression, in linear time.
    Pattern(Box<str>),
}

impl Detector {
    fn pattern(&self) -> &str {
        match self {
            Self::Jwt => r"(?-u)\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}",
            // To the end of the text where the end of the key is missing.
            Self::Pem => {
                r"(?s-u)-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY( BLOCK)?-----(?:.*?-----END [A-Z0-9 ]{0,24}PRIVATE KEY( BLOCK)?-----|.*)"
            }
            Self::AwsKey => r"(?-u)\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
            Self::GithubToken => {
                r"(?-u)\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"
            }
            Self::SlackToken => r"(?-u)\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}",
            Self::Email => {
                r"(?-u)[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}"
            }
            Self::Iban => r"(?-u)\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b",
            Self::Card => r"(?-u)\b[0-9](?:[ -]?[0-9]){12,18}\b",
            Self::Pattern(pattern) => pattern,
        }
    }

    /// How much of a match is one for sure, from its start. What follows a number in the same text (an
    /// expiry date, a currency) may have matched with it: of numbers the longest run of whole groups
    /// counts whose check digits are right.
    fn sure(&self, found: &[u8]) -> Option<usize> {
        let is_one = match self {
            Self::Iban => checksum::is_iban,
            Self::Card => checksum::is_card,
            Self::Jwt
            | Self::Pem
            | Self::AwsKey
            | Self::GithubToken
            | Self::SlackToken
            | Self::Email
            | Self::Pattern(_) => return Some(found.len()).filter(|length| *length > 0),
        };
        let groups = (0..found.len()).filter(|at| found.get(*at).is_some_and(is_separator));
        let mut ends = std::iter::once(found.len()).chain(groups.rev());
        ends.find(|end| found.get(..*end).is_some_and(is_one))
    }

    /// Where to look on behind the start of a match: a number may begin with its next group. Of numbers
    /// that overlap one marker is left.
    fn step(&self, found: &[u8]) -> usize {
        let group = match self {
            Self::Iban | Self::Card => found.iter().position(is_separator),
            Self::Jwt
            | Self::Pem
            | Self::AwsKey
            | Self::GithubToken
            | Self::SlackToken
            | Self::Email
            | Self::Pattern(_) => None,
        };
        // An empty match of an own pattern is none.
        group.map_or(found.len().max(1), |at| at + 1)
    }
}

/// Between the groups of a number.
const fn is_separator(byte: &u8) -> bool {
    matches!(*byte, b' ' | b'-')
}

/// How much of a string goes when a detector finds something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardScope {
    /// What was found.
    Found,
    /// All of it.
    Whole,
}

/// What becomes of what goes. On one text the stronger of two wins, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuardStrategy {
    /// The marker stands for it.
    Redact,
    /// The marker with a keyed digest: equal finds stay comparable.
    Hash {
        /// The key.
        key: Arc<MaskKey>,
    },
    /// Its decimal digits are encrypted in their places, if there are six at least.
    Fpe {
        /// The key.
        key: Arc<MaskKey>,
    },
    /// Its last characters stay, if it has twice as many and four more at least.
    Partial {
        /// How many.
        keep_last: u8,
    },
}

/// Detectors at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRule {
    /// Name of the mask, as it stands in the marker.
    pub mask: Box<str>,
    /// What to look for.
    pub detectors: Vec<Detector>,
    /// How much goes.
    pub scope: GuardScope,
    /// What becomes of it.
    pub strategy: GuardStrategy,
    /// The strings at this path and all below it; everywhere in the object without a path.
    pub within: Option<FieldPath>,
}

/// Why an own pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the detector pattern `{pattern}` cannot be used: {reason}")]
pub struct PatternFault {
    /// As written.
    pub pattern: Box<str>,
    /// What is wrong with it.
    pub reason: Box<str>,
}

struct Compiled {
    mask: Box<str>,
    scope: GuardScope,
    strategy: GuardStrategy,
    detectors: Vec<(Detector, Regex)>,
    /// The expressions of detectors that watch everywhere, for text that has no end yet.
    courses: Vec<Course>,
}

impl Compiled {
    /// Where something is found.
    fn found<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        self.detectors.iter().flat_map(|(detector, regex)| Finds {
            detector,
            regex,
            text,
            at: 0,
        })
    }
}

/// What one detector finds in a text, from the left.
struct Finds<'a> {
    detector: &'a Detector,
    regex: &'a Regex,
    text: &'a [u8],
    /// Where to look on.
    at: usize,
}

impl Iterator for Finds<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        while self.at <= self.text.len() {
            let input = Input::new(self.text).range(self.at..);
            let found = self.regex.search(&input)?.range();
            let start = found.start;
            let bytes = self.text.get(found).unwrap_or_default();
            self.at = start + self.detector.step(bytes);
            if let Some(length) = self.detector.sure(bytes) {
                return Some((start, start + length));
            }
        }
        None
    }
}

/// All guards of a program, and the sets of them that watch together.
#[derive(Default)]
pub(crate) struct Guards {
    rules: Vec<Compiled>,
    filter: Prefilter,
    sets: Vec<Vec<usize>>,
    numbers: BTreeMap<Vec<usize>, u32>,
}

/// What detectors make of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guarded {
    pub text: Vec<u8>,
    /// How many places were masked.
    pub count: usize,
}

impl Guards {
    pub(crate) fn compile(rules: &[GuardRule]) -> Result<Self, PatternFault> {
        let mut compiled = Vec::new();
        for rule in rules {
            let mut detectors = Vec::new();
            let mut courses = Vec::new();
            for detector in &rule.detectors {
                detectors.push((detector.clone(), regex(detector.pattern())?));
                if rule.within.is_none() {
                    courses.push(course(detector.pattern())?);
                }
            }
            compiled.push(Compiled {
                mask: rule.mask.clone(),
                scope: rule.scope,
                strategy: rule.strategy.clone(),
                detectors,
                courses,
            });
        }
        let all = rules.iter().flat_map(|rule| &rule.detectors);
        Ok(Self {
            filter: Prefilter::new(all),
            rules: compiled,
            ..Self::default()
        })
    }

    /// The number of a set of guards. `None` of no guards.
    pub(crate) fn join(&mut self, indexes: &[usize]) -> Option<u32> {
        if indexes.is_empty() {
            return None;
        }
        if let Some(number) = self.numbers.get(indexes) {
            return Some(*number);
        }
        let number = u32::try_from(self.sets.len()).ok()?;
        self.sets.push(indexes.to_vec());
        self.numbers.insert(indexes.to_vec(), number);
        Some(number)
    }

    /// What stands for a string that is too long to look at.
    pub(crate) fn whole(&self, set: u32) -> Vec<u8> {
        marker::text(self.of(set).next().map_or("unread", |rule| &rule.mask)).into_bytes()
    }

    fn of(&self, set: u32) -> impl Iterator<Item = &Compiled> {
        let set = self
            .sets
            .get(set as usize)
            .map(Vec::as_slice)
            .unwrap_or_default();
        set.iter().filter_map(|index| self.rules.get(*index))
    }

    /// The expressions to follow, in the order of the detectors.
    pub(crate) fn courses(&self, set: u32) -> impl Iterator<Item = &Course> {
        self.of(set).flat_map(|rule| &rule.courses)
    }

    /// Something may be found in this text, or raw string. False is sure.
    pub(crate) fn may_find(&self, text: &[u8]) -> bool {
        self.filter.may_find(text)
    }

    /// The same for the raw string at `start..end` of a window.
    pub(crate) fn may_find_at(
        &self,
        hits: &mut Hits,
        window: &[u8],
        (start, end): (usize, usize),
    ) -> bool {
        hits.may_find(&self.filter, window, Span::from(start..end))
    }

    /// What goes of a text, and what stands for it.
    pub(crate) fn places(&self, set: u32, text: &[u8]) -> Vec<Place> {
        if self.may_find(text) {
            self.all_places(set, text)
        } else {
            Vec::new()
        }
    }

    /// The slow twin of [`Self::places`]: every expression on every text.
    fn all_places(&self, set: u32, text: &[u8]) -> Vec<Place> {
        let mut finds: Vec<Find<'_>> = Vec::new();
        for rule in self.of(set) {
            let mut found = rule.found(text);
            match rule.scope {
                GuardScope::Found => {
                    finds.extend(found.map(|(start, end)| Find { start, end, rule }));
                }
                GuardScope::Whole => {
                    if found.next().is_some() {
                        return vec![Place {
                            start: 0,
                            end: text.len(),
                            text: replace::replacement(rule, text),
                        }];
                    }
                }
            }
        }
        replace::places(text, finds)
    }

    /// The text with what was found replaced. `None` if nothing was.
    #[cfg(test)]
    pub(crate) fn apply(&self, set: u32, text: &[u8]) -> Option<Guarded> {
        self.may_find(text).then(|| self.apply_all(set, text))?
    }

    /// The same without a look at what may be found.
    pub(crate) fn apply_all(&self, set: u32, text: &[u8]) -> Option<Guarded> {
        let places = self.all_places(set, text);
        (!places.is_empty()).then(|| replace::spliced(text, &places))
    }
}

/// Texts need not be UTF-8: a lone surrogate is not.
fn syntax_config() -> syntax::Config {
    syntax::Config::new().utf8(false)
}

/// The expression once more, as states that can be followed; within the bound of [`regex`].
fn course(pattern: &str) -> Result<Course, PatternFault> {
    let limits = NFA::config()
        .nfa_size_limit(Some(PROGRAM_BYTES_MAX))
        .utf8(false)
        .which_captures(WhichCaptures::None);
    let built = NFA::compiler()
        .configure(limits)
        .syntax(syntax_config())
        .build(pattern);
    let fault = |reason: String| PatternFault {
        pattern: pattern.into(),
        reason: reason.into(),
    };
    built
        .map(Course::new)
        .map_err(|error| fault(error.to_string()))
}

fn regex(pattern: &str) -> Result<Regex, PatternFault> {
    let fault = |reason: String| PatternFault {
        pattern: pattern.into(),
        reason: reason.into(),
    };
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(fault(format!(
            "it is longer than {PATTERN_BYTES_MAX} bytes"
        )));
    }
    let limits = Regex::config()
        .nfa_size_limit(Some(PROGRAM_BYTES_MAX))
        .utf8_empty(false);
    Regex::builder()
        .configure(limits)
        .syntax(syntax_config())
        .build(pattern)
        .map_err(|error| fault(error.to_string()))
}
