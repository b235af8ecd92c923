//! Findings: what is wrong with a text, where, and what to do next.
//!
//! One run reports all findings of all files. The same values serve policy bundles and the
//! gateway's own configuration file.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::Location;
use crate::source::lex::is_treacherous;

mod catalogue;
mod render;

pub use catalogue::{CATALOGUE, CodeEntry};
pub use render::{github, human, json, junit, sarif};

/// A finding's code, `GP201`. The bundle's codes are constants here; another schema may have its
/// own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// A code of another schema.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The code as written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// True if a text could not be read, so that what stands in it is not known.
    #[must_use]
    pub fn is_unreadable(self) -> bool {
        let all = [
            Self::GP101,
            Self::GP102,
            Self::GP104,
            Self::GP105,
            Self::GP106,
            Self::GP107,
        ];
        all.contains(&self)
    }

    /// What the catalogue says about it; `None` for codes of another schema.
    #[must_use]
    pub fn entry(self) -> Option<&'static CodeEntry> {
        CATALOGUE.iter().find(|entry| entry.code == self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The bundle is not accepted.
    Error,
    /// It is accepted, unless `lint { fail-on warning }`.
    Warning,
    /// Told, never fails.
    Info,
}

impl Level {
    /// The word in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A second place that a finding speaks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub location: Location,
    /// What is to be seen there.
    pub text: String,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Code.
    pub code: Code,
    /// Level.
    pub level: Level,
    /// One line.
    pub message: String,
    /// Where it is.
    pub location: Location,
    /// Written at the place itself.
    pub label: Option<String>,
    /// Further places, in the same or another file.
    pub others: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
}

impl Finding {
    /// A finding at the level the catalogue gives its code; codes of another schema are errors.
    pub fn new(code: Code, message: impl Into<String>, location: Location) -> Self {
        let level = code.entry().map_or(Level::Error, |entry| entry.level);
        Self {
            code,
            level,
            message: visible(&message.into()),
            location,
            label: None,
            others: Vec::new(),
            help: None,
        }
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(visible(&help.into()));
        self
    }

    /// Writes a text at the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(visible(&label.into()));
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn also(mut self, location: Location, text: impl Into<String>) -> Self {
        self.others.push(Label {
            location,
            text: visible(&text.into()),
        });
        self
    }
}

/// A text that quotes names from files, with what moves a cursor or hides in it written as an
/// escape: a name may be written with escapes of its own.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_treacherous(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// All findings of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
    seen: BTreeSet<(Code, Location, String)>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding; the same one at the same place counts once.
    pub fn add(&mut self, finding: Finding) {
        let key = (
            finding.code,
            finding.location.clone(),
            finding.message.clone(),
        );
        if self.seen.insert(key) {
            self.findings.push(finding);
        }
    }

    /// Adds all findings of another report.
    pub fn merge(&mut self, other: Self) {
        other
            .findings
            .into_iter()
            .for_each(|finding| self.add(finding));
    }

    /// Keeps the findings for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.findings.retain(keep);
    }

    /// All findings, by file and place.
    #[must_use]
    pub fn findings(&self) -> Vec<&Finding> {
        let mut sorted: Vec<&Finding> = self.findings.iter().collect();
        sorted.sort_by(|a, b| {
            (&a.location, a.code, &a.message).cmp(&(&b.location, b.code, &b.message))
        });
        sorted
    }

    /// True if nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many findings have this level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    }

    /// True if a finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Level::Error) > 0
    }

    /// True if a part of the file could not be read.
    #[must_use]
    pub fn is_unreadable(&self, path: &str) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.code.is_unreadable() && &*finding.location.file == path)
    }

    /// True if an error stands inside this place.
    #[must_use]
    pub fn has_errors_in(&self, place: &Location) -> bool {
        self.findings.iter().any(|finding| {
            finding.level == Level::Error
                && finding.location.file == place.file
                && finding.location.offset >= place.offset
                && finding.location.offset <= place.offset + place.length
        })
    }

    /// True if the run fails: on errors, and on warnings where the bundle says so.
    #[must_use]
    pub fn fails(&self, fail_on_warning: bool) -> bool {
        self.has_errors() || (fail_on_warning && self.count(Level::Warning) > 0)
    }
}

#[cfg(test)]
mod tests;
