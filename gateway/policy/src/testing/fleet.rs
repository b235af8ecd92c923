//! A large organisation: many teams, most of them with rules like everybody else's.

use std::collections::BTreeMap;

use gateway_kubeapi::{Attributes, Caller, CallerKind, Delegation, NameScope, NamespaceScope};
use gateway_kubeapi::{ResourceId, Target, UserInfo, Verb};
use jiff::Timestamp;

use super::{Draw, empty_bundle, plain_rule, values};
use crate::model::{Bundle, Effect, Namespaces, On, ResourcePattern, Rule, VerbTerm, Who};
use crate::pattern::Pattern;

/// How large the organisation is.
#[derive(Debug, Clone, Copy)]
pub struct FleetSize {
    /// Rules.
    pub rules: usize,
    /// Callers.
    pub callers: usize,
    /// Requests; each has a caller.
    pub requests: usize,
}

/// A bundle with callers and requests. Five in a hundred rules deny, ten have a wildcard resource;
/// a caller is in 3 to 12 groups; resources, groups and namespaces follow Zipf's law (§11.4).
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The bundle.
    pub bundle: Bundle,
    /// The callers.
    pub callers: Vec<Caller>,
    /// The requests, each with the number of its caller.
    pub requests: Vec<(usize, Attributes)>,
    /// The instant of all requests.
    pub at: Timestamp,
}

/// Distinct resources: as many as a cluster with a few operators serves.
const RESOURCES: usize = 200;

impl Fleet {
    /// All of it from one seed.
    #[must_use]
    pub fn new(seed: u64, size: FleetSize) -> Self {
        let mut draw = Draw::new(seed);
        let groups = (size.rules / 10).max(12);
        let namespaces = (size.rules / 20).max(8);
        let world = World { groups, namespaces };
        let mut bundle = empty_bundle();
        bundle.rules = (0..size.rules)
            .map(|number| world.rule(&mut draw, number))
            .collect();
        let callers: Vec<Caller> = (0..size.callers)
            .map(|number| world.caller(&mut draw, number))
            .collect();
        let requests = (0..size.requests)
            .map(|_| {
                let who = draw.below(size.callers);
                (
                    who,
                    world.request(&mut draw, &bundle.rules, callers.get(who)),
                )
            })
            .collect();
        let at = "2026-11-18T10:00:00Z".parse().unwrap_or_default();
        Self {
            bundle,
            callers,
            requests,
            at,
        }
    }
}

struct World {
    groups: usize,
    namespaces: usize,
}

impl World {
    fn rule(&self, draw: &mut Draw, number: usize) -> Rule {
        let effect = if draw.percent(5) {
            Effect::Deny
        } else {
            Effect::Allow
        };
        let mut rule = plain_rule(&format!("rule-{number:05}"), effect);
        rule.who = Some(vec![Who::Group(vec![Pattern::literal(&self.group(draw))])]);
        rule.can = Some(match draw.below(4) {
            0 => values([VerbTerm::Write]),
            1 => values([VerbTerm::One(verb(draw)), VerbTerm::One(verb(draw))]),
            _ => values([VerbTerm::Read]),
        });
        let wildcard = draw.percent(10);
        let count = 1 + draw.below(3);
        rule.on = On::Resources(values(if wildcard {
            vec![every_resource()]
        } else {
            draw.several(count, |draw| literal(&resource(draw.zipf(RESOURCES))))
        }));
        let count = 1 + draw.below(3);
        rule.namespaces = Some(Namespaces {
            names: values(draw.several(count, |draw| {
                let namespace = self.namespace(draw);
                if draw.percent(20) {
                    // `team-17-*`
                    Pattern::glob(&format!("{namespace}-*"))
                        .unwrap_or_else(|_fault| Pattern::literal(&namespace))
                } else {
                    Pattern::literal(&namespace)
                }
            })),
            cluster_scoped: false,
        });
        rule
    }

    fn caller(&self, draw: &mut Draw, number: usize) -> Caller {
        let count = 3 + draw.below(10);
        Caller {
            issuer: "corp".to_owned(),
            user: UserInfo {
                username: format!("user-{number}"),
                groups: draw.several(count, |draw| self.group(draw)),
                ..UserInfo::default()
            },
            kind: CallerKind::Agent,
            attributes: BTreeMap::new(),
            acting_for: None,
            delegation: Delegation::Agent,
            expires_at: None,
            credential_id: None,
        }
    }

    /// Half of the requests are what some rule of the caller speaks about, or nearly so.
    fn request(&self, draw: &mut Draw, rules: &[Rule], caller: Option<&Caller>) -> Attributes {
        let mut namespace = self.namespace(draw);
        let mut asked = resource(draw.zipf(RESOURCES));
        if draw.percent(50) {
            let start = draw.below(rules.len());
            let own = rules
                .iter()
                .cycle()
                .skip(start)
                .take(rules.len())
                .find(|rule| caller.is_some_and(|caller| speaks_of(rule, caller)));
            if let Some(rule) = own {
                namespace = first_namespace(rule).unwrap_or(namespace);
                asked = first_resource(rule).unwrap_or(asked);
            }
        }
        if draw.percent(10) {
            namespace.push_str("-dev");
        }
        Attributes {
            verb: verb(draw),
            target: Target::Resource(asked),
            namespace: NamespaceScope::One(namespace),
            name: if draw.percent(50) {
                NameScope::Any
            } else {
                NameScope::One(format!("object-{}", draw.below(100)))
            },
            label_selector: Vec::new(),
            source: None,
        }
    }

    fn group(&self, draw: &mut Draw) -> String {
        format!("group-{}", draw.zipf(self.groups))
    }

    fn namespace(&self, draw: &mut Draw) -> String {
        format!("team-{}", draw.zipf(self.namespaces))
    }
}

/// Reads three times as often as writes.
fn verb(draw: &mut Draw) -> Verb {
    let reads = [Verb::Get, Verb::List, Verb::Watch];
    let writes = [
        Verb::Create,
        Verb::Update,
        Verb::Patch,
        Verb::Delete,
        Verb::DeleteCollection,
    ];
    let verbs = if draw.percent(75) {
        &reads[..]
    } else {
        &writes[..]
    };
    verbs
        .get(draw.below(verbs.len()))
        .copied()
        .unwrap_or(Verb::Get)
}

fn resource(rank: usize) -> ResourceId {
    let (group, name) = match rank {
        0 => ("", "pods"),
        1 => ("apps", "deployments"),
        2 => ("", "configmaps"),
        3 => ("", "secrets"),
        4 => ("", "services"),
        _ => {
            return ResourceId {
                group: format!("group{}.example.com", rank % 20),
                resource: format!("kind{rank}s"),
                subresource: String::new(),
            };
        }
    };
    ResourceId {
        group: group.to_owned(),
        resource: name.to_owned(),
        subresource: String::new(),
    }
}

fn literal(resource: &ResourceId) -> ResourcePattern {
    ResourcePattern {
        group: Some(Pattern::literal(&resource.group)),
        resource: Pattern::literal(&resource.resource),
        subresource: None,
    }
}

fn every_resource() -> ResourcePattern {
    let everything = Pattern::glob("*").unwrap_or_else(|_fault| Pattern::literal("*"));
    ResourcePattern {
        group: None,
        resource: everything,
        subresource: None,
    }
}

fn speaks_of(rule: &Rule, caller: &Caller) -> bool {
    rule.who.iter().flatten().any(|line| match line {
        Who::Group(patterns) => patterns
            .iter()
            .any(|own| caller.user.groups.iter().any(|group| group == own.as_str())),
        Who::Identity(_)
        | Who::User(_)
        | Who::Kind(_)
        | Who::Issuer(_)
        | Who::Attribute(..)
        | Who::ActingFor(_)
        | Who::Any(_)
        | Who::Not(_)
        | Who::Anyone => false,
    })
}

fn first_namespace(rule: &Rule) -> Option<String> {
    let terms = &rule.namespaces.as_ref()?.names;
    match terms.include.first()? {
        crate::model::Term::Value(pattern) => pattern.witness(),
        crate::model::Term::Set(_) => None,
    }
}

fn first_resource(rule: &Rule) -> Option<ResourceId> {
    match &rule.on {
        On::Resources(terms) => match terms.include.first()? {
            crate::model::Term::Value(pattern) => Some(ResourceId {
                group: pattern.group.as_ref()?.as_literal()?.to_owned(),
                resource: pattern.resource.as_literal()?.to_owned(),
                subresource: String::new(),
            }),
            crate::model::Term::Set(_) => None,
        },
        On::Urls(_) | On::Everything => None,
    }
}
