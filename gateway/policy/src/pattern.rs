//! Patterns over names: globs, expressions, and globs with identity attributes in them.
//!
//! A pattern is a set of texts. Besides membership, a decision needs to know whether the set holds
//! *every* text with a given beginning (an allow must cover `generateName`) and whether it holds
//! *some* such text (a deny must touch it). Globs are answered from their normal form, in which the
//! `?` of a run of wildcards stand before its `*`; expressions are compiled to an automaton whose
//! states are classified once. Nothing here allocates when asked.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::tri::Tri;

mod expression;
mod glob;

use expression::Expression;
use glob::{Glob, Token};

/// Longest expression, in bytes (policy-language §4.1): expressions are for names, not for texts.
pub const EXPRESSION_BYTES_MAX: usize = 256;

/// Longest glob, in bytes: four times the longest Kubernetes name, so that paths fit.
pub const GLOB_BYTES_MAX: usize = 1024;

/// Most globs one pattern with placeholders may stand for. Past it the pattern is *unknown*, which
/// counts against the request; an identity with that many values is not what a rule was written for.
pub const ALTERNATIVES_MAX: usize = 64;

/// Attributes of an identity, as `Caller` carries them.
pub type AttributeMap = BTreeMap<String, Vec<String>>;

/// A set of texts, written as a glob or an expression.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Glob(Glob),
    Template(Arc<[Part]>),
    Expression(Arc<Expression>),
}

/// A piece of a glob with placeholders.
#[derive(Clone, PartialEq, Eq)]
enum Part {
    Tokens(Vec<Token>),
    Attribute(Box<str>),
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Longer than its bound.
    #[error("the pattern has {bytes} bytes; shorten it to {limit} or use several patterns")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// A brace that does not belong to a placeholder.
    #[error("`{found}` is not a placeholder; write `{{user.NAME}}` with the name of an attribute")]
    Placeholder {
        /// The text from the brace on.
        found: String,
    },
    /// Not an expression.
    #[error("`{expression}` is not a regular expression: {cause}")]
    Expression {
        /// What was written.
        expression: String,
        /// What the parser said, on one line.
        cause: String,
    },
    /// The automaton would be too large.
    #[error("`{expression}` needs too much memory; use `[a-z0-9]` for `\\w` and smaller repeats")]
    TooComplex {
        /// What was written.
        expression: String,
    },
}

/// What a pattern is for one identity.
#[derive(Debug, Clone)]
pub enum Resolution<'a> {
    /// The pattern names no attribute.
    Unchanged(&'a Pattern),
    /// One glob for each combination of attribute values.
    Alternatives(Vec<Pattern>),
    /// An attribute is missing, or there are too many combinations.
    Unknown,
}

impl Pattern {
    /// A glob: `*` is any run of characters, `?` one character, `{user.x}` an attribute.
    ///
    /// # Errors
    ///
    /// If the text is too long or has a brace that is not part of a placeholder.
    pub fn glob(text: &str) -> Result<Self, PatternFault> {
        within(text, GLOB_BYTES_MAX)?;
        let parts = parse_parts(text)?;
        let form = match parts.as_slice() {
            [] => Form::Glob(Glob::of(&[])),
            [Part::Tokens(tokens)] => Form::Glob(Glob::of(tokens)),
            [Part::Attribute(_)] | [_, _, ..] => Form::Template(parts.into()),
        };
        Ok(Self {
            text: text.into(),
            form,
        })
    }

    /// A glob that matches this text only, wildcards and braces included.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let tokens: Vec<Token> = text.chars().map(Token::Char).collect();
        Self {
            text: text.into(),
            form: Form::Glob(Glob::of(&tokens)),
        }
    }

    /// An expression, matched against the whole text in linear time. `.` matches every character.
    ///
    /// # Errors
    ///
    /// If the text is too long, is no expression, or needs too large an automaton.
    pub fn regex(text: &str) -> Result<Self, PatternFault> {
        within(text, EXPRESSION_BYTES_MAX)?;
        let expression = Expression::parse(text)?;
        Ok(Self {
            text: text.into(),
            form: Form::Expression(Arc::new(expression)),
        })
    }

    /// What was written, without the mark `(re)`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for an expression.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        match self.form {
            Form::Expression(_) => true,
            Form::Glob(_) | Form::Template(_) => false,
        }
    }

    /// True if identity attributes decide what it matches.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        match self.form {
            Form::Template(_) => true,
            Form::Glob(_) | Form::Expression(_) => false,
        }
    }

    /// The one text it matches, if it is written without wildcards and placeholders.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match &self.form {
            Form::Glob(glob) => glob.as_literal(),
            Form::Template(_) | Form::Expression(_) => None,
        }
    }

    /// The text all its texts begin with, if it holds exactly those: empty for `*`.
    #[must_use]
    pub fn as_prefix(&self) -> Option<&str> {
        match &self.form {
            Form::Glob(glob) => glob.as_prefix(),
            Form::Template(_) | Form::Expression(_) => None,
        }
    }

    /// The attributes it names, in the order written.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        let parts: &[Part] = match &self.form {
            Form::Template(parts) => parts,
            Form::Glob(_) | Form::Expression(_) => &[],
        };
        parts.iter().filter_map(|part| match part {
            Part::Attribute(name) => Some(&**name),
            Part::Tokens(_) => None,
        })
    }

    /// Whether the text is in the set. A pattern with placeholders must be resolved first.
    #[must_use]
    pub fn matches(&self, text: &str) -> Tri {
        match &self.form {
            Form::Glob(glob) => glob.matches(text).into(),
            Form::Expression(expression) => expression.matches(text).into(),
            Form::Template(_) => Tri::Unknown,
        }
    }

    /// Whether every text that begins with `prefix` is in the set.
    #[must_use]
    pub fn covers_prefix(&self, prefix: &str) -> Tri {
        match &self.form {
            Form::Glob(glob) => glob.covers_prefix(prefix).into(),
            Form::Expression(expression) => expression.covers_prefix(prefix).into(),
            Form::Template(_) => Tri::Unknown,
        }
    }

    /// Whether some text that begins with `prefix` is in the set.
    #[must_use]
    pub fn overlaps_prefix(&self, prefix: &str) -> Tri {
        match &self.form {
            Form::Glob(glob) => glob.overlaps_prefix(prefix).into(),
            Form::Expression(expression) => expression.overlaps_prefix(prefix).into(),
            Form::Template(_) => Tri::Unknown,
        }
    }

    /// True if every text is in the set.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.covers_prefix("") == Tri::True
    }

    /// The pattern with attribute values in place, each taken literally. An attribute that is
    /// missing or empty, or has an empty value, makes it unknown: an empty value would widen
    /// `{user.team}*` to everything.
    #[must_use]
    pub fn resolve(&self, attributes: &AttributeMap) -> Resolution<'_> {
        let Form::Template(parts) = &self.form else {
            return Resolution::Unchanged(self);
        };
        let mut bindings: Vec<BTreeMap<&str, &str>> = vec![BTreeMap::new()];
        for name in self.attributes() {
            let Some(values) = known_values(attributes, name) else {
                return Resolution::Unknown;
            };
            let bound = bindings
                .first()
                .is_some_and(|binding| binding.contains_key(name));
            if bound {
                continue;
            }
            if bindings.len().saturating_mul(values.len()) > ALTERNATIVES_MAX {
                return Resolution::Unknown;
            }
            bindings = bindings
                .iter()
                .flat_map(|binding| {
                    values.iter().map(move |value| {
                        let mut wider = binding.clone();
                        wider.insert(name, value.as_str());
                        wider
                    })
                })
                .collect();
        }
        Resolution::Alternatives(
            bindings
                .iter()
                .map(|binding| instance(parts, binding))
                .collect(),
        )
    }

    /// Whether the text is in the set this pattern is for an identity with these attributes.
    #[must_use]
    pub fn matches_for(&self, text: &str, attributes: &AttributeMap) -> Tri {
        self.ask_for(attributes, |pattern| pattern.matches(text))
    }

    /// Asks every alternative this pattern is for an identity; one that holds suffices.
    #[must_use]
    pub fn ask_for(&self, attributes: &AttributeMap, ask: impl Fn(&Self) -> Tri) -> Tri {
        match self.resolve(attributes) {
            Resolution::Unchanged(pattern) => ask(pattern),
            Resolution::Alternatives(patterns) => Tri::any(patterns.iter().map(ask)),
            Resolution::Unknown => Tri::Unknown,
        }
    }

    /// A text in the set, for tests and hints; `None` where finding one takes a search.
    #[must_use]
    pub fn witness(&self) -> Option<String> {
        match &self.form {
            Form::Glob(glob) => Some(glob.witness()),
            Form::Template(_) | Form::Expression(_) => None,
        }
    }
}

fn within(text: &str, limit: usize) -> Result<(), PatternFault> {
    if text.len() > limit {
        return Err(PatternFault::TooLong {
            bytes: text.len(),
            limit,
        });
    }
    Ok(())
}

fn known_values<'a>(attributes: &'a AttributeMap, name: &str) -> Option<&'a [String]> {
    let values = attributes.get(name)?;
    let known = !values.is_empty() && values.iter().all(|value| !value.is_empty());
    known.then_some(values.as_slice())
}

fn instance(parts: &[Part], binding: &BTreeMap<&str, &str>) -> Pattern {
    let mut tokens = Vec::new();
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Tokens(written) => {
                text.extend(written.iter().map(|token| token.as_char()));
                tokens.extend(written.iter().copied());
            }
            Part::Attribute(name) => {
                let value = binding.get(&**name).copied().unwrap_or_default();
                text.push_str(value);
                tokens.extend(value.chars().map(Token::Char));
            }
        }
    }
    Pattern {
        text: text.into(),
        form: Form::Glob(Glob::of(&tokens)),
    }
}

fn parse_parts(text: &str) -> Result<Vec<Part>, PatternFault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((before, from_brace)) = split_at_brace(rest) else {
            parts.push(Part::Tokens(rest.chars().map(Token::of).collect()));
            break;
        };
        if !before.is_empty() {
            parts.push(Part::Tokens(before.chars().map(Token::of).collect()));
        }
        let placeholder = from_brace
            .strip_prefix("{user.")
            .and_then(|after| after.split_once('}'))
            .filter(|(name, _)| is_attribute_name(name));
        let Some((name, after)) = placeholder else {
            return Err(PatternFault::Placeholder {
                found: from_brace.to_owned(),
            });
        };
        parts.push(Part::Attribute(name.into()));
        rest = after;
    }
    Ok(parts)
}

fn split_at_brace(text: &str) -> Option<(&str, &str)> {
    text.find(['{', '}'])
        .and_then(|at| text.split_at_checked(at))
}

/// `NAME` of policy-language §4.3.
fn is_attribute_name(name: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 63
        && name.bytes().next().is_some_and(lower)
        && name
            .bytes()
            .all(|byte| lower(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.is_regex() == other.is_regex()
            && self.text == other.text
            // A literal `a*` and the glob `a*` have one text and two meanings.
            && match (&self.form, &other.form) {
                (Form::Glob(mine), Form::Glob(theirs)) => mine == theirs,
                (Form::Template(mine), Form::Template(theirs)) => mine == theirs,
                (Form::Expression(_), Form::Expression(_)) => true,
                (Form::Glob(_), Form::Template(_) | Form::Expression(_))
                | (Form::Template(_), Form::Glob(_) | Form::Expression(_))
                | (Form::Expression(_), Form::Glob(_) | Form::Template(_)) => false,
            }
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_regex().hash(state);
        self.text.hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_regex() { "(re)" } else { "" };
        write!(f, "{mark}{:?}", self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_regex() { "(re)" } else { "" };
        write!(f, "{mark}{}", self.text)
    }
}

#[cfg(test)]
mod tests;
