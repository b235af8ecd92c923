//! What no other tool checks: who may use whom, names, markers, leftovers of a machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway_tests::repository;
use serde_json::Value;

/// Crates that may do IO.
const SHELLS: [&str; 2] = ["server", "cli"];

/// Modules behind a feature that the gateway is built without.
const TEST_FEATURES: [&str; 4] = ["/mint", "/testing", "/fuzzing", "/laws"];

/// House style §5.
const BANNED_NAMES: [&str; 16] = [
    "util",
    "utils",
    "common",
    "helper",
    "helpers",
    "misc",
    "manager",
    "handler",
    "service",
    "processor",
    "engine",
    "core",
    "base",
    "data",
    "types",
    "prelude",
];

#[test]
fn dependencies_point_the_way_architecture_md_says() {
    let allowed = dependency_table(&read("ARCHITECTURE.md"));
    let crates = workspace_dependencies();
    let named: BTreeSet<&String> = allowed.keys().collect();
    let present: BTreeSet<&String> = crates.keys().collect();
    assert_eq!(named, present, "the table names every crate of gateway/");
    for (name, used) in &crates {
        let surplus: Vec<&String> = used.difference(&allowed[name]).collect();
        assert!(surplus.is_empty(), "`{name}` must not use {surplus:?}");
    }
}

#[test]
fn every_member_takes_the_workspace_lints() {
    for manifest in tracked(&["*Cargo.toml"]) {
        let text = read(&manifest);
        if manifest == "Cargo.toml" || text.contains("\n[workspace]\n") {
            continue;
        }
        let lints = text.contains("[lints]\nworkspace = true");
        assert!(lints, "{manifest}: `[lints] workspace = true` is missing");
    }
}

#[test]
fn every_gateway_crate_forbids_unsafe_code() {
    for root in tracked(&["gateway/*/src/lib.rs", "gateway/*/src/main.rs"]) {
        // The kernels of masking need it (ADR 0010); the next test confines it to them.
        let level = if root == "gateway/masking/src/lib.rs" {
            "#![deny(unsafe_code)]"
        } else {
            "#![forbid(unsafe_code)]"
        };
        assert!(read(&root).contains(level), "{root}: `{level}` is missing");
    }
}

#[test]
fn unsafe_code_of_masking_stays_in_its_kernels() {
    for file in tracked(&["gateway/masking/src/*.rs"]) {
        let kernel = file.starts_with("gateway/masking/src/scan");
        let text = read(&file);
        let tests = file.ends_with("/tests.rs");
        if kernel || tests || file.ends_with("/lib.rs") {
            continue;
        }
        let forbids = text.contains("#![forbid(unsafe_code)]");
        assert!(forbids, "{file}: `#![forbid(unsafe_code)]` is missing");
    }
    let root = read("gateway/masking/src/lib.rs");
    assert_eq!(root.matches("expect(unsafe_code").count(), 1);
}

#[test]
fn no_module_has_a_banned_name() {
    for file in rust_files() {
        for part in Path::new(&file).with_extension("").iter().skip(1) {
            let part = part.to_string_lossy();
            assert!(
                !BANNED_NAMES.contains(&&*part),
                "{file}: `{part}` says nothing"
            );
        }
        for line in read(&file).lines() {
            let declared = line.trim_start().trim_start_matches("pub ");
            let declared = declared.trim_start_matches("pub(crate) ");
            let Some(rest) = declared.strip_prefix("mod ") else {
                continue;
            };
            let name = rest.trim_end_matches([';', '{', ' ']);
            assert!(
                !BANNED_NAMES.contains(&name),
                "{file}: module `{name}` says nothing"
            );
        }
    }
}

/// The inner border of the one crate that does IO: hooks carry values, they do not load or show
/// them.
#[test]
fn the_proxy_names_neither_bundles_nor_the_admin_listener() {
    for file in tracked(&[
        "gateway/server/src/proxy/**/*.rs",
        "gateway/server/src/proxy/*.rs",
    ]) {
        for (number, line) in code_lines(&read(&file)) {
            for module in ["bundle::", "admin::"] {
                assert!(!line.contains(module), "{file}:{number}: names `{module}`");
            }
        }
    }
}

/// ARCHITECTURE.md, invariant 4. Clippy bans single functions; whole modules are banned here.
#[test]
fn pure_crates_name_no_module_of_io() {
    let banned = [
        "std::fs",
        "std::process",
        "std::env",
        "std::thread",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "SystemTime",
        "Instant::now",
        "std::io::stdin",
        "tokio::",
        "rand::",
    ];
    for file in tracked(&["gateway/*.rs"]) {
        let shell = SHELLS
            .iter()
            .any(|name| file.starts_with(&format!("gateway/{name}/")));
        // Built for tests and development issuers only.
        let feature = TEST_FEATURES.iter().any(|name| file.contains(name));
        if shell || feature || is_test_file(&file) {
            continue;
        }
        for (number, line) in code_lines(&read(&file)) {
            let found = banned.iter().find(|name| line.contains(**name));
            assert!(
                found.is_none(),
                "{file}:{number}: a pure crate names {found:?}"
            );
        }
    }
}

#[test]
fn every_fuzz_target_has_seeds() {
    let targets = tracked(&["fuzz/fuzz_targets/*.rs"]);
    assert!(!targets.is_empty(), "there are fuzz targets");
    for target in targets {
        let name = Path::new(&target)
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let seeds = tracked(&[&format!("fuzz/seeds/{name}/*")]);
        assert!(!seeds.is_empty(), "{target}: no seed in fuzz/seeds/{name}/");
    }
}

#[test]
fn every_decision_record_is_listed() {
    let list = read("docs/adr/README.md");
    for record in tracked(&["docs/adr/[0-9]*.md"]) {
        let name = Path::new(&record)
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        assert!(
            list.contains(&format!("({name})")),
            "docs/adr/README.md does not list {name}"
        );
    }
}

#[test]
fn no_file_names_a_machine() {
    // Written in parts, so that this file is not its own finding.
    let folders = ["work", "root", "Users", "home"].map(|name| format!("/{name}/"));
    let settings = [
        ["GOPROXY", "="],
        ["index", "-url"],
        ["replace", "-with"],
        ["GONOSUMDB", "="],
    ]
    .map(|parts| parts.concat());
    for file in tracked(&[]) {
        let Some(text) = read_text(&file) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let path = folders.iter().find(|folder| is_absolute_path(line, folder));
            assert!(
                path.is_none(),
                "{file}:{}: a path of one machine: {line}",
                number + 1
            );
            let setting = settings
                .iter()
                .find(|setting| line.contains(setting.as_str()));
            assert!(
                setting.is_none(),
                "{file}:{}: a registry setting: {line}",
                number + 1
            );
        }
    }
}

#[test]
fn markers_name_invariants_that_exist_and_every_built_one_is_marked() {
    let invariants = numbered_list(&read("ARCHITECTURE.md"), "## Invariants");
    assert!(
        invariants.len() >= 8,
        "ARCHITECTURE.md lists the invariants"
    );
    let mut marked = BTreeSet::new();
    for file in tracked(&["gateway/*.rs"]) {
        for (number, line) in read(&file).lines().enumerate() {
            let Some((_, rest)) = line.split_once("INVARIANT ") else {
                continue;
            };
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let Ok(invariant) = digits.parse::<usize>() else {
                continue;
            };
            let known = invariants.contains_key(&invariant);
            assert!(
                known,
                "{file}:{}: there is no invariant {invariant}",
                number + 1
            );
            marked.insert(invariant);
        }
    }
    // 6 has a marker of its own, `BOUND:`; one that says "not built yet" has no code.
    let built = invariants
        .iter()
        .filter(|(_, text)| !text.contains("not built yet"));
    for (number, text) in built.filter(|(number, _)| **number != 6) {
        assert!(
            marked.contains(number),
            "no code is marked `INVARIANT {number}`: {text}"
        );
    }
}

#[test]
fn every_bound_says_why_and_stands_at_a_value() {
    for file in tracked(&["gateway/*.rs", "tests/*.rs"]) {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let comment = line.trim_start();
            if !comment.starts_with("//") || !comment.contains("BOUND") {
                continue;
            }
            let Some((_, reason)) = comment.split_once(": ") else {
                continue;
            };
            assert!(
                reason.len() > 10,
                "{file}:{}: a bound without a reason",
                index + 1
            );
            let below = lines[index..]
                .iter()
                .find(|line| !line.trim_start().starts_with("//"));
            let value = below.is_some_and(|line| !line.trim().is_empty());
            assert!(
                value,
                "{file}:{}: a bound that stands at nothing",
                index + 1
            );
        }
    }
}

/// Reads `| \`a\`, \`b\` | … |` rows below the sentence that announces them.
fn dependency_table(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (_, table) = text
        .split_once("| crate | may use (workspace) |")
        .expect("ARCHITECTURE.md has the dependency table");
    let rows: Vec<(Vec<String>, &str)> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            (quoted(cells[1]), cells[2].trim())
        })
        .collect();
    let every: BTreeSet<String> = rows.iter().flat_map(|(names, _)| names.clone()).collect();
    let mut above = BTreeSet::new();
    let mut allowed = BTreeMap::new();
    for (names, cell) in rows {
        let may: BTreeSet<String> = match cell {
            "–" => BTreeSet::new(),
            "all above" => above.clone(),
            _ if cell.starts_with("all but") => {
                let but = quoted(cell);
                every
                    .iter()
                    .filter(|name| !but.contains(name))
                    .cloned()
                    .collect()
            }
            _ => quoted(cell).into_iter().collect(),
        };
        for name in &names {
            allowed.insert(name.clone(), may.clone());
        }
        above.extend(names);
    }
    allowed
}

/// The crates of `gateway/` and what each uses of the others, development excepted.
fn workspace_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut crates = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
        let Some(name) = gateway_crate(&manifest) else {
            continue;
        };
        let used = package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter();
        let used = used
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["path"].as_str())
            .filter_map(|path| gateway_crate(&Path::new(path).join("Cargo.toml")))
            .collect();
        crates.insert(name, used);
    }
    crates
}

fn gateway_crate(manifest: &Path) -> Option<String> {
    let inner = manifest.strip_prefix(repository().join("gateway")).ok()?;
    Some(inner.parent()?.to_string_lossy().into_owned())
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn numbered_list(text: &str, heading: &str) -> BTreeMap<usize, String> {
    let (_, list) = text.split_once(heading).expect("the heading");
    let list = list.split("\n## ").next().unwrap_or_default();
    list.lines()
        .filter_map(|line| {
            let (number, text) = line.split_once(". ")?;
            Some((number.parse().ok()?, text.to_owned()))
        })
        .collect()
}

/// Lines of code with their numbers, up to the tests, comments left out.
fn code_lines(text: &str) -> Vec<(usize, String)> {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    code.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect()
}

fn is_test_file(file: &str) -> bool {
    let path = Path::new(file);
    path.iter().any(|part| part == "tests")
        || path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().starts_with("tests"))
}

/// `text` has the folder as the start of a path, not within one.
fn is_absolute_path(text: &str, folder: &str) -> bool {
    text.match_indices(folder).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"./-_}*)>".contains(before))
    })
}

fn rust_files() -> Vec<String> {
    tracked(&["gateway/*.rs", "tests/*.rs", "benches/*.rs", "fuzz/*.rs"])
}

/// Files under version control, or about to be.
pub(crate) fn tracked(patterns: &[&str]) -> Vec<String> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
        ])
        .args(patterns)
        .current_dir(repository())
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("names are UTF-8");
    let names = text.lines().map(str::to_owned);
    names
        .filter(|name| repository().join(name).is_file())
        .collect()
}

pub(crate) fn read(file: &str) -> String {
    read_text(file).unwrap_or_else(|| panic!("{file} is a text file"))
}

fn read_text(file: &str) -> Option<String> {
    let bytes = std::fs::read(repository().join(file)).expect("a file of the repository");
    String::from_utf8(bytes).ok()
}
