use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::path::FieldPath;
use crate::program::{MaskRule, MaskSpec, Mount, Strategy, join};
use crate::testing;

fn apply(strategy: Strategy, encoding: Encoding, raw: &str) -> String {
    let rule = MaskRule {
        mask: "m".into(),
        path: FieldPath::root(),
        strategy,
        encoding,
    };
    let applied = action(&join(&[rule], &[0]).unwrap(), raw.as_bytes());
    assert!(applied.count > 0 || applied.text == format!("\"{raw}\"").into_bytes());
    String::from_utf8(applied.text).unwrap()
}

fn plain(strategy: Strategy, raw: &str) -> String {
    apply(strategy, Encoding::Plain, raw)
}

const REDACTED: &str = r#""countersign-masked:m""#;

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn a_digest_is_of_the_text_and_of_the_cluster() {
    let key = testing::key().unwrap();
    let hash = || Strategy::Hash {
        key: Arc::clone(&key),
    };
    let one = plain(hash(), "secret");
    assert_eq!(one, plain(hash(), r"s\u0065cret"));
    assert_ne!(one, plain(hash(), "secre"));
    let digest = one
        .strip_prefix(r#""countersign-masked:m:test-1:"#)
        .unwrap();
    assert_eq!(digest.len(), 25);
    let other = Arc::new(MaskKey::new("test-1", b"0123456789abcdef", "other").unwrap());
    assert_ne!(one, plain(Strategy::Hash { key: other }, "secret"));
    // In base64 it is the digest of the decoded bytes, in base64.
    let encoded = apply(hash(), Encoding::Base64, &STANDARD.encode("secret"));
    let decoded = STANDARD.decode(encoded.trim_matches('"')).unwrap();
    assert_eq!(decoded, one.trim_matches('"').as_bytes());
    let redacted = format!("\"{}\"", STANDARD.encode("countersign-masked:m"));
    assert_eq!(apply(hash(), Encoding::Base64, "no base64!"), redacted);
}

#[test]
fn a_tail_stays_of_a_long_text_alone() {
    let partial = || Strategy::Partial { keep_last: 4 };
    assert_eq!(
        plain(partial(), "abcdefghijkl"),
        "\"countersign-masked:m:…ijkl\""
    );
    assert_eq!(plain(partial(), "abcdefghijk"), REDACTED);
    assert_eq!(
        plain(partial(), r"abcdefgh\u00e9\ud83d\ude00\u0022\\"),
        "\"countersign-masked:m:…é😀\\\"\\\\\""
    );
    assert_eq!(plain(partial(), r"abcdefghijkl\ud800"), REDACTED);
    assert_eq!(
        plain(Strategy::Partial { keep_last: 0 }, "abcd"),
        "\"countersign-masked:m:…\""
    );
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn digits_are_encrypted_or_the_text_is_redacted() {
    let fpe = || Strategy::Fpe {
        key: testing::key().unwrap(),
    };
    let masked = plain(fpe(), "+49 30 1234567");
    assert_ne!(masked, "\"+49 30 1234567\"");
    assert_eq!(masked.len(), 16);
    assert_eq!(plain(fpe(), "12345"), REDACTED);
    assert_eq!(plain(fpe(), "secret"), REDACTED);
}

fn inner(path: &str) -> Vec<MaskRule> {
    vec![MaskRule {
        mask: "in".into(),
        path: FieldPath::parse(path).unwrap(),
        strategy: Strategy::Redact,
        encoding: Encoding::Plain,
    }]
}

#[test]
fn documents_in_strings_are_masked_inside_or_whole() {
    let json = || Strategy::Json { rules: inner("a") };
    assert_eq!(
        plain(json(), r#"{\"a\":\"s\",\"b\":\"\\u00e9\\n\"}\n"#),
        r#""{\"a\":\"countersign-masked:in\",\"b\":\"\\u00e9\\n\"}\n""#
    );
    for broken in [
        "",
        "{",
        "not json",
        r"{\ud800}",
        r"[1] [2]",
        r#"{\"a\":1}x"#,
    ] {
        assert_eq!(plain(json(), broken), REDACTED, "{broken}");
    }
    let base64 = || Strategy::Base64 { rules: inner("a") };
    let masked = plain(base64(), &STANDARD.encode(r#"{"a":1}"#));
    assert_eq!(
        STANDARD.decode(masked.trim_matches('"')).unwrap(),
        br#"{"a":0}"#
    );
    assert_eq!(
        plain(base64(), "H4sIAAAAAAAAA6tWSlSyUipWqgUAd3gFHwoAAAA="),
        REDACTED
    );
    assert_eq!(plain(base64(), "no base64!"), REDACTED);
}

/// Two readers of YAML need not agree on these, and what is only JSON they all read alike.
#[test]
fn yaml_that_is_not_json_is_masked_whole() {
    let yaml = || Strategy::Yaml { rules: inner("a") };
    assert_eq!(plain(yaml(), r#"{\"a\": 1}"#), r#""{\"a\": 0}""#);
    assert_eq!(
        plain(yaml(), r#"\n {\"b\": [1],\n  \"a\": \"x\"}\n"#),
        r#""\n {\"b\": [1],\n  \"a\": \"countersign-masked:in\"}\n""#
    );
    for other in [
        "",
        "a: 1",
        r"a: 1\nb: 2\n",
        r"a:\n  b: 1\n",
        r"a: |\n  text\n",
        r"b: &x 1\na: *x\n",
        r"<<: {a: 1}\n",
        r"!!map {a: 1}\n",
        "{a: 1}",
        "{'a': 1}",
        r#"{\"a\": 1,}"#,
        r#"{\"a\": 1} # a comment"#,
        r#"---\n{\"a\": 1}"#,
        r#"{\"a\": 1}\n---\n{\"a\": 1}"#,
        r#"{\"a\": 0o17}"#,
        r#"%YAML 1.2\n---\n{\"a\": 1}"#,
    ] {
        assert_eq!(plain(yaml(), other), REDACTED, "{other}");
    }
}

#[test]
fn the_rules_of_two_embedded_masks_both_apply() {
    let rule = |path: &str| MaskRule {
        mask: "m".into(),
        path: FieldPath::parse("a").unwrap(),
        strategy: Strategy::Json { rules: inner(path) },
        encoding: Encoding::Plain,
    };
    let spec = MaskSpec {
        rules: vec![rule("x"), rule("y")],
        guards: Vec::new(),
        mounts: vec![Mount::Root],
    };
    let program = Arc::new(MaskProgram::compile(&spec).unwrap());
    let text = br#"{"a":"{\"x\":1,\"y\":2,\"z\":3}"}"#;
    let outcome = testing::run(&program, Kernel::best(), text, &[]);
    assert_eq!(outcome.bytes, br#"{"a":"{\"x\":0,\"y\":0,\"z\":3}"}"#);
    let summary = outcome.end.unwrap();
    assert_eq!((summary.masked_count, summary.rules), (2, vec![0, 1]));
}
