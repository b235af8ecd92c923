//! Why nobody is proven: one text for the caller, one for audit and logs.

use crate::algorithm::Algorithm;
use crate::certificate::CertificateFault;
use crate::claims::{ClaimFault, NameFault};
use crate::credential::CredentialFault;
use crate::delegation::DelegationFault;
use crate::jwt::{SKEW_SECONDS_MAX, TokenFault};
use crate::review::ReviewFault;

/// Why a request proves no caller. Answered with 401 (K-8.10).
///
/// `Display` is the internal text: it may name claims, never the token. [`Self::public_text`] is
/// what the caller may see. Issuer names are those of blocks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationFault {
    /// No readable set of credentials.
    #[error("{0}")]
    Credential(#[from] CredentialFault),
    /// The token is not well formed.
    #[error("{0}")]
    Token(#[from] TokenFault),
    /// `iss` is none of ours.
    #[error("the token's issuer is not configured")]
    UnknownIssuer,
    /// An opaque token nobody knows.
    #[error("the bearer token is neither a JWT nor a known shared token")]
    UnknownToken,
    /// The block does not accept the algorithm.
    #[error("algorithm {algorithm} is not accepted for issuer `{issuer}`")]
    Algorithm {
        /// Block.
        issuer: String,
        /// What the header says.
        algorithm: Algorithm,
    },
    /// The key is not for the algorithm.
    #[error("the key of the token, of issuer `{0}`, is not for its algorithm")]
    KeyAlgorithm(String),
    /// The signature is not by the key.
    #[error("the signature of a token of issuer `{0}` is not valid")]
    Signature(String),
    /// No keys are there or young enough.
    #[error("there are no trusted keys of issuer `{0}`")]
    NoKeys(String),
    /// No key verifies it.
    #[error("no known key of issuer `{0}` verifies the token")]
    UnknownKey(String),
    /// Another audience.
    #[error("the token is not for an audience of issuer `{issuer}`")]
    Audience {
        /// Block.
        issuer: String,
        /// What would be accepted.
        accepted: Vec<String>,
    },
    /// Two blocks fit.
    #[error("the token fits the issuer blocks `{0}` and `{1}`")]
    Ambiguous(String, String),
    /// `exp` is reached.
    #[error("the token of issuer `{0}` has expired")]
    Expired(String),
    /// `nbf` is not reached.
    #[error("the token of issuer `{0}` is not valid before more than {SKEW_SECONDS_MAX} seconds")]
    NotYetValid(String),
    /// No `iat`, so its age is unknown.
    #[error("the token of issuer `{0}` has no `iat`")]
    NoIssueTime(String),
    /// `iat` is in the future.
    #[error(
        "the token of issuer `{0}` is issued more than {SKEW_SECONDS_MAX} seconds in the future"
    )]
    IssuedLater(String),
    /// It lives or has lived too long.
    #[error("the token of issuer `{issuer}` is older or lives longer than {seconds_max} seconds")]
    Age {
        /// Block.
        issuer: String,
        /// `max-token-age`.
        seconds_max: i64,
    },
    /// The claims do not map.
    #[error("issuer `{issuer}`: {fault}")]
    Claims {
        /// Block.
        issuer: String,
        /// What does not map.
        fault: ClaimFault,
    },
    /// The delegation is not acceptable.
    #[error("issuer `{issuer}`: {fault}")]
    Delegation {
        /// Block.
        issuer: String,
        /// What is wrong.
        fault: DelegationFault,
    },
    /// The cluster's answer proves nothing.
    #[error("issuer `{issuer}`: {fault}")]
    Review {
        /// Block.
        issuer: String,
        /// What is wrong.
        fault: ReviewFault,
    },
    /// The answer of the cluster is needed and not there.
    #[error("issuer `{0}`: the cluster has not been asked about the token")]
    NotReviewed(String),
    /// The client certificate proves nobody.
    #[error("{0}")]
    Certificate(#[from] CertificateFault),
    /// A shared token past its end.
    #[error("the shared token `{0}` has expired")]
    LegacyExpired(String),
    /// Token and certificate name two users.
    #[error(
        "the token names a user of `{token}`, the client certificate another of `{certificate}`"
    )]
    TwoIdentities {
        /// Block of the token.
        token: String,
        /// Entry of the certificate.
        certificate: String,
    },
}

impl AuthenticationFault {
    /// What the caller is told: what to do, nothing of the token, and nothing of the configuration
    /// that a holder of a valid token could not find out.
    #[must_use]
    pub fn public_text(&self) -> String {
        match self {
            Self::Credential(fault) => fault.to_string(),
            Self::Token(_) => "the bearer token is not an acceptable JWT; get a fresh token".into(),
            Self::UnknownIssuer => "the issuer of the token is not accepted here; get a token of a configured issuer".into(),
            Self::UnknownToken => "the bearer token is not known; get a token of a configured issuer".into(),
            Self::Algorithm { .. } | Self::KeyAlgorithm(_) => {
                "the token is signed with an algorithm that is not accepted; ask the owner of the issuer".into()
            }
            Self::Signature(_) | Self::UnknownKey(_) => {
                "the signature of the token cannot be verified; get a fresh token".into()
            }
            Self::NoKeys(_) | Self::NotReviewed(_) => {
                "the token cannot be verified at the moment; try again later".into()
            }
            Self::Audience { accepted, .. } => {
                format!("the token is for another audience; audience must be {}", quoted(accepted))
            }
            Self::Ambiguous(..) => "the token fits more than one configured issuer; ask the gateway's owner".into(),
            Self::Expired(_) => "the token has expired; get a fresh token".into(),
            Self::NotYetValid(_) | Self::IssuedLater(_) => {
                "the token is not valid yet; check the clock of its issuer".into()
            }
            Self::NoIssueTime(_) => "the token does not say when it was issued; the issuer must set `iat`".into(),
            Self::Age { seconds_max, .. } => {
                format!("the token is too old or valid for too long; get one valid for at most {seconds_max} seconds")
            }
            Self::Claims { fault, .. } => public_claim_text(fault),
            Self::Delegation { .. } => "the delegation in the token is not accepted; ask the owner of the issuer".into(),
            Self::Review { .. } => "the cluster does not accept the token for this gateway; get a fresh token".into(),
            Self::Certificate(CertificateFault::Validity) => {
                "the client certificate is not valid now; get a fresh one".into()
            }
            Self::Certificate(_) => "the client certificate does not name an acceptable user".into(),
            Self::LegacyExpired(_) => "the shared token has expired; get a token of a configured issuer".into(),
            Self::TwoIdentities { .. } => {
                "the token and the client certificate name different users; send one of them".into()
            }
        }
    }

    /// A closed set of words, for metrics and audit.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Credential(CredentialFault::Missing) => "no-credential",
            Self::Credential(_) => "credential-malformed",
            Self::Token(_) => "token-malformed",
            Self::UnknownIssuer => "issuer-unknown",
            Self::UnknownToken => "token-unknown",
            Self::Algorithm { .. } | Self::KeyAlgorithm(_) => "algorithm-refused",
            Self::Signature(_) => "signature-invalid",
            Self::NoKeys(_) => "keys-unavailable",
            Self::UnknownKey(_) => "key-unknown",
            Self::Audience { .. } => "audience-mismatch",
            Self::Ambiguous(..) => "issuer-ambiguous",
            Self::Expired(_) => "token-expired",
            Self::NotYetValid(_) | Self::IssuedLater(_) => "token-not-yet-valid",
            Self::NoIssueTime(_) | Self::Age { .. } => "token-age",
            Self::Claims { .. } => "claims-refused",
            Self::Delegation { .. } => "delegation-refused",
            Self::Review { .. } => "review-refused",
            Self::NotReviewed(_) => "review-unavailable",
            Self::Certificate(_) => "certificate-refused",
            Self::LegacyExpired(_) => "shared-token-expired",
            Self::TwoIdentities { .. } => "identities-differ",
        }
    }
}

// Claim names are in every token of the issuer; their values are not told.
fn public_claim_text(fault: &ClaimFault) -> String {
    let text = match fault {
        ClaimFault::Missing(claim) => format!("claim `{claim}` is missing from the token"),
        ClaimFault::Type(claim) | ClaimFault::Ambiguous(claim) => {
            format!("claim `{claim}` of the token cannot be read")
        }
        ClaimFault::NotVerified(claim) => format!("claim `{claim}` of the token must be true"),
        ClaimFault::Unexpected(claim) => format!("claim `{claim}` of the token has another value"),
        ClaimFault::Distributed(claim) => {
            format!(
                "claim `{claim}` of the token is kept elsewhere, as of a user with too many groups"
            )
        }
        ClaimFault::Name(NameFault::System(..)) => {
            "the token names a user or group that begins `system:`".to_owned()
        }
        ClaimFault::Name(_) => "the token names an unacceptable user or group".to_owned(),
    };
    format!("{text}; ask the owner of the issuer")
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}
