//! What a user name, group, uid or extra value must look like before it may go upstream.

use std::fmt;

// BOUND: SPIFFE ids have at most 2048 bytes; no name of a directory is longer.
/// Longest user name, group, uid or extra value, prefix included, in bytes.
pub const NAME_BYTES_MAX: usize = 2048;

// BOUND: each group becomes one header line upstream; directories stop at about 200 per token.
/// Most groups of one caller.
pub const GROUP_COUNT_MAX: usize = 512;

/// The extra key under which Kubernetes keeps `JTI=…` and `X509SHA256=…`.
pub(crate) const CREDENTIAL_ID_KEY: &str = "authentication.kubernetes.io/credential-id";

const SYSTEM: &str = "system:";

/// What a refused name was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameOf {
    /// The user name.
    User,
    /// A group.
    Group,
    /// The uid.
    Uid,
    /// A value of an extra attribute.
    Extra,
}

impl fmt::Display for NameOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user name",
            Self::Group => "group",
            Self::Uid => "uid",
            Self::Extra => "extra value",
        })
    }
}

/// Why a name may not go upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Empty: an empty user means no impersonation at all (K-7.2).
    #[error("the {0} is empty")]
    Empty(NameOf),
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("the {0} is longer than {NAME_BYTES_MAX} bytes")]
    TooLong(NameOf),
    /// A character that is lost, changed or unseen on the way.
    #[error("the {0} has a control, invisible or edge blank character: {1}")]
    Character(NameOf, String),
    /// It claims an identity of the cluster itself (K-7.4).
    #[error("the {0} {1} begins `system:`")]
    System(NameOf, String),
    /// More than [`GROUP_COUNT_MAX`].
    #[error("there are more than {GROUP_COUNT_MAX} groups")]
    TooManyGroups,
}

/// Whether a name is one of the cluster's own.
pub(crate) fn is_system(name: &str) -> bool {
    name.starts_with(SYSTEM)
}

/// Checks everything but the `system:` prefix.
pub(crate) fn printable(of: NameOf, name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty(of));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameFault::TooLong(of));
    }
    // A header loses blanks at its ends, and a line end would begin another header.
    let edge = name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace);
    if edge || name.chars().any(is_unseen) {
        return Err(NameFault::Character(of, shown(name)));
    }
    Ok(())
}

/// Checks a name that no rule exempts from the `system:` ban.
pub(crate) fn external(of: NameOf, name: &str) -> Result<(), NameFault> {
    if is_system(name) {
        return Err(NameFault::System(of, shown(name)));
    }
    printable(of, name)
}

/// `JTI=<jti>` (K-8.4).
pub(crate) fn credential_id_of_token(id: &str) -> String {
    format!("JTI={id}")
}

/// An extra key as Kubernetes allows it in `claimMappings.extra`: a lower-case domain path outside
/// `k8s.io` and `kubernetes.io` (`apiserver/pkg/apis/apiserver/validation`).
pub(crate) fn check_extra_key(key: &str) -> bool {
    let Some((domain, path)) = key.split_once('/') else {
        return false;
    };
    let is_label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    let reserved = ["k8s.io", "kubernetes.io"].iter().any(|reserved| {
        domain
            .strip_suffix(reserved)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    let is_path_byte = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/-._~!$&'()*+,;=:".contains(&byte)
    };
    key.len() <= 253
        && !reserved
        && domain.split('.').all(is_label)
        && !path.is_empty()
        && path.bytes().all(is_path_byte)
}

// Characters that people who read a name in an approval or a log do not see, or see in another
// order: zero width, direction marks and overrides, the byte order mark, line separators.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A name for internal texts: escaped and cut.
fn shown(name: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 64;
    let start: String = name.chars().take(SHOWN_CHARACTERS_MAX).collect();
    format!("`{}`", start.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_names_the_cluster_keeps_for_itself() {
        for name in [
            "system:masters",
            "system:",
            "system:nodes",
            "system:serviceaccount:a:b",
        ] {
            assert!(
                matches!(external(NameOf::Group, name), Err(NameFault::System(..))),
                "{name}"
            );
        }
        for name in ["System:masters", "corp:system:masters", "systems:a", "ana"] {
            assert_eq!(external(NameOf::Group, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn refuses_names_a_header_would_change_or_a_reader_would_not_see() {
        assert_eq!(
            printable(NameOf::User, ""),
            Err(NameFault::Empty(NameOf::User))
        );
        for name in [
            " ana",
            "ana ",
            "\tana",
            "\u{a0}ana",
            "an\na",
            "an\0a",
            "ana\r",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{feff}ana",
            "a\u{2066}b",
            "a\u{ad}b",
            "a\u{e0041}b",
        ] {
            let found = printable(NameOf::User, name);
            assert!(
                matches!(found, Err(NameFault::Character(NameOf::User, _))),
                "{name:?}"
            );
        }
        for name in [
            "ana maria",
            "ana@harbour.example",
            "Ünïcödé",
            "日本語",
            "a:b/c#d",
            "😀",
        ] {
            assert_eq!(printable(NameOf::User, name), Ok(()), "{name}");
        }
        let long = "a".repeat(NAME_BYTES_MAX);
        assert_eq!(printable(NameOf::Uid, &long), Ok(()));
        let longer = long + "a";
        assert_eq!(
            printable(NameOf::Uid, &longer),
            Err(NameFault::TooLong(NameOf::Uid))
        );
    }

    #[test]
    fn accepts_extra_keys_as_kubernetes_does() {
        for key in [
            "harbour.example/team",
            "a.b/c/d",
            "x/y",
            "harbour.example/t-1",
        ] {
            assert!(check_extra_key(key), "{key}");
        }
        for key in [
            "",
            "team",
            "/team",
            "harbour.example/",
            "Harbour.example/t",
            "harbour.example/T",
            "k8s.io/t",
            "kubernetes.io/t",
            "authentication.kubernetes.io/credential-id",
            "a.k8s.io/t",
            "-a.b/c",
            "a-.b/c",
            "a..b/c",
            "a b/c",
            "a/b c",
            "a/b%41",
            "ä.b/c",
        ] {
            assert!(!check_extra_key(key), "{key}");
        }
        assert!(check_extra_key("notk8s.io/t"));
    }

    proptest! {
        #[test]
        fn an_accepted_name_survives_a_header_line(name in any::<String>()) {
            if external(NameOf::User, &name).is_ok() {
                prop_assert_eq!(name.trim(), name.as_str());
                prop_assert!(!name.is_empty() && !name.contains(['\r', '\n', '\0']));
                prop_assert!(!name.starts_with("system:"));
            }
        }
    }
}
