//! `tests/install`, with programs that pretend in place of Debian's.

use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use gateway_tests::repository;

/// What the script wants, Go left out.
const WANTED: [&str; 8] = [
    "c++", "cargo", "cc", "cmake", "curl", "git", "openssl", "python3",
];
/// What it runs, and what the programs below need.
const TOOLS: [&str; 3] = ["awk", "chmod", "env"];

const BOOKWORM: &str =
    "golang-go | 2:1.19~1 | http://deb.debian.org/debian bookworm/main amd64 Packages";
const BACKPORTS: &str = "golang-go | 2:1.22~3~bpo12+1 | http://deb.debian.org/debian bookworm-backports/main amd64 Packages";
const TRIXIE: &str =
    "golang-go | 2:1.24~2 | http://deb.debian.org/debian trixie/main amd64 Packages";

/// A machine before the script.
#[derive(Default)]
struct Machine {
    /// `go env GOVERSION`; empty without Go.
    go: &'static str,
    /// A program that is missing.
    without: &'static str,
    /// What apt would install.
    candidate: &'static str,
    /// What apt knows.
    versions: &'static [&'static str],
}

/// What the script did to it.
#[derive(Debug, PartialEq)]
struct Done {
    code: i32,
    installed: Vec<String>,
}

impl Machine {
    fn install(&self) -> (Done, String) {
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path();
        for tool in TOOLS {
            let found = Command::new("sh")
                .args(["-c", &format!("command -v {tool}")])
                .output();
            let found = String::from_utf8(found.expect("sh runs").stdout).expect("a path");
            symlink(found.trim(), path.join(tool)).expect("a link");
        }
        for name in WANTED.iter().filter(|name| **name != self.without) {
            program(path, name, "");
        }
        program(path, "id", "echo 0");
        if !self.go.is_empty() {
            program(path, "go", &format!("echo {}", self.go));
        }
        let versions = self.versions.join("\n");
        let known = format!(
            "if [ \"$1\" = policy ]; then echo '  Candidate: {}'; else echo '{versions}'; fi",
            self.candidate
        );
        program(path, "apt-cache", &known);
        let log = path.join("installed");
        let installs = format!(
            "case \"$*\" in\n*update) exit ;;\n*golang-go) printf '#!/bin/sh\\necho go1.22.1\\n' >{0}/go; chmod 755 {0}/go ;;\nesac\necho \"$*\" >>{1}",
            path.display(),
            log.display()
        );
        program(path, "apt-get", &installs);
        let output = Command::new(repository().join("tests/install"))
            .env("PATH", path)
            .output()
            .expect("the script runs");
        let installed = std::fs::read_to_string(&log).unwrap_or_default();
        let done = Done {
            code: output.status.code().unwrap_or(-1),
            installed: installed
                .lines()
                .map(|line| line.replace("-qq install --no-install-recommends ", ""))
                .collect(),
        };
        (done, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn program(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    write(&path, format!("#!/bin/sh\n{text}\n")).expect("a program");
    set_permissions(&path, Permissions::from_mode(0o755)).expect("its mode");
}

fn check(machine: &Machine, code: i32, installed: &[&str], says: &str) {
    let (done, said) = machine.install();
    let installed = installed.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(done, Done { code, installed }, "{said}");
    assert!(said.contains(says), "`{says}` is not in: {said}");
}

#[test]
fn says_nothing_where_nothing_is_missing() {
    let machine = Machine {
        go: "go1.26.8",
        ..Machine::default()
    };
    let (done, said) = machine.install();
    assert_eq!((done.code, said.as_str()), (0, ""));
    assert_eq!(done.installed.len(), 0);
}

#[test]
fn installs_what_is_missing() {
    let machine = Machine {
        without: "openssl",
        candidate: "2:1.24~2",
        versions: &[TRIXIE],
        ..Machine::default()
    };
    check(&machine, 0, &["openssl", "golang-go"], "installing openssl");
}

/// Debian 12 has Go 1.19, which was installed and then found too old.
#[test]
fn takes_go_from_backports_where_the_release_has_an_old_one() {
    for go in ["", "go1.19.8"] {
        let machine = Machine {
            go,
            candidate: "2:1.19~1",
            versions: &[BACKPORTS, BOOKWORM],
            ..Machine::default()
        };
        check(&machine, 0, &["-t bookworm-backports golang-go"], "");
    }
}

#[test]
fn installs_nothing_where_no_new_go_is_to_be_had() {
    let machine = Machine {
        without: "openssl",
        candidate: "2:1.19~1",
        versions: &[BOOKWORM],
        ..Machine::default()
    };
    check(
        &machine,
        1,
        &[],
        "Go 1.21 or newer is needed, and apt has 2:1.19~1",
    );
}
