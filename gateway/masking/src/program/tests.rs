use super::*;
use crate::testing::redact_found;

fn key(id: &str) -> Arc<MaskKey> {
    Arc::new(MaskKey::new(id, b"0123456789abcdef", "c").unwrap())
}

fn rule(mask: &str, strategy: Strategy) -> MaskRule {
    MaskRule {
        mask: mask.into(),
        path: FieldPath::parse("a").unwrap(),
        strategy,
        encoding: Encoding::Plain,
    }
}

fn inner(path: &str) -> Vec<MaskRule> {
    vec![MaskRule {
        path: FieldPath::parse(path).unwrap(),
        ..rule("in", Strategy::Redact)
    }]
}

/// What all rules on one value come to, whatever their order.
fn check(strategies: Vec<Strategy>, expected: &str) {
    let mut rules: Vec<MaskRule> = strategies
        .into_iter()
        .map(|strategy| rule("m", strategy))
        .collect();
    for _ in 0..2 {
        let indexes: Vec<usize> = (0..rules.len()).collect();
        let action = join(&rules, &indexes).unwrap();
        let kind = match &action.kind {
            ActionKind::Drop => "drop".to_owned(),
            ActionKind::Redact => "redact".to_owned(),
            ActionKind::Hash(key) => format!("hash {}", key.id()),
            ActionKind::Fpe(key) => format!("fpe {}", key.id()),
            ActionKind::Partial(keep) => format!("partial {keep}"),
            ActionKind::Embedded(wrap, _) => format!("{wrap:?}"),
        };
        assert_eq!(kind, expected);
        assert_eq!(action.rules.len(), rules.len());
        rules.reverse();
    }
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn of_two_strategies_on_one_path_the_stronger_wins() {
    let hash = |id| Strategy::Hash { key: key(id) };
    let fpe = || Strategy::Fpe { key: key("a") };
    let partial = |keep_last| Strategy::Partial { keep_last };
    let json = |path| Strategy::Json { rules: inner(path) };
    let base64 = || Strategy::Base64 { rules: inner("a") };
    check(vec![Strategy::Redact, Strategy::Drop], "drop");
    check(vec![hash("a"), Strategy::Redact], "redact");
    check(vec![fpe(), hash("a")], "hash a");
    check(vec![hash("b"), hash("a")], "hash a");
    check(vec![partial(3), fpe()], "fpe a");
    check(vec![partial(4), partial(2)], "partial 2");
    check(vec![json("a"), hash("a")], "hash a");
    // The tail could be within what the document's rules mask.
    check(vec![json("a"), partial(2)], "redact");
    check(vec![json("a"), json("b")], "Json");
    check(vec![json("a"), base64()], "redact");
    check(vec![base64(), base64()], "Base64");
}

#[test]
fn what_could_not_be_carried_out_is_refused() {
    let compile = |rules: Vec<MaskRule>| {
        let spec = MaskSpec {
            rules,
            guards: Vec::new(),
            mounts: vec![Mount::Root],
        };
        MaskProgram::compile(&spec).err()
    };
    assert_eq!(compile(vec![rule("m", Strategy::Redact)]), None);
    for name in ["", "M", "a b", "-a", "a\"", &"a".repeat(64)] {
        let fault = compile(vec![rule(name, Strategy::Redact)]);
        assert_eq!(fault, Some(CompileFault::MaskName(name.into())));
    }
    let most = vec![rule("m", Strategy::Redact); RULE_COUNT_MAX];
    assert_eq!(compile(most), None);
    let many = vec![rule("m", Strategy::Redact); RULE_COUNT_MAX + 1];
    assert_eq!(
        compile(many),
        Some(CompileFault::TooManyRules(RULE_COUNT_MAX + 1))
    );
    let mut nested = Strategy::Redact;
    for _ in 0..=EMBEDDED_DEPTH_MAX {
        assert_eq!(compile(vec![rule("m", nested.clone())]), None);
        nested = Strategy::Json {
            rules: vec![rule("m", nested)],
        };
    }
    assert_eq!(
        compile(vec![rule("m", nested)]),
        Some(CompileFault::TooDeep)
    );
    // Thousands of states would take it hours.
    if cfg!(miri) {
        return;
    }
    let wide = |index: usize| {
        let path = format!("**.a{}", ".*".repeat(index));
        MaskRule {
            path: FieldPath::parse(&path).unwrap(),
            ..rule("m", Strategy::Redact)
        }
    };
    assert_eq!(compile(vec![wide(20)]), Some(CompileFault::TooManyStates));
    assert_eq!(compile((0..6).map(wide).collect()), None);
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn debug_shows_no_key() {
    let spec = MaskSpec {
        rules: vec![rule("m", Strategy::Hash { key: key("a") })],
        guards: Vec::new(),
        mounts: vec![Mount::Root, Mount::WatchObject],
    };
    let program = MaskProgram::compile(&spec).unwrap();
    let shown = format!("{spec:?} {program:?} {:?}", program.automaton);
    assert!(shown.contains("MaskProgram { states: 5, "), "{shown}");
    assert!(shown.contains("[secret]") && !shown.contains("48, 49") && !shown.contains("0123"));
    assert!(program.is_stream());
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&program);
}

#[test]
fn a_program_finds_what_its_detectors_without_a_path_find() {
    let finds = |within: Option<&str>, text: &str| {
        let within = within.map(|path| FieldPath::parse(path).unwrap());
        let spec = MaskSpec {
            guards: vec![redact_found(vec![Detector::Email], within)],
            ..MaskSpec::default()
        };
        MaskProgram::compile(&spec).unwrap().finds(text.as_bytes())
    };
    assert!(finds(None, "to a@b.example"));
    assert!(!finds(None, "to a@b"));
    assert!(!finds(Some("a"), "to a@b.example"));
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn keys_are_checked() {
    let fault = MaskKey::new("a", b"short", "c").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the mask key `a` has 5 bytes; 16 are the least"
    );
    assert!(MaskKey::new("a b", b"0123456789abcdef", "c").is_err());
    assert!(MaskKey::new("", b"0123456789abcdef", "c").is_err());
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn keys_are_the_same_with_id_secret_and_cluster() {
    let key = |id, secret: &[u8], cluster| MaskKey::new(id, secret, cluster).unwrap();
    let one = key("a", b"0123456789abcdef", "c");
    assert_eq!(one, key("a", b"0123456789abcdef", "c"));
    for other in [
        key("b", b"0123456789abcdef", "c"),
        key("a", b"fedcba9876543210", "c"),
        key("a", b"0123456789abcdef", "d"),
    ] {
        assert_ne!(one, other);
    }
}
