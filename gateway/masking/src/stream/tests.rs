use serde::de::IgnoredAny;

use super::*;
use crate::path::FieldPath;
use crate::program::{Encoding, MaskRule, MaskSpec, Mount, Strategy};
use crate::reference::{self, Twin};
use crate::testing::{self, Outcome, Seeded, run, run_evenly};

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

#[test]
fn equals_the_slow_twin_on_every_kernel_at_any_split() {
    let mut seeded = Seeded::new(1);
    let mut changed = 0;
    for _ in 0..2_500 {
        let mut pair = Pair::new(testing::spec(&mut seeded));
        for _ in 0..10 {
            let text = pair.generate(&mut seeded);
            let masked = pair.check(&text, &mut seeded);
            changed += usize::from(masked.unwrap() != text);
        }
    }
    assert!(
        changed > 4_000,
        "only {changed} texts had something to mask"
    );
}

#[test]
fn refuses_what_the_slow_twin_refuses_and_masks_the_rest() {
    let mut seeded = Seeded::new(2);
    let mut accepted = 0;
    for _ in 0..2_500 {
        let mut pair = Pair::new(testing::spec(&mut seeded));
        for _ in 0..10 {
            let mut text = pair.generate(&mut seeded);
            testing::mutate(&mut seeded, &mut text);
            accepted += usize::from(pair.check(&text, &mut seeded).is_some());
        }
    }
    assert!((2_000..23_000).contains(&accepted), "{accepted} accepted");
}

#[test]
fn verdict_of_the_twin_is_that_of_serde_json() {
    let mut seeded = Seeded::new(3);
    for _ in 0..100_000 {
        let mut text = testing::document(&mut seeded);
        testing::mutate(&mut seeded, &mut text);
        let valid = std::str::from_utf8(&text).is_ok()
            && serde_json::from_slice::<IgnoredAny>(&text).is_ok();
        assert_eq!(
            reference::is_document(&text),
            valid,
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
