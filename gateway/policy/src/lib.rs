//! Policy bundles: KDL in, decisions out.

#![forbid(unsafe_code)]

pub mod builtin;
pub mod cases;
pub mod check;
pub mod compile;
pub mod decide;
pub mod decode;
pub mod describe;
pub mod diagnostic;
pub mod explain;
pub mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod identify;
pub mod masks;
pub mod model;
pub mod naive;
pub mod pattern;
pub mod reference;
pub mod schedule;
pub mod set;
pub mod shape;
pub mod source;
pub mod tri;
pub mod wording;

mod rules_for;

#[cfg(any(test, feature = "test-support"))]
pub mod testing;

#[cfg(test)]
mod laws;

pub use compile::PolicySet;
