use proptest::prelude::*;

use super::*;

fn check(text: &str, canonical: &str) {
    let path = FieldPath::parse(text).unwrap();
    assert_eq!(path.to_string(), canonical);
    assert_eq!(FieldPath::parse(canonical).unwrap(), path, "{canonical}");
}

#[test]
fn reads_paths_and_prints_their_canonical_form() {
    check("data.*", "data.*");
    check("$", "$");
    check(
        "spec.containers[*].env[*].value",
        "spec.containers[*].env[*].value",
    );
    check(r#"metadata.labels["a.b/c"]"#, "metadata.labels['a.b/c']");
    check("a['b']", "a.b");
    check("['a'].b", "a.b");
    check("[*].b", "[*].b");
    check(
        "spec.containers[name=app].image",
        "spec.containers[name=app].image",
    );
    check("a['x y'='it\\'s']", r"a['x y'='it\'s']");
    check(r#"a["\\"]"#, r"a['\\']");
    check("a['']", "a['']");
    check("status.connection.**", "status.connection.**");
    check("**.password", "**.password");
    check("**", "**");
}

#[test]
fn faults_have_a_place_and_a_help() {
    let cases = [
        ("", 0, PathProblem::Empty),
        ("a.", 2, PathProblem::Empty),
        ("a..b", 2, PathProblem::Empty),
        (".a", 0, PathProblem::Empty),
        ("a b", 1, PathProblem::Character(' ')),
        ("a.b=c", 3, PathProblem::Character('=')),
        ("a[", 2, PathProblem::OpenBracket),
        ("a[*", 3, PathProblem::OpenBracket),
        ("a[0]", 3, PathProblem::Character(']')),
        ("a['b", 2, PathProblem::OpenQuote),
        (r"a['\b']", 3, PathProblem::Escape),
        ("**.**", 2, PathProblem::Repeated),
        ("***", 2, PathProblem::Character('*')),
        ("a*", 1, PathProblem::Character('*')),
        ("$.a", 0, PathProblem::Character('$')),
        ("a[name=]", 7, PathProblem::Character(']')),
    ];
    for (text, offset, problem) in cases {
        let fault = FieldPath::parse(text).unwrap_err();
        assert_eq!((fault.offset, fault.problem), (offset, problem), "{text}");
        assert!(!fault.help.is_empty());
    }
    let fault = FieldPath::parse("a[").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the field path is wrong at byte 2: `]` is missing; write `[*]`, `[name=value]` or `['name']`"
    );
}

#[test]
fn bounds_hold() {
    let long = "a".repeat(PATH_BYTES_MAX);
    assert!(FieldPath::parse(&long).is_ok());
    let problem = FieldPath::parse(&format!("{long}a")).unwrap_err().problem;
    assert_eq!(problem, PathProblem::TooLong);
    let deep = vec!["a"; STEP_COUNT_MAX].join(".");
    assert!(FieldPath::parse(&deep).is_ok());
    let problem = FieldPath::parse(&format!("{deep}.a")).unwrap_err().problem;
    assert_eq!(problem, PathProblem::TooManySteps);
}

fn step() -> impl Strategy<Value = Step> {
    let name = "[a-c./'\"\\\\ *=\\]\\[é]{0,4}".prop_map(String::into_boxed_str);
    prop_oneof![
        name.clone().prop_map(Step::Key),
        Just(Step::AnyKey),
        Just(Step::AnyElement),
        (name.clone(), name).prop_map(|(key, value)| Step::Element { key, value }),
        Just(Step::AnyDepth),
    ]
}

proptest! {
    #[test]
    fn parse_after_print_is_the_same_path(steps in prop::collection::vec(step(), 0..8)) {
        let mut steps = steps;
        steps.dedup_by(|a, b| *a == Step::AnyDepth && *b == Step::AnyDepth);
        let path = FieldPath { steps: steps.into() };
        prop_assert_eq!(FieldPath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place_within_it(text in ".{0,40}") {
        match FieldPath::parse(&text) {
            Ok(path) => prop_assert_eq!(FieldPath::parse(&path.to_string()), Ok(path)),
            Err(fault) => prop_assert!(fault.offset <= text.len()),
        }
    }
}
