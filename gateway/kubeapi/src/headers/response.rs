//! Response headers that reach the caller (K-4.28).

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use super::{check_value, keep};
use crate::target::RequestTarget;

const FORWARDED: [HeaderName; 11] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::WARNING,
    header::RETRY_AFTER,
    HeaderName::from_static("audit-id"),
    header::ETAG,
    header::CACHE_CONTROL,
    header::VARY,
    HeaderName::from_static("x-kubernetes-pf-flowschema-uid"),
    HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid"),
];

const SWITCHING: [HeaderName; 5] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    HeaderName::from_static("x-stream-protocol-version"),
];

const ACCEPTED_PROTOCOLS: HeaderName =
    HeaderName::from_static("x-accepted-stream-protocol-versions");

/// The part of an upstream head that the caller gets. Cookies, challenges and all unnamed headers
/// stay behind; a value with control bytes does too.
#[must_use]
pub fn response_headers(
    target: &RequestTarget,
    status: StatusCode,
    upstream: &HeaderMap,
) -> HeaderMap {
    let mut head = keep(upstream, &FORWARDED);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        head.extend(keep(upstream, &SWITCHING));
    } else if target.is_connect() {
        head.extend(keep(upstream, &[ACCEPTED_PROTOCOLS]));
    }
    if status == StatusCode::MOVED_PERMANENTLY
        && target.is_proxy()
        && let Some(location) = upstream.get(header::LOCATION)
        && is_own_path(location.as_bytes())
    {
        head.insert(header::LOCATION, location.clone());
    }
    let faulty: Vec<HeaderName> = head
        .iter()
        .filter(|(name, value)| check_value(name, value).is_err())
        .map(|(name, _)| name.clone())
        .collect();
    for name in faulty {
        head.remove(name);
    }
    head
}

/// `/path`, not `//host` and not `https://host`: a redirect must not lead away from the gateway.
fn is_own_path(location: &[u8]) -> bool {
    location.first() == Some(&b'/') && !matches!(location.get(1), Some(b'/' | b'\\'))
}
