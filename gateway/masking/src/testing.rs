//! Seeded texts and programs for tests, fuzz targets and benches.

#![forbid(unsafe_code)]

use std::sync::Arc;

use bytes::Bytes;

use crate::guard::{Detector, GuardRule, GuardScope, GuardStrategy};
use crate::path::{FieldPath, Step};
use crate::program::{Encoding, MaskProgram, MaskRule, MaskSpec, Mount, Strategy};
use crate::scan::Kernel;
use crate::secret::MaskKey;
use crate::stream::{MaskFault, Masker, Summary};

/// So many repetitions of a test: few where Miri interprets them, some where each mutant is tried
/// (built with `QUICK_TESTS` set).
#[must_use]
pub const fn scaled(count: usize) -> usize {
    match (cfg!(miri), option_env!("QUICK_TESTS")) {
        (true, _) => count.div_ceil(2_000),
        (false, Some(_)) => count.div_ceil(20),
        (false, None) => count,
    }
}

/// Every so manyth of a test's cases where Miri interprets them, as all would take it hours.
#[must_use]
pub const fn every(step: usize) -> usize {
    if cfg!(miri) { step } else { 1 }
}

/// That so many were found shows only in a full run that a test looks at what it means to.
#[must_use]
pub const fn is_enough(found: usize, wanted: usize) -> bool {
    cfg!(miri) || found >= scaled(wanted)
}

/// A small generator of numbers: the same seed, the same numbers.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, 0 of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let word = usize::try_from(self.word() >> 1).unwrap_or_default();
        word.checked_rem(bound).unwrap_or_default()
    }

    /// True once in `count` times.
    pub fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// Keys as they stand in texts: names, their escapes, and what must equal none.
const KEYS: [&str; 24] = [
    "a",
    "b",
    "c",
    "data",
    "name",
    "items",
    "object",
    "rows",
    "password",
    "kind",
    r"p\u0061ssword",
    r"\u0061",
    r"n\u0061me",
    r"d\u0061t\u0061",
    r"\ud800",
    r"a\ud800",
    r"\/a",
    "",
    r#"k:{\"name\":\"a\"}"#,
    r"\ud83d\ude00",
    "é",
    "a.b/c",
    r#"\""#,
    r"it\u0065ms",
];
const NAMES: [&str; 14] = [
    "a", "b", "c", "data", "name", "items", "object", "rows", "password", "", "é", "😀", "a.b/c",
    "/a",
];
const STRINGS: [&str; 27] = [
    "",
    "app",
    "web",
    r"\u0061pp",
    "x",
    r"\\",
    r"\\\\\\",
    r#"\""#,
    r#"\\\""#,
    "é😀",
    r"\ud800",
    "{}[],:",
    "c2VjcmV0",
    "1234567890",
    "+49 30 123456",
    "0123456789abcdef",
    "a@b.example",
    r"\n\t\u000a",
    r#"{\"a\":\"s\",\"b\":[1,{\"password\":true}]}"#,
    "eyJhIjoicyIsInBhc3N3b3JkIjoicCJ9",
    "4111 1111 1111 1111",
    r"somebody\u0040mail.example",
    r"4111 1111 1111 111\u0031",
    "DE89370400440532013000",
    "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl",
    "AKIAIOSFODNN7EXAMPLE",
    "H4sIAAAAAAAAA6tWSlSyUipWqgUAd3gFHwoAAAA=",
];
const SCALARS: [&str; 16] = [
    "0",
    "-0",
    "1",
    "12345678901234567890123",
    "1.5",
    "-2e10",
    "1E+5",
    "0.0e-0",
    "true",
    "false",
    "null",
    "null",
    "true",
    "100",
    "7",
    "-1.25E-3",
];

/// A random JSON text.
#[must_use]
pub fn document(seeded: &mut Seeded) -> Vec<u8> {
    let mut text = Vec::new();
    space(seeded, &mut text);
    let depth = seeded.below(7);
    value(seeded, depth, &mut text);
    space(seeded, &mut text);
    text
}

/// Random documents in a row, at least one.
#[must_use]
pub fn documents(seeded: &mut Seeded) -> Vec<u8> {
    let mut text = document(seeded);
    for _ in 0..seeded.below(3) {
        text.push(b'\n');
        text.extend(document(seeded));
    }
    text
}

fn space(seeded: &mut Seeded, text: &mut Vec<u8>) {
    if seeded.once_in(8) {
        for _ in 0..seeded.below(4) {
            text.push(*seeded.pick(b" \n\r\t").unwrap_or(&b' '));
        }
        if seeded.once_in(20) {
            text.extend(std::iter::repeat_n(b' ', seeded.below(200)));
        }
    }
}

fn value(seeded: &mut Seeded, depth: usize, text: &mut Vec<u8>) {
    match seeded.below(if depth == 0 { 6 } else { 12 }) {
        0..3 => string(seeded, text),
        3..6 => {
            let scalar = *seeded.pick(&SCALARS).unwrap_or(&"0");
            text.extend_from_slice(scalar.as_bytes());
        }
        6..10 => container(seeded, depth, true, text),
        _ => container(seeded, depth, false, text),
    }
}

fn string(seeded: &mut Seeded, text: &mut Vec<u8>) {
    text.push(b'"');
    for _ in 0..=seeded.below(2) {
        let part = *seeded.pick(&STRINGS).unwrap_or(&"");
        text.extend_from_slice(part.as_bytes());
    }
    if seeded.once_in(12) {
        let long = seeded.below(300);
        text.extend(std::iter::repeat_n(
            *seeded.pick(b"xyz").unwrap_or(&b'x'),
            long,
        ));
    }
    text.push(b'"');
}

fn container(seeded: &mut Seeded, depth: usize, is_object: bool, text: &mut Vec<u8>) {
    text.push(if is_object { b'{' } else { b'[' });
    space(seeded, text);
    for index in 0..seeded.below(5) {
        if index > 0 {
            space(seeded, text);
            text.push(b',');
            space(seeded, text);
        }
        if is_object {
            let key = *seeded.pick(&KEYS).unwrap_or(&"");
            text.push(b'"');
            text.extend_from_slice(key.as_bytes());
            if seeded.once_in(60) {
                text.extend(std::iter::repeat_n(b'k', seeded.below(300)));
            }
            text.push(b'"');
            space(seeded, text);
            text.push(b':');
            space(seeded, text);
        }
        value(seeded, depth - 1, text);
    }
    space(seeded, text);
    text.push(if is_object { b'}' } else { b']' });
}

/// Breaks a text at some places; it may stay JSON.
pub fn mutate(seeded: &mut Seeded, text: &mut Vec<u8>) {
    const BYTES: &[u8] =
        b"{}[],:\"\\ \n0123456789-+.eEtrufalsn/bu\0\x1F\x7F\x80\xC3\xA9\xED\xF0\xFF";
    for _ in 0..=seeded.below(3) {
        let at = seeded.below(text.len() + 1);
        let byte = *seeded.pick(BYTES).unwrap_or(&0);
        match seeded.below(6) {
            0 => text.insert(at, byte),
            // Behind a word or number, where scalars end.
            5 => {
                let ends = |pair: &[u8]| {
                    matches!(pair, [b'e' | b'l' | b'0'..=b'9', b',' | b'}' | b']' | b' '])
                };
                let places: Vec<usize> = text
                    .windows(2)
                    .enumerate()
                    .filter(|(_, pair)| ends(pair))
                    .map(|(at, _)| at + 1)
                    .collect();
                text.insert(seeded.pick(&places).copied().unwrap_or(at), byte);
            }
            1 if at < text.len() => {
                text.remove(at);
            }
            2 => text.truncate(at),
            3 => {
                let end = (at + seeded.below(6)).min(text.len());
                let piece = text.get(at..end).unwrap_or_default().to_vec();
                let to = seeded.below(text.len() + 1);
                text.splice(to..to, piece);
            }
            _ => {
                if let Some(place) = text.get_mut(at) {
                    *place = byte;
                }
            }
        }
    }
}

/// A random path.
pub fn path(seeded: &mut Seeded) -> FieldPath {
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..seeded.below(5) {
        let name: Box<str> = (*seeded.pick(&NAMES).unwrap_or(&"a")).into();
        let step = match seeded.below(12) {
            0..6 => Step::Key(name),
            6 | 7 => Step::AnyKey,
            8 => Step::AnyElement,
            9 => Step::Element {
                key: (*seeded.pick(&["name", "a", "b"]).unwrap_or(&"a")).into(),
                value: (*seeded.pick(&["app", "web", "x"]).unwrap_or(&"x")).into(),
            },
            _ if steps.last() == Some(&Step::AnyDepth) => Step::AnyKey,
            _ => Step::AnyDepth,
        };
        steps.push(step);
    }
    FieldPath::of(steps)
}

/// A key that is known. None where the digest's foreign code cannot be called.
#[must_use]
pub fn key() -> Option<Arc<MaskKey>> {
    if cfg!(miri) {
        return None;
    }
    MaskKey::new("test-1", b"0123456789abcdef", "cluster")
        .ok()
        .map(Arc::new)
}

fn strategy(seeded: &mut Seeded, depth: usize) -> Strategy {
    let inner = |seeded: &mut Seeded| {
        (0..=seeded.below(2))
            .map(|_| rule(seeded, depth.saturating_sub(1)))
            .collect()
    };
    match (seeded.below(if depth == 0 { 8 } else { 12 }), key()) {
        (0 | 1, _) => Strategy::Drop,
        (5, Some(key)) => Strategy::Hash { key },
        (6, Some(key)) => Strategy::Fpe { key },
        (7, _) => Strategy::Partial { keep_last: 2 },
        (8 | 9, _) => Strategy::Json {
            rules: inner(seeded),
        },
        (10, _) => Strategy::Base64 {
            rules: inner(seeded),
        },
        (11, _) => Strategy::Yaml {
            rules: inner(seeded),
        },
        _ => Strategy::Redact,
    }
}

fn rule(seeded: &mut Seeded, depth: usize) -> MaskRule {
    let encoded = seeded.once_in(4);
    MaskRule {
        mask: (*seeded.pick(&["m", "n"]).unwrap_or(&"m")).into(),
        path: path(seeded),
        strategy: strategy(seeded, depth),
        encoding: if encoded {
            Encoding::Base64
        } else {
            Encoding::Plain
        },
    }
}

fn guard(seeded: &mut Seeded) -> GuardRule {
    let whole = seeded.once_in(3);
    let strategy = match (seeded.below(6), key()) {
        (0, Some(key)) => GuardStrategy::Hash { key },
        (1, Some(key)) => GuardStrategy::Fpe { key },
        (2, _) => GuardStrategy::Partial { keep_last: 4 },
        _ => GuardStrategy::Redact,
    };
    let mut detectors = vec![Detector::Email, Detector::Card];
    if seeded.once_in(2) {
        detectors.push(Detector::Pattern("web|😀".into()));
    }
    if seeded.once_in(2) {
        detectors.extend([
            Detector::Jwt,
            Detector::Pem,
            Detector::AwsKey,
            Detector::GithubToken,
            Detector::SlackToken,
            Detector::Iban,
        ]);
    }
    GuardRule {
        mask: "g".into(),
        detectors,
        scope: if whole {
            GuardScope::Whole
        } else {
            GuardScope::Found
        },
        strategy,
        within: seeded.once_in(2).then(|| path(seeded)),
    }
}

/// Random rules of every strategy.
pub fn spec(seeded: &mut Seeded) -> MaskSpec {
    let mounts = [
        Mount::Root,
        Mount::Items,
        Mount::WatchObject,
        Mount::Rows,
        Mount::WatchRows,
        Mount::WatchItems,
    ];
    let mut chosen = vec![Mount::Root];
    for _ in 0..seeded.below(3) {
        chosen.extend(seeded.pick(&mounts));
    }
    let mut guards = Vec::new();
    if seeded.once_in(6) {
        for _ in 0..=seeded.below(2) {
            guards.push(guard(seeded));
        }
    }
    MaskSpec {
        rules: (0..seeded.below(5)).map(|_| rule(seeded, 1)).collect(),
        guards,
        mounts: chosen,
    }
}

/// The same rules, each redacting.
#[must_use]
pub fn redacting(spec: &MaskSpec) -> MaskSpec {
    let rules = spec.rules.iter().cloned();
    let rules = rules.map(|rule| MaskRule {
        strategy: Strategy::Redact,
        ..rule
    });
    MaskSpec {
        rules: rules.collect(),
        guards: Vec::new(),
        mounts: spec.mounts.clone(),
    }
}

/// Where to cut a text of this length.
pub fn cuts(seeded: &mut Seeded, length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..seeded.below(6))
        .map(|_| seeded.below(length + 1))
        .collect();
    cuts.push(length);
    cuts.sort_unstable();
    cuts
}

/// What a masker made of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// All bytes handed out.
    pub bytes: Vec<u8>,
    /// How it ended.
    pub end: Result<Summary, MaskFault>,
}

/// Masks a text cut at these places.
#[must_use]
pub fn run(program: &Arc<MaskProgram>, kernel: Kernel, text: &[u8], cuts: &[usize]) -> Outcome {
    let mut masker = Masker::new(Arc::clone(program), kernel);
    let mut out = Vec::new();
    let mut from = 0;
    let mut end = Ok(());
    for cut in cuts.iter().copied().chain([text.len()]) {
        let chunk = Bytes::copy_from_slice(text.get(from..cut).unwrap_or_default());
        from = cut;
        end = end.and_then(|()| masker.push(&chunk, &mut out));
    }
    let end = end.and_then(|()| masker.finish());
    Outcome {
        bytes: out.concat(),
        end,
    }
}

/// Masks a text in chunks of one size.
#[must_use]
pub fn run_evenly(program: &Arc<MaskProgram>, kernel: Kernel, text: &[u8], size: usize) -> Outcome {
    let cuts: Vec<usize> = (1..text.len().div_ceil(size))
        .map(|index| index * size)
        .collect();
    run(program, kernel, text, &cuts)
}

/// Redacts what these detectors find, at the path and below it or, without one, anywhere.
#[cfg(test)]
pub(crate) fn redact_found(detectors: Vec<Detector>, within: Option<FieldPath>) -> GuardRule {
    GuardRule {
        mask: "m".into(),
        detectors,
        scope: GuardScope::Found,
        strategy: GuardStrategy::Redact,
        within,
    }
}
