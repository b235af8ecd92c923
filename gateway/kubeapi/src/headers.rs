//! Headers: what of a request's head is understood, and what of it goes on.
//!
//! Nothing is copied and then deleted. Each header that goes upstream or downstream is named here
//! and built from a checked value, so `Connection: Impersonate-User` and its like find nothing to
//! remove (K-7.3).

mod framing;
mod identity;
mod impersonation;
mod response;
#[cfg(test)]
mod tests;
mod upgrade;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

pub use framing::Framing;
pub use identity::{IdentityFault, ImpersonationHeaders, SystemNames, check_before_send};
pub use impersonation::Impersonation;
pub use response::response_headers;
pub use upgrade::{Upgrade, WebSocketBearer};

use crate::negotiate::{
    AcceptPlan, forward_accept, may_rewrite_accept, rewrite_accept, rewrite_accept_to_objects,
};
use crate::target::RequestTarget;

/// BOUND: browsers and kubectl send fewer than thirty. More is refused with 431.
pub const HEADER_COUNT_MAX: usize = 128;
/// BOUND: tokens have some kilobytes. More is refused with 431.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Headers of the client that go upstream by value, beside Accept and those of an upgrade. The
/// User-Agent decides pretty printing and the field manager (K-2.11, K-5.10).
const FORWARDED: [HeaderName; 4] = [
    header::USER_AGENT,
    header::IF_NONE_MATCH,
    HeaderName::from_static("kubectl-command"),
    HeaderName::from_static("kubectl-session"),
];

/// Headers that may stand once: readers differ on which of two counts.
const SINGLE: [HeaderName; 12] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::AUTHORIZATION,
    header::USER_AGENT,
    header::IF_NONE_MATCH,
    header::UPGRADE,
    header::EXPECT,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
];

/// Why the headers of a request are refused before policy runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// More or longer headers than the bounds.
    #[error(
        "the headers are too large; send at most {HEADER_COUNT_MAX} with {HEADER_BYTES_MAX} bytes"
    )]
    TooLarge,
    /// CR, LF, NUL or another control byte in a value: line folding, or an attempt to smuggle a
    /// header (K-1.23).
    #[error("the header `{name}` has a control byte in its value")]
    ControlByte {
        /// The header.
        name: String,
    },
    /// A value that must be text and is not.
    #[error("the header `{name}` has bytes outside ASCII")]
    NotText {
        /// The header.
        name: String,
    },
    /// `Content_Length`: some servers read `_` as `-` (K-7.6).
    #[error("the header `{name}` looks like `{like}`; send it with `-` or leave it out")]
    LookAlike {
        /// As sent.
        name: String,
        /// As some servers would read it.
        like: String,
    },
    /// A header that may stand once stands twice.
    #[error("the header `{name}` stands more than once; send it once")]
    Repeated {
        /// The header.
        name: String,
    },
    /// Both Content-Length and Transfer-Encoding, or values of theirs that readers differ on.
    #[error("the message framing is ambiguous: {why}")]
    Framing {
        /// What is wrong.
        why: &'static str,
    },
    /// A Content-Encoding that the API server would ignore (K-2.18).
    #[error("the Content-Encoding `{coding}` is not read by the API server; send the body plain")]
    ContentEncoding {
        /// The coding.
        coding: String,
    },
    /// An upgrade that is not exactly one of the two known protocols (K-6.3).
    #[error("the upgrade is malformed: {why}")]
    Upgrade {
        /// What is wrong.
        why: &'static str,
    },
    /// An upgrade where none belongs: a WebSocket watch would pass unmasked (K-3.2).
    #[error("an upgrade is possible on exec, attach, portforward and proxy only")]
    UpgradeElsewhere,
    /// Bearer subprotocols that do not name one credential (K-7.7).
    #[error("the WebSocket bearer subprotocol is malformed: {why}")]
    WebSocketBearer {
        /// What is wrong.
        why: &'static str,
    },
    /// Impersonation headers that say nothing clear (K-7.2).
    #[error("the impersonation headers are malformed: {why}")]
    Impersonation {
        /// What is wrong.
        why: &'static str,
    },
}

impl HeaderFault {
    /// The code of the answer.
    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ContentEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WebSocketBearer { .. } => StatusCode::UNAUTHORIZED,
            Self::UpgradeElsewhere => StatusCode::FORBIDDEN,
            Self::ControlByte { .. }
            | Self::NotText { .. }
            | Self::LookAlike { .. }
            | Self::Repeated { .. }
            | Self::Framing { .. }
            | Self::Upgrade { .. }
            | Self::Impersonation { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

/// The understood part of a request's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeaders {
    framing: Framing,
    content_type: Option<String>,
    accept: Vec<HeaderValue>,
    upgrade: Option<Upgrade>,
    bearer: Option<WebSocketBearer>,
    impersonation: Option<Impersonation>,
    forwarded: HeaderMap,
}

impl RequestHeaders {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// [`HeaderFault`] where a second reader could understand something else.
    pub fn judge(headers: &HeaderMap) -> Result<Self, HeaderFault> {
        check_size(headers)?;
        for (name, value) in headers {
            check_value(name, value)?;
            check_name(name)?;
        }
        for name in &SINGLE {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(HeaderFault::Repeated {
                    name: name.as_str().to_owned(),
                });
            }
        }
        check_content_encoding(headers)?;
        let framing = Framing::judge(headers)?;
        let (upgrade, bearer) = upgrade::judge(headers)?;
        if upgrade.is_some() && framing.may_have_body() {
            return Err(HeaderFault::Framing {
                why: "an upgrade cannot have a body",
            });
        }
        Ok(Self {
            framing,
            content_type: text(headers, &header::CONTENT_TYPE)?.map(ToOwned::to_owned),
            accept: headers.get_all(header::ACCEPT).iter().cloned().collect(),
            upgrade,
            bearer,
            impersonation: Impersonation::judge(headers)?,
            forwarded: keep(headers, &FORWARDED),
        })
    }

    /// How the length of the body is told.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// The Content-Type as sent.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The Accept lines in order.
    #[must_use]
    pub fn accept(&self) -> &[HeaderValue] {
        &self.accept
    }

    /// The User-Agent, if it is text.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.forwarded
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
    }

    /// The credential in a WebSocket subprotocol.
    #[must_use]
    pub const fn bearer(&self) -> Option<&WebSocketBearer> {
        self.bearer.as_ref()
    }

    /// Whom the client asks to act as (K-7.15).
    #[must_use]
    pub const fn impersonation(&self) -> Option<&Impersonation> {
        self.impersonation.as_ref()
    }

    /// The upgrade that the client asks for, if the target allows one.
    ///
    /// # Errors
    /// [`HeaderFault`] for an upgrade on any other path or by a method that does not open it.
    pub fn upgrade_on(&self, target: &RequestTarget) -> Result<Option<&Upgrade>, HeaderFault> {
        let Some(upgrade) = &self.upgrade else {
            return Ok(None);
        };
        if !target.is_connect() {
            return Err(HeaderFault::UpgradeElsewhere);
        }
        let fits = match upgrade {
            Upgrade::WebSocket { .. } => *target.method() == Method::GET,
            Upgrade::Spdy { .. } => matches!(*target.method(), Method::GET | Method::POST),
        };
        if fits {
            Ok(Some(upgrade))
        } else {
            Err(HeaderFault::Upgrade {
                why: "the method does not open this protocol",
            })
        }
    }

    /// The client's part of the upstream head: an allow-list, by value (K-7.3, K-7.6). Host,
    /// credential, impersonation, Audit-ID and body framing are added by the caller.
    ///
    /// # Errors
    /// As [`Self::upgrade_on`].
    pub fn upstream(
        &self,
        target: &RequestTarget,
        accept: AcceptPlan,
    ) -> Result<HeaderMap, HeaderFault> {
        let mut head = self.forwarded.clone();
        let may_rewrite = may_rewrite_accept(target);
        let rewritten = match accept {
            AcceptPlan::Forward => None,
            AcceptPlan::RewriteToJson => may_rewrite.then(|| rewrite_accept(&self.accept)),
            AcceptPlan::RewriteToObjects => {
                may_rewrite.then(|| rewrite_accept_to_objects(&self.accept))
            }
        };
        if let Some(value) = rewritten {
            head.insert(header::ACCEPT, value);
        } else if let Some(value) = forward_accept(&self.accept) {
            head.insert(header::ACCEPT, value);
        }
        if let Some(value) = self
            .content_type
            .as_ref()
            .and_then(|text| HeaderValue::from_str(text).ok())
        {
            head.insert(header::CONTENT_TYPE, value);
        }
        // K-2.12: above 128 KiB the API server would answer gzip.
        head.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        if let Some(upgrade) = self.upgrade_on(target)? {
            upgrade.append_to(&mut head);
        }
        Ok(head)
    }
}

fn check_size(headers: &HeaderMap) -> Result<(), HeaderFault> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > HEADER_COUNT_MAX || bytes > HEADER_BYTES_MAX {
        return Err(HeaderFault::TooLarge);
    }
    Ok(())
}

/// The map may have been filled without checks by the HTTP parser, so the bytes are read here: one
/// LF in a value, passed on, is a header of the client's choice upstream (K-1.23).
fn check_value(name: &HeaderName, value: &HeaderValue) -> Result<(), HeaderFault> {
    if has_control_byte(value.as_bytes()) {
        return Err(HeaderFault::ControlByte {
            name: name.as_str().to_owned(),
        });
    }
    Ok(())
}

/// Tab is the one control byte that RFC 9110 allows in a value.
fn has_control_byte(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .any(|&byte| byte < 0x20 && byte != b'\t' || byte == 0x7f)
}

fn check_name(name: &HeaderName) -> Result<(), HeaderFault> {
    let name = name.as_str();
    if !name.contains('_') {
        return Ok(());
    }
    let like = name.replace('_', "-");
    if is_sensitive(&like) {
        return Err(HeaderFault::LookAlike {
            name: name.to_owned(),
            like,
        });
    }
    Ok(())
}

/// Names that some hop gives a meaning of power to (K-7.6).
fn is_sensitive(name: &str) -> bool {
    const NAMES: [&str; 19] = [
        "accept",
        "audit-id",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-method-override",
        "x-real-ip",
    ];
    const PREFIXES: [&str; 7] = [
        "impersonate-",
        "proxy-",
        "sec-websocket-",
        "x-forwarded-",
        "x-http-method",
        "x-remote-",
        "x-stream-protocol-",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn check_content_encoding(headers: &HeaderMap) -> Result<(), HeaderFault> {
    match text(headers, &header::CONTENT_ENCODING)? {
        Some(coding) if !coding.eq_ignore_ascii_case("identity") => {
            Err(HeaderFault::ContentEncoding {
                coding: coding.to_owned(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// The first value of a header, as text.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, HeaderFault> {
    headers
        .get(name)
        .map(|value| value_text(name, value))
        .transpose()
}

fn value_text<'a>(name: &HeaderName, value: &'a HeaderValue) -> Result<&'a str, HeaderFault> {
    match value.to_str() {
        Ok(text) => Ok(text),
        Err(_) => Err(HeaderFault::NotText {
            name: name.as_str().to_owned(),
        }),
    }
}

/// The named headers, by value and in order.
fn keep(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in names {
        for value in headers.get_all(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}
