//! Keeps secrets out of what is stored (K-10.7).
//!
//! A request URI can hold secrets in three places: the arguments of an exec, selectors, and the
//! part of a proxy request that belongs to the application behind it. Detectors alone would miss
//! `mysql -pHunter2`, and an unkeyed hash of such an argument can be guessed. So what is kept is
//! listed, and everything else is replaced by [`MARKER`]:
//!
//! - path segments, unless one looks like a token;
//! - values of Kubernetes' own options, if they are plain words that do not look like a token;
//! - label and field selectors that do not look like a token;
//! - the program of an exec (its first `command`), if it is a plain word or path.
//!
//! Keys are compared after percent-decoding. The raw command belongs in the session recording.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Stands where something was taken out.
pub(crate) const MARKER: &str = "[masked]";

/// BOUND: a longer value of an option is not one that Kubernetes defines.
const OPTION_BYTES_MAX: usize = 256;

/// Options of the API server whose values are numbers, switches, names and words.
const OPTIONS: [&str; 34] = [
    "allowWatchBookmarks",
    "container",
    "dryRun",
    "fieldManager",
    "fieldValidation",
    "follow",
    "force",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "includeObject",
    "insecureSkipTLSVerifyBackend",
    "limit",
    "limitBytes",
    "orphanDependents",
    "ports",
    "pretty",
    "previous",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "sinceSeconds",
    "sinceTime",
    "stderr",
    "stdin",
    "stdout",
    "stream",
    "tailLines",
    "timeout",
    "timeoutSeconds",
    "timestamps",
    "tty",
    "verbose",
    "watch",
];

/// Options whose values are selectors.
const SELECTORS: [&str; 2] = ["fieldSelector", "labelSelector"];

/// How tokens of well-known makers begin.
const TOKEN_PREFIXES: [&str; 30] = [
    "AIza",
    "AKIA",
    "ASIA",
    "SG.",
    "dop_v1_",
    "eyJ",
    "gho_",
    "ghp_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hf_",
    "hvb.",
    "hvs.",
    "npm_",
    "pypi-",
    "rk_live_",
    "rk_test_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xapp-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "ya29.",
];

/// A prefix followed by fewer characters than this is a word, not a token.
const TOKEN_REST_BYTES_MIN: usize = 12;

/// A run of letters and digits this long with both cases and a digit in it is taken for a token:
/// Kubernetes names are lower case, so none of them is caught.
const OPAQUE_BYTES_MIN: usize = 20;

/// How a private key begins. No token of a maker is shorter.
const PRIVATE_KEY: &str = "-----BEGIN";

/// Words before a secret in prose: `password=…`, `token: …`.
const SECRET_WORDS: [&str; 8] = [
    "password", "passwd", "pwd", "secret", "token", "apikey", "api_key", "bearer",
];

/// A guarded URI.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Guarded {
    /// What may be stored.
    pub(crate) text: String,
    /// How many parts were masked.
    pub(crate) masked_count: usize,
}

/// The request target with everything masked that is not known to be harmless.
pub(crate) fn request_uri(target: &str) -> Guarded {
    let mut out = Guarded {
        text: String::with_capacity(target.len()),
        masked_count: 0,
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if path.starts_with('/') || path.is_empty() {
        put_path(&mut out, path);
    } else {
        // Absolute and authority forms can carry `user:password@`; they are refused anyway.
        out.mask();
    }
    if let Some(query) = query {
        out.text.push('?');
        put_query(&mut out, query);
    }
    out
}

/// Prose with what looks like a secret masked, word by word.
pub(crate) fn text(prose: &str) -> String {
    let mut out = String::with_capacity(prose.len());
    let mut secret_follows = false;
    for piece in prose.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end_matches(char::is_whitespace);
        let space = piece.strip_prefix(word).unwrap_or_default();
        let taken = secret_follows && !word.is_empty();
        if taken || has_token(word) || names_and_holds_secret(word) {
            out.push_str(MARKER);
        } else {
            out.push_str(word);
        }
        out.push_str(space);
        secret_follows = if word.is_empty() {
            secret_follows
        } else {
            announces_secret(word)
        };
    }
    out
}

impl Guarded {
    fn mask(&mut self) {
        self.text.push_str(MARKER);
        self.masked_count += 1;
    }

    fn put(&mut self, raw: &str, is_kept: bool) {
        // The marker itself is kept, so that guarding twice changes nothing.
        if is_kept || raw == MARKER {
            self.text.push_str(raw);
        } else {
            self.mask();
        }
    }
}

fn put_path(out: &mut Guarded, path: &str) {
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.text.push('/');
        }
        let decoded = decode(segment);
        out.put(segment, !has_token(&decoded) && !has_opaque(&decoded));
    }
}

fn put_query(out: &mut Guarded, query: &str) {
    let mut program_seen = false;
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            out.text.push('&');
        }
        let (key, value) = match pair.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (pair, None),
        };
        let name = decode_form(key);
        let Some(kept) = Kept::of(&name, program_seen) else {
            // The key is unknown, so it may be the secret itself.
            out.put(pair, pair.is_empty());
            continue;
        };
        program_seen |= name == "command";
        out.text.push_str(key);
        if let Some(value) = value {
            out.text.push('=');
            out.put(value, kept.keeps(&decode_form(value)));
        }
    }
}

/// What may be kept of the value of a key.
enum Kept {
    Word,
    Selector,
    Program,
    Nothing,
}

impl Kept {
    fn of(name: &str, program_seen: bool) -> Option<Self> {
        if OPTIONS.contains(&name) {
            Some(Self::Word)
        } else if SELECTORS.contains(&name) {
            Some(Self::Selector)
        } else if name == "command" {
            Some(if program_seen {
                Self::Nothing
            } else {
                Self::Program
            })
        } else if name == "continue" || name == "path" {
            // Opaque to a reader, and the application's.
            Some(Self::Nothing)
        } else {
            None
        }
    }

    fn keeps(&self, value: &str) -> bool {
        let fits = match self {
            Self::Word => value.len() <= OPTION_BYTES_MAX && value.bytes().all(is_word_byte),
            Self::Selector => true,
            Self::Program => {
                value.len() <= OPTION_BYTES_MAX
                    && value.bytes().all(|byte| is_word_byte(byte) || byte == b'/')
            }
            Self::Nothing => value.is_empty(),
        };
        fits && !has_token(value) && !has_opaque(value)
    }
}

const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'+' | b',')
}

fn decode(raw: &str) -> Cow<'_, str> {
    percent_decode_str(raw).decode_utf8_lossy()
}

fn decode_form(raw: &str) -> String {
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// True if a part of `text` begins as the tokens of a well-known maker do, or is a private key.
fn has_token(text: &str) -> bool {
    if text.len() < PRIVATE_KEY.len() {
        return false;
    }
    text.contains(PRIVATE_KEY)
        || text.split(|c: char| !is_token_char(c)).any(|part| {
            TOKEN_PREFIXES.iter().any(|prefix| {
                part.strip_prefix(prefix)
                    .is_some_and(|rest| rest.len() >= TOKEN_REST_BYTES_MIN)
            })
        })
}

const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// True if `text` holds a long run without meaning to a reader.
fn has_opaque(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+')))
        .any(|part| {
            part.len() >= OPAQUE_BYTES_MIN
                && part.bytes().any(|byte| byte.is_ascii_lowercase())
                && part.bytes().any(|byte| byte.is_ascii_uppercase())
                && part.bytes().any(|byte| byte.is_ascii_digit())
        })
}

/// `password=x`, `--token=x`, `secret:x`, `https://user:x@host`.
fn names_and_holds_secret(word: &str) -> bool {
    if !word.contains(['=', ':']) {
        return false;
    }
    let lower = word.to_ascii_lowercase();
    let named = SECRET_WORDS.iter().any(|secret| {
        lower
            .split_once(secret)
            .is_some_and(|(_, rest)| rest.starts_with(['=', ':']) && rest.len() > 1)
    });
    let in_authority = lower.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/')
            .next()
            .is_some_and(|authority| authority.contains('@'))
    });
    named || in_authority
}

/// `Bearer`, `password:`, `--token`.
fn announces_secret(word: &str) -> bool {
    let bare = word.trim_end_matches(['=', ':']).trim_start_matches('-');
    let is_marked = bare.len() < word.len();
    let is_secret = SECRET_WORDS
        .iter()
        .any(|secret| bare.eq_ignore_ascii_case(secret));
    is_secret && (is_marked || bare.eq_ignore_ascii_case("bearer"))
}

#[cfg(test)]
mod tests;
