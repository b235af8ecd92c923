use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::decode::tests::{shipped, split_files};
use crate::diagnostic::{CATALOGUE, human};

fn now() -> Timestamp {
    "2026-11-18T10:00:00Z".parse().unwrap()
}

/// The minimal bundles, one or more for each code: name and files.
fn minimal() -> Vec<(String, Files)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let base = split_files(&fs::read_to_string(root.join("base.kdl")).unwrap());
    let mut all: Vec<(String, Files)> = fs::read_dir(root.join("findings"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let mut files = base.clone();
            files.extend(split_files(&fs::read_to_string(&path).unwrap()));
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                files,
            )
        })
        .collect();
    all.sort();
    all
}

/// Codes that no bundle can bring about: teams are not known in this version.
const RESERVED: &[&str] = &["GP305"];

#[test]
fn every_code_has_a_golden_finding_and_nothing_beside_it() {
    let mut seen = BTreeSet::new();
    let mut strays = Vec::new();
    for (name, files) in minimal() {
        let Checked { report, .. } = check(&files, now());
        let code = name.split('-').next().unwrap().to_owned();
        let codes: BTreeSet<&str> = report
            .findings()
            .iter()
            .map(|finding| finding.code.as_str())
            .collect();
        if codes != BTreeSet::from([code.as_str()]) {
            strays.push(format!("{name}: {codes:?}\n{}", human(&report, &files)));
        }
        seen.insert(code);
        insta::assert_snapshot!(name, human(&report, &files));
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
    let known = CATALOGUE.iter().map(|entry| entry.code.as_str());
    let missing: Vec<&str> = known
        .filter(|code| !seen.contains(*code) && !RESERVED.contains(code))
        .collect();
    assert!(missing.is_empty(), "no minimal bundle for {missing:?}");
}

/// The example of masks: what it says holds, and it is written as the formatter writes.
#[test]
fn the_example_of_masks_passes_without_a_finding() {
    let files = split_files(include_str!("../../testdata/masked.kdl"));
    let Checked { report, fails, .. } = check(&files, now());
    assert!(report.is_empty(), "{}", human(&report, &files));
    assert!(!fails);
    for (path, bytes) in &files {
        if crate::format::is_formattable(path) {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert_eq!(crate::format::format(path, bytes).unwrap(), text, "{path}");
        }
    }
}

/// Too much to compile is refused before it is.
#[test]
fn masks_are_bounded() {
    let check_message = |mask: &str, expected: &str| {
        let mut files = split_files(
            &fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/base.kdl"))
                .unwrap(),
        );
        files.insert("masks.kdl".to_owned(), mask.as_bytes().to_vec());
        let Checked { report, .. } = check(&files, now());
        let messages: Vec<&str> = report
            .findings()
            .iter()
            .map(|one| one.message.as_str())
            .collect();
        assert_eq!(messages, [expected]);
    };
    let lines = |line: &str, count: usize| {
        format!(
            "mask \"m\" {{ for \"pods\" {{\n{}}} }}\n",
            format!("{line}\n").repeat(count)
        )
    };
    check_message(
        &lines("at \"spec.nodeName\" redact", 1_001),
        "the masks of the bundle have more than 1000 lines `at` and `detect`",
    );
    check_message(
        &lines("at \"**.x\" redact", 65),
        "the masks of the bundle have more than 64 paths with `**`",
    );
    check_message(
        &lines("detect (re)\"a\" redact", 65),
        "the masks of the bundle have more than 64 own expressions in `detect`",
    );
    check_message(
        &lines("at \"spec.nodeName\" redact", 300),
        "mask `m`: there are 301 mask rules, at most 256 are possible; join paths by `*` or `**`",
    );
    let many: String = (0..256)
        .map(|number| format!("mask \"m{number}\" {{ for \"pods\" {{ at \"spec.x\" drop }} }}\n"))
        .collect();
    check_message(
        &many.replace("spec.x", "spec.os"),
        "the bundle has more than 255 masks",
    );
}

#[test]
fn shipped_bundles_pass_without_a_finding() {
    for name in ["demo", "starter", "allow-all"] {
        let files = shipped(name);
        let Checked {
            report,
            fails,
            bundle,
        } = check(&files, now());
        assert!(report.is_empty(), "{name}\n{}", human(&report, &files));
        assert!(!fails && bundle.is_some());
    }
}
