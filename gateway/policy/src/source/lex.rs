//! Text to tokens, in one pass that never looks back.
//!
//! The tokens keep comments and cover everything but blanks, so the formatter prints from them.
//! What the lexical profile forbids is a [`Fault`]; the pass goes on behind it, so that one run
//! reports all of them.

use super::scan::Stretch;
use crate::diagnostic::Code;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// `\n` or `\r\n`.
    Newline,
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `=`
    Equals,
    /// `// …`
    LineComment,
    /// `/* … */`
    BlockComment,
    /// `/-`
    Slashdash,
    /// `(re)` or `(quantity)`
    Mark,
    /// A quoted or raw string.
    Text,
    /// A bare word, a number or a `#` keyword.
    Word,
}

/// One token: `text[start..end]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    /// Where it stands.
    pub(crate) const fn stretch(self) -> Stretch {
        Stretch {
            start: self.start,
            end: self.end,
        }
    }
}

/// One breach of the lexical profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Fault {
    /// True if the fault and the stretch share text, or the fault stands right at its edge.
    pub(crate) fn touches(&self, stretch: Stretch) -> bool {
        self.start <= stretch.end && self.end >= stretch.start
    }
}

/// The tokens of one text, its faults, and how many steps the pass took.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<Token>,
    pub(crate) faults: Vec<Fault>,
    /// Characters visited; at most a small multiple of the text's length.
    pub(crate) steps: usize,
}

/// Splits a text into tokens.
pub(crate) fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        text,
        at: 0,
        out: Lexed::default(),
    };
    while let Some(next) = lexer.peek() {
        lexer.token(next);
    }
    lexer.out
}

/// Characters that make a text read differently from what it says: control characters, line breaks
/// that editors show as blanks, bidirectional controls, invisible marks and tags.
pub(crate) fn is_treacherous(character: char) -> bool {
    matches!(character,
        '\u{0}'..='\u{8}' | '\u{B}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{AD}' | '\u{61C}'
        | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    out: Lexed,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
    }

    fn rest_starts_with(&self, prefix: &str) -> bool {
        self.text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(prefix))
    }

    fn advance(&mut self, by: usize) {
        self.at += by;
        self.out.steps += 1;
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.out.tokens.push(Token {
            kind,
            start,
            end: self.at,
        });
    }

    fn fault(&mut self, code: Code, start: usize, message: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        let message = message.into();
        self.out.faults.push(Fault {
            code,
            start,
            end: self.at,
            message,
            help,
        });
    }

    fn token(&mut self, next: char) {
        let start = self.at;
        match next {
            ' ' | '\t' => self.advance(1),
            '\n' => self.single(TokenKind::Newline),
            '\r' if self.rest_starts_with("\r\n") => {
                self.advance(2);
                self.push(TokenKind::Newline, start);
            }
            '{' => self.single(TokenKind::Open),
            '}' => self.single(TokenKind::Close),
            ';' => self.single(TokenKind::Semicolon),
            '=' => self.single(TokenKind::Equals),
            '"' => self.string(start, 0),
            '#' => self.hash(start),
            '/' => self.slash(start),
            '(' => self.mark(start),
            ')' | '[' | ']' | '\\' => {
                self.advance(1);
                let message = format!("`{next}` stands outside a string");
                self.fault(Code::GP106, start, message, "put the value in quotes");
            }
            _ if is_word(next) => self.word(start),
            _ => self.foreign(start, next),
        }
    }

    fn single(&mut self, kind: TokenKind) {
        let start = self.at;
        self.advance(1);
        self.push(kind, start);
    }

    fn slash(&mut self, start: usize) {
        if self.rest_starts_with("//") {
            self.line_comment(start);
        } else if self.rest_starts_with("/*") {
            self.block_comment(start);
        } else if self.rest_starts_with("/-") {
            self.advance(2);
            self.push(TokenKind::Slashdash, start);
        } else {
            self.word(start);
        }
    }

    fn line_comment(&mut self, start: usize) {
        while let Some(next) = self.peek() {
            if next == '\n' || self.rest_starts_with("\r\n") {
                break;
            }
            self.inner(next);
        }
        self.push(TokenKind::LineComment, start);
    }

    fn block_comment(&mut self, start: usize) {
        self.advance(2);
        let mut depth = 1_usize;
        while depth > 0 {
            let Some(next) = self.peek() else {
                self.at = self.text.len();
                self.fault(
                    Code::GP102,
                    start,
                    "comment is never closed",
                    "close it with `*/`; a pattern such as `*/*` is written in quotes",
                );
                return;
            };
            if self.rest_starts_with("*/") {
                self.advance(2);
                depth -= 1;
                continue;
            }
            if self.rest_starts_with("/*") {
                let inner = self.at;
                self.advance(2);
                depth += 1;
                self.fault(
                    Code::GP107,
                    inner,
                    "comment inside a comment",
                    "use `//` on each line, or close the outer comment first",
                );
                continue;
            }
            self.inner(next);
        }
        self.push(TokenKind::BlockComment, start);
    }

    /// One character of a comment or string.
    fn inner(&mut self, next: char) {
        let start = self.at;
        self.advance(next.len_utf8());
        if is_treacherous(next) && !(next == '\r' && self.rest_starts_with("\n")) {
            self.treacherous(start, next);
        }
    }

    fn treacherous(&mut self, start: usize, character: char) {
        let message = format!(
            "invisible or control character U+{:04X}",
            u32::from(character)
        );
        self.fault(
            Code::GP106,
            start,
            message,
            "remove it; it makes the text read differently",
        );
    }

    fn foreign(&mut self, start: usize, next: char) {
        self.advance(next.len_utf8());
        if is_treacherous(next) {
            self.treacherous(start, next);
        } else if next.is_whitespace() {
            let message = format!("blank U+{:04X} outside a string", u32::from(next));
            self.fault(Code::GP106, start, message, "use a plain space");
        } else {
            self.word_tail();
            let message = "bare word with characters outside ASCII";
            self.fault(Code::GP104, start, message, "put it in quotes");
            self.push(TokenKind::Word, start);
        }
    }

    fn hash(&mut self, start: usize) {
        let rest = self.text.get(self.at..).unwrap_or("");
        // BOUND: eight hashes are more than any value needs; longer runs are read as a word.
        let hashes = rest
            .bytes()
            .take(HASHES_MAX)
            .take_while(|byte| *byte == b'#')
            .count();
        if rest.get(hashes..).is_some_and(|tail| tail.starts_with('"')) {
            self.advance(hashes);
            self.string(start, hashes);
            return;
        }
        self.advance(1);
        self.word_tail();
        match self.text.get(start..self.at).unwrap_or("") {
            "#true" | "#false" | "#null" => {}
            "#inf" | "#-inf" | "#nan" => {
                self.fault(
                    Code::GP107,
                    start,
                    "floating point number",
                    "only integers are known",
                );
            }
            word => {
                let message = format!("unknown keyword `{word}`");
                self.fault(
                    Code::GP102,
                    start,
                    message,
                    "known are #true, #false and #null",
                );
            }
        }
        self.push(TokenKind::Word, start);
    }

    /// A string whose opening quote is next; `hashes` > 0 for a raw string.
    fn string(&mut self, start: usize, hashes: usize) {
        let multi_line = self.rest_starts_with("\"\"\"");
        let quote = if multi_line { "\"\"\"" } else { "\"" };
        self.advance(quote.len());
        loop {
            let next = self.peek();
            let Some(next) = next.filter(|next| multi_line || *next != '\n') else {
                self.fault(
                    Code::GP102,
                    start,
                    "text is never closed",
                    "close it with a quote",
                );
                return self.unclosed(start);
            };
            if self.rest_starts_with(quote) && self.closes(quote.len(), hashes) {
                self.advance(quote.len() + hashes);
                self.adjoining(start);
                break;
            }
            if next == '\\' && hashes == 0 {
                self.escape();
            } else {
                self.inner(next);
            }
        }
        self.push(TokenKind::Text, start);
    }

    /// The tokens of a text that its line does not close. A brace at its end most likely opens the
    /// block of the line, so what follows is still read as lines of that block.
    fn unclosed(&mut self, start: usize) {
        let line = self.text.get(start..self.at).unwrap_or("").trim_end();
        self.push(TokenKind::Text, start);
        if line.len() > 1 && line.ends_with('{') {
            let end = start + line.len();
            self.out.tokens.push(Token {
                kind: TokenKind::Open,
                start: end - 1,
                end,
            });
        }
    }

    fn closes(&self, quote: usize, hashes: usize) -> bool {
        let tail = self.text.get(self.at + quote..).unwrap_or("");
        tail.bytes()
            .take(hashes)
            .filter(|byte| *byte == b'#')
            .count()
            == hashes
    }

    /// A backslash inside a string. A blank behind it would join lines silently.
    fn escape(&mut self) {
        let start = self.at;
        self.advance(1);
        match self.peek() {
            Some(next) if next.is_whitespace() => {
                self.fault(
                    Code::GP106,
                    start,
                    "backslash before a blank",
                    "write the text without the line break, or `\\n`",
                );
            }
            Some(next) => self.inner(next),
            None => {}
        }
    }

    fn adjoining(&mut self, start: usize) {
        if self
            .peek()
            .is_some_and(|next| is_word(next) || next == '"' || next == '#')
        {
            self.fault(
                Code::GP102,
                start,
                "text is followed by more without a space",
                "put a space between two values",
            );
        }
    }

    fn mark(&mut self, start: usize) {
        for mark in ["(re)", "(quantity)"] {
            if self.rest_starts_with(mark) {
                self.advance(mark.len());
                self.push(TokenKind::Mark, start);
                return;
            }
        }
        self.advance(1);
        self.word_tail();
        if self.rest_starts_with(")") {
            self.advance(1);
        }
        self.fault(
            Code::GP106,
            start,
            "`(` stands outside a string",
            "the only type marks are (re) and (quantity); everything else is quoted",
        );
    }

    fn word(&mut self, start: usize) {
        self.word_tail();
        let word = self.text.get(start..self.at).unwrap_or("").to_owned();
        if word.contains(|c: char| !is_word(c)) {
            let message = format!("`{word}` is not a bare word");
            self.fault(
                Code::GP104,
                start,
                message,
                &format!("put it in quotes: \"{word}\""),
            );
        } else if matches!(word.as_str(), "true" | "false" | "null") {
            let message = format!("`{word}` is written without `#`");
            self.fault(
                Code::GP105,
                start,
                message,
                &format!("write #{word}, or \"{word}\" for text"),
            );
        } else if begins_like_number(&word) {
            self.number(start, &word);
        }
        self.push(TokenKind::Word, start);
    }

    fn number(&mut self, start: usize, word: &str) {
        if is_integer(word) {
            return;
        }
        if word.parse::<f64>().is_ok() {
            let help = format!("only integers are known; for text write \"{word}\"");
            self.fault(
                Code::GP107,
                start,
                format!("floating point number `{word}`"),
                &help,
            );
        } else {
            let message = format!("`{word}` is neither a number nor a word");
            self.fault(
                Code::GP104,
                start,
                message,
                &format!("put it in quotes: \"{word}\""),
            );
        }
    }

    /// Takes the rest of a word, wrong characters included, up to a blank or a block.
    fn word_tail(&mut self) {
        while let Some(next) = self.peek() {
            let ends = next.is_whitespace()
                || matches!(
                    next,
                    '{' | '}' | ';' | '=' | '"' | '(' | ')' | '[' | ']' | '\\'
                )
                || is_treacherous(next)
                || self.rest_starts_with("//");
            if ends {
                break;
            }
            self.advance(next.len_utf8());
        }
    }
}

/// BOUND: hashes of a raw string.
const HASHES_MAX: usize = 8;

fn is_word(character: char) -> bool {
    character.is_ascii_graphic()
        && !matches!(
            character,
            '{' | '}' | '(' | ')' | '[' | ']' | ';' | '=' | '"' | '#' | '/' | '\\'
        )
}

fn begins_like_number(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let undotted = unsigned.strip_prefix('.').unwrap_or(unsigned);
    undotted.starts_with(|c: char| c.is_ascii_digit())
}

fn is_integer(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let (digits, radix) = match unsigned.get(..2) {
        Some("0x") => (unsigned.get(2..).unwrap_or(""), 16),
        Some("0o") => (unsigned.get(2..).unwrap_or(""), 8),
        Some("0b") => (unsigned.get(2..).unwrap_or(""), 2),
        Some(_) | None => (unsigned, 10),
    };
    !digits.is_empty()
        && !digits.starts_with('_')
        && digits.chars().all(|c| c == '_' || c.is_digit(radix))
}
