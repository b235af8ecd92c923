mod detectors;
mod oracles;

use serde::de::IgnoredAny;

use super::*;
use crate::path::FieldPath;
use crate::program::{Encoding, MaskRule, MaskSpec, Mount, Strategy};
use crate::reference::{self, Twin};
use crate::testing::{self, Outcome, Seeded, run, run_evenly, scaled};

/// A program beside its twin.
struct Pair {
    spec: MaskSpec,
    program: Arc<MaskProgram>,
    twin: Twin,
}

impl Pair {
    fn new(spec: MaskSpec) -> Self {
        let program = Arc::new(MaskProgram::compile(&spec).unwrap());
        let twin = Twin::new(&spec).unwrap();
        Self {
            spec,
            program,
            twin,
        }
    }

    /// O1 and O3 on one body: the twin's bytes or its refusal, whatever the kernel and the split.
    fn check(&mut self, text: &[u8], seeded: &mut Seeded) -> Option<Vec<u8>> {
        let expected = self.twin.mask(text);
        let mut outcomes: Vec<Outcome> = Vec::new();
        for kernel in Kernel::available() {
            outcomes.push(run(&self.program, kernel, text, &[]));
            let cuts = testing::cuts(seeded, text.len());
            outcomes.push(run(&self.program, kernel, text, &cuts));
        }
        outcomes.push(run_evenly(&self.program, Kernel::best(), text, 1));
        let whole = outcomes[0].clone();
        for outcome in outcomes {
            let shown = || format!("{:?}\n{}", self.spec, String::from_utf8_lossy(text));
            match &expected {
                Some(expected) => {
                    assert!(outcome.end.is_ok(), "{:?}: {}", outcome.end, shown());
                    assert_eq!(
                        String::from_utf8_lossy(&outcome.bytes),
                        String::from_utf8_lossy(expected),
                        "{}",
                        shown()
                    );
                    assert_eq!(outcome.end, whole.end);
                }
                None => assert!(outcome.end.is_err(), "{}", shown()),
            }
        }
        expected
    }

    fn generate(&self, seeded: &mut Seeded) -> Vec<u8> {
        if self.program.is_stream() {
            testing::documents(seeded)
        } else {
            testing::document(seeded)
        }
    }
}

/// O1.
#[test]
fn equals_the_slow_twin_on_every_kernel_at_any_split() {
    let mut seeded = Seeded::new(1);
    let mut changed = 0;
    for _ in 0..scaled(2_500) {
        let mut pair = Pair::new(testing::spec(&mut seeded));
        for _ in 0..10 {
            let text = pair.generate(&mut seeded);
            let masked = pair.check(&text, &mut seeded);
            changed += usize::from(masked.unwrap() != text);
        }
    }
    assert!(
        testing::is_enough(changed, 4_000),
        "only {changed} texts had something to mask"
    );
}

/// O1 and O3 on texts that are broken at some places.
#[test]
fn refuses_what_the_slow_twin_refuses_and_masks_the_rest() {
    let mut seeded = Seeded::new(2);
    let mut accepted = 0;
    for _ in 0..scaled(2_500) {
        let mut pair = Pair::new(testing::spec(&mut seeded));
        for _ in 0..10 {
            let mut text = pair.generate(&mut seeded);
            testing::mutate(&mut seeded, &mut text);
            accepted += usize::from(pair.check(&text, &mut seeded).is_some());
        }
    }
    assert!(
        testing::is_enough(accepted, 2_000) && accepted < scaled(23_000).max(10),
        "{accepted} accepted"
    );
}

fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// O3: so the masker's is, too.
#[test]
fn verdict_of_the_twin_is_that_of_serde_json() {
    let mut seeded = Seeded::new(3);
    for _ in 0..scaled(100_000) {
        let mut text = testing::document(&mut seeded);
        testing::mutate(&mut seeded, &mut text);
        assert_eq!(
            reference::is_document(&text),
            is_json(&text),
            "{}",
            String::from_utf8_lossy(&text)
        );
    }
}

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
    for scalar in scalars {
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

/// A long value of a `[key=value]` once left a flag set that made the masker blind to later keys.
#[test]
fn a_long_probed_value_does_not_hide_later_keys() {
    let rules = [("[a=app].x", Strategy::Redact), ("name", Strategy::Drop)];
    let mut pair = Pair::new(spec(&rules, &[Mount::WatchObject, Mount::Root]));
    let text = format!(r#"[{{"a":"{}"}}] {{"b":1,"name":2}}"#, "y".repeat(100));
    let masked = pair.check(text.as_bytes(), &mut Seeded::new(0)).unwrap();
    assert!(masked.ends_with(br#" {"b":1}"#));
}

fn spec(rules: &[(&str, Strategy)], mounts: &[Mount]) -> MaskSpec {
    let rules = rules.iter().map(|(path, strategy)| MaskRule {
        mask: "m".into(),
        path: FieldPath::parse(path).unwrap(),
        strategy: strategy.clone(),
        encoding: Encoding::Plain,
    });
    MaskSpec {
        rules: rules.collect(),
        guards: Vec::new(),
        mounts: mounts.to_vec(),
    }
}

const ROOT: &[Mount] = &[Mount::Root];
const WATCH: &[Mount] = &[Mount::WatchObject];

/// One case: rules, body, expected body with `#` for the marker. Every kernel, every split in two,
/// and every even split.
fn check(rules: &[(&str, Strategy)], mounts: &[Mount], text: &str, expected: &str) {
    check_spec(spec(rules, mounts), text, expected);
}

fn check_spec(spec: MaskSpec, text: &str, expected: &str) {
    let mut pair = Pair::new(spec);
    let expected = expected.replace('#', "countersign-masked:m");
    let got = pair.check(text.as_bytes(), &mut Seeded::new(9));
    assert_eq!(
        got.map(|got| String::from_utf8(got).unwrap()).as_deref(),
        Some(&*expected),
        "{text}"
    );
    // Interpreted, every split would take hours.
    let (step, sizes) = if cfg!(miri) { (7, 1..2) } else { (1, 1..9) };
    for kernel in Kernel::available() {
        for cut in (0..=text.len()).step_by(step) {
            let outcome = run(&pair.program, kernel, text.as_bytes(), &[cut]);
            assert_eq!(
                String::from_utf8_lossy(&outcome.bytes),
                expected,
                "{text} cut at {cut}"
            );
            outcome.end.unwrap();
        }
        for size in sizes.clone() {
            let outcome = run_evenly(&pair.program, kernel, text.as_bytes(), size);
            assert_eq!(
                String::from_utf8_lossy(&outcome.bytes),
                expected,
                "{text} by {size}"
            );
        }
    }
}

fn redact(path: &str, text: &str, expected: &str) {
    check(&[(path, Strategy::Redact)], ROOT, text, expected);
}

fn dropped(path: &str, text: &str, expected: &str) {
    check(&[(path, Strategy::Drop)], ROOT, text, expected);
}

#[test]
fn masks_each_type_and_keeps_it() {
    redact("a", r#"{"a":"s"}"#, r##"{"a":"#"}"##);
    redact("a", r#"{"a":""}"#, r##"{"a":"#"}"##);
    redact("a", r#"{"a":-1.5e3}"#, r#"{"a":0}"#);
    redact("a", r#"{"a":true,"b":true}"#, r#"{"a":false,"b":true}"#);
    redact("a", r#"{"a":null}"#, r#"{"a":null}"#);
    redact("a", r#"{"a":{"b":[1,"}"]},"c":1}"#, r#"{"a":{},"c":1}"#);
    redact("a", r#"{"a":[[],{"b":"]"}]}"#, r#"{"a":[]}"#);
    redact(
        "a",
        r#"{ "a" : [ 1 ] , "b" : 2 }"#,
        r#"{ "a" : [] , "b" : 2 }"#,
    );
    redact("$", r#" "root" "#, r##" "#" "##);
    redact("$", "17", "0");
    redact("$", r#"{"a":1}"#, "{}");
    redact(
        "data.*",
        r#"{"data":{"a":"x","b":"y","c":null}}"#,
        r##"{"data":{"a":"#","b":"#","c":null}}"##,
    );
}

#[test]
fn keys_are_compared_by_their_text() {
    redact(
        "password",
        r#"{"p\u0061ssword":"x"}"#,
        r##"{"p\u0061ssword":"#"}"##,
    );
    redact(
        "password",
        r#"{"\u0070\u0061\u0073\u0073\u0077\u006F\u0072\u0064":"x"}"#,
        r##"{"\u0070\u0061\u0073\u0073\u0077\u006F\u0072\u0064":"#"}"##,
    );
    redact("['a/b']", r#"{"a\/b":"x"}"#, r##"{"a\/b":"#"}"##);
    redact(
        "['😀']",
        r#"{"\ud83d\ude00":"x","😀":"y"}"#,
        r##"{"\ud83d\ude00":"#","😀":"#"}"##,
    );
    redact(
        "a",
        r#"{"a\ud800":"x","\ud800":"y","A":"z"}"#,
        r#"{"a\ud800":"x","\ud800":"y","A":"z"}"#,
    );
    redact("['\u{fffd}']", r#"{"\ud800":"x"}"#, r#"{"\ud800":"x"}"#);
    redact("['']", r#"{"":"x","a":"y"}"#, r##"{"":"#","a":"y"}"##);
    redact(r#"['"']"#, r#"{"\"":"x"}"#, r##"{"\"":"#"}"##);
    redact(
        r"['\\']",
        r#"{"\\":"x","\\\\":"y"}"#,
        r##"{"\\":"#","\\\\":"y"}"##,
    );
}

#[test]
fn an_escape_in_a_key_of_any_length_is_seen_at_any_place() {
    for length in 1..200 {
        let name = "k".repeat(length);
        let others = "k".repeat(length - 1);
        let rules = spec(&[(&name, Strategy::Redact)], ROOT);
        let program = Arc::new(MaskProgram::compile(&rules).unwrap());
        for before in [0, 1, 61, 62, 63, 130] {
            for key in [format!(r"\u006b{others}"), format!(r"{others}\u006b")] {
                let text = format!("{}{{\"{key}\":1}}", " ".repeat(before));
                let outcome = run(&program, Kernel::best(), text.as_bytes(), &[]);
                assert!(outcome.bytes.ends_with(b":0}"), "{text}");
            }
        }
    }
}

#[test]
fn every_repeated_key_is_masked() {
    redact(
        "a",
        r#"{"a":"x","b":1,"a":"y","\u0061":{"z":1}}"#,
        r##"{"a":"#","b":1,"a":"#","\u0061":{}}"##,
    );
    redact(
        "a.b",
        r#"{"a":{"b":1},"a":{"b":2,"b":3}}"#,
        r#"{"a":{"b":0},"a":{"b":0,"b":0}}"#,
    );
}

#[test]
fn wildcards_step_into_objects_or_arrays_as_written() {
    redact("a.*", r#"{"a":[1,2],"b":1}"#, r#"{"a":[1,2],"b":1}"#);
    redact("a[*]", r#"{"a":{"x":1}}"#, r#"{"a":{"x":1}}"#);
    redact(
        "a[*]",
        r#"{"a":[1,"x",[2],{"y":3},null]}"#,
        r##"{"a":[0,"#",[],{},null]}"##,
    );
    redact(
        "a[*].*",
        r#"{"a":[1,{"x":2},[3]]}"#,
        r#"{"a":[1,{"x":0},[3]]}"#,
    );
    redact(
        "**.p",
        r#"{"p":1,"a":[{"p":2},[{"b":{"p":3}}]]}"#,
        r#"{"p":0,"a":[{"p":0},[{"b":{"p":0}}]]}"#,
    );
    redact(
        "a.**",
        r#"{"a":{"x":1,"y":[2]},"b":3}"#,
        r#"{"a":{"x":0,"y":[]},"b":3}"#,
    );
    redact("a.**", r#"{"a":7}"#, r#"{"a":7}"#);
    redact(
        "**.a.**.b",
        r#"{"a":{"a":{"b":1}},"b":2}"#,
        r#"{"a":{"a":{"b":0}},"b":2}"#,
    );
    redact("**", r#"[1,{}]"#, r#"[0,{}]"#);
    redact("a.**.a", r#"{"a":{"a":{"a":1}}}"#, r#"{"a":{"a":{}}}"#);
}

#[test]
fn an_element_is_chosen_by_a_member_read_before() {
    let path = "c[name=app].v";
    redact(
        path,
        r#"{"c":[{"name":"app","v":1},{"name":"web","v":2}]}"#,
        r#"{"c":[{"name":"app","v":0},{"name":"web","v":2}]}"#,
    );
    redact(
        path,
        r#"{"c":[{"v":1,"name":"web"}]}"#,
        r#"{"c":[{"v":0,"name":"web"}]}"#,
    );
    redact(
        path,
        r#"{"c":[{"n\u0061me":"\u0061pp","v":1}]}"#,
        r#"{"c":[{"n\u0061me":"\u0061pp","v":0}]}"#,
    );
    redact(
        path,
        r#"{"c":[{"name":7,"v":1},{"name":{"name":"app"},"v":1},{"name":null,"v":1}]}"#,
        r#"{"c":[{"name":7,"v":1},{"name":{"name":"app"},"v":1},{"name":null,"v":1}]}"#,
    );
    redact(
        path,
        r#"{"c":[{"name":"x","v":1,"name":"app","v":2,"name":"y","v":3}]}"#,
        r#"{"c":[{"name":"x","v":1,"name":"app","v":0,"name":"y","v":0}]}"#,
    );
    redact(
        "c[name=app]",
        r#"{"c":[{"name":"web"},"app",[1]]}"#,
        r#"{"c":[{},"app",[1]]}"#,
    );
    redact(
        "c[name=app].**",
        r#"{"c":[{"name":"web","v":{"w":1}},{"name":"app","v":{"w":1}}]}"#,
        r##"{"c":[{"name":"#","v":{"w":1}},{"name":"#","v":{}}]}"##,
    );
    // A member of the same name within the element decides nothing.
    redact(
        "c[name=app].v.w",
        r#"{"c":[{"v":{"name":"x","w":1},"name":"web"},{"name":"web","v":{"name":"app","w":1}}]}"#,
        r#"{"c":[{"v":{"name":"x","w":0},"name":"web"},{"name":"web","v":{"name":"app","w":1}}]}"#,
    );
    // Each of two is decided by its own member.
    check(
        &[
            ("c[a=x].v", Strategy::Redact),
            ("c[b=y].w", Strategy::Redact),
        ],
        ROOT,
        r#"{"c":[{"a":"x","v":1,"w":1},{"b":"x","v":1,"w":1},{"a":"y","b":"y","v":1,"w":1}]}"#,
        r#"{"c":[{"a":"x","v":0,"w":0},{"b":"x","v":0,"w":1},{"a":"y","b":"y","v":1,"w":0}]}"#,
    );
}

#[test]
fn a_dropped_member_takes_one_comma_with_it() {
    dropped("a", r#"{"a":1}"#, "{}");
    dropped("a", r#"{"a":1,"b":2}"#, r#"{"b":2}"#);
    dropped("a", r#"{"b":2,"a":1}"#, r#"{"b":2}"#);
    dropped("a", r#"{"b":2,"a":1,"c":3}"#, r#"{"b":2,"c":3}"#);
    dropped(
        "a",
        r#"{ "a" : {"x":[1,2]} , "b" : 2 , "a" : 3 }"#,
        r#"{   "b" : 2  }"#,
    );
    dropped("a", r#"{"a":1,"a":2,"a":3}"#, "{}");
    dropped(
        "a",
        r#"{"a":1,"a":2,"b":[1,2],"a":null,"c":3}"#,
        r#"{"b":[1,2],"c":3}"#,
    );
    dropped("*", r#"{"a":1,"b":"x,y","c":[]}"#, "{}");
    dropped("l[*]", r#"{"l":[1,"a",{"b":2}]}"#, r#"{"l":[]}"#);
    dropped(
        "l[name=x]",
        r#"{"l":[1,{"name":"x"},[2],{"a":1},3]}"#,
        r#"{"l":[1,[2],3]}"#,
    );
    dropped(
        "l[name=x].v",
        r#"{"l":[{"name":"y","v":1,"name":"x","v":2,"w":3},{"v":4,"name":"x"}]}"#,
        r#"{"l":[{"name":"y","v":1,"name":"x","w":3},{"name":"x"}]}"#,
    );
    dropped("$", r#"{"a":1}"#, "{}");
    dropped(
        "**.a",
        r#"{"b":{"a":1},"a":2,"c":[{"a":1,"d":2}]}"#,
        r#"{"b":{},"c":[{"d":2}]}"#,
    );
}

#[test]
fn mounts_find_the_object() {
    let rules = [("data.*", Strategy::Redact)];
    check(
        &rules,
        &[Mount::Items],
        r#"{"items":[{"data":{"a":"x"}}],"data":{"a":"y"}}"#,
        r##"{"items":[{"data":{"a":"#"}}],"data":{"a":"y"}}"##,
    );
    check(
        &rules,
        WATCH,
        "{\"type\":\"ADDED\",\"object\":{\"data\":{\"a\":\"x\"}}}\n{\"object\":{\"data\":{\"a\":1}}}\r\n\n",
        "{\"type\":\"ADDED\",\"object\":{\"data\":{\"a\":\"#\"}}}\n{\"object\":{\"data\":{\"a\":0}}}\r\n\n",
    );
    check(
        &rules,
        &[Mount::Rows],
        r#"{"rows":[{"cells":["x"],"object":{"data":{"a":"x"}}}]}"#,
        r##"{"rows":[{"cells":["x"],"object":{"data":{"a":"#"}}}]}"##,
    );
    check(
        &rules,
        &[Mount::WatchRows, Mount::WatchItems],
        r#"{"object":{"rows":[{"object":{"data":{"a":1}}}],"items":[{"data":{"a":2}}]}}"#,
        r#"{"object":{"rows":[{"object":{"data":{"a":0}}}],"items":[{"data":{"a":0}}]}}"#,
    );
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
    for text in BROKEN {
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
    for before in [0, 63, 64, 200, 8191, 8192, 20_000] {
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
    for count in [31, 63, 95] {
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
fn a_summary_counts_documents_values_and_bytes() {
    let program = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Redact)], WATCH)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let text = "{\"object\":{\"a\":1}}\n{\"object\":{\"a\":\"x\"}} 3 ";
    for (index, chunk) in text.as_bytes().chunks(5).enumerate() {
        let chunk = Bytes::copy_from_slice(chunk);
        masker.push(&chunk, &mut out).unwrap();
        let summary = masker.summary();
        assert_eq!(summary.bytes_in, (index * 5 + chunk.len()) as u64);
        assert_eq!(summary.bytes_out, out.concat().len() as u64);
    }
    let summary = masker.finish().unwrap();
    assert_eq!((summary.document_count, summary.masked_count), (3, 2));
    assert_eq!(summary.rules, [0]);
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
    for depth in [60, 64, 70, 200] {
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
    for count in (0..40).step_by(if cfg!(miri) { 17 } else { 1 }) {
        for first in ["[1]", "[[1]]"] {
            let opens = format!("{:>64}{first},{}", "[", "[".repeat(count));
            let text = format!("{opens:<128}0{}]", "]".repeat(count));
            assert!(pair.check(text.as_bytes(), &mut seeded).is_some());
            let wrong = text.replacen(']', "}", 1);
            assert_eq!(pair.check(wrong.as_bytes(), &mut seeded), None);
        }
    }
}

#[test]
fn an_untouched_chunk_is_handed_on_as_it_is() {
    let program = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Redact)], ROOT)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let chunk = Bytes::from(format!(r#"{{"b":"{}","#, "x".repeat(20_000)));
    masker.push(&chunk, &mut out).unwrap();
    assert_eq!(
        (out.len(), out[0].as_ptr(), out[0].len()),
        (1, chunk.as_ptr(), chunk.len())
    );
    masker
        .push(&Bytes::from_static(br#""a":"se"#), &mut out)
        .unwrap();
    assert_eq!(out[1], &br#""a":"countersign-masked:m""#[..]);
    masker
        .push(&Bytes::from_static(br#"cret","#), &mut out)
        .unwrap();
    assert_eq!(out[2], ",");
    assert_eq!(masker.summary().masked_count, 1);
    assert_eq!(masker.summary().rules, [0]);
    let small = Bytes::from_static(br#""c":1,"#);
    masker.push(&small, &mut out).unwrap();
    assert_eq!(
        (out[3].as_ptr(), out[3].len()),
        (small.as_ptr(), small.len())
    );
    masker.push(&Bytes::new(), &mut out).unwrap();
    assert_eq!(out.len(), 4);
}

#[test]
fn short_stretches_are_copied_together_into_pieces_that_are_bounded() {
    let program =
        Arc::new(MaskProgram::compile(&spec(&[("**.a", Strategy::Redact)], ROOT)).unwrap());
    let members = r#"{"a":"x","b":1},"#.repeat(20_000);
    let text = format!("[{members}\"{}\",{members}0]", "y".repeat(10_000));
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    masker.push(&Bytes::from(text), &mut out).unwrap();
    let length: usize = out.iter().map(Bytes::len).sum();
    assert_eq!(masker.finish().unwrap().bytes_out, length as u64);
    let longest = out.iter().map(Bytes::len).max();
    assert!(longest <= Some(64 * 1024), "{longest:?}");
    assert!(out.len() <= length / (32 * 1024), "{} pieces", out.len());
}

#[test]
fn a_summary_names_rules_of_every_index() {
    let names: Vec<String> = (0..200).map(|index| format!("k{index}")).collect();
    let rules: Vec<_> = names
        .iter()
        .map(|name| (&**name, Strategy::Redact))
        .collect();
    let program = Arc::new(MaskProgram::compile(&spec(&rules, ROOT)).unwrap());
    let text = br#"{"k0":1,"k63":1,"k64":1,"k130":1,"k199":1,"k200":1}"#;
    let summary = run(&program, Kernel::best(), text, &[]).end.unwrap();
    assert_eq!(summary.rules, [0, 63, 64, 130, 199]);
    let all: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
    let text = format!("{{{}}}", all.join(","));
    let summary = run(&program, Kernel::best(), text.as_bytes(), &[])
        .end
        .unwrap();
    assert_eq!(
        (summary.masked_count, summary.rules.len()),
        (200, SUMMARY_RULES_MAX)
    );
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn overlong_captures_and_keys_close() {
    let key = testing::key().unwrap();
    let rules = [("a", Strategy::Hash { key })];
    let mut pair = Pair::new(spec(&rules, ROOT));
    let long = format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(CAPTURED_BYTES_MAX + 1));
    let program = Arc::clone(&pair.program);
    for size in [1 << 12, 1 << 20, 1 << 23] {
        let outcome = run_evenly(&program, Kernel::best(), long.as_bytes(), size);
        assert_eq!(outcome.bytes, br#"{"a":"countersign-masked:m","b":1}"#);
    }
    for length in [2_000_000, CAPTURED_BYTES_MAX] {
        let fits = format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(length));
        let masked = pair.twin.mask(fits.as_bytes()).unwrap();
        for size in [1 << 12, 1 << 23] {
            assert_eq!(
                run_evenly(&program, Kernel::best(), fits.as_bytes(), size).bytes,
                masked
            );
        }
    }
    let drops = Arc::new(MaskProgram::compile(&spec(&[("a", Strategy::Drop)], ROOT)).unwrap());
    for (text, good) in [
        (format!(r#"{{"b":1,{}"c":2}}"#, " ".repeat(65_000)), true),
        (
            format!(r#"{{"b":1,{}"c":2}}"#, " ".repeat(HELD_BYTES_MAX - 3)),
            true,
        ),
        (
            format!(r#"{{"b":1,{}"c":2}}"#, " ".repeat(HELD_BYTES_MAX - 2)),
            false,
        ),
        (format!(r#"{{"{}":2}}"#, "k".repeat(HELD_BYTES_MAX)), false),
    ] {
        let single = run_evenly(&drops, Kernel::best(), text.as_bytes(), 1);
        for size in [1, 1000, 8192, 1 << 20] {
            let outcome = run_evenly(&drops, Kernel::best(), text.as_bytes(), size);
            assert_eq!(outcome.end.is_ok(), good);
            assert!(single.bytes.starts_with(&outcome.bytes));
        }
    }
}

#[test]
fn ten_thousand_idle_watches_fit_in_ten_megabytes() {
    let rules = [("data.*", Strategy::Redact)];
    let program = Arc::new(MaskProgram::compile(&spec(&rules, WATCH)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let mut out = Vec::new();
    let event = format!(
        r#"{{"object":{{"data":{{"a":"{}"}},"b":[[]]}}}}"#,
        "x".repeat(5000)
    );
    for _ in 0..10 {
        masker
            .push(&Bytes::from(event.clone() + "\n"), &mut out)
            .unwrap();
    }
    assert!(
        masker.memory_bytes() <= 1000,
        "{} bytes",
        masker.memory_bytes()
    );
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn the_memory_of_a_stream_counts_what_it_holds() {
    let rules = [
        (
            "a",
            Strategy::Hash {
                key: testing::key().unwrap(),
            },
        ),
        ("long", Strategy::Drop),
        ("c.**.z", Strategy::Redact),
    ];
    let program = Arc::new(MaskProgram::compile(&spec(&rules, ROOT)).unwrap());
    let empty = Masker::new(Arc::clone(&program), Kernel::best()).memory_bytes();
    assert!(empty >= size_of::<Masker>());
    let open = format!(r#"{{"c":{}"#, r#"{"x":[1],"y":"#.repeat(200));
    for (text, held) in [
        (format!(r#"{{"a":"{}"#, "x".repeat(5000)), 5000),
        (format!(r#"{{"long":1,{}"#, " ".repeat(5000)), 5000),
        (r#"{"lo"#.to_owned(), 2),
        (open, 200 * size_of::<u64>()),
    ] {
        let mut masker = Masker::new(Arc::clone(&program), Kernel::best());
        masker.push(&Bytes::from(text), &mut Vec::new()).unwrap();
        assert!(masker.memory_bytes() >= empty + held, "{held}");
    }
    let spec = spec(&[("password", Strategy::Redact)], ROOT);
    let program = Arc::new(MaskProgram::compile(&spec).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    let key = Bytes::from_static(br#"{"pass"#);
    masker.push(&key, &mut Vec::new()).unwrap();
    assert!(masker.memory_bytes() >= empty + 4);
}

/// Bodies of many windows, cut near their borders.
#[test]
fn windows_join_as_chunks_do() {
    let mut seeded = Seeded::new(21);
    for _ in 0..scaled(150) {
        let mut pair = Pair::new(testing::spec(&mut seeded));
        let mut text = b"{\"items\":[".to_vec();
        let (wanted, sizes): (usize, &[usize]) = if cfg!(miri) {
            (9_000, &[65, 8192])
        } else {
            let sizes = &[63, 64, 65, 4096, 8191, 8192, 8193, 16_404, 1 << 20];
            (5_000 + seeded.below(40_000), sizes)
        };
        while text.len() < wanted {
            text.extend(testing::document(&mut seeded));
            text.push(b',');
        }
        text.extend_from_slice(b"0],\"data\":[");
        text.extend(testing::document(&mut seeded));
        text.extend_from_slice(b"]}");
        let expected = pair.twin.mask(&text).unwrap();
        for kernel in Kernel::available() {
            for size in sizes {
                let outcome = run_evenly(&pair.program, kernel, &text, *size);
                outcome.end.unwrap();
                assert!(outcome.bytes == expected, "by {size}: {:?}", pair.spec);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "a key needs foreign code")]
fn debug_shows_no_held_text() {
    let key = testing::key().unwrap();
    let rules = [("a", Strategy::Hash { key })];
    let program = Arc::new(MaskProgram::compile(&spec(&rules, ROOT)).unwrap());
    let mut masker = Masker::new(program, Kernel::best());
    masker
        .push(&Bytes::from_static(br#"{"a":"0123"#), &mut Vec::new())
        .unwrap();
    let shown = format!("{masker:?}");
    assert!(
        shown.contains("phase: Capture") && !shown.contains("48, 49") && !shown.contains("0123"),
        "{shown}"
    );
}
