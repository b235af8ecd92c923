//! Keys of issuers: a JWKS as a value, and the rules by which it is fetched, kept and given up.

mod cache;
mod discovery;
mod set;

pub use cache::{
    BACKOFF_MAX, BACKOFF_MIN, FETCH_TIME_MAX, KEYS_AGE_MAX, KeyCache, KeyEvent, Keyring,
    REFRESH_INTERVAL, UNKNOWN_KEY_INTERVAL,
};
pub(crate) use discovery::is_https_url;
pub use discovery::{DISCOVERY_BYTES_MAX, Discovery, DiscoveryFault, discovery_url};
pub(crate) use set::SignatureVerdict;
pub use set::{JWKS_BYTES_MAX, KEY_COUNT_MAX, KeySet, KeySetFault, SkippedKey};
