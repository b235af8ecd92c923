//! Tokens to items that still know their comments and blank lines.

use kdl::KdlDocument;

use crate::source::lex::{Token, TokenKind};

/// Something on a level of a file.
#[derive(Debug)]
pub(super) enum Item {
    /// One or more empty lines.
    Blank,
    /// A comment on lines of its own.
    Comment(String),
    /// A line or block.
    Line(Line),
}

/// A line or block.
#[derive(Debug)]
pub(super) struct Line {
    /// `/-` before it.
    pub(super) taken_away: bool,
    /// The word it begins with.
    pub(super) word: String,
    pub(super) entries: Vec<Entry>,
    pub(super) block: Option<Vec<Item>>,
    /// A comment behind it on its last line.
    pub(super) trailing: Option<String>,
}

/// A value, a property or a comment between them.
#[derive(Debug)]
pub(super) enum Entry {
    Value {
        taken_away: bool,
        mark: String,
        written: Written,
    },
    Property {
        taken_away: bool,
        name: String,
        mark: String,
        written: Written,
    },
    Comment(String),
}

/// A value as written.
#[derive(Debug)]
pub(super) enum Written {
    /// Text without quotes.
    Bare(String),
    /// Quoted text, by what it says.
    Quoted(String),
    /// A number or keyword, as it stands.
    Literal(String),
}

/// Reads the items of a text whose scan found no fault.
pub(super) fn items(text: &str, tokens: &[Token]) -> Vec<Item> {
    let mut reader = Reader {
        text,
        tokens,
        at: 0,
    };
    reader.level()
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<TokenKind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn take(&mut self) -> String {
        let token = self.tokens.get(self.at);
        self.at += 1;
        let text = token
            .and_then(|token| self.text.get(token.start..token.end))
            .unwrap_or("");
        text.replace("\r\n", "\n")
    }

    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.peek() == Some(kind);
        self.at += usize::from(found);
        found
    }

    /// Items up to the end of the block. Nesting is bounded by the scan.
    fn level(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        let mut newlines = 1;
        while let Some(kind) = self.peek() {
            match kind {
                TokenKind::Close => break,
                TokenKind::Newline => {
                    self.at += 1;
                    newlines += 1;
                    continue;
                }
                TokenKind::Semicolon => {
                    self.at += 1;
                    continue;
                }
                TokenKind::LineComment | TokenKind::BlockComment => {
                    let comment = self.take().trim_end().to_owned();
                    self.add(&mut items, newlines, Some(comment), None);
                }
                TokenKind::Slashdash
                | TokenKind::Open
                | TokenKind::Equals
                | TokenKind::Mark
                | TokenKind::Text
                | TokenKind::Word => {
                    let line = self.line();
                    self.add(&mut items, newlines, None, Some(line));
                }
            }
            newlines = 0;
        }
        items
    }

    fn add(
        &self,
        items: &mut Vec<Item>,
        newlines: usize,
        comment: Option<String>,
        line: Option<Line>,
    ) {
        if newlines > 1 && !items.is_empty() {
            items.push(Item::Blank);
        }
        if let Some(comment) = comment {
            match items.last_mut() {
                // A comment right behind a line belongs to it; a block comment before another line
                // on the same source line goes with it too.
                Some(Item::Line(before)) if newlines == 0 && before.trailing.is_none() => {
                    before.trailing = Some(comment);
                }
                Some(Item::Blank | Item::Comment(_) | Item::Line(_)) | None => {
                    items.push(Item::Comment(comment));
                }
            }
        }
        items.extend(line.map(Item::Line));
    }

    fn line(&mut self) -> Line {
        let taken_away = self.eat(TokenKind::Slashdash);
        while self.peek() == Some(TokenKind::BlockComment) {
            self.at += 1;
        }
        let word = match self.written() {
            Written::Bare(word) | Written::Quoted(word) | Written::Literal(word) => word,
        };
        let mut line = Line {
            taken_away,
            word,
            entries: Vec::new(),
            block: None,
            trailing: None,
        };
        while let Some(kind) = self.peek() {
            match kind {
                TokenKind::Newline
                | TokenKind::Semicolon
                | TokenKind::Close
                | TokenKind::LineComment => break,
                TokenKind::BlockComment => {
                    let comment = self.take();
                    line.entries.push(Entry::Comment(comment));
                }
                TokenKind::Open => {
                    self.at += 1;
                    line.block = Some(self.level());
                    self.eat(TokenKind::Close);
                }
                TokenKind::Slashdash
                | TokenKind::Equals
                | TokenKind::Mark
                | TokenKind::Text
                | TokenKind::Word => {
                    let entry = self.entry();
                    line.entries.push(entry);
                }
            }
        }
        line
    }

    fn entry(&mut self) -> Entry {
        let taken_away = self.eat(TokenKind::Slashdash);
        let mark = self.mark();
        let first = self.written();
        if mark.is_empty() && self.eat(TokenKind::Equals) {
            let name = match first {
                Written::Bare(name) | Written::Quoted(name) | Written::Literal(name) => name,
            };
            let mark = self.mark();
            return Entry::Property {
                taken_away,
                name,
                mark,
                written: self.written(),
            };
        }
        Entry::Value {
            taken_away,
            mark,
            written: first,
        }
    }

    fn mark(&mut self) -> String {
        if self.peek() == Some(TokenKind::Mark) {
            self.take()
        } else {
            String::new()
        }
    }

    fn written(&mut self) -> Written {
        let quoted = self.peek() == Some(TokenKind::Text);
        if !quoted && self.peek() != Some(TokenKind::Word) {
            // The parser lets a mark stand alone on a line that is taken away.
            return Written::Literal(String::new());
        }
        let text = self.take();
        if !quoted {
            let literal = text.starts_with('#')
                || text
                    .trim_start_matches(['+', '-'])
                    .starts_with(|c: char| c.is_ascii_digit());
            return if literal {
                Written::Literal(text)
            } else {
                Written::Bare(text)
            };
        }
        match string_value(&text) {
            Some(value) => Written::Quoted(value),
            // It goes out as it came in; the check of the output has the last word.
            None => Written::Literal(text),
        }
    }
}

/// What a quoted text says, asked of the parser, so that escapes have one meaning.
fn string_value(quoted: &str) -> Option<String> {
    let document = KdlDocument::parse_v2(&format!("a {quoted}")).ok()?;
    document
        .nodes()
        .first()?
        .entries()
        .first()?
        .value()
        .as_string()
        .map(str::to_owned)
}
