//! Entry points for fuzzers and property tests. Each asserts the laws of one reader on any bytes.

use crate::check::lints;
use crate::decode::decode;
use crate::diagnostic::{Report, github, human, json, junit, sarif};
use crate::format::{FormatFault, format, is_formattable};
use crate::source::{Files, parse_text};

/// BOUND: larger inputs find nothing new.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// A selector byte, then the text of one file of a bundle: reading, decoding, checking, formatting
/// and rendering end without a panic, a bundle comes out exactly where nothing is an error, and what
/// the formatter writes reads the same and is not changed by formatting it again.
pub fn kdl_source(input: &[u8]) {
    let Some((selector, text)) = input.split_first() else {
        return;
    };
    if text.len() > INPUT_BYTES_MAX {
        return;
    }
    let paths = [
        "tests/a.kdl",
        "bundle.kdl",
        "rules/a.kdl",
        "identities.kdl",
        "sets.kdl",
        "masks.kdl",
    ];
    let Some(path) = paths.get(usize::from(*selector) % paths.len()) else {
        return;
    };
    let mut files = base();
    files.insert((*path).to_owned(), text.to_vec());
    decodes_or_says_why(&files);
    formats_or_refuses(path, text);
}

/// A bundle into which any single file fits.
fn base() -> Files {
    let bundle = "bundle \"fuzz\" { format 1; cluster \"prod\"; owners \"**\" \"platform\" }\n";
    let issuer = "issuer \"agents\" { url \"https://a.example\"; audiences \"c\"; algorithms \
                  \"ES256\"; max-token-age \"15m\"; kind agent; username claim=\"sub\" prefix=\"a:\" }\n";
    let files = [("bundle.kdl", bundle), ("identities.kdl", issuer)];
    files
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into()
}

/// # Panics
/// If a bundle comes out beside an error, or none where there is none.
fn decodes_or_says_why(files: &Files) {
    let (bundle, mut report) = decode(files);
    assert_eq!(
        bundle.is_some(),
        !report.has_errors(),
        "{}",
        human(&report, files)
    );
    if let Some(bundle) = bundle {
        report.merge(lints(&bundle, files, jiff::Timestamp::UNIX_EPOCH));
    }
    for text in [
        human(&report, files),
        json(&report, files),
        github(&report, files),
    ] {
        let hostile = |c: char| c.is_control() && c != '\n';
        assert!(
            !text.contains(hostile),
            "a finding carries control characters: {text:?}"
        );
    }
    // Their writers escape everything; only the absence of a panic is of interest.
    drop((sarif(&report, files), junit(&report)));
}

/// # Panics
/// If a text that can be read has no canonical form, or one that formatting changes again.
fn formats_or_refuses(path: &str, text: &[u8]) {
    assert!(is_formattable(path));
    match format(path, text) {
        Ok(printed) => {
            let again = format(path, printed.as_bytes());
            assert_eq!(
                again.as_deref(),
                Ok(printed.as_str()),
                "formatting is not idempotent"
            );
        }
        Err(FormatFault::Unreadable(report)) => {
            assert!(!report.is_empty());
            let mut own = Report::new();
            parse_text(path, text, &mut own);
            assert!(!own.is_empty(), "a text was refused by the formatter alone");
        }
        Err(FormatFault::Changed) => assert!(
            !text.is_empty() && false_positive(path, text),
            "no canonical form: {}",
            String::from_utf8_lossy(text)
        ),
    }
}

/// A line that is within its bound and would not be once its words are quoted has no canonical form.
fn false_positive(path: &str, text: &[u8]) -> bool {
    let mut report = Report::new();
    parse_text(path, text, &mut report);
    let longest = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0);
    report.is_empty() && longest * 3 > crate::source::LINE_BYTES_MAX
}

#[cfg(test)]
mod tests;
