//! What follows from written masks: pod templates, bytes, copies of the object, and what shows a masked
//! value at another place.

use std::collections::{BTreeMap, BTreeSet};
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

/// Paths that derived rules need; none is left out (`the_fixed_paths_are_paths`).
pub(super) struct Fixed {
    /// Where `kubectl apply` keeps the whole object (K-4.2).
    pub(super) last_applied: Option<FieldPath>,
    pub(super) managed_fields: Option<FieldPath>,
    /// What a Scale shows of its object, and where it shows it.
    selector: Option<FieldPath>,
    scale_selector: Option<FieldPath>,
}

pub(super) static FIXED: LazyLock<Fixed> = LazyLock::new(|| Fixed {
    last_applied: FieldPath::parse(
        "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']",
    )
    .ok(),
    managed_fields: FieldPath::parse("metadata.managedFields").ok(),
    selector: FieldPath::parse("spec.selector").ok(),
    scale_selector: FieldPath::parse("status.selector").ok(),
});

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
pub(super) fn last_applied(rules: &[MaskRule]) -> Vec<MaskRule> {
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
pub(super) fn guards_of_last_applied(guards: &[GuardRule]) -> Vec<GuardRule> {
    let bound = guards.iter().filter(|guard| guard.within.is_some());
    let derived = bound.map(|guard| GuardRule {
        within: FIXED.last_applied.clone(),
        ..guard.clone()
    });
    derived.collect()
}

/// A Scale prints the selector of its object as a text (K-4.9). Which field that is, a custom kind
/// says in its definition, so there it may be any.
fn is_shown_by_scale(class: Class, path: &FieldPath) -> bool {
    let selector = FIXED.selector.as_ref();
    let meets = |own: &FieldPath| paths::may_meet(own.steps(), path.steps());
    class.is_scale() && (class.shape().is_none() || selector.is_some_and(meets))
}

pub(super) fn scale_selector(class: Class, rules: &[MaskRule]) -> Vec<MaskRule> {
    let Some(place) = &FIXED.scale_selector else {
        return Vec::new();
    };
    let shown = rules
        .iter()
        .filter(|rule| is_shown_by_scale(class, &rule.path));
    let masks: BTreeSet<&str> = shown.map(|rule| &*rule.mask).collect();
    let redact = |mask: &str| MaskRule {
        mask: mask.into(),
        path: place.clone(),
        strategy: Strategy::Redact,
        encoding: Encoding::Plain,
    };
    masks.into_iter().map(redact).collect()
}

/// Detectors bound to what a Scale prints look at what it prints.
pub(super) fn guards_of_scale_selector(class: Class, guards: &[GuardRule]) -> Vec<GuardRule> {
    let shown = guards.iter().filter(|guard| {
        let within = guard.within.as_ref();
        within.is_some_and(|path| is_shown_by_scale(class, path))
    });
    let derived = shown.map(|guard| GuardRule {
        within: FIXED.scale_selector.clone(),
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
        assert!(FIXED.selector.is_some() && FIXED.scale_selector.is_some());
    }
}
