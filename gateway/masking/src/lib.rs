//! Field paths in, masked JSON out.

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
    Detector, GUARDED_BYTES_MAX, GuardRule, GuardScope, PATTERN_BYTES_MAX, PatternFault,
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
