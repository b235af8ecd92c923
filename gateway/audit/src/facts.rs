//! What is known of an exchange when an event is made.

use std::net::IpAddr;

use gateway_kubeapi::{Caller, UserInfo};

use crate::event::{ObjectRef, ResponseStatus};

/// The facts of one exchange at one stage, borrowed from wherever the exchange keeps them.
///
/// What is not known yet is `None`; the defaults are those of a request of which nothing was
/// understood. Values are given raw: the event guards and cuts them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// Id of the exchange; sent upstream as `Audit-ID`, so that both logs join.
    pub audit_id: &'a str,
    /// Id of the decision; sent downstream as `Countersign-Decision-Id`.
    pub decision_id: &'a str,
    /// The cluster, once the listener or the path has named it.
    pub cluster: Option<&'a str>,
    /// The request target as received, query included.
    pub request_uri: &'a str,
    /// The Kubernetes verb; for what is not a resource request the method in lower case.
    pub verb: &'a str,
    /// The peer; a list, as in Kubernetes' own events (K-10.4).
    pub source_ips: &'a [IpAddr],
    /// The `User-Agent` header.
    pub user_agent: Option<&'a str>,
    /// When the head was received, in microseconds since 1970.
    pub received_at_micros: i64,
    /// The object, for resource requests.
    pub object: Option<&'a ObjectRef>,
    /// The proven caller.
    pub caller: Option<&'a Caller>,
    /// Earlier actors of a delegated token, the latest first; at most four, which identity sees to.
    pub prior_actors: &'a [String],
    /// Whom the proven caller asks to act as, whatever is decided.
    pub impersonated: Option<&'a UserInfo>,
    /// What was decided.
    pub ruling: Option<Ruling<'a>>,
    /// The `Countersign-Reason` header.
    pub stated_reason: Option<&'a str>,
    /// What was answered.
    pub response: Option<&'a ResponseStatus>,
    /// Why the response ended, as one word.
    pub ended_by: Option<&'a str>,
    /// Under which masks it was given.
    pub masked: Option<Masked<'a>>,
}

/// What masks did to the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masked<'a> {
    /// Their names, comma-separated.
    pub masks: &'a str,
    /// Values replaced or dropped so far.
    pub count: u64,
    /// The paths that met a value, comma-separated.
    pub places: &'a str,
    /// Live values put back for masked ones that came in the request.
    pub restored_count: u64,
}

/// What was decided, and why.
#[derive(Debug, Clone, Copy)]
pub struct Ruling<'a> {
    /// Yes, no, or neither.
    pub answer: Answer,
    /// Reason word.
    pub reason: &'a str,
    /// The reason in prose.
    pub detail: Option<&'a str>,
    /// Ids of the deciding rules.
    pub rules: &'a [&'a str],
    /// Ids of the shadow rules that matched.
    pub shadow: &'a [&'a str],
    /// Digest of the bundle that decided.
    pub bundle: Option<&'a str>,
}

/// How an exchange was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Policy allowed it.
    Allow,
    /// Policy denied it.
    Deny,
    /// The gateway refused it: not proven, not understood, not possible.
    Refuse,
}

impl Answer {
    /// The word in the annotation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Refuse => "refuse",
        }
    }
}
