//! Impersonation headers that the client sent: a question to policy, never forwarded (K-7.15).

use std::collections::BTreeMap;

use http::header::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use super::{HeaderFault, value_text};

const PREFIX: &str = "impersonate-";
const USER: HeaderName = HeaderName::from_static("impersonate-user");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// Whom the client asks to act as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impersonation {
    /// The user; never empty.
    pub user: String,
    /// The uid.
    pub uid: Option<String>,
    /// Groups in the order sent.
    pub groups: Vec<String>,
    /// Extra attributes; keys are decoded and lower-case.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Impersonation {
    /// Reads the headers; `None` if there are none. Upstream an empty user means "do not
    /// impersonate", which would run the request with the gateway's rights (K-7.2).
    pub(super) fn judge(headers: &HeaderMap) -> Result<Option<Self>, HeaderFault> {
        let mut seen = false;
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in headers.keys() {
            let Some(word) = name.as_str().strip_prefix(PREFIX) else {
                continue;
            };
            seen = true;
            if let Some(key) = name.as_str().strip_prefix(EXTRA_PREFIX) {
                extra
                    .entry(decode_key(key)?)
                    .or_default()
                    .extend(values(headers, name)?);
            } else if !matches!(word, "user" | "uid" | "group") {
                return Err(HeaderFault::Impersonation {
                    why: "there is an unknown header",
                });
            }
        }
        if !seen {
            return Ok(None);
        }
        let user = single(headers, &USER)?.ok_or(HeaderFault::Impersonation {
            why: "Impersonate-User is missing",
        })?;
        let uid = single(headers, &UID)?;
        let groups = values(headers, &GROUP)?;
        if groups.iter().any(String::is_empty) {
            return Err(HeaderFault::Impersonation {
                why: "a group is empty",
            });
        }
        Ok(Some(Self {
            user,
            uid,
            groups,
            extra,
        }))
    }
}

fn single(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, HeaderFault> {
    let mut values = values(headers, name)?;
    match (values.pop(), values.is_empty()) {
        (None, _) => Ok(None),
        (Some(value), true) if !value.is_empty() => Ok(Some(value)),
        (Some(_), _) => Err(HeaderFault::Impersonation {
            why: "a user or uid is empty or repeated",
        }),
    }
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Result<Vec<String>, HeaderFault> {
    let values = headers.get_all(name).iter();
    values
        .map(|value| value_text(name, value).map(ToOwned::to_owned))
        .collect()
}

/// Header names are lower-case already; the key is percent-decoded after that (K-7.1).
fn decode_key(key: &str) -> Result<String, HeaderFault> {
    let fault = HeaderFault::Impersonation {
        why: "an extra key is not percent-encoded text",
    };
    match percent_decode_str(key).decode_utf8() {
        Ok(text)
            if !text.is_empty() && !text.contains('%') && !text.chars().any(char::is_control) =>
        {
            Ok(text.into_owned())
        }
        Ok(_) | Err(_) => Err(fault),
    }
}
