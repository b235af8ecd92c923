//! The OpenID discovery document, as far as keys need it.

use crate::json::{self, Json, JsonFault};

// BOUND: real documents have 2 to 6 KB.
/// Longest discovery document, in bytes.
pub const DISCOVERY_BYTES_MAX: usize = 64 * 1024;

/// BOUND: as for any URL in configuration.
const URL_BYTES_MAX: usize = 2048;

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// An `https` URL without fragment or user. A redirect from it to `http` must not be followed.
    pub jwks_uri: String,
}

/// Why a discovery document is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryFault {
    /// More than [`DISCOVERY_BYTES_MAX`].
    #[error("the discovery document is longer than {DISCOVERY_BYTES_MAX} bytes")]
    TooLong,
    /// Not strict JSON.
    #[error("the discovery document cannot be read: {0}")]
    Json(JsonFault),
    /// Another issuer speaks.
    #[error(
        "the discovery document is of another issuer; `url` must equal its `issuer` exactly, a trailing slash included"
    )]
    Issuer,
    /// No usable `jwks_uri`.
    #[error("the discovery document has no `jwks_uri` with https")]
    JwksUri,
}

impl Discovery {
    /// Reads the document that was fetched for `issuer`.
    ///
    /// # Errors
    /// It is unreadable, names another issuer, or its key address is not https.
    pub fn parse(bytes: &[u8], issuer: &str) -> Result<Self, DiscoveryFault> {
        if bytes.len() > DISCOVERY_BYTES_MAX {
            return Err(DiscoveryFault::TooLong);
        }
        let document = json::parse_object(bytes).map_err(DiscoveryFault::Json)?;
        let text = |name: &str| document.get(name).and_then(Json::as_text);
        // OpenID Connect Discovery §4.3: identical, or one issuer could speak for another.
        if text("issuer") != Some(issuer) {
            return Err(DiscoveryFault::Issuer);
        }
        match text("jwks_uri") {
            Some(uri) if is_https_url(uri) => Ok(Self {
                jwks_uri: uri.to_owned(),
            }),
            Some(_) | None => Err(DiscoveryFault::JwksUri),
        }
    }
}

/// The address of the discovery document: one trailing slash of the issuer is dropped, as in
/// go-oidc.
#[must_use]
pub fn discovery_url(issuer: &str) -> String {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    format!("{base}/.well-known/openid-configuration")
}

/// `https`, a host, no user, no fragment, nothing a header or a log could be broken with.
pub(crate) fn is_https_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    url.len() <= URL_BYTES_MAX
        && !host.is_empty()
        && !host.starts_with(':')
        && !host.contains('@')
        && url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.harbour.example";

    fn check(issuer: &str, jwks_uri: &str, expected: Result<&str, DiscoveryFault>) {
        let document = serde_json::json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
        let found = Discovery::parse(document.as_bytes(), ISSUER);
        let expected = expected.map(|uri| Discovery {
            jwks_uri: uri.to_owned(),
        });
        assert_eq!(found, expected, "{issuer} {jwks_uri}");
    }

    #[test]
    fn takes_keys_only_from_the_issuer_itself_over_https() {
        let keys = "https://keys.harbour.example:8443/jwks?v=1";
        check(ISSUER, keys, Ok(keys));
        check(&format!("{ISSUER}/"), keys, Err(DiscoveryFault::Issuer));
        check(
            "https://LOGIN.harbour.example",
            keys,
            Err(DiscoveryFault::Issuer),
        );
        for uri in [
            "http://keys.harbour.example",
            "HTTPS://keys.harbour.example",
            "https://",
            "https:///k",
            "https://u@keys.example/",
            "https://k.example/#f",
            "https://k.example/ x",
            "/jwks",
            "file:///etc/passwd",
            "https://k.example/\r\nX: y",
            "https://:443/",
        ] {
            check(ISSUER, uri, Err(DiscoveryFault::JwksUri));
        }
    }

    #[test]
    fn refuses_unreadable_or_overlong_documents() {
        for bytes in [&b"[]"[..], b"{", br#"{"issuer":"a","issuer":"b"}"#] {
            assert!(matches!(
                Discovery::parse(bytes, ISSUER),
                Err(DiscoveryFault::Json(_))
            ));
        }
        let long = vec![b' '; DISCOVERY_BYTES_MAX + 1];
        assert_eq!(
            Discovery::parse(&long, ISSUER),
            Err(DiscoveryFault::TooLong)
        );
        assert_eq!(Discovery::parse(b"{}", ISSUER), Err(DiscoveryFault::Issuer));
    }

    #[test]
    fn drops_one_trailing_slash_for_the_address_only() {
        let expected = "https://a.example/t/.well-known/openid-configuration";
        assert_eq!(discovery_url("https://a.example/t/"), expected);
        assert_eq!(discovery_url("https://a.example/t"), expected);
    }
}
