use proptest::prelude::*;

use super::*;

fn glob(text: &str) -> Pattern {
    Pattern::glob(text).expect("a glob")
}

fn regex(text: &str) -> Pattern {
    Pattern::regex(text).expect("an expression")
}

fn attributes(pairs: &[(&str, &[&str])]) -> AttributeMap {
    pairs
        .iter()
        .map(|(name, values)| {
            (
                (*name).to_owned(),
                values.iter().map(|value| (*value).to_owned()).collect(),
            )
        })
        .collect()
}

#[test]
fn globs_match_whole_texts() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*", "anything", true),
        ("shop", "shop", true),
        ("shop", "shops", false),
        ("shop-*", "shop-", true),
        ("shop-*", "shop", false),
        ("*-prod", "a-prod-prod", true),
        ("*-prod", "a-prod-x", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("a?c", "aéc", true),
        ("*?", "", false),
        ("*?", "a", true),
        ("*a*b*", "xxaxxbxx", true),
        ("*a*b*", "xxbxxaxx", false),
        ("*ab", "aab", true),
        ("", "", true),
        ("", "a", false),
    ] {
        assert_eq!(
            glob(pattern).matches(text),
            expected.into(),
            "{pattern} on {text}"
        );
    }
}

#[test]
fn answers_cover_and_overlap_of_a_beginning() {
    for (pattern, prefix, covers, overlaps) in [
        ("*", "job-", true, true),
        ("*", "", true, true),
        ("job-*", "job-", true, true),
        ("job-*", "job-a", true, true),
        ("job-*", "jo", false, true),
        ("job-*", "x", false, false),
        ("job-a", "job-", false, true),
        ("job-a", "job-a", false, true),
        ("job-a", "job-ab", false, false),
        ("job-?*", "job-", false, true),
        ("job-?*", "job-a", true, true),
        ("*?", "a", true, true),
        ("*-x", "job-", false, true),
        ("?", "ab", false, false),
        ("a*b*", "a", false, true),
        ("a*b*", "ab", true, true),
    ] {
        let pattern = glob(pattern);
        assert_eq!(
            pattern.covers_prefix(prefix),
            covers.into(),
            "{pattern} covers {prefix}"
        );
        assert_eq!(
            pattern.overlaps_prefix(prefix),
            overlaps.into(),
            "{pattern} meets {prefix}"
        );
    }
}

#[test]
fn expressions_are_anchored_and_keep_every_alternative() {
    for (pattern, text, expected) in [
        ("a|ab", "ab", true),
        ("a|ab", "abc", false),
        ("^a$", "a", true),
        ("a", "xa", false),
        (".*", "a\nb", true),
        ("[a-z]+-[0-9]{1,3}", "job-12", true),
        ("[a-z]+-[0-9]{1,3}", "job-1234", false),
        ("", "", true),
    ] {
        assert_eq!(
            regex(pattern).matches(text),
            expected.into(),
            "{pattern} on {text}"
        );
    }
}

#[test]
fn expressions_answer_cover_and_overlap() {
    for (pattern, prefix, covers, overlaps) in [
        (".*", "", true, true),
        ("job-.*", "job-", true, true),
        ("job-.+", "job-", false, true),
        ("job-[a-z0-9]*", "job-", false, true),
        ("(a|b).*", "", false, true),
        ("(a|b).*", "a", true, true),
        ("x", "y", false, false),
    ] {
        let pattern = regex(pattern);
        assert_eq!(
            pattern.covers_prefix(prefix),
            covers.into(),
            "{pattern} covers {prefix}"
        );
        assert_eq!(
            pattern.overlaps_prefix(prefix),
            overlaps.into(),
            "{pattern} meets {prefix}"
        );
    }
    assert_eq!(regex(".").overlaps_prefix("aa"), Tri::False);
    assert!(regex(".*").is_everything());
    assert!(!regex(".+").is_everything());
}

#[test]
fn accepts_unicode_classes_without_repeats() {
    assert_eq!(regex("\\w+-\\d+").matches("grün-7"), Tri::True);
    assert_eq!(regex("[a-z0-9-]{1,63}").matches(&"a".repeat(63)), Tri::True);
}

#[test]
fn refuses_what_is_no_pattern() {
    assert!(matches!(
        Pattern::regex("a("),
        Err(PatternFault::Expression { .. })
    ));
    assert!(matches!(
        Pattern::regex("a)|(b"),
        Err(PatternFault::Expression { .. })
    ));
    assert!(matches!(
        Pattern::regex("(?:\\w{60}){60}"),
        Err(PatternFault::TooComplex { .. })
    ));
    assert!(matches!(
        Pattern::regex(&"a".repeat(257)),
        Err(PatternFault::TooLong { .. })
    ));
    assert!(matches!(
        Pattern::glob(&"a".repeat(1025)),
        Err(PatternFault::TooLong { .. })
    ));
    for text in [
        "{team}",
        "{user.}",
        "{user.team",
        "a}",
        "{user.Team}",
        "{usr.team}",
    ] {
        assert!(
            matches!(Pattern::glob(text), Err(PatternFault::Placeholder { .. })),
            "{text}"
        );
    }
}

#[test]
fn inserts_attributes_literally_and_as_alternatives() {
    let pattern = glob("{user.team}-*");
    assert!(pattern.is_personal());
    assert_eq!(pattern.matches("shop-a"), Tri::Unknown);
    let teams = attributes(&[("team", &["shop", "*"])]);
    assert_eq!(pattern.matches_for("shop-a", &teams), Tri::True);
    assert_eq!(pattern.matches_for("*-a", &teams), Tri::True);
    assert_eq!(pattern.matches_for("bank-a", &teams), Tri::False);
}

#[test]
fn binds_one_value_to_all_places_of_an_attribute() {
    let teams = attributes(&[("team", &["a", "b"])]);
    let pattern = glob("{user.team}-{user.team}");
    assert_eq!(pattern.matches_for("a-a", &teams), Tri::True);
    assert_eq!(pattern.matches_for("a-b", &teams), Tri::False);
}

#[test]
fn a_missing_or_empty_attribute_is_unknown() {
    let pattern = glob("{user.team}*");
    assert_eq!(pattern.matches_for("x", &attributes(&[])), Tri::Unknown);
    assert_eq!(
        pattern.matches_for("x", &attributes(&[("team", &[])])),
        Tri::Unknown
    );
    assert_eq!(
        pattern.matches_for("x", &attributes(&[("team", &["a", ""])])),
        Tri::Unknown
    );
    let many: Vec<String> = (0..=ALTERNATIVES_MAX)
        .map(|number| format!("t{number}"))
        .collect();
    let too_many = AttributeMap::from([("team".to_owned(), many)]);
    assert_eq!(pattern.matches_for("t1", &too_many), Tri::Unknown);
}

#[test]
fn a_literal_is_not_a_glob_of_the_same_text() {
    assert_ne!(Pattern::literal("a*"), glob("a*"));
    assert_eq!(Pattern::literal("a"), glob("a"));
    assert_ne!(regex("a"), glob("a"));
}

/// The obvious matcher.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        ['?', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
        [own, rest @ ..] => text.first() == Some(own) && naive(rest, &text[1..]),
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Every text over the letters up to this many characters longer than the beginning.
fn continuations(prefix: &str, longest: usize) -> Vec<String> {
    let mut all = vec![prefix.to_owned()];
    let mut last = all.clone();
    for _ in 0..longest {
        last = last
            .iter()
            .flat_map(|text| ["a", "b", "z"].map(|letter| format!("{text}{letter}")))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

proptest! {
    #[test]
    fn matching_agrees_with_the_obvious_matcher(pattern in "[ab*?]{0,7}", text in "[ab]{0,7}") {
        let expected = naive(&chars(&pattern), &chars(&text));
        prop_assert_eq!(glob(&pattern).matches(&text), expected.into());
    }

    #[test]
    fn cover_and_overlap_agree_with_enumeration(pattern in "[ab*?]{0,4}", prefix in "[ab]{0,3}") {
        let all: Vec<bool> = continuations(&prefix, 5)
            .iter()
            .map(|text| naive(&chars(&pattern), &chars(text)))
            .collect();
        let compiled = glob(&pattern);
        prop_assert_eq!(compiled.covers_prefix(&prefix), all.iter().all(|hit| *hit).into());
        prop_assert_eq!(compiled.overlaps_prefix(&prefix), all.iter().any(|hit| *hit).into());
    }

    #[test]
    fn a_glob_and_its_expression_agree(pattern in "[ab*?]{0,5}", prefix in "[ab]{0,4}") {
        let expression = regex(&pattern.replace('*', ".*").replace('?', "."));
        let pattern = glob(&pattern);
        prop_assert_eq!(pattern.matches(&prefix), expression.matches(&prefix));
        prop_assert_eq!(pattern.covers_prefix(&prefix), expression.covers_prefix(&prefix));
        prop_assert_eq!(pattern.overlaps_prefix(&prefix), expression.overlaps_prefix(&prefix));
    }

    #[test]
    fn a_witness_is_in_the_set(pattern in "[ab*?]{0,7}") {
        let pattern = glob(&pattern);
        let witness = pattern.witness().expect("a glob has one");
        prop_assert_eq!(pattern.matches(&witness), Tri::True);
    }
}
