//! The tests of the whole: the real program in front of a real kube-apiserver.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "these lines are tests; clippy knows only functions marked as such"
)]

mod attacks;
mod clients;
mod crates;
mod ground;
mod install;
mod oracles;
mod pending;
mod scenarios;
mod smoke;
mod tidy;
mod traps;
