//! Items to text.

use super::items::{Entry, Item, Line, Written};
use crate::shape::{Kind, Layout, Shape, find};
use crate::source::lex::is_treacherous;

/// Columns up to which a block stays on one line.
const FLAT_COLUMNS: usize = 100;
const INDENT: &str = "    ";

/// Prints a file.
pub(super) fn print(items: &[Item], shapes: &'static [Shape]) -> String {
    let mut out = String::new();
    let mut before = Before::Nothing;
    for item in items {
        let (text, kind) = match item {
            Item::Blank => {
                before = before.with_blank();
                continue;
            }
            Item::Comment(comment) => (comment.clone(), Shown::Comment),
            Item::Line(line) => {
                let text = print_line(line, shapes, 0);
                let tall = text.contains('\n');
                (text, if tall { Shown::Tall } else { Shown::Flat })
            }
        };
        if before.wants_blank(kind) {
            out.push('\n');
        }
        out.push_str(&text);
        out.push('\n');
        before = Before::Item { kind, blank: false };
    }
    out
}

/// What was printed last on the top level.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    Item { kind: Shown, blank: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Comment,
    Flat,
    Tall,
}

impl Before {
    const fn with_blank(self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Item { kind, .. } => Self::Item { kind, blank: true },
        }
    }

    /// Blocks of several lines stand apart; a comment right above one belongs to it.
    fn wants_blank(self, next: Shown) -> bool {
        match self {
            Self::Nothing
            | Self::Item {
                kind: Shown::Comment,
                blank: false,
            } => false,
            Self::Item { blank: true, .. }
            | Self::Item {
                kind: Shown::Tall, ..
            } => true,
            Self::Item {
                kind: Shown::Flat,
                blank: false,
            } => next == Shown::Tall,
        }
    }
}

fn print_line(line: &Line, shapes: &'static [Shape], depth: usize) -> String {
    let shape = find(shapes, &line.word);
    let below = shape.map_or(&[][..], |shape| shape.block.shapes());
    let head = head(line, shape);
    let indent = INDENT.repeat(depth);
    let trailing = line
        .trailing
        .as_ref()
        .map(|comment| format!(" {comment}"))
        .unwrap_or_default();
    let Some(items) = &line.block else {
        return format!("{indent}{head}{trailing}");
    };
    if items.is_empty() {
        return format!("{indent}{head} {{}}{trailing}");
    }
    let tall = shape.is_some_and(|shape| shape.layout == Layout::Tall);
    if !tall && let Some(flat) = flat_block(items, below) {
        let text = format!("{indent}{head} {flat}");
        if text.chars().count() <= FLAT_COLUMNS && !text.contains('\n') {
            return text + &trailing;
        }
    }
    let mut out = format!("{indent}{head} {{\n");
    let inner = INDENT.repeat(depth + 1);
    let mut pending_blank = false;
    let mut empty = true;
    for item in items {
        let text = match item {
            Item::Blank => {
                pending_blank = !empty;
                continue;
            }
            Item::Comment(comment) => format!("{inner}{comment}"),
            Item::Line(line) => print_line(line, below, depth + 1),
        };
        if pending_blank {
            out.push('\n');
        }
        pending_blank = false;
        empty = false;
        out.push_str(&text);
        out.push('\n');
    }
    out.push_str(&indent);
    out.push('}');
    out + &trailing
}

/// A block on one line; `None` if a comment or a tall block stands in it.
fn flat_block(items: &[Item], shapes: &'static [Shape]) -> Option<String> {
    let mut parts = Vec::new();
    for item in items {
        match item {
            Item::Blank => {}
            Item::Comment(_) => return None,
            Item::Line(line) => parts.push(flat_line(line, shapes)?),
        }
    }
    Some(format!("{{ {} }}", parts.join("; ")))
}

fn flat_line(line: &Line, shapes: &'static [Shape]) -> Option<String> {
    let shape = find(shapes, &line.word);
    if line.taken_away
        || line.trailing.is_some()
        || shape.is_some_and(|shape| shape.layout == Layout::Tall)
    {
        return None;
    }
    let head = head(line, shape);
    match &line.block {
        None => Some(head),
        Some(items) if items.is_empty() => Some(format!("{head} {{}}")),
        Some(items) => {
            let below = shape.map_or(&[][..], |shape| shape.block.shapes());
            Some(format!("{head} {}", flat_block(items, below)?))
        }
    }
}

/// The word with its values and then its properties.
fn head(line: &Line, shape: Option<&Shape>) -> String {
    let mut values = Vec::new();
    let mut properties = Vec::new();
    let mut position = 0;
    // Comments and values taken away stay where they are, so nothing is moved around them.
    let movable = line.entries.iter().all(|entry| match entry {
        Entry::Value { taken_away, .. } | Entry::Property { taken_away, .. } => !taken_away,
        Entry::Comment(_) => false,
    });
    for entry in &line.entries {
        match entry {
            Entry::Comment(comment) => values.push(comment.clone()),
            Entry::Value {
                taken_away,
                mark,
                written,
            } => {
                let kind = shape.and_then(|shape| shape.kind_at(position));
                position += usize::from(!taken_away);
                values.push(format!(
                    "{}{mark}{}",
                    sign(*taken_away),
                    value(written, kind)
                ));
            }
            Entry::Property {
                taken_away,
                name,
                mark,
                written,
            } => {
                let kind = shape.and_then(|shape| property_kind(shape, name));
                let value = value(written, kind);
                let text = format!("{}{}={mark}{value}", sign(*taken_away), word(name));
                if movable {
                    properties.push(text)
                } else {
                    values.push(text)
                }
            }
        }
    }
    let start = format!(
        "{}{}",
        if line.taken_away { "/- " } else { "" },
        word(&line.word)
    );
    let parts: Vec<String> = [start]
        .into_iter()
        .chain(values)
        .chain(properties)
        .collect();
    parts.join(" ")
}

const fn sign(taken_away: bool) -> &'static str {
    if taken_away { "/-" } else { "" }
}

fn property_kind(shape: &Shape, name: &str) -> Option<Kind> {
    let own = shape
        .properties
        .iter()
        .find(|one| one.name == name)
        .map(|one| one.kind);
    own.or(shape.free_properties)
}

/// Words of the language bare, everything else quoted. Where nothing is known of the words, on lines
/// of a later version, they stay as they were written.
fn value(written: &Written, kind: Option<Kind>) -> String {
    match (written, kind) {
        (Written::Literal(literal), _) => literal.clone(),
        (Written::Bare(text) | Written::Quoted(text), Some(kind)) if kind.is_word(text) => {
            text.clone()
        }
        (Written::Bare(text), None) => text.clone(),
        (Written::Bare(text) | Written::Quoted(text), _) => quoted(text),
    }
}

/// The name of a line or property: bare where KDL allows it.
fn word(text: &str) -> String {
    if is_identifier(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !matches!(text, "true" | "false" | "null" | "inf" | "nan")
}

/// Expressions with backslashes are easier to read raw.
fn quoted(text: &str) -> String {
    let hidden = |c: char| c == '\n' || is_treacherous(c);
    let raw = text.contains(['\\', '"']) && !text.contains(hidden) && !text.contains("\"#");
    if raw && !text.starts_with('"') {
        return format!("#\"{text}\"#");
    }
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            hidden if is_treacherous(hidden) => out.extend(hidden.escape_unicode()),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}
