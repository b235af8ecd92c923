//! Nodes with places, free of the parser's own types.

use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};

use super::SourceFile;
use super::lex::is_treacherous;
use super::scan::Stretch;
use crate::diagnostic::{Code, Finding, Report};
use crate::model::Location;

/// One line or block: a word, values, properties and perhaps lines below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The word it begins with.
    pub word: String,
    /// Where that word stands.
    pub word_at: Location,
    /// Values in order.
    pub values: Vec<Value>,
    /// Properties in order; no name occurs twice.
    pub properties: Vec<Property>,
    /// Lines of its block; `None` without a block.
    pub children: Option<Vec<Self>>,
    /// Everything from the word to the end of the block.
    pub location: Location,
}

/// `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Value,
    /// Where name and value stand.
    pub location: Location,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub scalar: Scalar,
    /// `(re)` or `(quantity)` before it.
    pub mark: Option<Mark>,
    /// Written without quotes.
    pub bare: bool,
    /// Where it stands.
    pub location: Location,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Text, bare or quoted.
    Text(String),
    /// An integer.
    Integer(i128),
    /// `#true` or `#false`.
    Bool(bool),
    /// `#null`.
    Null,
}

/// The type mark of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `(re)`: a regular expression.
    Regex,
    /// `(quantity)`: a Kubernetes quantity.
    Quantity,
}

impl Value {
    /// The text of an unmarked text value.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match (&self.scalar, self.mark) {
            (Scalar::Text(text), None) => Some(text),
            (Scalar::Text(_) | Scalar::Integer(_) | Scalar::Bool(_) | Scalar::Null, _) => None,
        }
    }
}

impl Node {
    /// The value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties
            .iter()
            .find(|one| one.name == name)
            .map(|one| &one.value)
    }
}

/// Parses one stretch of a scanned file as exactly one node.
pub(super) fn parse(file: &SourceFile, stretch: Stretch, report: &mut Report) -> Option<Node> {
    let text = file.text().get(stretch.start..stretch.end)?;
    let converter = Converter {
        file,
        base: stretch.start,
    };
    match KdlDocument::parse_v2(text) {
        Ok(document) => match document.nodes() {
            [node] => converter.node(node, report),
            _ => {
                let place = file.location(stretch.start, text.len());
                report.add(Finding::new(
                    Code::GP102,
                    "this is not one line or block",
                    place,
                ));
                None
            }
        },
        Err(error) => {
            converter.syntax_error(&error, text.len(), report);
            None
        }
    }
}

struct Converter<'a> {
    file: &'a SourceFile,
    base: usize,
}

impl Converter<'_> {
    /// The parser recovers and reports what follows from the first fault too; only that one helps.
    fn syntax_error(&self, error: &kdl::KdlError, length: usize, report: &mut Report) {
        let Some(first) = error.diagnostics.iter().min_by_key(|one| one.span.offset()) else {
            let place = self.file.location(self.base, length);
            report.add(Finding::new(Code::GP102, "this cannot be read", place));
            return;
        };
        let offset = first.span.offset().min(length);
        let width = first.span.len().min(length - offset);
        let message = first.message.as_deref().unwrap_or("this cannot be read");
        let place = self.file.location(self.base + offset, width);
        let finding = Finding::new(Code::GP102, decapitalised(message), place);
        report.add(match &first.help {
            Some(help) => finding.help(decapitalised(help)),
            None => finding,
        });
    }

    fn location(&self, span: miette::SourceSpan) -> Location {
        self.file.location(self.base + span.offset(), span.len())
    }

    fn node(&self, node: &KdlNode, report: &mut Report) -> Option<Node> {
        let word_at = self.location(node.name().span());
        self.is_plain(node.name().value(), &word_at, report)?;
        if node.ty().is_some() {
            let message = "type mark before a line";
            report.add(Finding::new(Code::GP106, message, word_at).help("marks belong to values"));
            return None;
        }
        let mut values = Vec::new();
        let mut properties: Vec<Property> = Vec::new();
        for entry in node.entries() {
            let location = self.location(entry.span());
            let value = self.value(entry, location.clone(), report)?;
            let Some(name) = entry.name() else {
                values.push(value);
                continue;
            };
            self.is_plain(name.value(), &location, report)?;
            let name = name.value().to_owned();
            if let Some(first) = properties.iter().find(|one| one.name == name) {
                let message = format!("property `{name}` is given twice");
                let finding = Finding::new(Code::GP107, message, location);
                report.add(finding.also(first.location.clone(), "first given here"));
                return None;
            }
            properties.push(Property {
                name,
                value,
                location,
            });
        }
        let children = match node.children() {
            Some(block) => {
                let all: Vec<_> = block
                    .nodes()
                    .iter()
                    .map(|one| self.node(one, report))
                    .collect();
                Some(all.into_iter().collect::<Option<Vec<Node>>>()?)
            }
            None => None,
        };
        let word = node.name().value().to_owned();
        let location = self.location(node.span());
        Some(Node {
            word,
            word_at,
            values,
            properties,
            children,
            location,
        })
    }

    /// An escape such as `\u{202E}` passes the scan and still must not reach a screen.
    fn is_plain(&self, text: &str, place: &Location, report: &mut Report) -> Option<()> {
        let Some(bad) = text.chars().find(|c| is_treacherous(*c)) else {
            return Some(());
        };
        let message = format!("text with the invisible character U+{:04X}", u32::from(bad));
        report.add(Finding::new(Code::GP106, message, place.clone()).help("remove it"));
        None
    }

    fn value(&self, entry: &KdlEntry, location: Location, report: &mut Report) -> Option<Value> {
        let mark = match entry.ty().map(kdl::KdlIdentifier::value) {
            None => None,
            Some("re") => Some(Mark::Regex),
            Some("quantity") => Some(Mark::Quantity),
            Some(other) => {
                let message = format!("unknown type mark `({other})`");
                let finding = Finding::new(Code::GP106, message, location);
                report.add(finding.help("the only type marks are (re) and (quantity)"));
                return None;
            }
        };
        let scalar = match entry.value() {
            KdlValue::String(text) => {
                self.is_plain(text, &location, report)?;
                Scalar::Text(text.clone())
            }
            KdlValue::Integer(number) => Scalar::Integer(*number),
            KdlValue::Bool(value) => Scalar::Bool(*value),
            KdlValue::Null => Scalar::Null,
            KdlValue::Float(_) => {
                let message = "floating point number";
                let finding = Finding::new(Code::GP107, message, location);
                report.add(finding.help("only integers are known"));
                return None;
            }
        };
        let written = entry
            .format()
            .map_or("", |format| format.value_repr.as_str());
        let bare = !written.starts_with('"') && !written.starts_with('#');
        Some(Value {
            scalar,
            mark,
            bare,
            location,
        })
    }
}

fn decapitalised(message: &str) -> String {
    let mut letters = message.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
