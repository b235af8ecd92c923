//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests folder has a parent")
        .to_path_buf()
}

/// A folder below the target directory that stays between runs.
#[must_use]
pub fn scratch(name: &str) -> PathBuf {
    let path = target_directory().join("it").join(name);
    std::fs::create_dir_all(&path).expect("scratch folder");
    path
}

/// The gateway's program: `COUNTERSIGN_BIN`, or what `cargo build` makes of the tree as it is now.
///
/// # Panics
/// When it does not build: these tests never skip.
#[must_use]
pub fn countersign() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            if let Some(path) = std::env::var_os("COUNTERSIGN_BIN") {
                return PathBuf::from(path);
            }
            let target = target_directory();
            let status = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--locked", "--package", "gateway-cli"])
                .arg("--target-dir")
                .arg(&target)
                .current_dir(repository())
                .status()
                .expect("cargo runs");
            assert!(status.success(), "the gateway does not build");
            target.join("debug/countersign")
        })
        .clone()
}

/// This program is `TARGET/PROFILE/deps/it-HASH`.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("own path");
    let target = program.ancestors().nth(3);
    target
        .expect("the test program lies below the target directory")
        .to_path_buf()
}

/// The test cluster's program; built on first use, which takes minutes.
pub(crate) fn cluster_program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let built = Command::new(repository().join("tests/cluster/build"))
                .stderr(std::process::Stdio::inherit())
                .output()
                .expect("tests/cluster/build runs");
            assert!(built.status.success(), "tests/cluster/build failed");
            let text = String::from_utf8(built.stdout).expect("a path");
            PathBuf::from(text.lines().last().expect("the last line is the path"))
        })
        .clone()
}

/// A subcommand of the test cluster's program.
#[must_use]
pub fn cluster_command(subcommand: &str) -> Command {
    let mut command = Command::new(cluster_program());
    command.arg(subcommand);
    command
}
