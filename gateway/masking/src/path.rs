//! Field paths: where in an object a mask applies.
//!
//! `data.*`, `spec.containers[*].env[*].value`, `spec.containers[name=app].image`,
//! `metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']`, `status.**`, `**.password`.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// BOUND: paths are written by people; a longer one is a mistake and is refused.
pub const PATH_BYTES_MAX: usize = 256;
/// BOUND: Kubernetes objects nest to about thirty; a longer path is refused.
pub const STEP_COUNT_MAX: usize = 32;

/// One step from a value to the values within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The member of an object with this name.
    Key(Box<str>),
    /// Every member of an object: `*`.
    AnyKey,
    /// Every element of an array: `[*]`.
    AnyElement,
    /// The elements of an array whose string member equals a text: `[name=app]`.
    Element {
        /// Name of the member.
        key: Box<str>,
        /// The text that it equals.
        value: Box<str>,
    },
    /// Any number of members and elements, none included: `**`. At the end of a path: all within, but
    /// not the value itself.
    AnyDepth,
}

/// A field path, checked. `$` alone is the object itself.
///
/// A `[key=value]` is decided while the text streams by: until the member `key` of an element has been
/// read, the element counts as a match, so a value that stands before it is masked. Once it was read
/// with another value, what follows is not masked, unless a repeated `key` does equal the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    steps: Box<[Step]>,
}

/// Why a text is no field path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field path is wrong at byte {offset}: {problem}; {help}")]
pub struct PathFault {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What is wrong.
    pub problem: PathProblem,
    /// What to do.
    pub help: &'static str,
}

/// What is wrong with a field path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// Nothing where a step must stand.
    #[error("a name is missing")]
    Empty,
    /// More than [`PATH_BYTES_MAX`].
    #[error("it is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`STEP_COUNT_MAX`].
    #[error("it has more than {STEP_COUNT_MAX} steps")]
    TooManySteps,
    /// A character that must be quoted, or stands at a wrong place.
    #[error("`{0}` cannot stand here")]
    Character(char),
    /// A quote without its end.
    #[error("the quote is not closed")]
    OpenQuote,
    /// A backslash before anything but a quote or a backslash.
    #[error("a backslash may stand before a quote or a backslash only")]
    Escape,
    /// A bracket without its end.
    #[error("`]` is missing")]
    OpenBracket,
    /// `****` or `** **`.
    #[error("`**` follows `**`")]
    Repeated,
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// The first fault, with its place and what to do.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        if text.len() > PATH_BYTES_MAX {
            let help = "name fields by a shorter path, with `*` or `**` in the place of steps";
            return Err(fault(PATH_BYTES_MAX, PathProblem::TooLong, help));
        }
        if text == "$" {
            return Ok(Self::root());
        }
        let mut reader = Reader { text, at: 0 };
        let mut steps = Vec::new();
        loop {
            let offset = reader.at;
            let step = if steps.is_empty() {
                reader.first()?
            } else {
                reader.next()?
            };
            if step == Step::AnyDepth && steps.last() == Some(&Step::AnyDepth) {
                let help = "one `**` already stands for any depth";
                return Err(fault(offset, PathProblem::Repeated, help));
            }
            steps.push(step);
            if steps.len() > STEP_COUNT_MAX {
                let help = "use `**` in the place of several steps";
                return Err(fault(offset, PathProblem::TooManySteps, help));
            }
            if reader.peek().is_none() {
                return Ok(Self {
                    steps: steps.into(),
                });
            }
        }
    }

    /// `$`: the object itself.
    #[must_use]
    pub fn root() -> Self {
        Self {
            steps: Box::default(),
        }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of(steps: Vec<Step>) -> Self {
        Self {
            steps: steps.into(),
        }
    }

    /// The steps, from the object inwards.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl FromStr for FieldPath {
    type Err = PathFault;

    fn from_str(text: &str) -> Result<Self, PathFault> {
        Self::parse(text)
    }
}

/// The canonical form: bare names where they may be, single quotes elsewhere.
impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return formatter.write_char('$');
        }
        for (index, step) in self.steps.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match step {
                Step::Key(name) if is_bare(name) => write!(formatter, "{dot}{name}")?,
                Step::Key(name) => write!(formatter, "[{}]", Quoted(name))?,
                Step::AnyKey => write!(formatter, "{dot}*")?,
                Step::AnyDepth => write!(formatter, "{dot}**")?,
                Step::AnyElement => formatter.write_str("[*]")?,
                Step::Element { key, value } => {
                    write!(formatter, "[{}={}]", Word(key), Word(value))?;
                }
            }
        }
        Ok(())
    }
}

/// A name or a text, quoted where it must be.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) {
            formatter.write_str(self.0)
        } else {
            Quoted(self.0).fmt(formatter)
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('\'')?;
        for character in self.0.chars() {
            if character == '\'' || character == '\\' {
                formatter.write_char('\\')?;
            }
            formatter.write_char(character)?;
        }
        formatter.write_char('\'')
    }
}

/// What may stand without quotes.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_bare_character)
}

fn is_bare_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '/' | ':')
}

const fn fault(offset: usize, problem: PathProblem, help: &'static str) -> PathFault {
    PathFault {
        offset,
        problem,
        help,
    }
}

const HELP_QUOTE: &str = "quote names with other characters: `['a.b/c']`";
const HELP_BRACKET: &str = "write `[*]`, `[name=value]` or `['name']`";
const HELP_NAME: &str = "write names parted by single dots, for example `spec.replicas`";

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// A step at the start needs no dot.
    fn first(&mut self) -> Result<Step, PathFault> {
        if self.take('[') {
            self.bracket()
        } else {
            self.name()
        }
    }

    fn next(&mut self) -> Result<Step, PathFault> {
        if self.take('[') {
            return self.bracket();
        }
        if self.take('.') {
            return self.name();
        }
        let found = self.peek().unwrap_or('.');
        Err(fault(self.at, PathProblem::Character(found), HELP_QUOTE))
    }

    fn name(&mut self) -> Result<Step, PathFault> {
        if self.take('*') {
            return Ok(if self.take('*') {
                Step::AnyDepth
            } else {
                Step::AnyKey
            });
        }
        let name = self.bare();
        match self.peek() {
            _ if !name.is_empty() => Ok(Step::Key(name.into())),
            Some(found) if found != '.' => {
                Err(fault(self.at, PathProblem::Character(found), HELP_QUOTE))
            }
            Some(_) | None => Err(fault(self.at, PathProblem::Empty, HELP_NAME)),
        }
    }

    fn bare(&mut self) -> String {
        let mut name = String::new();
        while let Some(character) = self.peek().filter(|found| is_bare_character(*found)) {
            self.at += character.len_utf8();
            name.push(character);
        }
        name
    }

    /// What follows `[`.
    fn bracket(&mut self) -> Result<Step, PathFault> {
        if self.take('*') {
            self.close()?;
            return Ok(Step::AnyElement);
        }
        let quoted = matches!(self.peek(), Some('\'' | '"'));
        let key = self.word()?;
        if self.take('=') {
            let value = self.word()?.into();
            self.close()?;
            return Ok(Step::Element {
                key: key.into(),
                value,
            });
        }
        if !quoted {
            let found = self.peek();
            let problem = found.map_or(PathProblem::OpenBracket, PathProblem::Character);
            return Err(fault(self.at, problem, HELP_BRACKET));
        }
        self.close()?;
        Ok(Step::Key(key.into()))
    }

    fn close(&mut self) -> Result<(), PathFault> {
        if self.take(']') {
            return Ok(());
        }
        Err(fault(self.at, PathProblem::OpenBracket, HELP_BRACKET))
    }

    /// A quoted or bare text within brackets.
    fn word(&mut self) -> Result<String, PathFault> {
        let quote = match self.peek() {
            Some(quote @ ('\'' | '"')) => quote,
            found => {
                let word = self.bare();
                if word.is_empty() {
                    let problem = found.map_or(PathProblem::OpenBracket, PathProblem::Character);
                    return Err(fault(self.at, problem, HELP_BRACKET));
                }
                return Ok(word);
            }
        };
        let start = self.at;
        self.at += 1;
        let mut word = String::new();
        loop {
            let Some(character) = self.peek() else {
                let help = "end the text with the quote that begins it";
                return Err(fault(start, PathProblem::OpenQuote, help));
            };
            self.at += character.len_utf8();
            if character == quote {
                return Ok(word);
            }
            if character != '\\' {
                word.push(character);
                continue;
            }
            let escaped = self.peek().filter(|next| matches!(next, '\'' | '"' | '\\'));
            let Some(escaped) = escaped else {
                let help = "write `\\\\` for a backslash";
                return Err(fault(self.at - 1, PathProblem::Escape, help));
            };
            self.at += 1;
            word.push(escaped);
        }
    }
}
