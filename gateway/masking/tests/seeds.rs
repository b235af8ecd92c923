//! The seeds of the fuzz targets, replayed on every test run.

use std::path::Path;

use gateway_masking::fuzzing;

/// Gives each seed of a target to its entry point, which asserts the laws itself.
fn replay(target: &str, run: fn(&[u8])) -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let mut seeds = 0;
    for entry in std::fs::read_dir(root.join(target))? {
        run(&std::fs::read(entry?.path())?);
        seeds += 1;
    }
    assert!(seeds >= 10, "{target} has {seeds} seeds");
    Ok(())
}

#[test]
fn keeps_its_laws_on_the_seeds_of_mask_splits() -> std::io::Result<()> {
    replay("mask_splits", fuzzing::mask_splits)
}

#[test]
fn keeps_its_laws_on_the_seeds_of_mask_verdict() -> std::io::Result<()> {
    replay("mask_verdict", fuzzing::mask_verdict)
}

#[test]
fn keeps_its_laws_on_the_seeds_of_mask_kernels() -> std::io::Result<()> {
    replay("mask_kernels", fuzzing::mask_kernels)
}

#[test]
fn keeps_its_laws_on_the_seeds_of_mask_escapes() -> std::io::Result<()> {
    replay("mask_escapes", fuzzing::mask_escapes)
}

#[test]
fn keeps_its_laws_on_the_seeds_of_mask_paths() -> std::io::Result<()> {
    replay("mask_paths", fuzzing::mask_paths)
}
