//! The head of upstream's answer, as it goes on.

use std::sync::Arc;

use gateway_audit::Event;
use gateway_kubeapi::{RequestTarget, response_headers};
use http::{HeaderMap, StatusCode, header};

/// A judged answer head.
#[derive(Debug)]
pub struct Answered {
    /// Header fields to send, framing excepted.
    pub headers: HeaderMap,
    /// The event of a long-running answer's start.
    pub event: Option<Arc<Event>>,
    /// What becomes of the framing that came.
    pub framing: Framing,
}

/// The framing of the answer that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Upstream's: the body is the one that came.
    Kept,
    /// The gateway's: the body is another one, of a length nobody knows yet.
    Anew,
    /// There is no body, and the length of the one there would be tells of masked values.
    Bodiless,
}

/// The answer cannot be given as it must be; the caller gets what
/// [`Exchange::upstream_failed`](crate::Exchange::upstream_failed) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit;

/// The allow-list (K-4.28), without the framing, which belongs to each hop.
pub(crate) fn headers(
    target: &RequestTarget,
    status: StatusCode,
    upstream: &HeaderMap,
) -> HeaderMap {
    let mut headers = response_headers(target, status, upstream);
    headers.remove(header::CONTENT_LENGTH);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // The HTTP library keeps these two with the connection.
        headers.remove(header::CONNECTION);
        headers.remove(header::UPGRADE);
    }
    headers
}
