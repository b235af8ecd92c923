//! A local OIDC issuer: HTTPS under its own CA, discovery, keys that can be changed, and an end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::site::Site;

/// Audience of every token unless a test says otherwise.
const AUDIENCE: &str = "countersign-it";

/// A key that signs tokens.
#[derive(Debug)]
pub struct SigningKey {
    id: String,
    pair: EcdsaKeyPair,
}

/// What a token says.
#[derive(Debug, Clone)]
pub struct Claims(BTreeMap<String, Value>);

/// The issuer's server.
#[derive(Debug)]
pub struct Issuer {
    site: Site,
    shared: Arc<Shared>,
    key: Mutex<Arc<SigningKey>>,
}

#[derive(Debug)]
struct Shared {
    published: Mutex<Vec<Arc<SigningKey>>>,
    down: AtomicBool,
    key_fetches: AtomicUsize,
}

impl SigningKey {
    /// A fresh ES256 key.
    #[must_use]
    pub fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .expect("an ES256 key");
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
                .expect("the key just made");
        Self {
            id: id.to_owned(),
            pair,
        }
    }

    /// A token with any header and claims.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        })
    }
}

impl Claims {
    /// Replaces one claim.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Leaves one claim out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// A claim that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let value = self.0.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    }

    /// Ends this many seconds from now.
    #[must_use]
    pub fn ending_in(self, seconds: i64) -> Self {
        let end = now() + seconds;
        self.with("exp", json!(end))
    }
}

impl Issuer {
    /// Serves on a port of the system's choice until the process ends.
    #[must_use]
    pub fn start() -> Self {
        let key = Arc::new(SigningKey::new("key-1"));
        let shared = Arc::new(Shared {
            published: Mutex::new(vec![Arc::clone(&key)]),
            down: AtomicBool::new(false),
            key_fetches: AtomicUsize::new(0),
        });
        let served = Arc::clone(&shared);
        let site = Site::start(move |address, path| served.answer(address, path));
        Self {
            site,
            shared,
            key: Mutex::new(key),
        }
    }

    /// `iss`.
    #[must_use]
    pub fn url(&self) -> String {
        self.site.url()
    }

    /// PEM of the CA to trust.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.site.ca_pem()
    }

    /// The audience of its tokens.
    #[must_use]
    pub const fn audience(&self) -> &'static str {
        AUDIENCE
    }

    /// Usual claims for that subject, in group `admins`, good for ten minutes.
    #[must_use]
    pub fn claims(&self, subject: &str) -> Claims {
        let now = now();
        Claims(BTreeMap::from([
            ("iss".to_owned(), json!(self.url())),
            ("aud".to_owned(), json!(AUDIENCE)),
            ("sub".to_owned(), json!(subject)),
            ("groups".to_owned(), json!(["admins"])),
            ("iat".to_owned(), json!(now)),
            ("exp".to_owned(), json!(now + 600)),
            ("jti".to_owned(), json!(uuid::Uuid::new_v4().to_string())),
        ]))
    }

    /// A good token for that subject.
    #[must_use]
    pub fn token(&self, subject: &str) -> String {
        self.mint(&self.claims(subject))
    }

    /// A token with these claims, signed by the current key.
    #[must_use]
    pub fn mint(&self, claims: &Claims) -> String {
        let key = Arc::clone(&self.key.lock().expect("no minter panicked"));
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": key.id});
        key.sign(&header, &json!(claims.0))
    }

    /// Signs with this key from now on and publishes it, beside the old ones if `keep` says so.
    pub fn rotate(&self, id: &str, keep: bool) {
        let key = Arc::new(SigningKey::new(id));
        let mut published = self.shared.published.lock().expect("no server panicked");
        if !keep {
            published.clear();
        }
        published.push(Arc::clone(&key));
        *self.key.lock().expect("no minter panicked") = key;
    }

    /// A token signed by a key nobody published, under that key id.
    #[must_use]
    pub fn token_of_unknown_key(&self, id: &str, subject: &str) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": id});
        SigningKey::new(id).sign(&header, &json!(self.claims(subject).0))
    }

    /// From now on every answer is 503, or served again.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }

    /// How often the keys were fetched.
    #[must_use]
    pub fn key_fetches(&self) -> usize {
        self.shared.key_fetches.load(Ordering::SeqCst)
    }

    /// The published keys as a JWKS document.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.shared.jwks()
    }
}

impl Shared {
    fn answer(&self, url: &str, path: &str) -> Option<String> {
        if self.down.load(Ordering::SeqCst) {
            return None;
        }
        match path {
            "/.well-known/openid-configuration" => Some(discovery(url, &format!("{url}/keys"))),
            "/keys" => {
                self.key_fetches.fetch_add(1, Ordering::SeqCst);
                Some(self.jwks().to_string())
            }
            _ => None,
        }
    }

    fn jwks(&self) -> Value {
        let published = self.published.lock().expect("no server panicked");
        let keys: Vec<Value> = published.iter().map(|key| key.jwk()).collect();
        json!({ "keys": keys })
    }
}

/// The digest of a shared token, as the configuration wants it.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A discovery document.
#[must_use]
pub fn discovery(issuer: &str, keys: &str) -> String {
    json!({
        "issuer": issuer,
        "jwks_uri": keys,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
    .to_string()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).expect("a date before the year 292 billion")
}
