//! The one way to write a bundle: canonical layout, comments kept.
//!
//! Words of the language are bare, everything that was named or that comes from a cluster is
//! quoted; blocks of one thought stay on one line where they fit. The printer works on the tokens
//! of the scan, so nothing it does not understand gets lost, and [`format()`] proves of each output
//! that it reads back as the same tree before it hands it out.

use crate::decode::{Place, place};
use crate::diagnostic::Report;
use crate::shape::Shape;
use crate::source::{self, Node, SourceFile, lex};

mod items;
mod print;

/// Why a file was not formatted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    /// It cannot be read.
    #[error("file cannot be read; `countersign policy check` says why")]
    Unreadable(Box<Report>),
    /// Its canonical form would not read as the same rules; please report the file.
    #[error("file has no canonical form; please report it as a bug")]
    Changed,
}

/// True for files that `fmt` writes.
#[must_use]
pub fn is_formattable(path: &str) -> bool {
    match place(path) {
        Place::Blocks(_) => true,
        Place::Fixture | Place::Unread | Place::Planned(_) | Place::Unknown => false,
    }
}

/// The canonical text of one file of a bundle.
///
/// # Errors
/// If the file cannot be read.
pub fn format(path: &str, bytes: &[u8]) -> Result<String, FormatFault> {
    let shapes = match place(path) {
        Place::Blocks(shapes) => shapes,
        Place::Fixture | Place::Unread | Place::Planned(_) | Place::Unknown => &[],
    };
    format_as(path, bytes, shapes)
}

/// The canonical text of a file of another language.
///
/// # Errors
/// If the file cannot be read.
pub fn format_as(
    path: &str,
    bytes: &[u8],
    shapes: &'static [Shape],
) -> Result<String, FormatFault> {
    let (file, before) = read(path, bytes)?;
    let text = file.text();
    let lexed = lex::lex(text);
    let items = items::items(text, &lexed.tokens);
    let printed = print::print(&items, shapes);
    // The law `parse ∘ format = id` is kept by every single run, not only by the tests.
    match read(path, printed.as_bytes()) {
        Ok((_, after)) if same_trees(&before, &after) => Ok(printed),
        Ok(_) | Err(_) => Err(FormatFault::Changed),
    }
}

fn read(path: &str, bytes: &[u8]) -> Result<(SourceFile, Vec<Node>), FormatFault> {
    let mut report = Report::new();
    let file = SourceFile::new(path, bytes, &mut report);
    let nodes = file
        .as_ref()
        .map(|file| source::parse(file, &mut report).nodes);
    match (file, nodes) {
        (Some(file), Some(nodes)) if report.is_empty() => Ok((file, nodes)),
        (_, _) => Err(FormatFault::Unreadable(Box::new(report))),
    }
}

/// The same words, values, properties and blocks, wherever they stand.
fn same_trees(before: &[Node], after: &[Node]) -> bool {
    before.len() == after.len() && before.iter().zip(after).all(|(a, b)| same(a, b))
}

fn same(a: &Node, b: &Node) -> bool {
    let values = a.values.len() == b.values.len()
        && a.values
            .iter()
            .zip(&b.values)
            .all(|(a, b)| a.scalar == b.scalar && a.mark == b.mark);
    let properties = a.properties.len() == b.properties.len()
        && a.properties.iter().zip(&b.properties).all(|(a, b)| {
            a.name == b.name && a.value.scalar == b.value.scalar && a.value.mark == b.value.mark
        });
    let blocks = match (&a.children, &b.children) {
        (None, None) => true,
        (Some(a), Some(b)) => same_trees(a, b),
        (None, Some(_)) | (Some(_), None) => false,
    };
    a.word == b.word && values && properties && blocks
}

#[cfg(test)]
mod tests;
