use super::*;
use crate::mint::MintKey;
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(keys: &[Value]) -> Result<KeySet, KeySetFault> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn jwk(id: &str, key: &MintKey) -> Value {
    let mut jwk: Value = serde_json::from_str(&key.jwk()).unwrap();
    jwk["kid"] = json!(id);
    jwk
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn check(set: &KeySet, key: &MintKey, headers: &Value, expected: SignatureVerdict) {
    let token = key.sign(&json!({"iss": "i"}), headers).unwrap();
    let token = Unverified::parse(&token).unwrap();
    assert_eq!(set.verify(&token), expected, "{headers}");
}

#[test]
fn picks_the_key_by_id_and_tries_all_without_one() {
    let (a, b, other) = (
        MintKey::test_es256(0),
        MintKey::test_es256(1),
        MintKey::test_es256(2),
    );
    let set = parse(&[jwk("a", &a), jwk("b", &b)]).unwrap();
    check(&set, &a, &json!({"kid": "a"}), SignatureVerdict::Valid);
    check(&set, &b, &json!({"kid": "b"}), SignatureVerdict::Valid);
    check(&set, &b, &json!({"kid": "a"}), SignatureVerdict::Invalid);
    check(&set, &a, &json!({"kid": "c"}), SignatureVerdict::UnknownKey);
    check(&set, &b, &json!({"kid": null}), SignatureVerdict::Valid);
    check(
        &set,
        &other,
        &json!({"kid": null}),
        SignatureVerdict::UnknownKey,
    );
    check(
        &set,
        &other,
        &json!({"kid": "a"}),
        SignatureVerdict::Invalid,
    );
}

#[test]
fn a_key_without_id_serves_only_tokens_without_id() {
    let key = MintKey::test_es256(0);
    let mut anonymous = jwk("a", &key);
    anonymous.as_object_mut().unwrap().remove("kid");
    let set = parse(&[anonymous]).unwrap();
    check(&set, &key, &json!({"kid": null}), SignatureVerdict::Valid);
    check(
        &set,
        &key,
        &json!({"kid": "a"}),
        SignatureVerdict::UnknownKey,
    );
}

#[test]
fn holds_a_key_to_its_algorithm() {
    let key = MintKey::test_rsa(0);
    let free = with(jwk("a", &key), "alg", Value::Null);
    let free = {
        let mut free = free;
        free.as_object_mut().unwrap().remove("alg");
        free
    };
    let set = parse(&[with(jwk("a", &key), "alg", json!("PS384"))]).unwrap();
    check(
        &set,
        &key,
        &json!({"kid": "a", "alg": "PS384"}),
        SignatureVerdict::Valid,
    );
    check(
        &set,
        &key,
        &json!({"kid": "a", "alg": "RS256"}),
        SignatureVerdict::WrongAlgorithm,
    );
    let set = parse(&[free]).unwrap();
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        check(
            &set,
            &key,
            &json!({"kid": "a", "alg": alg}),
            SignatureVerdict::Valid,
        );
    }
}

#[test]
fn never_tries_a_key_of_another_type() {
    let (ec, rsa) = (MintKey::test_es256(0), MintKey::test_rsa(0));
    let set = parse(&[jwk("a", &ec)]).unwrap();
    check(
        &set,
        &rsa,
        &json!({"kid": "a"}),
        SignatureVerdict::WrongAlgorithm,
    );
    check(
        &set,
        &rsa,
        &json!({"kid": null}),
        SignatureVerdict::UnknownKey,
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row per reason")]
fn skips_keys_that_cannot_verify_and_says_why() {
    let (ec, rsa) = (
        jwk("e", &MintKey::test_es256(0)),
        jwk("r", &MintKey::test_rsa(0)),
    );
    let weak = URL_SAFE_NO_PAD.encode([0xffu8; 128]);
    for (bad, reason) in [
        (json!(1), "it is not an object"),
        (
            with(ec.clone(), "use", json!("enc")),
            "its `use` is not `sig`",
        ),
        (
            with(ec.clone(), "key_ops", json!(["sign"])),
            "its `key_ops` has no `verify`",
        ),
        (
            with(ec.clone(), "key_ops", json!("verify")),
            "its `key_ops` is not a list",
        ),
        (
            with(ec.clone(), "alg", json!("HS256")),
            "its `alg` is not offered",
        ),
        (
            with(ec.clone(), "alg", json!("RS256")),
            "its `alg` does not fit its type",
        ),
        (
            with(ec.clone(), "kid", json!(1)),
            "one of `kty`, `kid`, `use`, `alg`, `crv` is not a string",
        ),
        (
            with(ec.clone(), "crv", json!("P-521")),
            "its curve is P-521, which is not offered",
        ),
        (
            with(ec.clone(), "x", json!("AA")),
            "a coordinate has not the width of its curve",
        ),
        (
            with(ec.clone(), "d", json!("AA")),
            "it is a private key and must not be trusted any more",
        ),
        (json!({"kty": "oct", "k": "AA"}), "it is a shared secret"),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
            "its `kty` is not offered",
        ),
        (
            with(rsa.clone(), "n", json!(weak)),
            "its modulus has not 2048 to 8192 bits",
        ),
        (
            with(rsa.clone(), "n", json!("A+==")),
            "a part of it is not unpadded base64url",
        ),
        (
            with(rsa.clone(), "e", json!("AQ")),
            "its exponent is not an odd number from 3 to 32 bits",
        ),
        (
            with(rsa.clone(), "e", json!("BA")),
            "its exponent is not an odd number from 3 to 32 bits",
        ),
    ] {
        let set = parse(&[bad.clone(), ec.clone()]).unwrap();
        assert_eq!(
            set.skipped().first().map(|skipped| skipped.reason),
            Some(reason),
            "{bad}"
        );
        assert_eq!(set.keys.len(), 1);
    }
}

#[test]
fn reads_a_modulus_with_a_sign_octet() {
    let key = MintKey::test_rsa(0);
    let mut jwk = jwk("a", &key);
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    jwk["n"] = json!(URL_SAFE_NO_PAD.encode([vec![0], modulus].concat()));
    let set = parse(&[jwk]).unwrap();
    check(&set, &key, &json!({"kid": "a"}), SignatureVerdict::Valid);
}

#[test]
fn refuses_sets_without_a_usable_key_and_sets_beyond_the_bounds() {
    assert!(matches!(parse(&[]), Err(KeySetFault::NoneUsable(_))));
    assert!(matches!(
        parse(&[json!({})]),
        Err(KeySetFault::NoneUsable(_))
    ));
    assert_eq!(
        parse(&vec![json!({}); KEY_COUNT_MAX + 1]).unwrap_err(),
        KeySetFault::TooMany
    );
    let long = vec![b' '; JWKS_BYTES_MAX + 1];
    assert_eq!(KeySet::parse(&long).unwrap_err(), KeySetFault::TooLong);
    assert_eq!(KeySet::parse(b"{}").unwrap_err(), KeySetFault::NoKeys);
    assert!(matches!(
        KeySet::parse(b"[]"),
        Err(KeySetFault::Json(JsonFault::NotAnObject))
    ));
    assert!(matches!(
        KeySet::parse(br#"{"keys":[],"keys":[]}"#),
        Err(KeySetFault::Json(JsonFault::DuplicateKey(_)))
    ));
}

#[test]
fn keeps_two_keys_of_one_id_apart_by_type() {
    let (ec, rsa) = (MintKey::test_es256(0), MintKey::test_rsa(0));
    let set = parse(&[jwk("a", &ec), jwk("a", &rsa)]).unwrap();
    check(&set, &ec, &json!({"kid": "a"}), SignatureVerdict::Valid);
    check(&set, &rsa, &json!({"kid": "a"}), SignatureVerdict::Valid);
}

proptest! {
    #[test]
    fn survives_any_key(
        kty in "RSA|EC|oct|x", crv in "P-256|P-384|P-521",
        x in proptest::collection::vec(any::<u8>(), 0..70), e in "[A-Za-z0-9_-]{0,8}",
    ) {
        let x = URL_SAFE_NO_PAD.encode(x);
        let jwk = json!({"kty": kty, "crv": crv, "x": x, "y": x, "n": x.repeat(8), "e": e});
        if let Ok(set) = parse(&[jwk]) {
            for key in [MintKey::test_es256(0), MintKey::test_rsa(0)] {
                let token = key.sign(&json!({"iss": "i"}), &json!({"kid": null})).unwrap();
                let verdict = set.verify(&Unverified::parse(&token).unwrap());
                prop_assert_eq!(verdict, SignatureVerdict::UnknownKey);
            }
        }
    }
}
