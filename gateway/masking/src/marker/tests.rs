use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

#[test]
fn finds_plain_markers() {
    assert_eq!(find_marker(b"a countersign-masked:x"), Some(2));
    assert_eq!(find_marker(b"countersign-masked"), None);
    check(r#"{"a":"countersign-masked:"}"#, &["/a"]);
    // Only base64 is broken into lines.
    check(r#"{"a":"countersign- masked:m !"}"#, &[]);
}

fn check(body: &str, fields: &[&str]) {
    let scan = MarkerScan::of(body.as_bytes());
    let found: Vec<&str> = scan.fields().iter().map(|field| &**field).collect();
    assert_eq!(found, fields, "{body}");
    assert_eq!(scan.is_clean(), fields.is_empty());
}

#[test]
fn names_the_fields_that_hold_a_marker() {
    check(
        r#"{"data":{"a":"x","b":"countersign-masked:m"}}"#,
        &["/data/b"],
    );
    check(
        r#"{"a/b":[1,{"~":["x","xcountersign-masked:m"]}]}"#,
        &["/a~1b/1/~0/1"],
    );
    check(
        r#"{"countersign-masked:m":1,"x":2}"#,
        &["/countersign-masked:m"],
    );
    check(r#""countersign-m\u0061sked:m""#, &[""]);
    check(r#"{"a":"countersign-masked"}"#, &[]);
    check("a: countersign-masked:m\n", &[""]);
    check(r#"{"a":{},"b":[],"c":"countersign-masked:m"}"#, &["/c"]);
}

#[test]
fn finds_markers_behind_layers() {
    let encode = |text: &str| STANDARD.encode(text);
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let marker = "countersign-masked:m";
    for before in ["", "a", "ab", "abc", "{\"x\":\"", "\u{ff}\u{ff}\u{ff}"] {
        for after in ["", "z", "zz", "zzz"] {
            let text = format!("{before}{marker}{after}");
            let layers = [
                encode(&text),
                URL_SAFE.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
                json(&text),
                encode(&encode(&text)),
                encode(&json(&encode(&text))),
                json(&json(&json(&text))),
                format!("see {}, or not", encode(&text)),
                encode(&encode(&encode(&encode(&text)))),
                encode(&text)
                    .replacen("n", "n\n", 1)
                    .replacen("b", "b\r\n", 1),
            ];
            for layer in layers {
                let body = format!(r#"{{"a":{}}}"#, json(&layer));
                check(&body, &["/a"]);
            }
        }
    }
}

#[test]
fn finds_markers_in_base64_that_other_letters_touch() {
    for before in ["", "a", "ab", "abc"] {
        for touching in ["x", "xy", "xyz"] {
            let text = STANDARD_NO_PAD.encode(format!("{before}countersign-masked:m"));
            check(&format!(r#"{{"a":"{touching}{text}{touching}"}}"#), &["/a"]);
            let other = STANDARD_NO_PAD.encode(format!("{before}countersign-masque:m"));
            check(&format!(r#"{{"a":"{touching}{other}{touching}"}}"#), &[]);
        }
    }
    let twice = STANDARD.encode(STANDARD.encode("countersign-masked:m_______"));
    for touching in ["", "x", "xy", "xyz"] {
        check(&format!(r#"{{"a":"{twice}{touching}"}}"#), &["/a"]);
    }
}

#[test]
fn layers_are_bounded() {
    let wrapped = |layers: usize| {
        (0..layers).fold("countersign-masked:m".to_owned(), |text, _| {
            STANDARD.encode(text)
        })
    };
    // The last layer is seen without a look behind it.
    check(
        &format!(r#"{{"a":"{}"}}"#, wrapped(WRAP_DEPTH_MAX + 1)),
        &["/a"],
    );
    check(
        &format!(r#"{{"a":"{}"}}"#, wrapped(WRAP_DEPTH_MAX + 2)),
        &[],
    );
    let folded = |layers: usize| {
        (0..layers).fold("countersign-masked:m".to_owned(), |text, _| {
            let mut text = STANDARD.encode(text);
            text.insert(10, '\n');
            text
        })
    };
    for (layers, fields) in [(2, &["/a"][..]), (3, &[])] {
        let body = serde_json::json!({ "a": folded(layers) }).to_string();
        check(&body, fields);
    }
}

#[test]
fn a_broken_escape_hides_nothing() {
    check(r#"{"a":"\\u12 \\q countersign-m\\u0061sked:m"}"#, &["/a"]);
}

#[test]
fn names_are_bounded() {
    let body = format!(
        r#"{{"{}":{{"a":"countersign-masked:m"}}}}"#,
        "é".repeat(600)
    );
    let scan = MarkerScan::of(body.as_bytes());
    assert_eq!(*scan.fields()[0], format!("/{}", "é".repeat(511)));
    let fields: Vec<String> = (0..100)
        .map(|index| format!(r#""k{index}":"countersign-masked:m""#))
        .collect();
    let scan = MarkerScan::of(format!("{{{}}}", fields.join(",")).as_bytes());
    assert_eq!(
        (scan.count(), scan.fields().len()),
        (100, MARKED_FIELD_COUNT_MAX)
    );
}

proptest! {
    #[test]
    fn text_without_the_marker_is_clean(text: String) {
        let body = serde_json::to_vec(&text).unwrap();
        prop_assert!(MarkerScan::of(&body).is_clean());
    }

    #[test]
    fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(MarkerScan::of(&bytes).is_clean());
    }
}
