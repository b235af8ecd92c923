//! Which value of a token a claim name means.
//!
//! - A name that begins with `/` is a JSON pointer (RFC 6901): `/kubernetes.io/namespace`.
//! - Any other name is a literal top-level claim, as in Kubernetes. If it has dots and no such
//!   claim exists, it is a path: `realm_access.roles`. A token that has both is refused, so that
//!   nobody who may add a claim can put it in front of another.

use gateway_kubeapi::pointer_segments;

use super::ClaimFault;
use crate::json::{Json, Object};

// BOUND: names come from reviewed configuration; this only catches mistakes.
const NAME_BYTES_MAX: usize = 256;

/// A checked claim name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimName {
    written: String,
    /// Steps below the claims; for a plain name, one step.
    path: Vec<String>,
    /// The written name may also be a literal claim.
    literal: bool,
}

/// Why a claim name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimNameFault {
    /// Empty or too long.
    #[error("a claim name has 1 to {NAME_BYTES_MAX} bytes")]
    Length,
    /// Not a JSON pointer.
    #[error("claim `{0}` is not a JSON pointer; write `~` as `~0` and `/` as `~1`")]
    Pointer(String),
}

impl ClaimName {
    pub(crate) fn parse(written: &str) -> Result<Self, ClaimNameFault> {
        if written.is_empty() || written.len() > NAME_BYTES_MAX {
            return Err(ClaimNameFault::Length);
        }
        let literal = !written.starts_with('/');
        let path = if literal {
            Some(written.split('.').map(str::to_owned).collect())
        } else {
            pointer_segments(written)
        };
        let path = path.ok_or_else(|| ClaimNameFault::Pointer(written.to_owned()))?;
        Ok(Self {
            written: written.to_owned(),
            path,
            literal,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether this is the top-level claim of that name.
    pub(crate) fn is(&self, name: &str) -> bool {
        match self.path.as_slice() {
            [only] => only == name,
            _ => self.literal && self.written == name,
        }
    }

    /// The value, if the claims have one.
    pub(crate) fn find<'a>(&self, claims: &'a Object) -> Result<Option<&'a Json>, ClaimFault> {
        let nested = self.walk(claims);
        if !self.literal || self.path.len() == 1 {
            return Ok(nested);
        }
        match (claims.get(&self.written), nested) {
            (Some(_), Some(_)) => Err(ClaimFault::Ambiguous(self.written.clone())),
            (Some(value), None) | (None, Some(value)) => Ok(Some(value)),
            (None, None) => Ok(None),
        }
    }

    fn walk<'a>(&self, claims: &'a Object) -> Option<&'a Json> {
        let (first, rest) = self.path.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, step| {
            value.as_object()?.get(step)
        })
    }

    pub(crate) fn missing(&self) -> ClaimFault {
        ClaimFault::Missing(self.written.clone())
    }

    pub(crate) fn wrong_type(&self) -> ClaimFault {
        ClaimFault::Type(self.written.clone())
    }

    /// The text of a claim that must be there.
    pub(crate) fn text<'a>(&self, claims: &'a Object) -> Result<&'a str, ClaimFault> {
        let value = self.find(claims)?.ok_or_else(|| self.missing())?;
        value.as_text().ok_or_else(|| self.wrong_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    fn check(name: &str, expected: &Result<Option<&str>, ClaimFault>) {
        let claims = parse_object(
            br#"{"sub":"s","a.b":"literal","c":{"d":{"e":"deep"}},"x.y":"both","x":{"y":"both"},
                "kubernetes.io":{"namespace":"shop","a/b~":"odd"},"https://e.example/g":"url",
                "list":["a"]}"#,
        )
        .unwrap();
        let name = ClaimName::parse(name).unwrap();
        let found = name
            .find(&claims)
            .map(|value| value.and_then(Json::as_text));
        assert_eq!(&found, expected, "{name:?}");
    }

    #[test]
    fn finds_literal_claims_first_and_paths_only_without_one() {
        check("sub", &Ok(Some("s")));
        check("a.b", &Ok(Some("literal")));
        check("c.d.e", &Ok(Some("deep")));
        check("https://e.example/g", &Ok(Some("url")));
        check("c.d.f", &Ok(None));
        check("sub.x", &Ok(None));
        check("list.0", &Ok(None));
        check("SUB", &Ok(None));
    }

    #[test]
    fn refuses_a_token_in_which_a_dotted_name_has_two_meanings() {
        check("x.y", &Err(ClaimFault::Ambiguous("x.y".to_owned())));
        check("/x/y", &Ok(Some("both")));
    }

    #[test]
    fn follows_pointers_through_names_with_dots() {
        check("/kubernetes.io/namespace", &Ok(Some("shop")));
        check("/kubernetes.io/a~1b~0", &Ok(Some("odd")));
        check("kubernetes.io.namespace", &Ok(None));
        check("/a.b", &Ok(Some("literal")));
    }

    #[test]
    fn refuses_names_that_cannot_be_meant() {
        assert_eq!(ClaimName::parse(""), Err(ClaimNameFault::Length));
        assert_eq!(
            ClaimName::parse(&"a".repeat(257)),
            Err(ClaimNameFault::Length)
        );
        for pointer in ["/a~", "/a~2", "/~~0"] {
            assert_eq!(
                ClaimName::parse(pointer),
                Err(ClaimNameFault::Pointer(pointer.to_owned()))
            );
        }
    }

    #[test]
    fn knows_the_email_claim_in_every_spelling() {
        for (name, expected) in [("email", true), ("/email", true), ("user.email", false)] {
            assert_eq!(
                ClaimName::parse(name).unwrap().is("email"),
                expected,
                "{name}"
            );
        }
    }
}
