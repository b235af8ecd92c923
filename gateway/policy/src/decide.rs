//! The head decision: one probe, a few bit tests for each candidate, nothing allocated.
//!
//! Rules stand in the order of `naive::order`, so the first deny that matches is the one a denial
//! names, and the first allow the one an allow names; a scan stops as soon as nothing that follows
//! can change the verdict.

use gateway_kubeapi::{Attributes, Target};
use jiff::Timestamp;

use crate::compile::PolicySet;
use crate::compile::bits::Bits;
use crate::compile::lines::LineId;
use crate::compile::matching::{Asked, Request};
use crate::compile::table::{Candidates, Slice};
use crate::identify::{IdentityRules, Part};
use crate::masks::MaskSet;
use crate::model::Effect;

mod obligations;

pub use obligations::{Demands, Obligations, ReasonDemand, ReasonFault, TICKETS_MAX, TicketSet};

/// Longest chain of principals that is decided for, the caller included. A longer chain is denied:
/// nobody acts for somebody who acts for somebody four times over.
pub const DELEGATION_DEPTH_MAX: u8 = 4;

/// Whether the request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It may, if its obligations are fulfilled.
    Allow,
    /// It may not.
    Deny,
}

impl Outcome {
    /// `allow` or `deny`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A deny matches.
    DeniedByRule,
    /// No allow matches.
    NoAllow,
    /// An allow matches and what it demands cannot be had.
    ObligationFailed,
}

impl Reason {
    /// The code in audit, tests and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeniedByRule => "denied-by-rule",
            Self::NoAllow => "no-allow",
            Self::ObligationFailed => "obligation-failed",
        }
    }
}

/// Whose decision settled a delegated request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The caller's own.
    Caller,
    /// That of the principal behind it; 1 is the one the caller names.
    Principal(u8),
}

impl Subject {
    /// The subjects a decision is taken for, the nearest first.
    pub fn chain() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Caller).chain((1..DELEGATION_DEPTH_MAX).map(Self::Principal))
    }
}

/// A rule of one `PolicySet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub(crate) u32);

/// The head decision in a few words; `PolicySet::describe` has the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Allow or deny.
    pub outcome: Outcome,
    /// Why it is a denial; `None` exactly for an allow.
    pub reason: Option<Reason>,
    /// The deciding rule: the gravest deny or the first allow, ties by id; none for `NoAllow`.
    pub rule: Option<RuleIndex>,
    /// Whose decision it is.
    pub subject: Subject,
    /// What an allow demands, over all subjects; empty for a denial.
    pub obligations: Obligations,
}

impl Verdict {
    /// True for an allow.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        match self.outcome {
            Outcome::Allow => true,
            Outcome::Deny => false,
        }
    }

    /// The denial an allow becomes when what it demands cannot be had (policy-language §3.2, 5).
    #[must_use]
    pub const fn fail_obligation(self) -> Self {
        match self.outcome {
            Outcome::Deny => self,
            Outcome::Allow => Self {
                outcome: Outcome::Deny,
                reason: Some(Reason::ObligationFailed),
                rule: self.rule,
                subject: self.subject,
                obligations: Obligations::NONE,
            },
        }
    }

    const fn no_allow(subject: Subject) -> Self {
        Self {
            outcome: Outcome::Deny,
            reason: Some(Reason::NoAllow),
            rule: None,
            subject,
            obligations: Obligations::NONE,
        }
    }

    const fn denied_by(rule: u32, subject: Subject) -> Self {
        Self {
            outcome: Outcome::Deny,
            reason: Some(Reason::DeniedByRule),
            rule: Some(RuleIndex(rule)),
            subject,
            obligations: Obligations::NONE,
        }
    }

    const fn allowed_by(rule: u32, subject: Subject, obligations: Obligations) -> Self {
        Self {
            outcome: Outcome::Allow,
            reason: None,
            rule: Some(RuleIndex(rule)),
            subject,
            obligations,
        }
    }

    /// The stricter of two, `self` where they are equal; obligations add up.
    fn stricter(self, other: Self) -> Self {
        if self.is_allowed() && other.is_allowed() {
            return Self {
                obligations: self.obligations.union(other.obligations),
                ..self
            };
        }
        if other.strictness() < self.strictness() {
            other
        } else {
            self
        }
    }

    /// A rule that denies before the lack of one that allows; the gravest rule first.
    const fn strictness(&self) -> (u8, Option<RuleIndex>) {
        match self.reason {
            Some(Reason::DeniedByRule) => (0, self.rule),
            Some(Reason::NoAllow | Reason::ObligationFailed) => (1, None),
            None => (2, None),
        }
    }
}

impl PolicySet {
    /// Decides a request. An `IdentityRules` of another `PolicySet` is denied.
    #[must_use]
    pub fn decide(
        &self,
        identity: &IdentityRules,
        attributes: &Attributes,
        at: Timestamp,
    ) -> Verdict {
        if !self.made(identity) {
            return Verdict::no_allow(Subject::Caller);
        }
        let request = self.request(attributes, at);
        let slice = self.slice(attributes);
        let mut strictest: Option<Verdict> = None;
        for part in identity.parts() {
            let verdict = self.scan(part, &request, &slice);
            strictest = Some(strictest.map_or(verdict, |before| before.stricter(verdict)));
        }
        let verdict = strictest.unwrap_or(Verdict::no_allow(Subject::Caller));
        match identity.undecided() {
            Some(subject) => verdict.stricter(Verdict::no_allow(subject)),
            None => verdict,
        }
    }

    /// The masks of every allow and require that matches, for all subjects, whatever the verdict is:
    /// what another request shows of an object must be masked although the caller may not make it.
    #[must_use]
    pub fn masks_of(
        &self,
        identity: &IdentityRules,
        attributes: &Attributes,
        at: Timestamp,
    ) -> MaskSet {
        let mut masks = MaskSet::NONE;
        if !self.made(identity) {
            return masks;
        }
        let request = self.request(attributes, at);
        let slice = self.slice(attributes);
        for part in identity.parts() {
            visit(part, &slice, request.row(), |index| {
                let rule = self.rules().get(index as usize)?;
                if rule.obligations != LineId::OMITTED
                    && request.meets(index, rule, part, slice.asked)
                {
                    masks = masks.union(self.lines().obligations(rule.obligations).masks);
                }
                None::<()>
            });
        }
        masks
    }

    pub(crate) fn request<'a>(&'a self, attributes: &'a Attributes, at: Timestamp) -> Request<'a> {
        Request::new(self, attributes, at)
    }

    pub(crate) fn slice(&self, attributes: &Attributes) -> Slice<'_> {
        match &attributes.target {
            Target::Resource(resource) => self.table().resource(resource, attributes.verb),
            Target::Url(_) => self.table().urls(attributes.verb),
        }
    }

    fn scan(&self, part: &Part, request: &Request<'_>, slice: &Slice<'_>) -> Verdict {
        let scan = Scan {
            set: self,
            part,
            request,
            asked: slice.asked,
            allow: None,
            obligations: Obligations::NONE,
        };
        scan.run(slice)
    }

    /// Every rule that matches, in order, for one subject. For descriptions; it allocates.
    pub(crate) fn matching(
        &self,
        part: &Part,
        request: &Request<'_>,
        slice: &Slice<'_>,
    ) -> Vec<u32> {
        let mut found = Vec::new();
        visit(part, slice, request.row(), |index| {
            if let Some(rule) = self.rules().get(index as usize)
                && request.meets(index, rule, part, slice.asked)
            {
                found.push(index);
            }
            None::<()>
        });
        found
    }
}

/// Candidates whose `who` holds, in order; their other lines are not asked.
pub(crate) fn about(part: &Part, slice: &Slice<'_>) -> Vec<u32> {
    let mut found = Vec::new();
    visit(part, slice, part.holds(), |index| {
        found.push(index);
        None::<()>
    });
    found
}

/// One pass over the candidates for one subject.
struct Scan<'a> {
    set: &'a PolicySet,
    part: &'a Part,
    request: &'a Request<'a>,
    asked: Asked,
    allow: Option<u32>,
    obligations: Obligations,
}

impl Scan<'_> {
    fn run(mut self, slice: &Slice<'_>) -> Verdict {
        let subject = self.part.subject();
        let settled = visit(self.part, slice, self.request.row(), |index| {
            self.step(index)
        });
        match (settled, self.allow) {
            (Some(verdict), _) => verdict,
            (None, None) => Verdict::no_allow(subject),
            (None, Some(rule)) => Verdict::allowed_by(rule, subject, self.obligations),
        }
    }

    /// Looks at one candidate; a verdict if the rest cannot change it.
    fn step(&mut self, index: u32) -> Option<Verdict> {
        let rule = self.set.rules().get(index as usize)?;
        match (rule.effect, self.allow) {
            // Requires stand after all allows: no allow will follow.
            (Effect::Require, None) => return Some(Verdict::no_allow(self.part.subject())),
            // One allow is enough; a further one counts only for what it demands.
            (Effect::Allow, Some(_)) if rule.obligations == LineId::OMITTED => return None,
            (Effect::Allow | Effect::Deny | Effect::Require, _) => {}
        }
        if !self.request.meets(index, rule, self.part, self.asked) {
            return None;
        }
        match rule.effect {
            Effect::Deny => return Some(Verdict::denied_by(index, self.part.subject())),
            Effect::Allow => self.allow = self.allow.or(Some(index)),
            Effect::Require => {}
        }
        if rule.obligations != LineId::OMITTED {
            let owed = self.set.lines().obligations(rule.obligations);
            self.obligations = self.obligations.union(owed);
        }
        None
    }
}

/// Calls `step` for every candidate whose `who` holds and whose `in` may, in order, until it
/// returns something. Walks whichever is shortest: the candidates, the rules of the identity, or
/// the words of all three.
fn visit<T>(
    part: &Part,
    slice: &Slice<'_>,
    row: &Bits,
    mut step: impl FnMut(u32) -> Option<T>,
) -> Option<T> {
    let holds = part.holds();
    match slice.candidates {
        Candidates::Few(list) => list
            .iter()
            .filter(|index| holds.contains(**index) && row.contains(**index))
            .find_map(|index| step(*index)),
        Candidates::Many(bits) if part.list().len() * 2 <= bits.word_count() => part
            .list()
            .iter()
            .filter(|index| bits.contains(**index) && row.contains(**index))
            .find_map(|index| step(*index)),
        Candidates::Many(bits) => Bits::find_in_all([bits, holds, row], step),
    }
}

#[cfg(test)]
mod tests;
