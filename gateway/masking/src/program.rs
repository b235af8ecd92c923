//! From mask rules to one automaton over keys and elements.
//!
//! All rules at all mounts are one nondeterministic automaton over the steps of their paths. It is
//! made deterministic here, once and whole, so that a stream holds one number per open container
//! and a key is compared with the few names that matter where it stands.

#![forbid(unsafe_code)]

mod action;
mod automaton;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::grammar::Documents;
use crate::guard::{Detector, GuardRule, Guards, PatternFault};
use crate::path::{FieldPath, Step};
use crate::secret::MaskKey;

pub(crate) use action::{Action, ActionKind, Wrap};
pub(crate) use automaton::{Automaton, DEAD, ROOT, State, StateId};

/// BOUND: a program of more rules than this is refused.
pub const RULE_COUNT_MAX: usize = 256;
/// BOUND: `**` and many mounts multiply states; a program that needs more is refused.
pub const STATE_COUNT_MAX: usize = 4096;
/// BOUND: documents within documents within documents; deeper rules are refused.
pub const EMBEDDED_DEPTH_MAX: usize = 4;
/// BOUND: the length of a mask's name in the policy language.
pub const MASK_NAME_BYTES_MAX: usize = 63;

/// One mask at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskRule {
    /// Name of the mask, as it stands in the marker.
    pub mask: Box<str>,
    /// Which values.
    pub path: FieldPath,
    /// What becomes of them.
    pub strategy: Strategy,
    /// How the field holds its value.
    pub encoding: Encoding,
}

/// How a field holds its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// In base64, as `data` of a Secret; what replaces it is base64 too (K-4.1).
    Base64,
}

/// What becomes of a value. On one path the stronger of two wins: `Drop`, `Redact`, `Hash`, `Fpe`,
/// `Partial`, then the embedded documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// The member or element goes, with one comma.
    Drop,
    /// The type stays: a string becomes the marker, a number 0, a boolean false, `null` stays, a
    /// container is emptied.
    Redact,
    /// A string becomes the marker with a keyed digest: equal values stay comparable.
    Hash {
        /// The key.
        key: Arc<MaskKey>,
    },
    /// The decimal digits of a string are encrypted in their places, if there are six at least.
    Fpe {
        /// The key.
        key: Arc<MaskKey>,
    },
    /// The last characters of a string stay, if it has twice as many and four more at least.
    Partial {
        /// How many.
        keep_last: u8,
    },
    /// The string is JSON, masked by rules of its own.
    Json {
        /// Rules for the document within.
        rules: Vec<MaskRule>,
    },
    /// The string is base64 of JSON, masked by rules of its own. What is compressed is masked whole.
    Base64 {
        /// Rules for the document within.
        rules: Vec<MaskRule>,
    },
    /// The string is YAML, masked by rules of its own. Only YAML that is JSON is opened; other YAML
    /// is masked whole.
    Yaml {
        /// Rules for the document within.
        rules: Vec<MaskRule>,
    },
}

/// Where the object that paths speak of stands in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mount {
    /// The answer is the object.
    Root,
    /// `$.items[*]`: a list.
    Items,
    /// `$.object`: a watch event.
    WatchObject,
    /// `$.rows[*].object`: a Table.
    Rows,
    /// `$.object.rows[*].object`: a watch event with a Table.
    WatchRows,
    /// `$.object.items[*]`: a watch event with a list.
    WatchItems,
}

impl Mount {
    pub(crate) fn steps(self) -> Vec<Step> {
        let key = |name: &str| Step::Key(name.into());
        match self {
            Self::Root => Vec::new(),
            Self::Items => vec![key("items"), Step::AnyElement],
            Self::WatchObject => vec![key("object")],
            Self::Rows => vec![key("rows"), Step::AnyElement, key("object")],
            Self::WatchRows => {
                let inner = Self::Rows.steps();
                [key("object")].into_iter().chain(inner).collect()
            }
            Self::WatchItems => vec![key("object"), key("items"), Step::AnyElement],
        }
    }

    const fn documents(self) -> Documents {
        match self {
            Self::Root | Self::Items | Self::Rows => Documents::One,
            Self::WatchObject | Self::WatchRows | Self::WatchItems => Documents::Many,
        }
    }
}

/// What a program is made of.
#[derive(Debug, Clone, Default)]
pub struct MaskSpec {
    /// Masks at paths.
    pub rules: Vec<MaskRule>,
    /// Detectors on strings.
    pub guards: Vec<GuardRule>,
    /// Where objects stand. One mount of a watch makes the body a stream of documents.
    pub mounts: Vec<Mount>,
}

/// Why a program is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileFault {
    /// More than [`RULE_COUNT_MAX`].
    #[error(
        "there are {0} mask rules, at most {RULE_COUNT_MAX} are possible; join paths by `*` or `**`"
    )]
    TooManyRules(usize),
    /// More than [`STATE_COUNT_MAX`].
    #[error(
        "the mask paths need more than {STATE_COUNT_MAX} states; use fewer `**`, or longer names after them"
    )]
    TooManyStates,
    /// A name that could not stand in a marker.
    #[error(
        "`{0}` is no name of a mask; use `a-z`, `0-9`, `.`, `_` and `-`, at most {MASK_NAME_BYTES_MAX}"
    )]
    MaskName(Box<str>),
    /// More than [`EMBEDDED_DEPTH_MAX`].
    #[error("documents are embedded more than {EMBEDDED_DEPTH_MAX} deep; mask the outer one whole")]
    TooDeep,
    /// A detector's own pattern.
    #[error(transparent)]
    Pattern(#[from] PatternFault),
}

/// Mask rules, compiled: immutable, shared by all streams. `Debug` shows sizes alone.
pub struct MaskProgram {
    pub(crate) automaton: Automaton,
    pub(crate) guards: Guards,
    pub(crate) documents: Documents,
    /// The set of guards without a path: those that watch plain text.
    pub(crate) everywhere: Option<u32>,
    /// One of them looks for private keys.
    pub(crate) finds_keys: bool,
}

impl std::fmt::Debug for MaskProgram {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("MaskProgram");
        shown.field("states", &self.automaton.state_count());
        shown
            .field("documents", &self.documents)
            .finish_non_exhaustive()
    }
}

impl MaskProgram {
    /// Compiles rules.
    ///
    /// # Errors
    ///
    /// If a name could not stand in a marker or a bound is passed.
    pub fn compile(spec: &MaskSpec) -> Result<Self, CompileFault> {
        compile(spec, 0)
    }

    /// Whether a detector that watches everywhere finds something in a text.
    #[must_use]
    pub fn finds(&self, text: &[u8]) -> bool {
        self.everywhere
            .is_some_and(|set| !self.guards.places(set, text).is_empty())
    }

    /// The body is a stream of documents.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.documents == Documents::Many
    }
}

/// `depth` documents are around these rules.
fn compile(spec: &MaskSpec, depth: usize) -> Result<MaskProgram, CompileFault> {
    if depth > EMBEDDED_DEPTH_MAX {
        return Err(CompileFault::TooDeep);
    }
    let count = spec.rules.len() + spec.guards.len();
    if count > RULE_COUNT_MAX {
        return Err(CompileFault::TooManyRules(count));
    }
    let masks = spec.rules.iter().map(|rule| &rule.mask);
    for mask in masks.chain(spec.guards.iter().map(|guard| &guard.mask)) {
        if !is_mask_name(mask) {
            return Err(CompileFault::MaskName(mask.clone()));
        }
    }
    let mut mounts = spec.mounts.clone();
    mounts.sort_unstable();
    mounts.dedup();
    let stream = mounts
        .iter()
        .any(|mount| mount.documents() == Documents::Many);
    let mut patterns = Vec::new();
    for mount in &mounts {
        for (index, rule) in spec.rules.iter().enumerate() {
            patterns.push(automaton::Pattern::of_rule(
                mount.steps(),
                &rule.path,
                index,
            ));
        }
        for (index, guard) in spec.guards.iter().enumerate() {
            let within = guard.within.as_ref();
            patterns.push(automaton::Pattern::of_guard(mount.steps(), within, index));
        }
    }
    let mut guards = Guards::compile(&spec.guards)?;
    let automaton = Automaton::build(&patterns, &spec.rules, &mut guards, depth)?;
    let wide = spec
        .guards
        .iter()
        .enumerate()
        .filter(|(_, guard)| guard.within.is_none());
    let (indexes, wide): (Vec<usize>, Vec<&GuardRule>) = wide.unzip();
    let everywhere = guards.join(&indexes);
    let finds_keys = wide
        .iter()
        .any(|guard| guard.detectors.contains(&Detector::Pem));
    let documents = if stream {
        Documents::Many
    } else {
        Documents::One
    };
    Ok(MaskProgram {
        automaton,
        guards,
        documents,
        everywhere,
        finds_keys,
    })
}

/// For the slow twin, which finds its rules by itself.
#[cfg(any(test, feature = "reference"))]
pub(crate) fn join(rules: &[MaskRule], indexes: &[usize]) -> Option<Action> {
    Action::join(rules, indexes, 0).ok().flatten()
}

fn is_mask_name(name: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let first = bytes.first().is_some_and(plain);
    let rest = bytes
        .iter()
        .all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'));
    first && rest && bytes.len() <= MASK_NAME_BYTES_MAX
}
