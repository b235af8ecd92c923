use proptest::prelude::*;

use super::{
    SelectorFault, exact_name, parse_field_selector, parse_label_selector, print_field_selector,
    print_label_selector,
};

/// Text, and its canonical form as printed.
const LABELS: &[(&str, &str)] = &[
    ("", ""),
    ("  ", ""),
    ("a", "a"),
    ("!a", "!a"),
    (" ! a ", "!a"),
    ("a=b", "a=b"),
    ("a==b", "a=b"),
    ("a = b", "a=b"),
    ("a=", "a="),
    ("a=,b", "a=,b"),
    ("a!=b", "a!=b"),
    ("a in (b)", "a=b"),
    ("a in (b,c)", "a in (b,c)"),
    ("a in(b , c)", "a in (b,c)"),
    ("a in (c,b,c)", "a in (c,b)"),
    ("a in ()", "a="),
    ("a in (,)", "a="),
    ("a in (,b)", "a in (,b)"),
    ("a in (b,)", "a in (b,)"),
    ("a in (b,,c)", "a in (b,,c)"),
    ("a notin (b)", "a!=b"),
    ("a notin (b,c)", "a notin (b,c)"),
    ("in in (in,notin)", "in in (in,notin)"),
    ("notin", "notin"),
    ("a>1", "a>1"),
    ("a < 1", "a<1"),
    ("x.io/a=b,!x.io/c", "x.io/a=b,!x.io/c"),
    ("a,a=b,a!=b", "a,a=b,a!=b"),
];

const REFUSED_LABELS: &[&str] = &[
    ",",
    "a,",
    ",a",
    "a,,b",
    "a b",
    "a=b c",
    "!a=b",
    "!",
    "!!a",
    "=b",
    "a=(",
    "a in",
    "a in b",
    "a in (b",
    "a in (b c)",
    "a in (b)c",
    "a>",
    "a>b",
    "a>1.5",
    "a>=1",
    "a===b",
    "a=!b",
    "a in (=)",
    "-a",
    "a-",
    "_",
    "x/y/z",
    "/a",
    "X.io/a",
    "a=b/c",
    "a=-b",
    "\u{e4}",
    "a\0b",
    "a>99999999999999999999",
    "a=1234567890123456789012345678901234567890123456789012345678901234",
];

const FIELDS: &[(&str, &str)] = &[
    ("", ""),
    (",,", ""),
    ("=", ""),
    ("!=", ""),
    ("a=b", "a=b"),
    ("a==b", "a=b"),
    ("a!=b", "a!=b"),
    ("b=1,a=2", "a=2,b=1"),
    ("a=b,a==b", "a=b"),
    ("a=", "a="),
    ("=b", "=b"),
    ("a!b=c", "a!b=c"),
    (r"a=x\,y\=z\\", r"a=x\,y\=z\\"),
    (" a = b ", " a = b "),
];

const REFUSED_FIELDS: &[&str] = &[
    "a", "a,b=c", "a=b=c", "a===b", "a!==b", r"a=\x", r"a=b\", "!",
];

#[test]
fn prints_each_label_selector_in_one_way() {
    for (text, canonical) in LABELS {
        let requirements =
            parse_label_selector(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(print_label_selector(&requirements), *canonical, "{text:?}");
        assert_eq!(
            parse_label_selector(canonical),
            Ok(requirements),
            "{text:?}"
        );
    }
}

#[test]
fn refuses_label_selectors_that_kubernetes_rejects() {
    for text in REFUSED_LABELS {
        assert!(parse_label_selector(text).is_err(), "{text:?}");
    }
    assert_eq!(
        parse_label_selector(&"a".repeat(17_000)),
        Err(SelectorFault::TooLong)
    );
}

#[test]
fn prints_each_field_selector_in_one_way() {
    for (text, canonical) in FIELDS {
        let requirements =
            parse_field_selector(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(print_field_selector(&requirements), *canonical, "{text:?}");
        assert_eq!(
            parse_field_selector(canonical),
            Ok(requirements),
            "{text:?}"
        );
    }
}

#[test]
fn refuses_field_selectors_that_kubernetes_rejects() {
    for text in REFUSED_FIELDS {
        assert!(parse_field_selector(text).is_err(), "{text:?}");
    }
}

#[test]
fn finds_the_one_name_a_selector_asks_for() {
    let check = |text: &str, expected: Result<Option<&str>, SelectorFault>| {
        assert_eq!(
            exact_name(&parse_field_selector(text).unwrap()),
            expected,
            "{text}"
        );
    };
    check("", Ok(None));
    check("metadata.name=x", Ok(Some("x")));
    check("a=b,metadata.name==x", Ok(Some("x")));
    check("metadata.name=x,metadata.name==x", Ok(Some("x")));
    check("metadata.name!=x", Ok(None));
    check("metadata.name=", Ok(Some("")));
    check("Metadata.name=x", Ok(None));
    // The API server takes the term that sorts first by its text, `==x` before `=a`.
    check(
        "metadata.name==x,metadata.name=a",
        Err(SelectorFault::TwoNames),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// `parse ∘ print = id`, on texts made of what selectors are made of.
    #[test]
    fn printed_selectors_read_back_unchanged(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "a", "b", "x.io/c", "in", "notin", "!", "=", "==", "!=", ">", "<", "(", ")", ",", " ",
            "1", "-1", "\\", "metadata.name", "\u{e4}",
        ]), 0..10),
    ) {
        let text = tokens.concat();
        if let Ok(requirements) = parse_label_selector(&text) {
            prop_assert_eq!(parse_label_selector(&print_label_selector(&requirements)), Ok(requirements));
        }
        if let Ok(requirements) = parse_field_selector(&text) {
            prop_assert_eq!(parse_field_selector(&print_field_selector(&requirements)), Ok(requirements));
        }
    }
}
