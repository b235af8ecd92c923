//! The mapping of one issuer, checked, and its application to claims.

use std::collections::BTreeMap;

use gateway_kubeapi::UserInfo;

use super::names::{GROUP_COUNT_MAX, NameFault, NameOf, external, printable};
use super::{ClaimFault, ClaimName, Pattern};
use crate::json::{Json, Object};

/// The claim a plain `email` is vouched for by (OpenID Connect Core §5.1, K-8.2).
const EMAIL_VERIFIED: &str = "email_verified";

/// A text made from claims.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    /// The value of one claim.
    Claim(ClaimName),
    /// Fixed text and claims in turn.
    Template(Vec<Segment>),
}

#[derive(Debug, Clone)]
pub(crate) enum Segment {
    Fixed(String),
    Claim(ClaimName),
}

/// Groups from a claim.
#[derive(Debug, Clone)]
pub(crate) struct GroupsClaim {
    pub(crate) claim: ClaimName,
    pub(crate) prefix: String,
}

/// A claim that must have exactly this value.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) claim: ClaimName,
    pub(crate) value: String,
}

/// An identity attribute for rules.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) claim: ClaimName,
    pub(crate) matching: Option<Pattern>,
}

/// How a user is read from claims.
#[derive(Debug, Clone)]
pub(crate) struct UserClaims {
    pub(crate) username: Text,
    pub(crate) verified_by: Option<ClaimName>,
    pub(crate) prefix: String,
    pub(crate) groups: Option<GroupsClaim>,
    pub(crate) uid: Option<ClaimName>,
    pub(crate) extra: BTreeMap<String, ClaimName>,
}

/// Whose claims are read: a party inside a delegation claim seldom repeats every claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Party {
    /// The token itself.
    Token,
    /// An object inside it: a missing uid is no fault.
    Nested,
}

impl Text {
    /// Reads `gha:{claim.repository}`. `None` for stray braces or a template without claim.
    pub(crate) fn parse_template(written: &str) -> Option<Result<Self, super::ClaimNameFault>> {
        let (mut segments, mut rest) = (Vec::new(), written);
        let mut claims = 0;
        while let Some((fixed, after)) = rest.split_once('{') {
            let (name, after) = after.strip_prefix("claim.")?.split_once('}')?;
            if fixed.contains('}') || name.contains('{') {
                return None;
            }
            match ClaimName::parse(name) {
                Ok(claim) => {
                    segments.extend([Segment::Fixed(fixed.to_owned()), Segment::Claim(claim)]);
                }
                Err(fault) => return Some(Err(fault)),
            }
            claims += 1;
            rest = after;
        }
        if rest.contains('}') || claims == 0 {
            return None;
        }
        segments.push(Segment::Fixed(rest.to_owned()));
        Some(Ok(Self::Template(segments)))
    }

    fn read(&self, claims: &Object) -> Result<String, ClaimFault> {
        match self {
            Self::Claim(name) => name.text(claims).map(str::to_owned),
            Self::Template(segments) => segments
                .iter()
                .map(|segment| match segment {
                    Segment::Fixed(fixed) => Ok(fixed.as_str()),
                    // An empty part would make names of one template look like another's.
                    Segment::Claim(name) => match name.text(claims)? {
                        "" => Err(name.missing()),
                        text => Ok(text),
                    },
                })
                .collect(),
        }
    }

    fn uses(&self, claim: &str) -> bool {
        match self {
            Self::Claim(name) => name.is(claim),
            Self::Template(segments) => segments.iter().any(|segment| match segment {
                Segment::Fixed(_) => false,
                Segment::Claim(name) => name.is(claim),
            }),
        }
    }
}

impl UserClaims {
    pub(crate) fn read(&self, claims: &Object, party: Party) -> Result<UserInfo, ClaimFault> {
        let username = self.username(claims)?;
        let groups = match &self.groups {
            Some(groups) => groups.read(claims)?,
            None => Vec::new(),
        };
        let uid = match (&self.uid, party) {
            (None, _) => None,
            (Some(claim), Party::Nested) if claim.find(claims)?.is_none() => None,
            (Some(claim), Party::Token | Party::Nested) => {
                let uid = claim.text(claims)?;
                printable(NameOf::Uid, uid)?;
                Some(uid.to_owned())
            }
        };
        let mut extra = BTreeMap::new();
        for (key, claim) in &self.extra {
            let values = extra_values(claim, claims)?;
            if !values.is_empty() {
                extra.insert(key.clone(), values);
            }
        }
        Ok(UserInfo {
            username,
            uid,
            groups,
            extra,
        })
    }

    fn username(&self, claims: &Object) -> Result<String, ClaimFault> {
        let read = self.username.read(claims)?;
        // Kubernetes takes an empty claim with a prefix; all who have none would be one user.
        if read.is_empty() {
            return Err(NameFault::Empty(NameOf::User).into());
        }
        let is_true = |value: &Json| matches!(value, Json::Bool(true));
        if let Some(claim) = &self.verified_by
            && !claim.find(claims)?.is_some_and(is_true)
        {
            return Err(ClaimFault::NotVerified(claim.as_str().to_owned()));
        }
        if self.username.uses("email") && claims.get(EMAIL_VERIFIED).is_some_and(|v| !is_true(v)) {
            return Err(ClaimFault::NotVerified(EMAIL_VERIFIED.to_owned()));
        }
        let username = format!("{}{read}", self.prefix);
        external(NameOf::User, &username)?;
        Ok(username)
    }
}

impl GroupsClaim {
    fn read(&self, claims: &Object) -> Result<Vec<String>, ClaimFault> {
        let Some(value) = self.claim.find(claims)? else {
            refuse_distributed(&self.claim, claims)?;
            return Ok(Vec::new());
        };
        let values = value.as_texts().ok_or_else(|| self.claim.wrong_type())?;
        if values.len() > GROUP_COUNT_MAX {
            return Err(NameFault::TooManyGroups.into());
        }
        let mut groups = Vec::with_capacity(values.len());
        for value in values {
            if value.is_empty() {
                return Err(NameFault::Empty(NameOf::Group).into());
            }
            let group = format!("{}{value}", self.prefix);
            external(NameOf::Group, &group)?;
            groups.push(group);
        }
        Ok(groups)
    }
}

// OpenID Connect Core §5.6.2: the groups are elsewhere, which Kubernetes fetches. A decision
// without them could miss a deny, so the token is refused.
fn refuse_distributed(claim: &ClaimName, claims: &Object) -> Result<(), ClaimFault> {
    let (Some(names), name) = (claims.get("_claim_names"), "_claim_names") else {
        return Ok(());
    };
    let names = names
        .as_object()
        .ok_or_else(|| ClaimFault::Type(name.to_owned()))?;
    if names.contains_key(claim.as_str()) {
        return Err(ClaimFault::Distributed(claim.as_str().to_owned()));
    }
    Ok(())
}

// As `has(claims.x) ? claims.x : ''` in Kubernetes: empty texts are left out, a missing claim or an
// empty list is no attribute.
fn extra_values(claim: &ClaimName, claims: &Object) -> Result<Vec<String>, ClaimFault> {
    let Some(value) = claim.find(claims)? else {
        return Ok(Vec::new());
    };
    let mut values = Vec::new();
    for text in value.as_texts().ok_or_else(|| claim.wrong_type())? {
        if !text.is_empty() {
            printable(NameOf::Extra, text)?;
            values.push(text.to_owned());
        }
    }
    Ok(values)
}

impl Expectation {
    /// As `claimValidationRules` with `requiredValue`: a string that is equal.
    pub(crate) fn holds(&self, claims: &Object) -> Result<(), ClaimFault> {
        let value = self.claim.text(claims)?;
        if value == self.value {
            Ok(())
        } else {
            Err(ClaimFault::Unexpected(self.claim.as_str().to_owned()))
        }
    }
}

impl Attribute {
    /// The values, or `None` where the attribute is missing: no claim, a value of no simple type,
    /// an empty list, or any value that does not match.
    pub(crate) fn read(&self, claims: &Object) -> Result<Option<Vec<String>>, ClaimFault> {
        let Some(value) = self.claim.find(claims)? else {
            return Ok(None);
        };
        let values = match value {
            Json::List(items) => items.iter().map(simple).collect::<Option<Vec<_>>>(),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
                simple(value).map(|value| vec![value])
            }
        };
        let matching = |value: &String| {
            self.matching
                .as_ref()
                .is_none_or(|pattern| pattern.matches(value))
        };
        Ok(values.filter(|values| !values.is_empty() && values.iter().all(matching)))
    }
}

// Numbers count only as plain integers: `1e3`, `1000.0` and `-0` have several spellings.
fn simple(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(digits) => {
            let number: i64 = digits.parse().ok()?;
            (number.to_string() == *digits).then(|| digits.clone())
        }
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
