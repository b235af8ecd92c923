//! Proven callers by the digest of everything their credential consists of.

use std::sync::Arc;

use dashmap::DashMap;
use gateway_exchange::{KnownCaller, RequestHead};
use http::header;
use sha2::{Digest, Sha256};

/// BOUND: remembered callers; when it is reached everything is forgotten at once, which costs one
/// signature check per live credential.
const CALLERS_MAX: usize = 20_000;

/// What a credential consists of, hashed: the tokens themselves are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CredentialKey([u8; 32]);

/// The memory.
#[derive(Debug, Default)]
pub(crate) struct KnownCallers {
    callers: DashMap<CredentialKey, Arc<KnownCaller>>,
}

impl CredentialKey {
    /// `None` where there is nothing to key by.
    pub(crate) fn of(head: &RequestHead) -> Option<Self> {
        let mut hasher = Sha256::new();
        let mut parts = 0_u32;
        let mut add = |tag: u8, bytes: &[u8]| {
            hasher.update([tag]);
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
            parts += 1;
        };
        for value in head.headers.get_all(header::AUTHORIZATION) {
            add(b'a', value.as_bytes());
        }
        for value in head.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
            add(b'w', value.as_bytes());
        }
        if let Some(certificate) = &head.client_certificate {
            add(b'c', certificate);
        }
        (parts > 0).then(|| Self(hasher.finalize().into()))
    }
}

impl KnownCallers {
    pub(crate) fn find(&self, key: CredentialKey) -> Option<Arc<KnownCaller>> {
        self.callers.get(&key).map(|caller| Arc::clone(&caller))
    }

    pub(crate) fn remember(&self, key: CredentialKey, caller: Arc<KnownCaller>) {
        if self.callers.len() >= CALLERS_MAX {
            self.callers.clear();
        }
        self.callers.insert(key, caller);
    }
}
