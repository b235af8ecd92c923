//! What the measurements share: samples, rows, peers.
//!
//! A measurement prints one JSON object per line on stdout and everything else on stderr, so that
//! its output can be kept and compared. `BASELINE.md` has the numbers and the commands.

#![forbid(unsafe_code)]

#[cfg(feature = "policy")]
pub mod cedar;
#[cfg(feature = "masking")]
pub mod corpus;
pub mod load;
pub mod process;
pub mod row;
pub mod sample;
#[cfg(feature = "gateway")]
pub mod stage;
