use super::*;
use crate::decode::tests::{harbour, shipped};

fn formatted(path: &str, text: &str) -> String {
    match format(path, text.as_bytes()) {
        Ok(printed) => printed,
        Err(fault) => panic!("{fault:?}\n{text}"),
    }
}

fn check(path: &str, text: &str, expected: &str) {
    let printed = formatted(path, text);
    assert_eq!(printed, expected);
    assert_eq!(formatted(path, &printed), printed, "not idempotent");
}

#[test]
fn quotes_names_and_bares_words() {
    check(
        "rules/a.kdl",
        "allow x { why y; \"owner\" team; who { \"kind\" \"agent\"; user a }; can \"read\" connect; on pods; in shop; record \"metadata\"; reason ticket=\"^[A-Z]+\\\\d$\" min=3 }",
        "allow \"x\" {\n    why \"y\"\n    owner \"team\"\n    who { kind agent; user \"a\" }\n    can read connect\n    on \"pods\"\n    in \"shop\"\n    record metadata\n    reason ticket=#\"^[A-Z]+\\d$\"# min=3\n}\n",
    );
}

#[test]
fn writes_masks_one_way() {
    check(
        "masks.kdl",
        "hmac-key k env=X\nmask m { write-back \"refuse\"; for secrets { at data.x \"hash\" key=k; detect jwt in=metadata (re)\"a.c\" \"redact\"; at \"data.y\" json { at a drop } } }",
        "hmac-key \"k\" env=\"X\"\n\nmask \"m\" {\n    write-back refuse\n    for \"secrets\" {\n        at \"data.x\" hash key=\"k\"\n        detect \"jwt\" (re)\"a.c\" redact in=\"metadata\"\n        at \"data.y\" json { at \"a\" drop }\n    }\n}\n",
    );
}

#[test]
fn keeps_every_comment_in_its_place() {
    check(
        "sets.kdl",
        "// top\n\n\n/* block */\nnamespace-set a { // why\n include x // because\n\n\n // own line\n exclude /* not */ y; /-exclude z\n} // end\n// last",
        "// top\n\n/* block */\nnamespace-set \"a\" {\n    // why\n    include \"x\" // because\n\n    // own line\n    exclude /* not */ \"y\"\n    /- exclude \"z\"\n} // end\n\n// last\n",
    );
}

#[test]
fn puts_values_before_properties() {
    check(
        "bundle.kdl",
        "bundle a { owners min=2 \"**\" b; cluster c; format 1 }",
        "bundle \"a\" {\n    owners \"**\" \"b\" min=2\n    cluster \"c\"\n    format 1\n}\n",
    );
}

#[test]
fn breaks_a_block_that_does_not_fit() {
    let long = "x".repeat(60);
    check(
        "sets.kdl",
        &format!("namespace-set a {{ include {long}; exclude {long} }}"),
        &format!("namespace-set \"a\" {{\n    include \"{long}\"\n    exclude \"{long}\"\n}}\n"),
    );
}

#[test]
fn leaves_numbers_as_they_are() {
    check(
        "a.kdl",
        "a 0x10 -1_000 #true +5 \"7\"",
        "a 0x10 -1_000 #true +5 \"7\"\n",
    );
}

#[test]
fn writes_line_breaks_and_quotes_as_escapes() {
    check(
        "a.kdl",
        "a \"\"\"\n  b\n  c \"d\"\n  \"\"\" \"\\\"#\"",
        "a \"b\\nc \\\"d\\\"\" \"\\\"#\"\n",
    );
}

#[test]
fn turns_crlf_into_lf() {
    check("a.kdl", "a\r\n/* b\r\nc */\r\n", "a\n/* b\nc */\n");
}

/// The line break behind such a mark was taken for its value and printed with it.
#[test]
fn a_mark_without_a_value_on_a_line_taken_away_takes_nothing() {
    let text = "/- deny(re)\ndefaults { owner \"a\" }\n";
    let printed = formatted("rules/a.kdl", text);
    assert_eq!(formatted("rules/a.kdl", &printed), printed);
    assert!(printed.starts_with("/- deny (re)\ndefaults"), "{printed}");
}

/// `/- x;` on one line with what follows is not KDL.
#[test]
fn a_line_taken_away_stays_on_a_line_of_its_own() {
    let text = "deny \"x\" {/- deny\n who\n}\n";
    check("sets.kdl", text, "deny \"x\" {\n    /- deny\n    who\n}\n");
}

/// Its escape was printed as the character itself, which no file may hold.
#[test]
fn hidden_characters_stay_escapes() {
    let text = "/- \"\\u{202E}\"\n";
    check("rules/a.kdl", text, "/- \"\\u{202e}\"\n");
}

#[test]
fn refuses_what_cannot_be_read() {
    let fault = format("a.kdl", b"a \"b").unwrap_err();
    assert!(matches!(fault, FormatFault::Unreadable(_)));
}

#[test]
fn shipped_bundles_are_canonical() {
    for name in ["demo", "starter", "allow-all"] {
        for (path, bytes) in shipped(name) {
            if is_formattable(&path) {
                let text = String::from_utf8(bytes).unwrap();
                assert_eq!(formatted(&path, &text), text, "{name}/{path}");
            }
        }
    }
}

#[test]
fn formats_the_whole_example() {
    let mut all = String::new();
    for (path, bytes) in harbour() {
        if is_formattable(&path) {
            let text = String::from_utf8(bytes).unwrap();
            let printed = formatted(&path, &text);
            assert_eq!(formatted(&path, &printed), printed, "{path}");
            all.push_str(&format!("// ── {path}\n{printed}"));
        }
    }
    insta::assert_snapshot!("example", all);
}
