//! Label and field selectors, read as Kubernetes reads them and printed in one way.
//!
//! The upstream is sent the printed form, so what policy judged is what the API server selects by.

#[cfg(test)]
mod tests;

use std::fmt;

use crate::attributes::{Requirement, RequirementOperator};

/// BOUND: no client builds selectors of this size; more is refused.
const SELECTOR_BYTES_MAX: usize = 16 * 1024;
/// `validation.LabelValueMaxLength` and the limit of the name part of a key.
const LABEL_BYTES_MAX: usize = 63;
/// `DNS1123SubdomainMaxLength`.
const SUBDOMAIN_BYTES_MAX: usize = 253;

/// Why a selector is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorFault {
    /// Longer than the bound.
    #[error("the selector is longer than {SELECTOR_BYTES_MAX} bytes; ask in several requests")]
    TooLong,
    /// A token where another one belongs.
    #[error("the label selector has `{found}` where {expected} is expected")]
    Syntax {
        /// Text of the token; empty at the end.
        found: String,
        /// What fits there.
        expected: &'static str,
    },
    /// A key that no label can have.
    #[error("`{key}` is not a label key")]
    LabelKey {
        /// The key.
        key: String,
    },
    /// A value that no label can have.
    #[error("`{value}` is not a label value")]
    LabelValue {
        /// The value.
        value: String,
    },
    /// `>` and `<` compare 64-bit integers.
    #[error("`{value}` is not an integer; `>` and `<` compare integers")]
    NotInteger {
        /// The value.
        value: String,
    },
    /// A field term without an operator.
    #[error("the field selector has the term `{term}` without `=`, `==` or `!=`")]
    FieldTerm {
        /// The term.
        term: String,
    },
    /// A backslash, comma or equals sign where none may stand.
    #[error("the field selector has the value `{value}` with a wrong or missing backslash")]
    FieldEscape {
        /// The value as written.
        value: String,
    },
    /// Two different names at once: nothing can match, and readers would differ on the name.
    #[error("the field selector asks for two different values of `metadata.name`")]
    TwoNames,
}

/// One term of a field selector; terms are ANDed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRequirement {
    /// Field path, for example `metadata.name`.
    pub field: String,
    /// How it compares.
    pub operator: FieldOperator,
    /// The value, unescaped.
    pub value: String,
}

/// How a field requirement compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldOperator {
    /// `=` or `==`.
    Equals,
    /// `!=`.
    NotEquals,
}

/// Reads a label selector (`k8s.io/apimachinery/pkg/labels/selector.go`). Requirements keep the
/// order written, values too, without repetition.
///
/// # Errors
/// [`SelectorFault`] for everything Kubernetes rejects.
pub fn parse_label_selector(text: &str) -> Result<Vec<Requirement>, SelectorFault> {
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(SelectorFault::TooLong);
    }
    let tokens = lex(text);
    let mut parser = LabelParser { tokens: &tokens };
    let mut requirements = Vec::new();
    if parser.peek() == Token::End {
        return Ok(requirements);
    }
    loop {
        requirements.push(parser.requirement()?);
        match parser.next() {
            Token::End => return Ok(requirements),
            Token::Symbol(",") => {}
            other @ (Token::Symbol(_) | Token::Word(_)) => {
                return Err(other.unexpected("`,` or the end"));
            }
        }
    }
}

/// Reads a field selector (`k8s.io/apimachinery/pkg/fields/selector.go`), sorted and without
/// repetition. Empty terms are skipped, as Kubernetes does.
///
/// # Errors
/// [`SelectorFault`] for everything Kubernetes rejects.
pub fn parse_field_selector(text: &str) -> Result<Vec<FieldRequirement>, SelectorFault> {
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(SelectorFault::TooLong);
    }
    let mut requirements = Vec::new();
    for term in split_field_terms(text) {
        if term.is_empty() {
            continue;
        }
        let requirement = field_requirement(term)?;
        // `=` and `!=` alone select everything (`hasTerm.Empty`).
        if !(requirement.field.is_empty() && requirement.value.is_empty()) {
            requirements.push(requirement);
        }
    }
    requirements.sort();
    requirements.dedup();
    Ok(requirements)
}

/// The value that `metadata.name` must equal, if the selector says so (K-1.11).
///
/// # Errors
/// [`SelectorFault::TwoNames`] if two terms ask for different names: Kubernetes takes the one that
/// sorts first by its text, which depends on the spelling of the operator.
pub fn exact_name(requirements: &[FieldRequirement]) -> Result<Option<&str>, SelectorFault> {
    let mut found = None;
    for requirement in requirements {
        if requirement.field != "metadata.name" || requirement.operator != FieldOperator::Equals {
            continue;
        }
        match found {
            Some(name) if name != requirement.value => return Err(SelectorFault::TwoNames),
            _ => found = Some(requirement.value.as_str()),
        }
    }
    Ok(found)
}

/// Prints requirements so that [`parse_label_selector`] reads them back unchanged.
#[must_use]
pub fn print_label_selector(requirements: &[Requirement]) -> String {
    let parts: Vec<String> = requirements.iter().map(print_requirement).collect();
    parts.join(",")
}

/// Prints requirements so that [`parse_field_selector`] reads them back unchanged.
#[must_use]
pub fn print_field_selector(requirements: &[FieldRequirement]) -> String {
    let parts: Vec<String> = requirements.iter().map(ToString::to_string).collect();
    parts.join(",")
}

impl fmt::Display for FieldRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        f.write_str(match self.operator {
            FieldOperator::Equals => "=",
            FieldOperator::NotEquals => "!=",
        })?;
        for character in self.value.chars() {
            if matches!(character, '\\' | ',' | '=') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

fn print_requirement(requirement: &Requirement) -> String {
    let Requirement {
        key,
        operator,
        values,
    } = requirement;
    let list = values.join(",");
    let single = values.len() == 1;
    match operator {
        RequirementOperator::In if single => format!("{key}={list}"),
        RequirementOperator::In => format!("{key} in ({list})"),
        RequirementOperator::NotIn if single => format!("{key}!={list}"),
        RequirementOperator::NotIn => format!("{key} notin ({list})"),
        RequirementOperator::Exists => key.clone(),
        RequirementOperator::DoesNotExist => format!("!{key}"),
        RequirementOperator::GreaterThan => format!("{key}>{list}"),
        RequirementOperator::LessThan => format!("{key}<{list}"),
    }
}

fn split_field_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut rest = text;
    let mut escaped = false;
    let mut cursor = 0;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                if let Some((term, tail)) = rest.split_at_checked(offset - cursor) {
                    terms.push(term);
                    rest = tail.strip_prefix(',').unwrap_or(tail);
                    cursor = offset + 1;
                }
            }
            _ => {}
        }
    }
    terms.push(rest);
    terms
}

fn field_requirement(term: &str) -> Result<FieldRequirement, SelectorFault> {
    // The first operator by position splits, and the longer one where two begin together. `!=` can
    // only begin one byte before the first `=`.
    let Some((left, right)) = term.split_once('=') else {
        return Err(SelectorFault::FieldTerm {
            term: term.to_owned(),
        });
    };
    let (field, operator, raw) = match left.strip_suffix('!') {
        Some(field) => (field, FieldOperator::NotEquals, right),
        None => (
            left,
            FieldOperator::Equals,
            right.strip_prefix('=').unwrap_or(right),
        ),
    };
    Ok(FieldRequirement {
        field: field.to_owned(),
        operator,
        value: unescape_field_value(raw)?,
    })
}

fn unescape_field_value(raw: &str) -> Result<String, SelectorFault> {
    let fault = || SelectorFault::FieldEscape {
        value: raw.to_owned(),
    };
    let mut value = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => value.push(escaped),
                Some(_) | None => return Err(fault()),
            },
            ',' | '=' => return Err(fault()),
            other => value.push(other),
        }
    }
    Ok(value)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    End,
    Symbol(&'a str),
    /// A word; `in` and `notin` are words too and become operators only after a key.
    Word(&'a str),
}

impl Token<'_> {
    fn unexpected(self, expected: &'static str) -> SelectorFault {
        let found = match self {
            Self::End => String::new(),
            Self::Symbol(text) | Self::Word(text) => text.to_owned(),
        };
        SelectorFault::Syntax {
            found: found.to_owned(),
            expected,
        }
    }
}

/// Longest first, so that `==` is not read as two `=`.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn lex(text: &str) -> Vec<Token<'_>> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        if let Some((symbol, tail)) = SYMBOLS
            .iter()
            .find_map(|symbol| Some((*symbol, rest.strip_prefix(symbol)?)))
        {
            tokens.push(Token::Symbol(symbol));
            rest = tail;
        } else {
            let is_end = |c: char| is_space(c) || "=!(),><".contains(c);
            let length = rest.find(is_end).unwrap_or(rest.len());
            let (word, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
            tokens.push(Token::Word(word));
            rest = tail;
        }
        rest = rest.trim_start_matches(is_space);
    }
    tokens
}

struct LabelParser<'a> {
    tokens: &'a [Token<'a>],
}

impl<'a> LabelParser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.first().copied().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token<'a> {
        match self.tokens.split_first() {
            Some((token, tail)) => {
                self.tokens = tail;
                *token
            }
            None => Token::End,
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorFault> {
        let negated = self.peek() == Token::Symbol("!");
        if negated {
            self.next();
        }
        let key = match self.next() {
            Token::Word(word) => word,
            other @ (Token::End | Token::Symbol(_)) => return Err(other.unexpected("a label key")),
        };
        if !is_label_key(key) {
            return Err(SelectorFault::LabelKey {
                key: key.to_owned(),
            });
        }
        let (operator, values) = if negated {
            (RequirementOperator::DoesNotExist, Vec::new())
        } else if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            (RequirementOperator::Exists, Vec::new())
        } else {
            self.comparison()?
        };
        check_values(operator, &values)?;
        let values = values.into_iter().map(ToOwned::to_owned).collect();
        Ok(Requirement {
            key: key.to_owned(),
            operator,
            values,
        })
    }

    fn comparison(&mut self) -> Result<(RequirementOperator, Vec<&'a str>), SelectorFault> {
        let token = self.next();
        match token {
            Token::Word("in") => Ok((RequirementOperator::In, self.value_set()?)),
            Token::Word("notin") => Ok((RequirementOperator::NotIn, self.value_set()?)),
            Token::Symbol("=" | "==") => Ok((RequirementOperator::In, self.value()?)),
            Token::Symbol("!=") => Ok((RequirementOperator::NotIn, self.value()?)),
            Token::Symbol(">") => Ok((RequirementOperator::GreaterThan, self.value()?)),
            Token::Symbol("<") => Ok((RequirementOperator::LessThan, self.value()?)),
            Token::End | Token::Symbol(_) | Token::Word(_) => {
                Err(token.unexpected("one of `in`, `notin`, `=`, `==`, `!=`, `>`, `<`"))
            }
        }
    }

    /// The value after `=` and its like; a missing one is the empty value.
    fn value(&mut self) -> Result<Vec<&'a str>, SelectorFault> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(vec![""]);
        }
        match self.next() {
            Token::Word(word) => Ok(vec![word]),
            other @ (Token::End | Token::Symbol(_)) => Err(other.unexpected("a value")),
        }
    }

    /// `(a,b)`. Each missing value is the empty one: `()`, `(,a)`, `(a,)`, `(a,,b)`.
    fn value_set(&mut self) -> Result<Vec<&'a str>, SelectorFault> {
        let open = self.next();
        if open != Token::Symbol("(") {
            return Err(open.unexpected("`(`"));
        }
        let mut values: Vec<&str> = Vec::new();
        loop {
            let value = match self.peek() {
                Token::Word(word) => {
                    self.next();
                    word
                }
                Token::End | Token::Symbol(_) => "",
            };
            if !values.contains(&value) {
                values.push(value);
            }
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                other @ (Token::End | Token::Symbol(_) | Token::Word(_)) => {
                    return Err(other.unexpected("`,` or `)`"));
                }
            }
        }
    }
}

fn check_values(operator: RequirementOperator, values: &[&str]) -> Result<(), SelectorFault> {
    for &value in values {
        if !is_label_value(value) {
            return Err(SelectorFault::LabelValue {
                value: value.to_owned(),
            });
        }
        let compares_integers = match operator {
            RequirementOperator::GreaterThan | RequirementOperator::LessThan => true,
            RequirementOperator::In
            | RequirementOperator::NotIn
            | RequirementOperator::Exists
            | RequirementOperator::DoesNotExist => false,
        };
        if compares_integers && value.parse::<i64>().is_err() {
            return Err(SelectorFault::NotInteger {
                value: value.to_owned(),
            });
        }
    }
    Ok(())
}

/// `content.IsLabelKey`.
fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_qualified_name(name),
        None => is_qualified_name(key),
    }
}

/// `content.IsLabelValue`.
fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_qualified_name(value)
}

fn is_qualified_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() <= LABEL_BYTES_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_subdomain(text: &str) -> bool {
    let is_lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= SUBDOMAIN_BYTES_MAX
        && text.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.first().is_some_and(is_lower)
                && bytes.last().is_some_and(is_lower)
                && bytes.iter().all(|byte| is_lower(byte) || *byte == b'-')
        })
}
