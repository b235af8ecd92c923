//! Detectors on the strings of a body.

#![forbid(unsafe_code)]

use super::*;
use crate::guard::{Detector, GUARDED_BYTES_MAX};
use crate::testing::redact_found;

fn watched(rules: &[(&str, Strategy)], within: Option<&str>) -> MaskSpec {
    let within = within.map(|path| FieldPath::parse(path).unwrap());
    MaskSpec {
        guards: vec![redact_found(vec![Detector::Email], within)],
        ..spec(rules, ROOT)
    }
}

fn found(within: Option<&str>, text: &str, expected: &str) {
    check_spec(watched(&[], within), text, expected);
}

#[test]
fn what_is_found_in_a_string_goes_and_the_rest_stays() {
    found(
        None,
        r#"{"a":"to a@b.example, now","b":["c@d.example",7,"x"],"e@f.example":"y"}"#,
        r##"{"a":"to #, now","b":["#",7,"x"],"e@f.example":"y"}"##,
    );
    found(None, r#""a@b.example""#, r##""#""##);
    found(
        None,
        r#"{"a":"\ta\u0040b.example\"","b":"\t\u0040\/"}"#,
        r##"{"a":"\t#\"","b":"\t\u0040\/"}"##,
    );
}

#[test]
fn only_the_strings_at_the_path_and_below_are_read() {
    found(
        Some("a"),
        r#"{"a":"a@b.example","b":"a@b.example"}"#,
        r##"{"a":"#","b":"a@b.example"}"##,
    );
    found(
        Some("a"),
        r#"{"a":[1,{"b":"a@b.example"},["a@b.example"]],"c":["a@b.example"]}"#,
        r##"{"a":[1,{"b":"#"},["#"]],"c":["a@b.example"]}"##,
    );
    found(
        Some("a.**"),
        r#"{"a":"a@b.example","b":"a@b.example"}"#,
        r##"{"a":"#","b":"a@b.example"}"##,
    );
    found(
        Some("a[n=x].b"),
        r#"{"a":[{"n":"x","b":"a@b.example"},{"n":"y","b":"a@b.example"}]}"#,
        r##"{"a":[{"n":"x","b":"#"},{"n":"y","b":"a@b.example"}]}"##,
    );
    // The string that decides is read as well.
    found(
        Some("a[n='x@y.example'].**"),
        r#"{"a":[{"n":"x@y.example","b":"a@b.example"},{"n":"z@y.example","b":"a@b.example"}]}"#,
        r##"{"a":[{"n":"#","b":"#"},{"n":"#","b":"a@b.example"}]}"##,
    );
}

#[test]
fn what_an_action_leaves_of_a_string_is_read_and_both_count() {
    let inner = spec(&[("x", Strategy::Redact)], ROOT).rules;
    let spec = watched(&[("a", Strategy::Json { rules: inner })], None);
    let text = r#"{"a":"{\"x\":1,\"y\":\"a@b.example\"}"}"#;
    check_spec(spec.clone(), text, r##"{"a":"{\"x\":0,\"y\":\"#\"}"}"##);
    let pair = Pair::new(spec);
    let summary = run(&pair.program, Kernel::best(), text.as_bytes(), &[]).end;
    assert_eq!(summary.unwrap().masked_count, 2);
}

#[test]
fn a_string_longer_than_is_read_goes_whole() {
    let pad = |length: usize| "x".repeat(length);
    let mail = "a@b.example";
    let fits = format!("{} {mail}", pad(GUARDED_BYTES_MAX - mail.len() - 1));
    let marker = "countersign-masked:m";
    let mut pair = Pair::new(watched(&[], None));
    let cases = [
        (pad(250_000), pad(250_000)),
        (pad(GUARDED_BYTES_MAX), pad(GUARDED_BYTES_MAX)),
        (fits.clone(), fits.replace(mail, marker)),
        (pad(GUARDED_BYTES_MAX + 1), marker.to_owned()),
    ];
    for (text, expected) in cases.into_iter().skip(every(2) - 1).step_by(every(2)) {
        let [text, expected] = [text, expected].map(|inner| format!(r#"{{"a":"{inner}","b":1}}"#));
        assert_eq!(
            pair.twin.mask(text.as_bytes()),
            Some(expected.clone().into_bytes())
        );
        for size in [4096, 100_000, 1 << 20].into_iter().step_by(every(3)) {
            let outcome = run_evenly(&pair.program, Kernel::best(), text.as_bytes(), size);
            assert_eq!(outcome.bytes.len(), expected.len(), "{size}");
            assert!(outcome.bytes == expected.as_bytes(), "{size}");
        }
    }
}

#[test]
fn the_memory_of_a_stream_counts_what_detectors_remember() {
    let pair = Pair::new(watched(&[], None));
    let mut masker = Masker::new(pair.program, Kernel::best());
    let empty = masker.memory_bytes();
    let text = Bytes::from_static(br#"{"a":"x"}"#);
    masker.push(&text, &mut Vec::new()).unwrap();
    assert!(masker.memory_bytes() >= empty + size_of::<usize>());
}

#[test]
fn what_an_action_leaves_that_is_longer_than_is_read_goes_whole() {
    let rules = [("a", Strategy::Json { rules: Vec::new() })];
    let pair = Pair::new(watched(&rules, None));
    for (length, stays) in [
        (GUARDED_BYTES_MAX - 2, true),
        (GUARDED_BYTES_MAX - 1, false),
    ] {
        let text = format!(r#"{{"a":"[{}]"}}"#, " ".repeat(length));
        let outcome = run(&pair.program, Kernel::best(), text.as_bytes(), &[]);
        let masked = br#"{"a":"countersign-masked:m"}"#;
        assert_eq!(outcome.bytes == text.as_bytes(), stays);
        assert_eq!(outcome.bytes == masked, !stays);
    }
}
