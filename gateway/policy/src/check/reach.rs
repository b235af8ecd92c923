//! What a rule's lines select, as far as it can be said without solving anything.

use std::collections::BTreeSet;

use gateway_kubeapi::{ResourceId, Verb};

use crate::builtin;
use crate::model::{Bundle, On, ResourcePattern, Rule, Term, Terms};
use crate::pattern::Pattern;
use crate::set::{Reading, evaluate, plain_name, resource_in, verb_in};
use crate::tri::Tri;

/// BOUND: sets inside sets that are looked into; decoding refuses deeper ones.
const DEPTH_MAX: usize = crate::set::SET_DEPTH_MAX;

/// The verbs of a rule.
pub(super) fn verbs(bundle: &Bundle, rule: &Rule) -> BTreeSet<Verb> {
    let find = |name: &str| bundle.verb_sets.get(name);
    let has = |verb: Verb| match &rule.can {
        None => true,
        Some(terms) => {
            let ask = |_: Reading, term: &_| Tri::from(verb_in(term, verb));
            evaluate(terms, Reading::Touches, &find, &ask) != Tri::False
        }
    };
    Verb::ALL.into_iter().filter(|verb| has(*verb)).collect()
}

/// The resource-set of that name, built in or the bundle's own.
pub(super) fn resource_set<'a>(
    bundle: &'a Bundle,
    name: &str,
) -> Option<&'a Terms<ResourcePattern>> {
    let name = plain_name(name);
    builtin::resource_set(name).or_else(|| bundle.resource_sets.get(name))
}

/// True unless the terms certainly do not select the resource.
pub(super) fn selects(
    bundle: &Bundle,
    terms: &Terms<ResourcePattern>,
    resource: &ResourceId,
) -> bool {
    let find = |name: &str| resource_set(bundle, name);
    let ask = |_: Reading, pattern: &ResourcePattern| resource_in(pattern, resource);
    evaluate(terms, Reading::Touches, &find, &ask) != Tri::False
}

/// Every value a line or set includes, sets opened.
pub(super) fn leaves<'a, T>(
    terms: &'a Terms<T>,
    find: &dyn Fn(&str) -> Option<&'a Terms<T>>,
) -> Vec<&'a T> {
    let mut found = Vec::new();
    collect(terms, find, DEPTH_MAX, &mut found);
    found
}

fn collect<'a, T>(
    terms: &'a Terms<T>,
    find: &dyn Fn(&str) -> Option<&'a Terms<T>>,
    depth: usize,
    found: &mut Vec<&'a T>,
) {
    for term in &terms.include {
        match term {
            Term::Value(value) => found.push(value),
            Term::Set(name) => {
                if let (Some(set), Some(depth)) = (find(plain_name(name)), depth.checked_sub(1)) {
                    collect(set, find, depth, found);
                }
            }
        }
    }
}

/// The resources a rule names, if it names them one by one; those taken out again are left out.
pub(super) fn listed_resources(bundle: &Bundle, rule: &Rule) -> Option<Vec<ResourceId>> {
    match &rule.on {
        On::Resources(terms) => listed(bundle, terms),
        On::Urls(_) | On::Everything => None,
    }
}

/// The resources of a line, if it names them one by one; those taken out again are left out.
pub(super) fn listed(bundle: &Bundle, terms: &Terms<ResourcePattern>) -> Option<Vec<ResourceId>> {
    let find = |name: &str| resource_set(bundle, name);
    let literal = leaves(terms, &find).into_iter().map(literal_resource);
    let all = literal.collect::<Option<Vec<_>>>()?;
    Some(
        all.into_iter()
            .filter(|one| selects(bundle, terms, one))
            .collect(),
    )
}

/// The one resource a pattern stands for.
pub(super) fn literal_resource(pattern: &ResourcePattern) -> Option<ResourceId> {
    let part = |own: &Option<Pattern>| match own {
        None => Some(String::new()),
        Some(pattern) => pattern.as_literal().map(str::to_owned),
    };
    Some(ResourceId {
        group: pattern.group.as_ref()?.as_literal()?.to_owned(),
        resource: pattern.resource.as_literal()?.to_owned(),
        subresource: part(&pattern.subresource)?,
    })
}

/// True if a line of patterns certainly selects nothing: each value is one text that is taken out
/// again, or everything is taken out.
pub(super) fn selects_nothing<'a>(
    terms: &'a Terms<Pattern>,
    find: &dyn Fn(&str) -> Option<&'a Terms<Pattern>>,
) -> bool {
    let everything = |term: &Term<Pattern>| match term {
        Term::Value(pattern) => pattern.is_everything(),
        Term::Set(_) => false,
    };
    if terms.exclude.iter().any(everything) {
        return true;
    }
    let holds = |text: &str| {
        let ask = |_: Reading, pattern: &Pattern| pattern.matches(text);
        evaluate(terms, Reading::Touches, find, &ask) != Tri::False
    };
    let literal = leaves(terms, find).into_iter().map(Pattern::as_literal);
    match literal.collect::<Option<Vec<_>>>() {
        Some(texts) => !texts.into_iter().any(holds),
        None => false,
    }
}
