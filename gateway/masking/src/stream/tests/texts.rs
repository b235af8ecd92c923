//! What is JSON and what is not, case by case.

#![forbid(unsafe_code)]

use super::*;

/// A zero byte behind a word was once taken for the padding of the word's constant.
#[test]
fn a_zero_byte_is_no_part_of_a_word() {
    let program = Arc::new(MaskProgram::compile(&MaskSpec::default()).unwrap());
    for word in ["null", "true", "false", "0", "17"] {
        for zeros in 1..8 {
            let text = format!("[{word}{}]{}", "\0".repeat(zeros), " ".repeat(70));
            for kernel in Kernel::available() {
                assert!(
                    run(&program, kernel, text.as_bytes(), &[]).end.is_err(),
                    "{text:?}"
                );
            }
        }
    }
}

#[test]
fn short_scalars_are_those_of_json_whatever_stands_behind_them() {
    let program = Arc::new(MaskProgram::compile(&MaskSpec::default()).unwrap());
    let plain = || {
        (b'!'..=b'~')
            .filter(|byte| !b"\"\\[]{}:,".contains(byte))
            .map(char::from)
    };
    let mut scalars: Vec<String> = plain().map(String::from).collect();
    for first in plain() {
        scalars.extend(plain().map(|second| format!("{first}{second}")));
    }
    for word in ["true", "false", "null", "12345678", "123456789", "10000000"] {
        for at in 0..word.len() {
            scalars.extend(["x", "0", "A", "e", ""].map(|other| {
                let (before, behind) = word.split_at(at);
                format!("{before}{other}{}", behind.get(1..).unwrap_or_default())
            }));
        }
        scalars.extend([word.to_owned(), format!("{word}0"), format!("{word}e")]);
    }
    for scalar in scalars.into_iter().step_by(every(401)) {
        for behind in [
            "",
            ",12345678,123456789",
            " ,true,null,false",
            ",\"12345678\"",
        ] {
            let text = format!("[{scalar}{behind}]");
            let outcome = run(&program, Kernel::best(), text.as_bytes(), &[]);
            assert_eq!(outcome.end.is_ok(), is_json(text.as_bytes()), "{text}");
        }
    }
}

const BROKEN: &[&str] = &[
    "",
    " ",
    "{",
    "}",
    "[",
    "]",
    "[}",
    "{]",
    "[1 2]",
    r#"{"a" 1}"#,
    r#"{"a":1,}"#,
    "[1,]",
    "[,1]",
    "{,}",
    r#"{"a"}"#,
    r#"{"a":}"#,
    r#"{"a":,"b":1}"#,
    r#"{"a"::1}"#,
    "[1:2]",
    "{1:2}",
    "{[]:1}",
    r#"{"a":1 "b":2}"#,
    "01",
    "1.",
    ".5",
    "-",
    "+1",
    "1e",
    "1e+",
    "tru",
    "truee",
    "nul",
    "falsy",
    "True",
    "NaN",
    "1 2",
    "{} {}",
    "{}x",
    "\u{feff}{}",
    "\"\u{0}\"",
    "\"\n\"",
    "\0",
    "\x0c",
    r#""\x""#,
    r#""\u12g4""#,
    r#""\u12"#,
    r#""\"#,
    r#"""#,
    r#"{"a":"#,
    "// c",
    "'a'",
    ",",
    ":",
    "[1,,2]",
    r#"[{"password":"A"},}"#,
    r#"{"a":tru,}"#,
    "\\",
    "1,",
    "{},",
    "{:1}",
    r#"{"a":1,:2}"#,
    r#"{,"a":1}"#,
];

#[test]
fn texts_that_are_not_json_are_refused_and_the_stream_stays_refused() {
    let program = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Redact)], ROOT)).unwrap());
    for text in BROKEN.iter().step_by(every(7)) {
        assert!(!reference::is_document(text.as_bytes()), "{text}");
        for kernel in Kernel::available() {
            for size in [1, 2, 3, 64, 9999] {
                let outcome = run_evenly(&program, kernel, text.as_bytes(), size);
                assert!(outcome.end.is_err(), "{text} by {size}");
            }
        }
    }
    for bytes in [
        &b"\"\xFF\""[..],
        b"\"\xC3\"",
        b"\"\xED\xA0\x80\"",
        b"\"\xC0\xAF\"",
        b"\"\xF4\x90\x80\x80\"",
    ] {
        for size in [1, 2, 9999] {
            assert!(
                run_evenly(&program, Kernel::best(), bytes, size)
                    .end
                    .is_err()
            );
        }
    }
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let fault = masker.push(&Bytes::from_static(b"[}"), &mut out);
    assert_eq!(fault, Err(MaskFault::Malformed { offset: 0 }));
    assert_eq!(
        masker.push(&Bytes::from_static(b"1"), &mut out),
        Err(MaskFault::Poisoned)
    );
    assert_eq!(masker.finish(), Err(MaskFault::Poisoned));
    assert!(out.is_empty());
}

#[test]
fn a_fault_names_the_block_it_is_in() {
    let program = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Redact)], ROOT)).unwrap());
    for before in [0, 63, 64, 200, 8191, 8192, 20_000]
        .into_iter()
        .step_by(every(3))
    {
        for behind in [0, 100] {
            let text = format!("{}]{}", " ".repeat(before), " ".repeat(behind));
            let outcome = run(&program, Kernel::best(), text.as_bytes(), &[]);
            let offset = before as u64 / 64 * 64;
            assert_eq!(
                outcome.end,
                Err(MaskFault::Malformed { offset }),
                "{text:?}"
            );
        }
    }
    let text = [&b"\""[..], &[b'x'; 10_000], b"\xFF"].concat();
    let outcome = run(&program, Kernel::best(), &text, &[]);
    assert_eq!(outcome.end, Err(MaskFault::NotUtf8 { offset: 8192 }));
}

#[test]
fn what_can_become_no_scalar_is_a_fault_at_once() {
    let program = Arc::new(MaskProgram::compile(&MaskSpec::default()).unwrap());
    for (text, good) in [
        ("[tru", true),
        ("[trx", false),
        ("[1", true),
        ("[1x", false),
    ] {
        let mut masker = Masker::new(Arc::clone(&program), Kernel::best());
        let pushed = masker.push(&Bytes::from(text), &mut Vec::new());
        assert_eq!(pushed.is_ok(), good, "{text}");
    }
}

#[test]
fn blocks_of_quotes_and_backslashes_alone_are_read() {
    for count in [31, 63, 95].into_iter().step_by(every(3)) {
        let text = format!("\"{}\"", "\\\"".repeat(count));
        redact("a", &text, &text);
        redact("$", &text, "\"#\"");
    }
}

#[test]
fn a_block_of_quotes_alone_is_no_part_of_a_string() {
    let program = Arc::new(MaskProgram::compile(&spec(&[], ROOT)).unwrap());
    let text = format!("{}1", "\"".repeat(64));
    for kernel in Kernel::available() {
        let outcome = run(&program, kernel, text.as_bytes(), &[]);
        assert!(outcome.end.is_err(), "{}", kernel.name());
    }
}

#[test]
fn documents_of_a_watch_are_parted_by_white_space() {
    let program = Arc::new(MaskProgram::compile(&spec(&[], WATCH)).unwrap());
    for (text, good) in [
        ("", true),
        ("\n", true),
        ("{}\n{}", true),
        ("{} {}\r\n", true),
        ("1 2 \"a\"\t[]\n", true),
        ("{}{}", false),
        ("1\"a\"", false),
        ("{}1", false),
        ("{},{}", false),
        ("{}:", false),
        ("{}]", false),
        ("{}\n{", false),
        ("\"a\"\"b\"", false),
        ("[]{}", false),
    ] {
        assert_eq!(reference::is_stream(text.as_bytes()), good, "{text}");
        for size in [1, 2, 99] {
            assert_eq!(
                run_evenly(&program, Kernel::best(), text.as_bytes(), size)
                    .end
                    .is_ok(),
                good,
                "{text}"
            );
        }
    }
}

#[test]
fn depth_is_bounded_and_exact_beyond_one_register() {
    let mut pair = Pair::new(spec(&[("**.a", Strategy::Redact)], ROOT));
    let mut seeded = Seeded::new(5);
    for depth in [
        1,
        62,
        63,
        64,
        65,
        66,
        127,
        128,
        129,
        200,
        DEPTH_MAX - 1,
        DEPTH_MAX,
        DEPTH_MAX + 1,
        600,
    ] {
        if cfg!(miri) && !matches!(depth, 1 | 64 | 65) {
            continue;
        }
        for (open, close) in [("[", "]"), (r#"{"k":"#, "}"), (r#"[{"k":1,"z":"#, "}]")] {
            let per = open.matches(['[', '{']).count();
            let count = depth / per;
            let text = format!("{}{{\"a\":1}}{}", open.repeat(count), close.repeat(count));
            let masked = pair.check(text.as_bytes(), &mut seeded);
            assert_eq!(masked.is_some(), count * per < DEPTH_MAX, "{depth}");
            let wrong = text.replacen("}", "]", 1);
            assert_eq!(pair.check(wrong.as_bytes(), &mut seeded), None);
        }
    }
    // Commas of objects and of arrays, before and behind other brackets.
    for depth in [64, 60, 70, 200].into_iter().step_by(every(4)) {
        for inner in [
            r#"[1,2,{"a":1,"b":[3,4],"c":5},6,[7],8]"#,
            r#"{"b":1,"c":[2,3],"a":4,"d":{"a":5},"e":6}"#,
        ] {
            let text = format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
            let masked = pair.check(text.as_bytes(), &mut seeded).unwrap();
            assert!(masked != text.as_bytes() && masked.len() == text.len());
        }
    }
    let outcome = run_evenly(
        &pair.program,
        Kernel::best(),
        "[".repeat(1000).as_bytes(),
        7,
    );
    assert_eq!(outcome.end, Err(MaskFault::TooDeep));
}

#[test]
fn a_close_before_any_number_of_opens_is_matched() {
    let mut pair = Pair::new(spec(&[("**.a", Strategy::Redact)], ROOT));
    let mut seeded = Seeded::new(6);
    for count in (0..40).step_by(every(39)) {
        for first in ["[1]", "[[1]]"] {
            let opens = format!("{:>64}{first},{}", "[", "[".repeat(count));
            let text = format!("{opens:<128}0{}]", "]".repeat(count));
            assert!(pair.check(text.as_bytes(), &mut seeded).is_some());
            let wrong = text.replacen(']', "}", 1);
            assert_eq!(pair.check(wrong.as_bytes(), &mut seeded), None);
        }
    }
}
