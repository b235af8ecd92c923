//! Which file may hold what: the path decides the power.

use super::grammar;
use crate::diagnostic::{Code, Finding, Report};
use crate::model::Location;
use crate::shape::{Shape, conform, find, nearest};
use crate::source::{Files, Node};

/// BOUND: files of a bundle; more is refused before any is read.
pub(super) const FILE_COUNT_MAX: usize = 2_000;
/// BOUND: bytes of a bundle.
pub(super) const BUNDLE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// BOUND: folders on the way to a file, the file included.
pub(super) const PATH_DEPTH_MAX: usize = 6;

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// KDL with these blocks.
    Blocks(&'static [Shape]),
    /// Read by tests that name it.
    Fixture,
    /// Not read.
    Unread,
    /// Known and refused by this version.
    Planned(&'static str),
    /// Nothing stands there.
    Unknown,
}

/// The place of a path.
pub(crate) fn place(path: &str) -> Place {
    let kdl = path.ends_with(".kdl");
    let folder = path.split_once('/').map_or("", |(folder, _)| folder);
    match (path, folder) {
        ("bundle.kdl", _) => Place::Blocks(grammar::BUNDLE_FILE),
        ("identities.kdl", _) => Place::Blocks(grammar::IDENTITY_FILE),
        ("sets.kdl", _) => Place::Blocks(grammar::SET_FILE),
        ("approvers.kdl", _) => Place::Blocks(grammar::APPROVER_FILE),
        ("masks.kdl", _) => Place::Blocks(grammar::MASK_FILE),
        ("revocations.kdl", _) => Place::Blocks(grammar::REVOCATION_FILE),
        ("trust.kdl", _) => Place::Blocks(grammar::TRUST_FILE),
        ("CODEOWNERS" | ".gitlab-ci.yml", _) | (_, "docs" | ".github") => Place::Unread,
        (_, "") if path.starts_with("README") => Place::Unread,
        (_, "identities") if kdl && path.matches('/').count() == 1 => {
            Place::Blocks(grammar::IDENTITY_FILE)
        }
        (_, "guardrails") if kdl => Place::Blocks(grammar::GUARDRAIL_FILE),
        (_, "rules") if kdl => Place::Blocks(grammar::RULE_FILE),
        (_, "tests") if path.starts_with("tests/fixtures/") => Place::Fixture,
        (_, "tests") if kdl => Place::Blocks(grammar::TEST_FILE),
        (_, "schemas") => Place::Planned("pinned OpenAPI schemas"),
        _ => Place::Unknown,
    }
}

/// Every table of blocks, with the place it belongs to.
pub(crate) static TABLES: &[(&str, &[Shape])] = &[
    ("bundle.kdl", grammar::BUNDLE_FILE),
    ("identities.kdl", grammar::IDENTITY_FILE),
    ("sets.kdl", grammar::SET_FILE),
    ("rules/", grammar::RULE_FILE),
    ("guardrails/", grammar::GUARDRAIL_FILE),
    ("tests/", grammar::TEST_FILE),
    ("approvers.kdl", grammar::APPROVER_FILE),
    ("masks.kdl", grammar::MASK_FILE),
    ("revocations.kdl", grammar::REVOCATION_FILE),
    ("trust.kdl", grammar::TRUST_FILE),
];

/// Checks number, size and paths of the files. False: too much to read at all.
pub(crate) fn check_files(files: &Files, report: &mut Report) -> bool {
    let bytes: usize = files.values().map(Vec::len).sum();
    if files.len() > FILE_COUNT_MAX || bytes > BUNDLE_BYTES_MAX {
        let message = format!(
            "bundle has {} files and {bytes} bytes, more than {FILE_COUNT_MAX} or {BUNDLE_BYTES_MAX}",
            files.len()
        );
        report.add(Finding::new(Code::GP101, message, whole_file("bundle.kdl")));
        return false;
    }
    if !files.contains_key("bundle.kdl") {
        let message = "bundle has no file `bundle.kdl`";
        let finding = Finding::new(Code::GP103, message, whole_file("bundle.kdl"));
        report.add(finding.help("it names the bundle, its clusters and its owners"));
    }
    for path in files.keys() {
        check_path(path, report);
    }
    true
}

fn check_path(path: &str, report: &mut Report) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let segments: Vec<&str> = path.split('/').collect();
    let sound = segments
        .iter()
        .all(|one| !one.is_empty() && *one != "." && *one != ".." && one.chars().all(plain));
    let finding = match place(path) {
        _ if !sound => Finding::new(Code::GP103, "path with other characters", whole_file(path))
            .help("use letters, digits, `.`, `_` and `-`"),
        _ if segments.len() > PATH_DEPTH_MAX => {
            let message = format!("path with more than {PATH_DEPTH_MAX} parts");
            Finding::new(Code::GP103, message, whole_file(path))
        }
        Place::Unknown => {
            let finding = Finding::new(Code::GP103, "file in an unknown place", whole_file(path));
            finding.help(suggestion(path))
        }
        Place::Planned(what) => {
            let message = "this version of countersign does not implement this file yet";
            Finding::new(Code::GP109, message, whole_file(path)).help(what)
        }
        Place::Blocks(_) | Place::Fixture | Place::Unread => return,
    };
    report.add(finding);
}

fn suggestion(path: &str) -> String {
    let known = [
        "bundle.kdl",
        "identities.kdl",
        "sets.kdl",
        "approvers.kdl",
        "masks.kdl",
    ];
    if let Some(name) = nearest(path, known) {
        return format!("did you mean `{name}`?");
    }
    "bundles have bundle.kdl, identities.kdl, sets.kdl, guardrails/*.kdl, rules/*.kdl, tests/*.kdl"
        .to_owned()
}

/// Checks the blocks of one file: those of another place are GP103, everything else is the shape
/// tables' matter.
pub(crate) fn check_blocks(
    path: &str,
    nodes: &[Node],
    shapes: &'static [Shape],
    report: &mut Report,
) {
    let mut here = Vec::new();
    for node in nodes {
        let elsewhere: Vec<&str> = TABLES
            .iter()
            .filter(|(_, table)| find(table, &node.word).is_some())
            .map(|(name, _)| *name)
            .collect();
        if find(shapes, &node.word).is_some() || elsewhere.is_empty() {
            here.push(node.clone());
            continue;
        }
        let message = format!("`{}` does not belong into `{path}`", node.word);
        let finding = Finding::new(Code::GP103, message, node.word_at.clone());
        report.add(finding.help(format!("move it to {}", elsewhere.join(" or "))));
    }
    conform(path, &here, shapes, report);
}

/// The beginning of a file.
pub(crate) fn whole_file(path: &str) -> Location {
    Location {
        file: path.into(),
        offset: 0,
        length: 0,
        line: 1,
    }
}
