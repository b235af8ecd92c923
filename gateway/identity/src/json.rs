//! JSON as a token may contain it, read so that no second parser could read it differently.
//!
//! `serde_json` is not used for this: it lets the last of two equal keys win, and with arbitrary
//! precision it shows numbers as objects with a magic key, so that a claim could pass for a number.
//! This parser refuses equal keys at any depth, unpaired surrogates, text after the value and
//! nesting beyond [`DEPTH_MAX`]; the tests compare its verdicts with `serde_json`.

use std::collections::BTreeMap;

// BOUND: real claims nest three or four deep; the parser recurses, so the stack is bounded here.
const DEPTH_MAX: usize = 32;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// The digits as written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Object),
}

/// The members of an object; each key stands once.
pub(crate) type Object = BTreeMap<String, Json>;

impl Json {
    /// The text of a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The members of an object.
    pub(crate) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The items of a list.
    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => None,
        }
    }

    /// The strings of a list that holds nothing else, or the one string itself.
    pub(crate) fn as_texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::List(items) => items.iter().map(Self::as_text).collect(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Object(_) => None,
        }
    }
}

/// Why bytes are not JSON for this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    Encoding,
    /// Not JSON.
    #[error("it is not JSON at byte {0}")]
    Syntax(usize),
    /// The same key twice in one object.
    #[error("an object has the same key twice, the second before byte {0}")]
    DuplicateKey(usize),
    /// Too many levels.
    #[error("it nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A value that is not an object where one must be.
    #[error("it is not a JSON object")]
    NotAnObject,
}

/// Reads one JSON value that fills `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json, JsonFault> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(JsonFault::Encoding);
    };
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.peek().is_some() {
        return Err(parser.syntax());
    }
    Ok(value)
}

/// Reads one JSON object that fills `bytes`.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Object, JsonFault> {
    match parse(bytes)? {
        Json::Object(members) => Ok(members),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => {
            Err(JsonFault::NotAnObject)
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, JsonFault> {
        if depth > DEPTH_MAX {
            return Err(JsonFault::TooDeep);
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth).map(Json::Object),
            Some(b'[') => self.list(depth).map(Json::List),
            Some(b'"') => self.string().map(Json::Text),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(_) | None => Err(self.syntax()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, JsonFault> {
        self.expect(b'{')?;
        let mut members = Object::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(members);
        }
        loop {
            self.skip_space();
            let key = self.string()?;
            if members.contains_key(&key) {
                return Err(JsonFault::DuplicateKey(self.at));
            }
            self.skip_space();
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            members.insert(key, value);
            self.skip_space();
            if self.take(b'}') {
                return Ok(members);
            }
            self.expect(b',')?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Json>, JsonFault> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(items);
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<String, JsonFault> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self
                .peek()
                .is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f))
            {
                self.at += 1;
            }
            // The run ends before an ASCII byte or at the end, so it is whole characters.
            out.push_str(self.text.get(start..self.at).ok_or(JsonFault::Encoding)?);
            if self.take(b'"') {
                return Ok(out);
            }
            self.expect(b'\\')?;
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, JsonFault> {
        let fault = self.syntax();
        let byte = self.peek().ok_or(fault)?;
        self.at += 1;
        match byte {
            b'"' => Ok('"'),
            b'\\' => Ok('\\'),
            b'/' => Ok('/'),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.unicode_escape(),
            _ => Err(fault),
        }
    }

    // Go turns an unpaired surrogate into U+FFFD, others keep or drop it: it is refused.
    fn unicode_escape(&mut self) -> Result<char, JsonFault> {
        let fault = self.syntax();
        let first = self.four_hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(fault);
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let second = self.four_hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(fault);
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(fault)
    }

    fn four_hex(&mut self) -> Result<u32, JsonFault> {
        let fault = self.syntax();
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            value = value * 16 + digit.ok_or(fault)?;
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<String, JsonFault> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let digits = self.text.get(start..self.at);
        digits.map(str::to_owned).ok_or(JsonFault::Encoding)
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.syntax());
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str, value: Json) -> Result<Json, JsonFault> {
        for byte in word.bytes() {
            self.expect(byte)?;
        }
        Ok(value)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonFault> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn syntax(&self) -> JsonFault {
        JsonFault::Syntax(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepted(text: &str) -> bool {
        parse(text.as_bytes()).is_ok()
    }

    #[test]
    fn reads_every_kind_of_value() {
        let object =
            parse_object(br#" {"a":[1,-0.5e+3,true,null],"b":{"c":"\u00e9\ud83d\ude00\n"}} "#)
                .unwrap();
        let list = object["a"].as_list().unwrap();
        assert_eq!(list[1], Json::Number("-0.5e+3".to_owned()));
        let inner = object["b"].as_object().unwrap();
        assert_eq!(inner["c"].as_text(), Some("é😀\n"));
    }

    #[test]
    fn refuses_equal_keys_at_any_depth_and_in_any_spelling() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert!(
                matches!(parse(text.as_bytes()), Err(JsonFault::DuplicateKey(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_nesting_beyond_the_bound() {
        let nest = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(accepted(&nest(DEPTH_MAX + 1)));
        assert_eq!(
            parse(nest(DEPTH_MAX + 2).as_bytes()),
            Err(JsonFault::TooDeep)
        );
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn refuses_what_parsers_read_differently() {
        for text in [
            "",
            "{",
            "{}{}",
            "{\"a\":1,}",
            "[1,]",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "NaN",
            "'a'",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\x41\"",
            "\"a\nb\"",
            "tru",
            "{a:1}",
            "{\"a\" 1}",
            "\u{feff}{}",
            "{}\0",
        ] {
            assert!(!accepted(text), "{text:?}");
        }
        assert_eq!(parse(b"\"\xff\""), Err(JsonFault::Encoding));
    }

    proptest! {
        #[test]
        fn never_accepts_what_serde_json_refuses(text in r#"[\[\]{}:,"\\ue0-9tfalsn .+-]{0,24}"#) {
            if accepted(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }

        #[test]
        fn reads_what_serde_json_writes(text in any::<String>(), number in any::<i64>()) {
            let written = serde_json::json!({ "t": text, "n": number, "l": [text, null] });
            let read = parse_object(written.to_string().as_bytes()).unwrap();
            prop_assert_eq!(read["t"].as_text(), Some(text.as_str()));
            prop_assert_eq!(&read["n"], &Json::Number(number.to_string()));
        }

        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _verdict = parse(&bytes);
        }
    }
}
