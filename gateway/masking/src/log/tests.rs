use super::*;
use crate::guard::{Detector, GuardRule, GuardScope, GuardStrategy};
use crate::program::{MaskSpec, Mount};

fn program() -> Arc<MaskProgram> {
    let guard = GuardRule {
        mask: "m".into(),
        detectors: vec![Detector::AwsKey, Detector::Pem, Detector::Jwt],
        scope: GuardScope::Found,
        strategy: GuardStrategy::Redact,
        within: None,
    };
    let spec = MaskSpec {
        rules: Vec::new(),
        guards: vec![guard],
        mounts: vec![Mount::Root],
    };
    Arc::new(MaskProgram::compile(&spec).unwrap())
}

fn run(text: &[u8], size: usize) -> String {
    let mut masker = LogMasker::new(program());
    let mut out = Vec::new();
    for chunk in text.chunks(size) {
        masker.push(&Bytes::copy_from_slice(chunk), &mut out);
    }
    masker.finish(&mut out);
    String::from_utf8(out.concat()).unwrap()
}

fn check(text: &str, expected: &str) {
    let expected = expected.replace('#', "countersign-masked:m");
    for size in [1, 2, 3, 7, 64, 4096, 1 << 20] {
        assert_eq!(run(text.as_bytes(), size), expected, "{size}");
    }
}

#[test]
fn finds_secrets_across_chunks() {
    check("a\nkey AKIAIOSFODNN7EXAMPLE used\nb", "a\nkey # used\nb");
    check("AKIAIOSFODNN7EXAMPLE", "#");
    check("", "");
    check("\n\n", "\n\n");
}

#[test]
fn a_private_key_goes_with_all_its_lines() {
    let key = "-----BEGIN PRIVATE KEY-----\nabc\ndef\n-----END PRIVATE KEY-----\n";
    check(&format!("x\n{key}y\n"), "x\n#\ny\n");
    check("x -----BEGIN RSA PRIVATE KEY-----\nabc", "x #\n");
}

#[test]
fn complete_lines_are_handed_on_at_once() {
    let mut masker = LogMasker::new(program());
    let mut out = Vec::new();
    masker.push(&Bytes::from_static(b"one\ntwo\nthr"), &mut out);
    assert_eq!(out.concat(), b"one\ntwo\n");
}

#[test]
fn long_lines_stay_within_their_bound() {
    let line = format!(
        "{} AKIAIOSFODNN7EXAMPLE {}",
        "x".repeat(9000),
        "y ".repeat(9000)
    );
    check(&line, &line.replace("AKIAIOSFODNN7EXAMPLE", "#"));
    let token = format!("eyJhbGciOi.eyJ{}.sig123456 rest", "a".repeat(20_000));
    for size in [1000, 4096] {
        let got = run(token.as_bytes(), size);
        assert!(got.len() < 20_100);
    }
    let token = format!("t eyJhbGciOi.eyJzdWIi.{} rest", "b".repeat(40_000));
    check(&token, "t # rest");
}

#[test]
fn without_detectors_the_chunk_itself_is_handed_on() {
    let program = Arc::new(MaskProgram::compile(&MaskSpec::default()).unwrap());
    let mut masker = LogMasker::new(program);
    let chunk = Bytes::from_static(b"x");
    let mut out = Vec::new();
    masker.push(&chunk, &mut out);
    assert_eq!(out[0].as_ptr(), chunk.as_ptr());
}
