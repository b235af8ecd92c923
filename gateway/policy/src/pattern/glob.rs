//! Globs in normal form.

/// One element of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// This character.
    Char(char),
    /// `?`: one character.
    One,
    /// `*`: any run of characters.
    Run,
}

impl Token {
    /// The element a written character stands for.
    pub(super) const fn of(written: char) -> Self {
        match written {
            '*' => Self::Run,
            '?' => Self::One,
            other => Self::Char(other),
        }
    }

    /// The character it is written as.
    pub(super) const fn as_char(self) -> char {
        match self {
            Self::Char(written) => written,
            Self::One => '?',
            Self::Run => '*',
        }
    }
}

/// A glob whose frequent shapes are told apart, so that most matches are one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glob {
    /// `*`.
    Everything,
    /// No wildcard.
    Literal(Box<str>),
    /// A text followed by `*`.
    Prefix(Box<str>),
    /// Anything else, normalised: within a run of wildcards the `?` stand first and one `*` last.
    Tokens(Box<[Token]>),
}

impl Glob {
    pub(super) fn of(written: &[Token]) -> Self {
        let tokens = normalise(written);
        let literal: String = tokens
            .iter()
            .filter_map(|token| match token {
                Token::Char(written) => Some(*written),
                Token::One | Token::Run => None,
            })
            .collect();
        let wildcards = tokens.len() - literal.chars().count();
        match (wildcards, tokens.last()) {
            (0, _) => Self::Literal(literal.into()),
            (1, Some(Token::Run)) if literal.is_empty() => Self::Everything,
            (1, Some(Token::Run)) => Self::Prefix(literal.into()),
            (_, _) => Self::Tokens(tokens.into()),
        }
    }

    pub(super) fn as_literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Everything | Self::Prefix(_) | Self::Tokens(_) => None,
        }
    }

    pub(super) fn as_prefix(&self) -> Option<&str> {
        match self {
            Self::Everything => Some(""),
            Self::Prefix(prefix) => Some(prefix),
            Self::Literal(_) | Self::Tokens(_) => None,
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Literal(literal) => **literal == *text,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Tokens(tokens) => matches_tokens(tokens, text),
        }
    }

    /// In normal form, texts of foreign characters are accepted only from the last run of
    /// wildcards on, so all of `prefix·anything` is in the set exactly if the glob ends in `*` and
    /// that `*` can be reached by `prefix` alone, that is, if it matches `prefix`.
    pub(super) fn covers_prefix(&self, prefix: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Literal(_) => false,
            Self::Prefix(own) => prefix.starts_with(&**own),
            Self::Tokens(tokens) => {
                tokens.last() == Some(&Token::Run) && matches_tokens(tokens, prefix)
            }
        }
    }

    /// The first `*` swallows what is left of `prefix`; whatever follows it can be appended.
    pub(super) fn overlaps_prefix(&self, prefix: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Literal(text) => text.starts_with(prefix),
            Self::Prefix(own) => own.starts_with(prefix) || prefix.starts_with(&**own),
            Self::Tokens(tokens) => {
                let mut rest = prefix.chars();
                for token in tokens {
                    let Some(next) = rest.next() else { return true };
                    match token {
                        Token::Run => return true,
                        Token::One => {}
                        Token::Char(own) if *own == next => {}
                        Token::Char(_) => return false,
                    }
                }
                rest.next().is_none()
            }
        }
    }

    pub(super) fn witness(&self) -> String {
        let filled = |tokens: &[Token]| {
            tokens
                .iter()
                .map(|token| match token {
                    Token::Char(own) => *own,
                    Token::One | Token::Run => 'x',
                })
                .collect()
        };
        match self {
            Self::Everything => "x".to_owned(),
            Self::Literal(text) => text.to_string(),
            Self::Prefix(prefix) => format!("{prefix}x"),
            Self::Tokens(tokens) => filled(tokens),
        }
    }
}

fn normalise(written: &[Token]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(written.len());
    let mut pending_run = false;
    for token in written {
        match token {
            Token::Run => pending_run = true,
            Token::One => tokens.push(Token::One),
            Token::Char(_) => {
                if std::mem::take(&mut pending_run) {
                    tokens.push(Token::Run);
                }
                tokens.push(*token);
            }
        }
    }
    if pending_run {
        tokens.push(Token::Run);
    }
    tokens
}

/// Two cursors and one place to return to: the last `*` seen. A later `*` makes earlier ones
/// irrelevant, so the work is bounded by tokens × characters.
fn matches_tokens(tokens: &[Token], text: &str) -> bool {
    let mut tokens_left = tokens;
    let mut text_left = text.chars();
    let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
    loop {
        match tokens_left.split_first() {
            Some((Token::Run, after)) => {
                if after.is_empty() {
                    return true;
                }
                retry = Some((after, text_left.clone()));
                tokens_left = after;
                continue;
            }
            Some((token, after)) => {
                let Some(next) = text_left.next() else {
                    return false;
                };
                if *token == Token::One || *token == Token::Char(next) {
                    tokens_left = after;
                    continue;
                }
            }
            None => {
                if text_left.as_str().is_empty() {
                    return true;
                }
            }
        }
        let Some((after_run, resume)) = &mut retry else {
            return false;
        };
        if resume.next().is_none() {
            return false;
        }
        tokens_left = after_run;
        text_left = resume.clone();
    }
}
