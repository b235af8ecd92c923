//! Which rules speak about a caller: asked once per credential and epoch, kept as bits.
//!
//! Distinct `who` blocks are asked once. A block that can only hold for a caller with one of some
//! users, groups, issuers or kinds is found under these, so that a caller meets the blocks it may
//! fit and not all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_kubeapi::Caller;

use crate::compile::bits::Bits;
use crate::compile::lines::OnLine;
use crate::compile::namespaces::NamespaceLine;
use crate::compile::selection::Selection;
use crate::compile::{PolicySet, Stamp};
use crate::decide::{DELEGATION_DEPTH_MAX, Subject};
use crate::naive::principal_of;
use crate::pattern::Pattern;

mod condition;
mod index;

pub(crate) use index::WhoIndex;

/// The rules of one `PolicySet` that speak about one caller, and about each principal a decision
/// is taken for. Made by `PolicySet::identify`; holds no credential.
#[derive(Debug, Clone)]
pub struct IdentityRules {
    stamp: Arc<Stamp>,
    parts: Vec<Part>,
    undecided: Option<Subject>,
}

impl IdentityRules {
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The subject past the longest chain, for whom no decision is taken.
    pub(crate) const fn undecided(&self) -> Option<Subject> {
        self.undecided
    }

    /// How many rules speak about the caller itself.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.parts.first().map_or(0, |part| part.list.len())
    }
}

/// The rules that speak about one subject.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    subject: Subject,
    holds: Bits,
    /// The numbers in `holds`.
    list: Box<[u32]>,
    personal: BTreeMap<u32, Personal>,
}

/// Lines of a rule with the attributes of the subject in place; `None` where the rule has no such
/// line or no attribute stands in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Personal {
    pub(crate) namespaces: Option<NamespaceLine>,
    pub(crate) named: Option<Selection<Pattern>>,
    pub(crate) urls: Option<Selection<Pattern>>,
}

impl Part {
    pub(crate) const fn subject(&self) -> Subject {
        self.subject
    }

    pub(crate) const fn holds(&self) -> &Bits {
        &self.holds
    }

    pub(crate) fn list(&self) -> &[u32] {
        &self.list
    }

    pub(crate) fn personal(&self, rule: u32) -> Option<&Personal> {
        self.personal.get(&rule)
    }
}

impl PolicySet {
    /// Finds the rules that speak about a caller. An unknown `who` counts for a deny or require and
    /// not for an allow.
    #[must_use]
    pub fn identify(&self, caller: &Caller) -> IdentityRules {
        let mut parts = Vec::new();
        let mut next = Some(caller);
        for subject in Subject::chain() {
            let Some(own) = next else { break };
            parts.push(self.part(own, subject));
            next = principal_of(own);
        }
        let undecided = next.map(|_| Subject::Principal(DELEGATION_DEPTH_MAX));
        IdentityRules {
            stamp: Arc::clone(self.stamp()),
            parts,
            undecided,
        }
    }

    /// Whether this set made the rules.
    pub(crate) fn made(&self, identity: &IdentityRules) -> bool {
        Arc::ptr_eq(self.stamp(), &identity.stamp)
    }

    fn part(&self, caller: &Caller, subject: Subject) -> Part {
        let holds = self.who().holding(caller);
        let list: Box<[u32]> = holds.iter().collect();
        let personal = list
            .iter()
            .filter(|index| {
                self.rules()
                    .get(**index as usize)
                    .is_some_and(|rule| rule.personal)
            })
            .map(|index| (*index, self.personal(*index, caller)))
            .collect();
        Part {
            subject,
            holds,
            list,
            personal,
        }
    }

    fn personal(&self, index: u32, caller: &Caller) -> Personal {
        let Some(rule) = self.rules().get(index as usize) else {
            return Personal::default();
        };
        let (lines, attributes) = (self.lines(), &caller.attributes);
        let urls = match lines.on(rule.on) {
            Some(OnLine::Urls(paths)) => Some(paths.resolve(attributes)),
            Some(OnLine::Resources(_) | OnLine::Everything) | None => None,
        };
        Personal {
            namespaces: lines
                .namespaces(rule.namespaces)
                .map(|line| line.resolve(attributes)),
            named: lines.names(rule.named).map(|line| line.resolve(attributes)),
            urls,
        }
    }
}
