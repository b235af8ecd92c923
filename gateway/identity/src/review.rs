//! Proof of a token by the cluster: TokenReview (K-8.11). Here are the request body, the strict
//! reading of the answer, and how long it counts; the server crate sends it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use gateway_kubeapi::UserInfo;
use serde_json::json;

use crate::claims::{CREDENTIAL_ID_KEY, GROUP_COUNT_MAX, NameFault, NameOf, is_system, printable};
use crate::credential::{Bearer, CacheKey};
use crate::json::{self, Json, JsonFault, Object};
use crate::service_account;

/// An answer counts for this long (K-8.5, K-8.11): a deleted account or pod stops counting then.
pub const REVIEW_AGE_MAX: Duration = Duration::from_secs(10);

// BOUND: an answer is a user and the request's own token again.
/// Longest answer, in bytes.
pub const REVIEW_BYTES_MAX: usize = 256 * 1024;

const API_VERSION: &str = "authentication.k8s.io/v1";

/// The group every authenticated user is given again upstream when impersonated (K-7.4).
const AUTHENTICATED: &str = "system:authenticated";

/// A question to the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct ReviewRequest {
    pub(crate) issuer: String,
    pub(crate) audiences: BTreeSet<String>,
    pub(crate) token: Bearer,
    pub(crate) key: CacheKey,
}

impl fmt::Debug for ReviewRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReviewRequest")
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl ReviewRequest {
    /// The issuer block that wants the answer: it names the cluster to ask.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key under which the answer may be kept for [`REVIEW_AGE_MAX`].
    #[must_use]
    pub const fn cache_key(&self) -> CacheKey {
        self.key
    }

    /// The body for `POST /apis/authentication.k8s.io/v1/tokenreviews`. It holds the token: never
    /// log it.
    #[must_use]
    pub fn body(&self) -> String {
        json!({
            "apiVersion": API_VERSION,
            "kind": "TokenReview",
            "spec": { "token": self.token.as_str(), "audiences": self.audiences },
        })
        .to_string()
    }
}

/// What the cluster says of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    key: CacheKey,
    taken_at: Duration,
    pub(crate) user: UserInfo,
}

/// Why an answer proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewFault {
    /// More than [`REVIEW_BYTES_MAX`].
    #[error("the answer is longer than {REVIEW_BYTES_MAX} bytes")]
    TooLong,
    /// Not strict JSON.
    #[error("the answer cannot be read: {0}")]
    Json(JsonFault),
    /// Not a TokenReview with a status.
    #[error("the answer is no TokenReview: `{0}` is missing or odd")]
    Shape(&'static str),
    /// The cluster does not know the token.
    #[error("the cluster does not accept the token")]
    NotAuthenticated,
    /// The token is for none of our audiences.
    #[error("the cluster found none of the audiences in the token")]
    Audience,
    /// The user is not one the gateway may speak for.
    #[error("the user of the answer is no ServiceAccount with its own groups")]
    User,
    /// A name in the answer is not acceptable.
    #[error("{0}")]
    Name(NameFault),
    /// The cluster and the token name different accounts.
    #[error("the cluster and the token name different accounts")]
    Differs,
}

impl Review {
    /// Reads the cluster's answer to `request`, taken at `uptime`.
    ///
    /// # Errors
    /// The answer is unreadable, negative, or about another audience or kind of user.
    pub fn parse(
        request: &ReviewRequest,
        answer: &[u8],
        uptime: Duration,
    ) -> Result<Self, ReviewFault> {
        if answer.len() > REVIEW_BYTES_MAX {
            return Err(ReviewFault::TooLong);
        }
        let answer = json::parse_object(answer).map_err(ReviewFault::Json)?;
        let is =
            |member: &str, text: &str| answer.get(member).and_then(Json::as_text) == Some(text);
        if !is("apiVersion", API_VERSION) || !is("kind", "TokenReview") {
            return Err(ReviewFault::Shape("kind"));
        }
        let status = answer.get("status").and_then(Json::as_object);
        let status = status.ok_or(ReviewFault::Shape("status"))?;
        match status.get("authenticated") {
            Some(Json::Bool(true)) => {}
            None | Some(Json::Bool(false)) => return Err(ReviewFault::NotAuthenticated),
            Some(_) => return Err(ReviewFault::Shape("status.authenticated")),
        }
        if !matches!(
            status.get("error").map(Json::as_text),
            None | Some(Some(""))
        ) {
            return Err(ReviewFault::NotAuthenticated);
        }
        // A server that knows nothing of audiences leaves the list out: not proven for us.
        let audiences = list(status, "audiences", "status.audiences")?;
        if !audiences
            .iter()
            .any(|audience| request.audiences.contains(*audience))
        {
            return Err(ReviewFault::Audience);
        }
        let user = status.get("user").and_then(Json::as_object);
        let user = read_user(user.ok_or(ReviewFault::Shape("status.user"))?)?;
        Ok(Self {
            key: request.key,
            taken_at: uptime,
            user,
        })
    }

    /// Whether the answer is about that token and not too old at `uptime`. An answer from the
    /// future does not count.
    pub(crate) fn counts(&self, key: CacheKey, uptime: Duration) -> bool {
        let age = uptime.checked_sub(self.taken_at);
        self.key == key && age.is_some_and(|age| age <= REVIEW_AGE_MAX)
    }
}

fn read_user(user: &Object) -> Result<UserInfo, ReviewFault> {
    let text = |member: &str| match user.get(member).map(Json::as_text) {
        None | Some(Some("")) => Ok(None),
        Some(Some(text)) => Ok(Some(text.to_owned())),
        Some(None) => Err(ReviewFault::Shape("status.user")),
    };
    let username = text("username")?.ok_or(ReviewFault::Shape("status.user"))?;
    let (namespace, _) = service_account::split_user(&username).ok_or(ReviewFault::User)?;
    let own = service_account::groups(namespace);
    let mut groups = list(user, "groups", "status.user.groups")?;
    groups.retain(|group| *group != AUTHENTICATED);
    if groups.len() > GROUP_COUNT_MAX {
        return Err(ReviewFault::Name(NameFault::TooManyGroups));
    }
    for group in &groups {
        printable(NameOf::Group, group).map_err(ReviewFault::Name)?;
        if is_system(group) && !own.iter().any(|own| own == group) {
            return Err(ReviewFault::User);
        }
    }
    let groups = groups.into_iter().map(str::to_owned).collect();
    let uid = text("uid")?;
    if let Some(uid) = &uid {
        printable(NameOf::Uid, uid).map_err(ReviewFault::Name)?;
    }
    Ok(UserInfo {
        uid,
        groups,
        extra: extra(user)?,
        username,
    })
}

fn extra(user: &Object) -> Result<BTreeMap<String, Vec<String>>, ReviewFault> {
    let shape = ReviewFault::Shape("status.user.extra");
    let Some(extra) = user.get("extra") else {
        return Ok(BTreeMap::new());
    };
    let mut out = BTreeMap::new();
    for (key, values) in extra.as_object().ok_or(shape.clone())? {
        let values = values.as_list().ok_or(shape.clone())?;
        let values: Option<Vec<_>> = values.iter().map(Json::as_text).collect();
        let values = values.ok_or(shape.clone())?;
        for name in values.iter().copied().chain([key.as_str()]) {
            printable(NameOf::Extra, name).map_err(ReviewFault::Name)?;
        }
        out.insert(key.clone(), values.into_iter().map(str::to_owned).collect());
    }
    Ok(out)
}

fn list<'a>(
    object: &'a Object,
    member: &str,
    path: &'static str,
) -> Result<Vec<&'a str>, ReviewFault> {
    let Some(value) = object.get(member) else {
        return Ok(Vec::new());
    };
    let items = value
        .as_list()
        .and_then(|items| items.iter().map(Json::as_text).collect());
    items.ok_or(ReviewFault::Shape(path))
}

/// The credential id of a reviewed user.
pub(crate) fn credential_id(user: &UserInfo) -> Option<String> {
    match user.extra.get(CREDENTIAL_ID_KEY).map(Vec::as_slice) {
        Some([id]) => Some(id.clone()),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests;
