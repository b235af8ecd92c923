//! Impersonation headers that the gateway sends: who the API server will see.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::has_control_byte;
use crate::caller::UserInfo;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// BOUND: the API server takes 1 MiB of headers; half of it is left to the rest. More is refused.
const IDENTITY_BYTES_MAX: usize = 512 * 1024;

/// The API server lower-cases the header name, then percent-decodes it (K-7.1). Upper-case letters
/// therefore travel encoded, as does all that no header name can hold.
const KEY_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Which names under `system:` may be sent upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemNames {
    /// None: the default (K-7.4).
    Refuse,
    /// ServiceAccounts as themselves: the user name, and the groups that follow from it.
    ServiceAccounts,
}

/// Why an identity cannot be sent upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// Without a user the API server would not impersonate at all (K-7.2).
    #[error("the mapped user name is empty; map a claim that is always present")]
    NoUser,
    /// An empty group.
    #[error("the mapped groups hold an empty name")]
    EmptyGroup,
    /// A reserved name (K-7.4).
    #[error("the mapped name `{name}` begins with `system:`; give the issuer a prefix")]
    SystemName {
        /// The name.
        name: String,
    },
    /// Control characters, or spaces at the ends, which the API server would trim away.
    #[error("the mapped value `{}` cannot be sent in a header", value.escape_debug())]
    Value {
        /// The value.
        value: String,
    },
    /// A key that is empty.
    #[error("the extra key `{}` cannot be sent in a header", key.escape_debug())]
    Key {
        /// The key.
        key: String,
    },
    /// More than half of what the API server takes as headers.
    #[error("the identity has more than {IDENTITY_BYTES_MAX} bytes; map fewer groups")]
    TooLarge,
    /// The head to send does not impersonate exactly one user, or carries what no head may.
    #[error("the upstream head is not safe to send: {why}")]
    UnsafeHead {
        /// What is wrong.
        why: &'static str,
    },
}

/// The impersonation headers of one identity: exactly one user, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpersonationHeaders(Vec<(HeaderName, HeaderValue)>);

impl ImpersonationHeaders {
    /// Builds the headers of an identity.
    ///
    /// # Errors
    /// [`IdentityFault`] if the API server could see another identity than this one.
    pub fn build(user: &UserInfo, system: SystemNames) -> Result<Self, IdentityFault> {
        let UserInfo {
            username,
            uid,
            groups,
            extra,
        } = user;
        if username.is_empty() {
            return Err(IdentityFault::NoUser);
        }
        let account = service_account(username);
        check_user(username, system)?;
        let mut pairs = vec![(USER, value_of(username)?)];
        if let Some(uid) = uid.as_ref().filter(|uid| !uid.is_empty()) {
            pairs.push((UID, value_of(uid)?));
        }
        for group in groups {
            check_group(group, account, system)?;
            pairs.push((GROUP, value_of(group)?));
        }
        for (key, values) in extra {
            let name = extra_name(key)?;
            for value in values {
                pairs.push((name.clone(), value_of(value)?));
            }
        }
        let bytes: usize = pairs
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if bytes > IDENTITY_BYTES_MAX {
            return Err(IdentityFault::TooLarge);
        }
        Ok(Self(pairs))
    }

    /// The headers in order.
    #[must_use]
    pub fn pairs(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0
    }

    /// Puts the headers into an upstream head, in place of any that were there.
    pub fn apply_to(&self, head: &mut HeaderMap) {
        let stale: Vec<HeaderName> = head
            .keys()
            .filter(|name| name.as_str().starts_with("impersonate-"))
            .cloned()
            .collect();
        for name in stale {
            head.remove(name);
        }
        for (name, value) in &self.0 {
            head.append(name.clone(), value.clone());
        }
    }
}

/// The last look at an upstream head before the socket (K-7.2).
///
/// # Errors
/// [`IdentityFault::UnsafeHead`] if the API server could take the request for the gateway's own,
/// or for someone whom the client named.
pub fn check_before_send(head: &HeaderMap) -> Result<(), IdentityFault> {
    let unsafe_head = |why| Err(IdentityFault::UnsafeHead { why });
    let mut users = head.get_all(&USER).iter();
    match (users.next(), users.next()) {
        (Some(user), None) if !user.as_bytes().trim_ascii().is_empty() => {}
        _ => return unsafe_head("it does not impersonate exactly one user"),
    }
    let foreign =
        |name: &HeaderName| name.as_str().starts_with("x-remote-") || *name == header::COOKIE;
    if head.keys().any(foreign) {
        return unsafe_head("it has an identity header beside the impersonation");
    }
    if head
        .values()
        .any(|value| has_control_byte(value.as_bytes()))
    {
        return unsafe_head("a value has a control byte");
    }
    Ok(())
}

fn check_user(name: &str, system: SystemNames) -> Result<(), IdentityFault> {
    let allowed = match system {
        SystemNames::Refuse => false,
        SystemNames::ServiceAccounts => service_account(name).is_some(),
    };
    if is_system(name) && !allowed {
        return Err(IdentityFault::SystemName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn check_group(
    group: &str,
    account: Option<(&str, &str)>,
    system: SystemNames,
) -> Result<(), IdentityFault> {
    if group.is_empty() {
        return Err(IdentityFault::EmptyGroup);
    }
    let allowed = match (system, account) {
        (SystemNames::ServiceAccounts, Some((namespace, _))) => {
            group == "system:serviceaccounts"
                || group == "system:authenticated"
                || group.strip_prefix("system:serviceaccounts:") == Some(namespace)
        }
        (SystemNames::ServiceAccounts, None) | (SystemNames::Refuse, _) => false,
    };
    if is_system(group) && !allowed {
        return Err(IdentityFault::SystemName {
            name: group.to_owned(),
        });
    }
    Ok(())
}

/// In any case, so that `System:masters` is not the next surprise.
fn is_system(name: &str) -> bool {
    name.get(..7)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("system:"))
}

/// Namespace and name in `system:serviceaccount:NAMESPACE:NAME`.
fn service_account(name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = name
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    let is_label = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    };
    (is_label(namespace) && is_label(name)).then_some((namespace, name))
}

fn value_of(text: &str) -> Result<HeaderValue, IdentityFault> {
    let fault = || IdentityFault::Value {
        value: text.to_owned(),
    };
    // Go trims spaces and tabs around header values: ` admin` would arrive as `admin`.
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(fault());
    }
    HeaderValue::from_bytes(text.as_bytes())
        .ok()
        .ok_or_else(fault)
}

fn extra_name(key: &str) -> Result<HeaderName, IdentityFault> {
    let fault = || IdentityFault::Key {
        key: key.to_owned(),
    };
    if key.is_empty() {
        return Err(fault());
    }
    let mut name = String::from(EXTRA_PREFIX);
    for character in key.chars() {
        let mut buffer = [0; 4];
        let text: &str = character.encode_utf8(&mut buffer);
        if character.is_ascii_uppercase() {
            name.push_str(&format!("%{:02x}", u32::from(character)));
        } else {
            name.extend(utf8_percent_encode(text, KEY_ESCAPES));
        }
    }
    HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())
        .ok()
        .ok_or_else(fault)
}
