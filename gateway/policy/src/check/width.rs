//! Allows that grant more than their author may think (GP501, GP502, GP503).

use gateway_kubeapi::{ResourceId, Verb};

use super::{masks, reach};
use crate::builtin;
use crate::diagnostic::{Code, Finding, Report};
use crate::masks::MaskTable;
use crate::model::{Bundle, Effect, On, ResourcePattern, Rule, Term, Terms, VerbTerm};
use crate::pattern::Pattern;
use crate::tri::Tri;

pub(super) fn check(bundle: &Bundle, table: Option<&MaskTable>, rule: &Rule, report: &mut Report) {
    match rule.effect {
        Effect::Allow => {}
        Effect::Deny | Effect::Require => return,
    }
    wide(bundle, rule, report);
    let On::Resources(terms) = &rule.on else {
        return;
    };
    touching(bundle, rule, terms, report);
    if let Some(table) = table {
        in_clear(bundle, table, rule, report);
    }
}

fn found(code: Code, rule: &Rule, line: &'static str, message: String) -> Finding {
    Finding::new(
        code,
        message,
        rule.lines.get(line).unwrap_or(&rule.location).clone(),
    )
}

fn wide(bundle: &Bundle, rule: &Rule, report: &mut Report) {
    if let On::Resources(terms) = &rule.on {
        let sets = |name: &str| reach::resource_set(bundle, name);
        let every = |one: &&ResourcePattern| one.group.is_none() && one.resource.is_everything();
        if reach::leaves(terms, &sets).iter().any(every) {
            let message = format!(
                "allow `{}` grants every kind of resource, those to come too",
                rule.id
            );
            report.add(found(Code::GP501, rule, "on", message).help("name the resources"));
        }
    }
    let sets = |name: &str| bundle.verb_sets.get(name);
    let all = |one: &&VerbTerm| **one == VerbTerm::All;
    if rule
        .can
        .as_ref()
        .is_some_and(|terms| reach::leaves(terms, &sets).iter().any(all))
    {
        let message = format!("allow `{}` grants every verb", rule.id);
        let help = "name the verbs; `all` holds connect and impersonate";
        report.add(found(Code::GP501, rule, "can", message).help(help));
    }
    let writes = reach::verbs(bundle, rule)
        .iter()
        .any(|verb| verb.is_write());
    let everywhere = rule.namespaces.as_ref().is_some_and(|namespaces| {
        namespaces.names.exclude.is_empty() && has_everything(&namespaces.names.include)
    });
    if writes && everywhere {
        let message = format!("allow `{}` grants a write in every namespace", rule.id);
        report.add(found(Code::GP501, rule, "in", message).help("name the namespaces"));
    }
}

fn has_everything(include: &[Term<Pattern>]) -> bool {
    include.iter().any(|term| match term {
        Term::Value(pattern) => pattern.is_everything(),
        Term::Set(_) => false,
    })
}

fn touching(bundle: &Bundle, rule: &Rule, terms: &Terms<ResourcePattern>, report: &mut Report) {
    let verbs = reach::verbs(bundle, rule);
    let has = |wanted: fn(Verb) -> bool| verbs.iter().any(|verb| wanted(*verb));
    let strong = |verb: Verb| verb.is_write() || verb == Verb::Connect || verb == Verb::Impersonate;
    if has(strong) {
        for name in ["escalation", "node-level", "exec-like"] {
            // Nothing can be written to exec, attach and the proxies, only connected to; an
            // ephemeral container is the one that is written.
            let meant = |one: &ResourceId| {
                let written = one.subresource == "ephemeralcontainers" || name != "exec-like";
                verbs.iter().any(|verb| match verb {
                    Verb::Connect => {
                        one.subresource != "ephemeralcontainers" && name != "escalation"
                    }
                    Verb::Impersonate => name == "escalation",
                    Verb::Create
                    | Verb::Update
                    | Verb::Patch
                    | Verb::Delete
                    | Verb::DeleteCollection => written,
                    Verb::Get | Verb::List | Verb::Watch => false,
                })
            };
            if let Some(resource) = witness(bundle, terms, name, &meant) {
                let message = format!("allow `{}` touches `@{name}`: `{resource}`", rule.id);
                let help = "approval by people is not implemented yet, so nobody is asked; \
                            take it out with \"!…\" or silence this with a reason";
                report.add(found(Code::GP502, rule, "on", message).help(help));
            }
        }
    }
}

/// Reads of secrets that no mask is on, and writes, whose answers hold the whole object (K-4.10).
fn in_clear(bundle: &Bundle, table: &MaskTable, rule: &Rule, report: &mut Report) {
    let On::Resources(terms) = &rule.on else {
        return;
    };
    let clear = |verbs: fn(Verb) -> bool| {
        if !reach::verbs(bundle, rule).iter().any(|verb| verbs(*verb)) {
            return None;
        }
        let is_clear = |resource: &ResourceId| {
            let granted = masks::Granted {
                allow: rule,
                resource,
                verbs,
            };
            let masks = masks::certain(bundle, table, granted);
            table.masking(masks, resource).is_none()
        };
        witness(bundle, terms, "secret-like", &is_clear)
    };
    let id = &rule.id;
    let message = match (clear(Verb::is_read), clear(Verb::is_write)) {
        (Some(resource), _) => format!("allow `{id}` reads `{resource}` in clear text"),
        (None, Some(resource)) => format!(
            "allow `{id}` writes `{resource}`, and each write answers with the object in clear text"
        ),
        (None, None) => return,
    };
    let help = "add `mask \"@secret-like\"` to it or to a `require`, take it out with \
                \"!@secret-like\", or silence this with a reason";
    report.add(found(Code::GP503, rule, "on", message).help(help));
}

/// A resource of a built-in set that the terms select too.
fn witness(
    bundle: &Bundle,
    terms: &Terms<ResourcePattern>,
    set: &str,
    meant: &dyn Fn(&ResourceId) -> bool,
) -> Option<ResourceId> {
    let rows = builtin::resource_set(set)?;
    let sets = |name: &str| reach::resource_set(bundle, name);
    for row in reach::leaves(rows, &sets) {
        for candidate in candidates(row, terms, &sets) {
            let taken_out = excluded_by_set(terms, set);
            if meant(&candidate) && !taken_out && reach::selects(bundle, terms, &candidate) {
                return Some(candidate);
            }
        }
    }
    None
}

/// `"!@secret-like"` takes out the whole set, subresources that nobody listed included.
fn excluded_by_set(terms: &Terms<ResourcePattern>, set: &str) -> bool {
    terms.exclude.iter().any(|term| match term {
        Term::Set(name) => crate::set::plain_name(name) == set,
        Term::Value(_) => false,
    })
}

/// The resources a row of a built-in set stands for: itself, or for `nodes/*` the subresources that
/// the terms name, and one that nobody names.
fn candidates<'a>(
    row: &ResourcePattern,
    terms: &'a Terms<ResourcePattern>,
    sets: &dyn Fn(&str) -> Option<&'a Terms<ResourcePattern>>,
) -> Vec<ResourceId> {
    let Some(subresource) = &row.subresource else {
        return reach::literal_resource(row).into_iter().collect();
    };
    if let Some(literal) = reach::literal_resource(row) {
        return vec![literal];
    }
    let (Some(group), Some(resource)) = (
        row.group.as_ref().and_then(Pattern::as_literal),
        row.resource.as_literal(),
    ) else {
        return Vec::new();
    };
    let named = reach::leaves(terms, sets)
        .into_iter()
        .filter_map(|own| own.subresource.as_ref());
    let named = named.filter_map(Pattern::as_literal).map(str::to_owned);
    let subresources = named.chain(["proxy".to_owned(), "status".to_owned(), "x".to_owned()]);
    subresources
        .filter(|name| subresource.matches(name) == Tri::True)
        .map(|name| ResourceId {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: name,
        })
        .collect()
}
