//! Credentials, keys and time in; the caller or a reason out.
//!
//! [`authenticate`] takes what a request presents (a bearer token, a client certificate), the
//! configured issuers, the keys known of them and the instant, and says who calls. It fetches
//! nothing and reads no clock: where a newer key set or the cluster's word is needed, it says so,
//! and the shell asks again with it.
//!
//! Promises, each kept by a type or a check at the end of its path:
//!
//! - A caller has a user name that is not empty, survives a header line unchanged, and does not
//!   begin `system:`, except ServiceAccounts of an issuer that opted in (K-7.2, K-7.4).
//! - A token is judged by the keys of its issuer only, with an algorithm that both the issuer block
//!   and the key allow (K-8.3, K-8.9).
//! - What Kubernetes would refuse is refused; [`Algorithm`] and the table in `jwt.rs` list where
//!   this crate is stricter.
//! - One credential that cannot be proven refuses the request, whatever else proves.
//! - No text, public or internal, holds a token; secrets print as `[secret]`.
//!
//! Laws, each a property or differential test: the strict JSON parser accepts only what `serde_json`
//! accepts; a token changed in one character proves nothing; no mapped user or group begins
//! `system:`; an accepted name survives a header line; two sets of credentials never share a cache
//! key; keys are fetched no oftener and trusted no longer than their bounds; every generated token
//! (`testing`, feature `test-support`) comes to the verdict that Kubernetes has for it, or to a
//! stricter one that is listed.
//!
//! ```
//! use std::time::Duration;
//! use gateway_identity::{Authenticator, AuthenticatorSpec, Evidence, Keyring, Moment};
//! use gateway_identity::{Outcome, Presented, authenticate};
//!
//! let authenticator = Authenticator::new(AuthenticatorSpec::default()).expect("nothing to refuse");
//! let keys = Keyring::default();
//! let evidence = Evidence { keys: &keys, review: None };
//! let now = Moment { unix_seconds: 1_800_000_000, uptime: Duration::from_secs(60) };
//! let Outcome::Refused(fault) = authenticate(&authenticator, evidence, &Presented::default(), now)
//! else { unreachable!() };
//! assert_eq!(fault.code(), "no-credential");
//! ```

#![forbid(unsafe_code)]

mod algorithm;
mod authenticate;
mod authenticator;
mod certificate;
mod claims;
mod credential;
mod delegation;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod issuer;
mod json;
mod jwt;
mod keys;
mod legacy;
#[cfg(any(test, feature = "mint"))]
pub mod mint;
mod review;
mod service_account;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;

pub use algorithm::Algorithm;
pub use authenticate::{Evidence, Moment, Outcome, PROOF_SECONDS_MAX, Proof, authenticate};
pub use authenticator::{
    Authenticator, AuthenticatorSpec, ConfigurationFault, ISSUER_COUNT_MAX, TwoIdentities,
};
pub use certificate::{CERTIFICATE_BYTES_MAX, CertificateFault, CertificateSpec};
pub use claims::{
    ClaimFault, ClaimNameFault, GROUP_COUNT_MAX, NAME_BYTES_MAX, NameFault, NameOf, PatternFault,
};
pub use credential::{
    CacheKey, CredentialFault, Presented, TOKEN_BYTES_MAX, WebSocketProtocols, cache_key,
};
pub use delegation::{DELEGATION_DEPTH_MAX, DelegationFault, DelegationSpec, PrincipalSpec};
pub use fault::AuthenticationFault;
pub use issuer::{
    AttributeSpec, ClaimsSpec, IssuerFault, IssuerSpec, ServiceAccountProof, UserSpec, UsernameSpec,
};
pub use json::JsonFault;
pub use jwt::{SKEW_SECONDS_MAX, TokenFault};
pub use keys::{
    BACKOFF_MAX, BACKOFF_MIN, DISCOVERY_BYTES_MAX, Discovery, DiscoveryFault, FETCH_TIME_MAX,
    JWKS_BYTES_MAX, KEY_COUNT_MAX, KEYS_AGE_MAX, KeyCache, KeyEvent, KeySet, KeySetFault, Keyring,
    REFRESH_INTERVAL, SkippedKey, UNKNOWN_KEY_INTERVAL, discovery_url,
};
pub use legacy::{LEGACY_COUNT_MAX, LEGACY_TOKEN_BYTES_MIN, LegacyFault, LegacySpec};
pub use review::{REVIEW_AGE_MAX, REVIEW_BYTES_MAX, Review, ReviewFault, ReviewRequest};
