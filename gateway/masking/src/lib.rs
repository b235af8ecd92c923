//! Field paths in, masked JSON out: an exact, resumable, vectorised streaming masker.
//!
//! [`MaskProgram::compile`] turns mask rules into one automaton. A [`Masker`] takes the chunks of an
//! answer as they come and hands on masked chunks; a [`LogMasker`] does so for plain text, with
//! detectors alone. [`MarkerScan`] finds what a mask left behind in a body that a client sends.
//!
//! It refuses to know HTTP, Kubernetes kinds and policy: which rules apply, and where in an answer
//! the object stands ([`Mount`]), is the caller's word. It does no IO, reads no clock, draws no
//! randomness; keys of masks come from the caller.
//!
//! Invariants:
//! - No byte of a masked value is handed out, at any split of the input, also before a fault.
//! - A text that is not JSON and UTF-8, or passes a bound, ends the stream; nothing of the window of
//!   the fault (8 KiB) is handed out, and every later call fails.
//! - Bytes outside masks pass as they are; nothing is written anew. An untouched chunk is handed on as
//!   the same [`bytes::Bytes`].
//! - Nothing is held back but a string whose text decides what becomes of it (digests, tails,
//!   embedded documents, detectors) and the comma and key of a member that may be dropped.
//! - Keys compare by their text: escapes are resolved, every repetition is masked, a lone surrogate
//!   equals no name.
//! - `unsafe` is in `scan` alone: vector loads, and the calls into code for a detected machine.
//!
//! Laws, each a differential or property test here and a fuzz target: any split on any kernel gives
//! the bytes of the slow twin (`reference`); the verdict is that of `serde_json` and UTF-8; output
//! before a fault is a prefix of what single bytes give; redacting twice is redacting once; kernels
//! equal their specification; `parse ∘ print = id` on paths.
//!
//! ```
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use gateway_masking::{Encoding, FieldPath, Kernel, MaskProgram, MaskRule, MaskSpec, Masker};
//! use gateway_masking::{Mount, Strategy};
//!
//! let rule = MaskRule {
//!     mask: "secret-values".into(),
//!     path: FieldPath::parse("data.*")?,
//!     strategy: Strategy::Redact,
//!     encoding: Encoding::Base64,
//! };
//! let spec = MaskSpec { rules: vec![rule], mounts: vec![Mount::Root], ..MaskSpec::default() };
//! let mut masker = Masker::new(Arc::new(MaskProgram::compile(&spec)?), Kernel::best());
//! let mut out = Vec::new();
//! masker.push(&Bytes::from_static(br#"{"kind":"Secret","data":{"pin":"MTI"#), &mut out)?;
//! masker.push(&Bytes::from_static(br#"zNA=="},"type":"Opaque"}"#), &mut out)?;
//! assert_eq!(masker.finish()?.masked_count, 1);
//! let masked = "Y291bnRlcnNpZ24tbWFza2VkOnNlY3JldC12YWx1ZXM="; // countersign-masked:secret-values
//! let expected = format!(r#"{{"kind":"Secret","data":{{"pin":"{masked}"}},"type":"Opaque"}}"#);
//! assert_eq!(out.concat(), expected.as_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod apply;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod grammar;
mod guard;
mod log;
mod marker;
mod path;
mod program;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
#[expect(unsafe_code, reason = "the kernels; nothing above them is unsafe")]
mod scan;
mod secret;
mod stream;
#[cfg(any(test, feature = "fuzzing"))]
pub mod testing;
mod text;

pub use grammar::DEPTH_MAX;
pub use guard::{
    Detector, GUARDED_BYTES_MAX, GuardRule, GuardScope, GuardStrategy, PATTERN_BYTES_MAX,
    PatternFault,
};
pub use log::{LOOK_BACK_BYTES, LogMasker};
pub use marker::{MARKED_FIELD_COUNT_MAX, MARKER, MarkerScan, find_marker};
pub use path::{FieldPath, PATH_BYTES_MAX, PathFault, PathProblem, STEP_COUNT_MAX, Step};
pub use program::{CompileFault, EMBEDDED_DEPTH_MAX, Encoding, MASK_NAME_BYTES_MAX, MaskProgram};
pub use program::{MaskRule, MaskSpec, Mount, RULE_COUNT_MAX, STATE_COUNT_MAX, Strategy};
pub use scan::Kernel;
pub use secret::{KEY_BYTES_MIN, KeyFault, MaskKey};
pub use stream::{
    CAPTURED_BYTES_MAX, HELD_BYTES_MAX, MaskFault, Masker, SUMMARY_RULES_MAX, Summary,
};
