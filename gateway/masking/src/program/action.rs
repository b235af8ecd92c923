//! What a set of rules on one value comes to: the strongest, with a text ready to write.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::{CompileFault, Encoding, MaskProgram, MaskRule, MaskSpec, Mount, Strategy, compile};
use crate::marker;
use crate::secret::MaskKey;

/// What is around an embedded document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// Nothing: JSON in a string.
    Json,
    /// base64.
    Base64,
    /// Nothing: YAML in a string.
    Yaml,
}

/// What is done to a value.
#[derive(Debug)]
pub(crate) enum ActionKind {
    Drop,
    Redact,
    Hash(Arc<MaskKey>),
    Fpe(Arc<MaskKey>),
    Partial(u8),
    Embedded(Wrap, Arc<MaskProgram>),
}

/// The joined action of some rules.
#[derive(Debug)]
pub(crate) struct Action {
    pub kind: ActionKind,
    pub mask: Box<str>,
    pub encoding: Encoding,
    /// Indexes of the rules.
    pub rules: Box<[usize]>,
    /// The string that replaces a string, with its quotes.
    pub text: Box<[u8]>,
}

/// 0 is strongest.
const fn rank(strategy: &Strategy) -> u8 {
    match strategy {
        Strategy::Drop => 0,
        Strategy::Redact => 1,
        Strategy::Hash { .. } => 2,
        Strategy::Fpe { .. } => 3,
        Strategy::Partial { .. } => 4,
        Strategy::Json { .. } | Strategy::Base64 { .. } | Strategy::Yaml { .. } => 5,
    }
}

/// What orders rules of one rank, so that the order of rules means nothing.
fn preference(rule: &MaskRule) -> (u8, u8, &str, &str) {
    let (number, text) = match &rule.strategy {
        Strategy::Hash { key } | Strategy::Fpe { key } => (0, key.id()),
        Strategy::Partial { keep_last } => (*keep_last, ""),
        Strategy::Drop
        | Strategy::Redact
        | Strategy::Json { .. }
        | Strategy::Base64 { .. }
        | Strategy::Yaml { .. } => (0, ""),
    };
    (rank(&rule.strategy), number, &rule.mask, text)
}

const fn embedded(strategy: &Strategy) -> Option<(Wrap, &Vec<MaskRule>)> {
    match strategy {
        Strategy::Json { rules } => Some((Wrap::Json, rules)),
        Strategy::Base64 { rules } => Some((Wrap::Base64, rules)),
        Strategy::Yaml { rules } => Some((Wrap::Yaml, rules)),
        Strategy::Drop
        | Strategy::Redact
        | Strategy::Hash { .. }
        | Strategy::Fpe { .. }
        | Strategy::Partial { .. } => None,
    }
}

impl Action {
    /// Joins the rules of these indexes. `None` of none.
    pub(super) fn join(
        all: &[MaskRule],
        indexes: &[usize],
        depth: usize,
    ) -> Result<Option<Self>, CompileFault> {
        let rules: Vec<&MaskRule> = indexes.iter().filter_map(|index| all.get(*index)).collect();
        let Some(strongest) = rules.iter().min_by_key(|rule| preference(rule)) else {
            return Ok(None);
        };
        let encoded = rules.iter().any(|rule| rule.encoding == Encoding::Base64);
        let encoding = if encoded {
            Encoding::Base64
        } else {
            Encoding::Plain
        };
        let inner: Vec<_> = rules
            .iter()
            .filter_map(|rule| embedded(&rule.strategy))
            .collect();
        let kind = match &strongest.strategy {
            Strategy::Drop => ActionKind::Drop,
            Strategy::Redact => ActionKind::Redact,
            Strategy::Hash { key } => ActionKind::Hash(Arc::clone(key)),
            Strategy::Fpe { key } => ActionKind::Fpe(Arc::clone(key)),
            // The tail may lie within a value that the embedded rules mask.
            Strategy::Partial { .. } if !inner.is_empty() => ActionKind::Redact,
            Strategy::Partial { keep_last } => ActionKind::Partial(*keep_last),
            Strategy::Json { .. } | Strategy::Base64 { .. } | Strategy::Yaml { .. } => {
                open(&inner, depth)?
            }
        };
        let text = marker::string(&strongest.mask, encoding);
        Ok(Some(Self {
            kind,
            mask: strongest.mask.clone(),
            encoding,
            rules: indexes.into(),
            text: text.into(),
        }))
    }
}

/// Documents of one kind are masked by the rules of all; of different kinds, whole.
fn open(inner: &[(Wrap, &Vec<MaskRule>)], depth: usize) -> Result<ActionKind, CompileFault> {
    let mut wraps = inner.iter().map(|(wrap, _)| *wrap);
    let Some(wrap) = wraps.next() else {
        return Ok(ActionKind::Redact);
    };
    if wraps.any(|other| other != wrap) {
        return Ok(ActionKind::Redact);
    }
    let rules = inner
        .iter()
        .flat_map(|(_, rules)| rules.iter().cloned())
        .collect();
    let spec = MaskSpec {
        rules,
        guards: Vec::new(),
        mounts: vec![Mount::Root],
    };
    Ok(ActionKind::Embedded(
        wrap,
        Arc::new(compile(&spec, depth + 1)?),
    ))
}
