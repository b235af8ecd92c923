//! Nodes against shapes: every departure is a finding.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kind::{Kind, Mismatch};
use super::suggest::nearest;
use super::{Block, Occurs, Shape, Status, find};
use crate::diagnostic::{Code, Finding, Report};
use crate::model::Location;
use crate::source::{Node, Value};

/// Checks the top level of a file. Missing lines are reported at its beginning.
pub fn conform(path: &str, nodes: &[Node], shapes: &'static [Shape], report: &mut Report) {
    let place = Location {
        file: Arc::from(path),
        offset: 0,
        length: 0,
        line: 1,
    };
    lines(
        nodes,
        shapes,
        &Owner {
            word: path,
            place: &place,
            is_unreadable: report.is_unreadable(path),
        },
        report,
    );
}

/// Checks one node against its own shape.
pub fn conform_node(node: &Node, shape: &Shape, siblings: &'static [Shape], report: &mut Report) {
    if shape.status == Status::Planned {
        report.add(planned(&node.word, shape.doc, node.word_at.clone()));
        return;
    }
    values(node, shape, siblings, report);
    properties(node, shape, report);
    match (shape.block, &node.children) {
        (Block::None, None) | (Block::Optional(_), None) => {}
        (Block::None, Some(_)) => {
            let message = format!("`{}` has no block", node.word);
            let help = format!("`{}` takes {}; remove the braces", node.word, usage(shape));
            report.add(Finding::new(Code::GP208, message, node.word_at.clone()).help(help));
        }
        (Block::Required(shapes), None) => {
            let message = format!("`{}` needs a block", node.word);
            let help = format!("write `{} {{ … }}` with {}", node.word, words(shapes));
            report.add(Finding::new(Code::GP208, message, node.word_at.clone()).help(help));
        }
        (Block::Optional(shapes) | Block::Required(shapes), Some(children)) => {
            let owner = Owner {
                word: &node.word,
                place: &node.word_at,
                is_unreadable: false,
            };
            lines(children, shapes, &owner, report);
        }
    }
}

/// The finding for a word that this version does not implement.
pub(crate) fn planned(word: &str, doc: &str, place: Location) -> Finding {
    let message = format!("this version of countersign does not implement `{word}` yet");
    let help =
        format!("{doc}; it is refused, because ignoring it would change what the bundle means");
    Finding::new(Code::GP109, message, place).help(help)
}

struct Owner<'a> {
    word: &'a str,
    place: &'a Location,
    /// A part of it could not be read, so a line that is not there is no finding.
    is_unreadable: bool,
}

fn lines(nodes: &[Node], shapes: &'static [Shape], owner: &Owner<'_>, report: &mut Report) {
    let mut seen: BTreeMap<&str, &Location> = BTreeMap::new();
    for node in nodes {
        let Some(shape) = find(shapes, &node.word) else {
            report.add(unknown_line(node, shapes, owner));
            continue;
        };
        if let Some(first) = seen.get(shape.word) {
            match shape.occurs {
                Occurs::Once | Occurs::Optional => {
                    let message = format!("`{}` is given twice in `{}`", node.word, owner.word);
                    let finding = Finding::new(Code::GP205, message, node.word_at.clone());
                    let finding = finding.also((*first).clone(), "first given here");
                    report.add(finding.help("values on one line are alternatives; keep one line"));
                }
                Occurs::Any | Occurs::Some => {}
            }
        } else {
            seen.insert(shape.word, &node.word_at);
        }
        conform_node(node, shape, shapes, report);
    }
    if owner.is_unreadable {
        return;
    }
    for shape in shapes {
        match shape.occurs {
            Occurs::Optional | Occurs::Any => {}
            Occurs::Once | Occurs::Some if seen.contains_key(shape.word) => {}
            Occurs::Once | Occurs::Some => {
                let message = format!("`{}` has no line `{}`", owner.word, shape.word);
                let help = format!("add `{}`: {}", usage_line(shape), shape.doc);
                report.add(Finding::new(Code::GP206, message, owner.place.clone()).help(help));
            }
        }
    }
}

fn unknown_line(node: &Node, shapes: &'static [Shape], owner: &Owner<'_>) -> Finding {
    let message = format!("unknown line `{}` in `{}`", node.word, owner.word);
    let finding = Finding::new(Code::GP201, message, node.word_at.clone());
    match nearest(&node.word, shapes.iter().map(|shape| shape.word)) {
        Some(word) => finding.label(format!("did you mean `{word}`?")),
        None => finding.help(format!("known here are {}", words(shapes))),
    }
}

fn words(shapes: &'static [Shape]) -> String {
    let known = shapes
        .iter()
        .filter(|shape| shape.status == Status::Implemented);
    known
        .map(|shape| format!("`{}`", shape.word))
        .collect::<Vec<_>>()
        .join(", ")
}

fn usage(shape: &Shape) -> String {
    let mut parts: Vec<String> = shape
        .fixed
        .iter()
        .flatten()
        .map(|kind| kind.describe())
        .collect();
    if let Some(rest) = shape.rest {
        parts.push(format!("{}…", rest.kind.describe()));
    }
    for property in shape
        .properties
        .iter()
        .filter(|one| one.status == Status::Implemented)
    {
        let mark = if property.required { "" } else { "?" };
        parts.push(format!(
            "{}={}{mark}",
            property.name,
            property.kind.describe()
        ));
    }
    if let Some(kind) = shape.free_properties {
        parts.push(format!("KEY={}…", kind.describe()));
    }
    if parts.is_empty() {
        "no values".to_owned()
    } else {
        parts.join(" ")
    }
}

/// The line as it is written, for help texts and the reference.
pub(crate) fn usage_line(shape: &Shape) -> String {
    let (least, most) = shape.value_count();
    let bare = least == 0 && most == Some(0) && shape.properties.is_empty();
    let head = if bare && shape.free_properties.is_none() {
        shape.word.to_owned()
    } else {
        format!("{} {}", shape.word, usage(shape))
    };
    match shape.block {
        Block::None => head,
        Block::Optional(_) | Block::Required(_) => format!("{head} {{ … }}"),
    }
}

fn values(node: &Node, shape: &Shape, siblings: &'static [Shape], report: &mut Report) {
    let (least, most) = shape.value_count();
    let mut swallowed = false;
    for (position, value) in node.values.iter().enumerate() {
        if is_next_line(value, shape.kind_at(position), siblings) {
            report.add(next_line(node, value));
            swallowed = true;
            break;
        }
        let Some(kind) = shape.kind_at(position) else {
            break;
        };
        check(&node.word, kind, value, report);
    }
    let count = node.values.len();
    if swallowed || (count >= least && most.is_none_or(|most| count <= most)) {
        return;
    }
    let (message, place) = match most.and_then(|most| node.values.get(most)) {
        Some(surplus) => (
            format!("`{}` has a value too many", node.word),
            &surplus.location,
        ),
        None => (
            format!("`{}` has a value too few", node.word),
            &node.word_at,
        ),
    };
    let help = format!("write `{}`", usage_line(shape));
    report.add(Finding::new(Code::GP203, message, place.clone()).help(help));
}

/// A bare value that is a word of a line beside this one: `can read on "pods"`.
fn is_next_line(value: &Value, kind: Option<Kind>, siblings: &'static [Shape]) -> bool {
    let Some(text) = value.text().filter(|_| value.bare) else {
        return false;
    };
    !kind.is_some_and(|kind| kind.is_word(text)) && find(siblings, text).is_some()
}

fn next_line(node: &Node, value: &Value) -> Finding {
    let word = value.text().unwrap_or_default();
    let message = format!(
        "`{word}` looks like the next line, not like a value of `{}`",
        node.word
    );
    Finding::new(Code::GP207, message, value.location.clone()).help(format!(
        "put `{word}` on its own line, or a `;` before it; a name goes in quotes"
    ))
}

fn check(word: &str, kind: Kind, value: &Value, report: &mut Report) {
    match kind.check(value) {
        Ok(()) => {}
        Err(Mismatch::Planned(other)) => {
            let finding = planned(&format!("{word} {other}"), "", value.location.clone());
            report.add(finding.help(format!(
                "this version knows `{word} {}`",
                kind.implemented()
            )));
        }
        Err(Mismatch::Wrong { message, help }) => {
            let message = match value.text() {
                Some(text) if !text.is_empty() => format!("`{text}` is {message}"),
                Some(_) | None => format!("this is {message}"),
            };
            report.add(Finding::new(Code::GP204, message, value.location.clone()).help(help));
        }
    }
}

fn properties(node: &Node, shape: &Shape, report: &mut Report) {
    for property in &node.properties {
        let known = shape
            .properties
            .iter()
            .find(|one| one.name == property.name);
        match (known, shape.free_properties) {
            (Some(known), _) if known.status == Status::Planned => {
                let word = format!("{}=", known.name);
                report.add(planned(&word, known.doc, property.location.clone()));
            }
            (Some(known), _) => check(&property.name, known.kind, &property.value, report),
            (None, Some(kind)) => check(&property.name, kind, &property.value, report),
            (None, None) => {
                let message = format!("unknown property `{}` on `{}`", property.name, node.word);
                let finding = Finding::new(Code::GP202, message, property.location.clone());
                let names = shape.properties.iter().map(|one| one.name);
                report.add(match nearest(&property.name, names) {
                    Some(name) => finding.label(format!("did you mean `{name}=`?")),
                    None => finding.help(format!("`{}` takes {}", node.word, usage(shape))),
                });
            }
        }
    }
    for missing in shape.properties.iter().filter(|one| one.required) {
        if node.property(missing.name).is_none() {
            let message = format!("`{}` has no `{}=`", node.word, missing.name);
            let help = format!(
                "add `{}={}`: {}",
                missing.name,
                missing.kind.describe(),
                missing.doc
            );
            report.add(Finding::new(Code::GP206, message, node.word_at.clone()).help(help));
        }
    }
}
