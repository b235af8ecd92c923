//! The one crate that does IO: listeners, Pingora's hooks, keys, bundles, sinks, admin.
//!
//! It has no opinions: every decision is made by `gateway-exchange`, and hooks carry values to and
//! from it. Nothing here is reachable but [`serve`] and [`check`].

#![forbid(unsafe_code)]

mod account;
pub mod admin;
pub mod audit;
mod bundle;
mod clock;
mod config;
mod fetch;
mod identities;
mod keys;
mod known;
mod mask_keys;
mod proxy;
mod run;
mod snapshot;
mod state;
pub mod telemetry;
mod upstream;

pub use bundle::{DirectoryFault, Files, read_directory};
pub use run::{StartFault, check, serve};
