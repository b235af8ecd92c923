//! Findings as text for people, for tools and for code hosts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{CATALOGUE, Finding, Level, Report};
use crate::model::Location;
use crate::source::Files;
use crate::source::lex::is_treacherous;

/// BOUND: columns of a snippet; of a longer line the stretch around the finding is shown.
const SNIPPET_COLUMNS: usize = 120;

/// Findings for people, each with the line of text it speaks about:
///
/// ```text
/// error[GP201]: unknown line `gruop` in `who`
///  rules/sre.kdl:4 │     who { gruop "sre" }
///                  │           ^^^^^ did you mean `group`?
/// ```
#[must_use]
pub fn human(report: &Report, files: &Files) -> String {
    let mut out = String::new();
    for finding in report.findings() {
        let header = format!(
            "{}[{}]: {}\n",
            finding.level.as_str(),
            finding.code,
            finding.message
        );
        out.push_str(&header);
        out.push_str(&snippet(
            &finding.location,
            finding.label.as_deref().unwrap_or(""),
            files,
        ));
        for other in &finding.others {
            out.push_str(&snippet(&other.location, &other.text, files));
        }
        if let Some(help) = &finding.help {
            out.push_str(" help: ");
            out.push_str(help);
            out.push('\n');
        }
        out.push('\n');
    }
    out.push_str(&summary(report));
    out
}

fn summary(report: &Report) -> String {
    let counted = |level: Level, one: &str| {
        let count = report.count(level);
        format!("{count} {one}{}", if count == 1 { "" } else { "s" })
    };
    format!(
        "{}, {}\n",
        counted(Level::Error, "error"),
        counted(Level::Warning, "warning")
    )
}

/// The first line of a place, with a row of carets below. Tabs count as one column on both rows.
fn snippet(location: &Location, label: &str, files: &Files) -> String {
    let at = format!(" {}:{} ", shown(&location.file), location.line);
    let blank = " ".repeat(at.chars().count());
    let bytes = files.get(&*location.file).map_or(&[][..], Vec::as_slice);
    let (before, rest) = bytes.split_at(location.offset.min(bytes.len()));
    let start = before.rsplit(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let end = rest
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or(&[]);
    let marked = String::from_utf8_lossy(end.get(..location.length.min(end.len())).unwrap_or(end));
    let start = shown(&String::from_utf8_lossy(start));
    let end = shown(&String::from_utf8_lossy(end));
    let (start, end) = crop(&start, &end);
    let indent = " ".repeat(start.chars().count());
    let room = end.chars().count().max(1);
    let carets = "^".repeat(marked.chars().count().clamp(1, room));
    let label = if label.is_empty() {
        String::new()
    } else {
        format!(" {label}")
    };
    format!("{at}│ {start}{end}\n{blank}│ {indent}{carets}{label}\n")
}

/// Text as it may reach a screen: one column a character, nothing that moves the cursor.
fn shown(text: &str) -> String {
    let harmless = |c: char| {
        if c == '\t' {
            ' '
        } else if is_treacherous(c) {
            '\u{FFFD}'
        } else {
            c
        }
    };
    text.chars().map(harmless).collect()
}

fn crop(start: &str, end: &str) -> (String, String) {
    let (before, after) = (start.chars().count(), end.chars().count());
    if before + after <= SNIPPET_COLUMNS {
        return (start.to_owned(), end.to_owned());
    }
    let kept = before.min(SNIPPET_COLUMNS / 2);
    let mut cut: String = start.chars().skip(before - kept).collect();
    if kept < before {
        cut.insert(0, '…');
    }
    let room = SNIPPET_COLUMNS - kept;
    let mut tail: String = end.chars().take(room).collect();
    if after > room {
        tail.push('…');
    }
    (cut, tail)
}

/// A stable document: `{"format":1,"findings":[…],"errors":N,"warnings":N}`.
#[must_use]
pub fn json(report: &Report, files: &Files) -> String {
    let findings: Vec<Value> = report
        .findings()
        .into_iter()
        .map(|one| object(one, files))
        .collect();
    let document = json!({
        "format": 1,
        "findings": findings,
        "errors": report.count(Level::Error),
        "warnings": report.count(Level::Warning),
    });
    format!("{document:#}\n")
}

fn object(finding: &Finding, files: &Files) -> Value {
    let others: Vec<Value> = finding
        .others
        .iter()
        .map(|label| json!({ "at": place(&label.location, files), "text": label.text }))
        .collect();
    json!({
        "code": finding.code.as_str(),
        "level": finding.level.as_str(),
        "message": finding.message,
        "at": place(&finding.location, files),
        "label": finding.label,
        "others": others,
        "help": finding.help,
    })
}

fn place(location: &Location, files: &Files) -> Value {
    json!({
        "file": &*location.file,
        "line": location.line,
        "column": column(location, files),
        "offset": location.offset,
        "length": location.length,
    })
}

/// 1-based, in characters.
fn column(location: &Location, files: &Files) -> usize {
    let bytes = files.get(&*location.file).map_or(&[][..], Vec::as_slice);
    let before = bytes.get(..location.offset.min(bytes.len())).unwrap_or(&[]);
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or(&[]);
    String::from_utf8_lossy(line).chars().count() + 1
}

/// Workflow commands that annotate a pull request.
#[must_use]
pub fn github(report: &Report, files: &Files) -> String {
    let mut out = String::new();
    for finding in report.findings() {
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "notice",
        };
        let mut text = finding.message.clone();
        if let Some(help) = &finding.help {
            text.push_str("\nhelp: ");
            text.push_str(help);
        }
        let line = format!(
            "::{command} file={},line={},col={},title={}::{}\n",
            annotation_property(&shown(&finding.location.file)),
            finding.location.line,
            column(&finding.location, files),
            finding.code,
            annotation_text(&text),
        );
        out.push_str(&line);
    }
    out
}

fn annotation_text(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn annotation_property(text: &str) -> String {
    annotation_text(text)
        .replace(':', "%3A")
        .replace(',', "%2C")
}

/// SARIF 2.1.0, one run.
#[must_use]
pub fn sarif(report: &Report, files: &Files) -> String {
    let rules: Vec<Value> = CATALOGUE
        .iter()
        .map(|entry| {
            json!({
                "id": entry.code.as_str(),
                "shortDescription": { "text": entry.title },
                "fullDescription": { "text": entry.explanation },
            })
        })
        .collect();
    let results: Vec<Value> = report
        .findings()
        .into_iter()
        .map(|finding| {
            let level = match finding.level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Info => "note",
            };
            json!({
                "ruleId": finding.code.as_str(),
                "level": level,
                "message": { "text": finding.message },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": &*finding.location.file },
                    "region": {
                        "startLine": finding.location.line,
                        "startColumn": column(&finding.location, files),
                        "byteOffset": finding.location.offset,
                        "byteLength": finding.location.length,
                    },
                } }],
            })
        })
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "countersign policy check", "rules": rules } },
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

/// `JUnit` XML: one test case per finding, and one that passed where there is none.
#[must_use]
pub fn junit(report: &Report) -> String {
    let findings = report.findings();
    let failures = findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let count = findings.len().max(1);
    // Writing to a String cannot fail, so the results carry nothing.
    let mut line = |text: std::fmt::Arguments<'_>| out.write_fmt(text).unwrap_or_default();
    line(format_args!(
        "<testsuite name=\"countersign policy check\" tests=\"{count}\" failures=\"{failures}\">\n"
    ));
    if findings.is_empty() {
        line(format_args!("  <testcase name=\"bundle\"/>\n"));
    }
    for finding in findings {
        let at = format!("{}:{}", finding.location.file, finding.location.line);
        let element = match finding.level {
            Level::Error => "failure",
            Level::Warning | Level::Info => "system-out",
        };
        line(format_args!(
            "  <testcase classname=\"{}\" name=\"{}\"><{element}>{}</{element}></testcase>\n",
            finding.code,
            xml(&at),
            xml(&finding.message),
        ));
    }
    line(format_args!("</testsuite>\n"));
    out
}

fn xml(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    escaped.replace('"', "&quot;")
}
