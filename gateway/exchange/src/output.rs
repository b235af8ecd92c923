//! What an exchange wants from the shell.

use bytes::Bytes;
use gateway_audit::Event;
use gateway_kubeapi::{Attributes, Caller, Connection};
use gateway_policy::masks::Masking;
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;

use crate::credential::Credential;
use crate::input::{MICROS_PER_SECOND, Micros};

/// The next thing to do.
#[derive(Debug)]
pub enum Output {
    /// Find something out, then [`Exchange::handle`](crate::Exchange::handle) the input it names.
    Ask(Ask),
    /// Store the event, then [`Input::Recorded`](crate::Input); `durable` means: on disk before that.
    Record {
        /// The event.
        event: Arc<Event>,
        /// Whether the answer waits for the disk.
        durable: bool,
    },
    /// Send it upstream.
    Forward(Box<UpstreamRequest>),
    /// Answer it here.
    Refuse(Box<Refusal>),
}

/// What an exchange does not know by itself.
#[derive(Debug)]
pub enum Ask {
    /// Fetch the keys of this issuer, if its rules allow it now, then [`Input::Keys`](crate::Input).
    Keys {
        /// URL of the issuer.
        issuer: String,
    },
    /// Ask a cluster who a token belongs to, then [`Input::Reviewed`](crate::Input).
    TokenReview {
        /// Name of the issuer block: configuration says which cluster verifies.
        issuer: String,
        /// A `TokenReview` as JSON. It holds the token: it is neither logged nor kept.
        body: Bytes,
    },
    /// A resource is not known: ask discovery what the cluster serves, then
    /// [`Input::Scope`](crate::Input).
    Scope {
        /// Cluster to ask.
        cluster: String,
    },
    /// Read the live object of a write in which masked values may come back, once, then
    /// [`Input::Live`](crate::Input).
    Live {
        /// The read, as the caller.
        request: Box<UpstreamRequest>,
        /// One byte more is too large.
        bytes_max: usize,
    },
    /// Read the request body, then [`Input::Body`](crate::Input).
    Body {
        /// One byte more is too large.
        bytes_max: usize,
    },
}

/// An answer of the gateway itself.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Header fields, `Content-Type` and `Countersign-Decision-Id` included.
    pub headers: HeaderMap,
    /// A Kubernetes `Status` as JSON.
    pub body: Bytes,
    /// The connection is not used again: its framing cannot be trusted.
    pub close: bool,
    /// Terminal audit event.
    pub event: Option<Arc<Event>>,
}

/// A request built from judged values only.
#[derive(Debug, Clone)]
pub struct UpstreamRequest {
    /// Cluster it goes to.
    pub cluster: String,
    /// HTTP method.
    pub method: Method,
    /// Canonical origin-form target.
    pub target: String,
    /// Header fields from the allow-list, impersonation included; without `Host` and
    /// `Authorization`, which the shell adds.
    pub headers: HeaderMap,
    /// How the request travels.
    pub carriage: Carriage,
    /// Watches, followed logs and sessions.
    pub long: Option<LongRunning>,
}

/// How a request and its answer travel.
#[derive(Debug, Clone)]
pub enum Carriage {
    /// No request body; the answer streams. Safe to send again on a connection that died unused.
    Read,
    /// The judged body, sent once; the answer streams.
    Write(Bytes),
    /// The judged body, sent once; the answer is read whole and met with policy.
    Review(Bytes),
    /// Bytes pass both ways after 101.
    Upgrade,
    /// A proxied request: the body streams through unjudged.
    Tunnel,
}

impl Carriage {
    pub(crate) const fn connection(&self) -> Connection {
        match self {
            Self::Upgrade => Connection::Upgrade,
            Self::Read | Self::Write(_) | Self::Review(_) | Self::Tunnel => Connection::Plain,
        }
    }
}

/// An exchange that outlives a usual request and is therefore judged again.
#[derive(Debug, Clone)]
pub struct LongRunning {
    /// Cluster it goes to.
    pub cluster: String,
    /// Who.
    pub caller: Arc<Caller>,
    /// What proved the caller.
    pub(crate) credential: Arc<Credential>,
    /// Epoch of the snapshot by which it was proven and judged.
    pub epoch: u64,
    /// What its masks do; that must stay the same.
    pub(crate) masking: Option<Masking>,
    /// What; all must stay allowed.
    pub attributes: Vec<Attributes>,
    /// When it ends at the latest: the credential's end or a session limit.
    pub ends_at: Option<(Micros, EndCause)>,
    /// What kind of stream it is.
    pub kind: LongKind,
}

/// Kinds of long-running exchanges, a closed set for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LongKind {
    /// A watch.
    Watch,
    /// Followed logs.
    Log,
    /// exec.
    Exec,
    /// attach.
    Attach,
    /// Port-forward.
    PortForward,
    /// Through a proxy subresource.
    Proxy,
}

/// Why the gateway ended an exchange that was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// The credential expired (K-3.10).
    CredentialExpired,
    /// Nobody vouches for the credential any more, or it proves somebody else now.
    CredentialRevoked,
    /// A `session-limit` passed.
    SessionLimit,
    /// A newer policy no longer allows it.
    PolicyChanged,
    /// The gateway stops and the drain deadline passed.
    Drained,
}

impl EndCause {
    /// The word in audit and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialExpired => "credential-expired",
            Self::CredentialRevoked => "credential-revoked",
            Self::SessionLimit => "session-limit",
            Self::PolicyChanged => "policy-changed",
            Self::Drained => "drained",
        }
    }
}

/// BOUND: a watch is over upstream so long before the gateway would cut it, so that it is not cut.
const CUT_MARGIN: Micros = 1_000_000;

impl LongRunning {
    /// After how many seconds, and for which cause, the API server is asked to end a watch that would
    /// end sooner than the caller asks for. A cut stream is a failure to clients: client-go lists
    /// everything anew after it, while an ended watch goes on where it ended (K-3.10).
    pub(crate) fn ends_upstream(&self, asked: Option<i64>, now: Micros) -> Option<(i64, EndCause)> {
        let (at, cause) = self.ends_at.filter(|_| self.kind == LongKind::Watch)?;
        let left = at.saturating_sub(now).saturating_sub(CUT_MARGIN);
        // Less than a second cannot be said; then the gateway cuts.
        let seconds = (left / MICROS_PER_SECOND).max(1);
        // Zero and less mean the API server's own choice.
        let is_sooner = asked.is_none_or(|asked| asked <= 0 || asked > seconds);
        is_sooner.then_some((seconds, cause))
    }

    /// The cause for which it is over by now, if it is.
    #[must_use]
    pub fn ended_at(&self, now: Micros) -> Option<EndCause> {
        self.ends_at
            .filter(|(at, _)| *at <= now)
            .map(|(_, cause)| cause)
    }
}
