mod detectors;
mod oracles;
mod pieces;
mod texts;

use serde::de::IgnoredAny;

use super::*;
use crate::path::FieldPath;
use crate::program::{Encoding, MaskRule, MaskSpec, Mount, Strategy};
use crate::reference::{self, Twin};
use crate::testing::{self, Outcome, Seeded, every, run, run_evenly, scaled};

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
        for _ in (0..10).step_by(every(5)) {
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
    for kernel in Kernel::available() {
        for cut in (0..=text.len()).step_by(every(29)) {
            let outcome = run(&pair.program, kernel, text.as_bytes(), &[cut]);
            assert_eq!(
                String::from_utf8_lossy(&outcome.bytes),
                expected,
                "{text} cut at {cut}"
            );
            outcome.end.unwrap();
        }
        for size in (1..9).step_by(every(7)) {
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
    for length in (1..200).step_by(every(66)) {
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
