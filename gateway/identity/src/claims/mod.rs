//! From the claims of a proven token to a user and attributes.

mod lookup;
mod mapping;
mod names;
mod pattern;

pub(crate) use lookup::ClaimName;
pub use lookup::ClaimNameFault;
pub(crate) use mapping::{Attribute, Expectation, GroupsClaim, Party, Text, UserClaims};
pub(crate) use names::{
    CREDENTIAL_ID_KEY, check_extra_key, credential_id_of_token, external, is_system, printable,
};
pub use names::{GROUP_COUNT_MAX, NAME_BYTES_MAX, NameFault, NameOf};
pub(crate) use pattern::Pattern;
pub use pattern::PatternFault;

/// Why claims do not map to a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// A claim the mapping needs is not there.
    #[error("claim `{0}` is missing")]
    Missing(String),
    /// A claim has not the type the mapping needs.
    #[error("claim `{0}` has the wrong type")]
    Type(String),
    /// A dotted name fits a literal claim and a nested one.
    #[error("claim `{0}` is both a literal claim and a nested one")]
    Ambiguous(String),
    /// The claim that vouches for the user name is not true.
    #[error("claim `{0}` is not true")]
    NotVerified(String),
    /// An expected claim has another value.
    #[error("claim `{0}` has not the expected value")]
    Unexpected(String),
    /// A name that would reach the API server is not acceptable.
    #[error("{0}")]
    Name(NameFault),
    /// Groups are to be fetched elsewhere (`_claim_names`).
    #[error("claim `{0}` is a distributed claim")]
    Distributed(String),
}

impl From<NameFault> for ClaimFault {
    fn from(fault: NameFault) -> Self {
        Self::Name(fault)
    }
}
