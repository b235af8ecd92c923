use super::*;

fn guards(detectors: Vec<Detector>, scope: GuardScope) -> Guards {
    let rule = GuardRule {
        mask: "m".into(),
        detectors,
        scope,
        within: None,
    };
    let mut guards = Guards::compile(&[rule]).unwrap();
    assert_eq!(guards.join(&[0]), Some(0));
    guards
}

fn check(detector: Detector, text: &str, expected: &str) {
    let guards = guards(vec![detector], GuardScope::Found);
    let got = guards.apply(0, text.as_bytes());
    let got = got.map_or_else(
        || text.to_owned(),
        |got| String::from_utf8(got.text).unwrap(),
    );
    assert_eq!(got, expected.replace('#', "countersign-masked:m"), "{text}");
}

#[test]
fn finds_secrets_by_their_shape() {
    check(
        Detector::Jwt,
        "t=eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl;",
        "t=#;",
    );
    check(Detector::Jwt, "eyJ.eyJ.x", "eyJ.eyJ.x");
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";
    check(Detector::Pem, &format!("a {pem} b {pem}"), "a # b #");
    check(Detector::Pem, "a -----BEGIN PRIVATE KEY-----\nabc", "a #");
    check(
        Detector::Pem,
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----",
    );
    check(Detector::AwsKey, "id AKIAIOSFODNN7EXAMPLE.", "id #.");
    let github = format!("ghp_{}", "a1".repeat(18));
    check(Detector::GithubToken, &format!("x {github} y"), "x # y");
    check(
        Detector::SlackToken,
        &["xo", "xb-1234567890-abc"].concat(),
        "#",
    );
    check(
        Detector::Email,
        "to a.b+c@mail.example.org, now",
        "to #, now",
    );
    check(Detector::Email, "a@b", "a@b");
    check(
        Detector::Pattern("pin-[0-9]{4}".into()),
        "pin-1234 pin-12",
        "# pin-12",
    );
}

#[test]
fn numbers_count_only_with_right_check_digits() {
    check(Detector::Card, "4111 1111 1111 1111!", "#!");
    check(Detector::Card, "4111111111111112", "4111111111111112");
    check(Detector::Card, "0000000000000000", "0000000000000000");
    check(Detector::Iban, "GB82 WEST 1234 5698 7654 32", "#");
    check(Detector::Iban, "DE89370400440532013000,", "#,");
    check(
        Detector::Iban,
        "DE88370400440532013000",
        "DE88370400440532013000",
    );
}

/// What stood beside a number was taken for a part of it, and the number was not found.
#[test]
fn numbers_are_found_beside_other_numbers_and_words() {
    for (text, expected) in [
        ("4111111111111111 12/29", "# 12/29"),
        ("4111 1111 1111 1111 123", "# 123"),
        ("no 12 4111 1111 1111 1111", "no 12 #"),
        ("1 2 4111-1111-1111-1111", "1 2 #"),
        // With the day before it a part of it is a number as well.
        ("2027 11 30 4111-1111-1111-1111", "2027 11 #"),
        ("4111 1111 1111 1111 4242424242424242", "# #"),
        ("4111 1111 1111 1112 123", "4111 1111 1111 1112 123"),
    ] {
        check(Detector::Card, text, expected);
    }
    check(
        Detector::Iban,
        "DE89370400440532013000 EUR 100",
        "# EUR 100",
    );
    check(Detector::Iban, "GB82 WEST 1234 5698 7654 32 AND", "# AND");
    check(Detector::Iban, "AB12 DE89 3704 0044 0532 0130 00", "AB12 #");
}

#[test]
fn overlapping_finds_become_one_marker_and_whole_takes_all() {
    let both = guards(
        vec![
            Detector::Pattern("abc".into()),
            Detector::Pattern("bcd".into()),
        ],
        GuardScope::Found,
    );
    let got = both.apply(0, b"xabcdx").unwrap();
    assert_eq!(
        (got.text.as_slice(), got.count),
        (&b"xcountersign-masked:mx"[..], 1)
    );
    let whole = guards(vec![Detector::Pattern("abc".into())], GuardScope::Whole);
    assert_eq!(
        whole.apply(0, b"xabcx").unwrap().text,
        b"countersign-masked:m"
    );
    assert_eq!(whole.apply(0, b"xabx"), None);
}

#[test]
fn own_patterns_are_bounded() {
    let compile = |pattern: &str| {
        regex(pattern)
            .map(|_| ())
            .map_err(|fault| fault.to_string())
    };
    assert!(compile("a+").is_ok());
    assert!(
        compile("(")
            .unwrap_err()
            .starts_with("the detector pattern `(` cannot be used: ")
    );
    assert!(compile(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
    assert!(compile("(?:(?:[a-z]{100}){100}){100}").is_err());
}
