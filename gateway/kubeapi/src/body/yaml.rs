//! Strict YAML: the documents that YAML 1.1 and 1.2 read alike, as JSON (K-5.5).
//!
//! What goes upstream is the JSON, never the YAML, so a reader that differs cannot be fooled. The
//! refusals keep the meaning that the author had in mind: `no` and `0755` must be quoted.

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::json::{JSON_DEPTH_MAX, JsonValue, is_json_number, repeated_key};

/// BOUND: the largest CRDs have less, and kubectl sends even those as JSON. A one-line flow list
/// costs the parser a microsecond a byte before it yields its first event; longer is refused.
const YAML_BYTES_MAX: usize = 1024 * 1024;
/// BOUND: the largest CRDs have some 20 000 values; more is refused.
const YAML_VALUE_COUNT_MAX: usize = 64 * 1024;

/// Why a YAML body is not accepted. All are answered with 415 or 400; JSON is the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlFault {
    /// Bytes that are not UTF-8.
    #[error("the YAML is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Where.
        offset: usize,
    },
    /// Not YAML.
    #[error("the YAML is malformed at line {line}")]
    Syntax {
        /// 1-based line.
        line: usize,
    },
    /// A feature that readers differ on or that hides content.
    #[error("the YAML has {what} at line {line}; send JSON instead")]
    Unsupported {
        /// The feature in words.
        what: &'static str,
        /// 1-based line.
        line: usize,
    },
    /// A plain scalar that YAML 1.1 and 1.2 read differently.
    #[error("`{text}` at line {line} reads differently in YAML 1.1 and 1.2; quote it or send JSON")]
    Ambiguous {
        /// The scalar.
        text: String,
        /// 1-based line.
        line: usize,
    },
    /// A key twice in one mapping.
    #[error("the YAML has the key `{}` twice in one mapping", key.escape_debug())]
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// Deeper or larger than the bounds.
    #[error("the YAML is deeper or larger than any Kubernetes object; send JSON instead")]
    TooLarge,
}

/// Reads exactly one document.
pub(crate) fn parse_yaml(bytes: &[u8]) -> Result<JsonValue, YamlFault> {
    if bytes.len() > YAML_BYTES_MAX {
        return Err(YamlFault::TooLarge);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(fault) => {
            return Err(YamlFault::NotUtf8 {
                offset: fault.valid_up_to(),
            });
        }
    };
    let mut builder = Builder {
        open: Vec::new(),
        root: None,
        value_count: 0,
        ends_in_line: text.ends_with('\n'),
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.accept(event, span.start.line())?,
            Err(fault) => {
                return Err(YamlFault::Syntax {
                    line: fault.marker().line(),
                });
            }
        }
    }
    builder.root.ok_or(YamlFault::Syntax { line: 1 })
}

/// A collection whose end has not been read.
enum Open {
    Sequence(Vec<JsonValue>),
    Mapping {
        members: Vec<(String, JsonValue)>,
        key: Option<String>,
    },
}

struct Builder {
    open: Vec<Open>,
    root: Option<JsonValue>,
    value_count: usize,
    /// Whether the text ends with a line break.
    ends_in_line: bool,
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, line: usize) -> Result<(), YamlFault> {
        let unsupported = |what| Err(YamlFault::Unsupported { what, line });
        match event {
            Event::Alias(_) => unsupported("an alias"),
            Event::DocumentStart(_) if self.root.is_some() => unsupported("a second document"),
            Event::SequenceStart(anchor, tag) => {
                check_node(anchor, tag.as_deref(), line)?;
                self.check_not_key(line)?;
                self.push(Open::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                check_node(anchor, tag.as_deref(), line)?;
                self.check_not_key(line)?;
                self.push(Open::Mapping {
                    members: Vec::new(),
                    key: None,
                })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(line),
            Event::Scalar(text, style, anchor, tag) => {
                check_node(anchor, tag.as_deref(), line)?;
                let value = match style {
                    ScalarStyle::Plain => resolve_plain(&text, line)?,
                    // Libraries differ on the last line break of a text that has none.
                    ScalarStyle::Literal | ScalarStyle::Folded
                        if !self.ends_in_line && text.ends_with('\n') =>
                    {
                        return unsupported("a block scalar before an end without a line break");
                    }
                    ScalarStyle::SingleQuoted
                    | ScalarStyle::DoubleQuoted
                    | ScalarStyle::Literal
                    | ScalarStyle::Folded => JsonValue::String(text.into_owned()),
                };
                self.place(value, line)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn push(&mut self, open: Open) -> Result<(), YamlFault> {
        if self.open.len() == JSON_DEPTH_MAX {
            return Err(YamlFault::TooLarge);
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self, line: usize) -> Result<(), YamlFault> {
        let value = match self.open.pop() {
            Some(Open::Sequence(items)) => JsonValue::Array(items),
            Some(Open::Mapping { members, key: None }) => match repeated_key(&members) {
                Some(key) => {
                    return Err(YamlFault::RepeatedKey {
                        key: key.to_owned(),
                    });
                }
                None => JsonValue::Object(members),
            },
            Some(Open::Mapping { key: Some(_), .. }) | None => {
                return Err(YamlFault::Syntax { line });
            }
        };
        self.place(value, line)
    }

    /// A collection where a key is due would be a complex key.
    fn check_not_key(&self, line: usize) -> Result<(), YamlFault> {
        match self.open.last() {
            Some(Open::Mapping { key: None, .. }) => Err(YamlFault::Unsupported {
                what: "a key that is no text",
                line,
            }),
            Some(Open::Mapping { key: Some(_), .. } | Open::Sequence(_)) | None => Ok(()),
        }
    }

    fn place(&mut self, value: JsonValue, line: usize) -> Result<(), YamlFault> {
        self.value_count += 1;
        if self.value_count > YAML_VALUE_COUNT_MAX {
            return Err(YamlFault::TooLarge);
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::Sequence(items)) => items.push(value),
            Some(Open::Mapping { members, key }) => match key.take() {
                Some(name) => members.push((name, value)),
                None => *key = Some(key_text(value, line)?),
            },
        }
        Ok(())
    }
}

fn key_text(value: JsonValue, line: usize) -> Result<String, YamlFault> {
    match value {
        JsonValue::String(text) => Ok(text),
        JsonValue::Null
        | JsonValue::Bool(_)
        | JsonValue::Number(_)
        | JsonValue::Array(_)
        | JsonValue::Object(_) => Err(YamlFault::Unsupported {
            what: "a key that is no text",
            line,
        }),
    }
}

fn check_node(anchor: usize, tag: Option<&Tag>, line: usize) -> Result<(), YamlFault> {
    if anchor != 0 {
        return Err(YamlFault::Unsupported {
            what: "an anchor",
            line,
        });
    }
    if tag.is_some() {
        return Err(YamlFault::Unsupported {
            what: "a tag",
            line,
        });
    }
    Ok(())
}

/// The value of a plain scalar, if all versions and libraries agree on it.
fn resolve_plain(text: &str, line: usize) -> Result<JsonValue, YamlFault> {
    match text {
        "" | "~" | "null" => return Ok(JsonValue::Null),
        "true" => return Ok(JsonValue::Bool(true)),
        "false" => return Ok(JsonValue::Bool(false)),
        _ => {}
    }
    let is_plain_number = is_json_number(text) && !text.contains(['e', 'E']) && text != "-0";
    if is_plain_number {
        return Ok(JsonValue::Number(text.to_owned()));
    }
    if is_ambiguous(text) {
        return Err(YamlFault::Ambiguous {
            text: text.to_owned(),
            line,
        });
    }
    Ok(JsonValue::String(text.to_owned()))
}

/// Words and shapes that some reader takes for a boolean, null, number, time or merge.
fn is_ambiguous(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "<<", "=",
    ];
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    WORDS.contains(&lower.as_str())
        || matches!(unsigned, ".inf" | ".nan")
        || lower.starts_with('?')
        || looks_numeric(unsigned)
        || looks_like_date(text)
}

/// Octal, hexadecimal, binary, grouped, exponential, sexagesimal, or without a digit beside `.`.
fn looks_numeric(unsigned: &str) -> bool {
    let has_digit = unsigned.starts_with(|c: char| c.is_ascii_digit())
        || unsigned
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if !has_digit {
        return false;
    }
    for prefix in ["0x", "0o", "0b"] {
        if let Some(rest) = unsigned.strip_prefix(prefix) {
            return rest.chars().all(|c| c.is_ascii_hexdigit() || c == '_');
        }
    }
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let only = |text: &str, allowed: &str| {
        text.chars()
            .all(|c| c.is_ascii_digit() || allowed.contains(c))
    };
    let points = mantissa.matches('.').count();
    !exponent.is_empty() && only(exponent, "_") && only(mantissa, "_.:") && points <= 1
}

/// `2024-01-31` and what begins so.
fn looks_like_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_number = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let day: String = rest.chars().take_while(char::is_ascii_digit).collect();
    is_number(year, 4..=4) && is_number(month, 1..=2) && is_number(&day, 1..=2)
}
