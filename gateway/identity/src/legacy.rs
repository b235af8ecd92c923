//! Shared static bearer tokens, for systems that cannot prove themselves better yet. They are kept
//! as SHA-256 hashes; since the tokens are long and random, a plain hash cannot be guessed back.

use std::collections::BTreeMap;
use std::fmt;

use gateway_kubeapi::{Caller, CallerKind, Delegation, UserInfo};
use sha2::{Digest as _, Sha256};

use crate::claims::{NameFault, NameOf, external};

// BOUND: every look-up compares all of them.
/// Most shared tokens.
pub const LEGACY_COUNT_MAX: usize = 1024;

/// Shorter bearer tokens never match: they could be guessed, also from the hash.
pub const LEGACY_TOKEN_BYTES_MIN: usize = 32;

/// One shared token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacySpec {
    /// Name of the entry; the caller's issuer.
    pub name: String,
    /// `sha256:` and 64 lower-case hex digits.
    pub hash: String,
    /// The user it stands for.
    pub username: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// Seconds since 1970 from which it no longer counts. There is no token without end.
    pub expires_at: i64,
}

/// Why an entry cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LegacyFault {
    /// Not `sha256:` and 64 lower-case hex digits.
    #[error("`hash` is not `sha256:` and 64 lower-case hex digits")]
    Hash,
    /// A name that may not go upstream.
    #[error("{0}")]
    Name(#[from] NameFault),
}

/// A checked entry.
#[derive(Clone)]
pub(crate) struct LegacyToken {
    pub(crate) name: String,
    pub(crate) hash: [u8; 32],
    username: String,
    groups: Vec<String>,
    pub(crate) expires_at: i64,
}

impl fmt::Debug for LegacyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyToken")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl LegacyToken {
    pub(crate) fn check(spec: LegacySpec) -> Result<Self, LegacyFault> {
        external(NameOf::User, &spec.username)?;
        for group in &spec.groups {
            external(NameOf::Group, group)?;
        }
        Ok(Self {
            hash: parse_hash(&spec.hash).ok_or(LegacyFault::Hash)?,
            name: spec.name,
            username: spec.username,
            groups: spec.groups,
            expires_at: spec.expires_at,
        })
    }

    /// The entry as a caller; policy sees the kind `legacy`.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            issuer: self.name.clone(),
            user: UserInfo {
                username: self.username.clone(),
                uid: None,
                groups: self.groups.clone(),
                extra: BTreeMap::new(),
            },
            kind: CallerKind::Legacy,
            attributes: BTreeMap::new(),
            acting_for: None,
            delegation: Delegation::Both,
            expires_at: Some(self.expires_at),
            credential_id: Some(format!("LEGACY={}", self.name)),
        }
    }
}

/// The entry of a token. The time taken depends neither on which entry matches nor on how much of
/// a hash does.
pub(crate) fn find<'a>(entries: &'a [LegacyToken], token: &str) -> Option<&'a LegacyToken> {
    if token.len() < LEGACY_TOKEN_BYTES_MIN {
        return None;
    }
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let mut found = None;
    for entry in entries {
        if equal(&entry.hash, &hash) {
            found = Some(entry);
        }
    }
    found
}

fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(difference) == 0
}

fn parse_hash(written: &str) -> Option<[u8; 32]> {
    let digits = written.strip_prefix("sha256:")?.as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(value(*high)? << 4 | value(*low)?))
        .collect();
    if rest.is_empty() {
        bytes?.try_into().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn hash(token: &str) -> String {
        let digest = Sha256::digest(token.as_bytes());
        digest.iter().fold("sha256:".to_owned(), |text, byte| {
            format!("{text}{byte:02x}")
        })
    }

    fn spec(name: &str, token: &str) -> LegacySpec {
        LegacySpec {
            name: name.to_owned(),
            hash: hash(token),
            username: "legacy:backup".to_owned(),
            groups: vec!["legacy:ops".to_owned()],
            expires_at: 2_000_000_000,
        }
    }

    #[test]
    fn finds_a_token_by_its_hash_only() {
        let entries = [spec("a", TOKEN), spec("b", &TOKEN.replace('0', "x"))]
            .map(|spec| LegacyToken::check(spec).unwrap());
        let name = |token: &str| find(&entries, token).map(|entry| entry.name.clone());
        assert_eq!(name(TOKEN), Some("a".to_owned()));
        assert_eq!(name(&TOKEN.replace('0', "x")), Some("b".to_owned()));
        assert_eq!(name(&TOKEN.replace('0', "y")), None);
        assert_eq!(name(&hash(TOKEN)), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn never_matches_a_short_token() {
        let entries = [LegacyToken::check(spec("a", "hunter2")).unwrap()];
        assert!(find(&entries, "hunter2").is_none());
    }

    #[test]
    fn a_caller_shows_that_it_is_shared_and_when_it_ends() {
        let caller = LegacyToken::check(spec("a", TOKEN)).unwrap().caller();
        assert_eq!(caller.kind, CallerKind::Legacy);
        assert_eq!(caller.expires_at, Some(2_000_000_000));
        assert_eq!(caller.credential_id.as_deref(), Some("LEGACY=a"));
        assert_eq!(caller.user.groups, ["legacy:ops"]);
    }

    #[test]
    fn refuses_loose_hashes_and_names_of_the_cluster() {
        let good = hash(TOKEN);
        for bad in [
            good.replace("sha256:", ""),
            good.replace("sha256", "SHA256"),
            good.to_uppercase(),
            format!("{good}0"),
            format!("{good}00"),
            good.replacen(':', ": ", 1),
            String::new(),
            "sha256:".to_owned(),
        ] {
            let found = LegacyToken::check(LegacySpec {
                hash: bad.clone(),
                ..spec("a", TOKEN)
            });
            assert_eq!(found.unwrap_err(), LegacyFault::Hash, "{bad}");
        }
        let system = || "system:masters".to_owned();
        let user = LegacySpec {
            username: system(),
            ..spec("a", TOKEN)
        };
        let group = LegacySpec {
            groups: vec![system()],
            ..spec("a", TOKEN)
        };
        for spec in [user, group] {
            let found = LegacyToken::check(spec).unwrap_err();
            assert!(
                matches!(found, LegacyFault::Name(NameFault::System(..))),
                "{found}"
            );
        }
    }
}
