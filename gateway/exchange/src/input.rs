//! What the shell tells an exchange.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::known::KnownCaller;
use crate::snapshot::Snapshot;

/// Microseconds since 1970.
pub type Micros = i64;

pub(crate) const MICROS_PER_SECOND: Micros = 1_000_000;

/// An instant on both clocks: credentials and events go by the wall clock, the age of keys by one
/// that never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Microseconds since 1970.
    pub micros: Micros,
    /// Time since the process started.
    pub uptime: std::time::Duration,
}

/// The head of a request as it came from the wire.
#[derive(Debug)]
pub struct RequestHead {
    /// HTTP method.
    pub method: Method,
    /// Request target, every byte as received.
    pub target: Vec<u8>,
    /// HTTP/2, or HTTP/1.1 or older.
    pub protocol: Protocol,
    /// Header fields as received.
    pub headers: HeaderMap,
    /// Both `Content-Length` and `Transfer-Encoding` were on the wire; the HTTP library drops one of
    /// them before anybody else can see it (K-1.23).
    pub ambiguous_framing: bool,
    /// A request body is announced.
    pub has_body: bool,
    /// The connection's peer.
    pub peer: SocketAddr,
    /// Host the request names, without its port: `Host`, or `:authority` of HTTP/2.
    pub host: Option<String>,
    /// `Host` and `:authority` are both there and differ (K-1.33).
    pub authority_conflict: bool,
    /// Server name of the TLS handshake.
    pub server_name: Option<String>,
    /// Verified client certificate, DER.
    pub client_certificate: Option<Vec<u8>>,
    /// The cluster this listener speaks for; without one the host name decides.
    pub listener_cluster: Option<String>,
}

/// HTTP version, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0: refused.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A request head arrived; with it what the shell remembers of the same credential.
    Head(Box<RequestHead>, Option<Arc<KnownCaller>>),
    /// Keys were asked for; this is the snapshot after the attempt.
    Keys(Arc<Snapshot>),
    /// The cluster's answer to a token review: its status and body, or why there is none.
    Reviewed(Result<(StatusCode, Bytes), String>),
    /// Discovery was asked for an unknown resource; this is the snapshot after the attempt.
    Scope(Arc<Snapshot>),
    /// The request body, decoded from its framing only.
    Body(Result<Bytes, BodyFault>),
    /// The live object of a write: status and body of the answer, or why there is none.
    Live(Result<(StatusCode, Bytes), LiveFault>),
    /// The audit event was stored, or why not.
    Recorded(Result<(), String>),
}

/// Why there is no request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// More than the limit.
    TooLarge,
    /// The client went away or broke its framing.
    Broken,
    /// It did not arrive in time.
    TooSlow,
    /// The gateway holds as many bodies as it may.
    NoRoom,
    /// It holds as many of this user as it may.
    NoRoomForUser,
}

/// Why there is no live object. Nothing was written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveFault {
    /// No connection.
    NotReached,
    /// No whole answer in time.
    TooSlow,
    /// The answer broke off.
    Broken,
    /// More than the limit.
    TooLarge,
    /// The gateway holds as many bodies, of all or of this user, as it may.
    NoRoom,
}
