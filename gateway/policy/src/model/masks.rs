//! `masks.kdl`: what is hidden in answers, and how.

use std::collections::BTreeMap;

use gateway_masking::{Detector, FieldPath};

use super::{Location, ResourcePattern, Terms};

/// What a mask is made of that comes with the language (K-4). It is named with its mark and needs no
/// definition.
pub const SECRET_LIKE: &str = "@secret-like";

/// `mask NAME { … }`.
#[derive(Debug, Clone)]
pub struct Mask {
    /// Its `for` blocks.
    pub parts: Vec<MaskPart>,
    /// What happens to a write that carries its markers.
    pub write_back: WriteBack,
    /// Where it stands.
    pub location: Location,
}

/// `for RESOURCE… { … }`.
#[derive(Debug, Clone)]
pub struct MaskPart {
    /// Which resources.
    pub resources: Terms<ResourcePattern>,
    /// Its `at` lines.
    pub paths: Vec<MaskedPath>,
    /// Its `detect` lines.
    pub detections: Vec<Detection>,
    /// Where it stands.
    pub location: Location,
}

/// `at PATH STRATEGY …`.
#[derive(Debug, Clone)]
pub struct MaskedPath {
    /// Which values.
    pub path: FieldPath,
    /// What becomes of them.
    pub strategy: MaskStrategy,
    /// Where it stands.
    pub location: Location,
}

/// What becomes of a value. Of two on one path the stronger wins; this is their order.
#[derive(Debug, Clone)]
pub enum MaskStrategy {
    /// The member or element goes.
    Drop,
    /// The type stays, the value goes.
    Redact,
    /// A keyed digest: equal values stay comparable within a cluster.
    Hash {
        /// Name of an `hmac-key`.
        key: String,
    },
    /// The decimal digits are encrypted in their places.
    Fpe {
        /// Name of an `hmac-key`.
        key: String,
    },
    /// The last characters stay.
    Partial {
        /// How many.
        keep_last: u8,
    },
    /// A document in the string.
    Embedded(Embedding, Vec<MaskedPath>),
}

/// How a document stands in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Embedding {
    /// As JSON.
    Json,
    /// As base64 of JSON.
    Base64,
    /// As YAML.
    Yaml,
}

impl MaskStrategy {
    /// The word in the bundle.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Redact => "redact",
            Self::Hash { .. } => "hash",
            Self::Fpe { .. } => "fpe",
            Self::Partial { .. } => "partial",
            Self::Embedded(Embedding::Json, _) => "json",
            Self::Embedded(Embedding::Base64, _) => "base64",
            Self::Embedded(Embedding::Yaml, _) => "yaml",
        }
    }

    /// Names of the keys it needs, those of embedded documents included.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Drop | Self::Redact | Self::Partial { .. } => Vec::new(),
            Self::Hash { key } | Self::Fpe { key } => vec![key],
            Self::Embedded(_, inner) => inner.iter().flat_map(|own| own.strategy.keys()).collect(),
        }
    }
}

/// `detect DETECTOR… STRATEGY in=PATH`: what is found is replaced, the rest of the string stays.
#[derive(Debug, Clone)]
pub struct Detection {
    /// What is looked for.
    pub detectors: Vec<Detector>,
    /// What becomes of it: `redact`, `hash`, `fpe` or `partial`.
    pub strategy: MaskStrategy,
    /// The strings at this path and below; everywhere without a path.
    pub within: Option<FieldPath>,
    /// Where it stands.
    pub location: Location,
}

/// What happens to a write that carries a marker of a mask. `Refuse` wins over `Restore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum WriteBack {
    /// It is refused.
    #[default]
    Refuse,
    /// The live values are put back, under a precondition.
    Restore,
}

impl WriteBack {
    /// The word in the bundle.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Restore => "restore",
        }
    }
}

/// `hmac-key NAME env=VAR` or `file=PATH`. What the key is never stands in a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskKeySource {
    /// Where the gateway finds it.
    pub origin: MaskKeyOrigin,
    /// Where the line stands.
    pub location: Location,
}

/// Where the gateway finds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskKeyOrigin {
    /// In a variable of its environment.
    Environment(String),
    /// In a file of its machine.
    File(String),
}

impl std::fmt::Display for MaskKeyOrigin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment(name) => write!(formatter, "environment variable `{name}`"),
            Self::File(path) => write!(formatter, "file `{path}`"),
        }
    }
}

/// All masks of a bundle, by name.
pub type Masks = BTreeMap<String, Mask>;
