//! Audit events in the `audit.k8s.io/v1` shape (K-10.5): one event per stage of an exchange.
//!
//! The crate turns the facts of an exchange into an [`Event`] and an event into one line of JSON. It
//! knows no clock, no file and no queue: instants are arguments, storing is the work of
//! `gateway-server`.
//!
//! Invariants: an event holds no credential; the request URI has been through the guard (K-10.7); a
//! line holds no newline but its last byte.
//!
//! Laws: `decode ∘ encode = id`; guarding is idempotent and never lengthens a kept value.
//!
//! ```
//! use gateway_audit::{Event, Facts, Stage};
//!
//! let facts = Facts {
//!     audit_id: "5f3c9d4e-1f43-4a3e-9a0e-3a8b0a6f7c11",
//!     decision_id: "d-01",
//!     request_uri: "/api/v1/namespaces/shop/pods",
//!     verb: "list",
//!     received_at_micros: 1_767_225_600_000_000,
//!     ..Facts::default()
//! };
//! let event = Event::new(Stage::RequestReceived, 1_767_225_600_000_150, &facts);
//! let line = event.encode();
//! assert_eq!(Event::decode(&line)?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod annotation;
mod encode;
mod event;
mod facts;
mod guard;
mod time;

pub use encode::DecodeFault;
pub use event::{Event, ObjectRef, ResponseStatus, Stage};
pub use facts::{Answer, Facts, Masked, Ruling};
pub use time::MicroTime;

#[cfg(test)]
mod tests;
