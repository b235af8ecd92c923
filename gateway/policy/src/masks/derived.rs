//! What follows from the lines of a mask: pod templates, bytes, and the places where the API server
//! shows a masked value once more.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gateway_masking::{Encoding, FieldPath, GuardRule, MaskRule, Step, Strategy};

use super::paths;
use super::plan::Class;
use super::shapes::{Reach, Shape};

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

/// Where a ControllerRevision keeps the fields of its owner (K-4.7).
const REVISION_DATA: &str = "data";

/// Paths that derived rules need; none is left out (`the_fixed_paths_are_paths`).
struct Fixed {
    /// Where `kubectl apply` keeps the whole object (K-4.2).
    last_applied: Option<FieldPath>,
    managed_fields: Option<FieldPath>,
    /// Of a `Scale`: its own places, and what they may show of a custom object and of a built-in one.
    scale: Vec<ScaleField>,
}

/// A field of a `Scale`.
struct ScaleField {
    place: FieldPath,
    custom: Vec<FieldPath>,
    builtin: Vec<FieldPath>,
}

/// A custom resource definition names the fields it shows, and only it knows them: any below `spec`
/// and `status` may be among them (K-4.9). Numbers of built-in kinds stand where they stand anyway.
const SCALE_FIELDS: [(&str, &[&str], &[&str]); 3] = [
    ("spec.replicas", &["spec"], &[]),
    ("status.replicas", &["status"], &[]),
    ("status.selector", &["spec", "status"], &["spec.selector"]),
];

static FIXED: LazyLock<Fixed> = LazyLock::new(|| Fixed {
    last_applied: FieldPath::parse(
        "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']",
    )
    .ok(),
    managed_fields: FieldPath::parse("metadata.managedFields").ok(),
    scale: SCALE_FIELDS
        .iter()
        .filter_map(|(place, custom, builtin)| {
            Some(ScaleField {
                place: FieldPath::parse(place).ok()?,
                custom: parsed(custom),
                builtin: parsed(builtin),
            })
        })
        .collect(),
});

fn parsed(texts: &[&str]) -> Vec<FieldPath> {
    let paths = texts.iter().filter_map(|text| FieldPath::parse(text).ok());
    paths.collect()
}

pub(super) fn is_managed_fields(path: &FieldPath) -> bool {
    Some(path) == FIXED.managed_fields.as_ref()
}

pub(super) fn is_last_applied(path: &FieldPath) -> bool {
    Some(path) == FIXED.last_applied.as_ref()
}

/// A rule for pods, for the template of one. Status is no part of a template.
pub(super) fn in_template(prefix: &str, rule: &MaskRule) -> Option<MaskRule> {
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

pub(super) fn guard_in_template(prefix: &str, guard: &GuardRule) -> GuardRule {
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
pub(super) fn encode(rules: &[MaskRule], fields: &[FieldPath]) -> Vec<MaskRule> {
    let mut encoded = Vec::new();
    for rule in rules {
        let mut rule = rule.clone();
        if let (true, Strategy::Json { rules }) = (is_last_applied(&rule.path), &mut rule.strategy)
        {
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

/// What is written to `stringData` of a Secret is its `data` without base64. The API server never shows
/// it, but copies of what was written do (K-4.1, K-4.2), and a write of it sets the same value.
pub(super) fn string_data(class: Class, rules: &[MaskRule]) -> Vec<MaskRule> {
    if !class.is_secret() {
        return Vec::new();
    }
    let is_written = |own: &MaskRule| {
        let mut rules = rules.iter();
        rules.any(|rule| rule.mask == own.mask && rule.path == own.path)
    };
    let derived = rules.iter().filter_map(|rule| {
        if rule.path.steps().first() != Some(&Step::Key("data".into())) {
            return None;
        }
        let inner = paths::without("data", &rule.path);
        match inner.and_then(|inner| paths::below("stringData", &inner)) {
            Some(path) => Some(MaskRule {
                path,
                ..rule.clone()
            }),
            // All of it is masked, or the path is longer than one may be: all of it goes.
            None => FieldPath::parse("stringData").ok().map(|path| MaskRule {
                path,
                strategy: if matches!(rule.strategy, Strategy::Drop) {
                    Strategy::Drop
                } else {
                    Strategy::Redact
                },
                ..rule.clone()
            }),
        }
    });
    derived.filter(|own| !is_written(own)).collect()
}

/// The last-applied annotation holds the object once more (K-4.2): each mask works in it too. That of a
/// revision is its owner's, and what the revision has in `data` stands at the top there.
pub(super) fn last_applied(class: Class, rules: &[MaskRule]) -> Vec<MaskRule> {
    let Some(place) = &FIXED.last_applied else {
        return Vec::new();
    };
    let mut by_mask: BTreeMap<&str, Vec<MaskRule>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.path != *place) {
        let own = by_mask.entry(&rule.mask).or_default();
        own.push(rule.clone());
        let of_owner = paths::without(REVISION_DATA, &rule.path).filter(|_| class.is_revision());
        own.extend(of_owner.map(|path| MaskRule {
            path,
            ..rule.clone()
        }));
    }
    let embedded = by_mask.into_iter().map(|(mask, rules)| MaskRule {
        mask: mask.into(),
        path: place.clone(),
        strategy: Strategy::Json { rules },
        encoding: Encoding::Plain,
    });
    embedded.collect()
}

/// What follows from detectors that are bound to a path.
pub(super) fn guards(class: Class, guards: &[GuardRule]) -> Vec<GuardRule> {
    let mut derived = guards_of_last_applied(guards);
    derived.extend(guards_of_scales(class, guards));
    derived
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

/// managedFields hold values where a list is a set, or told apart by a masked field (K-4.4). They
/// hold them in names, where detectors do not look. A client that sends an object back without them
/// loses nothing (K-5.10), so they go as a whole.
pub(super) fn managed_fields(
    class: Class,
    rules: &[MaskRule],
    guards: &[GuardRule],
) -> Vec<MaskRule> {
    let Some(place) = &FIXED.managed_fields else {
        return Vec::new();
    };
    let by_path = rules
        .iter()
        .filter(|rule| is_shown_by_managers(class, &rule.path))
        .map(|rule| &*rule.mask);
    let is_watched = |guard: &&GuardRule| {
        let within = guard.within.as_ref();
        within.is_none_or(|path| is_shown_by_managers(class, path))
    };
    let by_detector = guards.iter().filter(is_watched).map(|guard| &*guard.mask);
    let mut names: Vec<&str> = by_path.chain(by_detector).collect();
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

/// A `Scale` shows fields of the object at places of its own; where one may be masked, so is its copy.
pub(super) fn scales(class: Class, rules: &[MaskRule]) -> Vec<MaskRule> {
    let mut found: Vec<(&str, &FieldPath)> = Vec::new();
    for rule in rules {
        let places = scale_fields(class, &rule.path);
        found.extend(places.into_iter().map(|place| (&*rule.mask, place)));
    }
    found.sort_unstable();
    found.dedup();
    let rules = found.into_iter().map(|(mask, place)| redact(mask, place));
    rules.collect()
}

fn guards_of_scales(class: Class, guards: &[GuardRule]) -> Vec<GuardRule> {
    let mut derived = Vec::new();
    for guard in guards {
        let within = guard.within.iter();
        let places = within.flat_map(|path| scale_fields(class, path));
        derived.extend(places.map(|place| GuardRule {
            within: Some(place.clone()),
            ..guard.clone()
        }));
    }
    derived
}

/// The fields of a `Scale` that may show values of this path.
fn scale_fields(class: Class, path: &FieldPath) -> Vec<&'static FieldPath> {
    if !class.is_scale() {
        return Vec::new();
    }
    let is_custom = class.shape().is_none();
    let shows = |field: &&ScaleField| {
        let sources = if is_custom {
            &field.custom
        } else {
            &field.builtin
        };
        let mut sources = sources.iter();
        sources.any(|source| paths::may_meet(path.steps(), source.steps()))
    };
    let fields = FIXED.scale.iter().filter(shows);
    fields.map(|field| &field.place).collect()
}

fn redact(mask: &str, path: &FieldPath) -> MaskRule {
    MaskRule {
        mask: mask.into(),
        path: path.clone(),
        strategy: Strategy::Redact,
        encoding: Encoding::Plain,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_paths_are_paths() {
        assert!(FIXED.last_applied.is_some() && FIXED.managed_fields.is_some());
        assert_eq!(FIXED.scale.len(), SCALE_FIELDS.len());
        for (field, (_, custom, builtin)) in FIXED.scale.iter().zip(SCALE_FIELDS) {
            assert_eq!(
                (field.custom.len(), field.builtin.len()),
                (custom.len(), builtin.len())
            );
        }
    }
}
