//! The configuration of identities, checked as a whole.

use std::collections::BTreeSet;

use gateway_kubeapi::CallerKind;

use crate::certificate::{CertificateIssuer, CertificateSpec};
use crate::delegation::PrincipalSpec;
use crate::issuer::{Issuer, IssuerFault, IssuerSpec, UserMapping};
use crate::legacy::{LEGACY_COUNT_MAX, LegacyFault, LegacySpec, LegacyToken};

// BOUND: as many as Kubernetes takes authenticators (K-8.1).
/// Most issuer blocks.
pub const ISSUER_COUNT_MAX: usize = 64;

/// Everything configured about identities, as the exchange makes it from a bundle and the static
/// configuration.
#[derive(Debug, Clone, Default)]
pub struct AuthenticatorSpec {
    /// Token issuers.
    pub issuers: Vec<IssuerSpec>,
    /// Authorities of client certificates.
    pub certificates: Vec<CertificateSpec>,
    /// Shared static tokens.
    pub legacy: Vec<LegacySpec>,
    /// What a token and a certificate that name different users amount to.
    pub two_identities: TwoIdentities,
}

/// What a token and a certificate that name different users amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TwoIdentities {
    /// Nobody.
    #[default]
    Refuse,
    /// The user of the token: certificates only say which machine connects.
    Token,
    /// The user of the certificate.
    Certificate,
}

/// A fault in the configuration of identities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationFault {
    /// No name, or one that another entry has.
    #[error("issuer name `{0}` is empty or used twice")]
    Name(String),
    /// A bound is passed.
    #[error("there are more than {0} {1}")]
    TooMany(usize, &'static str),
    /// An issuer block.
    #[error("issuer `{name}`: {fault}")]
    Issuer {
        /// Block.
        name: String,
        /// What is wrong.
        fault: IssuerFault,
    },
    /// Two blocks of one URL that share an audience and no expected claim keeps apart.
    #[error(
        "issuers `{0}` and `{1}` have one `url` and nothing keeps their tokens apart; use other audiences or an `expect` on one claim"
    )]
    Overlap(String, String),
    /// Two blocks of one URL, of which only one asks the cluster.
    #[error("issuers `{0}` and `{1}` have one `url`, but only one of them asks the cluster")]
    MixedProof(String, String),
    /// ServiceAccounts of two clusters would have the same names.
    #[error(
        "issuers `{0}` and `{1}` are both ServiceAccounts, of two clusters, and would have the same user names"
    )]
    TwoClusters(String, String),
    /// The block that maps principals does not exist or maps no claims.
    #[error(
        "issuer `{0}`: the issuer block of its principals does not exist or does not map claims"
    )]
    Principal(String),
    /// A certificate entry.
    #[error("certificate issuer `{0}` has no authority or one that cannot be read")]
    Certificate(String),
    /// Two certificate entries with one authority.
    #[error("certificate issuers `{0}` and `{1}` have an authority in common")]
    SameAuthority(String, String),
    /// A shared token.
    #[error("shared token `{name}`: {fault}")]
    Legacy {
        /// Entry.
        name: String,
        /// What is wrong.
        fault: LegacyFault,
    },
    /// Two entries for one token.
    #[error("shared tokens `{0}` and `{1}` have one hash")]
    SameHash(String, String),
}

/// The checked configuration. Immutable: a new bundle makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Authenticator {
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) certificates: Vec<CertificateIssuer>,
    pub(crate) legacy: Vec<LegacyToken>,
    pub(crate) two_identities: TwoIdentities,
}

impl Authenticator {
    /// Checks the configuration.
    ///
    /// # Errors
    /// All faults found.
    pub fn new(spec: AuthenticatorSpec) -> Result<Self, Vec<ConfigurationFault>> {
        let mut faults = Vec::new();
        check_names(&spec, &mut faults);
        let mut built = Self {
            two_identities: spec.two_identities,
            ..Self::default()
        };
        for block in spec.issuers {
            let name = block.name.clone();
            match Issuer::check(block) {
                Ok(issuer) => built.issuers.push(issuer),
                Err(fault) => faults.push(ConfigurationFault::Issuer { name, fault }),
            }
        }
        for entry in spec.certificates {
            let name = entry.name.clone();
            match CertificateIssuer::check(entry) {
                Some(issuer) => built.certificates.push(issuer),
                None => faults.push(ConfigurationFault::Certificate(name)),
            }
        }
        for entry in spec.legacy {
            let name = entry.name.clone();
            match LegacyToken::check(entry) {
                Ok(token) => built.legacy.push(token),
                Err(fault) => faults.push(ConfigurationFault::Legacy { name, fault }),
            }
        }
        built.check_pairs(&mut faults);
        if faults.is_empty() {
            Ok(built)
        } else {
            Err(faults)
        }
    }

    /// The issuer URLs whose keys are needed: for [`crate::Keyring::keep`].
    pub fn key_issuers(&self) -> impl Iterator<Item = &str> {
        let by_keys = self.issuers.iter().filter(|issuer| !issuer.is_reviewed());
        by_keys
            .map(|issuer| issuer.url.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
    }

    fn check_pairs(&self, faults: &mut Vec<ConfigurationFault>) {
        for (a, b) in pairs(&self.issuers) {
            let names = || (a.name.clone(), b.name.clone());
            let (first, second) = names();
            if a.overlaps(b) {
                faults.push(ConfigurationFault::Overlap(first, second));
            } else if a.url == b.url && a.is_reviewed() != b.is_reviewed() {
                faults.push(ConfigurationFault::MixedProof(first, second));
            } else if a.url != b.url && is_service_account(a) && is_service_account(b) {
                faults.push(ConfigurationFault::TwoClusters(first, second));
            }
        }
        for issuer in &self.issuers {
            if issuer.delegation.is_some() && self.principal_block(issuer).is_none() {
                faults.push(ConfigurationFault::Principal(issuer.name.clone()));
            }
        }
        for (a, b) in pairs(&self.certificates) {
            if a.overlaps(b) {
                faults.push(ConfigurationFault::SameAuthority(
                    a.name.clone(),
                    b.name.clone(),
                ));
            }
        }
        for (a, b) in pairs(&self.legacy) {
            if a.hash == b.hash {
                faults.push(ConfigurationFault::SameHash(a.name.clone(), b.name.clone()));
            }
        }
    }

    /// The block that maps the principals of tokens of `issuer`, and their kind.
    pub(crate) fn principal_block<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> Option<(&'a Issuer, CallerKind)> {
        match &issuer.delegation.as_ref()?.principal {
            PrincipalSpec::SameBlock(kind) => Some((issuer, *kind)),
            PrincipalSpec::Block(name) => {
                let block = self.issuers.iter().find(|block| block.name == *name)?;
                (!is_service_account(block)).then_some((block, block.kind))
            }
        }
    }
}

fn check_names(spec: &AuthenticatorSpec, faults: &mut Vec<ConfigurationFault>) {
    let issuers = spec.issuers.iter().map(|issuer| &issuer.name);
    let certificates = spec.certificates.iter().map(|issuer| &issuer.name);
    let legacy = spec.legacy.iter().map(|token| &token.name);
    let mut seen = BTreeSet::new();
    for name in issuers.chain(certificates).chain(legacy) {
        if name.is_empty() || !seen.insert(name) {
            faults.push(ConfigurationFault::Name(name.clone()));
        }
    }
    for (count, most, what) in [
        (spec.issuers.len(), ISSUER_COUNT_MAX, "issuers"),
        (
            spec.certificates.len(),
            ISSUER_COUNT_MAX,
            "certificate issuers",
        ),
        (spec.legacy.len(), LEGACY_COUNT_MAX, "shared tokens"),
    ] {
        if count > most {
            faults.push(ConfigurationFault::TooMany(most, what));
        }
    }
}

fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items
        .iter()
        .enumerate()
        .flat_map(|(at, a)| items.iter().skip(at + 1).map(move |b| (a, b)))
}

fn is_service_account(issuer: &Issuer) -> bool {
    match issuer.user {
        UserMapping::ServiceAccount(_) => true,
        UserMapping::Claims(_) => false,
    }
}
