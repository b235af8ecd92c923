use std::fs;
use std::path::Path;

use super::*;
use crate::diagnostic::human;

/// All files below a folder of `policies/`.
pub(crate) fn shipped(name: &str) -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../policies")
        .join(name);
    let mut files = Files::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn decodes_the_shipped_bundles_without_a_finding() {
    for name in ["demo", "starter", "allow-all"] {
        let files = shipped(name);
        let (bundle, report) = decode(&files);
        assert!(report.is_empty(), "{name}\n{}", human(&report, &files));
        assert_eq!(bundle.unwrap().name, name);
    }
}

/// The example bundle of the language's design: it uses everything, so this version refuses what
/// it does not implement, and nothing else.
pub(crate) fn harbour() -> Files {
    let mut files = split_files(include_str!("../../testdata/harbour.kdl"));
    for name in [
        "restart.json",
        "restart-and-image.json",
        "image.json",
        "secret.json",
    ] {
        files.insert(format!("tests/fixtures/{name}"), b"{}".to_vec());
    }
    files
}

/// Several files in one text, each behind a line `// ── PATH`.
pub(crate) fn split_files(text: &str) -> Files {
    let mut files = Files::new();
    let mut path = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("// ── ") {
            name.clone_into(&mut path);
            files.insert(path.clone(), Vec::new());
            continue;
        }
        let file: &mut Vec<u8> = files.entry(path.clone()).or_default();
        file.extend_from_slice(line.as_bytes());
        file.push(b'\n');
    }
    files
}

#[test]
fn refuses_of_the_example_only_what_is_not_implemented() {
    let files = harbour();
    let (bundle, report) = decode_for(&files, GatewayVersion(0, 9, 0));
    assert!(bundle.is_none());
    let others: Vec<_> = report
        .findings()
        .into_iter()
        .filter(|finding| finding.code != Code::GP109)
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    insta::assert_snapshot!("example", human(&report, &files));
}

#[test]
fn says_only_that_the_bundle_is_too_new() {
    let files = harbour();
    let (bundle, report) = decode_for(&files, GatewayVersion(0, 8, 99));
    assert!(bundle.is_none());
    let codes: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, [Code::GP108]);
}
