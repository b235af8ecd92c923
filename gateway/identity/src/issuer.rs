//! Token issuers: as configured, and as checked.

use std::collections::{BTreeMap, BTreeSet};

use gateway_kubeapi::CallerKind;

use crate::algorithm::Algorithm;
use crate::claims::{
    Attribute, ClaimFault, ClaimName, ClaimNameFault, Expectation, GroupsClaim, Pattern,
    PatternFault, Text, UserClaims, check_extra_key,
};
use crate::delegation::{DelegationClaim, DelegationSpec};
use crate::json::Object;
use crate::keys::is_https_url;

/// One `issuer` block. The exchange makes it from the policy bundle.
///
/// Several blocks may have one URL if their audiences or an expected claim keep them apart; a token
/// that fits two blocks is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerSpec {
    /// Name of the block.
    pub name: String,
    /// `iss`, compared exactly: https, without query, fragment or user (K-8.1).
    pub url: String,
    /// Accepted `aud` values; one match suffices.
    pub audiences: Vec<String>,
    /// Accepted `alg` values, names as in [`Algorithm`].
    pub algorithms: Vec<String>,
    /// Longest `exp - iat`, and longest age.
    pub max_token_age_seconds: i64,
    /// What stands behind tokens of this issuer.
    pub kind: CallerKind,
    /// How the user is found.
    pub user: UserSpec,
    /// Attributes for rules.
    pub attributes: Vec<AttributeSpec>,
    /// Claims that must have exactly this value.
    pub expect: Vec<(String, String)>,
    /// Tokens may name someone the caller acts for.
    pub delegation: Option<DelegationSpec>,
}

/// How the user of a token is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserSpec {
    /// By mapped claims. Names that begin `system:` are refused (K-7.4).
    Claims(ClaimsSpec),
    /// The token is one of a Kubernetes ServiceAccount and keeps its name
    /// `system:serviceaccount:…`: the one opt-in to names of the cluster (K-8.6).
    ServiceAccount(ServiceAccountProof),
}

/// Who proves a ServiceAccount token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAccountProof {
    /// The published keys. Deletion of the pod or account before `exp` is not seen.
    Keys,
    /// The cluster, by TokenReview (K-8.11).
    TokenReview,
}

/// The mapping of claims to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimsSpec {
    /// User name.
    pub username: UsernameSpec,
    /// A claim that must be true for the user name to count.
    pub verified_by: Option<String>,
    /// Put before every user name.
    pub prefix: String,
    /// Groups: claim and prefix.
    pub groups: Option<(String, String)>,
    /// The claim of the uid; the token must have it.
    pub uid_claim: Option<String>,
    /// Extra attributes for the API server: key to claim.
    pub extra: BTreeMap<String, String>,
}

/// Where the user name comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsernameSpec {
    /// One claim.
    Claim(String),
    /// `gha:{claim.repository}`.
    Template(String),
}

/// An attribute for rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeSpec {
    /// Its name.
    pub name: String,
    /// Its claim.
    pub claim: String,
    /// The expression each value must match as a whole; one that does not makes the attribute
    /// missing.
    pub matching: Option<String>,
}

impl ClaimsSpec {
    /// The mapping that takes only the user name from a claim.
    #[must_use]
    pub fn of_claim(claim: &str) -> Self {
        Self {
            username: UsernameSpec::Claim(claim.to_owned()),
            verified_by: None,
            prefix: String::new(),
            groups: None,
            uid_claim: None,
            extra: BTreeMap::new(),
        }
    }
}

impl IssuerSpec {
    /// The preset for ServiceAccount tokens of one cluster, at most an hour old, since default
    /// tokens in pods live a year (K-8.6). Choose an audience the API server does not accept, or
    /// the agent can go round the gateway with it (K-7.13).
    #[must_use]
    pub fn service_account(
        name: &str,
        url: &str,
        audience: &str,
        proof: ServiceAccountProof,
    ) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            audiences: vec![audience.to_owned()],
            algorithms: vec![Algorithm::Rs256.as_str().to_owned()],
            max_token_age_seconds: 3600,
            kind: CallerKind::Agent,
            user: UserSpec::ServiceAccount(proof),
            attributes: Vec::new(),
            expect: Vec::new(),
            delegation: None,
        }
    }
}

/// Why an issuer block cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// Not a URL Kubernetes would take.
    #[error("`url` is not https with a host and without query, fragment and user")]
    Url,
    /// No audience, or an empty one.
    #[error("`audiences` needs at least one name, none of them empty")]
    Audiences,
    /// An algorithm that is not offered.
    #[error("algorithm `{0}` is not offered; use RS, PS 256 to 512, ES256 or ES384")]
    Algorithm(String),
    /// No algorithm.
    #[error("`algorithms` needs at least one name")]
    NoAlgorithm,
    /// Not positive.
    #[error("`max-token-age` must be positive")]
    Age,
    /// A claim name that cannot be meant.
    #[error("{0}")]
    Claim(#[from] ClaimNameFault),
    /// A template that is not fixed text around claims.
    #[error("template `{0}` needs at least one `{{claim.NAME}}` and no other braces")]
    Template(String),
    /// An expression that does not compile.
    #[error("attribute `{name}`: {fault}")]
    Pattern {
        /// The attribute.
        name: String,
        /// What is wrong.
        fault: PatternFault,
    },
    /// An extra key Kubernetes would refuse.
    #[error("extra key `{0}` is not a lower-case domain path outside k8s.io and kubernetes.io")]
    ExtraKey(String),
    /// Delegation where the user is not mapped from claims, or with an odd claim.
    #[error("delegation needs a plain claim name and a user mapped from claims")]
    Delegation,
}

/// A checked issuer block.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) audiences: BTreeSet<String>,
    pub(crate) algorithms: BTreeSet<Algorithm>,
    pub(crate) max_age: i64,
    pub(crate) kind: CallerKind,
    pub(crate) user: UserMapping,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) expect: Vec<Expectation>,
    pub(crate) delegation: Option<DelegationClaim>,
}

#[derive(Debug, Clone)]
pub(crate) enum UserMapping {
    Claims(Box<UserClaims>),
    ServiceAccount(ServiceAccountProof),
}

impl Issuer {
    pub(crate) fn check(spec: IssuerSpec) -> Result<Self, IssuerFault> {
        if !is_https_url(&spec.url) || spec.url.contains('?') {
            return Err(IssuerFault::Url);
        }
        if spec.audiences.is_empty() || spec.audiences.iter().any(String::is_empty) {
            return Err(IssuerFault::Audiences);
        }
        if spec.max_token_age_seconds <= 0 {
            return Err(IssuerFault::Age);
        }
        let delegation = match (&spec.user, spec.delegation) {
            (_, None) => None,
            (UserSpec::Claims(_), Some(delegation)) => {
                Some(DelegationClaim::check(delegation).ok_or(IssuerFault::Delegation)?)
            }
            (UserSpec::ServiceAccount(_), Some(_)) => return Err(IssuerFault::Delegation),
        };
        let expect = |(claim, value): (String, String)| {
            Ok::<_, IssuerFault>(Expectation {
                claim: ClaimName::parse(&claim)?,
                value,
            })
        };
        Ok(Self {
            algorithms: algorithms(&spec.algorithms)?,
            user: match spec.user {
                UserSpec::Claims(claims) => UserMapping::Claims(Box::new(user_claims(claims)?)),
                UserSpec::ServiceAccount(proof) => UserMapping::ServiceAccount(proof),
            },
            attributes: spec
                .attributes
                .into_iter()
                .map(attribute)
                .collect::<Result<_, _>>()?,
            expect: spec
                .expect
                .into_iter()
                .map(expect)
                .collect::<Result<_, _>>()?,
            delegation,
            name: spec.name,
            url: spec.url,
            audiences: spec.audiences.into_iter().collect(),
            max_age: spec.max_token_age_seconds,
            kind: spec.kind,
        })
    }

    /// True if the blocks have one URL and nothing in them keeps their tokens apart.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let apart = |own: &Expectation| {
            other
                .expect
                .iter()
                .any(|o| o.claim == own.claim && o.value != own.value)
        };
        self.url == other.url
            && !self.audiences.is_disjoint(&other.audiences)
            && !self.expect.iter().any(apart)
    }

    pub(crate) fn is_reviewed(&self) -> bool {
        match self.user {
            UserMapping::ServiceAccount(ServiceAccountProof::TokenReview) => true,
            UserMapping::ServiceAccount(ServiceAccountProof::Keys) | UserMapping::Claims(_) => {
                false
            }
        }
    }

    pub(crate) fn check_expectations(&self, claims: &Object) -> Result<(), ClaimFault> {
        self.expect
            .iter()
            .try_for_each(|expectation| expectation.holds(claims))
    }

    pub(crate) fn read_attributes(
        &self,
        claims: &Object,
    ) -> Result<BTreeMap<String, Vec<String>>, ClaimFault> {
        let mut attributes = BTreeMap::new();
        for attribute in &self.attributes {
            if let Some(values) = attribute.read(claims)? {
                attributes.insert(attribute.name.clone(), values);
            }
        }
        Ok(attributes)
    }
}

fn algorithms(names: &[String]) -> Result<BTreeSet<Algorithm>, IssuerFault> {
    if names.is_empty() {
        return Err(IssuerFault::NoAlgorithm);
    }
    let parse =
        |name: &String| Algorithm::parse(name).ok_or_else(|| IssuerFault::Algorithm(name.clone()));
    names.iter().map(parse).collect()
}

fn user_claims(spec: ClaimsSpec) -> Result<UserClaims, IssuerFault> {
    let username = match spec.username {
        UsernameSpec::Claim(claim) => Text::Claim(ClaimName::parse(&claim)?),
        UsernameSpec::Template(template) => match Text::parse_template(&template) {
            Some(text) => text?,
            None => return Err(IssuerFault::Template(template)),
        },
    };
    let groups = match spec.groups {
        Some((claim, prefix)) => Some(GroupsClaim {
            claim: ClaimName::parse(&claim)?,
            prefix,
        }),
        None => None,
    };
    let mut extra = BTreeMap::new();
    for (key, claim) in spec.extra {
        if !check_extra_key(&key) {
            return Err(IssuerFault::ExtraKey(key));
        }
        extra.insert(key, ClaimName::parse(&claim)?);
    }
    Ok(UserClaims {
        username,
        verified_by: spec
            .verified_by
            .as_deref()
            .map(ClaimName::parse)
            .transpose()?,
        prefix: spec.prefix,
        groups,
        uid: spec
            .uid_claim
            .as_deref()
            .map(ClaimName::parse)
            .transpose()?,
        extra,
    })
}

fn attribute(spec: AttributeSpec) -> Result<Attribute, IssuerFault> {
    let matching = spec.matching.as_deref().map(Pattern::parse).transpose();
    Ok(Attribute {
        claim: ClaimName::parse(&spec.claim)?,
        matching: matching.map_err(|fault| IssuerFault::Pattern {
            name: spec.name.clone(),
            fault,
        })?,
        name: spec.name,
    })
}
