//! What a caller may do in a namespace, in the words of a `SelfSubjectRulesReview`.
//!
//! Those words are poorer than ours: they have no denies, no places, no times. What they cannot say
//! is left out where that makes the list shorter than the truth, and the list says that it is
//! incomplete.

use std::collections::BTreeSet;

use gateway_kubeapi::{Attributes, Caller, NameScope, NamespaceScope, NonResourceRule, ResourceId};
use gateway_kubeapi::{ResourceRule, Scope, SubjectRules, Target, Verb, builtin_scope};
use jiff::Timestamp;

use crate::builtin;
use crate::compile::PolicySet;
use crate::compile::selection::Selection;
use crate::decide::RuleIndex;
use crate::identify::IdentityRules;
use crate::model::{Effect, On, ResourcePattern, Rule, Terms};
use crate::pattern::Pattern;
use crate::set::{Reading, verb_in};

/// Most cells that are decided for one list; past it the list is incomplete.
const CELLS_MAX: usize = 20_000;

impl PolicySet {
    /// Lists what the caller may do in a namespace, cluster-scoped resources and paths included.
    #[must_use]
    pub fn rules_for(&self, caller: &Caller, namespace: &str, at: Timestamp) -> SubjectRules {
        let identity = self.identify(caller);
        let mut listing = Listing {
            set: self,
            identity: &identity,
            namespace,
            at,
            cells: 0,
            found: SubjectRules::default(),
        };
        // A second subject, a deny and a demand cannot be said.
        listing.found.incomplete = identity.parts().len() > 1 || identity.undecided().is_some();
        let own = identity.parts().first().map_or(&[][..], |part| part.list());
        for rule in own.iter().filter_map(|index| self.rule(RuleIndex(*index))) {
            match rule.effect {
                Effect::Allow => listing.allow(rule),
                Effect::Deny | Effect::Require => listing.found.incomplete = true,
            }
        }
        listing.found
    }
}

struct Listing<'a> {
    set: &'a PolicySet,
    identity: &'a IdentityRules,
    namespace: &'a str,
    at: Timestamp,
    cells: usize,
    found: SubjectRules,
}

impl Listing<'_> {
    fn allow(&mut self, rule: &Rule) {
        let verbs = self.verbs(rule);
        match &rule.on {
            On::Urls(paths) => self.paths(paths, &verbs),
            On::Resources(terms) => self.resources(rule, terms, &verbs),
            // The language has no such allow.
            On::Everything => self.found.incomplete = true,
        }
    }

    fn verbs(&self, rule: &Rule) -> Vec<Verb> {
        let Some(terms) = &rule.can else {
            return Verb::ALL.to_vec();
        };
        let sets = &self.set.bundle().verb_sets;
        let selection = Selection::of(terms, &|name| sets.get(name));
        let holds = |verb: &Verb| {
            let answer = selection.ask(Reading::Covers, &|_, own| verb_in(own, *verb).into());
            Reading::Covers.is_met_by(answer)
        };
        Verb::ALL.into_iter().filter(holds).collect()
    }

    fn paths(&mut self, terms: &Terms<Pattern>, verbs: &[Verb]) {
        let mut paths = Vec::new();
        Selection::of(terms, &|name| builtin::url_set(name)).each(&mut |own: &Pattern| {
            paths.push((own.as_str().to_owned(), own.witness()));
        });
        for (path, witness) in paths {
            // A path may end in `*` and have no other wildcard.
            let stem = path.strip_suffix('*').unwrap_or(&path);
            let Some(witness) = witness.filter(|_| !stem.contains(['*', '?', '{'])) else {
                self.found.incomplete = true;
                continue;
            };
            let allowed: Vec<String> = verbs
                .iter()
                .filter(|verb| self.is_allowed(&asked_path(**verb, &witness)))
                .map(ToString::to_string)
                .collect();
            if !allowed.is_empty() {
                let rule = NonResourceRule {
                    verbs: allowed,
                    paths: vec![path],
                };
                if !self.found.non_resource_rules.contains(&rule) {
                    self.found.non_resource_rules.push(rule);
                }
            }
        }
    }

    fn resources(&mut self, rule: &Rule, terms: &Terms<ResourcePattern>, verbs: &[Verb]) {
        let names = match rule.named.as_ref().map(literal_names) {
            None => Vec::new(),
            Some(Some(names)) => names,
            Some(None) => {
                self.found.incomplete = true;
                return;
            }
        };
        let bundle = self.set.bundle();
        let mut patterns = Vec::new();
        let selection = Selection::of(terms, &|name| {
            builtin::resource_set(name).or_else(|| bundle.resource_sets.get(name))
        });
        selection.each(&mut |own: &ResourcePattern| patterns.push(own.clone()));
        for pattern in patterns {
            match literal(&pattern) {
                Some(resource) => self.resource(&resource, &names, verbs),
                // "Every resource" of a review has the subresources in it, ours has not.
                None => self.found.incomplete = true,
            }
        }
    }

    fn resource(&mut self, resource: &ResourceId, names: &[String], verbs: &[Verb]) {
        let mut words = BTreeSet::new();
        for verb in verbs {
            let allowed = match names {
                [] => self.is_allowed(&self.asked(*verb, resource, NameScope::Any)),
                names => names.iter().all(|name| {
                    self.is_allowed(&self.asked(*verb, resource, NameScope::One(name.clone())))
                }),
            };
            self.cells += 1;
            if self.cells > CELLS_MAX {
                self.found.incomplete = true;
                return;
            }
            if allowed {
                words.extend(words_of(*verb));
            }
        }
        if words.is_empty() {
            return;
        }
        let subresource = match resource.subresource.as_str() {
            "" => String::new(),
            name => format!("/{name}"),
        };
        let rule = ResourceRule {
            verbs: words.into_iter().map(str::to_owned).collect(),
            api_groups: vec![resource.group.clone()],
            resources: vec![format!("{}{subresource}", resource.resource)],
            resource_names: names.to_vec(),
        };
        if !self.found.resource_rules.contains(&rule) {
            self.found.resource_rules.push(rule);
        }
    }

    fn asked(&self, verb: Verb, resource: &ResourceId, name: NameScope) -> Attributes {
        let scope = builtin_scope(&resource.group, &resource.resource).unwrap_or(Scope::Unknown);
        Attributes {
            verb,
            target: Target::Resource(resource.clone()),
            namespace: match scope {
                Scope::Cluster => NamespaceScope::Cluster,
                Scope::Namespaced | Scope::Unknown => {
                    NamespaceScope::One(self.namespace.to_owned())
                }
            },
            name,
            label_selector: Vec::new(),
            source: None,
        }
    }

    fn is_allowed(&self, asked: &Attributes) -> bool {
        self.set.decide(self.identity, asked, self.at).is_allowed()
    }
}

fn asked_path(verb: Verb, path: &str) -> Attributes {
    Attributes {
        verb,
        target: Target::Url(path.to_owned()),
        namespace: NamespaceScope::Cluster,
        name: NameScope::Any,
        label_selector: Vec::new(),
        source: None,
    }
}

/// The verbs of the API server: `connect` is `get` or `create` to it (K-6.1).
fn words_of(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Connect => &["create", "get"],
        Verb::Get => &["get"],
        Verb::List => &["list"],
        Verb::Watch => &["watch"],
        Verb::Create => &["create"],
        Verb::Update => &["update"],
        Verb::Patch => &["patch"],
        Verb::Delete => &["delete"],
        Verb::DeleteCollection => &["deletecollection"],
        Verb::Impersonate => &["impersonate"],
    }
}

fn literal(pattern: &ResourcePattern) -> Option<ResourceId> {
    let subresource = match &pattern.subresource {
        Some(own) => own.as_literal()?,
        None => "",
    };
    Some(ResourceId {
        group: pattern.group.as_ref()?.as_literal()?.to_owned(),
        resource: pattern.resource.as_literal()?.to_owned(),
        subresource: subresource.to_owned(),
    })
}

fn literal_names(terms: &Terms<Pattern>) -> Option<Vec<String>> {
    if !terms.exclude.is_empty() {
        return None;
    }
    let mut names = Vec::new();
    let mut all_literal = true;
    Selection::of(terms, &|_| None).each(&mut |own: &Pattern| match own.as_literal() {
        Some(name) => names.push(name.to_owned()),
        None => all_literal = false,
    });
    (all_literal && !names.is_empty()).then_some(names)
}
