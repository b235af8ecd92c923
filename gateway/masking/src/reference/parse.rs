//! JSON by recursive descent, with the place of everything.

#![forbid(unsafe_code)]

use crate::grammar::DEPTH_MAX;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Value {
    pub start: usize,
    pub end: usize,
    pub content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Null,
    Boolean,
    Number,
    String,
    Array(Vec<Child>),
    Object(Vec<Child>),
}

/// A member or an element.
#[derive(Debug)]
pub(super) struct Child {
    /// The comma before it.
    pub comma: Option<usize>,
    /// Where its key, or else its value, begins.
    pub start: usize,
    /// Unescaped; of members.
    pub key: Option<Box<[u8]>>,
    /// Its value if that is a string, unescaped.
    pub text: Option<Box<[u8]>>,
    pub value: Value,
}

impl Value {
    pub(super) fn children(&self) -> &[Child] {
        match &self.content {
            Content::Array(children) | Content::Object(children) => children,
            Content::Null | Content::Boolean | Content::Number | Content::String => &[],
        }
    }
}

/// One JSON document with white space around it.
#[must_use]
pub fn is_document(text: &[u8]) -> bool {
    documents(text, false).is_some()
}

/// Any number of documents, parted by white space.
#[must_use]
pub fn is_stream(text: &[u8]) -> bool {
    documents(text, true).is_some()
}

/// The documents of a text. `None` if it is not JSON, not UTF-8 or too deep.
pub(super) fn documents(text: &[u8], many: bool) -> Option<Vec<Value>> {
    std::str::from_utf8(text).ok()?;
    let mut parser = Parser { text, at: 0 };
    let mut documents = Vec::new();
    parser.space();
    while parser.peek().is_some() {
        let parted = documents.is_empty() || parser.at_space_end();
        if !parted || (!many && !documents.is_empty()) {
            return None;
        }
        documents.push(parser.value(0)?);
        parser.space();
    }
    (many || documents.len() == 1).then_some(documents)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn at_space_end(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        before.is_some_and(|byte| is_space(*byte))
    }

    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let start = self.at;
        let content = match self.peek()? {
            b'{' => Content::Object(self.container(b'}', depth)?),
            b'[' => Content::Array(self.container(b']', depth)?),
            b'"' => {
                self.string()?;
                Content::String
            }
            b't' => self.word(b"true", Content::Boolean)?,
            b'f' => self.word(b"false", Content::Boolean)?,
            b'n' => self.word(b"null", Content::Null)?,
            _ => {
                self.number()?;
                Content::Number
            }
        };
        Some(Value {
            start,
            end: self.at,
            content,
        })
    }

    fn word(&mut self, word: &[u8], content: Content) -> Option<Content> {
        let rest = self.text.get(self.at..)?;
        rest.starts_with(word).then(|| self.at += word.len())?;
        Some(content)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _sign = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _sign = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(())
    }

    /// The inside of a string, as it stands.
    fn string(&mut self) -> Option<(usize, usize)> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some((start, self.at - 1)),
                b'\\' => self.escape()?,
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let kind = self.peek()?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// After the open bracket stands nothing, or children parted by commas.
    fn container(&mut self, close: u8, depth: usize) -> Option<Vec<Child>> {
        if depth >= DEPTH_MAX {
            return None;
        }
        self.at += 1;
        self.space();
        let mut children = Vec::new();
        if self.take(close).is_some() {
            return Some(children);
        }
        let mut comma = None;
        loop {
            self.space();
            children.push(self.child(comma, close == b'}', depth)?);
            self.space();
            comma = Some(self.at);
            if self.take(b',').is_none() {
                self.take(close)?;
                return Some(children);
            }
        }
    }

    fn child(&mut self, comma: Option<usize>, is_member: bool, depth: usize) -> Option<Child> {
        let start = self.at;
        let mut key = None;
        if is_member {
            let (from, to) = self.string()?;
            key = Some(super::plain(self.text.get(from..to)?));
            self.space();
            self.take(b':')?;
            self.space();
        }
        let value = self.value(depth + 1)?;
        let text = match value.content {
            Content::String => Some(super::plain(self.text.get(value.start + 1..value.end - 1)?)),
            Content::Null
            | Content::Boolean
            | Content::Number
            | Content::Array(_)
            | Content::Object(_) => None,
        };
        Some(Child {
            comma,
            start,
            key,
            text,
            value,
        })
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
