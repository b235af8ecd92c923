//! Entry points of the fuzz targets: any bytes, no panic.

use crate::jwt::{Registered, Unverified, is_meant_as_jwt};
use crate::{Discovery, KeySet, WebSocketProtocols};

/// The longest input that is looked at.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Reads bytes as a compact token, and as the claims of one.
pub fn jwt(bytes: &[u8]) {
    let bytes = bytes.get(..INPUT_BYTES_MAX).unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _opaque = is_meant_as_jwt(text);
        if let Ok(token) = Unverified::parse(text) {
            let _registered = Registered::read(&token.claims);
        }
    }
    if let Ok(claims) = crate::json::parse_object(bytes) {
        let _registered = Registered::read(&claims);
        let _user = crate::service_account::read_user(&claims);
    }
}

/// Reads bytes as a key set and as a discovery document.
pub fn keys(bytes: &[u8]) {
    let bytes = bytes.get(..INPUT_BYTES_MAX).unwrap_or(bytes);
    let _keys = KeySet::parse(bytes);
    let _discovery = Discovery::parse(bytes, "https://issuer.example");
}

/// Reads bytes as a client certificate and as a list of WebSocket protocols.
pub fn credential(bytes: &[u8]) {
    let bytes = bytes.get(..INPUT_BYTES_MAX).unwrap_or(bytes);
    let _refused = crate::certificate::prove(&[], bytes, 0).is_err();
    let _protocols = WebSocketProtocols::parse(&[bytes]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn survives_generated_tokens_and_their_parts() {
        for case in crate::testing::generate_tokens(3, 350, 1_800_000_000) {
            jwt(case.token.as_bytes());
            for part in case.token.split('.') {
                use base64::Engine as _;
                let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
                jwt(&decoded.unwrap_or_default());
            }
        }
        keys(crate::testing::jwks().as_bytes());
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            jwt(&bytes);
            keys(&bytes);
            credential(&bytes);
        }
    }
}
