//! Rules and requests in words, for explanations, hints and messages.

use std::fmt::Display;

use gateway_kubeapi::{Attributes, Caller, NameScope, NamespaceScope, Target};

use crate::model::{ClusterSelector, Effect, Mode, Obligation, On, RecordLevel, ResourcePattern};
use crate::model::{Rule, Term, Terms, VerbTerm, Who};
use crate::naive::{Line, Question, who};
use crate::pattern::AttributeMap;
use crate::set::plain_name;
use crate::tri::Tri;

/// The effect as it is written.
#[must_use]
pub const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
        Effect::Require => "require",
    }
}

/// What a line of a rule says, without its word.
#[must_use]
pub fn written(rule: &Rule, line: Line) -> String {
    match line {
        Line::Who => rule
            .who
            .as_deref()
            .map_or_else(|| "anyone".to_owned(), who_lines),
        Line::Can => rule
            .can
            .as_ref()
            .map_or_else(|| "all".to_owned(), |terms| all(terms, verb)),
        Line::On | Line::Urls => on(&rule.on),
        Line::In => rule.namespaces.as_ref().map_or_else(String::new, |line| {
            let cluster = line.cluster_scoped.then(|| "@cluster".to_owned());
            let names = Some(all(&line.names, ToString::to_string)).filter(|text| !text.is_empty());
            join(names.into_iter().chain(cluster), " ")
        }),
        Line::Named => rule.named.as_ref().map_or_else(String::new, patterns),
        Line::Clusters => join(rule.clusters.iter().map(cluster), " "),
        Line::From => rule
            .from
            .as_ref()
            .map_or_else(String::new, |terms| all(terms, ToString::to_string)),
        Line::During => schedules(rule.during.as_deref()),
        Line::Outside => schedules(rule.outside.as_deref()),
        Line::Expires => rule.expires.map_or_else(String::new, |end| end.to_string()),
        Line::Mode => mode(&rule.mode),
    }
}

/// The fact of a question a line is about.
#[must_use]
pub fn fact(question: &Question<'_>, line: Line) -> String {
    match line {
        Line::Who => caller(question.caller),
        Line::Can => question.attributes.verb.to_string(),
        Line::On | Line::Urls => target(&question.attributes.target),
        Line::In => namespace(&question.attributes.namespace),
        Line::Named => name(&question.attributes.name),
        Line::Clusters => question.cluster.to_owned(),
        Line::From => match question.attributes.source {
            Some(address) => address.to_string(),
            None => "no address known".to_owned(),
        },
        Line::During | Line::Outside | Line::Expires | Line::Mode => question.at.to_string(),
    }
}

/// A request in a few words: `get pods web in namespace shop`.
#[must_use]
pub fn request(attributes: &Attributes) -> String {
    let object = match &attributes.name {
        NameScope::One(name) => format!(" {name}"),
        NameScope::Prefix(prefix) => format!(" {prefix}*"),
        NameScope::Any => String::new(),
    };
    let place = match (&attributes.target, &attributes.namespace) {
        (Target::Resource(_), NamespaceScope::One(name)) => format!(" in namespace {name}"),
        (Target::Resource(_), NamespaceScope::Every) => " in every namespace".to_owned(),
        (Target::Resource(_), NamespaceScope::Cluster | NamespaceScope::EveryOrCluster)
        | (Target::Url(_), _) => String::new(),
    };
    format!(
        "{} {}{object}{place}",
        attributes.verb,
        target(&attributes.target)
    )
}

/// A resource or a path.
#[must_use]
pub fn target(target: &Target) -> String {
    match target {
        Target::Resource(resource) => resource.to_string(),
        Target::Url(path) => path.clone(),
    }
}

/// What an obligation demands, as it is written.
#[must_use]
pub fn obligation(obligation: &Obligation) -> String {
    match obligation {
        Obligation::Record(RecordLevel::Metadata) => "record metadata".to_owned(),
        Obligation::Reason { min, ticket: None } => format!("reason min={min}"),
        Obligation::Reason {
            min,
            ticket: Some(ticket),
        } => {
            format!("reason min={min} ticket={ticket}")
        }
        Obligation::SessionLimit(seconds) => format!("session-limit {seconds}s"),
        Obligation::Mask(names) => format!("mask {}", join(names, " ")),
    }
}

/// A `who` block in which every leaf carries the mark of what it says to this caller.
#[must_use]
pub fn marked_who(question: &Question<'_>, lines: &[Who]) -> String {
    Marking {
        question,
        attributes: &question.caller.attributes,
    }
    .lines(lines, question.caller)
}

struct Marking<'a> {
    question: &'a Question<'a>,
    attributes: &'a AttributeMap,
}

impl Marking<'_> {
    fn lines(&self, lines: &[Who], caller: &Caller) -> String {
        join(lines.iter().map(|line| self.line(line, caller)), ", ")
    }

    fn line(&self, line: &Who, caller: &Caller) -> String {
        match line {
            Who::Any(lines) => format!("any({})", self.lines(lines, caller)),
            Who::Not(lines) => format!("not({})", self.lines(lines, caller)),
            Who::ActingFor(lines) => match &caller.acting_for {
                Some(principal) => format!("acting-for({})", self.lines(lines, principal)),
                None => format!("acting-for nobody {}", Tri::False.mark()),
            },
            Who::Identity(_)
            | Who::Group(_)
            | Who::User(_)
            | Who::Kind(_)
            | Who::Issuer(_)
            | Who::Attribute(..)
            | Who::Anyone => {
                let lines = std::slice::from_ref(line);
                let answer =
                    who::holds_beside(self.question.bundle, lines, caller, self.attributes);
                format!("{} {}", who_line(line), answer.mark())
            }
        }
    }
}

fn who_lines(lines: &[Who]) -> String {
    join(lines.iter().map(who_line), ", ")
}

fn who_line(line: &Who) -> String {
    match line {
        Who::Identity(names) => format!("identity {}", join(names, " ")),
        Who::Group(names) => format!("group {}", join(names, " ")),
        Who::User(names) => format!("user {}", join(names, " ")),
        Who::Kind(kinds) => format!("kind {}", join(kinds.iter().map(|kind| kind.as_str()), " ")),
        Who::Issuer(names) => format!("issuer {}", join(names, " ")),
        Who::Attribute(name, values) => format!("attr {name} {}", join(values, " ")),
        Who::ActingFor(lines) => format!("acting-for({})", who_lines(lines)),
        Who::Any(lines) => format!("any({})", who_lines(lines)),
        Who::Not(lines) => format!("not({})", who_lines(lines)),
        Who::Anyone => "anyone".to_owned(),
    }
}

fn on(on: &On) -> String {
    match on {
        On::Resources(terms) => all(terms, resource),
        On::Urls(terms) => patterns(terms),
        On::Everything => "everything".to_owned(),
    }
}

/// A resource as it is written.
#[must_use]
pub fn resource(pattern: &ResourcePattern) -> String {
    let group = match &pattern.group {
        Some(group) if group.as_str().is_empty() => String::new(),
        Some(group) => format!(".{group}"),
        None => String::new(),
    };
    let subresource = pattern
        .subresource
        .as_ref()
        .map_or_else(String::new, |own| format!("/{own}"));
    format!("{}{group}{subresource}", pattern.resource)
}

/// A value of a `can` line as it is written.
#[must_use]
pub fn verb(term: &VerbTerm) -> String {
    match term {
        VerbTerm::One(verb) => verb.as_str(),
        VerbTerm::Read => "read",
        VerbTerm::Write => "write",
        VerbTerm::All => "all",
    }
    .to_owned()
}

fn cluster(selector: &ClusterSelector) -> String {
    match selector {
        ClusterSelector::Named(names) => join(names, " "),
        ClusterSelector::Labelled(key, value) => format!("{key}={value}"),
    }
}

fn mode(mode: &Mode) -> String {
    match mode {
        Mode::Enforce => "enforce".to_owned(),
        Mode::Shadow(until) => format!("shadow until={until}"),
        Mode::Off(until) => format!("off until={until}"),
    }
}

fn schedules(names: Option<&[String]>) -> String {
    let names = names.unwrap_or_default();
    join(
        names.iter().map(|name| format!("@{}", plain_name(name))),
        " ",
    )
}

fn patterns(terms: &Terms<crate::pattern::Pattern>) -> String {
    all(terms, ToString::to_string)
}

fn all<T>(terms: &Terms<T>, text: impl Fn(&T) -> String) -> String {
    let term = |term: &Term<T>| match term {
        Term::Value(value) => text(value),
        Term::Set(name) => format!("@{}", plain_name(name)),
    };
    let excluded = terms.exclude.iter().map(|own| format!("!{}", term(own)));
    join(terms.include.iter().map(term).chain(excluded), " ")
}

fn caller(caller: &Caller) -> String {
    let groups = match caller.user.groups.as_slice() {
        [] => String::new(),
        groups => format!(", groups {}", join(groups, " ")),
    };
    format!(
        "user {}, kind {}{groups}",
        caller.user.username,
        caller.kind.as_str()
    )
}

fn namespace(scope: &NamespaceScope) -> String {
    match scope {
        NamespaceScope::One(name) => name.clone(),
        NamespaceScope::Every => "every namespace".to_owned(),
        NamespaceScope::Cluster => "cluster-scoped".to_owned(),
        NamespaceScope::EveryOrCluster => "every namespace or cluster-scoped".to_owned(),
    }
}

fn name(scope: &NameScope) -> String {
    match scope {
        NameScope::One(name) => name.clone(),
        NameScope::Prefix(prefix) => format!("names that begin with `{prefix}`"),
        NameScope::Any => "any name".to_owned(),
    }
}

/// Texts with something between them.
pub(crate) fn join<T: Display>(parts: impl IntoIterator<Item = T>, between: &str) -> String {
    let parts: Vec<String> = parts.into_iter().map(|part| part.to_string()).collect();
    parts.join(between)
}
