//! What a request presents, and the one credential or two that it amounts to (K-7.7, K-7.8).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

// BOUND: tokens with two hundred groups are about 10 KB; more is refused before it is parsed.
/// Longest bearer token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What precedes the encoded token in a WebSocket subprotocol (K-7.7).
const WEBSOCKET_BEARER: &str = "base64url.bearer.authorization.k8s.io.";

/// The parts of a request that can prove a caller. Query keys, cookies and basic credentials are
/// none (K-7.9).
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// The value of every `Authorization` line.
    pub authorization: &'a [&'a [u8]],
    /// The encoded token of [`WebSocketProtocols::bearer`].
    pub websocket_bearer: Option<&'a str>,
    /// The leaf certificate in DER, after TLS has verified its chain.
    pub client_certificate: Option<&'a [u8]>,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field(
                "authorization",
                &format_args!("[secret; {}]", self.authorization.len()),
            )
            .field(
                "websocket_bearer",
                &self.websocket_bearer.map(|_| "[secret]"),
            )
            .field(
                "client_certificate",
                &self.client_certificate.map(<[u8]>::len),
            )
            .finish()
    }
}

/// A bearer token: the token68 characters of RFC 7235, bounded. Prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bearer(String);

impl Bearer {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Names a set of credentials without holding them: the key of a cache of proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The SHA-256 behind the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why what is presented is not one readable set of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// Nothing is presented.
    #[error("no credential; send `Authorization: Bearer` with a token of a configured issuer")]
    Missing,
    /// More than one `Authorization` line.
    #[error("more than one `Authorization` line; send one")]
    ManyAuthorizations,
    /// The line is not `Bearer`, one space, a token.
    #[error("the `Authorization` line is not `Bearer`, one space and a token")]
    NotBearer,
    /// The token is longer than [`TOKEN_BYTES_MAX`].
    #[error(
        "the token is longer than {TOKEN_BYTES_MAX} bytes; ask the issuer for one with fewer groups"
    )]
    TooLong,
    /// Two bearer subprotocols.
    #[error("more than one bearer subprotocol in `Sec-WebSocket-Protocol`; send one")]
    ManyWebSocketBearers,
    /// The subprotocol does not hold a token.
    #[error(
        "the bearer subprotocol in `Sec-WebSocket-Protocol` does not hold a token in unpadded base64url"
    )]
    WebSocketBearer,
    /// The bearer subprotocol stands alone.
    #[error(
        "the bearer subprotocol in `Sec-WebSocket-Protocol` stands alone; offer the stream protocol too"
    )]
    WebSocketBearerAlone,
    /// `Sec-WebSocket-Protocol` is not text.
    #[error("`Sec-WebSocket-Protocol` is not a list of ASCII names")]
    WebSocketProtocols,
    /// Two places hold different tokens.
    #[error("`Authorization` and the bearer subprotocol hold different tokens; send one")]
    Differing,
}

/// The subprotocols a WebSocket client offers, the bearer token taken out.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketProtocols<'a> {
    /// The token, still encoded: for [`Presented::websocket_bearer`].
    pub bearer: Option<&'a str>,
    /// All others, in order: what may be negotiated and sent upstream.
    pub offered: Vec<&'a str>,
}

impl fmt::Debug for WebSocketProtocols<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketProtocols")
            .field("bearer", &self.bearer.map(|_| "[secret]"))
            .field("offered", &self.offered)
            .finish()
    }
}

impl<'a> WebSocketProtocols<'a> {
    /// Reads the values of all `Sec-WebSocket-Protocol` lines, as
    /// `apiserver/pkg/authentication/request/websocket/protocol.go` does.
    ///
    /// # Errors
    /// A line is not ASCII, two members hold a token, or the token stands alone.
    pub fn parse(lines: &[&'a [u8]]) -> Result<Self, CredentialFault> {
        let mut protocols = Self {
            bearer: None,
            offered: Vec::new(),
        };
        for line in lines {
            let line = line
                .is_ascii()
                .then(|| std::str::from_utf8(line).ok())
                .flatten();
            for member in line.ok_or(CredentialFault::WebSocketProtocols)?.split(',') {
                let member = member.trim_matches([' ', '\t']);
                match member.strip_prefix(WEBSOCKET_BEARER) {
                    Some(token) if protocols.bearer.is_none() => protocols.bearer = Some(token),
                    Some(_) => return Err(CredentialFault::ManyWebSocketBearers),
                    None => protocols.offered.push(member),
                }
            }
        }
        if protocols.bearer.is_some() && protocols.offered.is_empty() {
            return Err(CredentialFault::WebSocketBearerAlone);
        }
        Ok(protocols)
    }
}

/// Typed credentials: at most one token, at most one certificate, at least one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    pub(crate) bearer: Option<Bearer>,
    pub(crate) certificate: Option<&'a [u8]>,
}

impl<'a> Credentials<'a> {
    pub(crate) fn parse(presented: &Presented<'a>) -> Result<Self, CredentialFault> {
        let header = match presented.authorization {
            [] => None,
            [line] => Some(bearer_of_line(line)?),
            [_, _, ..] => return Err(CredentialFault::ManyAuthorizations),
        };
        let protocol = presented
            .websocket_bearer
            .map(bearer_of_protocol)
            .transpose()?;
        let bearer = match (header, protocol) {
            (Some(header), Some(protocol)) if header != protocol => {
                return Err(CredentialFault::Differing);
            }
            (Some(bearer), _) | (None, Some(bearer)) => Some(bearer),
            (None, None) => None,
        };
        if bearer.is_none() && presented.client_certificate.is_none() {
            return Err(CredentialFault::Missing);
        }
        Ok(Self {
            bearer,
            certificate: presented.client_certificate,
        })
    }

    /// Both credentials count, each with its length, so that no two sets share a key.
    pub(crate) fn cache_key(&self) -> CacheKey {
        let mut hash = Sha256::new();
        for part in [
            self.bearer.as_ref().map(|bearer| bearer.0.as_bytes()),
            self.certificate,
        ] {
            match part {
                Some(bytes) => {
                    hash.update([1]);
                    hash.update((bytes.len() as u64).to_be_bytes());
                    hash.update(bytes);
                }
                None => hash.update([0]),
            }
        }
        CacheKey(hash.finalize().into())
    }
}

/// The cache key of what a request presents, for a look-up before [`crate::authenticate`].
///
/// # Errors
/// What is presented is not one readable set of credentials.
pub fn cache_key(presented: &Presented<'_>) -> Result<CacheKey, CredentialFault> {
    Credentials::parse(presented).map(|credentials| credentials.cache_key())
}

// The scheme is case-insensitive (RFC 7235); upstream also takes further words, which is a way to
// be read differently by two servers, so there are none here (K-7.8).
fn bearer_of_line(line: &[u8]) -> Result<Bearer, CredentialFault> {
    let (scheme, token) = match line.iter().position(|byte| *byte == b' ') {
        Some(at) => line
            .split_at_checked(at)
            .ok_or(CredentialFault::NotBearer)?,
        None => return Err(CredentialFault::NotBearer),
    };
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(CredentialFault::NotBearer);
    }
    match token.split_first() {
        Some((_space, token)) => checked(token, CredentialFault::NotBearer),
        None => Err(CredentialFault::NotBearer),
    }
}

fn bearer_of_protocol(encoded: &str) -> Result<Bearer, CredentialFault> {
    // Four characters encode three bytes.
    if encoded.len() > TOKEN_BYTES_MAX / 3 * 4 + 4 {
        return Err(CredentialFault::TooLong);
    }
    let Ok(token) = URL_SAFE_NO_PAD.decode(encoded) else {
        return Err(CredentialFault::WebSocketBearer);
    };
    checked(&token, CredentialFault::WebSocketBearer)
}

fn checked(token: &[u8], unreadable: CredentialFault) -> Result<Bearer, CredentialFault> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(CredentialFault::TooLong);
    }
    let is_token68 = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
    };
    if token.is_empty() || !token.iter().all(is_token68) {
        return Err(unreadable);
    }
    std::str::from_utf8(token).map_or(Err(unreadable), |token| Ok(Bearer(token.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(lines: &[&str], websocket: Option<&str>, expected: Result<&str, CredentialFault>) {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let encoded = websocket.map(|token| URL_SAFE_NO_PAD.encode(token));
        let presented = Presented {
            authorization: &lines,
            websocket_bearer: encoded.as_deref(),
            client_certificate: None,
        };
        let found = Credentials::parse(&presented).map(|found| found.bearer.unwrap().0);
        assert_eq!(
            found,
            expected.map(str::to_owned),
            "{lines:?} {websocket:?}"
        );
    }

    #[test]
    fn accepts_exactly_scheme_space_token() {
        check(&["Bearer abc.def-_~+/="], None, Ok("abc.def-_~+/="));
        check(&["bearer abc"], None, Ok("abc"));
        check(&["BEARER abc"], None, Ok("abc"));
        for line in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  abc",
            " Bearer abc",
            "Bearer abc ",
            "Bearer\tabc",
            "Bearer abc def",
            "Bearerabc",
            "Basic YTpi",
            "Bearer a,b",
            "Bearer a\u{e9}",
            "Bearer abc, Bearer abc",
            "Bearer \"abc\"",
        ] {
            check(&[line], None, Err(CredentialFault::NotBearer));
        }
    }

    #[test]
    fn refuses_a_second_authorization_line_even_if_equal() {
        check(
            &["Bearer a", "Bearer a"],
            None,
            Err(CredentialFault::ManyAuthorizations),
        );
    }

    #[test]
    fn takes_the_websocket_token_and_refuses_a_differing_one() {
        check(&[], Some("abc"), Ok("abc"));
        check(&["Bearer abc"], Some("abc"), Ok("abc"));
        check(
            &["Bearer abc"],
            Some("abd"),
            Err(CredentialFault::Differing),
        );
        check(&[], Some("a b"), Err(CredentialFault::WebSocketBearer));
        check(&[], Some(""), Err(CredentialFault::WebSocketBearer));
        check(&[], None, Err(CredentialFault::Missing));
    }

    #[test]
    fn refuses_padded_or_loose_base64_in_the_subprotocol() {
        for encoded in ["YWI=", "YWJ", "YW J", "YWI+", "*"] {
            let found = bearer_of_protocol(encoded);
            assert_eq!(found, Err(CredentialFault::WebSocketBearer), "{encoded}");
        }
    }

    #[test]
    fn bounds_the_token() {
        let longest = "a".repeat(TOKEN_BYTES_MAX);
        let line = format!("Bearer {longest}");
        check(&[&line], None, Ok(&longest));
        check(&[&format!("{line}a")], None, Err(CredentialFault::TooLong));
        check(&[], Some(&longest), Ok(&longest));
        check(
            &[],
            Some(&format!("{longest}a")),
            Err(CredentialFault::TooLong),
        );
        check(
            &[],
            Some(&"a".repeat(1 << 20)),
            Err(CredentialFault::TooLong),
        );
    }

    #[test]
    fn takes_the_token_out_of_the_offered_protocols() {
        let line = format!("v5.channel.k8s.io, {WEBSOCKET_BEARER}YWJj ,v4.channel.k8s.io");
        let protocols = WebSocketProtocols::parse(&[line.as_bytes()]).unwrap();
        assert_eq!(protocols.bearer, Some("YWJj"));
        assert_eq!(
            protocols.offered,
            ["v5.channel.k8s.io", "v4.channel.k8s.io"]
        );
        assert!(!format!("{protocols:?}").contains("YWJj"));
    }

    #[test]
    fn refuses_two_bearer_protocols_and_a_lonely_one() {
        let one = format!("{WEBSOCKET_BEARER}YWJj");
        let two = format!("a, {one}, {one}");
        let twice = WebSocketProtocols::parse(&[two.as_bytes()]);
        assert_eq!(twice, Err(CredentialFault::ManyWebSocketBearers));
        let over_lines = WebSocketProtocols::parse(&[b"a", one.as_bytes(), one.as_bytes()]);
        assert_eq!(over_lines, Err(CredentialFault::ManyWebSocketBearers));
        let alone = WebSocketProtocols::parse(&[one.as_bytes()]);
        assert_eq!(alone, Err(CredentialFault::WebSocketBearerAlone));
        assert_eq!(
            WebSocketProtocols::parse(&[b"a\xff"]),
            Err(CredentialFault::WebSocketProtocols)
        );
    }

    #[test]
    fn prints_no_credential() {
        let presented = Presented {
            authorization: &[b"Bearer sesame"],
            websocket_bearer: Some("c2VzYW1l"),
            client_certificate: None,
        };
        let printed = format!("{presented:?} {:?}", Credentials::parse(&presented));
        assert!(
            !printed.contains("sesame") && !printed.contains("c2VzYW1l"),
            "{printed}"
        );
    }

    proptest! {
        #[test]
        fn different_credentials_have_different_cache_keys(
            a in ("[a-z]{1,3}", proptest::option::of(proptest::collection::vec(0u8..2, 0..3))),
            b in ("[a-z]{1,3}", proptest::option::of(proptest::collection::vec(0u8..2, 0..3))),
        ) {
            let key = |(token, certificate): &(String, Option<Vec<u8>>)| Credentials {
                bearer: Some(Bearer(token.clone())),
                certificate: certificate.as_deref(),
            }.cache_key();
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }
    }
}
