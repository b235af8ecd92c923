//! Bundles written in the language, for tests.

use crate::decode::decode;
use crate::diagnostic::human;
use crate::model::Bundle;
use crate::source::Files;

/// The bundle of these files.
///
/// # Errors
///
/// The findings, as a person reads them.
pub fn written_bundle(files: &[(&str, &str)]) -> Result<Bundle, String> {
    let files: Files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect();
    let (bundle, report) = decode(&files);
    bundle.ok_or_else(|| human(&report, &files))
}
