//! Keys of `hash` and `fpe`. Whoever compiles a set brings them; a bundle names them only.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::model::Bundle;

/// Shorter keys are refused: the digest of a value is as hard to guess as the key.
pub const KEY_BYTES_MIN: usize = 32;

/// What the keys of a bundle are.
#[derive(Clone, Default)]
pub struct MaskKeys(BTreeMap<String, Vec<u8>>);

/// Why a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the mask key `{name}` has {length} bytes; {KEY_BYTES_MIN} are the least: `openssl rand -base64 32` makes one"
)]
pub struct KeyContentFault {
    /// Name of the `hmac-key`.
    pub name: String,
    /// Bytes found.
    pub length: usize,
}

/// The names are shown, the keys never.
impl fmt::Debug for MaskKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.keys().map(|name| (name, "[secret]"));
        formatter.debug_map().entries(shown).finish()
    }
}

impl MaskKeys {
    /// No key. A bundle whose masks need one is not compiled with it.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A made-up key for each name, for commands that look at a bundle where its keys are not:
    /// digests have their length and form and are no digests of the gateway.
    #[must_use]
    pub fn offline(bundle: &Bundle) -> Self {
        let made_up = |name: &String| {
            let key = Sha256::digest(format!("countersign offline mask key {name}"));
            (name.clone(), key.to_vec())
        };
        Self(bundle.mask_keys.keys().map(made_up).collect())
    }

    /// Takes the content of a variable or file: base64 of a key, or else the key itself. A line
    /// break at the end does not count.
    ///
    /// # Errors
    ///
    /// If the key is too short.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<(), KeyContentFault> {
        let decoded = STANDARD.decode(content.trim_ascii()).ok();
        let decoded = decoded.filter(|key| key.len() >= KEY_BYTES_MIN);
        // The last byte of a raw key may look like a line break.
        let line = content.strip_suffix(b"\n").unwrap_or(content);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let raw = if line.len() >= KEY_BYTES_MIN {
            line
        } else {
            content
        };
        let key = decoded.unwrap_or_else(|| raw.to_vec());
        if key.len() < KEY_BYTES_MIN {
            return Err(KeyContentFault {
                name: name.to_owned(),
                length: key.len(),
            });
        }
        self.0.insert(name.to_owned(), key);
        Ok(())
    }

    pub(super) fn find(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_base64_and_raw_keys() {
        let check = |content: &[u8], expected: Result<&[u8], usize>| {
            let mut keys = MaskKeys::none();
            let found = keys.add("k", content);
            assert_eq!(
                found.clone().map_err(|fault| fault.length),
                expected.map(|_| ())
            );
            assert_eq!(keys.find("k"), expected.ok(), "{content:?}");
            assert!(!format!("{keys:?}").contains("AAAA"));
        };
        let zeros = [0; 32];
        check(STANDARD.encode(zeros).as_bytes(), Ok(&zeros));
        check(
            format!("{}\r\n", STANDARD.encode(zeros)).as_bytes(),
            Ok(&zeros),
        );
        check(&[b'-'; 32], Ok(&[b'-'; 32]));
        check(format!("{}\n", "-".repeat(40)).as_bytes(), Ok(&[b'-'; 40]));
        // A raw key that ends in what looks like a line break.
        let mut raw = [b'-'; 32];
        raw[31] = b'\n';
        check(&raw, Ok(&raw));
        check(b"too short\n", Err(10));
        check(b"", Err(0));
        check(STANDARD.encode([0; 16]).as_bytes(), Err(24));
    }
}
