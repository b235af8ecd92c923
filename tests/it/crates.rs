//! Other people's crates: where they come from, under which licences, and which are not taken.

use std::collections::BTreeSet;
use std::process::Command;

use gateway_tests::repository;
use serde_json::Value;

use crate::tidy::{read, tracked};

/// A crate under any other licence is a decision; one that may be chosen among others counts too.
const LICENCES: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// TLS is rustls with ring, because Pingora links these; a second library or crypto provider would
/// be chosen by whoever is asked first.
const BANNED: [&str; 5] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
];

/// Two versions of these would be two opinions on one message, certificate or document. Pingora
/// brings second versions of others.
const ONCE: [&str; 12] = [
    "h2",
    "http",
    "httparse",
    "hyper",
    "jsonwebtoken",
    "kdl",
    "ring",
    "rustls",
    "rustls-webpki",
    "saphyr-parser",
    "serde_json",
    "tokio",
];

#[test]
fn every_crate_comes_from_the_default_registry() {
    let expected = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    for lock in tracked(&["*Cargo.lock"]) {
        for line in read(&lock)
            .lines()
            .filter(|line| line.starts_with("source = "))
        {
            assert_eq!(line, expected, "{lock}");
        }
    }
}

#[test]
fn no_crate_is_banned_and_none_that_judges_is_there_twice() {
    let lock = read("Cargo.lock");
    let count = |name: &str| {
        let line = format!("name = \"{name}\"");
        lock.lines().filter(|found| *found == line).count()
    };
    for name in BANNED {
        assert_eq!(count(name), 0, "`{name}`: see ADR 0009");
    }
    for name in ONCE {
        assert_eq!(count(name), 1, "versions of `{name}`");
    }
}

#[test]
fn every_licence_is_a_known_one() {
    let mut strange = BTreeSet::new();
    for package in packages() {
        let name = &package["name"];
        let licence = package["license"].as_str().unwrap_or("none");
        // Old manifests write `/` for OR.
        let words = licence.replace(['(', ')'], "").replace('/', " OR ");
        let words = words.replace(" AND ", " OR ");
        for word in words.split(" OR ").map(str::trim) {
            if !LICENCES.contains(&word) {
                strange.insert(format!("{name}: {licence}"));
            }
        }
    }
    assert!(strange.is_empty(), "{strange:#?}");
}

/// Everything that is built and linked on Linux, tests included; peers of the benches left out,
/// because CI does not download them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .args(["--no-default-features", "--features", "gateway-cli/default"])
        .current_dir(repository())
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut packages = metadata["packages"].as_array().expect("packages").clone();
    packages.retain(|package| !package["source"].is_null());
    assert!(packages.len() > 100, "the packages of the program");
    packages
}
