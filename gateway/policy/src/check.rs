//! What a bundle says that is not wrong to read and still wrong to mean.
//!
//! Decoding finds what cannot be understood; this module looks at what was understood: issuers that
//! can be mistaken for one another, rules that match nothing or too much, dates that have passed.
//! Nothing here needs a cluster. Errors are reported only where they are certain; what is likely
//! is a warning, and a comment above a block can silence it until a date.

use jiff::Timestamp;

use crate::decode::decode;
use crate::diagnostic::{Level, Report};
use crate::model::Bundle;
use crate::source::Files;

mod callers;
mod dates;
mod issuers;
mod masks;
mod matching;
mod names;
mod proof;
mod reach;
mod silence;
mod width;

/// A bundle that was decoded and looked at.
#[derive(Debug)]
pub struct Checked {
    /// The bundle, unless something is an error.
    pub bundle: Option<Bundle>,
    /// All findings of all files.
    pub report: Report,
    /// True if the findings fail the check: errors, and warnings where the bundle says so.
    pub fails: bool,
}

/// Decodes a bundle and looks for what it should not say, as of an instant.
#[must_use]
pub fn check(files: &Files, now: Timestamp) -> Checked {
    let (bundle, mut report) = decode(files);
    let Some(bundle) = bundle else {
        return Checked {
            bundle: None,
            report,
            fails: true,
        };
    };
    report.merge(lints(&bundle, files, now));
    let fails = report.fails(bundle.lint.fail_on_warning);
    let bundle = (!report.has_errors()).then_some(bundle);
    Checked {
        bundle,
        report,
        fails,
    }
}

/// The findings of a decoded bundle, silenced ones taken out.
#[must_use]
pub fn lints(bundle: &Bundle, files: &Files, now: Timestamp) -> Report {
    let mut report = Report::new();
    issuers::check(bundle, &mut report);
    let masks = masks::table(bundle, &mut report);
    if let Some(table) = &masks {
        masks::check(bundle, table, &mut report);
    }
    for rule in &bundle.rules {
        matching::check(bundle, rule, &mut report);
        callers::check(bundle, rule, &mut report);
        width::check(bundle, masks.as_ref(), rule, &mut report);
        dates::check(rule, now, &mut report);
    }
    matching::check_shadowed(bundle, &mut report);
    callers::check_subjects(bundle, &mut report);
    names::check(bundle, files, &mut report);
    proof::check(bundle, &mut report);
    silence::apply(files, now, &mut report);
    let allowed = &bundle.lint.allowed_codes;
    report.retain(|finding| match finding.level {
        Level::Error => true,
        Level::Warning | Level::Info => !allowed.iter().any(|code| code == finding.code.as_str()),
    });
    report
}

#[cfg(test)]
mod tests;
