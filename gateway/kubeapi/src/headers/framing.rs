//! Message framing (K-1.23, RFC 9112 section 6).

use http::header::{self, HeaderMap};

use super::{HeaderFault, text};

/// How the length of a request body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// No header says: no body on HTTP/1.1, perhaps one on HTTP/2.
    Unstated,
    /// Content-Length.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Framing {
    pub(super) fn judge(headers: &HeaderMap) -> Result<Self, HeaderFault> {
        let length = text(headers, &header::CONTENT_LENGTH)?;
        let coding = text(headers, &header::TRANSFER_ENCODING)?;
        match (length, coding) {
            (None, None) => Ok(Self::Unstated),
            (Some(_), Some(_)) => Err(HeaderFault::Framing {
                why: "Content-Length and Transfer-Encoding stand together",
            }),
            (Some(length), None) => parse_length(length),
            (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunked),
            (None, Some(_)) => Err(HeaderFault::Framing {
                why: "the only transfer coding is `chunked`",
            }),
        }
    }

    /// Whether body bytes are announced.
    #[must_use]
    pub const fn may_have_body(self) -> bool {
        match self {
            Self::Unstated | Self::Length(0) => false,
            Self::Length(_) | Self::Chunked => true,
        }
    }
}

/// Digits only: no sign, no list, no spaces.
fn parse_length(text: &str) -> Result<Framing, HeaderFault> {
    let fault = HeaderFault::Framing {
        why: "Content-Length is not a number",
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault);
    }
    text.parse().map(Framing::Length).or(Err(fault))
}
