//! A `who` block with its groups and identities followed.

use gateway_kubeapi::{Caller, CallerKind};

use crate::model::{Bundle, Who};
use crate::naive::WHO_DEPTH_MAX;
use crate::pattern::{AttributeMap, Pattern};
use crate::tri::Tri;

/// What must hold for a caller.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    ActingFor(Box<Self>),
    User(Vec<Pattern>),
    /// One of the caller's groups is in one of the patterns.
    Group(Vec<Pattern>),
    Kind(Vec<CallerKind>),
    Issuer(Vec<String>),
    Attribute(String, Vec<Pattern>),
    /// A name of ours, which holds if the attribute-laden pattern matches it.
    Named(Pattern, String),
    /// Nested too deep, or an identity that is not there.
    Unknown,
}

impl Condition {
    pub(super) fn of(bundle: &Bundle, lines: &[Who]) -> Self {
        Compiling { bundle }.all(lines, WHO_DEPTH_MAX)
    }

    pub(super) fn holds(&self, caller: &Caller) -> Tri {
        self.ask(caller, &caller.attributes)
    }

    fn ask(&self, caller: &Caller, attributes: &AttributeMap) -> Tri {
        let one_of = |patterns: &[Pattern], text: &str| {
            Tri::any(patterns.iter().map(|own| own.matches_for(text, attributes)))
        };
        match self {
            Self::All(parts) => Tri::all(parts.iter().map(|part| part.ask(caller, attributes))),
            Self::Any(parts) => Tri::any(parts.iter().map(|part| part.ask(caller, attributes))),
            Self::Not(part) => !part.ask(caller, attributes),
            Self::ActingFor(part) => match &caller.acting_for {
                Some(principal) => part.ask(principal, attributes),
                None => Tri::False,
            },
            Self::User(patterns) => one_of(patterns, &caller.user.username),
            Self::Group(patterns) => Tri::any(
                caller
                    .user
                    .groups
                    .iter()
                    .map(|group| one_of(patterns, group)),
            ),
            Self::Kind(kinds) => kinds.contains(&caller.kind).into(),
            Self::Issuer(names) => names.contains(&caller.issuer).into(),
            Self::Attribute(name, patterns) => match caller.attributes.get(name) {
                Some(values) if !values.is_empty() => {
                    Tri::any(values.iter().map(|value| one_of(patterns, value)))
                }
                Some(_) | None => Tri::Unknown,
            },
            Self::Named(pattern, name) => pattern.matches_for(name, attributes),
            Self::Unknown => Tri::Unknown,
        }
    }
}

struct Compiling<'a> {
    bundle: &'a Bundle,
}

impl Compiling<'_> {
    fn all(&self, lines: &[Who], depth: usize) -> Condition {
        match depth.checked_sub(1) {
            Some(depth) => {
                Condition::All(lines.iter().map(|line| self.line(line, depth)).collect())
            }
            None => Condition::Unknown,
        }
    }

    fn line(&self, line: &Who, depth: usize) -> Condition {
        match line {
            Who::Identity(patterns) => Condition::Any(
                patterns
                    .iter()
                    .map(|own| self.identity(own, depth))
                    .collect(),
            ),
            Who::Group(patterns) => {
                Condition::Group(patterns.iter().flat_map(|own| self.group(own)).collect())
            }
            Who::User(patterns) => Condition::User(patterns.clone()),
            Who::Kind(kinds) => Condition::Kind(kinds.clone()),
            Who::Issuer(names) => Condition::Issuer(names.clone()),
            Who::Attribute(name, patterns) => Condition::Attribute(name.clone(), patterns.clone()),
            Who::ActingFor(lines) => Condition::ActingFor(Box::new(self.all(lines, depth))),
            Who::Any(lines) => Condition::Any(match depth.checked_sub(1) {
                Some(depth) => lines.iter().map(|line| self.line(line, depth)).collect(),
                None => lines.iter().map(|_| Condition::Unknown).collect(),
            }),
            Who::Not(lines) => Condition::Not(Box::new(self.all(lines, depth))),
            Who::Anyone => Condition::All(Vec::new()),
        }
    }

    fn identity(&self, pattern: &Pattern, depth: usize) -> Condition {
        let found: Vec<Condition> = self
            .bundle
            .identities
            .iter()
            .filter(|block| pattern.is_personal() || pattern.matches(&block.name) != Tri::False)
            .map(|block| {
                let who = self.all(&block.who, depth);
                if pattern.is_personal() {
                    Condition::All(vec![
                        Condition::Named(pattern.clone(), block.name.clone()),
                        who,
                    ])
                } else {
                    who
                }
            })
            .collect();
        if found.is_empty() && !pattern.is_personal() {
            return Condition::Unknown;
        }
        Condition::Any(found)
    }

    /// The patterns over groups a value stands for: those of the block of that name, or itself.
    fn group(&self, pattern: &Pattern) -> Vec<Pattern> {
        let block = self
            .bundle
            .groups
            .iter()
            .find(|block| block.name == pattern.as_str());
        match block {
            Some(block) if !pattern.is_regex() => block.from.clone(),
            Some(_) | None => vec![pattern.clone()],
        }
    }
}
