//! From a decoded bundle and the static configuration to an authenticator.

use std::collections::BTreeSet;

use gateway_identity::{
    AttributeSpec, Authenticator, AuthenticatorSpec, CertificateSpec, ClaimsSpec,
    ConfigurationFault, DelegationSpec, IssuerSpec, LegacySpec, ServiceAccountProof, TwoIdentities,
    UserSpec, UsernameSpec,
};
use gateway_policy::model::{ClaimText, Issuer};

/// What the static configuration adds to the issuers of a bundle.
#[derive(Debug, Clone, Default)]
pub struct StaticIdentities {
    /// Authorities of client certificates.
    pub certificates: Vec<CertificateSpec>,
    /// Shared static tokens.
    pub legacy: Vec<LegacySpec>,
    /// Names of issuer blocks whose tokens a cluster reviews.
    pub reviewed: BTreeSet<String>,
}

/// Builds the authenticator of one revision.
///
/// # Errors
/// Every fault of the blocks, together.
pub fn authenticator(
    issuers: &[Issuer],
    fixed: &StaticIdentities,
) -> Result<Authenticator, Vec<ConfigurationFault>> {
    Authenticator::new(AuthenticatorSpec {
        issuers: issuers
            .iter()
            .map(|issuer| issuer_spec(issuer, &fixed.reviewed))
            .collect(),
        certificates: fixed.certificates.clone(),
        legacy: fixed.legacy.clone(),
        two_identities: TwoIdentities::Refuse,
    })
}

fn issuer_spec(issuer: &Issuer, reviewed: &BTreeSet<String>) -> IssuerSpec {
    IssuerSpec {
        name: issuer.name.clone(),
        url: issuer.url.clone(),
        audiences: issuer.audiences.clone(),
        algorithms: issuer.algorithms.clone(),
        max_token_age_seconds: issuer.max_token_age_seconds,
        kind: issuer.kind,
        user: user_spec(issuer, reviewed),
        attributes: issuer
            .attributes
            .iter()
            .map(|attribute| AttributeSpec {
                name: attribute.name.clone(),
                claim: attribute.claim.clone(),
                matching: attribute.matching.clone(),
            })
            .collect(),
        expect: issuer.expect.clone(),
        delegation: issuer
            .delegation
            .as_ref()
            .map(|(claim, rule)| DelegationSpec::new(claim, *rule)),
    }
}

fn user_spec(issuer: &Issuer, reviewed: &BTreeSet<String>) -> UserSpec {
    if issuer.service_accounts {
        return UserSpec::ServiceAccount(if reviewed.contains(&issuer.name) {
            ServiceAccountProof::TokenReview
        } else {
            ServiceAccountProof::Keys
        });
    }
    UserSpec::Claims(ClaimsSpec {
        username: match &issuer.username {
            ClaimText::Claim(claim) => UsernameSpec::Claim(claim.clone()),
            ClaimText::Template(template) => UsernameSpec::Template(template.clone()),
        },
        verified_by: issuer.username_verified_by.clone(),
        prefix: issuer.username_prefix.clone(),
        groups: issuer.groups.clone(),
        uid_claim: issuer.uid_claim.clone(),
        extra: issuer.extra.clone(),
    })
}
