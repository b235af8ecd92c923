//! Who acts for whom (RFC 8693).
//!
//! Two readings exist, and the claim name decides between them:
//!
//! - **`act`** is registered: its value identifies the *acting* party, and the claims around it are
//!   about the principal acted for (RFC 8693 §4.1). A token of an agent for Ana has `sub` Ana and
//!   `act.sub` the agent. So the caller is mapped from the `act` object and the principal from the
//!   token. The other way round, a token would pass for its human with an agent behind the keys.
//! - **Any other claim** is the issuer's own; as the policy language has it, the token is the
//!   agent's and the claim identifies the principal.
//!
//! Either value is an object of claims, mapped like those of a token; one that names another `iss`
//! is refused unless it is the principal's block. `act` inside `act` lists earlier actors: RFC 8693
//! says they are informational and take no part in access decisions, so they are only reported.
//! In the other reading, a principal may itself act for someone: each takes part. Both chains are
//! bounded. A token with `act` at an issuer without delegation for `act` is refused, since reading
//! it as a token of its `sub` would hide the actor.

use gateway_kubeapi::{CallerKind, Delegation};

use crate::json::{Json, Object};

// BOUND: agent for agent for human is two; each principal costs a decision.
/// Longest chain of delegation, the token itself not counted.
pub const DELEGATION_DEPTH_MAX: usize = 4;

/// The registered actor claim.
const ACTOR: &str = "act";

/// `delegation claim= rule=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationSpec {
    /// The claim: `act`, or one that holds the principal.
    pub claim: String,
    /// How the principal takes part in the decision.
    pub rule: Delegation,
    /// How the principal is mapped.
    pub principal: PrincipalSpec,
}

/// How a principal is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalSpec {
    /// As a caller of the same issuer block, but of this kind.
    SameBlock(CallerKind),
    /// As a caller of another issuer block, with its prefix, groups, expectations and kind.
    Block(String),
}

impl DelegationSpec {
    /// Delegation whose principal is a human of the same issuer block.
    #[must_use]
    pub fn new(claim: &str, rule: Delegation) -> Self {
        let principal = PrincipalSpec::SameBlock(CallerKind::Human);
        Self {
            claim: claim.to_owned(),
            rule,
            principal,
        }
    }
}

/// Why the delegation of a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelegationFault {
    /// `act` where nobody said what to make of it.
    #[error("the token has `act`, but its issuer block has no delegation by `act`")]
    NotConfigured,
    /// Not an object.
    #[error("a delegation claim is not an object")]
    NotAnObject,
    /// Too long a chain.
    #[error("the delegation chain has more than {DELEGATION_DEPTH_MAX} links")]
    TooDeep,
    /// A party of an issuer that may not be spoken for.
    #[error("a delegation claim names a party of another issuer")]
    ForeignIssuer,
}

/// A checked delegation claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DelegationClaim {
    claim: String,
    pub(crate) rule: Delegation,
    pub(crate) principal: PrincipalSpec,
}

/// The parties of a token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parties<'a> {
    /// Claims of the caller.
    pub(crate) caller: &'a Object,
    /// Claims of those acted for, the nearest first.
    pub(crate) principals: Vec<&'a Object>,
    /// Claims of earlier actors, the latest first.
    pub(crate) prior_actors: Vec<&'a Object>,
}

impl DelegationClaim {
    pub(crate) fn check(spec: DelegationSpec) -> Option<Self> {
        let plain = !spec.claim.is_empty() && !spec.claim.contains(['.', '/']);
        plain.then_some(Self {
            claim: spec.claim,
            rule: spec.rule,
            principal: spec.principal,
        })
    }

    fn names_actor(&self) -> bool {
        self.claim == ACTOR
    }
}

/// Splits the claims of a token into its parties. `principal_url` is the URL of the block that maps
/// principals.
pub(crate) fn parties<'a>(
    delegation: Option<&DelegationClaim>,
    claims: &'a Object,
    principal_url: &str,
) -> Result<Parties<'a>, DelegationFault> {
    let alone = Parties {
        caller: claims,
        principals: Vec::new(),
        prior_actors: Vec::new(),
    };
    if claims.contains_key(ACTOR) && !delegation.is_some_and(DelegationClaim::names_actor) {
        return Err(DelegationFault::NotConfigured);
    }
    let Some(delegation) = delegation else {
        return Ok(alone);
    };
    let mut chain = chain(&delegation.claim, claims)?;
    let issuer = claims.get("iss");
    let is_of = |party: &&Object, url: Option<&str>| match party.get("iss") {
        None => true,
        Some(named) => Some(named) == issuer || (url.is_some() && named.as_text() == url),
    };
    if chain.is_empty() {
        return Ok(alone);
    }
    if delegation.names_actor() {
        let prior_actors = chain.split_off(1);
        match chain.pop() {
            Some(actor) if is_of(&actor, None) => Ok(Parties {
                caller: actor,
                principals: vec![claims],
                prior_actors,
            }),
            Some(_) => Err(DelegationFault::ForeignIssuer),
            None => Ok(alone),
        }
    } else if chain.iter().all(|party| is_of(party, Some(principal_url))) {
        Ok(Parties {
            principals: chain,
            ..alone
        })
    } else {
        Err(DelegationFault::ForeignIssuer)
    }
}

fn chain<'a>(claim: &str, claims: &'a Object) -> Result<Vec<&'a Object>, DelegationFault> {
    let (mut links, mut next) = (Vec::new(), claims.get(claim));
    while let Some(value) = next {
        let link = Json::as_object(value).ok_or(DelegationFault::NotAnObject)?;
        if links.len() == DELEGATION_DEPTH_MAX {
            return Err(DelegationFault::TooDeep);
        }
        links.push(link);
        next = link.get(claim);
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;
    use serde_json::{Value, json};

    fn check(claim: Option<&str>, claims: &Value, expected: Result<[&[&str]; 3], DelegationFault>) {
        let delegation = claim.map(|claim| {
            DelegationClaim::check(DelegationSpec::new(claim, Delegation::Both)).unwrap()
        });
        let parsed = parse_object(claims.to_string().as_bytes()).unwrap();
        let subs = |parties: &[&Object]| -> Vec<String> {
            parties
                .iter()
                .map(|party| party["sub"].as_text().unwrap().to_owned())
                .collect()
        };
        let found = parties(delegation.as_ref(), &parsed, "https://corp").map(|found| {
            [
                subs(&[found.caller]),
                subs(&found.principals),
                subs(&found.prior_actors),
            ]
        });
        let expected =
            expected.map(|sets| sets.map(|set| set.iter().map(|s| (*s).to_owned()).collect()));
        assert_eq!(found, expected, "{claims}");
    }

    #[test]
    fn act_names_the_actor_and_the_token_its_principal() {
        check(
            Some("act"),
            &json!({"sub": "ana"}),
            Ok([&["ana"], &[], &[]]),
        );
        let one = json!({"sub": "ana", "act": {"sub": "agent"}});
        check(Some("act"), &one, Ok([&["agent"], &["ana"], &[]]));
    }

    #[test]
    fn earlier_actors_are_reported_and_decide_nothing() {
        let claims =
            json!({"sub": "ana", "act": {"sub": "b", "act": {"sub": "c", "act": {"sub": "d"}}}});
        check(Some("act"), &claims, Ok([&["b"], &["ana"], &["c", "d"]]));
    }

    #[test]
    fn any_other_claim_names_the_principal() {
        let claims = json!({"sub": "agent", "obo": {"sub": "ana", "obo": {"sub": "eve"}}});
        check(Some("obo"), &claims, Ok([&["agent"], &["ana", "eve"], &[]]));
    }

    #[test]
    fn refuses_an_actor_nobody_configured() {
        let claims = json!({"sub": "ana", "act": {"sub": "agent"}});
        check(None, &claims, Err(DelegationFault::NotConfigured));
        check(Some("obo"), &claims, Err(DelegationFault::NotConfigured));
        check(
            None,
            &json!({"sub": "a", "act": null}),
            Err(DelegationFault::NotConfigured),
        );
        check(
            None,
            &json!({"sub": "a", "obo": {"sub": "b"}}),
            Ok([&["a"], &[], &[]]),
        );
    }

    #[test]
    fn refuses_values_that_identify_nobody() {
        for value in [
            json!("agent"),
            json!(null),
            json!([{"sub": "agent"}]),
            json!(1),
        ] {
            let claims = json!({"sub": "ana", "act": value});
            check(Some("act"), &claims, Err(DelegationFault::NotAnObject));
        }
    }

    #[test]
    fn refuses_chains_beyond_the_bound() {
        let nest = |links: usize| {
            (1..links).fold(
                json!({"sub": "0"}),
                |inner, link| json!({"sub": link.to_string(), "act": inner}),
            )
        };
        let claims = |links| json!({"sub": "ana", "act": nest(links)});
        check(
            Some("act"),
            &claims(4),
            Ok([&["3"], &["ana"], &["2", "1", "0"]]),
        );
        check(Some("act"), &claims(5), Err(DelegationFault::TooDeep));
    }

    #[test]
    fn a_party_of_another_issuer_needs_a_block_for_it() {
        let token = |claim: &str, iss: &str| json!({"iss": "https://agents", "sub": "a", claim: {"sub": "b", "iss": iss}});
        check(
            Some("act"),
            &token("act", "https://agents"),
            Ok([&["b"], &["a"], &[]]),
        );
        check(
            Some("act"),
            &token("act", "https://corp"),
            Err(DelegationFault::ForeignIssuer),
        );
        check(
            Some("obo"),
            &token("obo", "https://corp"),
            Ok([&["a"], &["b"], &[]]),
        );
        check(
            Some("obo"),
            &token("obo", "https://agents"),
            Ok([&["a"], &["b"], &[]]),
        );
        check(
            Some("obo"),
            &token("obo", "https://eve"),
            Err(DelegationFault::ForeignIssuer),
        );
    }

    #[test]
    fn takes_only_plain_claim_names() {
        for claim in ["", "a.b", "/a"] {
            let spec = DelegationSpec::new(claim, Delegation::Both);
            assert!(DelegationClaim::check(spec).is_none(), "{claim}");
        }
    }
}
