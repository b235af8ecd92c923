//! Makes keys and signs tokens: for a development issuer and for tests. The gateway itself is
//! built without it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::algorithm::Algorithm;

/// A private key with its id.
#[derive(Debug)]
pub struct MintKey {
    id: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Why no key or no token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintFault {
    /// The system gave no randomness, or signing failed.
    #[error("the key could not be made or used")]
    Cryptography,
    /// Not a PKCS #8 key of that type.
    #[error("the key is not PKCS #8 of an RSA, P-256 or P-384 key")]
    Key,
    /// `alg` needs another key.
    #[error("the key is not for that algorithm")]
    Algorithm,
    /// Claims or headers are not objects.
    #[error("claims and headers are JSON objects")]
    NotAnObject,
}

impl From<ring::error::Unspecified> for MintFault {
    fn from(_says_nothing: ring::error::Unspecified) -> Self {
        Self::Cryptography
    }
}

impl MintKey {
    /// A new P-256 key.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate_es256() -> Result<Self, MintFault> {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        Self::from_pkcs8(document?.as_ref())
    }

    /// Reads an RSA, P-256 or P-384 key, for an issuer that keeps its key.
    ///
    /// # Errors
    /// It is none of these.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, MintFault> {
        let random = SystemRandom::new();
        let elliptic = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der, &random).ok();
        let pair = elliptic(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::P256);
        let pair =
            pair.or_else(|| elliptic(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).map(Pair::P384));
        let pair = pair.or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa));
        let pair = pair.ok_or(MintFault::Key)?;
        let public = match &pair {
            Pair::P256(pair) | Pair::P384(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        };
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(Sha256::digest(public)),
            pair,
        })
    }

    /// The key id: the SHA-256 of the public key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The algorithm used unless a header says otherwise.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::P256(_) => Algorithm::Es256,
            Pair::P384(_) => Algorithm::Es384,
            Pair::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// The public key as a JWK.
    #[must_use]
    pub fn jwk(&self) -> String {
        let mut jwk = match &self.pair {
            Pair::P256(pair) => point("P-256", pair),
            Pair::P384(pair) => point("P-384", pair),
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({
                    "kty": "RSA",
                    "n": URL_SAFE_NO_PAD.encode(public.n),
                    "e": URL_SAFE_NO_PAD.encode(public.e),
                })
            }
        };
        if let Some(members) = jwk.as_object_mut() {
            members.insert("use".to_owned(), json!("sig"));
            members.insert("kid".to_owned(), json!(self.id));
            // An RSA key serves six algorithms, so only the others are tied to one.
            if !matches!(self.pair, Pair::Rsa(_)) {
                members.insert("alg".to_owned(), json!(self.algorithm().as_str()));
            }
        }
        jwk.to_string()
    }

    /// Signs claims. The header is `alg`, `kid` and `typ: JWT`, changed by `headers`: a member
    /// replaces, `null` removes. An `alg` the key cannot sign with stands in the header all the
    /// same, over a signature of the key's own algorithm, as an attacker would do.
    ///
    /// # Errors
    /// An argument is not an object, or signing fails.
    pub fn sign(&self, claims: &Value, headers: &Value) -> Result<String, MintFault> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(self.algorithm().as_str()));
        header.insert("kid".to_owned(), json!(self.id));
        header.insert("typ".to_owned(), json!("JWT"));
        for (name, value) in headers.as_object().ok_or(MintFault::NotAnObject)? {
            if value.is_null() {
                header.shift_remove(name);
            } else {
                header.insert(name.clone(), value.clone());
            }
        }
        let named = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::parse);
        let fitting = named.filter(|named| named.key_type() == self.algorithm().key_type());
        let algorithm = fitting.unwrap_or(self.algorithm());
        if !claims.is_object() {
            return Err(MintFault::NotAnObject);
        }
        self.sign_text(
            &Value::Object(header).to_string(),
            &claims.to_string(),
            algorithm,
        )
    }

    /// Signs header and claims as written, JSON or not.
    ///
    /// # Errors
    /// The algorithm needs another key, or signing fails.
    pub fn sign_text(
        &self,
        header: &str,
        claims: &str,
        algorithm: Algorithm,
    ) -> Result<String, MintFault> {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self.signature(input.as_bytes(), algorithm)?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Signs any bytes.
    ///
    /// # Errors
    /// The algorithm needs another key, or signing fails.
    pub fn signature(&self, input: &[u8], algorithm: Algorithm) -> Result<Vec<u8>, MintFault> {
        let random = SystemRandom::new();
        match (&self.pair, algorithm) {
            (Pair::P256(pair), Algorithm::Es256) | (Pair::P384(pair), Algorithm::Es384) => {
                let signature = pair.sign(&random, input);
                Ok(signature?.as_ref().to_vec())
            }
            (Pair::Rsa(pair), _) => {
                let encoding = rsa_encoding(algorithm).ok_or(MintFault::Algorithm)?;
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(encoding, &random, input, &mut signature);
                signed?;
                Ok(signature)
            }
            (Pair::P256(_) | Pair::P384(_), _) => Err(MintFault::Algorithm),
        }
    }
}

/// A JWKS of these keys.
#[must_use]
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a MintKey>) -> String {
    let keys: Vec<_> = keys.into_iter().map(MintKey::jwk).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn point(curve: &str, pair: &EcdsaKeyPair) -> Value {
    // Uncompressed: one octet 4, then both coordinates.
    let point = pair.public_key().as_ref();
    let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
    json!({
        "kty": "EC", "crv": curve,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    })
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn signature::RsaEncoding> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_SHA512),
        Algorithm::Es256 | Algorithm::Es384 => None,
    }
}

#[cfg(any(test, feature = "test-support"))]
impl MintKey {
    /// One of three fixed P-256 keys.
    #[must_use]
    pub fn test_es256(index: usize) -> Self {
        const KEYS: [&[u8]; 3] = [
            include_bytes!("testing/keys/es256-0.pk8"),
            include_bytes!("testing/keys/es256-1.pk8"),
            include_bytes!("testing/keys/es256-2.pk8"),
        ];
        Self::fixed(&KEYS, index)
    }

    /// A fixed P-384 key.
    #[must_use]
    pub fn test_es384() -> Self {
        Self::fixed(&[include_bytes!("testing/keys/es384-0.pk8")], 0)
    }

    /// One of two fixed RSA keys of 2048 bits.
    #[must_use]
    pub fn test_rsa(index: usize) -> Self {
        const KEYS: [&[u8]; 2] = [
            include_bytes!("testing/keys/rsa-0.pk8"),
            include_bytes!("testing/keys/rsa-1.pk8"),
        ];
        Self::fixed(&KEYS, index)
    }

    #[expect(clippy::expect_used, reason = "fixed files, read by every test")]
    fn fixed(keys: &[&[u8]], index: usize) -> Self {
        let key = keys.get(index).expect("a test key of that number");
        Self::from_pkcs8(key).expect("a readable test key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeySet;

    #[test]
    fn a_new_key_signs_what_its_published_half_verifies() {
        let key = MintKey::generate_es256().unwrap();
        let set = KeySet::parse(jwks([&key]).as_bytes()).unwrap();
        assert_eq!(set.ids().collect::<Vec<_>>(), [key.id()]);
        let token = key.sign(&json!({"iss": "i"}), &json!({})).unwrap();
        let token = crate::jwt::Unverified::parse(&token).unwrap();
        assert_eq!(set.verify(&token), crate::keys::SignatureVerdict::Valid);
    }

    #[test]
    fn every_algorithm_signs_with_its_key_only() {
        let keys = [
            MintKey::test_es256(0),
            MintKey::test_es384(),
            MintKey::test_rsa(0),
        ];
        for key in &keys {
            for algorithm in Algorithm::ALL {
                let fits = algorithm.key_type() == key.algorithm().key_type();
                assert_eq!(key.signature(b"x", algorithm).is_ok(), fits, "{algorithm}");
            }
        }
    }

    #[test]
    fn reads_no_other_key() {
        assert_eq!(MintKey::from_pkcs8(b"").unwrap_err(), MintFault::Key);
    }
}
