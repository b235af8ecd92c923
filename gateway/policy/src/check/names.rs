//! Names that read like others (GP507).

use std::collections::BTreeMap;

use crate::decode::{Place, place};
use crate::diagnostic::{Code, Finding, Report};
use crate::model::{Bundle, Location};
use crate::source::{self, Files, Node, Scalar, Value};

/// Lines whose text is prose, not a name.
const PROSE: &[&str] = &["why", "message", "ticket", "test", "cases"];

pub(super) fn check(bundle: &Bundle, files: &Files, report: &mut Report) {
    alike(bundle, report);
    let mut ignored = Report::new();
    for (path, bytes) in files {
        match place(path) {
            Place::Blocks(_) => {
                for node in source::parse_text(path, bytes, &mut ignored) {
                    mixed(&node, report);
                }
            }
            Place::Fixture | Place::Unread | Place::Planned(_) | Place::Unknown => {}
        }
    }
}

/// Two names of one kind that differ only in letters that look alike.
fn alike(bundle: &Bundle, report: &mut Report) {
    let names = |all: Vec<(&str, &Location)>, what: &str, report: &mut Report| {
        let mut seen: BTreeMap<String, (&str, &Location)> = BTreeMap::new();
        for (name, place) in all {
            match seen.get(&skeleton(name)) {
                Some((other, first)) if *other != name => {
                    let message = format!("{what} `{name}` reads like `{other}`");
                    let finding = Finding::new(Code::GP507, message, place.clone());
                    report.add(
                        finding
                            .also((*first).clone(), "the other one")
                            .help("rename one"),
                    );
                }
                Some(_) => {}
                None => {
                    seen.insert(skeleton(name), (name, place));
                }
            }
        }
    };
    names(
        bundle
            .issuers
            .iter()
            .map(|one| (one.name.as_str(), &one.location))
            .collect(),
        "issuer",
        report,
    );
    names(
        bundle
            .groups
            .iter()
            .map(|one| (one.name.as_str(), &one.location))
            .collect(),
        "group",
        report,
    );
    let identities = bundle
        .identities
        .iter()
        .map(|one| (one.name.as_str(), &one.location))
        .collect();
    names(identities, "identity", report);
    names(
        bundle
            .rules
            .iter()
            .map(|one| (one.id.as_str(), &one.location))
            .collect(),
        "rule",
        report,
    );
}

/// What is left of a name for a hasty eye.
fn skeleton(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_' | '.'));
    let plain: String = letters
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            other => other,
        })
        .collect();
    plain.replace("rn", "m").replace("vv", "w")
}

fn mixed(node: &Node, report: &mut Report) {
    if !PROSE.contains(&node.word.as_str()) {
        let properties = node.properties.iter().map(|property| &property.value);
        for value in node.values.iter().chain(properties) {
            mixed_value(value, report);
        }
    }
    node.below().iter().for_each(|line| mixed(line, report));
}

fn mixed_value(value: &Value, report: &mut Report) {
    let Scalar::Text(text) = &value.scalar else {
        return;
    };
    let mut scripts: Vec<&str> = text.chars().filter_map(script).collect();
    scripts.sort_unstable();
    scripts.dedup();
    let found = match scripts.as_slice() {
        [] | ["Latin"] => return,
        [one] => format!("`{text}` is written in {one} letters"),
        several => format!("`{text}` mixes {} letters", several.join(" and ")),
    };
    let finding = Finding::new(Code::GP507, found, value.location.clone());
    report.add(finding.help("names in clusters and tokens are Latin; type it anew"));
}

/// The script of a letter; `None` for digits, signs and letters that look like no Latin one.
fn script(letter: char) -> Option<&'static str> {
    match letter {
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' => Some("Latin"),
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Some("Greek"),
        '\u{400}'..='\u{52F}' | '\u{1C80}'..='\u{1C8F}' => Some("Cyrillic"),
        '\u{530}'..='\u{58F}' => Some("Armenian"),
        '\u{13A0}'..='\u{13FF}' => Some("Cherokee"),
        '\u{1D00}'..='\u{1D7F}' => Some("phonetic"),
        '\u{FF00}'..='\u{FF5E}' => Some("full-width"),
        '\u{1D400}'..='\u{1D7FF}' => Some("mathematical"),
        _ => None,
    }
}
