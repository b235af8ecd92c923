//! Upgrades: exactly WebSocket or SPDY/3.1 (K-6.3, K-6.4, K-6.7, K-7.7).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{HeaderFault, value_text};

const BEARER_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
/// BOUND: clients offer up to five. More is refused.
const PROTOCOL_COUNT_MAX: usize = 16;

/// The protocol a client asks for. Protocols it offers are in its order, credentials removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgrade {
    /// RFC 6455. Extensions are not passed on: frames must stay readable.
    WebSocket {
        /// `Sec-WebSocket-Key`.
        key: String,
        /// `Sec-WebSocket-Protocol`.
        protocols: Vec<String>,
    },
    /// SPDY/3.1.
    Spdy {
        /// `X-Stream-Protocol-Version`.
        protocols: Vec<String>,
    },
}

impl Upgrade {
    /// The subprotocols offered, credentials removed.
    #[must_use]
    pub fn protocols(&self) -> &[String] {
        match self {
            Self::WebSocket { protocols, .. } | Self::Spdy { protocols } => protocols,
        }
    }

    /// Adds the upgrade to an upstream head.
    pub(super) fn append_to(&self, head: &mut HeaderMap) {
        head.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        match self {
            Self::WebSocket { key, protocols } => {
                head.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                head.insert(
                    header::SEC_WEBSOCKET_VERSION,
                    HeaderValue::from_static("13"),
                );
                append(head, &header::SEC_WEBSOCKET_KEY, key);
                if !protocols.is_empty() {
                    append(head, &header::SEC_WEBSOCKET_PROTOCOL, &protocols.join(", "));
                }
            }
            Self::Spdy { protocols } => {
                head.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
                for protocol in protocols {
                    append(head, &STREAM_PROTOCOL, protocol);
                }
            }
        }
    }
}

/// A bearer token from a WebSocket subprotocol. It never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketBearer(String);

impl WebSocketBearer {
    /// The token.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebSocketBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

type Judged = (Option<Upgrade>, Option<WebSocketBearer>);

/// Reads the upgrade and the credential in it. The API server upgrades on any Connection header
/// that contains `upgrade`; a request that does so must be a clean one.
pub(super) fn judge(headers: &HeaderMap) -> Result<Judged, HeaderFault> {
    let connection = list(headers, &header::CONNECTION)?;
    let asks = connection
        .iter()
        .any(|word| word.to_ascii_lowercase().contains("upgrade"));
    let upgrade = headers.get(header::UPGRADE);
    let (true, Some(upgrade)) = (asks, upgrade) else {
        return match (asks, upgrade) {
            (false, None) => refuse_stray_credential(headers),
            _ => Err(HeaderFault::Upgrade {
                why: "Connection and Upgrade do not go together",
            }),
        };
    };
    if !connection
        .iter()
        .any(|word| word.eq_ignore_ascii_case("upgrade"))
    {
        return Err(HeaderFault::Upgrade {
            why: "Connection has no plain word `Upgrade`",
        });
    }
    match value_text(&header::UPGRADE, upgrade)? {
        name if name.eq_ignore_ascii_case("websocket") => judge_websocket(headers),
        name if name.eq_ignore_ascii_case("SPDY/3.1") => {
            refuse_stray_credential(headers)?;
            let protocols = list(headers, &STREAM_PROTOCOL)?;
            check_protocols(&protocols)?;
            Ok((Some(Upgrade::Spdy { protocols }), None))
        }
        _ => Err(HeaderFault::Upgrade {
            why: "the protocol is neither `websocket` nor `SPDY/3.1`",
        }),
    }
}

fn judge_websocket(headers: &HeaderMap) -> Result<Judged, HeaderFault> {
    let version = list(headers, &header::SEC_WEBSOCKET_VERSION)?;
    if version != ["13"] {
        return Err(HeaderFault::Upgrade {
            why: "Sec-WebSocket-Version is not 13",
        });
    }
    let key = match list(headers, &header::SEC_WEBSOCKET_KEY)?.as_slice() {
        [key] if is_websocket_key(key) => key.clone(),
        _ => {
            return Err(HeaderFault::Upgrade {
                why: "Sec-WebSocket-Key is not 16 bytes",
            });
        }
    };
    let mut bearer = None;
    let mut protocols = Vec::new();
    for protocol in list(headers, &header::SEC_WEBSOCKET_PROTOCOL)? {
        if !looks_like_bearer(&protocol) {
            protocols.push(protocol);
        } else if bearer.is_some() {
            return Err(HeaderFault::WebSocketBearer {
                why: "there are two",
            });
        } else {
            bearer = Some(decode_bearer(&protocol)?);
        }
    }
    if bearer.is_some() && protocols.is_empty() {
        return Err(HeaderFault::WebSocketBearer {
            why: "no other subprotocol is offered",
        });
    }
    check_protocols(&protocols)?;
    Ok((Some(Upgrade::WebSocket { key, protocols }), bearer))
}

/// A token in a request that is no WebSocket handshake would be ignored upstream and logged by
/// someone.
fn refuse_stray_credential(headers: &HeaderMap) -> Result<Judged, HeaderFault> {
    let protocols = list(headers, &header::SEC_WEBSOCKET_PROTOCOL)?;
    if protocols.iter().any(|protocol| looks_like_bearer(protocol)) {
        return Err(HeaderFault::WebSocketBearer {
            why: "the request is no WebSocket handshake",
        });
    }
    Ok((None, None))
}

/// In any case: the API server compares case-sensitively, others may not.
fn looks_like_bearer(protocol: &str) -> bool {
    protocol
        .to_ascii_lowercase()
        .contains(BEARER_PREFIX.trim_end_matches('.'))
}

fn decode_bearer(protocol: &str) -> Result<WebSocketBearer, HeaderFault> {
    let fault = || HeaderFault::WebSocketBearer {
        why: "it is not unpadded base64url of text",
    };
    let encoded = protocol.strip_prefix(BEARER_PREFIX).ok_or_else(fault)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok().ok_or_else(fault)?;
    let token = String::from_utf8(bytes).ok().ok_or_else(fault)?;
    if token.is_empty() {
        Err(fault())
    } else {
        Ok(WebSocketBearer(token))
    }
}

fn is_websocket_key(key: &str) -> bool {
    base64::engine::general_purpose::STANDARD
        .decode(key)
        .is_ok_and(|bytes| bytes.len() == 16)
}

fn check_protocols(protocols: &[String]) -> Result<(), HeaderFault> {
    let is_word = |protocol: &String| {
        !protocol.is_empty() && protocol.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
    };
    if protocols.len() <= PROTOCOL_COUNT_MAX && protocols.iter().all(is_word) {
        Ok(())
    } else {
        Err(HeaderFault::Upgrade {
            why: "the subprotocols are not a short list of words",
        })
    }
}

/// The words of a list header, all its lines together (RFC 9110 section 5.3).
fn list(headers: &HeaderMap, name: &HeaderName) -> Result<Vec<String>, HeaderFault> {
    let mut words = Vec::new();
    for value in headers.get_all(name) {
        let text = value_text(name, value)?;
        words.extend(
            text.split(',')
                .map(|word| word.trim_matches([' ', '\t']).to_owned()),
        );
    }
    Ok(words)
}

fn append(head: &mut HeaderMap, name: &HeaderName, text: &str) {
    // The text was a header value before, or a list of such.
    if let Ok(value) = HeaderValue::from_str(text) {
        head.append(name.clone(), value);
    }
}
