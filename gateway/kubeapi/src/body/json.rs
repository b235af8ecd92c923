//! Strict JSON: the tree that every honest parser would build, or a fault (K-5.3, K-5.5).

use std::collections::HashSet;

use super::write::write_json_string;

/// BOUND: Kubernetes objects nest about twenty deep; deeper is refused.
pub const JSON_DEPTH_MAX: usize = 64;
/// BOUND: keeps the tree of a 3 MiB body below some 30 MiB; more values are refused.
pub const JSON_VALUE_COUNT_MAX: usize = 256 * 1024;
/// BOUND: longer numbers mean nothing to any Kubernetes type; they are refused.
const NUMBER_DIGITS_MAX: usize = 64;
/// Objects below this size are searched for repeated keys pair by pair.
const SMALL_OBJECT: usize = 16;

/// A JSON value. Numbers keep their text (K-3.13), objects their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object without repeated keys.
    Object(Vec<(String, Self)>),
}

/// Why a text is not accepted as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON by RFC 8259.
    #[error("the JSON is malformed at byte {offset}")]
    Syntax {
        /// Where.
        offset: usize,
    },
    /// A byte order mark.
    #[error("the JSON begins with a byte order mark; remove it")]
    ByteOrderMark,
    /// Bytes that are not UTF-8.
    #[error("the JSON is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Where.
        offset: usize,
    },
    /// A `\ud800` without its partner, which readers replace differently.
    #[error("the JSON has half a surrogate pair at byte {offset}")]
    LoneSurrogate {
        /// Where.
        offset: usize,
    },
    /// A key twice in one object: the API server merges both, other readers keep one (K-5.3).
    #[error("the JSON has the key `{}` twice in one object", key.escape_debug())]
    RepeatedKey {
        /// The key, unescaped.
        key: String,
    },
    /// Deeper than [`JSON_DEPTH_MAX`].
    #[error("the JSON nests deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// More values than [`JSON_VALUE_COUNT_MAX`].
    #[error("the JSON has more than {JSON_VALUE_COUNT_MAX} values")]
    TooManyValues,
    /// A number that overflows a double or is absurdly long.
    #[error("the JSON has a number at byte {offset} that cannot be represented")]
    Number {
        /// Where.
        offset: usize,
    },
    /// Something after the value.
    #[error("the JSON has more text after its end, at byte {offset}")]
    TrailingData {
        /// Where.
        offset: usize,
    },
}

impl JsonValue {
    /// Parses one JSON text.
    ///
    /// # Errors
    /// [`JsonFault`] for everything that is not JSON or that two parsers could read differently.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonFault> {
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(JsonFault::ByteOrderMark);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(fault) => {
                return Err(JsonFault::NotUtf8 {
                    offset: fault.valid_up_to(),
                });
            }
        };
        let mut reader = Reader {
            text,
            offset: 0,
            value_count: 0,
        };
        reader.skip_space();
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.offset < text.len() {
            return Err(JsonFault::TrailingData {
                offset: reader.offset,
            });
        }
        Ok(value)
    }

    /// The member of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members()?
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The members of an object, in order.
    #[must_use]
    pub fn members(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The items of an array.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The value of a boolean.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Null | Self::Number(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(_)
            | Self::Number(_)
            | Self::String(_)
            | Self::Array(_)
            | Self::Object(_) => false,
        }
    }

    /// Prints without spaces; [`Self::parse`] reads the same tree back.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    /// Recursion ends at [`JSON_DEPTH_MAX`]: deeper trees are never built.
    fn write(&self, json: &mut String) {
        match self {
            Self::Null => json.push_str("null"),
            Self::Bool(true) => json.push_str("true"),
            Self::Bool(false) => json.push_str("false"),
            Self::Number(text) => json.push_str(text),
            Self::String(text) => write_json_string(json, text),
            Self::Array(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    item.write(json);
                }
                json.push(']');
            }
            Self::Object(members) => {
                json.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    write_json_string(json, key);
                    json.push(':');
                    value.write(json);
                }
                json.push('}');
            }
        }
    }
}

/// The first repeated key of an object.
pub(super) fn repeated_key(members: &[(String, JsonValue)]) -> Option<&str> {
    if members.len() <= SMALL_OBJECT {
        let mut rest = members;
        while let Some(((key, _), tail)) = rest.split_first() {
            if tail.iter().any(|(other, _)| other == key) {
                return Some(key);
            }
            rest = tail;
        }
        return None;
    }
    let mut seen = HashSet::with_capacity(members.len());
    members
        .iter()
        .map(|(key, _)| key.as_str())
        .find(|key| !seen.insert(*key))
}

/// Whether a text is a JSON number that a double can hold.
pub(super) fn is_json_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let after_integer = match digits.as_bytes() {
        [b'0', ..] => digits.get(1..).unwrap_or_default(),
        [b'1'..=b'9', ..] => digits.trim_start_matches(is_digit),
        _ => return false,
    };
    let after_fraction = match after_integer.strip_prefix('.') {
        Some(rest) if rest.starts_with(is_digit) => rest.trim_start_matches(is_digit),
        Some(_) => return false,
        None => after_integer,
    };
    let rest = match after_fraction.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if !digits.starts_with(is_digit) {
                return false;
            }
            digits.trim_start_matches(is_digit)
        }
        None => after_fraction,
    };
    rest.is_empty()
        && text.bytes().filter(u8::is_ascii_digit).count() <= NUMBER_DIGITS_MAX
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

const fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

struct Reader<'a> {
    text: &'a str,
    /// Always at a character boundary.
    offset: usize,
    value_count: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn syntax(&self) -> JsonFault {
        JsonFault::Syntax {
            offset: self.offset,
        }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.offset += 1;
        }
    }

    /// Takes one ASCII byte if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.offset += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<JsonValue, JsonFault> {
        self.value_count += 1;
        if self.value_count > JSON_VALUE_COUNT_MAX {
            return Err(JsonFault::TooManyValues);
        }
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(JsonValue::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<JsonValue, JsonFault> {
        for (word, value) in [
            ("null", JsonValue::Null),
            ("true", JsonValue::Bool(true)),
            ("false", JsonValue::Bool(false)),
        ] {
            if self.rest().starts_with(word) {
                self.offset += word.len();
                return Ok(value);
            }
        }
        Err(self.syntax())
    }

    fn number(&mut self) -> Result<JsonValue, JsonFault> {
        let rest = self.rest();
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'));
        let length = rest.find(is_end).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        if !is_json_number(text) {
            return Err(JsonFault::Number {
                offset: self.offset,
            });
        }
        self.offset += length;
        Ok(JsonValue::Number(text.to_owned()))
    }

    fn array(&mut self, depth: usize) -> Result<JsonValue, JsonFault> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(JsonValue::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(JsonValue::Array(items));
            }
            if !self.take(b',') {
                return Err(self.syntax());
            }
            self.skip_space();
        }
    }

    fn object(&mut self, depth: usize) -> Result<JsonValue, JsonFault> {
        self.enter(depth)?;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(JsonValue::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.syntax());
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.syntax());
            }
            self.skip_space();
            members.push((key, self.value(depth)?));
            self.skip_space();
            if self.take(b'}') {
                break;
            }
            if !self.take(b',') {
                return Err(self.syntax());
            }
            self.skip_space();
        }
        match repeated_key(&members) {
            Some(key) => Err(JsonFault::RepeatedKey {
                key: key.to_owned(),
            }),
            None => Ok(JsonValue::Object(members)),
        }
    }

    /// Steps over the opening bracket.
    fn enter(&mut self, depth: usize) -> Result<(), JsonFault> {
        if depth > JSON_DEPTH_MAX {
            return Err(JsonFault::TooDeep);
        }
        self.offset += 1;
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonFault> {
        self.offset += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let is_stop = |c: char| matches!(c, '"' | '\\') || u32::from(c) < 0x20;
            let Some(length) = rest.find(is_stop) else {
                self.offset = self.text.len();
                return Err(self.syntax());
            };
            text.push_str(rest.get(..length).unwrap_or_default());
            self.offset += length;
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return Err(self.syntax());
            }
            text.push(self.escape()?);
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Result<char, JsonFault> {
        let byte = self.peek().ok_or_else(|| self.syntax())?;
        let character = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.offset += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.syntax()),
        };
        self.offset += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonFault> {
        let offset = self.offset;
        let lone = JsonFault::LoneSurrogate { offset };
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !(self.take(b'\\') && self.take(b'u')) {
                    return Err(lone);
                }
                match self.hex4()? {
                    second @ 0xdc00..=0xdfff => {
                        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(lone),
                }
            }
            other => other,
        };
        char::from_u32(code).ok_or(lone)
    }

    fn hex4(&mut self) -> Result<u32, JsonFault> {
        let digits = self.rest().get(..4).ok_or_else(|| self.syntax())?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.syntax());
        }
        self.offset += 4;
        u32::from_str_radix(digits, 16)
            .ok()
            .ok_or_else(|| self.syntax())
    }
}
