//! Proven callers by the digest of their credentials.

use std::sync::Arc;

use dashmap::DashMap;
use gateway_exchange::{KnownCaller, RequestHead};
use gateway_identity::{CacheKey, Presented, WebSocketProtocols, cache_key};
use http::{HeaderMap, HeaderName, header};

/// BOUND: remembered callers; when it is reached everything is forgotten at once, which costs one
/// signature check per live credential.
const CALLERS_MAX: usize = 20_000;

/// The memory.
#[derive(Debug, Default)]
pub(crate) struct KnownCallers {
    callers: DashMap<CacheKey, Arc<KnownCaller>>,
}

/// The key of the credentials in a head, as identity itself names them: what else stands in the
/// same lines must not make one credential look like many. `None` where they are none or unreadable,
/// which the exchange says in its own words.
pub(crate) fn credential_key(head: &RequestHead) -> Option<CacheKey> {
    let authorization = lines(&head.headers, &header::AUTHORIZATION);
    let protocols = lines(&head.headers, &header::SEC_WEBSOCKET_PROTOCOL);
    let protocols = WebSocketProtocols::parse(&protocols).ok()?;
    let presented = Presented {
        authorization: &authorization,
        websocket_bearer: protocols.bearer,
        client_certificate: head.client_certificate.as_deref(),
    };
    cache_key(&presented).ok()
}

impl KnownCallers {
    pub(crate) fn find(&self, key: CacheKey) -> Option<Arc<KnownCaller>> {
        self.callers.get(&key).map(|caller| Arc::clone(&caller))
    }

    pub(crate) fn remember(&self, key: CacheKey, caller: Arc<KnownCaller>) {
        if self.callers.len() >= CALLERS_MAX {
            self.callers.clear();
        }
        self.callers.insert(key, caller);
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a [u8]> {
    let values = headers.get_all(name).iter();
    values.map(http::HeaderValue::as_bytes).collect()
}

#[cfg(test)]
mod tests {
    use gateway_exchange::Protocol;
    use http::{HeaderValue, Method};

    use super::*;

    fn key(lines: &[(HeaderName, &str)], certificate: Option<&[u8]>) -> Option<CacheKey> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        credential_key(&RequestHead {
            method: Method::GET,
            target: b"/version".to_vec(),
            protocol: Protocol::Http11,
            headers,
            ambiguous_framing: false,
            has_body: false,
            peer: ([192, 0, 2, 1], 4000).into(),
            host: None,
            authority_conflict: false,
            server_name: None,
            client_certificate: certificate.map(<[u8]>::to_vec),
            listener_cluster: None,
        })
    }

    /// The key took in all of `Sec-WebSocket-Protocol`, so that one caller could fill the memory and
    /// have everybody forgotten.
    #[test]
    fn one_credential_has_one_key_whatever_protocols_stand_beside_it() {
        let bearer = (header::AUTHORIZATION, "Bearer a.b.c");
        let alone = key(std::slice::from_ref(&bearer), None);
        assert!(alone.is_some());
        for protocols in [
            "v5.channel.k8s.io",
            "x1, x2",
            // The same token once more: `a.b.c` in base64url.
            "base64url.bearer.authorization.k8s.io.YS5iLmM, v5.channel.k8s.io",
        ] {
            let lines = [bearer.clone(), (header::SEC_WEBSOCKET_PROTOCOL, protocols)];
            assert_eq!(key(&lines, None), alone, "{protocols}");
        }
    }

    #[test]
    fn other_credentials_have_other_keys_and_unreadable_ones_have_none() {
        let one = key(&[(header::AUTHORIZATION, "Bearer a.b.c")], None);
        assert_ne!(key(&[(header::AUTHORIZATION, "Bearer a.b.d")], None), one);
        let both = key(&[(header::AUTHORIZATION, "Bearer a.b.c")], Some(b"der"));
        assert!(both.is_some() && both != one);
        assert!(key(&[], Some(b"der")).is_some());
        assert_eq!(key(&[], None), None);
        assert_eq!(key(&[(header::AUTHORIZATION, "Basic YTpi")], None), None);
    }
}
