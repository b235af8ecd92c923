//! The masks that meet on one kind of object: what was written, what follows from it, and programs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use gateway_kubeapi::ResourceId;
use gateway_masking::{CompileFault, Detector, Encoding, FieldPath, GuardRule, GuardStrategy};
use gateway_masking::{MaskProgram, MaskRule, MaskSpec, Mount, Step, Strategy};

use super::EMBEDDED_DEPTH_MAX;
use super::marks;
use super::paths::{self, Within};
use super::shapes::{Reach, Shape, kind_at, kind_of};
use super::table::{PreparedMask, PreparedPart, template_of};
use crate::decode::grammar::STRATEGIES;
use crate::model::WriteBack;

/// Built-in kinds that hold a pod template, and where (K-4.7).
pub(super) const TEMPLATES: &[(&str, &str, &str)] = &[
    ("", "podtemplates", "template"),
    ("", "replicationcontrollers", "spec.template"),
    ("apps", "controllerrevisions", "data.spec.template"),
    ("apps", "daemonsets", "spec.template"),
    ("apps", "deployments", "spec.template"),
    ("apps", "replicasets", "spec.template"),
    ("apps", "statefulsets", "spec.template"),
    ("batch", "cronjobs", "spec.jobTemplate.spec.template"),
    ("batch", "jobs", "spec.template"),
];

/// Fields of built-in kinds that hold bytes: what stands there must stay base64, or typed clients
/// cannot read the object (K-4.1).
const ENCODED: &[(&str, &str, &str)] = &[
    ("", "configmaps", "binaryData.*"),
    ("", "secrets", "data.*"),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "webhooks[*].clientConfig.caBundle",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "webhooks[*].clientConfig.caBundle",
    ),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "spec.conversion.webhook.clientConfig.caBundle",
    ),
    ("apiregistration.k8s.io", "apiservices", "spec.caBundle"),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        "spec.request",
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        "status.certificate",
    ),
];

/// Fields by which elements of built-in lists are told apart: managedFields show their values.
const LIST_KEYS: &[&str] = &[
    "containerPort",
    "devicePath",
    "ip",
    "key",
    "mountPath",
    "name",
    "port",
    "protocol",
    "topologyKey",
    "type",
    "uid",
    "whenUnsatisfiable",
];

/// Paths that derived rules need; none is left out (`the_fixed_paths_are_paths`).
pub(super) struct Fixed {
    /// Where `kubectl apply` keeps the whole object (K-4.2).
    pub(super) last_applied: Option<FieldPath>,
    pub(super) managed_fields: Option<FieldPath>,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| Fixed {
    last_applied: FieldPath::parse(
        "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']",
    )
    .ok(),
    managed_fields: FieldPath::parse("metadata.managedFields").ok(),
});

/// What is known of an object from its resource: all that plans differ by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// Its number among the kinds whose shape is known.
    kind: Option<usize>,
    stream: bool,
}

impl Class {
    pub(super) fn of(object: &ResourceId, stream: bool) -> Self {
        let plain = object.subresource.is_empty();
        Self {
            kind: kind_of(&object.group, &object.resource).filter(|_| plain),
            stream,
        }
    }

    /// The classes in which most is derived.
    pub(super) fn largest() -> impl Iterator<Item = Self> {
        [("", "secrets"), ("batch", "cronjobs")]
            .map(|(group, resource)| Self {
                kind: kind_of(group, resource),
                stream: false,
            })
            .into_iter()
    }

    /// Where a pod template stands in it.
    pub(super) fn template(self) -> Option<&'static str> {
        let (group, resource, _) = kind_at(self.kind?)?;
        let (_, _, prefix) = TEMPLATES.get(template_of(group, resource)?)?;
        Some(prefix)
    }

    fn shape(self) -> Option<&'static Shape> {
        kind_at(self.kind?).map(|(_, _, shape)| shape)
    }

    fn encoded(self) -> Vec<FieldPath> {
        let Some((group, resource, _)) = self.kind.and_then(kind_at) else {
            return Vec::new();
        };
        let own = ENCODED
            .iter()
            .filter(|(own, name, _)| (*own, *name) == (group, resource));
        own.filter_map(|(_, _, path)| FieldPath::parse(path).ok())
            .collect()
    }
}

/// A `for` block that concerns the object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) mask: &'a PreparedMask,
    pub(super) part: &'a PreparedPart,
    /// As it is written.
    pub(super) direct: bool,
    /// For the pod template within.
    pub(super) embedded: bool,
}

/// What is to be done to a stream of text or bytes.
#[derive(Debug, Clone)]
pub enum StreamMasking {
    /// Its text goes through the detectors of this program; they are a second net (K-4.19).
    Detect(Arc<MaskProgram>),
    /// The masks name paths alone, and text has none: it cannot be masked and must not be given.
    Impossible,
}

type Compiled = OnceLock<Result<Arc<MaskProgram>, CompileFault>>;

/// Sets of mounts.
const MOUNT_SETS: usize = 1 << 6;

/// Everything the masks that meet on an object come to.
#[derive(Debug)]
pub(crate) struct MaskPlan {
    rules: Vec<MaskRule>,
    guards: Vec<GuardRule>,
    masks: BTreeMap<String, WriteBack>,
    paths: Vec<FieldPath>,
    described: Vec<String>,
    marks_everything: bool,
    programs: Box<[Compiled; MOUNT_SETS]>,
    stream: OnceLock<StreamMasking>,
}

impl MaskPlan {
    pub(super) fn new(class: Class, sources: &[Source<'_>]) -> Self {
        let mut written: Vec<MaskRule> = Vec::new();
        let mut guards: Vec<GuardRule> = Vec::new();
        let mut masks = BTreeMap::new();
        for source in sources {
            masks.insert(source.mask.name.to_string(), source.mask.write_back);
            if source.direct {
                written.extend(source.part.rules.iter().cloned());
                guards.extend(source.part.guards.iter().cloned());
            }
            if let (true, Some(prefix)) = (source.embedded, class.template()) {
                written.extend(
                    source
                        .part
                        .rules
                        .iter()
                        .filter_map(|rule| in_template(prefix, rule)),
                );
                guards.extend(
                    source
                        .part
                        .guards
                        .iter()
                        .map(|guard| guard_in_template(prefix, guard)),
                );
            }
        }
        let described = written
            .iter()
            .map(|rule| format!("{} {} by {}", rule.path, word(&rule.strategy), rule.mask))
            .chain(guards.iter().map(describe_guard))
            .collect();
        let mut rules = encode(&written, &class.encoded());
        let mut derived = last_applied(&rules);
        derived.extend(managed_fields(class, &written));
        rules.extend(derived);
        guards.extend(guards_of_last_applied(&guards));
        let bound = guards.iter().filter_map(|guard| guard.within.clone());
        let mut paths: Vec<FieldPath> = rules
            .iter()
            .map(|rule| rule.path.clone())
            .chain(bound)
            .collect();
        paths.sort();
        paths.dedup();
        Self {
            marks_everything: marks::mark_everything(&rules, class.shape(), &FIXED)
                && guards.iter().all(marks::marks_finds),
            rules,
            guards,
            masks,
            paths,
            described,
            programs: Box::new(std::array::from_fn(|_| OnceLock::new())),
            stream: OnceLock::new(),
        }
    }

    pub(super) fn program(&self, mounts: &[Mount]) -> Result<Arc<MaskProgram>, CompileFault> {
        let index = mounts.iter().fold(0, |set, mount| set | 1 << bit(*mount));
        let compile = || {
            let spec = MaskSpec {
                rules: self.rules.clone(),
                guards: self.guards.clone(),
                mounts: mounts.to_vec(),
            };
            MaskProgram::compile(&spec).map(Arc::new)
        };
        match self.programs.get(index) {
            Some(kept) => kept.get_or_init(compile).clone(),
            None => compile(),
        }
    }

    /// Compiles what is largest.
    pub(super) fn prove(&self) -> Result<(), CompileFault> {
        self.program(&[Mount::Root, Mount::Items, Mount::Rows])
            .map(drop)
    }

    pub(super) fn stream(&self) -> StreamMasking {
        let detect = || {
            let everywhere = self.guards.iter().filter(|guard| guard.within.is_none());
            let guards: Vec<GuardRule> = everywhere.cloned().collect();
            if guards.is_empty() {
                return StreamMasking::Impossible;
            }
            let spec = MaskSpec {
                guards,
                ..MaskSpec::default()
            };
            // INVARIANT 2: what cannot be compiled cannot be masked.
            MaskProgram::compile(&spec).map_or(StreamMasking::Impossible, |program| {
                StreamMasking::Detect(Arc::new(program))
            })
        };
        self.stream.get_or_init(detect).clone()
    }

    pub(super) fn masks(&self) -> impl Iterator<Item = (&str, WriteBack)> {
        self.masks.iter().map(|(name, mode)| (name.as_str(), *mode))
    }

    pub(super) fn write_back(&self) -> WriteBack {
        self.masks.values().min().copied().unwrap_or_default()
    }

    pub(super) const fn marks_everything(&self) -> bool {
        self.marks_everything
    }

    pub(super) fn paths(&self) -> &[FieldPath] {
        &self.paths
    }

    pub(super) fn watches_everything(&self) -> bool {
        self.guards.iter().any(|guard| guard.within.is_none())
    }

    pub(super) fn strategy_at(&self, path: &FieldPath) -> Option<&'static str> {
        let applies = |rule: &&MaskRule| {
            let within = match rule.strategy {
                Strategy::Drop | Strategy::Redact => Within::Too,
                Strategy::Hash { .. }
                | Strategy::Fpe { .. }
                | Strategy::Partial { .. }
                | Strategy::Json { .. }
                | Strategy::Base64 { .. }
                | Strategy::Yaml { .. } => Within::Not,
            };
            paths::covers(rule.path.steps(), path.steps(), within)
        };
        let words = self
            .rules
            .iter()
            .filter(applies)
            .map(|rule| word(&rule.strategy));
        words.min_by_key(|word| STRATEGIES.iter().position(|own| own == word))
    }

    pub(super) fn places(&self, rules: &[usize]) -> String {
        let paths: BTreeSet<String> = rules
            .iter()
            .filter_map(|index| self.rules.get(*index))
            .map(|rule| rule.path.to_string())
            .collect();
        paths.into_iter().collect::<Vec<_>>().join(",")
    }

    pub(super) fn describe(&self) -> Vec<String> {
        self.described.clone()
    }
}

const fn bit(mount: Mount) -> usize {
    match mount {
        Mount::Root => 0,
        Mount::Items => 1,
        Mount::WatchObject => 2,
        Mount::Rows => 3,
        Mount::WatchRows => 4,
        Mount::WatchItems => 5,
    }
}

/// The word of a strategy in the bundle.
const fn word(strategy: &Strategy) -> &'static str {
    match strategy {
        Strategy::Drop => "drop",
        Strategy::Redact => "redact",
        Strategy::Hash { .. } => "hash",
        Strategy::Fpe { .. } => "fpe",
        Strategy::Partial { .. } => "partial",
        Strategy::Json { .. } => "json",
        Strategy::Base64 { .. } => "base64",
        Strategy::Yaml { .. } => "yaml",
    }
}

fn describe_guard(guard: &GuardRule) -> String {
    let detector = |detector: &Detector| match detector {
        Detector::Jwt => "jwt".to_owned(),
        Detector::Pem => "pem".to_owned(),
        Detector::AwsKey => "aws-key".to_owned(),
        Detector::GithubToken => "github-token".to_owned(),
        Detector::SlackToken => "slack-token".to_owned(),
        Detector::Email => "email".to_owned(),
        Detector::Iban => "iban".to_owned(),
        Detector::Card => "card".to_owned(),
        Detector::Pattern(text) => format!("(re){text}"),
    };
    let detectors: Vec<String> = guard.detectors.iter().map(detector).collect();
    let place = match &guard.within {
        Some(path) => format!("in {path}"),
        None => "anywhere".to_owned(),
    };
    let word = match guard.strategy {
        GuardStrategy::Redact => "redact",
        GuardStrategy::Hash { .. } => "hash",
        GuardStrategy::Fpe { .. } => "fpe",
        GuardStrategy::Partial { .. } => "partial",
    };
    format!("{} {place} {word} by {}", detectors.join(" "), guard.mask)
}

/// A rule for pods, for the template of one. Status is no part of a template.
fn in_template(prefix: &str, rule: &MaskRule) -> Option<MaskRule> {
    if rule.path.steps().first() == Some(&Step::Key("status".into())) {
        return None;
    }
    match paths::below(prefix, &rule.path) {
        Some(path) => Some(MaskRule {
            path,
            ..rule.clone()
        }),
        // Longer than a path may be: the whole template goes.
        None => FieldPath::parse(prefix).ok().map(|path| MaskRule {
            path,
            strategy: Strategy::Redact,
            ..rule.clone()
        }),
    }
}

fn guard_in_template(prefix: &str, guard: &GuardRule) -> GuardRule {
    let within = match &guard.within {
        Some(path) => paths::below(prefix, path),
        None => None,
    };
    GuardRule {
        // What is not said more narrowly is the template.
        within: within.or_else(|| FieldPath::parse(prefix).ok()),
        ..guard.clone()
    }
}

/// Rules with the encoding of the fields they name. A rule that names bytes and others is given twice.
fn encode(rules: &[MaskRule], fields: &[FieldPath]) -> Vec<MaskRule> {
    let mut encoded = Vec::new();
    for rule in rules {
        let mut rule = rule.clone();
        if let (true, Strategy::Json { rules }) = (
            Some(&rule.path) == FIXED.last_applied.as_ref(),
            &mut rule.strategy,
        ) {
            *rules = encode(rules, fields);
        }
        let shared = fields
            .iter()
            .flat_map(|field| paths::meet(rule.path.steps(), field.steps()));
        let bytes: Vec<MaskRule> = shared
            .map(|path| MaskRule {
                path,
                encoding: Encoding::Base64,
                ..rule.clone()
            })
            .collect();
        let is_whole = bytes.iter().any(|own| own.path == rule.path);
        if !is_whole {
            encoded.push(rule);
        }
        encoded.extend(bytes);
    }
    encoded
}

/// The last-applied annotation holds the object once more (K-4.2): each mask works in it too.
fn last_applied(rules: &[MaskRule]) -> Vec<MaskRule> {
    let Some(place) = &FIXED.last_applied else {
        return Vec::new();
    };
    let mut by_mask: BTreeMap<&str, Vec<MaskRule>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.path != *place) {
        by_mask.entry(&rule.mask).or_default().push(rule.clone());
    }
    let embedded = by_mask.into_iter().map(|(mask, rules)| MaskRule {
        mask: mask.into(),
        path: place.clone(),
        strategy: Strategy::Json { rules },
        encoding: Encoding::Plain,
    });
    embedded.collect()
}

/// Detectors bound to a path look at the whole annotation: paths do not lead into it.
fn guards_of_last_applied(guards: &[GuardRule]) -> Vec<GuardRule> {
    let bound = guards.iter().filter(|guard| guard.within.is_some());
    let derived = bound.map(|guard| GuardRule {
        within: FIXED.last_applied.clone(),
        ..guard.clone()
    });
    derived.collect()
}

/// managedFields hold values where a list is a set, or told apart by a masked field (K-4.4). A
/// client that sends an object back without them loses nothing (K-5.10), so they go as a whole.
fn managed_fields(class: Class, rules: &[MaskRule]) -> Vec<MaskRule> {
    let Some(place) = &FIXED.managed_fields else {
        return Vec::new();
    };
    let mut names: Vec<&str> = rules
        .iter()
        .filter(|rule| is_shown_by_managers(class, &rule.path))
        .map(|rule| &*rule.mask)
        .collect();
    names.sort_unstable();
    names.dedup();
    let drop = |mask: &str| MaskRule {
        mask: mask.into(),
        path: place.clone(),
        strategy: Strategy::Drop,
        encoding: Encoding::Plain,
    };
    names.into_iter().map(drop).collect()
}

fn is_shown_by_managers(class: Class, path: &FieldPath) -> bool {
    let steps = path.steps();
    // Annotations and labels are maps of texts, whatever the kind.
    if let [Step::Key(first), Step::Key(second), _] = steps
        && &**first == "metadata"
        && matches!(&**second, "annotations" | "labels")
    {
        return false;
    }
    let Some(shape) = class.shape() else {
        // Nothing is known of the kind.
        return true;
    };
    if let [
        ..,
        Step::AnyElement | Step::Element { .. } | Step::AnyDepth,
        Step::Key(name),
    ] = steps
        && LIST_KEYS.contains(&&**name)
    {
        return true;
    }
    match shape.reach(path) {
        Reach::At(Shape::Text | Shape::Bytes | Shape::Number | Shape::Flag) => {
            matches!(steps.last(), Some(Step::AnyElement | Step::Element { .. }))
        }
        Reach::At(Shape::Map(value)) => !value.is_scalar(),
        Reach::At(Shape::List(_) | Shape::Object(_) | Shape::Anything) | Reach::Open => true,
        Reach::Nowhere(_) => false,
    }
}

/// Rules nest at most so deep once the last-applied annotation is around them.
const _: () = assert!(EMBEDDED_DEPTH_MAX < gateway_masking::EMBEDDED_DEPTH_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_paths_are_paths() {
        assert!(FIXED.last_applied.is_some() && FIXED.managed_fields.is_some());
        for (group, resource, path) in TEMPLATES.iter().chain(ENCODED) {
            assert!(FieldPath::parse(path).is_ok(), "{path}");
            assert!(kind_of(group, resource).is_some(), "{resource}.{group}");
        }
    }
}
