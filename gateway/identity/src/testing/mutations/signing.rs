//! Keys, algorithms and headers.

use serde_json::json;

use super::super::draft::Verdict::{Refused, RefusedHere};
use super::super::draft::Which::{Mail, Plain};
use super::Area::{Header, Key};
use super::Free;
use crate::Algorithm;
use crate::mint::MintKey;

pub(super) const ROWS: &[Free] = &[
    (Key, Plain, "signed with RS256", |d| {
        d.use_key(MintKey::test_rsa(0), Algorithm::Rs256);
    }),
    (Key, Plain, "signed with RS384", |d| {
        d.use_key(MintKey::test_rsa(0), Algorithm::Rs384);
    }),
    (Key, Plain, "signed with RS512", |d| {
        d.use_key(MintKey::test_rsa(0), Algorithm::Rs512);
    }),
    (Key, Plain, "signed with PS256", |d| {
        d.use_key(MintKey::test_rsa(0), Algorithm::Ps256);
    }),
    (Key, Plain, "signed with PS384", |d| {
        d.use_key(MintKey::test_rsa(0), Algorithm::Ps384);
    }),
    (Key, Plain, "signed with PS512", |d| {
        d.use_key(MintKey::test_rsa(0), Algorithm::Ps512);
    }),
    (Key, Plain, "signed with ES256", |d| {
        d.use_key(MintKey::test_es256(0), Algorithm::Es256);
    }),
    (Key, Plain, "signed with ES384", |d| {
        d.use_key(MintKey::test_es384(), Algorithm::Es384);
    }),
    (Key, Mail, "signed with RS256 by a key tied to it", |d| {
        d.use_key(MintKey::test_rsa(1), Algorithm::Rs256);
    }),
    (
        Key,
        Plain,
        "signed with PS256 by a key tied to RS256",
        |d| {
            d.use_key(MintKey::test_rsa(1), Algorithm::Ps256);
            d.becomes(RefusedHere);
        },
    ),
    (Key, Plain, "signed by a key for encryption", |d| {
        d.use_key(MintKey::test_es256(1), Algorithm::Es256);
        d.becomes(RefusedHere);
    }),
    (Key, Plain, "signed by an unpublished key", |d| {
        d.use_key(MintKey::test_es256(2), Algorithm::Es256);
        d.becomes(Refused);
    }),
    (
        Key,
        Plain,
        "signed by an unpublished key under a published id",
        |d| {
            let id = d.header.get("kid").cloned();
            d.use_key(MintKey::test_es256(2), Algorithm::Es256);
            d.header("kid", id.unwrap_or_default());
            d.becomes(Refused);
        },
    ),
    (Key, Plain, "signed by an unpublished key without id", |d| {
        d.use_key(MintKey::test_es256(2), Algorithm::Es256);
        d.header.shift_remove("kid");
        d.becomes(Refused);
    }),
    (Key, Plain, "no key id", |d| {
        d.header.shift_remove("kid");
    }),
    (Key, Plain, "no key id, signed with PS384", |d| {
        d.use_key(MintKey::test_rsa(0), Algorithm::Ps384);
        d.header.shift_remove("kid");
    }),
    (Key, Plain, "the id of another key", |d| {
        d.header("kid", json!(MintKey::test_rsa(0).id()));
        d.becomes(Refused);
    }),
    (Key, Plain, "a key id in upper case", |d| {
        d.header("kid", json!(d.key.id().to_uppercase()));
        d.becomes(Refused);
    }),
    (Key, Plain, "a key id that is a list", |d| {
        d.header("kid", json!([d.key.id()]));
        d.becomes(Refused);
    }),
    (Key, Plain, "an overlong key id", |d| {
        d.header("kid", json!("k".repeat(300)));
        d.becomes(Refused);
    }),
    (Key, Plain, "alg none without key id", |d| {
        d.header("alg", json!("none"));
        d.header.shift_remove("kid");
        d.becomes(Refused);
    }),
    (
        Key,
        Plain,
        "RS384 in the header over an RS256 signature",
        |d| {
            d.use_key(MintKey::test_rsa(0), Algorithm::Rs256);
            d.header("alg", json!("RS384"));
            d.becomes(Refused);
        },
    ),
    (
        Key,
        Plain,
        "PS256 in the header over an RS256 signature",
        |d| {
            d.use_key(MintKey::test_rsa(0), Algorithm::Rs256);
            d.header("alg", json!("PS256"));
            d.becomes(Refused);
        },
    ),
    (Key, Plain, "no alg", |d| {
        d.header.shift_remove("alg");
        d.becomes(Refused);
    }),
    (Header, Plain, "no typ", |d| {
        d.header.shift_remove("typ");
    }),
    (Header, Plain, "header crit ['x-unknown']", |d| {
        d.header("crit", json!(["x-unknown"]));
        d.becomes(Refused);
    }),
    (Header, Plain, "crit and b64 true", |d| {
        d.header("crit", json!(["b64"]));
        d.header("b64", json!(true));
        d.becomes(RefusedHere);
    }),
    (Header, Plain, "the signing key in the header", |d| {
        let jwk = serde_json::from_str(&d.key.jwk());
        d.header("jwk", jwk.unwrap_or_default());
        d.becomes(RefusedHere);
    }),
    (Header, Plain, "x5t and an unknown header", |d| {
        d.header("x5t", json!("AA"));
        d.header("x-own", json!({"a": [1]}));
    }),
];
