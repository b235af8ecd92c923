//! Text of a bundle: files, lines, spans, and the way from bytes to a tree of nodes.
//!
//! A file passes three gates. The scan is a linear pass that refuses everything outside the
//! lexical profile of the language *before* the KDL parser sees it, because that parser takes
//! exponential time on nested `/-{` and overflows its stack on deep nesting. The scan also splits
//! the file into top-level nodes, so that a syntax error stays inside its node and the parser's
//! input is bounded. Each node is then parsed alone and turned into [`Node`] values.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Code, Finding, Report};
use crate::model::Location;

pub(crate) mod lex;
mod scan;
mod tree;

pub use tree::{Mark, Node, Property, Scalar, Value};

pub(crate) use scan::Silencer;

/// The files of one bundle: path inside the bundle, `/` separated, to content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// BOUND: bytes of one file. A rule is about 400 bytes, so this holds some 600 rules; a larger file
/// is refused unread.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// BOUND: bytes of one line. A reviewer cannot read a longer one; it is refused.
pub const LINE_BYTES_MAX: usize = 4 * 1024;
/// BOUND: nested blocks. The language needs six; the parser recurses once per level.
pub const BLOCK_DEPTH_MAX: usize = 8;
/// BOUND: lines and blocks of one file, nested ones included. The parser takes some 20 µs for each,
/// however short; a file of rules at the size limit has about five thousand.
pub const NODE_COUNT_MAX: usize = 10_000;

/// One file that passed the check of its bytes: UTF-8, no byte order mark, bounded size.
#[derive(Debug, Clone)]
pub struct SourceFile {
    path: Arc<str>,
    text: Arc<str>,
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// Takes the bytes of one file. What cannot be read as text is a finding, and there is no file.
    pub fn new(path: &str, bytes: &[u8], report: &mut Report) -> Option<Self> {
        let path: Arc<str> = Arc::from(path);
        let whole = |line| Location {
            file: Arc::clone(&path),
            offset: 0,
            length: 0,
            line,
        };
        if bytes.len() > FILE_BYTES_MAX {
            report.add(
                Finding::new(
                    Code::GP101,
                    format!("file has {} bytes, more than {FILE_BYTES_MAX}", bytes.len()),
                    whole(1),
                )
                .help("split it; files of a folder merge in any order"),
            );
            return None;
        }
        if bytes.starts_with(b"\xEF\xBB\xBF") {
            report.add(
                Finding::new(Code::GP101, "file begins with a byte order mark", whole(1))
                    .help("save it as UTF-8 without BOM"),
            );
            return None;
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.iter().take(error.valid_up_to());
                let line = before.filter(|byte| **byte == b'\n').count() + 1;
                report.add(Finding::new(
                    Code::GP101,
                    format!("line {line} is not UTF-8"),
                    whole(line),
                ));
                return None;
            }
        };
        Some(Self::from_text(path, text))
    }

    fn from_text(path: Arc<str>, text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0)
            .chain(newlines.map(|(at, _)| at + 1))
            .collect();
        Self {
            path,
            text: Arc::from(text),
            line_starts,
        }
    }

    /// Path inside the bundle.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of `length` bytes from `offset` on.
    #[must_use]
    pub fn location(&self, offset: usize, length: usize) -> Location {
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        Location {
            file: Arc::clone(&self.path),
            offset,
            length,
            line,
        }
    }

    /// 1-based line and column (in characters) of a byte offset.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let column = self
            .text
            .get(start..offset)
            .map_or(1, |before| before.chars().count() + 1);
        (line, column)
    }
}

/// Everything read from one file.
#[derive(Debug, Clone)]
pub(crate) struct ParsedFile {
    /// Top-level nodes whose text is sound; broken ones are findings.
    pub(crate) nodes: Vec<Node>,
    /// Comments that silence a finding.
    pub(crate) silencers: Vec<Silencer>,
}

/// Reads one file into nodes; every fault is a finding.
pub(crate) fn parse(file: &SourceFile, report: &mut Report) -> ParsedFile {
    let scan = scan::scan(file, report);
    let nodes = scan
        .nodes
        .iter()
        .filter_map(|span| tree::parse(file, *span, report))
        .collect();
    ParsedFile {
        nodes,
        silencers: scan.silencers,
    }
}

/// Reads KDL text that is no bundle, with the same profile and the same findings: for the gateway's
/// own configuration file.
pub fn parse_text(path: &str, bytes: &[u8], report: &mut Report) -> Vec<Node> {
    SourceFile::new(path, bytes, report).map_or_else(Vec::new, |file| parse(&file, report).nodes)
}

#[cfg(test)]
mod tests;
