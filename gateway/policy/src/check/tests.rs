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
