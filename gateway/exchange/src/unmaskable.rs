//! Why an answer could not be given masked: a cause for metrics, and a sentence for the audit log if nothing
//! was given yet.

use gateway_masking::MaskFault;

/// Why: a closed set, so that it may be a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnmaskableCause {
    /// It came compressed, though identity was asked for.
    Encoding,
    /// It came in a form that nothing here can read.
    MediaType,
    /// It is not JSON, not UTF-8, or a session of frames that are not understood.
    Malformed,
    /// It ended too early.
    Truncated,
    /// It passed a bound.
    Bound,
    /// An event of a watch is not what the API server writes.
    WatchEvent,
    /// The masks that meet on it are more than a program may hold.
    Program,
}

/// An answer, or the rest of one, that must not be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmaskable {
    pub(crate) cause: UnmaskableCause,
    pub(crate) why: String,
}

impl Unmaskable {
    pub(crate) fn new(cause: UnmaskableCause, why: impl Into<String>) -> Self {
        Self {
            cause,
            why: why.into(),
        }
    }
}

impl From<MaskFault> for Unmaskable {
    fn from(fault: MaskFault) -> Self {
        let cause = match fault {
            MaskFault::Malformed { .. } | MaskFault::NotUtf8 { .. } | MaskFault::Poisoned => {
                UnmaskableCause::Malformed
            }
            MaskFault::TooDeep | MaskFault::HeldTooLong => UnmaskableCause::Bound,
            MaskFault::Truncated => UnmaskableCause::Truncated,
        };
        Self::new(cause, fault.to_string())
    }
}
