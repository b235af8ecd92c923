//! Entry points of the fuzz targets: any bytes, and the laws hold.

#![forbid(unsafe_code)]

use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::grammar::{Carry, Documents};
use crate::path::{FieldPath, Step};
use crate::program::{Encoding, MaskProgram, MaskRule, MaskSpec, Mount, Strategy};
use crate::reference::Twin;
use crate::scan::{self, BLOCK, BLOCKS, Block, Kernel, WINDOW};
use crate::testing::{self, Seeded, run, run_evenly};

/// The longest input that is looked at.
const INPUT_BYTES_MAX: usize = 64 * 1024;

fn capped(input: &[u8]) -> &[u8] {
    input.get(..INPUT_BYTES_MAX).unwrap_or(input)
}

/// The first two bytes choose rules and cuts, the rest is the body: the masker equals the slow twin.
pub fn mask_splits(input: &[u8]) {
    let Some(([first, second], body)) = capped(input).split_first_chunk() else {
        return;
    };
    let mut seeded = Seeded::new(u64::from(*first) << 8 | u64::from(*second));
    let spec = testing::spec(&mut seeded);
    let cuts = testing::cuts(&mut seeded, body.len());
    check_twin(&spec, body, &cuts);
}

fn check_twin(spec: &MaskSpec, body: &[u8], cuts: &[usize]) {
    let (Ok(program), Ok(mut twin)) = (MaskProgram::compile(spec), Twin::new(spec)) else {
        return;
    };
    let program = Arc::new(program);
    let expected = twin.mask(body);
    let whole = run(&program, Kernel::best(), body, &[]);
    let cut = run(&program, Kernel::portable(), body, cuts);
    let bytes = run_evenly(&program, Kernel::best(), body, 1);
    match expected {
        Some(expected) => {
            assert!(whole.end.is_ok(), "refused: {:?}", whole.end);
            assert!(whole.bytes == expected, "other bytes than the twin");
            assert!(whole == cut && cut == bytes, "the split matters");
        }
        None => {
            assert!(
                whole.end.is_err() && cut.end.is_err() && bytes.end.is_err(),
                "accepted"
            );
            let is_prefix =
                bytes.bytes.starts_with(&whole.bytes) && bytes.bytes.starts_with(&cut.bytes);
            assert!(is_prefix, "more than a prefix was handed out");
        }
    }
}

/// The verdict is that of `serde_json` and UTF-8; what passes is unchanged.
pub fn mask_verdict(input: &[u8]) {
    let body = capped(input);
    let Ok(program) = MaskProgram::compile(&MaskSpec::default()).map(Arc::new) else {
        return;
    };
    let is_deep = body
        .iter()
        .filter(|byte| matches!(byte, b'{' | b'['))
        .count()
        > 500;
    let valid =
        std::str::from_utf8(body).is_ok() && serde_json::from_slice::<IgnoredAny>(body).is_ok();
    for kernel in Kernel::available() {
        for size in [1, 63, WINDOW] {
            let outcome = run_evenly(&program, kernel, body, size);
            assert!(
                is_deep || outcome.end.is_ok() == valid,
                "another verdict: {:?}",
                outcome.end
            );
            assert!(!valid || is_deep || outcome.bytes == body, "changed");
        }
    }
}

/// Every kernel gives the masks of the specification, and the same window.
pub fn mask_kernels(input: &[u8]) {
    let input = capped(input);
    let kernels = Kernel::available();
    let (blocks, _) = input.as_chunks::<BLOCK>();
    for block in blocks {
        let specified = scan::reference::looks(block);
        for kernel in &kernels {
            assert!(kernel.looks(block).agrees(specified), "{}", kernel.name());
        }
    }
    let mut results = Vec::new();
    for kernel in kernels {
        let mut carry = Carry::new(Documents::Many);
        let mut masks = Vec::new();
        let mut end = Ok(());
        for window in input.chunks(WINDOW) {
            let mut blocks = [Block::default(); BLOCKS];
            end = end.and_then(|()| kernel.pass(window, &mut carry, &mut blocks));
            masks.extend(blocks);
        }
        results.push((end, end.is_ok().then_some((masks, carry))));
    }
    for result in &results {
        assert!(Some(result) == results.first(), "kernels differ");
    }
}

/// A key is masked if and only if its text, escapes resolved, is the name in the path.
pub fn mask_escapes(input: &[u8]) {
    let raw = capped(input);
    let body = [b"{\"", raw, b"\":\"value\"}"].concat();
    let Ok(object) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return;
    };
    let Some((name, value)) = object.as_object().and_then(|object| object.iter().next()) else {
        return;
    };
    // Null stays as it is, and is not counted.
    if value.is_null() {
        return;
    }
    let masks = |name: String| {
        let spec = MaskSpec {
            rules: vec![MaskRule {
                mask: "m".into(),
                path: FieldPath::of(vec![Step::Key(name.into())]),
                strategy: Strategy::Redact,
                encoding: Encoding::Plain,
            }],
            guards: Vec::new(),
            mounts: vec![Mount::Root],
        };
        let program = MaskProgram::compile(&spec).map(Arc::new);
        program.is_ok_and(|program| {
            let whole = run(&program, Kernel::best(), &body, &[]);
            let bytes = run_evenly(&program, Kernel::portable(), &body, 1);
            assert!(whole == bytes, "the split matters");
            // Not whether bytes change: a zero is masked by a zero.
            whole.end.is_ok_and(|summary| summary.masked_count > 0)
        })
    };
    // The raw text may hold more than one member.
    let single = object.as_object().is_some_and(|object| object.len() == 1)
        && !memchr::memmem::find(raw, b"\"")
            .is_some_and(|at| at == 0 || raw.get(at - 1) != Some(&b'\\'));
    assert!(masks(name.clone()), "a key is missed");
    if single {
        assert!(!masks(format!("{name}x")), "another key is masked");
    }
}

/// A path, a line end, a body: the path prints as itself, and masks as the twin does.
pub fn mask_paths(input: &[u8]) {
    let input = capped(input);
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let text = parts.next().and_then(|text| std::str::from_utf8(text).ok());
    let Some(Ok(path)) = text.map(FieldPath::parse) else {
        return;
    };
    assert!(
        FieldPath::parse(&path.to_string()).as_ref() == Ok(&path),
        "print changes the path"
    );
    let body = parts.next().unwrap_or_default();
    for strategy in [Strategy::Redact, Strategy::Drop] {
        let rule = MaskRule {
            mask: "m".into(),
            path: path.clone(),
            strategy,
            encoding: Encoding::Plain,
        };
        let spec = MaskSpec {
            rules: vec![rule],
            guards: Vec::new(),
            mounts: vec![Mount::Root],
        };
        check_twin(&spec, body, &[body.len() / 3, body.len() / 2]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn survives_generated_texts_broken_at_some_places() {
        let mut seeded = Seeded::new(7);
        for _ in 0..testing::scaled(2_000) {
            let mut text = testing::documents(&mut seeded);
            testing::mutate(&mut seeded, &mut text);
            mask_splits(&text);
            mask_verdict(&text);
            mask_kernels(&text);
            mask_escapes(&text);
            let path = testing::path(&mut seeded).to_string();
            mask_paths(&[path.as_bytes(), b"\n", &text].concat());
        }
    }

    proptest! {
        #[test]
        fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            mask_splits(&bytes);
            mask_verdict(&bytes);
            mask_kernels(&bytes);
            mask_escapes(&bytes);
            mask_paths(&bytes);
        }

        #[test]
        fn escapes_of_any_key_are_resolved(
            key in r#"([a-c]|\\\\u00[46][0-9a-f]|\\\\u[dD][89a-fA-F]{3}|\\\\[nrt"/]|é){1,6}"#
        ) {
            mask_escapes(key.as_bytes());
        }
    }
}
