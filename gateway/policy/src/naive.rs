//! The specification: a bundle read rule by rule, line by line, with nothing prepared.
//!
//! The compiled form must agree with this module on every request; the property tests compare
//! them. Explanations are made from it too, so what a person reads is what the language says.

use std::cmp::Reverse;

use gateway_kubeapi::{Attributes, Caller, Delegation, NameScope, NamespaceScope, Target};
use jiff::Timestamp;

use crate::decide::{DELEGATION_DEPTH_MAX, Demands, Outcome, Reason, Subject};
use crate::model::{Bundle, ClusterSelector, Effect, Mode, On, Rule, Severity};
use crate::pattern::Pattern;
use crate::set::{self, Reading, plain_name};
use crate::tri::Tri;
use crate::{builtin, schedule};

pub(crate) mod who;

pub(crate) use who::WHO_DEPTH_MAX;

/// One question to a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The policy.
    pub bundle: &'a Bundle,
    /// The cluster asked about.
    pub cluster: &'a str,
    /// Who asks.
    pub caller: &'a Caller,
    /// What is asked.
    pub attributes: &'a Attributes,
    /// When.
    pub at: Timestamp,
}

/// A line of a rule that decides whether it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// `mode`, where its instant has a say.
    Mode,
    /// `expires`.
    Expires,
    /// `clusters`.
    Clusters,
    /// `who`.
    Who,
    /// `can`.
    Can,
    /// `on`.
    On,
    /// `urls`.
    Urls,
    /// `in`.
    In,
    /// `named`.
    Named,
    /// `from`.
    From,
    /// `during`.
    During,
    /// `outside`.
    Outside,
}

impl Line {
    /// The word in the bundle.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Expires => "expires",
            Self::Clusters => "clusters",
            Self::Who => "who",
            Self::Can => "can",
            Self::On => "on",
            Self::Urls => "urls",
            Self::In => "in",
            Self::Named => "named",
            Self::From => "from",
            Self::During => "during",
            Self::Outside => "outside",
        }
    }
}

/// What comes out, with the ids of all rules that had a part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Allow or deny.
    pub outcome: Outcome,
    /// Why it is a denial.
    pub reason: Option<Reason>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Whose decision it was.
    pub subject: Subject,
    /// What an allow demands; empty for a denial.
    pub demands: Demands,
    /// Ids of the enforced rules that match, for any subject, sorted.
    pub matched: Vec<String>,
    /// Ids of the shadow rules that match, for any subject, sorted.
    pub shadow: Vec<String>,
}

/// Whether and how a rule takes part at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It counts.
    Enforced,
    /// It is evaluated and logged.
    Shadow,
    /// It is not evaluated.
    Off,
}

/// How a rule stands at an instant. When the instant of a mode passes, a deny or require begins to
/// count, for it must not stay away because nobody looked; an allow does not, for access is given
/// by a reviewed change and not by the calendar.
#[must_use]
pub fn standing(rule: &Rule, at: Timestamp) -> Standing {
    let (asleep, until) = match &rule.mode {
        Mode::Enforce => return Standing::Enforced,
        Mode::Shadow(until) => (Standing::Shadow, *until),
        Mode::Off(until) => (Standing::Off, *until),
    };
    match rule.effect {
        Effect::Allow => asleep,
        Effect::Deny | Effect::Require if at < until => asleep,
        Effect::Deny | Effect::Require => Standing::Enforced,
    }
}

/// Decides for the caller and, where it acts for a principal with `rule=both`, for the principal
/// too; the stricter result holds (policy-language §3.2, §5).
#[must_use]
pub fn decide(question: &Question<'_>) -> Ruling {
    let mut parts = Vec::new();
    let mut caller = Some(question.caller);
    for subject in Subject::chain() {
        let Some(own) = caller else { break };
        parts.push(judge(
            &Question {
                caller: own,
                ..*question
            },
            subject,
        ));
        caller = principal_of(own);
    }
    if caller.is_some() {
        parts.push(no_allow(Subject::Principal(DELEGATION_DEPTH_MAX)));
    }
    combine(question.bundle, &parts)
}

/// The principal that takes part in the decision.
#[must_use]
pub fn principal_of(caller: &Caller) -> Option<&Caller> {
    match caller.delegation {
        Delegation::Both => caller.acting_for.as_deref(),
        Delegation::Agent => None,
    }
}

/// The decision for one subject alone.
fn judge(question: &Question<'_>, subject: Subject) -> Ruling {
    let matching = |standing_wanted: Standing| {
        let mut rules: Vec<&Rule> = question
            .bundle
            .rules
            .iter()
            .filter(|rule| standing(rule, question.at) == standing_wanted)
            .filter(|rule| matches(question, rule))
            .collect();
        rules.sort_by(|a, b| order(a).cmp(&order(b)));
        rules
    };
    let matched = matching(Standing::Enforced);
    let first = |effect: Effect| matched.iter().find(|rule| rule.effect == effect);
    let (outcome, reason, rule) = match (first(Effect::Deny), first(Effect::Allow)) {
        (Some(deny), _) => (
            Outcome::Deny,
            Some(Reason::DeniedByRule),
            Some(deny.id.clone()),
        ),
        (None, None) => (Outcome::Deny, Some(Reason::NoAllow), None),
        (None, Some(allow)) => (Outcome::Allow, None, Some(allow.id.clone())),
    };
    let mut demands = Demands::default();
    if outcome == Outcome::Allow {
        for obligation in matched.iter().flat_map(|rule| &rule.obligations) {
            demands.add(obligation);
        }
    }
    let ids = |rules: Vec<&Rule>| rules.into_iter().map(|rule| rule.id.clone()).collect();
    let shadow = ids(matching(Standing::Shadow));
    Ruling {
        outcome,
        reason,
        rule,
        subject,
        demands,
        matched: ids(matched),
        shadow,
    }
}

fn no_allow(subject: Subject) -> Ruling {
    Ruling {
        outcome: Outcome::Deny,
        reason: Some(Reason::NoAllow),
        rule: None,
        subject,
        demands: Demands::default(),
        matched: Vec::new(),
        shadow: Vec::new(),
    }
}

/// Denies first, the gravest first, then allows, then requires; within that by id.
#[must_use]
pub fn order(rule: &Rule) -> (u8, Reverse<Severity>, &str) {
    let (place, severity) = match rule.effect {
        Effect::Deny => (0, rule.severity),
        Effect::Allow => (1, Severity::Low),
        Effect::Require => (2, Severity::Low),
    };
    (place, Reverse(severity), &rule.id)
}

fn combine(bundle: &Bundle, parts: &[Ruling]) -> Ruling {
    let collect = |ids: fn(&Ruling) -> &[String]| {
        let mut all: Vec<String> = parts.iter().flat_map(|part| ids(part).to_vec()).collect();
        all.sort();
        all.dedup();
        all
    };
    let (matched, shadow) = (collect(|part| &part.matched), collect(|part| &part.shadow));
    let strictness = |part: &Ruling| match (part.reason, &part.rule) {
        (Some(Reason::DeniedByRule), Some(id)) => (
            0,
            bundle.rules.iter().find(|rule| rule.id == *id).map(order),
        ),
        (Some(_), _) => (1, None),
        (None, _) => (2, None),
    };
    let mut demands = Demands::default();
    for part in parts {
        demands.merge(&part.demands);
    }
    // `min_by_key` keeps the first of equals: the caller before its principal.
    let Some(strictest) = parts.iter().min_by_key(|part| strictness(part)) else {
        return no_allow(Subject::Caller);
    };
    if strictest.outcome == Outcome::Deny {
        demands = Demands::default();
    }
    Ruling {
        demands,
        matched,
        shadow,
        ..strictest.clone()
    }
}

/// Whether a rule matches, its mode aside.
#[must_use]
pub fn matches(question: &Question<'_>, rule: &Rule) -> bool {
    let reading = Reading::of(rule.effect);
    lines(question, rule)
        .into_iter()
        .all(|(_, answer)| reading.is_met_by(answer))
}

/// What each line of a rule says to the question, in the order of the language reference. Lines
/// that are not written are left out.
#[must_use]
pub fn lines(question: &Question<'_>, rule: &Rule) -> Vec<(Line, Tri)> {
    let mut found = Vec::new();
    let mut push = |line: Line, answer: Option<Tri>| {
        if let Some(answer) = answer {
            found.push((line, answer));
        }
    };
    push(Line::Expires, expires(question, rule));
    push(
        Line::Clusters,
        clusters(question.bundle, question.cluster, rule),
    );
    push(
        Line::Who,
        rule.who
            .as_ref()
            .map(|who| who::holds(question.bundle, who, question.caller)),
    );
    push(Line::Can, can(question, rule));
    match &rule.on {
        On::Resources(_) => push(Line::On, Some(on(question, rule))),
        On::Urls(_) => push(Line::Urls, Some(on(question, rule))),
        On::Everything => {}
    }
    push(Line::In, namespaces(question, rule));
    push(Line::Named, names(question, rule));
    push(Line::From, from(question, rule));
    push(
        Line::During,
        rule.during.as_ref().map(|names| open(question, names)),
    );
    push(
        Line::Outside,
        rule.outside.as_ref().map(|names| !open(question, names)),
    );
    found
}

/// Only an allow expires: a deny or require must not vanish because a date passed.
fn expires(question: &Question<'_>, rule: &Rule) -> Option<Tri> {
    match rule.effect {
        Effect::Allow => rule.expires.map(|end| (question.at < end).into()),
        Effect::Deny | Effect::Require => None,
    }
}

/// Whether the lines hold for a cluster. Clusters are known before anyone calls, so an attribute of
/// the caller is unknown here; so are the labels of a cluster the bundle does not name.
pub(crate) fn clusters(bundle: &Bundle, cluster: &str, rule: &Rule) -> Option<Tri> {
    let declared = bundle.clusters.iter().find(|own| own.name == cluster);
    let holds = |selector: &ClusterSelector| match selector {
        ClusterSelector::Named(patterns) => {
            Tri::any(patterns.iter().map(|own| own.matches(cluster)))
        }
        ClusterSelector::Labelled(key, pattern) => match declared {
            Some(declared) => declared
                .labels
                .get(key)
                .map_or(Tri::False, |value| pattern.matches(value)),
            None => Tri::Unknown,
        },
    };
    (!rule.clusters.is_empty()).then(|| Tri::all(rule.clusters.iter().map(holds)))
}

fn can(question: &Question<'_>, rule: &Rule) -> Option<Tri> {
    let find = |name: &str| question.bundle.verb_sets.get(name);
    rule.can.as_ref().map(|terms| {
        set::evaluate(terms, Reading::of(rule.effect), &find, &|_, own| {
            set::verb_in(own, question.attributes.verb).into()
        })
    })
}

fn on(question: &Question<'_>, rule: &Rule) -> Tri {
    let reading = Reading::of(rule.effect);
    let attributes = &question.caller.attributes;
    match (&rule.on, &question.attributes.target) {
        (On::Everything, _) => Tri::True,
        (On::Resources(terms), Target::Resource(resource)) => {
            let find = |name: &str| {
                builtin::resource_set(name).or_else(|| question.bundle.resource_sets.get(name))
            };
            set::evaluate(terms, reading, &find, &|_, own| {
                set::resource_in(own, resource)
            })
        }
        (On::Urls(terms), Target::Url(path)) => {
            set::evaluate(terms, reading, &|name| builtin::url_set(name), &|_, own| {
                own.matches_for(path, attributes)
            })
        }
        (On::Resources(_), Target::Url(_)) | (On::Urls(_), Target::Resource(_)) => Tri::False,
    }
}

/// The first block of the table in policy-language §3.1.
fn namespaces(question: &Question<'_>, rule: &Rule) -> Option<Tri> {
    let line = rule.namespaces.as_ref()?;
    let reading = Reading::of(rule.effect);
    let find = |name: &str| question.bundle.namespace_sets.get(name);
    let names = |ask: &dyn Fn(Reading, &Pattern) -> Tri| {
        set::evaluate(&line.names, reading, &find, &|reading, own: &Pattern| {
            own.ask_for(&question.caller.attributes, |own| ask(reading, own))
        })
    };
    let cluster = Tri::from(line.cluster_scoped);
    Some(match (&question.attributes.namespace, reading) {
        (NamespaceScope::One(name), _) => names(&|_, own| own.matches(name)),
        (NamespaceScope::Every, _) => names(&set::every_name),
        (NamespaceScope::Cluster, _) => cluster,
        (NamespaceScope::EveryOrCluster, Reading::Covers) => names(&set::every_name).and(cluster),
        (NamespaceScope::EveryOrCluster, Reading::Touches) => names(&set::every_name).or(cluster),
    })
}

/// The second block of the table in policy-language §3.1.
fn names(question: &Question<'_>, rule: &Rule) -> Option<Tri> {
    let line = rule.named.as_ref()?;
    let reading = Reading::of(rule.effect);
    let names = |ask: &dyn Fn(Reading, &Pattern) -> Tri| {
        set::evaluate(line, reading, &|_| None, &|reading, own: &Pattern| {
            own.ask_for(&question.caller.attributes, |own| ask(reading, own))
        })
    };
    Some(match (&question.attributes.name, reading) {
        (NameScope::One(name), _) => names(&|_, own| own.matches(name)),
        (NameScope::Prefix(prefix), _) => {
            names(&|reading, own| set::prefix_holds(reading, own, prefix))
        }
        (NameScope::Any, Reading::Covers) => Tri::False,
        (NameScope::Any, Reading::Touches) => Tri::True,
    })
}

/// Without an address nothing is known about where the request comes from.
fn from(question: &Question<'_>, rule: &Rule) -> Option<Tri> {
    let terms = rule.from.as_ref()?;
    let find = |name: &str| question.bundle.cidr_sets.get(name);
    let source = question.attributes.source;
    Some(set::evaluate(
        terms,
        Reading::of(rule.effect),
        &find,
        &|_, network| {
            source.map_or(Tri::Unknown, |address| {
                set::address_in(network, address).into()
            })
        },
    ))
}

fn open(question: &Question<'_>, names: &[String]) -> Tri {
    Tri::any(names.iter().map(|name| {
        let schedule = question.bundle.schedules.get(plain_name(name));
        schedule.map_or(Tri::Unknown, |own| schedule::holds(own, question.at).into())
    }))
}
