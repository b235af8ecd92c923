//! Files to a [`Bundle`], with every fault of every file in one report.
//!
//! The way is: limits and layout, then each file's scan and tree, then the shape tables, then typed
//! values, then references between blocks. A bundle comes out only if no error was found. Reading
//! a directory or a repository is the caller's matter.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::diagnostic::{Code, Finding, Report};
use crate::model::{Bundle, Lint, Location, Tests};
use crate::shape::Shape;
use crate::source::{self, Files, Node, SourceFile};

mod bundle;
pub(crate) mod grammar;
mod identities;
mod layout;
mod masks;
mod resolve;
mod rules;
mod sets;
mod terms;
mod tests_block;
mod who;

pub(crate) use layout::{Place, TABLES, place};

/// The version of a gateway, `MAJOR.MINOR.PATCH`, against which `requires-gateway` is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayVersion(pub u64, pub u64, pub u64);

impl GatewayVersion {
    /// The version of this build.
    #[must_use]
    pub fn of_this_build() -> Self {
        // A version that cannot be read accepts no `requires-gateway` above zero: it closes.
        Self::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Self(0, 0, 0))
    }

    /// Reads `1`, `1.2` or `1.2.3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
        let first = parts.next()??;
        let second = parts.next().map_or(Some(0), |part| part)?;
        let third = parts.next().map_or(Some(0), |part| part)?;
        parts.next().is_none().then_some(Self(first, second, third))
    }
}

impl fmt::Display for GatewayVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Decodes a bundle for this build. The bundle is there if and only if the report has no error.
#[must_use]
pub fn decode(files: &Files) -> (Option<Bundle>, Report) {
    decode_for(files, GatewayVersion::of_this_build())
}

/// Decodes a bundle as a gateway of another version would judge `requires-gateway`.
#[must_use]
pub fn decode_for(files: &Files, version: GatewayVersion) -> (Option<Bundle>, Report) {
    let mut report = Report::new();
    if !layout::check_files(files, &mut report) {
        return (None, report);
    }
    let parsed = parse_all(files, &mut report);
    if let Some(finding) = bundle::too_new(&parsed, version) {
        let mut only = Report::new();
        only.add(finding);
        return (None, only);
    }
    for file in &parsed {
        layout::check_blocks(&file.path, &file.nodes, file.shapes, &mut report);
    }
    let mut draft = Draft::new(files, &mut report);
    for file in &parsed {
        draft.file(file);
    }
    let bundle = draft.finish();
    let bundle = bundle.filter(|_| !report.has_errors());
    if bundle.is_none() && !report.has_errors() {
        // INVARIANT 2: nothing that was not understood is accepted, reported or not.
        let message = "this bundle cannot be decoded";
        report.add(Finding::new(
            Code::GP209,
            message,
            layout::whole_file("bundle.kdl"),
        ));
    }
    (bundle, report)
}

/// SHA-256 over the sorted (path, length, content) list, lower-case hex.
#[must_use]
pub fn digest(files: &Files) -> String {
    let mut hash = Sha256::new();
    for (path, content) in files {
        // Lengths before contents keep two lists of files apart whose bytes run together.
        hash.update((path.len() as u64).to_be_bytes());
        hash.update(path.as_bytes());
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// One file of blocks.
pub(crate) struct BlockFile {
    pub(crate) path: String,
    pub(crate) shapes: &'static [Shape],
    pub(crate) nodes: Vec<Node>,
}

fn parse_all(files: &Files, report: &mut Report) -> Vec<BlockFile> {
    let mut parsed = Vec::new();
    for (path, content) in files {
        let Place::Blocks(shapes) = place(path) else {
            continue;
        };
        if let Some(file) = SourceFile::new(path, content, report) {
            let nodes = source::parse(&file, report).nodes;
            parsed.push(BlockFile {
                path: path.clone(),
                shapes,
                nodes,
            });
        }
    }
    parsed
}

/// A bundle in the making.
struct Draft<'a> {
    files: &'a Files,
    report: &'a mut Report,
    bundle: Bundle,
    named: bool,
    references: Vec<resolve::Reference>,
    definitions: resolve::Definitions,
}

impl<'a> Draft<'a> {
    fn new(files: &'a Files, report: &'a mut Report) -> Self {
        let bundle = Bundle {
            name: String::new(),
            digest: digest(files),
            clusters: Vec::new(),
            owners: Vec::new(),
            lint: Lint::default(),
            issuers: Vec::new(),
            groups: Vec::new(),
            identities: Vec::new(),
            namespace_sets: std::collections::BTreeMap::new(),
            resource_sets: std::collections::BTreeMap::new(),
            verb_sets: std::collections::BTreeMap::new(),
            cidr_sets: std::collections::BTreeMap::new(),
            schedules: std::collections::BTreeMap::new(),
            mask_keys: std::collections::BTreeMap::new(),
            masks: std::collections::BTreeMap::new(),
            rules: Vec::new(),
            tests: Tests::default(),
        };
        Self {
            files,
            report,
            bundle,
            named: false,
            references: Vec::new(),
            definitions: resolve::Definitions::default(),
        }
    }

    /// Decodes the blocks of one file. A block that does not come out leaves an error behind.
    fn file(&mut self, file: &BlockFile) {
        let defaults = rules::Defaults::of(&file.nodes);
        for node in &file.nodes {
            if crate::shape::find(file.shapes, &node.word).is_none() {
                continue;
            }
            let decoded = self.block(node, &defaults);
            if decoded.is_none() && !self.report.has_errors_in(&node.location) {
                let message = format!("`{}` cannot be decoded", node.word);
                self.report
                    .add(Finding::new(Code::GP209, message, node.word_at.clone()));
            }
        }
    }

    fn block(&mut self, node: &Node, defaults: &rules::Defaults) -> Option<()> {
        match node.word.as_str() {
            "bundle" => self.bundle_block(node),
            "issuer" => self.issuer(node),
            "group" => self.group(node),
            "identity" => self.identity(node),
            "namespace-set" | "resource-set" | "verb-set" | "cidr-set" => self.set(node),
            "schedule" => self.schedule(node),
            "hmac-key" => self.mask_key(node),
            "mask" => self.mask(node),
            "allow" | "deny" | "require" => self.rule(node, defaults),
            "defaults" => Some(()),
            "subject" => self.subject(node),
            "suite" => self.suite(node),
            // Planned blocks are reported by their shape.
            _ => None,
        }
    }

    fn finish(mut self) -> Option<Bundle> {
        self.resolve();
        self.named.then_some(self.bundle)
    }

    /// Adds a finding that says what contradicts what.
    fn refuse(&mut self, message: impl Into<String>, place: &Location, help: &str) {
        self.report
            .add(Finding::new(Code::GP209, message, place.clone()).help(help));
    }

    /// Takes down a name. A second one of the same space is an error.
    fn define(&mut self, space: resolve::Space, node: &Node) -> Option<String> {
        let value = node.values.first()?;
        let name = value.text()?.to_owned();
        if let Some(first) = self
            .definitions
            .insert(space, &name, value.location.clone())
        {
            let message = format!("{} `{name}` is defined twice", space.describe());
            let finding = Finding::new(Code::GP301, message, value.location.clone());
            let help = "every name stands for one thing; rename one of them";
            self.report
                .add(finding.also(first, "first defined here").help(help));
            return None;
        }
        Some(name)
    }

    /// Notes that a name must be defined.
    fn refer(&mut self, to: resolve::Target, name: &str, place: &Location) {
        let (name, place) = (name.to_owned(), place.clone());
        self.references.push(resolve::Reference { to, name, place });
    }
}

#[cfg(test)]
pub(crate) mod tests;
