//! A bundle of many rules as text, as an organisation of many teams would have it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Issuer of the agent's token.
pub(super) const ISSUER: &str = "https://agents.bench.invalid";
/// Its audience.
pub(super) const AUDIENCE: &str = "countersign-bench";
/// Groups of the whole organisation.
const GROUPS: usize = 1_000;
/// Groups of the one agent that asks.
const AGENT_GROUPS: usize = 8;
/// Keeps each file below 256 KiB and 10 000 nodes.
const RULES_PER_FILE: usize = 500;
/// What rules speak about, most asked first.
const RESOURCES: [&str; 8] = [
    "pods",
    "deployments.apps",
    "configmaps",
    "services",
    "jobs.batch",
    "pods/log",
    "statefulsets.apps",
    "ingresses.networking.k8s.io",
];

/// Writes the directory.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write(directory: &Path, rules: usize) -> Result<()> {
    fs::create_dir_all(directory.join("rules"))?;
    let mut identities = identities();
    for number in 0..GROUPS {
        writeln!(
            identities,
            "group \"group-{number}\" {{ from \"corp:group-{number}\" }}"
        )?;
    }
    let save = |file: &str, text: &str| {
        fs::write(directory.join(file), text).with_context(|| format!("cannot write {file}"))
    };
    save("bundle.kdl", BUNDLE)?;
    save("identities.kdl", &identities)?;
    for first in (0..rules).step_by(RULES_PER_FILE) {
        let numbers = first..(first + RULES_PER_FILE).min(rules);
        let text: String = numbers.map(rule).collect();
        save(
            &format!("rules/teams-{:02}.kdl", first / RULES_PER_FILE),
            &text,
        )?;
    }
    Ok(())
}

/// The groups of the agent as its token says them.
pub(super) fn agent_groups() -> Vec<String> {
    (0..AGENT_GROUPS)
        .map(|number| format!("group-{number}"))
        .collect()
}

const BUNDLE: &str = r#"bundle "bench" {
    format 1
    cluster "bench"
    owners "**" "platform"
    lint { allow-code "GP501" "GP502" "GP503" }
}
"#;

fn identities() -> String {
    format!(
        r#"issuer "agents" {{
    url "{ISSUER}"
    audiences "{AUDIENCE}"
    algorithms "ES256"
    max-token-age "1h"
    kind agent
    username claim="sub" prefix="corp:"
    groups claim="groups" prefix="corp:"
}}
"#
    )
}

/// The first rule allows what is asked; the others are about other teams. One in twenty denies.
fn rule(number: usize) -> String {
    let group = number % GROUPS;
    let team = number.wrapping_mul(7) % 500;
    let resource = RESOURCES
        .get(number % RESOURCES.len())
        .copied()
        .unwrap_or("pods");
    let namespaces = match number {
        0 => "\"shop\"".to_owned(),
        _ if number.is_multiple_of(5) => format!("\"team-{team}\" \"team-{team}-*\""),
        _ => format!("\"team-{team}\""),
    };
    let effect = if number % 20 == 19 { "deny" } else { "allow" };
    let verbs = if number % 4 == 3 {
        "create update patch delete"
    } else {
        "read"
    };
    format!(
        "{effect} \"rule-{number:05}\" {{\n    why \"Team {team} works on its own\"\n    \
         owner \"platform\"\n    who {{ group \"group-{group}\" }}\n    can {verbs}\n    \
         on \"{resource}\"\n    in {namespaces}\n}}\n"
    )
}
