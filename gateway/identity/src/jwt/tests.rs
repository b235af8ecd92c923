use super::*;
use proptest::prelude::*;

fn token(header: &str, claims: &str) -> String {
    [header, claims, "sign"]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".")
}

fn check_header(header: &str, expected: Result<(Algorithm, Option<&str>), TokenFault>) {
    let token = token(header, r#"{"iss":"i"}"#);
    let found = Unverified::parse(&token).map(|token| (token.algorithm, token.key_id));
    let expected = expected.map(|(algorithm, id)| (algorithm, id.map(str::to_owned)));
    assert_eq!(found, expected, "{header}");
}

#[test]
fn reads_algorithm_and_key_id() {
    check_header(
        r#"{"alg":"ES256","kid":"a"}"#,
        Ok((Algorithm::Es256, Some("a"))),
    );
    check_header(
        r#"{"alg":"RS512","typ":"jwt"}"#,
        Ok((Algorithm::Rs512, None)),
    );
    check_header(r#"{"alg":"PS256","kid":""}"#, Ok((Algorithm::Ps256, None)));
    check_header(
        r#"{"alg":"ES384","typ":"AT+jwt"}"#,
        Ok((Algorithm::Es384, None)),
    );
}

#[test]
fn refuses_algorithms_that_are_not_public_key_signatures() {
    for alg in [
        r#""none""#,
        r#""HS256""#,
        r#""EdDSA""#,
        r#""ES512""#,
        r#""es256""#,
        r#""RS256 ""#,
        "null",
        "1",
        r#"["ES256"]"#,
    ] {
        check_header(&format!(r#"{{"alg":{alg}}}"#), Err(TokenFault::Algorithm));
    }
    check_header("{}", Err(TokenFault::Algorithm));
}

#[test]
fn refuses_headers_that_change_the_meaning() {
    for name in REFUSED_HEADERS {
        let header = format!(r#"{{"alg":"ES256","{name}":null}}"#);
        check_header(&header, Err(TokenFault::Header(name)));
    }
    for typ in [
        r#""logout+jwt""#,
        r#""dpop+jwt""#,
        r#""secevent+jwt""#,
        r#""""#,
        "null",
        "1",
    ] {
        check_header(
            &format!(r#"{{"alg":"ES256","typ":{typ}}}"#),
            Err(TokenFault::Type),
        );
    }
    for kid in [
        "1",
        "null",
        "[]",
        &format!("\"{}\"", "k".repeat(KEY_ID_BYTES_MAX + 1)),
    ] {
        check_header(
            &format!(r#"{{"alg":"ES256","kid":{kid}}}"#),
            Err(TokenFault::KeyId),
        );
    }
}

#[test]
fn refuses_claims_a_case_blind_reader_would_take_for_registered_ones() {
    for (name, claim) in [
        ("EXP", "exp"),
        ("Iss", "iss"),
        ("i\u{17f}s", "iss"),
        ("AUD", "aud"),
        ("Nonce", "nonce"),
        ("_Claim_Names", "_claim_names"),
    ] {
        let token = token(
            r#"{"alg":"ES256"}"#,
            &format!(r#"{{"iss":"i","{name}":1}}"#),
        );
        assert_eq!(
            Unverified::parse(&token).unwrap_err(),
            TokenFault::LookAlike(claim)
        );
    }
}

#[test]
fn refuses_anything_but_three_canonical_parts() {
    let good = token(r#"{"alg":"ES256"}"#, r#"{"iss":"i"}"#);
    assert!(Unverified::parse(&good).is_ok());
    let (rest, last) = good.split_at(good.len() - 1);
    assert_eq!(last, "g");
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{rest}h"),
        good.replacen('.', "", 1),
        good.replacen('.', "=.", 1),
        good.replace('.', ".."),
    ] {
        assert!(Unverified::parse(&bad).is_err(), "{bad}");
    }
}

fn check_seconds(written: &str, expected: Option<i64>) {
    let claims = json::parse_object(format!(r#"{{"exp":{written}}}"#).as_bytes()).unwrap();
    assert_eq!(
        optional_seconds(&claims, "exp").ok().flatten(),
        expected,
        "{written}"
    );
}

#[test]
fn reads_instants_as_whole_seconds() {
    check_seconds("1700000000", Some(1_700_000_000));
    check_seconds("1700000000.9", Some(1_700_000_000));
    check_seconds("1.7e9", Some(1_700_000_000));
    check_seconds("-1", Some(-1));
    check_seconds("9007199254740993", None);
    check_seconds("9223372036854775808", None);
    check_seconds("1e400", None);
    check_seconds("\"1700000000\"", None);
    check_seconds("null", None);
    check_seconds("true", None);
}

#[test]
fn tells_opaque_tokens_from_jwts() {
    assert!(is_meant_as_jwt(&token("{}", "")));
    for opaque in [
        "abc",
        "a.b.c",
        "ghp_x.y.z",
        "",
        "..",
        &format!("{}.a", token("{}", "")),
    ] {
        assert!(!is_meant_as_jwt(opaque), "{opaque}");
    }
}

proptest! {
    #[test]
    fn survives_any_text(text in any::<String>(), header in any::<String>()) {
        let _verdict = Unverified::parse(&text);
        let _verdict = Unverified::parse(&token(&header, &text));
    }
}
