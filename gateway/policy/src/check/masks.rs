//! Masks that cannot do what they say (GP406, GP408), and what masks a rule's answers have.

use std::collections::BTreeSet;

use gateway_kubeapi::{ResourceId, Verb};
use gateway_masking::FieldPath;

use super::reach;
use crate::compile::CompileFault;
use crate::diagnostic::{Code, Finding, Report};
use crate::masks::{MaskKeys, MaskSet, MaskTable, Reach, Shape, StreamMasking};
use crate::masks::{is_stream, parent_of, shape_of};
use crate::model::{Bundle, Effect, Location, Mask, MaskPart, MaskStrategy, Mode, Obligation, On};
use crate::model::{Rule, Who};
use crate::set::{Reading, evaluate, resource_in};
use crate::tri::Tri;

/// The masks of a bundle. Where one cannot be compiled, that is a finding, and masks are not judged
/// any further.
pub(super) fn table(bundle: &Bundle, report: &mut Report) -> Option<MaskTable> {
    // What a key is has no say in what is masked, nor has the cluster.
    match MaskTable::build(bundle, "", &MaskKeys::offline(bundle)) {
        Ok(table) => Some(table),
        Err(fault) => {
            let mask = if let CompileFault::Mask { mask, .. } = &fault {
                bundle.masks.get(mask)
            } else {
                None
            };
            let place = mask.or_else(|| bundle.masks.values().next());
            if let Some(place) = place {
                let finding = Finding::new(Code::GP209, fault.to_string(), place.location.clone());
                report.add(finding);
            }
            None
        }
    }
}

pub(super) fn check(bundle: &Bundle, table: &MaskTable, report: &mut Report) {
    for (name, mask) in &bundle.masks {
        for part in &mask.parts {
            let listed = reach::listed(bundle, &part.resources);
            if let Some(listed) = listed.filter(|listed| !listed.is_empty()) {
                paths(name, part, &listed, report);
                streams(name, part, &listed, report);
                tunnels(name, part, &listed, report);
            }
        }
    }
    for rule in &bundle.rules {
        without_effect(bundle, table, rule, report);
        unmasked_streams(bundle, table, rule, report);
        guessable(bundle, table, rule, report);
    }
}

/// The shapes of the objects that these resources answer with; `None` if one is not known.
fn shapes(listed: &[ResourceId]) -> Option<Vec<(&ResourceId, &'static Shape)>> {
    let shape = |resource: &ResourceId| {
        let object = match resource.subresource.as_str() {
            "" => resource.clone(),
            // A scale is an object of its own, with the metadata of the one it belongs to.
            "scale" => return None,
            _ => parent_of(resource)?,
        };
        shape_of(&object.group, &object.resource)
    };
    listed
        .iter()
        .map(|resource| Some((resource, shape(resource)?)))
        .collect()
}

fn paths(name: &str, part: &MaskPart, listed: &[ResourceId], report: &mut Report) {
    let Some(shapes) = shapes(listed) else {
        return;
    };
    let written = part.paths.iter().map(|own| (&own.path, &own.location));
    let bound = part
        .detections
        .iter()
        .filter_map(|own| Some((own.within.as_ref()?, &own.location)));
    for (path, place) in written.chain(bound) {
        nowhere(name, path, place, &shapes, report);
    }
    for detection in &part.detections {
        if let Some(path) = &detection.within {
            no_text(name, path, &detection.location, &shapes, report);
        }
    }
}

fn nowhere(
    name: &str,
    path: &FieldPath,
    place: &Location,
    shapes: &[(&ResourceId, &'static Shape)],
    report: &mut Report,
) {
    let mut helps = Vec::new();
    for (_, shape) in shapes {
        match shape.reach(path) {
            Reach::At(_) | Reach::Open => return,
            Reach::Nowhere(help) => helps.push(help),
        }
    }
    let kinds: Vec<String> = shapes.iter().map(|(one, _)| format!("`{one}`")).collect();
    let message = format!(
        "mask `{name}`: `{path}` cannot exist on {}",
        kinds.join(", ")
    );
    let finding = Finding::new(Code::GP406, message, place.clone());
    report.add(match helps.into_iter().next() {
        Some(help) => finding.help(help),
        None => finding,
    });
}

/// Detectors look at texts; in base64 and numbers they find nothing.
fn no_text(
    name: &str,
    path: &FieldPath,
    place: &Location,
    shapes: &[(&ResourceId, &'static Shape)],
    report: &mut Report,
) {
    let mut found = BTreeSet::new();
    for (_, shape) in shapes {
        let at = match shape.reach(path) {
            Reach::At(Shape::Map(below) | Shape::List(below)) => below,
            Reach::At(shape) => shape,
            Reach::Open | Reach::Nowhere(_) => return,
        };
        match at {
            Shape::Bytes => found.insert("base64"),
            Shape::Number => found.insert("a number"),
            Shape::Flag => found.insert("a truth value"),
            Shape::Text | Shape::Map(_) | Shape::List(_) | Shape::Object(_) | Shape::Anything => {
                return;
            }
        };
    }
    let what: Vec<&str> = found.into_iter().collect();
    let message = format!(
        "mask `{name}`: `{path}` holds {}, in which detectors find nothing",
        what.join(" or ")
    );
    let finding = Finding::new(Code::GP408, message, place.clone());
    report.add(finding.help("mask the field with `at`"));
}

/// Text has no fields.
fn streams(name: &str, part: &MaskPart, listed: &[ResourceId], report: &mut Report) {
    if !listed.iter().all(is_stream) {
        return;
    }
    let written = part.paths.iter().map(|own| &own.location);
    let bound = part.detections.iter().filter(|own| own.within.is_some());
    for place in written.chain(bound.map(|own| &own.location)) {
        let message = format!("mask `{name}`: a stream of text has no fields to mask");
        let finding = Finding::new(Code::GP408, message, place.clone());
        report.add(finding.help("write `detect \"jwt\" \"pem\" redact` without a path"));
    }
}

/// What passes through a port or a proxy is no text that could be read.
fn tunnels(name: &str, part: &MaskPart, listed: &[ResourceId], report: &mut Report) {
    let is_tunnel = |one: &&ResourceId| matches!(&*one.subresource, "portforward" | "proxy");
    let Some(tunnel) = listed.iter().find(is_tunnel) else {
        return;
    };
    for detection in part.detections.iter().filter(|own| own.within.is_none()) {
        let message = format!(
            "mask `{name}`: what passes through `{tunnel}` cannot be masked, so it is denied"
        );
        let finding = Finding::new(Code::GP408, message, detection.location.clone());
        report.add(finding.help("take it out of the `for`; a rule that denies it says so plainly"));
    }
}

/// Names of the masks a rule demands.
pub(super) fn names(rule: &Rule) -> impl Iterator<Item = &String> {
    let masks = rule.obligations.iter().map(|obligation| match obligation {
        Obligation::Mask(names) => names.as_slice(),
        Obligation::Record(_) | Obligation::Reason { .. } | Obligation::SessionLimit(_) => &[],
    });
    masks.flatten()
}

fn set_of<'a>(table: &MaskTable, names: impl Iterator<Item = &'a String>) -> MaskSet {
    names
        .filter_map(|name| table.set_of(name))
        .fold(MaskSet::NONE, MaskSet::union)
}

/// Some requests that an allow grants.
#[derive(Clone, Copy)]
pub(super) struct Granted<'a> {
    pub(super) allow: &'a Rule,
    pub(super) resource: &'a ResourceId,
    /// Which of its verbs are meant.
    pub(super) verbs: fn(Verb) -> bool,
}

/// The masks that every answer to these requests has for sure: those of the allow, and those of
/// requires that hold whenever it does.
pub(super) fn certain(bundle: &Bundle, table: &MaskTable, granted: Granted<'_>) -> MaskSet {
    let allow = granted.allow;
    let requires = bundle
        .rules
        .iter()
        .filter(|rule| holds_with(bundle, rule, granted));
    let others = set_of(table, requires.flat_map(names));
    set_of(table, names(allow)).union(others)
}

/// Whether a require holds whenever the allow does. What is hard to compare is taken for a no.
fn holds_with(bundle: &Bundle, rule: &Rule, granted: Granted<'_>) -> bool {
    let Granted {
        allow, resource, ..
    } = granted;
    let is_require = match (rule.effect, &rule.mode) {
        (Effect::Require, Mode::Enforce) => true,
        (Effect::Require | Effect::Allow | Effect::Deny, _) => false,
    };
    let own = reach::verbs(bundle, rule);
    let verbs = reach::verbs(bundle, allow)
        .iter()
        .all(|verb| !(granted.verbs)(*verb) || own.contains(verb));
    let on = match &rule.on {
        On::Everything => true,
        On::Urls(_) => false,
        On::Resources(terms) => {
            let find = |name: &str| reach::resource_set(bundle, name);
            let ask = |_: Reading, pattern: &_| resource_in(pattern, resource);
            evaluate(terms, Reading::Covers, &find, &ask) == Tri::True
        }
    };
    is_require
        && verbs
        && on
        && (rule.who.is_none() || rule.who == allow.who)
        && (rule.namespaces.is_none() || rule.namespaces == allow.namespaces)
        && (rule.named.is_none() || rule.named == allow.named)
        && (rule.clusters.is_empty() || rule.clusters == allow.clusters)
        && (rule.from.is_none() || rule.from == allow.from)
        && (rule.during.is_none() || rule.during == allow.during)
        && (rule.outside.is_none() || rule.outside == allow.outside)
}

fn at_mask(rule: &Rule) -> Location {
    rule.lines.get("mask").unwrap_or(&rule.location).clone()
}

/// A mask for other resources than those of its rule.
fn without_effect(bundle: &Bundle, table: &MaskTable, rule: &Rule, report: &mut Report) {
    let Some(listed) = reach::listed_resources(bundle, rule) else {
        return;
    };
    for name in names(rule) {
        let set = table.set_of(name).unwrap_or_default();
        if !listed.is_empty() && listed.iter().all(|one| table.masking(set, one).is_none()) {
            let message = format!(
                "mask `{name}` concerns none of the resources of rule `{}`",
                rule.id
            );
            let finding = Finding::new(Code::GP408, message, at_mask(rule));
            report.add(finding.help("add a `for` to the mask, or take it out of the rule"));
        }
    }
}

/// Logs and sessions beside masks that have no detectors for them.
fn unmasked_streams(bundle: &Bundle, table: &MaskTable, rule: &Rule, report: &mut Report) {
    if rule.effect != Effect::Allow || names(rule).next().is_none() {
        return;
    }
    let verbs = reach::verbs(bundle, rule);
    let reads = |one: &ResourceId| match one.subresource.as_str() {
        "log" => verbs.iter().any(|verb| verb.is_read()),
        "attach" | "exec" => verbs.contains(&Verb::Connect),
        _ => false,
    };
    let listed = reach::listed_resources(bundle, rule).unwrap_or_default();
    for resource in listed.iter().filter(|one| reads(one)) {
        let granted = Granted {
            allow: rule,
            resource,
            verbs: |verb| verb.is_read() || verb == Verb::Connect,
        };
        let masking = table.masking(certain(bundle, table, granted), resource);
        let what = match masking.map(|own| own.stream()) {
            Some(StreamMasking::Detect(_)) => continue,
            Some(StreamMasking::Impossible) => "cannot be masked by paths, so it is denied",
            None => "passes unmasked",
        };
        let message = format!("rule `{}`: `{resource}` {what}", rule.id);
        let finding = Finding::new(Code::GP408, message, at_mask(rule));
        let help = format!("give a mask `for \"{resource}\" {{ detect \"jwt\" \"pem\" redact }}`");
        report.add(finding.help(help));
    }
}

/// A digest that its reader can compare with that of a value of their own choice (K-4.27).
fn guessable(bundle: &Bundle, table: &MaskTable, rule: &Rule, report: &mut Report) {
    let reads = |rule: &Rule| {
        let verbs = reach::verbs(bundle, rule);
        verbs.iter().any(|verb| verb.is_read())
    };
    let On::Resources(terms) = &rule.on else {
        return;
    };
    if rule.effect != Effect::Allow || !reads(rule) {
        return;
    }
    for (name, resource) in hashed(bundle) {
        let demanded = table.set_of(name).unwrap_or_default();
        let granted = Granted {
            allow: rule,
            resource: &resource,
            verbs: Verb::is_read,
        };
        let certain = certain(bundle, table, granted);
        if !reach::selects(bundle, terms, &resource) || certain.union(demanded) != certain {
            continue;
        }
        let writer = bundle
            .rules
            .iter()
            .find(|other| writes(bundle, other, &resource) && may_be_one(rule, other));
        if let Some(writer) = writer {
            let message = format!(
                "rule `{}` shows digests of `{resource}` to callers whom `{}` lets write it: they \
                 can guess a value by writing and comparing",
                rule.id, writer.id
            );
            let finding = Finding::new(Code::GP408, message, at_mask(rule));
            report.add(finding.help(format!("use `redact` in place of `hash` in mask `{name}`")));
        }
    }
}

/// Masks with a digest, and the resources they are for.
fn hashed(bundle: &Bundle) -> Vec<(&String, ResourceId)> {
    let mut found = Vec::new();
    for (name, Mask { parts, .. }) in &bundle.masks {
        let shows_digests = |part: &&MaskPart| {
            let found = part.detections.iter().map(|own| &own.strategy);
            let mut all = part.paths.iter().map(|own| &own.strategy).chain(found);
            all.any(hashes)
        };
        for part in parts.iter().filter(shows_digests) {
            let listed = reach::listed(bundle, &part.resources).unwrap_or_default();
            found.extend(listed.into_iter().map(|one| (name, one)));
        }
    }
    found
}

fn hashes(strategy: &MaskStrategy) -> bool {
    match strategy {
        MaskStrategy::Hash { .. } => true,
        MaskStrategy::Embedded(_, inner) => inner.iter().any(|own| hashes(&own.strategy)),
        MaskStrategy::Drop
        | MaskStrategy::Redact
        | MaskStrategy::Fpe { .. }
        | MaskStrategy::Partial { .. } => false,
    }
}

fn writes(bundle: &Bundle, rule: &Rule, resource: &ResourceId) -> bool {
    let On::Resources(terms) = &rule.on else {
        return false;
    };
    let verbs = reach::verbs(bundle, rule);
    let sets = [Verb::Create, Verb::Update, Verb::Patch];
    rule.effect == Effect::Allow
        && sets.iter().any(|verb| verbs.contains(verb))
        && reach::selects(bundle, terms, resource)
}

/// Whether two allows are for the same callers, as far as can be said without solving anything.
fn may_be_one(a: &Rule, b: &Rule) -> bool {
    let anyone = |rule: &Rule| {
        rule.who
            .as_ref()
            .is_none_or(|who| who.iter().all(|line| *line == Who::Anyone))
    };
    anyone(a) || anyone(b) || a.who == b.who
}
