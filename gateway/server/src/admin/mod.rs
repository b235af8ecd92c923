//! The admin listener: `/healthz`, `/readyz`, `/metrics`, `/policy/status`.
//!
//! It answers GET and HEAD, reads no body, and is not authenticated: the configuration binds it to
//! the loopback unless told otherwise. It only reads cells that other parts of the server fill.

mod listener;
mod routes;

use std::sync::Arc;

pub use listener::serve;

use crate::telemetry::{Metrics, PolicyStatus, Readiness};

/// What the admin listener shows.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// Behind `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Behind `/readyz`.
    pub readiness: Arc<Readiness>,
    /// Behind `/policy/status`.
    pub policy: Arc<PolicyStatus>,
}

#[cfg(test)]
mod tests;
