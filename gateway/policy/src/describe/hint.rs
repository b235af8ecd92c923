//! One sentence that tells a denied caller what would be allowed.
//!
//! It is made from the caller's own allows, and only from those that may be told in full. Each part
//! of it is decided as a request of its own before it is said, so that a hint never sends a caller
//! into the next denial by a rule it was not told about.

use std::collections::{BTreeMap, BTreeSet};

use gateway_kubeapi::{Attributes, NameScope, NamespaceScope, Target, Verb};

use super::Describing;
use crate::decide::{RuleIndex, about};
use crate::model::{Disclose, Effect, Namespaces, Rule, Term, Terms};
use crate::pattern::{AttributeMap, Pattern, Resolution};
use crate::set::{Reading, SET_DEPTH_MAX, plain_name};
use crate::wording::{join, target};

/// Most rules a hint is made from, and most requests decided for it: a denial stays cheap.
const RULES_MAX: usize = 32;
const DECIDED_MAX: usize = 160;

/// Most namespaces and parts in one sentence; what is more is counted.
const NAMESPACES_MAX: usize = 8;
const PARTS_MAX: usize = 4;

/// Where something is allowed, in the order of the sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Every(String),
    Namespace(String),
    Cluster,
}

/// A place with the names a rule is limited to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    names: String,
    place: Place,
}

impl Describing<'_> {
    /// What would be allowed on the same resource or path.
    pub(super) fn hint(&self) -> String {
        let cells = match &self.attributes.target {
            Target::Url(_) => self.allowed_on_path(),
            Target::Resource(_) => self.allowed_on_resource(),
        };
        let asked = target(&self.attributes.target);
        // The same verbs in several places are one part of the sentence.
        let mut parts: BTreeMap<(Vec<Verb>, String), Vec<Place>> = BTreeMap::new();
        for (spot, verbs) in cells {
            let verbs: Vec<Verb> = verbs.into_iter().collect();
            parts
                .entry((verbs, spot.names))
                .or_default()
                .push(spot.place);
        }
        if parts.is_empty() {
            return format!("nothing is allowed on {asked} for you");
        }
        let left_out = parts.len().saturating_sub(PARTS_MAX);
        let sentence = join(
            parts
                .iter()
                .take(PARTS_MAX)
                .map(|((verbs, names), places)| {
                    let named = if names.is_empty() {
                        String::new()
                    } else {
                        format!(" named {names}")
                    };
                    let verbs = join(verbs, ", ");
                    format!("{verbs} {asked}{named}{}", self.places(places))
                }),
            "; ",
        );
        let more = if left_out == 0 {
            String::new()
        } else {
            format!("; and {left_out} more")
        };
        format!("you may {sentence}{more}")
    }

    fn places(&self, places: &[Place]) -> String {
        if let Target::Url(_) = self.attributes.target {
            return String::new();
        }
        let mut names = Vec::new();
        let mut others = Vec::new();
        for place in places {
            match place {
                Place::Every(except) => others.push(format!("in every namespace{except}")),
                Place::Namespace(name) => names.push(name.as_str()),
                Place::Cluster if self.attributes.namespace == NamespaceScope::Cluster => {}
                Place::Cluster => others.push("cluster-scoped".to_owned()),
            }
        }
        let left_out = names.len().saturating_sub(NAMESPACES_MAX);
        names.truncate(NAMESPACES_MAX);
        let more = if left_out == 0 {
            String::new()
        } else {
            format!(" and {left_out} more")
        };
        match names.as_slice() {
            [] => {}
            [one] => others.push(format!("in namespace {one}")),
            several => others.push(format!("in namespaces {}{more}", join(several, ", "))),
        }
        let places = join(others, " and ");
        if places.is_empty() {
            places
        } else {
            format!(" {places}")
        }
    }

    /// Whether a request on the resource can have this verb: what connects is never read or
    /// written (K-6.1), and a hint to `get` it would mislead; nobody but users is impersonated.
    fn fits(&self, verb: Verb) -> bool {
        let Target::Resource(resource) = &self.attributes.target else {
            return verb != Verb::Impersonate;
        };
        let connects = ["exec", "attach", "portforward", "proxy"];
        let persons = ["users", "groups", "serviceaccounts", "uids", "userextras"];
        match verb {
            Verb::Impersonate => persons.contains(&resource.resource.as_str()),
            Verb::Connect => connects.contains(&resource.subresource.as_str()),
            Verb::Get
            | Verb::List
            | Verb::Watch
            | Verb::Create
            | Verb::Update
            | Verb::Patch
            | Verb::Delete
            | Verb::DeleteCollection => !connects.contains(&resource.subresource.as_str()),
        }
    }

    fn allowed_on_path(&self) -> BTreeMap<Spot, BTreeSet<Verb>> {
        let spot = Spot {
            names: String::new(),
            place: Place::Cluster,
        };
        let verbs: BTreeSet<Verb> = Verb::ALL
            .into_iter()
            .filter(|verb| {
                let asked = Attributes {
                    verb: *verb,
                    ..self.attributes.clone()
                };
                self.fits(*verb) && !self.granting(*verb).is_empty() && self.is_allowed(&asked)
            })
            .collect();
        if verbs.is_empty() {
            BTreeMap::new()
        } else {
            BTreeMap::from([(spot, verbs)])
        }
    }

    fn allowed_on_resource(&self) -> BTreeMap<Spot, BTreeSet<Verb>> {
        let mut verbs_of: BTreeMap<u32, Vec<Verb>> = BTreeMap::new();
        for verb in Verb::ALL.into_iter().filter(|verb| self.fits(*verb)) {
            for index in self.granting(verb) {
                verbs_of.entry(index).or_default().push(verb);
            }
        }
        let mut cells: BTreeMap<Spot, BTreeSet<Verb>> = BTreeMap::new();
        let mut decided = 0;
        for (index, verbs) in verbs_of.into_iter().take(RULES_MAX) {
            let Some(rule) = self.set.rule(RuleIndex(index)) else {
                continue;
            };
            for (verb, spot, sample) in self.samples(rule, &verbs) {
                let is_known = cells.get(&spot).is_some_and(|verbs| verbs.contains(&verb));
                if is_known || decided == DECIDED_MAX {
                    continue;
                }
                decided += 1;
                if self.is_allowed(&sample) {
                    cells.entry(spot).or_default().insert(verb);
                }
            }
        }
        cells
    }

    /// The caller's own allows that may be told in full and may concern the target with this verb.
    fn granting(&self, verb: Verb) -> Vec<u32> {
        let Some(part) = self.identity.parts().first() else {
            return Vec::new();
        };
        let asked = Attributes {
            verb,
            ..self.attributes.clone()
        };
        let may_be_told = |rule: &Rule| match rule.disclose {
            Disclose::Message => rule.effect == Effect::Allow,
            Disclose::Id | Disclose::None => false,
        };
        let mut own = about(part, &self.set.slice(&asked));
        own.retain(|index| self.set.rule(RuleIndex(*index)).is_some_and(may_be_told));
        own
    }

    fn is_allowed(&self, asked: &Attributes) -> bool {
        self.set.decide(self.identity, asked, self.at).is_allowed()
    }

    /// For each place and verb a rule grants, a request that stands for it.
    fn samples(&self, rule: &Rule, verbs: &[Verb]) -> Vec<(Verb, Spot, Attributes)> {
        let names = rule.named.as_ref().map(|terms| self.shown(terms));
        let mut samples = Vec::new();
        for (place, scope) in self.granted_places(rule.namespaces.as_ref()) {
            if !self.is_same_kind(&scope) {
                continue;
            }
            let text = names
                .as_ref()
                .map_or_else(String::new, |shown| shown.text.clone());
            let spot = Spot { names: text, place };
            for verb in verbs {
                let Some(name) = self.sample_name(names.as_ref(), *verb) else {
                    continue;
                };
                let sample = Attributes {
                    verb: *verb,
                    target: self.attributes.target.clone(),
                    namespace: scope.clone(),
                    name,
                    label_selector: Vec::new(),
                    source: self.attributes.source,
                };
                samples.push((*verb, spot.clone(), sample));
            }
        }
        samples
    }

    /// A name a rule grants: one of its own, or the one that was asked for.
    fn sample_name(&self, names: Option<&Shown>, verb: Verb) -> Option<NameScope> {
        match (names, verb) {
            (Some(shown), _) => shown.witness.clone().map(NameScope::One),
            (None, Verb::List | Verb::Watch | Verb::DeleteCollection) => Some(NameScope::Any),
            (None, _) => Some(match &self.attributes.name {
                NameScope::One(name) => NameScope::One(name.clone()),
                NameScope::Prefix(_) | NameScope::Any => NameScope::One("x".to_owned()),
            }),
        }
    }

    /// A denied request for a pod is not helped by what is allowed on cluster-scoped objects.
    fn is_same_kind(&self, scope: &NamespaceScope) -> bool {
        match (&self.attributes.namespace, scope) {
            (NamespaceScope::EveryOrCluster, _)
            | (NamespaceScope::Cluster, NamespaceScope::Cluster) => true,
            (NamespaceScope::Cluster, _) | (_, NamespaceScope::Cluster) => false,
            (_, _) => true,
        }
    }

    fn granted_places(&self, line: Option<&Namespaces>) -> Vec<(Place, NamespaceScope)> {
        let every = (Place::Every(String::new()), NamespaceScope::Every);
        let cluster = (Place::Cluster, NamespaceScope::Cluster);
        let Some(line) = line else {
            return vec![every, cluster];
        };
        let mut places = Vec::new();
        if line.cluster_scoped {
            places.push(cluster);
        }
        let shown = self.shown(&line.names);
        for pattern in &shown.include {
            let Some(witness) = pattern.witness() else {
                continue;
            };
            let whole = pattern.is_everything();
            let literal = pattern.as_literal().is_some();
            let place = match (whole, literal) {
                (true, _) => Place::Every(shown.except.clone()),
                (false, true) => Place::Namespace(pattern.as_str().to_owned()),
                (false, false) => Place::Namespace(format!("{pattern}{}", shown.except)),
            };
            let scope = if whole && shown.except.is_empty() {
                NamespaceScope::Every
            } else {
                NamespaceScope::One(witness)
            };
            places.push((place, scope));
        }
        places
    }

    /// The patterns of a line with sets followed and attributes in place.
    fn shown(&self, terms: &Terms<Pattern>) -> Shown {
        let mut shown = Flat {
            include: Vec::new(),
            exclude: Vec::new(),
        };
        self.flatten(terms, Reading::Covers, SET_DEPTH_MAX, &mut shown);
        let except = if shown.exclude.is_empty() {
            String::new()
        } else {
            format!(" except {}", join(&shown.exclude, ", "))
        };
        Shown {
            text: format!("{}{except}", join(&shown.include, ", ")),
            witness: shown.include.iter().find_map(Pattern::witness),
            include: shown.include,
            except,
        }
    }

    fn flatten(&self, terms: &Terms<Pattern>, reading: Reading, depth: usize, flat: &mut Flat) {
        let sides = [
            (&terms.include, reading),
            (&terms.exclude, reading.turned()),
        ];
        for (terms, reading) in sides {
            for term in terms {
                match term {
                    Term::Value(pattern) => flat.push(pattern, &self.caller.attributes, reading),
                    Term::Set(name) => self.flatten_set(name, reading, depth, flat),
                }
            }
        }
    }

    fn flatten_set(&self, name: &str, reading: Reading, depth: usize, flat: &mut Flat) {
        let set = self.set.bundle().namespace_sets.get(plain_name(name));
        if let (Some(set), Some(depth)) = (set, depth.checked_sub(1)) {
            self.flatten(set, reading, depth, flat);
        }
    }
}

/// A line in words.
struct Shown {
    include: Vec<Pattern>,
    except: String,
    text: String,
    witness: Option<String>,
}

/// What is in and what is out; nested exclusions are close enough for words, for every place is
/// decided before it is told.
struct Flat {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Flat {
    fn push(&mut self, pattern: &Pattern, attributes: &AttributeMap, reading: Reading) {
        let side = match reading {
            Reading::Covers => &mut self.include,
            Reading::Touches => &mut self.exclude,
        };
        match pattern.resolve(attributes) {
            Resolution::Unchanged(own) => side.push(own.clone()),
            Resolution::Alternatives(all) => side.extend(all),
            Resolution::Unknown => {}
        }
    }
}
