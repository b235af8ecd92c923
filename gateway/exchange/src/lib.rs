//! One request and its answer as a state machine without IO: the only place where the judging
//! crates meet.
//!
//! The shell (`gateway-server`) reads bytes and files, asks keys and discovery, stores events and
//! sends requests; an [`Exchange`] says which of these to do next. INVARIANT 4: it knows no sockets,
//! tasks, files and clocks; time comes in with each input.
//!
//! Invariants: 1 (nothing upstream without a decision), 2 (every failure closes), 3 (what was judged
//! is what is sent), 5 (one snapshot, one terminal event), 7 (no client credential upstream).

#![forbid(unsafe_code)]

mod admit;
mod content;
mod credential;
mod exchange;
mod identities;
mod input;
mod known;
mod live;
mod mask_refusal;
mod masked;
mod output;
mod record;
mod refusal;
mod response;
mod review;
mod rules;
mod session;
mod snapshot;
#[cfg(test)]
mod tests;
mod unmaskable;
mod watched;
mod withheld;
mod writeback;

pub use exchange::{Closing, Exchange, Summary, UpstreamFailure};
pub use gateway_audit::Answer;
pub use identities::{StaticIdentities, authenticator};
pub use input::{BodyFault, Input, LiveFault, Micros, Now, Protocol, RequestHead};
pub use known::KnownCaller;
pub use output::{
    Ask, Carriage, EndCause, LongKind, LongRunning, Output, Refusal, UpstreamRequest,
};
pub use response::{Answered, Framing, Unfit};
pub use snapshot::{ClusterSnapshot, Scopes, Snapshot, still_allowed};
pub use unmaskable::UnmaskableCause;
