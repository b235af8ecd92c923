//! Why a request is refused because of the masks that concern it.

use http::StatusCode;

use crate::session::SessionRefusal;

/// Why a request cannot be answered under its masks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MaskRefusal {
    /// Nothing of this kind of answer can be masked.
    #[error("the answer must be masked by {masks}, and {what} cannot be masked")]
    Impossible { masks: String, what: &'static str },
    /// A session whose output cannot be masked.
    #[error("the session must be masked by {masks}, and {refusal}")]
    Session {
        masks: String,
        refusal: SessionRefusal,
    },
    /// A question about a masked value (K-4.22, K-4.23).
    #[error("{what} `{place}` asks about a value that is masked by {masks}; leave it out")]
    Question {
        masks: String,
        what: &'static str,
        place: String,
    },
    /// A change that takes an element out of a mask.
    #[error(
        "the patch operation on `{place}` would lift the mask {masks}, which chooses by it; leave it out"
    )]
    Lifting { masks: String, place: String },
    /// A masked value on its way back (K-5.8).
    #[error(
        "masked values cannot be written back: {places}; leave these fields out or put real values there"
    )]
    WriteBack { places: String },
    /// The same without a marker: other digits, a zero, a field that is not shown.
    #[error(
        "masked values would be overwritten by what is shown in their place: {places}; leave these fields out by a patch or put real values there"
    )]
    Unmarked { places: String },
    /// A list whose elements cannot be told apart, or are not shown.
    #[error("`{place}`: {why}")]
    Doubt { place: String, why: &'static str },
    /// A JSON patch on a list of which elements are not shown.
    #[error(
        "the JSON patch goes through a list of which elements are not shown, so its indexes are not those of the API server; send a strategic merge or an apply patch"
    )]
    HiddenElements,
    /// The write changes what a mask selects by.
    #[error(
        "the write would unmask values that it sends back: {places}; put real values there or leave what the mask goes by as it was"
    )]
    Unmasking { places: String },
    /// The object is another one by now.
    #[error("the object has been changed; read it again, make the changes anew and repeat")]
    Raced,
    /// A guess that costs nothing (K-4.24).
    #[error(
        "a dry run that sets a masked value would tell whether it is the stored one; leave masked fields out or write without dry run"
    )]
    DryRun,
    #[error(
        "the object is immutable, so a write of a masked value would tell whether it is the stored one; leave masked fields out"
    )]
    Immutable,
    #[error(
        "a masked field belongs to another field manager, so applying it without force would tell whether the value is the stored one; leave it out or take it over by force"
    )]
    Owned,
    /// Nothing but JSON and YAML can be looked into.
    #[error(
        "masked values may be in the body, and protobuf is not looked into for them; send JSON"
    )]
    Encoding,
    /// With the live values it is more than the API server takes.
    #[error("with the masked values put back the body is larger than the API server takes")]
    TooLarge,
    /// Nobody may have values put back that they may not even see masked.
    #[error(
        "the write sets masked fields, so the live object must be read first, as you, and {why}"
    )]
    Unreadable { why: String },
}

impl MaskRefusal {
    pub(crate) const fn http_status(&self) -> StatusCode {
        match self {
            Self::Impossible { .. }
            | Self::Session { .. }
            | Self::Question { .. }
            | Self::Lifting { .. }
            | Self::Unreadable { .. }
            | Self::DryRun
            | Self::Immutable => StatusCode::FORBIDDEN,
            Self::WriteBack { .. }
            | Self::Unmarked { .. }
            | Self::Doubt { .. }
            | Self::HiddenElements
            | Self::Unmasking { .. }
            | Self::Owned
            | Self::Raced => StatusCode::CONFLICT,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}
