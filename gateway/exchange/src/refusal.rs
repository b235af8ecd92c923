//! The one place where a fault becomes an answer.
//!
//! Each fault has two texts: the caller's, in the `Status`, and the auditor's, in the event.

use gateway_identity::AuthenticationFault;
use gateway_kubeapi::{HeaderFault, IdentityFault, JudgeFault, ResourceId, Status};
use gateway_kubeapi::{StatusReason, TargetFault};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::admit::Denial;
use crate::content::ContentFault;
use crate::exchange::UpstreamFailure;
use crate::input::{BodyFault, LiveFault};
use crate::mask_refusal::MaskRefusal;

/// On every answer: the id under which the decision stands in the audit log.
pub(crate) const DECISION_ID: HeaderName = HeaderName::from_static("countersign-decision-id");

/// Why an exchange is answered here.
#[derive(Debug)]
pub(crate) enum Fault {
    Target(TargetFault),
    Header(HeaderFault),
    Judge(JudgeFault),
    Content(ContentFault),
    Body(BodyFault),
    AmbiguousFraming,
    AuthorityConflict,
    HttpVersion,
    Connect,
    UnknownHost,
    HostDiffersFromServerName,
    UnexpectedBody,
    NoPolicy,
    Authentication(AuthenticationFault),
    Review(String),
    Denied(Box<Denial>),
    Mask(MaskRefusal),
    AuditUnavailable(String),
    /// There is no live object to put masked values back from.
    Live(LiveFault),
    LiveGone {
        resource: ResourceId,
        name: String,
    },
    LiveRefused(StatusCode),
    Upstream(UpstreamFailure),
    UpstreamAnswer(String),
    Identity(String),
    /// A rule allows it, but the gateway acts as nobody of that name.
    Impersonation(IdentityFault),
    OutOfOrder(&'static str),
}

/// A fault in the words of `Status`, audit and metrics.
#[derive(Debug)]
pub(crate) struct Verbal {
    pub(crate) status: Status,
    /// A word of the closed set that metrics and audit share.
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
    /// The connection's framing cannot be trusted any more.
    pub(crate) close: bool,
}

impl Fault {
    pub(crate) fn verbal(&self) -> Verbal {
        match self {
            Self::Target(fault) => malformed(fault.http_status(), fault.to_string()),
            Self::Header(fault) => Verbal {
                close: is_framing_in_doubt(fault),
                ..malformed(fault.http_status(), fault.to_string())
            },
            Self::Judge(fault) => malformed(StatusCode::BAD_REQUEST, fault.to_string()),
            Self::Content(fault) => malformed(fault.http_status(), fault.to_string()),
            Self::Body(fault) => body(*fault),
            Self::AmbiguousFraming => {
                closing("the request has both Content-Length and Transfer-Encoding; send one")
            }
            Self::AuthorityConflict => closing("Host and :authority differ; send one"),
            Self::HttpVersion => closing("use HTTP/1.1 or HTTP/2"),
            // What follows may be meant as a tunnel's bytes (RFC 9110 §9.3.6).
            Self::Connect => Verbal {
                close: true,
                ..malformed(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "the gateway opens no tunnels; name the API server in your kubeconfig"
                        .to_owned(),
                )
            },
            Self::UnexpectedBody => closing("this request takes no body"),
            Self::UnknownHost => unknown_host(),
            Self::HostDiffersFromServerName => malformed(
                StatusCode::MISDIRECTED_REQUEST,
                "the host name differs from the one of the TLS handshake".to_owned(),
            ),
            Self::NoPolicy => unavailable("no-policy", "no policy is active yet; try again"),
            Self::Authentication(fault) => unauthorized(&fault.public_text(), fault.to_string()),
            Self::Review(why) => unauthorized(
                "the token cannot be verified at the moment; try again later",
                format!("the token review failed: {why}"),
            ),
            Self::Denied(denial) => Verbal {
                status: denial.status.clone(),
                reason: denial.reason,
                detail: denial.detail.clone(),
                close: false,
            },
            Self::Mask(refusal) => Verbal {
                status: Status::of_code(refusal.http_status(), &refusal.to_string()),
                reason: "obligation-failed",
                detail: refusal.to_string(),
                close: false,
            },
            Self::AuditUnavailable(why) => audit_unavailable(why),
            Self::Live(fault) => live(*fault),
            Self::LiveGone { resource, name } => live_gone(resource, name),
            Self::LiveRefused(status) => live_refused(*status),
            Self::Upstream(failure) => upstream(*failure),
            Self::UpstreamAnswer(why) => Verbal {
                status: Status::bad_gateway("the API server's answer does not fit the request"),
                reason: "upstream-answer",
                detail: why.clone(),
                close: false,
            },
            Self::Impersonation(fault) => impersonation(fault),
            Self::Identity(why) => internal(format!("the caller cannot be impersonated: {why}")),
            Self::OutOfOrder(what) => internal(format!("out of order: {what}")),
        }
    }
}

fn malformed(code: StatusCode, text: String) -> Verbal {
    Verbal {
        status: Status::of_code(code, &text),
        reason: reason_of(code),
        detail: text,
        close: false,
    }
}

/// A request after which the connection is not used again.
fn closing(text: &str) -> Verbal {
    Verbal {
        close: true,
        ..malformed(StatusCode::BAD_REQUEST, text.to_owned())
    }
}

/// Where the next request begins depends on how these headers are read, and a reader before the
/// gateway may have read them otherwise (K-1.23).
fn is_framing_in_doubt(fault: &HeaderFault) -> bool {
    match fault {
        HeaderFault::ControlByte { .. }
        | HeaderFault::LookAlike { .. }
        | HeaderFault::Repeated { .. }
        | HeaderFault::Framing { .. } => true,
        HeaderFault::TooLarge
        | HeaderFault::NotText { .. }
        | HeaderFault::ContentEncoding { .. }
        | HeaderFault::Upgrade { .. }
        | HeaderFault::UpgradeElsewhere
        | HeaderFault::WebSocketBearer { .. }
        | HeaderFault::Impersonation { .. } => false,
    }
}

fn unknown_host() -> Verbal {
    let text = "this host name stands for no cluster; check the server of your kubeconfig";
    Verbal {
        status: Status::of_code(StatusCode::NOT_FOUND, text),
        reason: "unknown-cluster",
        detail: "no cluster has this host name".to_owned(),
        close: false,
    }
}

fn audit_unavailable(why: &str) -> Verbal {
    let text = "the gateway cannot record this request, so it is not carried out";
    Verbal {
        status: Status::service_unavailable(&format!("{text}: {why}")),
        reason: "audit-unavailable",
        detail: why.to_owned(),
        close: false,
    }
}

fn impersonation(fault: &IdentityFault) -> Verbal {
    let text = match fault {
        IdentityFault::SystemName { name } => format!(
            "the gateway does not act as `{name}`: names that begin with `system:` are the \
             cluster's own, ServiceAccounts excepted"
        ),
        IdentityFault::NoUser
        | IdentityFault::EmptyGroup
        | IdentityFault::Value { .. }
        | IdentityFault::Key { .. }
        | IdentityFault::TooLarge
        | IdentityFault::UnsafeHead { .. } => {
            format!("the identity to act as cannot be sent to the API server: {fault}")
        }
    };
    Verbal {
        status: Status::new(StatusReason::Forbidden, &text),
        reason: "impersonation",
        detail: text,
        close: false,
    }
}

fn internal(detail: String) -> Verbal {
    Verbal {
        status: Status::internal(),
        reason: "internal",
        detail,
        close: true,
    }
}

fn reason_of(code: StatusCode) -> &'static str {
    match code {
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported",
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "too-large",
        _ => "malformed",
    }
}

fn unavailable(reason: &'static str, text: &str) -> Verbal {
    let status = Status::service_unavailable(text);
    Verbal {
        status,
        reason,
        detail: text.to_owned(),
        close: false,
    }
}

/// 401 makes kubectl's exec plugins refresh for the next call (K-8.10).
fn unauthorized(public: &str, detail: String) -> Verbal {
    let status = Status::new(StatusReason::Unauthorized, public);
    Verbal {
        status,
        reason: "unauthenticated",
        detail,
        close: false,
    }
}

fn body(fault: BodyFault) -> Verbal {
    match fault {
        BodyFault::TooLarge => Verbal {
            status: Status::too_large("limit is 3145728"),
            reason: "too-large",
            detail: "request body above 3145728 bytes".to_owned(),
            close: true,
        },
        BodyFault::Broken => Verbal {
            status: Status::bad_request("the request body broke off"),
            reason: "malformed",
            detail: "the request body broke off".to_owned(),
            close: true,
        },
        BodyFault::TooSlow => Verbal {
            status: Status::of_code(
                StatusCode::REQUEST_TIMEOUT,
                "the request body did not arrive in time",
            ),
            reason: "timeout",
            detail: "the request body did not arrive in time".to_owned(),
            close: true,
        },
        BodyFault::NoRoom => Verbal {
            close: true,
            ..unavailable(
                "overloaded",
                "the gateway holds as many request bodies as it may; try again",
            )
        },
        BodyFault::NoRoomForUser => Verbal {
            // The second after which clients repeat by themselves.
            status: Status::too_many_requests(
                "the gateway holds as many request bodies of this user as it may; send fewer at once",
            )
            .retry_after(1),
            reason: "overloaded",
            detail: "as many request bodies of this user are held as may be".to_owned(),
            close: true,
        },
    }
}

/// Nothing was written yet, whatever went wrong.
fn live(fault: LiveFault) -> Verbal {
    let timeout = |what: &str| {
        let text = format!("{what}; masked values could not be put back, and nothing was written");
        Verbal {
            status: Status::timeout(&text),
            reason: "upstream-unavailable",
            detail: text,
            close: false,
        }
    };
    match fault {
        LiveFault::NotReached => unavailable(
            "upstream-unavailable",
            "the API server cannot be reached; nothing was carried out",
        ),
        LiveFault::TooSlow => timeout("the API server did not show the live object in time"),
        LiveFault::Broken => timeout("the API server broke off while it showed the live object"),
        LiveFault::TooLarge => {
            let text = "the live object is larger than the gateway puts masked values back from";
            Verbal {
                status: Status::too_large(text),
                reason: "too-large",
                detail: text.to_owned(),
                close: false,
            }
        }
        LiveFault::NoRoom => unavailable(
            "overloaded",
            "the gateway holds as many bodies as it may; try again",
        ),
    }
}

fn live_gone(resource: &ResourceId, name: &str) -> Verbal {
    Verbal {
        status: Status::not_found(resource, name),
        reason: "obligation-failed",
        detail: "there is no live object to put masked values back from".to_owned(),
        close: false,
    }
}

fn live_refused(status: StatusCode) -> Verbal {
    let text = format!(
        "the API server answers {} to a read of the live object; nothing was written",
        status.as_u16()
    );
    Verbal {
        status: Status::of_code(status, &text),
        reason: "upstream-answer",
        detail: text,
        close: false,
    }
}

fn upstream(failure: UpstreamFailure) -> Verbal {
    match failure {
        UpstreamFailure::NotReached => unavailable(
            "upstream-unavailable",
            "the API server cannot be reached; nothing was carried out",
        ),
        // K-9.12: it may have happened, so never 503.
        UpstreamFailure::Broke => Verbal {
            status: Status::timeout(
                "the API server's answer broke off; the request may have been carried out",
            ),
            reason: "upstream-unavailable",
            detail: "broke off after the request was sent".to_owned(),
            close: false,
        },
    }
}

/// Header fields of an answer of the gateway itself.
pub(crate) fn headers(decision_id: &str, status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    put_decision_id(&mut headers, decision_id);
    if status.code() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = status.details().retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers
}

pub(crate) fn put_decision_id(headers: &mut HeaderMap, decision_id: &str) {
    // Ids are made by the gateway from hex digits and dashes.
    if let Ok(value) = HeaderValue::from_str(decision_id) {
        headers.insert(DECISION_ID, value);
    }
}
