//! What an error on the way upstream says about the request: was it carried out, or surely not?

use gateway_exchange::UpstreamFailure;
use pingora_error::{Error, ErrorType};

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection.
    ConnectFailed,
    /// No TLS session, or not with the expected server.
    TlsFailed,
    /// The API server said that it did nothing for this stream.
    Unprocessed,
    /// No answer in time.
    TimedOut,
    /// It broke after bytes were sent.
    Broken,
}

impl Failure {
    /// Of an error at any point.
    pub(super) fn of(error: &Error) -> Self {
        // What pingora reports before a byte of the request was sent.
        const NOT_CONNECTED: [ErrorType; 7] = [
            ErrorType::ConnectTimedout,
            ErrorType::ConnectRefused,
            ErrorType::ConnectNoRoute,
            ErrorType::ConnectError,
            ErrorType::BindError,
            ErrorType::SocketError,
            ErrorType::ConnectProxyFailure,
        ];
        const NO_TLS: [ErrorType; 4] = [
            ErrorType::TLSHandshakeFailure,
            ErrorType::TLSHandshakeTimedout,
            ErrorType::InvalidCert,
            ErrorType::HandshakeError,
        ];
        const TIMED_OUT: [ErrorType; 2] = [ErrorType::ReadTimedout, ErrorType::WriteTimedout];
        if is_unprocessed(error) {
            Self::Unprocessed
        } else if NOT_CONNECTED.contains(error.etype()) {
            Self::ConnectFailed
        } else if NO_TLS.contains(error.etype()) {
            Self::TlsFailed
        } else if TIMED_OUT.contains(error.etype()) {
            Self::TimedOut
        } else {
            Self::Broken
        }
    }

    /// Of an error before there was a connection: whatever it is, nothing was sent.
    pub(super) fn of_connecting(error: &Error) -> Self {
        match Self::of(error) {
            Self::TlsFailed => Self::TlsFailed,
            Self::ConnectFailed | Self::Unprocessed | Self::TimedOut | Self::Broken => {
                Self::ConnectFailed
            }
        }
    }

    /// What the caller is told.
    pub(super) const fn told(self) -> UpstreamFailure {
        match self {
            Self::ConnectFailed | Self::TlsFailed | Self::Unprocessed => {
                UpstreamFailure::NotReached
            }
            Self::TimedOut | Self::Broken => UpstreamFailure::Broke,
        }
    }
}

/// RFC 9113 §8.7: a stream above the last one of a GOAWAY, or reset with REFUSED_STREAM, was not
/// processed. The HTTP/2 library gives the error of a GOAWAY to those streams only; the ones below
/// it end with the connection, as broken.
pub(super) fn is_unprocessed(error: &Error) -> bool {
    let Some(fault) = error.root_cause().downcast_ref::<h2::Error>() else {
        return false;
    };
    let is_refused = fault.is_reset() && fault.reason() == Some(h2::Reason::REFUSED_STREAM);
    fault.is_remote() && (fault.is_go_away() || is_refused)
}
