use super::*;
use crate::testing::{Seeded, is_enough, scaled};

fn rule(detectors: Vec<Detector>, scope: GuardScope, strategy: GuardStrategy) -> GuardRule {
    GuardRule {
        mask: "m".into(),
        detectors,
        scope,
        strategy,
        within: None,
    }
}

fn guards_of(rules: &[GuardRule]) -> Guards {
    let mut guards = Guards::compile(rules).unwrap();
    let all: Vec<usize> = (0..rules.len()).collect();
    assert_eq!(guards.join(&all), Some(0));
    guards
}

fn guards(detectors: Vec<Detector>, scope: GuardScope) -> Guards {
    guards_of(&[rule(detectors, scope, GuardStrategy::Redact)])
}

fn check(detector: Detector, cases: &[(&str, &str)]) {
    let guards = guards(vec![detector], GuardScope::Found);
    for (text, expected) in cases {
        let got = guards.apply(0, text.as_bytes());
        assert_eq!(got, guards.apply_all(0, text.as_bytes()), "{text}");
        let got = got.map_or_else(
            || (*text).to_owned(),
            |got| String::from_utf8(got.text).unwrap(),
        );
        assert_eq!(got, expected.replace('#', "countersign-masked:m"), "{text}");
    }
}

#[test]
fn finds_secrets_by_their_shape() {
    check(
        Detector::Jwt,
        &[
            ("t=eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl;", "t=#;"),
            ("eyJ.eyJ.x", "eyJ.eyJ.x"),
        ],
    );
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";
    check(
        Detector::Pem,
        &[
            (&format!("a {pem} b {pem}"), "a # b #"),
            ("a -----BEGIN PRIVATE KEY-----\nabc", "a #"),
            ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"),
        ],
    );
    check(Detector::AwsKey, &[("id AKIAIOSFODNN7EXAMPLE.", "id #.")]);
    let github = format!("ghp_{}", "a1".repeat(18));
    check(
        Detector::GithubToken,
        &[(&format!("x {github} y"), "x # y")],
    );
    let slack = ["xo", "xb-1234567890-abc"].concat();
    check(Detector::SlackToken, &[(&slack, "#")]);
    check(
        Detector::Email,
        &[
            ("to a.b+c@mail.example.org, now", "to #, now"),
            ("a@b", "a@b"),
        ],
    );
    let own = |pattern: &str| Detector::Pattern(pattern.into());
    check(own("pin-[0-9]{4}"), &[("pin-1234 pin-12", "# pin-12")]);
    // To find nothing is to find none.
    check(own("x*"), &[("aab", "aab"), ("axxb", "a#b")]);
}

#[test]
fn numbers_count_only_with_right_check_digits() {
    check(
        Detector::Card,
        &[
            ("4111 1111 1111 1111!", "#!"),
            ("5555 5555 5555 4444", "#"),
            ("378282246310005", "#"),
            ("378282246310006", "378282246310006"),
            ("4111111111111112", "4111111111111112"),
            ("0000000000000000", "0000000000000000"),
        ],
    );
    check(
        Detector::Iban,
        &[
            ("GB82 WEST 1234 5698 7654 32", "#"),
            ("DE89370400440532013000,", "#,"),
            ("DE88370400440532013000", "DE88370400440532013000"),
        ],
    );
}

/// What stood beside a number was taken for a part of it, and the number was not found.
#[test]
fn numbers_are_found_beside_other_numbers_and_words() {
    check(
        Detector::Card,
        &[
            ("4111111111111111 12/29", "# 12/29"),
            ("4111 1111 1111 1111 123", "# 123"),
            ("no 12 4111 1111 1111 1111", "no 12 #"),
            ("1 2 4111-1111-1111-1111", "1 2 #"),
            // With the day before it a part of it is a number as well.
            ("2027 11 30 4111-1111-1111-1111", "2027 11 #"),
            ("4111 1111 1111 1111 4242424242424242", "# #"),
            ("4111 1111 1111 1112 123", "4111 1111 1111 1112 123"),
        ],
    );
    check(
        Detector::Iban,
        &[
            ("DE89370400440532013000 EUR 100", "# EUR 100"),
            ("GB82 WEST 1234 5698 7654 32 AND", "# AND"),
            ("AB12 DE89 3704 0044 0532 0130 00", "AB12 #"),
        ],
    );
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

fn masked(strategy: GuardStrategy, detector: Detector, text: &str) -> String {
    let guards = guards_of(&[rule(vec![detector], GuardScope::Found, strategy)]);
    String::from_utf8(guards.apply(0, text.as_bytes()).unwrap().text).unwrap()
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn a_part_of_what_is_found_stays_or_its_digest_or_its_form() {
    let key = crate::testing::key().unwrap();
    let partial = || GuardStrategy::Partial { keep_last: 4 };
    assert_eq!(
        masked(partial(), Detector::Card, "card 4111 1111 1111 1111."),
        "card countersign-masked:m:…1111."
    );
    // Of a short find the tail would be most of it.
    assert_eq!(
        masked(partial(), Detector::Email, "to a@b.example"),
        "to countersign-masked:m"
    );
    assert_eq!(
        masked(partial(), Detector::Email, "to somebody@mail.example, now"),
        "to countersign-masked:m:…mple, now"
    );
    let hash = || GuardStrategy::Hash {
        key: Arc::clone(&key),
    };
    let digest = key.digest(b"a@b.example");
    assert_eq!(
        masked(hash(), Detector::Email, "a@b.example a@b.example"),
        format!("countersign-masked:m:test-1:{digest} countersign-masked:m:test-1:{digest}")
    );
    let fpe = || GuardStrategy::Fpe {
        key: Arc::clone(&key),
    };
    let card = masked(fpe(), Detector::Card, "card 4111 1111 1111 1111.");
    assert_eq!(card.len(), "card 4111 1111 1111 1111.".len());
    assert!(card.starts_with("card ") && card.ends_with('.') && !card.contains("4111 1111"));
    // No digits to encrypt.
    assert_eq!(
        masked(fpe(), Detector::Email, "to a@b.example"),
        "to countersign-masked:m"
    );
    let whole = guards_of(&[rule(vec![Detector::Email], GuardScope::Whole, partial())]);
    assert_eq!(
        whole.apply(0, b"to a@b.example, now").unwrap().text,
        "countersign-masked:m:… now".as_bytes()
    );
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn of_two_on_one_text_the_stronger_counts_and_what_overlaps_is_redacted() {
    let key = crate::testing::key().unwrap();
    let partial = || GuardStrategy::Partial { keep_last: 4 };
    let strategies = [
        GuardStrategy::Redact,
        GuardStrategy::Hash {
            key: Arc::clone(&key),
        },
        GuardStrategy::Fpe { key },
        partial(),
    ];
    let text = "4111 1111 1111 1111";
    let alone: Vec<String> = strategies
        .iter()
        .map(|strategy| masked(strategy.clone(), Detector::Card, text))
        .collect();
    for (index, stronger) in strategies.iter().enumerate() {
        for weaker in strategies.iter().skip(index) {
            for pair in [[stronger, weaker], [weaker, stronger]] {
                let rules =
                    pair.map(|own| rule(vec![Detector::Card], GuardScope::Found, own.clone()));
                let got = guards_of(&rules).apply(0, text.as_bytes()).unwrap();
                assert_eq!(got.text, alone[index].as_bytes());
                assert_eq!(got.count, 1);
            }
        }
    }
    let own = |pattern: &str| Detector::Pattern(pattern.into());
    let both = rule(
        vec![own("abcdefghijkl"), own("ijklmnopqrstuvwx")],
        GuardScope::Found,
        partial(),
    );
    let got = guards_of(&[both])
        .apply(0, b"-abcdefghijklmnopqrstuvwx-")
        .unwrap();
    assert_eq!(got.text, b"-countersign-masked:m-");
}

/// Words that detectors look for, whole, broken and escaped, in a row.
fn text(seeded: &mut Seeded) -> String {
    const PARTS: &[&str] = &[
        "eyJhbGciOi",
        ".eyJzdWIiOi",
        ".c2lnbmF0dXJl",
        "ey",
        "J",
        r"\u0065yJ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "-----BEGIN ",
        "AKIAIOSFODNN7EXAMPLE",
        "AKIA",
        "ghp_a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
        "github_pat_a1a1a1a1a1a1a1a1a1a1a1",
        "xapp-",
        "1234567890",
        "a.b@",
        r"a.b\u0040",
        "mail.example",
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        r"DE8937040044053201300\u0030",
        "4111 1111",
        " 1111 1111",
        "4111111111111111",
        r"411111111111111\u0031",
        "4111-1111-1111-1111",
        r"\n",
        r"\/",
        r"\\",
        r#"\""#,
        " ",
        ",",
        "x",
        "pin-1234",
        r"pin\u002d1234",
        "a/b",
        r"a\/b",
        "é",
    ];
    (0..seeded.below(8))
        .filter_map(|_| seeded.pick(PARTS).copied())
        .collect()
}

#[test]
fn what_the_prefilter_lets_pass_unread_has_nothing_to_be_found() {
    let every = [
        Detector::Jwt,
        Detector::Pem,
        Detector::AwsKey,
        Detector::GithubToken,
        Detector::SlackToken,
        Detector::Email,
        Detector::Iban,
        Detector::Card,
        Detector::Pattern("pin-[0-9]{4}".into()),
        Detector::Pattern("a/b".into()),
        Detector::Pattern("[x-z]{3}".into()),
    ];
    let mut seeded = Seeded::new(31);
    let (mut unread, mut found) = (0, 0);
    for _ in 0..scaled(400) {
        let picked: Vec<Detector> = (0..=seeded.below(3))
            .filter_map(|_| seeded.pick(&every).cloned())
            .collect();
        let guards = guards(picked.clone(), GuardScope::Found);
        for _ in 0..100 {
            let raw = text(&mut seeded);
            let plain = crate::text::unescape(raw.as_bytes());
            let all = guards.apply_all(0, &plain);
            found += usize::from(all.is_some());
            if !guards.may_find(raw.as_bytes()) {
                unread += 1;
                assert_eq!(all, None, "{picked:?} {raw}");
            }
            assert_eq!(guards.apply(0, &plain), all, "{picked:?} {raw}");
            // The same strings in a window, asked for in turn.
            let window = format!("\"{raw}\",\"{raw}\"");
            let mut hits = Hits::default();
            for start in [1, raw.len() + 4] {
                let place = (start, start + raw.len());
                if !guards.may_find_at(&mut hits, window.as_bytes(), place) {
                    assert_eq!(all, None, "{picked:?} {raw}");
                }
            }
        }
    }
    assert!(
        is_enough(unread, 10_000) && is_enough(found, 4_000),
        "{unread} {found}"
    );
}

/// What answers of an API server are full of is not read.
#[test]
fn the_prefilter_lets_ordinary_strings_pass() {
    let all = || {
        vec![
            Detector::Jwt,
            Detector::Pem,
            Detector::AwsKey,
            Detector::GithubToken,
            Detector::SlackToken,
            Detector::Email,
            Detector::Iban,
            Detector::Card,
        ]
    };
    let filter = |detectors| guards(detectors, GuardScope::Found);
    let own = || Detector::Pattern("pin-[0-9]{4}".into());
    let [every, pins] = [filter(all()), filter(vec![own()])];
    for ordinary in [
        "",
        "kube-system",
        "2026-05-01T10:00:00Z",
        "5f0c2a1e-7d9c-4b6f-9a3e-0123456789ab",
        "registry.example/app:1.2.3",
        "123456789012",
        "ABCDEFGHIJKLMN",
        "-----BEGIN-----",
        "AKI AGIA gh_ xoxz-",
    ] {
        assert!(!every.may_find(ordinary.as_bytes()), "{ordinary}");
        assert!(!pins.may_find(ordinary.as_bytes()), "{ordinary}");
    }
    for (odd, detector) in [
        (r"\u0041", Detector::Jwt),
        (r"\n", own()),
        ("pin-", own()),
        ("1234567890123", Detector::Card),
        ("x1234-567 890123x", Detector::Card),
        ("ABCDEFGHIJKLMNO", Detector::Iban),
        ("anything", Detector::Pattern("[a-z]*".into())),
    ] {
        assert!(filter(vec![detector]).may_find(odd.as_bytes()), "{odd}");
    }
    assert!(!every.may_find(br"a\nb\/c"));
    // In a window each string is asked for, whatever stands in the others.
    let window = br#"{"a":"plain","b":"a@b.example","c":"plain"}"#;
    let mut hits = Hits::default();
    let asked = [(6, 11), (18, 29), (36, 41)];
    let found = asked.map(|place| every.may_find_at(&mut hits, window, place));
    assert_eq!(found, [false, true, false]);
    // A place of each of two searches.
    assert!(hits.memory_bytes() >= 2 * size_of::<usize>());
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
    assert!(compile(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
    assert!(compile(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
    assert!(compile("(?:(?:[a-z]{100}){100}){100}").is_err());
}
