//! From what a request presents to one proven caller.

use std::time::Duration;

use gateway_kubeapi::{Caller, CallerKind, Delegation};

use crate::authenticator::{Authenticator, TwoIdentities};
use crate::certificate::{self, Holder};
use crate::claims::{CREDENTIAL_ID_KEY, NameOf, Party, credential_id_of_token, printable};
use crate::credential::{Bearer, CacheKey, Credentials, Presented};
use crate::delegation::{Parties, parties};
use crate::fault::AuthenticationFault;
use crate::issuer::{Issuer, ServiceAccountProof, UserMapping};
use crate::json::{Json, Object};
use crate::jwt::{Registered, SKEW_SECONDS_MAX, Unverified, is_meant_as_jwt};
use crate::keys::{Keyring, SignatureVerdict};
use crate::legacy::{self, LegacyToken};
use crate::review::{self, Review, ReviewFault, ReviewRequest};
use crate::service_account;

/// A proof may be kept for this long, so that a withdrawn key stops counting soon after its set is
/// replaced.
pub const PROOF_SECONDS_MAX: i64 = 60;

/// As [`crate::REVIEW_AGE_MAX`].
const REVIEWED_SECONDS_MAX: i64 = 10;

/// An instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970, for what credentials say.
    pub unix_seconds: i64,
    /// Time since the process started, for the age of keys and reviews (K-8.9).
    pub uptime: Duration,
}

/// What is known from outside when a request is judged.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The keys of issuers.
    pub keys: &'a Keyring,
    /// The cluster's answer about the token, if it was asked.
    pub review: Option<&'a Review>,
}

/// A proven caller and how long the proof may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Who calls.
    pub caller: Caller,
    /// Earlier actors of a delegated token, the latest first: for audit only.
    pub prior_actors: Vec<String>,
    /// Seconds since 1970 at which the credential was issued, for revocations of what is older: `iat`
    /// of a token, the start of validity of a certificate; `None` for shared tokens.
    pub issued_at: Option<i64>,
    /// The key of the credentials, all that were presented.
    pub cache_key: CacheKey,
    /// Seconds since 1970 from which the proof must be made anew.
    pub valid_until: i64,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The caller is proven.
    Proven(Box<Proof>),
    /// A newer key set may prove the token: report [`crate::KeyEvent::UnknownKey`], fetch if due,
    /// and ask once more; otherwise refuse with the fault.
    NeedsKeys {
        /// URL of the issuer.
        issuer: String,
        /// What to answer if no fetch is due or it does not help.
        otherwise: AuthenticationFault,
    },
    /// The cluster must be asked, then ask again with its [`Review`].
    NeedsReview(Box<ReviewRequest>),
    /// Nobody is proven.
    Refused(AuthenticationFault),
}

/// Proves the caller of a request.
///
/// | token | certificate | outcome |
/// |---|---|---|
/// | none | none | refused |
/// | JWT | none | as the JWT proves |
/// | shared | none | its entry, of kind `legacy`, until its end |
/// | none | any | as the certificate proves |
/// | JWT | any | both must prove; one user: the token's; two users: refused, or as configured |
/// | shared, ended or not | any | as the certificate proves; the shared token never decides |
/// | unknown or unprovable | any | refused: no credential falls back to another |
/// | any | one nobody accepts | refused |
///
/// The proof ends with the first of the credentials it rests on.
#[must_use]
pub fn authenticate(
    authenticator: &Authenticator,
    evidence: Evidence<'_>,
    presented: &Presented<'_>,
    now: Moment,
) -> Outcome {
    match prove(authenticator, evidence, presented, now) {
        Ok(proof) => Outcome::Proven(Box::new(proof)),
        Err(Stop::Refused(fault)) => Outcome::Refused(fault),
        Err(Stop::NeedsKeys(issuer, otherwise)) => Outcome::NeedsKeys { issuer, otherwise },
        Err(Stop::NeedsReview(request)) => Outcome::NeedsReview(request),
    }
}

/// Why there is no proof (yet).
enum Stop {
    Refused(AuthenticationFault),
    NeedsKeys(String, AuthenticationFault),
    NeedsReview(Box<ReviewRequest>),
}

impl<F: Into<AuthenticationFault>> From<F> for Stop {
    fn from(fault: F) -> Self {
        Self::Refused(fault.into())
    }
}

/// A caller proven by one credential.
struct Proven {
    caller: Caller,
    issued_at: Option<i64>,
    prior_actors: Vec<String>,
    seconds_max: i64,
}

impl Proven {
    const fn alone(caller: Caller, issued_at: Option<i64>) -> Self {
        Self {
            caller,
            issued_at,
            prior_actors: Vec::new(),
            seconds_max: PROOF_SECONDS_MAX,
        }
    }
}

impl From<Holder> for Proven {
    fn from(holder: Holder) -> Self {
        Self::alone(holder.caller, Some(holder.issued_at))
    }
}

fn prove(
    authenticator: &Authenticator,
    evidence: Evidence<'_>,
    presented: &Presented<'_>,
    now: Moment,
) -> Result<Proof, Stop> {
    let credentials = Credentials::parse(presented)?;
    let key = credentials.cache_key();
    let certificate = match credentials.certificate {
        Some(der) => Some(certificate::prove(
            &authenticator.certificates,
            der,
            now.unix_seconds,
        )?),
        None => None,
    };
    let judge = Judge {
        authenticator,
        evidence,
        key,
        now,
    };
    let token = match &credentials.bearer {
        Some(bearer) => Some(judge.bearer(bearer)?),
        None => None,
    };
    let proven = match (token, certificate) {
        (None, None) => return Err(crate::CredentialFault::Missing.into()),
        (None | Some(TokenProof::Legacy(_)), Some(certificate)) => Proven::from(certificate),
        (Some(TokenProof::Identity(token)), None) => *token,
        (Some(TokenProof::Legacy(entry)), None) if now.unix_seconds < entry.expires_at => {
            Proven::alone(entry.caller(), None)
        }
        (Some(TokenProof::Legacy(entry)), None) => {
            return Err(AuthenticationFault::LegacyExpired(entry.name.clone()).into());
        }
        (Some(TokenProof::Identity(token)), Some(certificate)) => {
            judge.both(*token, Proven::from(certificate))?
        }
    };
    let kept_until = now.unix_seconds.saturating_add(proven.seconds_max);
    let valid_until = proven
        .caller
        .expires_at
        .map_or(kept_until, |end| end.min(kept_until));
    Ok(Proof {
        caller: proven.caller,
        prior_actors: proven.prior_actors,
        issued_at: proven.issued_at,
        cache_key: key,
        valid_until,
    })
}

/// What a bearer token proves.
enum TokenProof<'a> {
    Identity(Box<Proven>),
    Legacy(&'a LegacyToken),
}

struct Judge<'a> {
    authenticator: &'a Authenticator,
    evidence: Evidence<'a>,
    key: CacheKey,
    now: Moment,
}

impl<'a> Judge<'a> {
    fn both(&self, mut token: Proven, mut certificate: Proven) -> Result<Proven, Stop> {
        let ends = [token.caller.expires_at, certificate.caller.expires_at];
        let end = ends.into_iter().flatten().min();
        let same = token.caller.user.username == certificate.caller.user.username;
        match (same, self.authenticator.two_identities) {
            (true, _) | (false, TwoIdentities::Token) => {}
            (false, TwoIdentities::Certificate) => {
                certificate.caller.expires_at = end;
                certificate.seconds_max = token.seconds_max;
                return Ok(certificate);
            }
            (false, TwoIdentities::Refuse) => {
                return Err(Stop::Refused(AuthenticationFault::TwoIdentities {
                    token: token.caller.issuer,
                    certificate: certificate.caller.issuer,
                }));
            }
        }
        token.caller.expires_at = end;
        Ok(token)
    }

    // A token of a configured issuer is an identity even if its hash is also a shared token's.
    fn bearer(&self, bearer: &Bearer) -> Result<TokenProof<'a>, Stop> {
        let text = bearer.as_str();
        let legacy = || legacy::find(&self.authenticator.legacy, text).map(TokenProof::Legacy);
        if !is_meant_as_jwt(text) {
            return legacy().ok_or_else(|| AuthenticationFault::UnknownToken.into());
        }
        let token = match Unverified::parse(text) {
            Ok(token) => token,
            Err(fault) => return legacy().ok_or_else(|| fault.into()),
        };
        let blocks = || {
            self.authenticator
                .issuers
                .iter()
                .filter(|i| i.url == token.issuer)
        };
        let Some(first) = blocks().next() else {
            return legacy().ok_or_else(|| AuthenticationFault::UnknownIssuer.into());
        };
        let blocks: Vec<_> = blocks()
            .filter(|block| block.algorithms.contains(&token.algorithm))
            .collect();
        if blocks.is_empty() {
            let issuer = first.name.clone();
            return Err(AuthenticationFault::Algorithm {
                issuer,
                algorithm: token.algorithm,
            }
            .into());
        }
        let proven = if first.is_reviewed() {
            self.reviewed(bearer, &token, &blocks)?
        } else {
            self.verify(&token, first)?;
            let (block, registered) = self.choose(&token, &blocks)?;
            self.map(block, &token.claims, &registered)?
        };
        Ok(TokenProof::Identity(Box::new(proven)))
    }

    fn verify(&self, token: &Unverified<'_>, issuer: &Issuer) -> Result<(), Stop> {
        let name = || issuer.name.clone();
        let needs = |fault| Err(Stop::NeedsKeys(issuer.url.clone(), fault));
        let Some(keys) = self.evidence.keys.trusted(&issuer.url, self.now.uptime) else {
            return needs(AuthenticationFault::NoKeys(name()));
        };
        match keys.verify(token) {
            SignatureVerdict::Valid => Ok(()),
            SignatureVerdict::Invalid => Err(AuthenticationFault::Signature(name()).into()),
            SignatureVerdict::WrongAlgorithm => {
                Err(AuthenticationFault::KeyAlgorithm(name()).into())
            }
            SignatureVerdict::UnknownKey => needs(AuthenticationFault::UnknownKey(name())),
        }
    }

    /// The one block whose audience, expectations and times the token fits.
    fn choose(
        &self,
        token: &Unverified<'_>,
        blocks: &[&'a Issuer],
    ) -> Result<(&'a Issuer, Registered), AuthenticationFault> {
        let registered = Registered::read(&token.claims)?;
        let mut chosen: Option<&Issuer> = None;
        let mut fault = AuthenticationFault::UnknownIssuer;
        for block in blocks {
            match (fits(block, &token.claims, &registered), chosen) {
                (Ok(()), None) => chosen = Some(block),
                (Ok(()), Some(other)) => {
                    let names = (other.name.clone(), block.name.clone());
                    return Err(AuthenticationFault::Ambiguous(names.0, names.1));
                }
                (Err(found), _) => fault = found,
            }
        }
        let block = chosen.ok_or(fault)?;
        check_times(block, &registered, self.now.unix_seconds)?;
        Ok((block, registered))
    }

    fn map(
        &self,
        block: &Issuer,
        claims: &Object,
        registered: &Registered,
    ) -> Result<Proven, AuthenticationFault> {
        let refused = |fault| AuthenticationFault::Claims {
            issuer: block.name.clone(),
            fault,
        };
        let (mapper, kind) = self
            .authenticator
            .principal_block(block)
            .unwrap_or((block, CallerKind::Human));
        let Parties {
            caller,
            principals,
            prior_actors,
        } = parties(block.delegation.as_ref(), claims, &mapper.url).map_err(|fault| {
            AuthenticationFault::Delegation {
                issuer: block.name.clone(),
                fault,
            }
        })?;
        let rule = block
            .delegation
            .as_ref()
            .map_or(Delegation::Both, |delegation| delegation.rule);
        let id = match &registered.id {
            Some(id) => {
                printable(NameOf::Extra, id).map_err(|fault| refused(fault.into()))?;
                Some(credential_id_of_token(id))
            }
            None => None,
        };
        let party = if std::ptr::eq(caller, claims) {
            Party::Token
        } else {
            Party::Nested
        };
        let maker = Maker {
            rule,
            id,
            expires_at: registered.expires_at,
        };
        let mut acting_for = None;
        for principal in principals.into_iter().rev() {
            let party = if std::ptr::eq(principal, claims) {
                Party::Token
            } else {
                Party::Nested
            };
            if mapper.name != block.name {
                mapper.check_expectations(principal).map_err(refused)?;
            }
            let mut made = maker.make(mapper, principal, party)?;
            made.kind = kind;
            made.acting_for = acting_for;
            acting_for = Some(Box::new(made));
        }
        let mut caller = maker.make(block, caller, party)?;
        caller.acting_for = acting_for;
        let mut prior = Vec::new();
        for actor in prior_actors {
            prior.push(maker.make(block, actor, Party::Nested)?.user.username);
        }
        Ok(Proven {
            caller,
            issued_at: registered.issued_at,
            prior_actors: prior,
            seconds_max: PROOF_SECONDS_MAX,
        })
    }

    // The claims are not verified here; they only choose the block and refuse early. The user is
    // the cluster's word, and must be the one the claims name.
    fn reviewed(
        &self,
        bearer: &Bearer,
        token: &Unverified<'_>,
        blocks: &[&'a Issuer],
    ) -> Result<Proven, Stop> {
        let (block, registered) = self.choose(token, blocks)?;
        let review = self
            .evidence
            .review
            .filter(|r| r.counts(self.key, self.now.uptime));
        let Some(review) = review else {
            return Err(Stop::NeedsReview(Box::new(ReviewRequest {
                issuer: block.name.clone(),
                audiences: block.audiences.clone(),
                token: bearer.clone(),
                key: self.key,
            })));
        };
        let differs = || {
            let (issuer, fault) = (block.name.clone(), ReviewFault::Differs);
            Stop::Refused(AuthenticationFault::Review { issuer, fault })
        };
        if token.claims.get("sub").and_then(Json::as_text) != Some(&review.user.username) {
            return Err(differs());
        }
        let mut proven = self.map(block, &token.claims, &registered)?;
        if proven.caller.user.uid != review.user.uid {
            return Err(differs());
        }
        proven.caller.user = review.user.clone();
        proven.caller.credential_id = review::credential_id(&review.user);
        proven.seconds_max = REVIEWED_SECONDS_MAX;
        Ok(proven)
    }
}

fn fits(
    block: &Issuer,
    claims: &Object,
    registered: &Registered,
) -> Result<(), AuthenticationFault> {
    if !registered
        .audiences
        .iter()
        .any(|audience| block.audiences.contains(audience))
    {
        return Err(AuthenticationFault::Audience {
            issuer: block.name.clone(),
            accepted: block.audiences.iter().cloned().collect(),
        });
    }
    let refused = |fault| AuthenticationFault::Claims {
        issuer: block.name.clone(),
        fault,
    };
    block.check_expectations(claims).map_err(refused)
}

fn check_times(block: &Issuer, token: &Registered, now: i64) -> Result<(), AuthenticationFault> {
    let name = || block.name.clone();
    let soon = now.saturating_add(SKEW_SECONDS_MAX);
    if token.expires_at <= now {
        return Err(AuthenticationFault::Expired(name()));
    }
    if token.not_before.is_some_and(|from| soon < from) {
        return Err(AuthenticationFault::NotYetValid(name()));
    }
    let issued_at = token
        .issued_at
        .ok_or_else(|| AuthenticationFault::NoIssueTime(name()))?;
    if soon < issued_at {
        return Err(AuthenticationFault::IssuedLater(name()));
    }
    let longest = token.expires_at.max(now).saturating_sub(issued_at);
    if longest > block.max_age {
        return Err(AuthenticationFault::Age {
            issuer: name(),
            seconds_max: block.max_age,
        });
    }
    Ok(())
}

/// What all callers made from one token share.
struct Maker {
    rule: Delegation,
    id: Option<String>,
    expires_at: i64,
}

impl Maker {
    fn make(
        &self,
        block: &Issuer,
        claims: &Object,
        party: Party,
    ) -> Result<Caller, AuthenticationFault> {
        let refused = |fault| AuthenticationFault::Claims {
            issuer: block.name.clone(),
            fault,
        };
        let mut user = match &block.user {
            UserMapping::Claims(mapping) => mapping.read(claims, party),
            UserMapping::ServiceAccount(
                ServiceAccountProof::Keys | ServiceAccountProof::TokenReview,
            ) => service_account::read_user(claims),
        }
        .map_err(refused)?;
        if let Some(id) = &self.id {
            user.extra
                .insert(CREDENTIAL_ID_KEY.to_owned(), vec![id.clone()]);
        }
        Ok(Caller {
            issuer: block.name.clone(),
            user,
            kind: block.kind,
            attributes: block.read_attributes(claims).map_err(refused)?,
            acting_for: None,
            delegation: self.rule,
            expires_at: Some(self.expires_at),
            credential_id: self.id.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
