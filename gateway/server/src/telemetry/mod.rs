//! What the process tells of itself: metrics, log, readiness and policy status.
//!
//! Other parts of the server update these cells; the admin listener only reads them.

pub mod field;
mod label;
mod log;
mod metric;
mod readiness;
mod status;

pub use label::{AuthenticationFailure, CodeClass, ConnectionRejection, Effect, Fetch, Phase};
pub use label::{Reason, Reload, SessionKind, Unmaskable, UpstreamResult, VerbClass};
pub use log::{LogFault, LogFormat, start_log};
pub use metric::{AuditMetrics, ClusterMetrics, IssuerMetrics, Live, Metrics, MetricsFault};
pub use readiness::{Check, Readiness};
pub use status::{BundleStatus, PolicyStatus, Rejection, RuleCounts};
