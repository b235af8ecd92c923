//! The linear scan of one file: limits, tokens, block structure, and the split into top-level nodes.

use super::lex::{self, Token, TokenKind};
use super::{BLOCK_DEPTH_MAX, LINE_BYTES_MAX, NODE_COUNT_MAX, SourceFile};
use crate::diagnostic::{Code, Finding, Report};
use crate::model::Location;

/// BOUND: faults reported for one file. Behind a hundred it is not a policy: no node of it is read.
const FAULTS_MAX: usize = 100;

/// A stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// `// countersign: allow GP504 until=2027-01-01 reason`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Silencer {
    /// What follows `countersign:`.
    pub(crate) text: String,
    /// Where the comment stands.
    pub(crate) location: Location,
}

/// The outcome of a scan.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Top-level nodes without a fault, terminators excluded.
    pub(crate) nodes: Vec<Stretch>,
    pub(crate) silencers: Vec<Silencer>,
    /// Characters and tokens visited, so that a test can prove the scan linear without a clock.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test of the bound"))]
    pub(crate) steps: usize,
}

/// Scans one file. Faulty top-level nodes are findings and are left out of `nodes`.
pub(crate) fn scan(file: &SourceFile, report: &mut Report) -> Scan {
    let lexed = lex::lex(file.text());
    let mut splitter = Splitter::new(file.text(), &lexed.tokens);
    splitter.faults = lexed.faults;
    splitter.long_lines();
    splitter.run();
    let Splitter {
        faults,
        mut nodes,
        steps,
        node_count,
        ..
    } = splitter;
    if node_count > NODE_COUNT_MAX {
        let message = format!("file has more than {NODE_COUNT_MAX} lines and blocks");
        report.add(Finding::new(Code::GP101, message, file.location(0, 0)).help("split it"));
        nodes.clear();
    }
    if faults.len() > FAULTS_MAX {
        // Faults behind the bound are not kept, so no node can be known to be sound.
        nodes.clear();
    }
    nodes.retain(|node| !faults.iter().any(|fault| fault.touches(*node)));
    for fault in faults.into_iter().take(FAULTS_MAX) {
        let place = file.location(fault.start, fault.end.saturating_sub(fault.start));
        let finding = Finding::new(fault.code, fault.message, place);
        report.add(match fault.help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }
    let silencers = lexed
        .tokens
        .iter()
        .filter_map(|token| silencer(file, *token))
        .collect();
    Scan {
        nodes,
        silencers,
        steps: lexed.steps + steps,
    }
}

fn silencer(file: &SourceFile, token: Token) -> Option<Silencer> {
    if token.kind != TokenKind::LineComment {
        return None;
    }
    let comment = file.text().get(token.start..token.end)?;
    let text = comment
        .strip_prefix("//")?
        .trim()
        .strip_prefix("countersign:")?
        .trim()
        .to_owned();
    Some(Silencer {
        text,
        location: file.location(token.start, token.end - token.start),
    })
}

/// Follows blocks and node ends over the tokens.
struct Splitter<'a> {
    text: &'a str,
    tokens: &'a [Token],
    faults: Vec<lex::Fault>,
    nodes: Vec<Stretch>,
    steps: usize,
    node_count: usize,
    /// Where each open block was opened.
    open: Vec<usize>,
    /// Start of the top-level node being read.
    node: Option<usize>,
    /// True between the first token of a node and its end, per depth.
    in_node: Vec<bool>,
    /// Depth of the node that a `/-` takes away.
    slashdash: Option<usize>,
    /// First token at the start of a line that looks like a top-level node inside an open block.
    resume: Option<usize>,
    too_deep: bool,
}

impl<'a> Splitter<'a> {
    fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self {
            text,
            tokens,
            faults: Vec::new(),
            nodes: Vec::new(),
            steps: 0,
            node_count: 0,
            open: Vec::new(),
            node: None,
            in_node: vec![false],
            slashdash: None,
            resume: None,
            too_deep: false,
        }
    }

    fn long_lines(&mut self) {
        let mut start = 0;
        for line in self.text.split('\n') {
            if line.len() > LINE_BYTES_MAX {
                let message = format!("line has {} bytes, more than {LINE_BYTES_MAX}", line.len());
                let at = Stretch {
                    start,
                    end: start + line.len(),
                };
                self.fault(Code::GP101, at, message, "break it into several lines");
            }
            start += line.len() + 1;
        }
    }

    fn fault(&mut self, code: Code, at: Stretch, message: impl Into<String>, help: &str) {
        let Stretch { start, end } = at;
        let help = Some(help.to_owned());
        self.faults.push(lex::Fault {
            code,
            start,
            end,
            message: message.into(),
            help,
        });
    }

    /// Reads all tokens. A node whose block is never closed, or that is too deep, is given up, and
    /// the reading goes on at its first line that begins like a top-level node.
    ///
    /// BOUND: a pass that ends at the end of the text leaves fewer blocks open than the one before
    /// it, and one that ends at the depth limit covers at most `BLOCK_DEPTH_MAX` given-up nodes, so
    /// the work stays within a small multiple of the text.
    fn run(&mut self) {
        let mut from = 0;
        loop {
            self.pass(from);
            let Some(opened) = self.open.first().copied() else {
                break;
            };
            if !self.too_deep && !self.has_unclosed_text() {
                let message = "block is never closed";
                let at = Stretch {
                    start: opened,
                    end: opened + 1,
                };
                self.fault(Code::GP102, at, message, "close it with `}`");
            }
            let Some(resume) = self.resume.filter(|resume| *resume > from) else {
                break;
            };
            self.reset();
            from = resume;
        }
        self.finish(self.text.len());
    }

    /// True if a text of the node being read is not closed: it may have swallowed the brace.
    fn has_unclosed_text(&self) -> bool {
        let from = self.node.unwrap_or(0);
        let end = self
            .resume
            .and_then(|at| self.tokens.get(at))
            .map_or(self.text.len(), |at| at.start);
        self.faults
            .iter()
            .any(|fault| fault.code == Code::GP102 && (from..end).contains(&fault.start))
    }

    fn reset(&mut self) {
        self.open.clear();
        self.node = None;
        self.in_node = vec![false];
        self.slashdash = None;
        self.resume = None;
        self.too_deep = false;
    }

    fn pass(&mut self, from: usize) {
        let tokens = self.tokens;
        for (at, token) in tokens.iter().enumerate().skip(from) {
            self.steps += 1;
            self.step(at, *token);
            if self.too_deep && self.resume.is_some() {
                return;
            }
        }
    }

    fn step(&mut self, at: usize, token: Token) {
        match token.kind {
            TokenKind::Newline | TokenKind::Semicolon => self.end_node(token.start),
            TokenKind::LineComment | TokenKind::BlockComment => {}
            TokenKind::Open => self.open_block(at, token),
            TokenKind::Close => self.close_block(token),
            TokenKind::Slashdash => self.take_away(at, token),
            TokenKind::Equals | TokenKind::Mark | TokenKind::Text | TokenKind::Word => {
                self.begin(at, token);
            }
        }
    }

    fn begin(&mut self, at: usize, token: Token) {
        let starts_line = token.start == 0
            || self
                .text
                .as_bytes()
                .get(token.start - 1)
                .is_some_and(|byte| *byte == b'\n');
        if starts_line && !self.open.is_empty() && self.resume.is_none() {
            self.resume = Some(at);
        }
        if let Some(in_node) = self.in_node.last_mut() {
            self.node_count += usize::from(!*in_node);
            *in_node = true;
        }
        if self.node.is_none() {
            self.node = Some(token.start);
        }
    }

    fn open_block(&mut self, at: usize, token: Token) {
        if !self.in_node.last().copied().unwrap_or(false) {
            self.fault(
                Code::GP102,
                token.stretch(),
                "block without a word before it",
                "a block belongs to the line it stands on",
            );
        }
        self.braced_value(at, token);
        if self.node.is_none() {
            self.node = Some(token.start);
        }
        self.open.push(token.start);
        self.in_node.push(false);
        if self.open.len() > BLOCK_DEPTH_MAX && !self.too_deep {
            self.too_deep = true;
            let message = format!("more than {BLOCK_DEPTH_MAX} blocks inside one another");
            self.fault(
                Code::GP101,
                token.stretch(),
                message,
                "no line of the language needs more",
            );
        }
    }

    /// `{user.team}` outside quotes reads as a block.
    fn braced_value(&mut self, at: usize, token: Token) {
        let word = self
            .tokens
            .get(at + 1)
            .filter(|next| next.kind == TokenKind::Word);
        let close = self
            .tokens
            .get(at + 2)
            .filter(|next| next.kind == TokenKind::Close);
        let (Some(word), Some(close)) = (word, close) else {
            return;
        };
        let text = self.text.get(word.start..word.end).unwrap_or("");
        if text.contains('.') && word.start == token.end && close.start == word.end {
            let help = format!("put it in quotes: \"{{{text}}}\"");
            self.fault(
                Code::GP104,
                Stretch {
                    start: token.start,
                    end: close.end,
                },
                format!("`{{{text}}}` outside quotes is a block"),
                &help,
            );
        }
    }

    fn close_block(&mut self, token: Token) {
        if self.open.is_empty() {
            self.fault(
                Code::GP102,
                token.stretch(),
                "`}` closes nothing",
                "remove it",
            );
            return;
        }
        self.end_node(token.start);
        self.open.pop();
        self.in_node.pop();
        if self.open.is_empty() {
            self.resume = None;
        }
    }

    /// The node at the current depth ends before `end`.
    fn end_node(&mut self, end: usize) {
        let depth = self.open.len();
        if let Some(in_node) = self.in_node.last_mut() {
            *in_node = false;
        }
        let slashdashed = self.slashdash == Some(depth);
        if slashdashed {
            self.slashdash = None;
        }
        if depth == 0
            && let Some(start) = self.node.take()
            && !slashdashed
        {
            self.nodes.push(Stretch { start, end });
        }
    }

    fn finish(&mut self, end: usize) {
        if self.open.is_empty() {
            self.end_node(end);
        }
    }

    fn take_away(&mut self, at: usize, token: Token) {
        let next = self.tokens.get(at + 1).map(|next| next.kind);
        let before_value = match next {
            Some(TokenKind::Word | TokenKind::Text | TokenKind::Mark) => true,
            Some(
                TokenKind::Newline
                | TokenKind::Semicolon
                | TokenKind::Open
                | TokenKind::Close
                | TokenKind::Equals
                | TokenKind::LineComment
                | TokenKind::BlockComment
                | TokenKind::Slashdash,
            )
            | None => false,
        };
        if !before_value {
            self.fault(
                Code::GP107,
                token.stretch(),
                "`/-` stands before something that is no line and no value",
                "put it right before a line or a value; use `//` for anything else",
            );
        }
        if self.slashdash.is_some() {
            self.fault(
                Code::GP107,
                token.stretch(),
                "`/-` inside a line that is already taken away",
                "one `/-` takes the whole line away",
            );
        } else if !self.in_node.last().copied().unwrap_or(false) {
            self.slashdash = Some(self.open.len());
        }
        self.begin(at, token);
    }
}
