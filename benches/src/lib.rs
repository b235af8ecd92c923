//! What the measurements share: samples, rows, peers.
//!
//! A measurement prints one JSON object per line on stdout and everything else on stderr, so that
//! its output can be kept and compared. `BASELINE.md` has the numbers and the commands.

#![forbid(unsafe_code)]

#[cfg(feature = "policy")]
pub mod cedar;
#[cfg(any(feature = "masking", feature = "stream"))]
pub mod corpus;
pub mod load;
#[cfg(feature = "masking")]
pub mod peers;
pub mod process;
pub mod row;
pub mod sample;
#[cfg(feature = "gateway")]
pub mod stage;
#[cfg(feature = "stream")]
pub mod stream;
pub mod tables;
#[cfg(feature = "masking")]
pub mod traps;
