//! JSON Web Tokens: read strictly, signature checked by `jsonwebtoken`, times judged here.
//!
//! Only `jsonwebtoken::crypto::verify` is used. Its claim validation treats an `exp` or `nbf` of
//! the wrong type as absent (CVE-2026-25537, fixed in the 10.x line, which needs a second
//! cryptography provider); here such a token is refused before any claim is looked at.
//!
//! The verdicts are those of Kubernetes 1.36 (`plugin/pkg/authenticator/token/oidc`, go-oidc v2,
//! go-jose v2) or stricter. Every difference in what one token says:
//!
//! | token | Kubernetes | here |
//! |---|---|---|
//! | `exp` equal to this second | accepted within the second | refused (RFC 7519 §4.1.4) |
//! | `exp`, `nbf`, `iat` as a string of digits | accepted | refused |
//! | no `iat`; `iat` in the future beyond the skew; older or longer than `max-token-age` | accepted | refused |
//! | equal keys in the claims, unpaired surrogates, deep nesting | accepted | refused |
//! | a registered claim in another letter case (`EXP`) | read as the claim | refused |
//! | white space or line ends inside the token, loose trailing bits of base64 | accepted | refused |
//! | `typ` other than JWT, `at+jwt`, JOSE; `cty`; `crit` even if understood; `b64`; keys in the header | partly accepted | refused |
//! | `null` as user name, `aud`, uid, group | read as empty | refused |
//! | `jti` that is not a string | ignored | refused: it is the revocation key (K-8.4) |
//! | `iss` of Google without `https://` | accepted | refused |
//! | ES512, RSA keys below 2048 bits | accepted | refused |
//! | key with a foreign `use`, `alg` or `key_ops` | used | not used |
//! | distributed groups (`_claim_names`) | fetched | refused |
//! | `act` without delegation for the issuer | ignored | refused |
//! | longer than 16 KiB; more than 512 groups; `kid` null | accepted | refused |
//! | empty, blank-edged, control or invisible characters in names | accepted | refused |

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::algorithm::Algorithm;
use crate::json::{self, Json, JsonFault, Object};

/// How far the clocks of issuer and gateway may differ for `nbf` and `iat`, in seconds. It is the
/// leeway of go-oidc v2 for `nbf`. `exp` has none, in go-oidc as here.
pub const SKEW_SECONDS_MAX: i64 = 60;

// BOUND: key ids are thumbprints or UUIDs; the id is a map key and stands in the audit log.
const KEY_ID_BYTES_MAX: usize = 256;

/// Numbers beyond this are not exact as doubles, so two parsers could read different instants.
const SECONDS_MAX: i64 = 1 << 53;

/// Claims go-oidc reads into a struct, whose keys Go compares without regard to letter case.
const FOLDED_CLAIMS: [&str; 10] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "at_hash",
    "_claim_names",
    "_claim_sources",
];

/// Header members that bring a key, change what is signed, or make the token another thing.
const REFUSED_HEADERS: [&str; 9] = [
    "crit", "b64", "cty", "jwk", "jku", "x5u", "x5c", "enc", "zip",
];

/// Why a token is not well formed, independent of any issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not three parts.
    #[error("the token has not the three parts of a signed JWT")]
    Parts,
    /// A part is not canonical base64url.
    #[error("the {0} is not unpadded canonical base64url")]
    Base64(&'static str),
    /// A part is not strict JSON.
    #[error("the {part} cannot be read: {fault}")]
    Json {
        /// Header or claims.
        part: &'static str,
        /// What is wrong with it.
        fault: JsonFault,
    },
    /// `alg` is missing or none that can be verified.
    #[error("the header names no algorithm that can be verified")]
    Algorithm,
    /// `kid` is not a short string.
    #[error("`kid` is not a string of at most {KEY_ID_BYTES_MAX} bytes")]
    KeyId,
    /// `typ` is that of another kind of token.
    #[error("`typ` is not JWT, at+jwt or JOSE")]
    Type,
    /// A header that is never accepted.
    #[error("the header has `{0}`, which is not accepted")]
    Header(&'static str),
    /// A claim has the wrong type.
    #[error("claim `{0}` is missing or has the wrong type")]
    Claim(&'static str),
    /// A claim that a case-blind reader takes for a registered one.
    #[error("a claim looks like `{0}` in another letter case")]
    LookAlike(&'static str),
}

/// A well-formed token whose signature nobody has checked.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    pub(crate) signing_input: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) algorithm: Algorithm,
    /// `None` for a token without key id; an empty one counts as none, as in go-oidc.
    pub(crate) key_id: Option<String>,
    /// `iss`, for routing.
    pub(crate) issuer: String,
    pub(crate) claims: Object,
}

/// The claims about time and audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) audiences: Vec<String>,
    pub(crate) expires_at: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) issued_at: Option<i64>,
    pub(crate) id: Option<String>,
}

/// Whether a bearer token is meant as a JWT: three parts, the first a JSON object. Any other is an
/// opaque token.
pub(crate) fn is_meant_as_jwt(token: &str) -> bool {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(_), Some(_), None) => URL_SAFE_NO_PAD
            .decode(header)
            .is_ok_and(|header| json::parse_object(&header).is_ok()),
        _ => false,
    }
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenFault> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenFault::Parts)?;
        let (header, claims) = signing_input.split_once('.').ok_or(TokenFault::Parts)?;
        if claims.contains('.') {
            return Err(TokenFault::Parts);
        }
        decode("signature", signature)?;
        let header = object("header", header)?;
        let claims = object("claims", claims)?;
        let (algorithm, key_id) = read_header(&header)?;
        refuse_look_alikes(&claims)?;
        let issuer = optional_text(&claims, "iss")?.ok_or(TokenFault::Claim("iss"))?;
        Ok(Self {
            signing_input,
            signature,
            algorithm,
            key_id,
            issuer,
            claims,
        })
    }
}

impl Registered {
    /// Reads what go-oidc reads into its struct, so a claim it could not read is refused too.
    pub(crate) fn read(claims: &Object) -> Result<Self, TokenFault> {
        for name in ["sub", "nonce", "at_hash"] {
            optional_text(claims, name)?;
        }
        check_distributed(claims)?;
        let audiences = claims
            .get("aud")
            .and_then(Json::as_texts)
            .unwrap_or_default();
        if audiences.is_empty() {
            return Err(TokenFault::Claim("aud"));
        }
        Ok(Self {
            audiences: audiences.into_iter().map(str::to_owned).collect(),
            expires_at: optional_seconds(claims, "exp")?.ok_or(TokenFault::Claim("exp"))?,
            not_before: optional_seconds(claims, "nbf")?,
            issued_at: optional_seconds(claims, "iat")?,
            id: optional_text(claims, "jti")?.filter(|id| !id.is_empty()),
        })
    }
}

fn read_header(header: &Object) -> Result<(Algorithm, Option<String>), TokenFault> {
    if let Some(name) = REFUSED_HEADERS
        .into_iter()
        .find(|name| header.contains_key(*name))
    {
        return Err(TokenFault::Header(name));
    }
    let algorithm = header
        .get("alg")
        .and_then(Json::as_text)
        .and_then(Algorithm::parse);
    let key_id = match header.get("kid").map(Json::as_text) {
        None | Some(Some("")) => None,
        Some(Some(kid)) if kid.len() <= KEY_ID_BYTES_MAX => Some(kid.to_owned()),
        Some(_) => return Err(TokenFault::KeyId),
    };
    // RFC 8725 §3.11: other kinds of signed JSON (logout tokens, DPoP proofs, security events) are
    // told apart by `typ`. RFC 9068 names access tokens `at+jwt`, SPIFFE allows `JOSE`.
    let accepted = ["JWT", "at+jwt", "application/at+jwt", "JOSE"];
    match header.get("typ").map(Json::as_text) {
        None => {}
        Some(Some(typ)) if accepted.iter().any(|name| name.eq_ignore_ascii_case(typ)) => {}
        Some(_) => return Err(TokenFault::Type),
    }
    if !matches!(header.get("nonce"), None | Some(Json::Text(_))) {
        return Err(TokenFault::Header("nonce"));
    }
    Ok((algorithm.ok_or(TokenFault::Algorithm)?, key_id))
}

fn refuse_look_alikes(claims: &Object) -> Result<(), TokenFault> {
    // Go folds beyond ASCII: the long s and the Kelvin sign are letters s and k to it.
    let fold = |name: &str| {
        name.to_lowercase()
            .replace('\u{17f}', "s")
            .replace('\u{212a}', "k")
    };
    for name in claims.keys() {
        let folded = fold(name);
        if let Some(claim) = FOLDED_CLAIMS.into_iter().find(|claim| folded == *claim)
            && name != claim
        {
            return Err(TokenFault::LookAlike(claim));
        }
    }
    Ok(())
}

// Go-oidc refuses names without a source even if nobody maps the claim.
fn check_distributed(claims: &Object) -> Result<(), TokenFault> {
    let (names, sources) = ("_claim_names", "_claim_sources");
    let no_members = Object::new();
    let object = |name: &'static str| match claims.get(name).map(Json::as_object) {
        None => Ok(&no_members),
        Some(Some(members)) => Ok(members),
        Some(None) => Err(TokenFault::Claim(name)),
    };
    let declared = object(sources)?;
    for source in declared.values() {
        let source = source.as_object().ok_or(TokenFault::Claim(sources))?;
        if source.values().any(|value| value.as_text().is_none()) {
            return Err(TokenFault::Claim(sources));
        }
    }
    let is_declared = |source: &Json| source.as_text().is_some_and(|s| declared.contains_key(s));
    if object(names)?.values().all(is_declared) {
        Ok(())
    } else {
        Err(TokenFault::Claim(names))
    }
}

fn optional_text(claims: &Object, name: &'static str) -> Result<Option<String>, TokenFault> {
    match claims.get(name).map(Json::as_text) {
        None => Ok(None),
        Some(Some(text)) => Ok(Some(text.to_owned())),
        Some(None) => Err(TokenFault::Claim(name)),
    }
}

// A NumericDate may have a fraction (RFC 7519 §2); it is cut off, as in go-oidc.
fn optional_seconds(claims: &Object, name: &'static str) -> Result<Option<i64>, TokenFault> {
    let digits = match claims.get(name) {
        None => return Ok(None),
        Some(Json::Number(digits)) => digits,
        Some(Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_)) => {
            return Err(TokenFault::Claim(name));
        }
    };
    let seconds = match digits.parse::<i64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => digits.parse::<f64>().ok().and_then(whole_seconds),
    };
    let bounded = seconds.filter(|seconds| (-SECONDS_MAX..=SECONDS_MAX).contains(seconds));
    bounded.map(Some).ok_or(TokenFault::Claim(name))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the bound is an exact double, and a value within it fits"
)]
fn whole_seconds(seconds: f64) -> Option<i64> {
    (seconds.abs() <= SECONDS_MAX as f64).then_some(seconds as i64)
}

fn object(part: &'static str, encoded: &str) -> Result<Object, TokenFault> {
    json::parse_object(&decode(part, encoded)?).map_err(|fault| TokenFault::Json { part, fault })
}

// The engine refuses padding, foreign characters and trailing bits that are not zero.
fn decode(part: &'static str, encoded: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_or(Err(TokenFault::Base64(part)), Ok)
}

#[cfg(test)]
mod tests;
