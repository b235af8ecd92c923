//! `bundle.kdl`.

use std::collections::BTreeMap;

use super::resolve::Space;
use super::{BlockFile, Draft, GatewayVersion};
use crate::diagnostic::{CATALOGUE, Code, Finding, Level};
use crate::model::{Cluster, Lint, Owner};
use crate::source::{Node, Value};

/// The version of the language this crate reads.
const FORMAT: i128 = 1;

/// The one finding for a bundle that asks for more than this gateway has: everything else would
/// only follow from it.
pub(super) fn too_new(files: &[BlockFile], version: GatewayVersion) -> Option<Finding> {
    let file = files.iter().find(|file| file.path == "bundle.kdl")?;
    let bundle = file.nodes.iter().find(|node| node.word == "bundle")?;
    if let Some(value) = bundle.line("format").and_then(|line| line.values.first())
        && value.integer().is_some_and(|format| format > FORMAT)
    {
        let message = format!("bundle is written in a newer format than {FORMAT}");
        let finding = Finding::new(Code::GP108, message, value.location.clone());
        return Some(finding.help("update the gateway, or write the bundle in format 1"));
    }
    let value = bundle.line("requires-gateway")?.values.first()?;
    let required = required_version(value)?;
    (required > version).then(|| {
        let message = format!("bundle needs gateway {required}, this is {version}");
        let finding = Finding::new(Code::GP108, message, value.location.clone());
        finding.help("update the gateway before the bundle")
    })
}

fn required_version(value: &Value) -> Option<GatewayVersion> {
    GatewayVersion::parse(value.text()?.strip_prefix(">=")?.trim())
}

impl Draft<'_> {
    pub(super) fn bundle_block(&mut self, node: &Node) -> Option<()> {
        node.text(0)?.clone_into(&mut self.bundle.name);
        if let Some(value) = node
            .line("requires-gateway")
            .and_then(|line| line.values.first())
            && required_version(value).is_none()
        {
            let finding = Finding::new(Code::GP204, "this is no version", value.location.clone());
            self.report.add(finding.help("write \">=0.1\""));
        }
        for line in node.lines("cluster") {
            let name = self.define(Space::Cluster, line)?;
            let labels: Option<BTreeMap<String, String>> = line
                .properties
                .iter()
                .map(|label| Some((label.name.clone(), label.value.text()?.to_owned())))
                .collect();
            self.bundle.clusters.push(Cluster {
                name,
                labels: labels?,
            });
        }
        for line in node.lines("owners") {
            let min = line.property("min").and_then(Value::integer).unwrap_or(1);
            let owner = Owner {
                paths: line.text(0)?.to_owned(),
                teams: line.texts(1),
                min: u32::try_from(min).ok()?,
            };
            self.bundle.owners.push(owner);
        }
        self.bundle.lint = lint(node.line("lint"));
        let codes = node.line("lint").and_then(|lint| lint.line("allow-code"));
        for value in codes.map_or(&[][..], |line| &line.values) {
            self.allowed_code(value);
        }
        self.named = true;
        Some(())
    }
}

impl Draft<'_> {
    /// Only warnings can be let pass: an error is never a matter of taste.
    fn allowed_code(&mut self, value: &Value) {
        let text = value.text().unwrap_or_default();
        let message = match CATALOGUE.iter().find(|entry| entry.code.as_str() == text) {
            None => format!("`{text}` is no code"),
            Some(entry) if entry.level == Level::Error => format!("`{text}` is an error"),
            Some(_) => return,
        };
        let finding = Finding::new(Code::GP204, message, value.location.clone());
        self.report
            .add(finding.help("only warnings can be let pass, such as \"GP601\""));
    }
}

fn lint(node: Option<&Node>) -> Lint {
    let line = |word: &str| node.and_then(|node| node.line(word));
    Lint {
        fail_on_warning: line("fail-on").and_then(|line| line.text(0)) == Some("warning"),
        allowed_codes: line("allow-code")
            .map(|line| line.texts(0))
            .unwrap_or_default(),
    }
}
