//! The seeds of the fuzz targets, replayed on every test run.

use std::path::Path;

use gateway_kubeapi::fuzzing;

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
fn keeps_its_laws_on_the_seeds_of_request_target() -> std::io::Result<()> {
    replay("request_target", fuzzing::request_target)
}

#[test]
fn keeps_its_laws_on_the_seeds_of_headers() -> std::io::Result<()> {
    replay("headers", fuzzing::headers)
}

#[test]
fn keeps_its_laws_on_the_seeds_of_strict_body() -> std::io::Result<()> {
    replay("strict_body", fuzzing::strict_body)
}

#[test]
fn keeps_its_laws_on_the_seeds_of_ws_frames() -> std::io::Result<()> {
    replay("ws_frames", fuzzing::ws_frames)
}
