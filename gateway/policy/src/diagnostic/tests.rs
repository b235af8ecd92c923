use super::*;
use crate::source::Files;

fn report() -> (Report, Files) {
    let text = "deny \"a\" {\n\ton \"pods\"\n}\n// é\u{1b}[31m deny \"b\"\n";
    let files = Files::from([
        ("rules/a.kdl".to_owned(), text.as_bytes().to_vec()),
        ("rules/b, 100%.kdl".to_owned(), b"deny \"a\"".to_vec()),
    ]);
    let at = |file: &str, offset, length, line| Location {
        file: file.into(),
        offset,
        length,
        line,
    };
    let mut report = Report::new();
    report.add(
        Finding::new(
            Code::GP301,
            "rule `a` is defined twice",
            at("rules/b, 100%.kdl", 5, 3, 1),
        )
        .also(at("rules/a.kdl", 5, 3, 1), "first defined here")
        .help("rename one"),
    );
    report.add(
        Finding::new(
            Code::GP401,
            "rule can <never> match",
            at("rules/a.kdl", 12, 9, 2),
        )
        .label("here & \"now\""),
    );
    report.add(Finding::new(
        Code::GP505,
        "review is overdue",
        at("rules/a.kdl", 24, 40, 4),
    ));
    report.add(Finding::new(
        Code::new("GC101"),
        "no such place",
        at("nowhere.kdl", 99, 9, 7),
    ));
    (report, files)
}

#[test]
fn renders_for_people() {
    let (report, files) = report();
    insta::assert_snapshot!(human(&report, &files));
}

#[test]
fn renders_as_json() {
    let (report, files) = report();
    insta::assert_snapshot!(json(&report, &files));
}

#[test]
fn renders_as_annotations() {
    let (report, files) = report();
    insta::assert_snapshot!(github(&report, &files));
}

#[test]
fn renders_as_sarif() {
    let (report, files) = report();
    let document: serde_json::Value = serde_json::from_str(&sarif(&report, &files)).unwrap();
    let rules = document["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    assert_eq!(rules.len(), CATALOGUE.len());
    insta::assert_snapshot!(format!("{:#}", document["runs"][0]["results"]));
}

#[test]
fn renders_as_junit() {
    let (report, _) = report();
    insta::assert_snapshot!(junit(&report));
    assert!(junit(&Report::new()).contains("failures=\"0\""));
}

#[test]
fn counts_a_finding_once() {
    let (mut report, _) = report();
    let copy = report.clone();
    report.merge(copy);
    assert_eq!(report.findings().len(), 4);
    assert_eq!(
        (report.count(Level::Error), report.count(Level::Warning)),
        (3, 1)
    );
}

#[test]
fn fails_on_warnings_only_where_asked() {
    let mut report = Report::new();
    assert!(!report.fails(true));
    let place = Location {
        file: "a.kdl".into(),
        offset: 0,
        length: 0,
        line: 1,
    };
    report.add(Finding::new(
        Code::GP505,
        "review is overdue",
        place.clone(),
    ));
    assert!(!report.fails(false) && report.fails(true));
    report.add(Finding::new(Code::GP201, "unknown line", place));
    assert!(report.fails(false));
}

#[test]
fn lists_each_code_once_and_in_order() {
    let codes: Vec<Code> = CATALOGUE.iter().map(|entry| entry.code).collect();
    assert!(codes.is_sorted_by(|a, b| a < b));
}
