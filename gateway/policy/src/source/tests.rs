use super::*;
use crate::diagnostic::human;

/// Codes of the findings of one text, and how many of its top-level nodes are sound.
fn read(text: &str) -> (Vec<&'static str>, Vec<Node>) {
    let mut report = Report::new();
    let nodes = parse_text("a.kdl", text.as_bytes(), &mut report);
    (
        report
            .findings()
            .iter()
            .map(|finding| finding.code.as_str())
            .collect(),
        nodes,
    )
}

fn check(text: &str, codes: &[&str]) {
    let (found, _) = read(text);
    assert_eq!(found, codes, "{text:?}");
}

#[test]
fn accepts_what_the_profile_allows() {
    for text in [
        "",
        "a",
        "a \"b\" 1 0x1F -3 #true #false #null c=1 d=\"x\"; e",
        "a {\r\n    b // c\r\n    /* d */ e\n}\n",
        "a (re)\"x\" (quantity)\"1Gi\"",
        "a #\"raw \"x\"\"# ##\"a\"# b\"##",
        "a \"\"\"\n    text\n    more\n    \"\"\"",
        "/- a { b }\na /-1 2",
        "a \"{user.team}\" \"pods/exec\" \"5m\" \"*/*\"",
        "a-b.c_d *",
        "a { b { c { d { e { f { g { h { } } } } } } } }",
    ] {
        check(text, &[]);
    }
}

#[test]
fn refuses_what_the_profile_forbids() {
    for (text, codes) in [
        ("a \"x", &["GP102"][..]),
        ("a {", &["GP102"]),
        ("a }", &["GP102"]),
        ("a /* b", &["GP102"]),
        ("{ a }", &["GP102"]),
        ("a #maybe", &["GP102"]),
        ("a \"b\"\"c\"", &["GP102"]),
        ("on pods/exec", &["GP104"]),
        ("on */*", &["GP104"]),
        ("session-limit 5m", &["GP104"]),
        ("date 2027-01-01", &["GP104"]),
        ("in {user.team}", &["GP104"]),
        ("a é", &["GP104"]),
        ("a true", &["GP105"]),
        ("a null", &["GP105"]),
        ("a [b]", &["GP106", "GP106"]),
        ("a (x)\"b\"", &["GP106"]),
        ("a \\\nb", &["GP106"]),
        ("a \"b\u{202E}c\"", &["GP106"]),
        ("// a\u{202E}c\na", &["GP106"]),
        ("a \"b\\u{202E}c\"", &["GP106"]),
        ("\"a\\u{202E}\"", &["GP106"]),
        ("a \"b\\u{202E}\"=1", &["GP106"]),
        ("a\u{A0}b", &["GP106"]),
        ("a // b\u{2028}c", &["GP106"]),
        ("a // b\u{85}c", &["GP106"]),
        ("a \"b\\\n c\"", &["GP102", "GP106"]),
        ("a 1.5", &["GP107"]),
        ("a 1e9", &["GP107"]),
        ("a #inf", &["GP107"]),
        ("a /* b /* c */ */", &["GP107"]),
        ("a /-{ b }", &["GP107"]),
        ("/-\na", &["GP107"]),
        ("/- a { /- b }", &["GP107"]),
        ("a /- /- b", &["GP107"]),
        ("a b=1 b=2", &["GP107"]),
        (
            "a { b { c { d { e { f { g { h { i { } } } } } } } } }",
            &["GP101"],
        ),
    ] {
        let (mut found, _) = read(text);
        found.dedup();
        let mut expected = codes.to_vec();
        expected.dedup();
        for code in &expected {
            assert!(found.contains(code), "{text:?}: {found:?}");
        }
        assert!(!found.is_empty(), "{text:?}");
    }
}

#[test]
fn refuses_bytes_that_are_no_text() {
    for bytes in [
        &b"a \xff"[..],
        b"\xEF\xBB\xBFa",
        &[b'a'; FILE_BYTES_MAX + 1],
    ] {
        let mut report = Report::new();
        assert!(parse_text("a.kdl", bytes, &mut report).is_empty());
        assert_eq!(report.findings().len(), 1);
        assert_eq!(report.findings()[0].code, Code::GP101);
    }
}

#[test]
fn keeps_a_syntax_error_inside_its_node() {
    for broken in [
        "b \"x",
        "b \"x {\n    y\n}",
        "b { c \"x }",
        "b }",
        "b [",
        "b pods/exec",
        "b {",
        "b {\n  c {\n",
        "b true",
        "b = 1",
    ] {
        let (codes, nodes) = read(&format!("a 1\n{broken}\nc 2\nd 3\n"));
        let words: Vec<&str> = nodes.iter().map(|node| node.word.as_str()).collect();
        assert_eq!(codes.len(), 1, "{broken:?}: {codes:?}");
        assert!(
            words.contains(&"a") && words.contains(&"c") && words.contains(&"d"),
            "{broken:?}: {words:?}"
        );
        assert!(!words.contains(&"b"), "{broken:?}: {words:?}");
    }
}

#[test]
fn knows_where_everything_stands() {
    let text = "// é\na \"x\" key=\"y\" {\n    b (re)\"z\"\n}\n";
    let (_, nodes) = read(text);
    let slice = |place: &Location| text.get(place.offset..place.offset + place.length).unwrap();
    let node = &nodes[0];
    assert_eq!(slice(&node.word_at), "a");
    assert_eq!((node.word_at.line, node.word_at.offset), (2, 6));
    assert_eq!(slice(&node.values[0].location), "\"x\"");
    assert_eq!(slice(&node.properties[0].location), "key=\"y\"");
    assert!(slice(&node.location).starts_with("a \"x\"") && slice(&node.location).ends_with('}'));
    let below = &node.below()[0];
    assert_eq!(slice(&below.values[0].location), "(re)\"z\"");
    assert_eq!(below.word_at.line, 3);
}

#[test]
fn knows_bare_words_from_quoted_ones() {
    let (_, nodes) = read("a b \"c\" #\"d\"# \"\"\"\n  e\n  \"\"\"");
    let bare: Vec<bool> = nodes[0].values.iter().map(|value| value.bare).collect();
    assert_eq!(bare, [true, false, false, false]);
}

#[test]
fn finds_silencers_in_line_comments_only() {
    let text = "// countersign: allow GP504 until=2027-01-01 x\na \"// countersign: allow GP1\"\n";
    let mut report = Report::new();
    let file = SourceFile::new("a.kdl", text.as_bytes(), &mut report).unwrap();
    let silencers = parse(&file, &mut report).silencers;
    assert_eq!(silencers.len(), 1);
    assert_eq!(silencers[0].text, "allow GP504 until=2027-01-01 x");
}

/// Inputs made to cost more than they weigh.
fn hostile() -> Vec<(&'static str, String)> {
    vec![
        ("nested braces", "a{".repeat(100_000)),
        ("nested braces, one a line", "a {\n".repeat(60_000)),
        (
            "closed nested braces",
            format!("{}{}", "a {\n".repeat(30_000), "}\n".repeat(30_000)),
        ),
        ("slashdash blocks", "a /-{\n".repeat(40)),
        ("slashdash nodes", "/- a {\n".repeat(40)),
        ("one long line", "a ".repeat(5 * 1024 * 1024)),
        ("long line within the file", "a ".repeat(100_000)),
        ("quotes", "\"".repeat(200_000)),
        ("triple quotes", "\"\"\"\n".repeat(60_000)),
        ("hashes", "#".repeat(200_000)),
        ("raw strings", "#\"".repeat(100_000)),
        ("comments", "/*".repeat(100_000)),
        ("closing braces", "}\n".repeat(100_000)),
        ("nodes with a fault each", "a [\n".repeat(60_000)),
        (
            "deep, then many lines",
            format!("{}{}", "a {\n".repeat(7), "b\n".repeat(100_000)),
        ),
        ("marks", "(re)".repeat(60_000)),
        ("properties", format!("a {}", "b=1 ".repeat(900))),
        ("escapes", format!("a \"{}\"", "\\u{41}".repeat(600))),
        ("backslashes", "a \"\\\n".repeat(50_000)),
    ]
}

#[test]
fn takes_linear_work_on_hostile_text() {
    for (name, text) in hostile() {
        let mut report = Report::new();
        if let Some(file) = SourceFile::new("a.kdl", text.as_bytes(), &mut report) {
            let scan = scan::scan(&file, &mut report);
            let most = 12 * text.len() + 100;
            assert!(
                scan.steps <= most,
                "{name}: {} steps for {} bytes",
                scan.steps,
                text.len()
            );
            assert!(
                scan.nodes
                    .iter()
                    .map(|node| node.end - node.start)
                    .sum::<usize>()
                    <= text.len(),
                "{name}: the parser's input is larger than the text"
            );
        }
        assert!(report.findings().len() <= 101, "{name}");
    }
}

#[test]
fn refuses_hostile_text_in_bounded_time() {
    for (name, text) in hostile() {
        let (codes, _) = read(&text);
        let harmless = ["properties", "escapes"].contains(&name);
        assert!(!codes.is_empty() || harmless, "{name}");
    }
}

#[test]
fn reads_the_whole_example_of_the_reference() {
    let text = include_str!("../../testdata/harbour.kdl");
    let mut report = Report::new();
    let nodes = parse_text("a.kdl", text.as_bytes(), &mut report);
    let files = Files::from([("a.kdl".to_owned(), text.as_bytes().to_vec())]);
    assert!(report.is_empty(), "{}", human(&report, &files));
    assert_eq!(
        nodes.len(),
        text.lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .count()
    );
}
