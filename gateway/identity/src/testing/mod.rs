//! Tokens, good and bad, with what must come of each: for the tests of this crate and for the
//! comparison with a real API server.
//!
//! Two issuers exist, [`PLAIN`] and [`MAIL`]; [`specs`] are their blocks, [`jwks`] their keys, and
//! [`authentication_configuration`] the same in the words of Kubernetes. A [`Case`] is one token.
//! The law that every comparison checks: what this crate accepts, Kubernetes accepts, with the same
//! user; what it refuses, Kubernetes refuses, or the case says [`Expected::RefusedHere`].

mod draft;
mod kubernetes;
mod mutations;

use std::collections::BTreeMap;

use gateway_kubeapi::{CallerKind, UserInfo};
use serde_json::{Value, json};

pub use kubernetes::authentication_configuration;

use crate::mint::MintKey;
use crate::{Algorithm, ClaimsSpec, IssuerSpec, UserSpec, UsernameSpec};
use draft::{Draft, Random};

/// URL of the issuer whose user is `sub` with a prefix, with groups, uid, an extra attribute and an
/// expected claim.
pub const PLAIN: &str = "https://tokens.test.example/plain";

/// URL of the issuer whose user is `email`, without a prefix.
pub const MAIL: &str = "https://tokens.test.example/mail";

/// Longest age of tokens of both issuers.
pub const TOKEN_AGE_SECONDS_MAX: i64 = 3600;

/// One token and what must come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The compact token.
    pub token: String,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Accepted here and by Kubernetes, as this user.
    Accepted(UserInfo),
    /// Refused here; Kubernetes accepts. The table in `jwt.rs` lists the reasons.
    RefusedHere,
    /// Refused here and by Kubernetes.
    Refused,
}

/// The blocks of both issuers.
#[must_use]
pub fn specs() -> Vec<IssuerSpec> {
    let block = |name: &str, url: &str, user, expect| IssuerSpec {
        name: name.to_owned(),
        url: url.to_owned(),
        audiences: vec!["k8s-gateway".to_owned(), "second".to_owned()],
        algorithms: Algorithm::ALL
            .map(|algorithm| algorithm.as_str().to_owned())
            .to_vec(),
        max_token_age_seconds: TOKEN_AGE_SECONDS_MAX,
        kind: CallerKind::Agent,
        user: UserSpec::Claims(user),
        attributes: Vec::new(),
        expect,
        delegation: None,
    };
    let plain = ClaimsSpec {
        username: UsernameSpec::Claim("sub".to_owned()),
        verified_by: None,
        prefix: "p:".to_owned(),
        groups: Some(("groups".to_owned(), "g:".to_owned())),
        uid_claim: Some("uid".to_owned()),
        extra: BTreeMap::from([("test.example/team".to_owned(), "team".to_owned())]),
    };
    let expect = vec![("tenant".to_owned(), "harbour".to_owned())];
    vec![
        block("plain", PLAIN, plain, expect),
        block("mail", MAIL, ClaimsSpec::of_claim("email"), Vec::new()),
    ]
}

/// The published keys of both issuers: one per type that signs, one for encryption, one tied to
/// RS256.
#[must_use]
pub fn jwks() -> String {
    let read = |key: &MintKey| serde_json::from_str::<Value>(&key.jwk()).unwrap_or_default();
    let with = |key: &MintKey, name: &str, value: &str| {
        let mut jwk = read(key);
        if let Some(members) = jwk.as_object_mut() {
            members.insert(name.to_owned(), json!(value));
        }
        jwk
    };
    json!({ "keys": [
        read(&MintKey::test_es256(0)),
        with(&MintKey::test_es256(1), "use", "enc"),
        read(&MintKey::test_es384()),
        read(&MintKey::test_rsa(0)),
        with(&MintKey::test_rsa(1), "alg", "RS256"),
    ] })
    .to_string()
}

/// Makes `n` cases around the instant `now` (seconds since 1970): first every mutation alone, then
/// pairs of mutations of different areas. The same seed gives the same cases; only the bytes of
/// ECDSA and PSS signatures differ. Tokens that are good stay so for ten minutes.
#[must_use]
pub fn generate_tokens(seed: u64, n: usize, now: i64) -> Vec<Case> {
    let mutations = mutations::all();
    let mut random = Random::new(seed);
    let single = mutations.iter().map(|mutation| {
        let mut draft = Draft::new(mutation.issuer, now);
        mutation.apply(&mut draft);
        (mutation.name.clone(), draft)
    });
    let mut cases: Vec<Case> = single
        .take(n)
        .map(|(name, draft)| draft.case(name))
        .collect();
    while cases.len() < n {
        let (first, second) = (random.pick(&mutations), random.pick(&mutations));
        let (Some(first), Some(second)) = (first, second) else {
            break;
        };
        if first.issuer != second.issuer || !first.area.goes_with(second.area) {
            continue;
        }
        let mut draft = Draft::new(first.issuer, now);
        first.apply(&mut draft);
        second.apply(&mut draft);
        // Most mutations are bad; every second pair is a good one, so that acceptance is tested too.
        if cases.len().is_multiple_of(2) && !draft.is_good() {
            continue;
        }
        cases.push(draft.case(format!("{} + {}", first.name, second.name)));
    }
    cases
}

#[cfg(test)]
mod tests;
