//! Long runs, off by default: `COUNT=5000000 cargo test --release -p gateway-masking --test long -- --ignored`.

use std::sync::Arc;

use gateway_masking::reference::Twin;
use gateway_masking::testing::{self, Seeded};
use gateway_masking::{Kernel, MaskProgram, MaskSpec};
use serde::de::IgnoredAny;

/// How many texts, and the seed to begin with.
#[expect(
    clippy::disallowed_methods,
    reason = "a test that a person starts with a number"
)]
fn wanted(name: &str, usual: u64) -> u64 {
    let wanted = std::env::var(name).ok();
    wanted
        .and_then(|wanted| wanted.parse().ok())
        .unwrap_or(usual)
}

fn is_valid(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[test]
#[ignore = "minutes"]
fn the_verdict_is_that_of_serde_json_on_every_kernel_at_any_split() {
    let mut seeded = Seeded::new(wanted("SEED", 1));
    let program = Arc::new(MaskProgram::compile(&MaskSpec::default()).unwrap());
    let kernels = Kernel::available();
    let count = wanted("COUNT", 1_000_000);
    let mut valid_count = 0;
    for index in 0..count {
        let mut text = testing::document(&mut seeded);
        if index % 3 != 0 {
            testing::mutate(&mut seeded, &mut text);
        }
        let valid = is_valid(&text);
        valid_count += u64::from(valid);
        let cuts = testing::cuts(&mut seeded, text.len());
        for kernel in &kernels {
            let outcome = testing::run(&program, *kernel, &text, &cuts);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(
                outcome.end.is_ok(),
                valid,
                "{} {cuts:?} {shown}",
                kernel.name()
            );
            assert!(
                !valid || outcome.bytes == text,
                "{} {cuts:?} {shown}",
                kernel.name()
            );
        }
    }
    println!(
        "{count} texts, {valid_count} valid, {} kernels",
        kernels.len()
    );
}

#[test]
#[ignore = "minutes"]
fn the_bytes_are_those_of_the_slow_twin_on_every_kernel_at_any_split() {
    let mut seeded = Seeded::new(wanted("SEED", 2));
    let kernels = Kernel::available();
    let count = wanted("COUNT", 300_000);
    let mut changed = 0;
    let mut refused = 0;
    for _ in 0..count.div_ceil(20) {
        let spec = testing::spec(&mut seeded);
        let program = Arc::new(MaskProgram::compile(&spec).unwrap());
        let mut twin = Twin::new(&spec).unwrap();
        for index in 0..20 {
            let mut text = if program.is_stream() {
                testing::documents(&mut seeded)
            } else {
                testing::document(&mut seeded)
            };
            if index % 4 == 0 {
                testing::mutate(&mut seeded, &mut text);
            }
            let expected = twin.mask(&text);
            changed += u64::from(expected.as_ref().is_some_and(|masked| *masked != text));
            refused += u64::from(expected.is_none());
            let cuts = testing::cuts(&mut seeded, text.len());
            for kernel in &kernels {
                let outcome = testing::run(&program, *kernel, &text, &cuts);
                let got = outcome.end.ok().map(|_| outcome.bytes);
                let shown = String::from_utf8_lossy(&text);
                assert_eq!(got, expected, "{} {cuts:?} {spec:?} {shown}", kernel.name());
            }
        }
    }
    println!(
        "{count} texts, {changed} changed, {refused} refused, {} kernels",
        kernels.len()
    );
}
