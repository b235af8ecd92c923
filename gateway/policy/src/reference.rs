//! The reference of the language, printed from the tables that decode it.

use std::collections::BTreeSet;

use crate::decode::TABLES;
use crate::diagnostic::{CATALOGUE, Level};
use crate::shape::{Occurs, Shape, Status, usage_line};

/// Column of the marks, and of the explanations behind them.
const MARK_COLUMN: usize = 58;

/// Every block and line of the language, file by file, as Markdown.
#[must_use]
pub fn grammar() -> String {
    let mut out = String::new();
    let mut printed = Vec::new();
    for (place, shapes) in TABLES {
        let implemented = shapes
            .iter()
            .any(|shape| shape.status == Status::Implemented);
        if implemented {
            out.push_str(&format!("### `{place}`\n\n```text\n"));
            lines(shapes, 0, &mut printed, &mut out);
            out.push_str("```\n\n");
        }
    }
    out
}

/// Prints a table; one that was printed before, perhaps as a part of itself, is only named.
fn lines(
    shapes: &'static [Shape],
    depth: usize,
    printed: &mut Vec<&'static [Shape]>,
    out: &mut String,
) {
    printed.push(shapes);
    for shape in shapes
        .iter()
        .filter(|shape| shape.status == Status::Implemented)
    {
        let below = shape.block.shapes();
        let known = !below.is_empty() && printed.iter().any(|own| std::ptr::eq(*own, below));
        let mut usage = format!("{}{}", "    ".repeat(depth), usage_line(shape));
        if known {
            usage = usage.replace("{ … }", "{ as above }");
        }
        let mark = match shape.occurs {
            Occurs::Once => "1",
            Occurs::Optional => "?",
            Occurs::Any => "*",
            Occurs::Some => "+",
        };
        let gap = " ".repeat(MARK_COLUMN.saturating_sub(usage.chars().count()).max(1));
        out.push_str(&format!("{usage}{gap}{mark} {}\n", shape.doc));
        if !known {
            lines(below, depth + 1, printed, out);
        }
    }
}

/// The words that this version refuses, with what they belong to, as a Markdown list.
#[must_use]
pub fn planned() -> String {
    let mut found: BTreeSet<(&str, String)> = BTreeSet::new();
    for (place, shapes) in TABLES {
        collect_planned(shapes, place, &mut vec![], &mut found);
    }
    let mut topics: Vec<&str> = found.iter().map(|(doc, _)| *doc).collect();
    topics.dedup();
    let mut out = String::new();
    for topic in topics {
        let words = found
            .iter()
            .filter(|(doc, _)| *doc == topic)
            .map(|(_, word)| word.as_str());
        out.push_str(&format!(
            "- {topic}: {}\n",
            words.collect::<Vec<_>>().join(", ")
        ));
    }
    out
}

fn collect_planned(
    shapes: &'static [Shape],
    owner: &'static str,
    open: &mut Vec<&'static [Shape]>,
    found: &mut BTreeSet<(&'static str, String)>,
) {
    if open.iter().any(|own| std::ptr::eq(*own, shapes)) {
        return;
    }
    open.push(shapes);
    for shape in shapes {
        if shape.status == Status::Planned {
            found.insert((shape.doc, format!("`{}` in `{owner}`", shape.word)));
        }
        for property in shape
            .properties
            .iter()
            .filter(|one| one.status == Status::Planned)
        {
            found.insert((
                property.doc,
                format!("`{}=` on `{}`", property.name, shape.word),
            ));
        }
        collect_planned(shape.block.shapes(), shape.word, open, found);
    }
    open.pop();
}

/// Every code of a finding, as a Markdown table.
#[must_use]
pub fn codes() -> String {
    let mut out = String::from("| code | level | finding | |\n| --- | --- | --- | --- |\n");
    for entry in CATALOGUE {
        let level = match entry.level {
            Level::Error => "E",
            Level::Warning => "W",
            Level::Info => "I",
        };
        let explanation = entry.explanation.replace('|', "\\|");
        out.push_str(&format!(
            "| {} | {level} | {} | {explanation} |\n",
            entry.code, entry.title
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->`.
    fn with_section(text: &str, name: &str, content: &str) -> String {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let (before, rest) = text.split_once(&open).unwrap();
        let (_, after) = rest.split_once(&close).unwrap();
        format!("{before}{open}\n{content}\n{close}{after}")
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch of insta, for a golden file in docs/"
    )]
    fn reference_in_the_documentation_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policy.md");
        let written = fs::read_to_string(&path).unwrap();
        let mut current = with_section(&written, "grammar", grammar().trim_end());
        current = with_section(&current, "planned", planned().trim_end());
        current = with_section(&current, "codes", codes().trim_end());
        if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
            fs::write(&path, &current).unwrap();
            return;
        }
        assert_eq!(
            written, current,
            "run the test once with INSTA_UPDATE=always"
        );
    }
}
