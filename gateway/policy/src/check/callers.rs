//! Who a rule's `who` can mean (GP401), and users, groups and attributes that nobody gives (GP303).

use std::collections::BTreeSet;

use gateway_kubeapi::{Caller, CallerKind};

use super::issuers::{can_give_group, can_give_user, user_prefix};
use super::matching::never;
use crate::diagnostic::{Code, Finding, Report};
use crate::model::{Bundle, Issuer, Location, Rule, Term, Terms, Who};
use crate::pattern::Pattern;
use crate::shape::nearest;
use crate::tri::Tri;

pub(super) fn check(bundle: &Bundle, rule: &Rule, report: &mut Report) {
    if let Some(lines) = &rule.who {
        who(bundle, rule, lines, report);
    }
    if let Some(namespaces) = &rule.namespaces {
        let place = rule.lines.get("in").unwrap_or(&rule.location);
        personal(bundle, written(&namespaces.names), place, report);
    }
    if let Some(named) = &rule.named {
        let place = rule.lines.get("named").unwrap_or(&rule.location);
        personal(bundle, written(named), place, report);
    }
}

/// Who can be meant: blocks of issuers, and whether callers of the gateway's own configuration
/// (client certificates, static tokens) can be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Callers {
    issuers: BTreeSet<String>,
    configured: bool,
}

impl Callers {
    fn all(bundle: &Bundle) -> Self {
        let issuers = bundle
            .issuers
            .iter()
            .map(|issuer| issuer.name.clone())
            .collect();
        Self {
            issuers,
            configured: true,
        }
    }

    fn none() -> Self {
        Self {
            issuers: BTreeSet::new(),
            configured: false,
        }
    }

    fn and(self, other: &Self) -> Self {
        let issuers = self.issuers.intersection(&other.issuers).cloned().collect();
        Self {
            issuers,
            configured: self.configured && other.configured,
        }
    }

    fn or(mut self, other: Self) -> Self {
        self.issuers.extend(other.issuers);
        self.configured |= other.configured;
        self
    }

    fn is_empty(&self) -> bool {
        self.issuers.is_empty() && !self.configured
    }
}

fn who(bundle: &Bundle, rule: &Rule, lines: &[Who], report: &mut Report) {
    if callers(bundle, lines).is_empty() {
        let why = "no issuer has the kind and name its `who` asks for";
        let help = "the kind of a caller is fixed by its issuer block";
        report.add(never(rule, "who", why).help(help));
    }
    let place = rule.lines.get("who").unwrap_or(&rule.location);
    givers(bundle, lines, place, report);
}

fn callers(bundle: &Bundle, lines: &[Who]) -> Callers {
    lines.iter().fold(Callers::all(bundle), |left, line| {
        left.and(&callers_of_line(bundle, line))
    })
}

fn callers_of_line(bundle: &Bundle, line: &Who) -> Callers {
    match line {
        Who::Kind(kinds) => Callers {
            issuers: named(bundle, |issuer| kinds.contains(&issuer.kind)),
            configured: kinds.iter().any(|kind| match kind {
                CallerKind::Human
                | CallerKind::Service
                | CallerKind::Agent
                | CallerKind::Legacy => true,
            }),
        },
        Who::Issuer(names) => Callers {
            issuers: named(bundle, |issuer| names.contains(&issuer.name)),
            configured: false,
        },
        Who::Identity(patterns) => bundle
            .identities
            .iter()
            .filter(|one| {
                patterns
                    .iter()
                    .any(|own| own.matches(&one.name) != Tri::False)
            })
            .fold(Callers::none(), |left, one| {
                left.or(callers(bundle, &one.who))
            }),
        Who::Any(lines) => lines.iter().fold(Callers::none(), |left, line| {
            left.or(callers_of_line(bundle, line))
        }),
        Who::Group(_)
        | Who::User(_)
        | Who::Attribute(_, _)
        | Who::ActingFor(_)
        | Who::Not(_)
        | Who::Anyone => Callers::all(bundle),
    }
}

fn named(bundle: &Bundle, keep: impl Fn(&Issuer) -> bool) -> BTreeSet<String> {
    bundle
        .issuers
        .iter()
        .filter(|one| keep(one))
        .map(|one| one.name.clone())
        .collect()
}

/// Users and groups that no issuer of the bundle can give.
fn givers(bundle: &Bundle, lines: &[Who], place: &Location, report: &mut Report) {
    for line in lines {
        match line {
            Who::User(patterns) => {
                for pattern in patterns {
                    if !gives(pattern, |start, whole| can_give_user(bundle, start, whole)) {
                        report.add(not_given("user", pattern, place, None));
                    }
                }
            }
            Who::Group(patterns) => {
                for pattern in patterns {
                    let block = bundle
                        .groups
                        .iter()
                        .any(|one| pattern.matches(&one.name) != Tri::False);
                    if !block
                        && !gives(pattern, |start, whole| can_give_group(bundle, start, whole))
                    {
                        let known = bundle.groups.iter().map(|one| one.name.as_str());
                        report.add(not_given(
                            "group",
                            pattern,
                            place,
                            nearest(pattern.as_str(), known),
                        ));
                    }
                }
            }
            Who::Any(lines) | Who::Not(lines) | Who::ActingFor(lines) => {
                givers(bundle, lines, place, report);
            }
            Who::Attribute(name, patterns) => {
                attribute(bundle, name, place, report);
                personal(bundle, patterns, place, report);
            }
            Who::Identity(_) | Who::Kind(_) | Who::Issuer(_) | Who::Anyone => {}
        }
    }
}

/// Attributes that the patterns of a line name, as in `"{user.team}-*"`.
fn personal<'a>(
    bundle: &Bundle,
    patterns: impl IntoIterator<Item = &'a Pattern>,
    place: &Location,
    report: &mut Report,
) {
    for pattern in patterns {
        pattern
            .attributes()
            .for_each(|name| attribute(bundle, name, place, report));
    }
}

fn attribute(bundle: &Bundle, name: &str, place: &Location, report: &mut Report) {
    let known: Vec<&str> = bundle
        .issuers
        .iter()
        .flat_map(|issuer| {
            issuer
                .attributes
                .iter()
                .map(|mapping| mapping.name.as_str())
        })
        .collect();
    if known.contains(&name) {
        return;
    }
    let message = format!("no issuer of this bundle gives the attribute `{name}`");
    let finding = Finding::new(Code::GP303, message, place.clone());
    report.add(match nearest(name, known) {
        Some(near) => finding.label(format!("did you mean `{near}`?")),
        None => finding.help("map it with `attr` in the issuer block; until then it is unknown"),
    });
}

/// Subjects of tests that their issuer could not prove: such a test proves nothing.
pub(super) fn check_subjects(bundle: &Bundle, report: &mut Report) {
    for (name, subject) in &bundle.tests.subjects {
        let mut caller = Some(&subject.caller);
        while let Some(one) = caller {
            if let Some(issuer) = bundle
                .issuers
                .iter()
                .find(|issuer| issuer.name == one.issuer)
            {
                for message in beyond(issuer, one) {
                    let message = format!("subject `{name}`: {message}");
                    let finding = Finding::new(Code::GP303, message, subject.location.clone());
                    report.add(finding.help("mind the issuer's prefixes"));
                }
            }
            caller = one.acting_for.as_deref();
        }
    }
}

/// What of a caller its issuer does not give.
fn beyond(issuer: &Issuer, caller: &Caller) -> Vec<String> {
    let mut found = Vec::new();
    let user = &caller.user.username;
    if !user.starts_with(&user_prefix(issuer)) {
        found.push(format!("issuer `{}` gives no user `{user}`", issuer.name));
    }
    let prefix = issuer.groups.as_ref().map(|(_, prefix)| prefix.as_str());
    for group in &caller.user.groups {
        if !prefix.is_some_and(|prefix| group.starts_with(prefix)) {
            found.push(format!("issuer `{}` gives no group `{group}`", issuer.name));
        }
    }
    for attribute in caller.attributes.keys() {
        if !issuer
            .attributes
            .iter()
            .any(|mapping| &mapping.name == attribute)
        {
            found.push(format!(
                "issuer `{}` gives no attribute `{attribute}`",
                issuer.name
            ));
        }
    }
    found
}

fn gives(pattern: &Pattern, can: impl Fn(&str, bool) -> bool) -> bool {
    if pattern.is_regex() || pattern.is_personal() {
        return true;
    }
    let text = pattern.as_str();
    match text.find(['*', '?']) {
        None => can(text, true),
        Some(end) => can(text.get(..end).unwrap_or(text), false),
    }
}

fn not_given(what: &str, pattern: &Pattern, place: &Location, near: Option<&str>) -> Finding {
    let message = format!(
        "no issuer of this bundle gives the {what} `{}`",
        pattern.as_str()
    );
    let finding = Finding::new(Code::GP303, message, place.clone());
    match near {
        Some(name) => finding.label(format!("did you mean `{name}`?")),
        None => finding.help(
            "mind the issuer's prefix; silence this if a client certificate or static token gives it",
        ),
    }
}

/// The patterns that stand on a line itself.
fn written(terms: &Terms<Pattern>) -> impl Iterator<Item = &Pattern> {
    terms
        .include
        .iter()
        .chain(&terms.exclude)
        .filter_map(|term| match term {
            Term::Value(pattern) => Some(pattern),
            Term::Set(_) => None,
        })
}
