//! A JSON Web Key Set (RFC 7517) and the check of one signature against it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;

use crate::algorithm::{Algorithm, KeyType};
use crate::json::{self, Json, JsonFault, Object};
use crate::jwt::Unverified;

// BOUND: large providers publish a dozen keys with certificate chains, some 30 KB.
/// Longest JWKS, in bytes. The fetch stops there.
pub const JWKS_BYTES_MAX: usize = 256 * 1024;

// BOUND: a token without `kid` is tried against every key, so this bounds work per request too.
/// Most keys in a JWKS.
pub const KEY_COUNT_MAX: usize = 64;

/// RSA moduli ring verifies with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The keys of one issuer that can verify tokens.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    key_type: KeyType,
    /// From the member `alg`: the only algorithm the key may be used with.
    only: Option<Algorithm>,
    decoding: DecodingKey,
}

/// A published key that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Place in the set, from 0.
    pub index: usize,
    /// Its `kid`, if it has a readable one.
    pub id: Option<String>,
    /// Why it is not used.
    pub reason: &'static str,
}

/// Why a document is not a usable key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// More than [`JWKS_BYTES_MAX`].
    #[error("the key set is longer than {JWKS_BYTES_MAX} bytes")]
    TooLong,
    /// Not strict JSON.
    #[error("the key set cannot be read: {0}")]
    Json(JsonFault),
    /// No list `keys`.
    #[error("the key set has no list `keys`")]
    NoKeys,
    /// More than [`KEY_COUNT_MAX`].
    #[error("the key set has more than {KEY_COUNT_MAX} keys")]
    TooMany,
    /// Every key is skipped. An empty answer is a fault, so that it does not replace good keys.
    #[error("the key set has no usable key: {0}")]
    NoneUsable(String),
}

/// What a key set says of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureVerdict {
    Valid,
    /// A key of that id exists, but the signature is not by it.
    Invalid,
    /// A key of that id exists, but not for that algorithm.
    WrongAlgorithm,
    /// No key of that id, or no id and no key fits: a newer set may have it.
    UnknownKey,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("ids", &self.ids().collect::<Vec<_>>())
            .field("skipped", &self.skipped)
            .finish()
    }
}

impl KeySet {
    /// Reads a JWKS. Keys that cannot verify tokens are skipped, each with its reason.
    ///
    /// # Errors
    /// The document is too long, unreadable, or holds no usable key.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetFault> {
        if bytes.len() > JWKS_BYTES_MAX {
            return Err(KeySetFault::TooLong);
        }
        let document = json::parse_object(bytes).map_err(KeySetFault::Json)?;
        let published = document.get("keys").and_then(Json::as_list);
        let published = published.ok_or(KeySetFault::NoKeys)?;
        if published.len() > KEY_COUNT_MAX {
            return Err(KeySetFault::TooMany);
        }
        let mut set = Self {
            keys: Vec::new(),
            skipped: Vec::new(),
        };
        for (index, jwk) in published.iter().enumerate() {
            match Key::read(jwk) {
                Ok(key) => set.keys.push(key),
                Err(reason) => {
                    let id = jwk
                        .as_object()
                        .and_then(|jwk| jwk.get("kid"))
                        .and_then(Json::as_text);
                    set.skipped.push(SkippedKey {
                        index,
                        id: id.map(str::to_owned),
                        reason,
                    });
                }
            }
        }
        if set.keys.is_empty() {
            let reasons: Vec<_> = set.skipped.iter().map(|skipped| skipped.reason).collect();
            return Err(KeySetFault::NoneUsable(reasons.join("; ")));
        }
        Ok(set)
    }

    /// The key ids, in the order published; keys without id are left out.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// The keys that are not used.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Checks the signature as go-oidc does: with an id, the keys of exactly that id; without one,
    /// every key. Stricter: only keys whose type, `use`, `alg` and `key_ops` fit.
    pub(crate) fn verify(&self, token: &Unverified<'_>) -> SignatureVerdict {
        let named = |key: &&Key| token.key_id.is_none() || key.id == token.key_id;
        let mut named = self.keys.iter().filter(named).peekable();
        if named.peek().is_none() {
            return SignatureVerdict::UnknownKey;
        }
        let mut fitting = named.filter(|key| key.fits(token.algorithm)).peekable();
        match (&token.key_id, fitting.peek()) {
            (Some(_), None) => return SignatureVerdict::WrongAlgorithm,
            (None, None) => return SignatureVerdict::UnknownKey,
            (_, Some(_)) => {}
        }
        if fitting.any(|key| key.verifies(token)) {
            return SignatureVerdict::Valid;
        }
        match token.key_id {
            Some(_) => SignatureVerdict::Invalid,
            None => SignatureVerdict::UnknownKey,
        }
    }
}

impl Key {
    fn read(jwk: &Json) -> Result<Self, &'static str> {
        let jwk = jwk.as_object().ok_or("it is not an object")?;
        if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
            return Err("its `use` is not `sig`");
        }
        if let Some(operations) = jwk.get("key_ops") {
            let operations = operations.as_list().ok_or("its `key_ops` is not a list")?;
            if !operations
                .iter()
                .any(|operation| operation.as_text() == Some("verify"))
            {
                return Err("its `key_ops` has no `verify`");
            }
        }
        if jwk.contains_key("d") {
            return Err("it is a private key and must not be trusted any more");
        }
        let only = match text(jwk, "alg")?.map(Algorithm::parse) {
            Some(None) => return Err("its `alg` is not offered"),
            Some(Some(algorithm)) => Some(algorithm),
            None => None,
        };
        let (key_type, decoding) = match text(jwk, "kty")? {
            Some("RSA") => (KeyType::Rsa, rsa(jwk)?),
            Some("EC") => elliptic(jwk)?,
            Some("oct") => return Err("it is a shared secret"),
            Some(_) | None => return Err("its `kty` is not offered"),
        };
        if only.is_some_and(|algorithm| algorithm.key_type() != key_type) {
            return Err("its `alg` does not fit its type");
        }
        let id = text(jwk, "kid")?
            .filter(|id| !id.is_empty())
            .map(str::to_owned);
        Ok(Self {
            id,
            key_type,
            only,
            decoding,
        })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key_type == algorithm.key_type() && self.only.is_none_or(|only| only == algorithm)
    }

    // `fits` holds, so the key is of the type the algorithm reads; any fault counts as not valid.
    fn verifies(&self, token: &Unverified<'_>) -> bool {
        self.fits(token.algorithm)
            && jsonwebtoken::crypto::verify(
                token.signature,
                token.signing_input.as_bytes(),
                &self.decoding,
                token.algorithm.for_verification(),
            )
            .unwrap_or(false)
    }
}

fn rsa(jwk: &Object) -> Result<DecodingKey, &'static str> {
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    let leading = modulus
        .first()
        .map_or(8, |byte| byte.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(leading);
    if !RSA_BITS.contains(&bits) {
        return Err("its modulus has not 2048 to 8192 bits");
    }
    // ring takes odd exponents from 3 to 33 bits; smaller ones are weak.
    if exponent.len() > 4 || exponent.last().is_none_or(|byte| byte % 2 == 0) || exponent == [1] {
        return Err("its exponent is not an odd number from 3 to 32 bits");
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn elliptic(jwk: &Object) -> Result<(KeyType, DecodingKey), &'static str> {
    let (key_type, width) = match text(jwk, "crv")? {
        Some("P-256") => (KeyType::P256, 32),
        Some("P-384") => (KeyType::P384, 48),
        Some("P-521") => return Err("its curve is P-521, which is not offered"),
        Some(_) | None => return Err("its curve is not offered"),
    };
    let mut point = vec![0x04];
    for coordinate in ["x", "y"] {
        let bytes = bytes(jwk, coordinate)?;
        // RFC 7518 §6.2.1.2: the full width of the curve, zeros kept.
        if bytes.len() != width {
            return Err("a coordinate has not the width of its curve");
        }
        point.extend(bytes);
    }
    Ok((key_type, DecodingKey::from_ec_der(&point)))
}

fn text<'a>(jwk: &'a Object, name: &'static str) -> Result<Option<&'a str>, &'static str> {
    match jwk.get(name).map(Json::as_text) {
        None => Ok(None),
        Some(Some(text)) => Ok(Some(text)),
        Some(None) => Err("one of `kty`, `kid`, `use`, `alg`, `crv` is not a string"),
    }
}

/// A big-endian number. Some providers write a leading zero octet for the sign; ring refuses it.
fn number(jwk: &Object, name: &'static str) -> Result<Vec<u8>, &'static str> {
    Ok(bytes(jwk, name)?
        .into_iter()
        .skip_while(|byte| *byte == 0)
        .collect())
}

fn bytes(jwk: &Object, name: &'static str) -> Result<Vec<u8>, &'static str> {
    let encoded = jwk
        .get(name)
        .and_then(Json::as_text)
        .ok_or("a part of it is missing")?;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_or(Err("a part of it is not unpadded base64url"), Ok)
}

#[cfg(test)]
mod tests;
