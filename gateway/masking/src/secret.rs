//! Keys of masks. They come from the caller, are never in a bundle and never in any text.

#![forbid(unsafe_code)]

use std::fmt;

use aes::cipher::KeyInit;
use ring::hmac;

/// A key for one cluster: the same value has different digests in different clusters.
pub struct MaskKey {
    id: Box<str>,
    digest: hmac::Key,
    cipher: aes::Aes256,
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MaskKey({}, [secret])", self.id)
    }
}

/// The same id and the same secret for the same cluster.
impl PartialEq for MaskKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.digest(b"") == other.digest(b"")
    }
}

impl Eq for MaskKey {}

/// Why a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Too few bytes to be a secret.
    #[error("the mask key `{id}` has {length} bytes; {KEY_BYTES_MIN} are the least")]
    Short {
        /// Id of the key.
        id: Box<str>,
        /// Its length.
        length: usize,
    },
    /// An id that could not stand in a marker.
    #[error("`{0}` is no id of a mask key; use letters, digits, `.`, `_` and `-`, at most 63")]
    Id(Box<str>),
}

/// Shorter keys can be guessed.
pub const KEY_BYTES_MIN: usize = 16;

impl MaskKey {
    /// Derives the keys for one cluster.
    ///
    /// # Errors
    ///
    /// If the key is shorter than [`KEY_BYTES_MIN`] or its id could not stand in a marker.
    pub fn new(id: &str, secret: &[u8], cluster: &str) -> Result<Self, KeyFault> {
        if secret.len() < KEY_BYTES_MIN {
            return Err(KeyFault::Short {
                id: id.into(),
                length: secret.len(),
            });
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if id.is_empty() || id.len() > 63 || !id.bytes().all(plain) {
            return Err(KeyFault::Id(id.into()));
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive = |purpose: &str| {
            let mut context = hmac::Context::with_key(&root);
            context.update(purpose.as_bytes());
            // Ends the purpose, whatever the cluster's name is.
            context.update(&[0]);
            context.update(cluster.as_bytes());
            context.sign()
        };
        let mut cipher = aes::cipher::Key::<aes::Aes256>::default();
        for (to, from) in cipher
            .iter_mut()
            .zip(derive("countersign mask fpe").as_ref())
        {
            *to = *from;
        }
        Ok(Self {
            id: id.into(),
            digest: hmac::Key::new(hmac::HMAC_SHA256, derive("countersign mask hash").as_ref()),
            cipher: aes::Aes256::new(&cipher),
        })
    }

    /// What the marker names it by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// 96 bits of the keyed digest, in hexadecimal.
    pub(crate) fn digest(&self, value: &[u8]) -> String {
        use std::fmt::Write as _;
        let tag = hmac::sign(&self.digest, value);
        let mut text = String::with_capacity(24);
        for byte in tag.as_ref().iter().take(12) {
            // Writing to a string cannot fail.
            if write!(text, "{byte:02x}").is_err() {
                return String::new();
            }
        }
        text
    }

    pub(crate) const fn cipher(&self) -> &aes::Aes256 {
        &self.cipher
    }
}
