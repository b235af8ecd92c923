//! The masks that meet on one kind of object: what was written, what follows from it, and programs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use gateway_kubeapi::ResourceId;
use gateway_masking::{CompileFault, Detector, FieldPath, GuardRule, GuardStrategy, MaskProgram};
use gateway_masking::{MaskRule, MaskSpec, Mount, Strategy};

use super::EMBEDDED_DEPTH_MAX;
use super::derived;
use super::marks;
use super::paths::{self, Within};
use super::shapes::{Shape, kind_at, kind_of};
use super::table::{PreparedMask, PreparedPart, is_stream, template_of};
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

/// What is known of an object from its resource: all that plans differ by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// Its number among the kinds whose shape is known.
    kind: Option<usize>,
    answer: AnswerForm,
}

/// What the answers about an object hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AnswerForm {
    Object,
    /// A `Scale`, which shows fields of the object at places of its own.
    Scale,
    /// Text or bytes.
    Stream,
}

impl Class {
    /// The class of what a resource answers with: the object it belongs to, or itself.
    pub(super) fn of(object: &ResourceId, asked: &ResourceId) -> Self {
        let plain = object.subresource.is_empty();
        Self {
            kind: kind_of(&object.group, &object.resource).filter(|_| plain),
            answer: if is_stream(asked) {
                AnswerForm::Stream
            } else if asked.subresource == "scale" {
                AnswerForm::Scale
            } else {
                AnswerForm::Object
            },
        }
    }

    /// The classes in which most is derived.
    pub(super) fn largest() -> impl Iterator<Item = Self> {
        [("", "secrets"), ("batch", "cronjobs")]
            .map(|(group, resource)| Self {
                kind: kind_of(group, resource),
                answer: AnswerForm::Object,
            })
            .into_iter()
    }

    /// Answers are a `Scale`.
    pub(super) fn is_scale(self) -> bool {
        self.answer == AnswerForm::Scale
    }

    /// Objects are ControllerRevisions.
    pub(super) fn is_revision(self) -> bool {
        self.is("apps", "controllerrevisions")
    }

    /// Objects are Secrets.
    pub(super) fn is_secret(self) -> bool {
        self.is("", "secrets")
    }

    fn is(self, group: &str, resource: &str) -> bool {
        let kind = self.kind.and_then(kind_at);
        kind.is_some_and(|(own, name, _)| (own, name) == (group, resource))
    }

    /// Where a pod template stands in it.
    pub(super) fn template(self) -> Option<&'static str> {
        let (group, resource, _) = kind_at(self.kind?)?;
        let (_, _, prefix) = TEMPLATES.get(template_of(group, resource)?)?;
        Some(prefix)
    }

    pub(super) fn shape(self) -> Option<&'static Shape> {
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
    /// Its text goes through the detectors of this program; they are a second net (K-4.19). So does
    /// JSON that stands in it, such as the status at the end of a session.
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
                        .filter_map(|rule| derived::in_template(prefix, rule)),
                );
                guards.extend(
                    source
                        .part
                        .guards
                        .iter()
                        .map(|guard| derived::guard_in_template(prefix, guard)),
                );
            }
        }
        let described = written
            .iter()
            .map(|rule| format!("{} {} by {}", rule.path, word(&rule.strategy), rule.mask))
            .chain(guards.iter().map(describe_guard))
            .collect();
        written.extend(derived::string_data(class, &written));
        let mut rules = derived::encode(&written, &class.encoded());
        let mut derived = derived::last_applied(class, &rules);
        derived.extend(derived::managed_fields(class, &written, &guards));
        derived.extend(derived::scales(class, &written));
        rules.extend(derived);
        guards.extend(derived::guards(class, &guards));
        let bound = guards.iter().filter_map(|guard| guard.within.clone());
        let mut paths: Vec<FieldPath> = rules
            .iter()
            .map(|rule| rule.path.clone())
            .chain(bound)
            .collect();
        paths.sort();
        paths.dedup();
        Self {
            marks_everything: marks::mark_everything(&rules, class.shape())
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
                mounts: vec![Mount::Root],
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

    /// Whether all of it masks the same, derived places, documents in strings and keys included.
    pub(super) fn masks_as(&self, other: &Self) -> bool {
        self.rules == other.rules && self.guards == other.guards
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

/// Rules nest at most so deep once the last-applied annotation is around them.
const _: () = assert!(EMBEDDED_DEPTH_MAX < gateway_masking::EMBEDDED_DEPTH_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_paths() {
        for (group, resource, path) in TEMPLATES.iter().chain(ENCODED) {
            assert!(FieldPath::parse(path).is_ok(), "{path}");
            assert!(kind_of(group, resource).is_some(), "{resource}.{group}");
        }
    }
}
