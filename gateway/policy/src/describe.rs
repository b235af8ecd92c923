//! A verdict with everything a person may want to know about it.
//!
//! Descriptions are for denials, audit and tools. They allocate, and they read the rules again as
//! written, so that what is said is what the language says.

use gateway_kubeapi::{Attributes, Caller};
use jiff::Timestamp;

use crate::compile::PolicySet;
use crate::decide::{Demands, Outcome, Reason, RuleIndex, Subject, Verdict};
use crate::identify::IdentityRules;
use crate::model::{Disclose, Effect, Rule, Severity};
use crate::naive::{self, Line, Question, Standing, principal_of};
use crate::set::Reading;
use crate::tri::Tri;
use crate::wording;

mod hint;
mod nearest;

pub(crate) use nearest::near_miss;
pub use nearest::{MissedLine, NEAREST_MAX, NearMiss};

/// A decision in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub outcome: Outcome,
    /// Why it is a denial.
    pub reason: Option<Reason>,
    /// Whose decision it is.
    pub subject: Subject,
    /// For a deny by rule, every deny that matches for any subject, the gravest first, ties by id.
    /// For an allow or a failed obligation, every allow and require that matches, subject by subject.
    /// The first is the one the verdict names.
    pub rules: Vec<RuleMention>,
    /// Shadow rules that match.
    pub shadow: Vec<ShadowMention>,
    /// What an allow demands.
    pub demands: Demands,
    /// For `NoAllow`: the allows that failed by the fewest lines. For audit, not for the caller.
    pub nearest: Vec<NearMiss>,
    /// For a denial: what would be allowed. May be told to the caller.
    pub allowed_hint: Option<String>,
}

impl Decision {
    /// One line for the caller: as much of the rules as they let be told, and the hint.
    #[must_use]
    pub fn told(&self, attributes: &Attributes) -> String {
        let asked = wording::request(attributes);
        let whose = match self.subject {
            Subject::Caller => "you",
            Subject::Principal(_) => "whom you act for",
        };
        let why = match self.reason {
            None => return format!("{asked} is allowed"),
            Some(Reason::NoAllow) => format!("no rule allows {whose} to {asked}"),
            Some(Reason::ObligationFailed) => {
                format!("what the rules demand for {asked} is missing")
            }
            Some(Reason::DeniedByRule) => {
                let cause = self.rules.iter().find_map(RuleMention::told);
                let cause = cause.map_or_else(|| "a rule".to_owned(), |cause| cause.to_string());
                format!("{asked} is denied by {cause}")
            }
        };
        match &self.allowed_hint {
            Some(hint) => format!("{why}; {hint}"),
            None => why,
        }
    }
}

/// A rule that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleMention {
    /// Where it stands in its set.
    pub index: RuleIndex,
    /// Its id.
    pub id: String,
    /// Its effect.
    pub effect: Effect,
    /// How grave a denial by it is.
    pub severity: Severity,
    /// Its owner.
    pub owner: String,
    /// Why it exists.
    pub why: String,
    /// What it says to a denied caller.
    pub message: Option<String>,
    /// How much of it a denied caller is told.
    pub disclose: Disclose,
    /// The first subject it matches for.
    pub subject: Subject,
    /// Lines that are unknown and counted against the request.
    pub unknown: Vec<Line>,
}

impl RuleMention {
    /// What a denied caller may be told of it.
    #[must_use]
    pub fn told(&self) -> Option<Cause> {
        match self.disclose {
            Disclose::Message => {
                let message = self.message.as_ref().unwrap_or(&self.why);
                Some(Cause {
                    rule: self.id.clone(),
                    message: Some(message.clone()),
                })
            }
            Disclose::Id => Some(Cause {
                rule: self.id.clone(),
                message: None,
            }),
            Disclose::None => None,
        }
    }
}

/// A rule as told to a denied caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Its id.
    pub rule: String,
    /// Its message, or why it exists.
    pub message: Option<String>,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.message {
            Some(message) => write!(f, "rule `{}`: {message}", self.rule),
            None => write!(f, "rule `{}`", self.rule),
        }
    }
}

/// A shadow rule that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowMention {
    /// Its id.
    pub id: String,
    /// Its effect.
    pub effect: Effect,
}

impl ShadowMention {
    /// What the rule would do.
    #[must_use]
    pub const fn would(&self) -> &'static str {
        match self.effect {
            Effect::Allow => "would-allow",
            Effect::Deny => "would-deny",
            Effect::Require => "would-require",
        }
    }
}

impl PolicySet {
    /// Describes a verdict of this set about this very question.
    #[must_use]
    pub fn describe(
        &self,
        verdict: &Verdict,
        caller: &Caller,
        attributes: &Attributes,
        at: Timestamp,
    ) -> Decision {
        let identity = self.identify(caller);
        let describing = Describing {
            set: self,
            identity: &identity,
            caller,
            attributes,
            at,
        };
        let denied = !verdict.is_allowed();
        Decision {
            outcome: verdict.outcome,
            reason: verdict.reason,
            subject: verdict.subject,
            rules: describing.mentions(verdict.reason),
            shadow: describing.shadow(),
            demands: self.demands(&verdict.obligations),
            nearest: match verdict.reason {
                Some(Reason::NoAllow) => describing.nearest(verdict.subject),
                Some(Reason::DeniedByRule | Reason::ObligationFailed) | None => Vec::new(),
            },
            allowed_hint: denied.then(|| describing.hint()),
        }
    }

    /// The shadow rules that match; cheap where there are none.
    #[must_use]
    pub fn shadow(
        &self,
        caller: &Caller,
        attributes: &Attributes,
        at: Timestamp,
    ) -> Vec<ShadowMention> {
        if !self.has_shadow_rules() {
            return Vec::new();
        }
        let identity = self.identify(caller);
        Describing {
            set: self,
            identity: &identity,
            caller,
            attributes,
            at,
        }
        .shadow()
    }
}

/// One question, while it is described.
struct Describing<'a> {
    set: &'a PolicySet,
    identity: &'a IdentityRules,
    caller: &'a Caller,
    attributes: &'a Attributes,
    at: Timestamp,
}

impl<'a> Describing<'a> {
    /// The question as one of the subjects asks it.
    fn questions(&self) -> Vec<(Subject, Question<'a>)> {
        questions(self.set, self.caller, self.attributes, self.at)
    }

    fn mentions(&self, reason: Option<Reason>) -> Vec<RuleMention> {
        let wanted: &[Effect] = match reason {
            Some(Reason::NoAllow) => return Vec::new(),
            Some(Reason::DeniedByRule) => &[Effect::Deny],
            Some(Reason::ObligationFailed) | None => &[Effect::Allow, Effect::Require],
        };
        let request = self.set.request(self.attributes, self.at);
        let slice = self.set.slice(self.attributes);
        let mut found: Vec<RuleMention> = Vec::new();
        for (part, (subject, question)) in self.identity.parts().iter().zip(self.questions()) {
            for index in self.set.matching(part, &request, &slice) {
                let Some(rule) = self.set.rule(RuleIndex(index)) else {
                    continue;
                };
                let known = found.iter().any(|mention| mention.index.0 == index);
                if wanted.contains(&rule.effect) && !known {
                    found.push(mention(index, rule, subject, &question));
                }
            }
        }
        match reason {
            Some(Reason::DeniedByRule) => found.sort_by_key(|mention| mention.index),
            // The caller's own first, as the verdict names its rule.
            Some(Reason::NoAllow | Reason::ObligationFailed) | None => {}
        }
        found
    }

    fn shadow(&self) -> Vec<ShadowMention> {
        let questions = self.questions();
        let mut found: Vec<ShadowMention> = self
            .set
            .bundle()
            .rules
            .iter()
            .filter(|rule| naive::standing(rule, self.at) == Standing::Shadow)
            .filter(|rule| {
                questions
                    .iter()
                    .any(|(_, question)| naive::matches(question, rule))
            })
            .map(|rule| ShadowMention {
                id: rule.id.clone(),
                effect: rule.effect,
            })
            .collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }
}

/// The question as each subject asks it, in the order of decisions.
pub(crate) fn questions<'a>(
    set: &'a PolicySet,
    caller: &'a Caller,
    attributes: &'a Attributes,
    at: Timestamp,
) -> Vec<(Subject, Question<'a>)> {
    let callers = std::iter::successors(Some(caller), |caller| principal_of(caller));
    let question = |caller| Question {
        bundle: set.bundle(),
        cluster: set.cluster(),
        caller,
        attributes,
        at,
    };
    Subject::chain().zip(callers.map(question)).collect()
}

fn mention(index: u32, rule: &Rule, subject: Subject, question: &Question<'_>) -> RuleMention {
    let unknown = match Reading::of(rule.effect) {
        Reading::Covers => Vec::new(),
        Reading::Touches => naive::lines(question, rule)
            .into_iter()
            .filter(|(_, answer)| *answer == Tri::Unknown)
            .map(|(line, _)| line)
            .collect(),
    };
    RuleMention {
        index: RuleIndex(index),
        id: rule.id.clone(),
        effect: rule.effect,
        severity: rule.severity,
        owner: rule.owner.clone(),
        why: rule.why.clone(),
        message: rule.message.clone(),
        disclose: rule.disclose,
        subject,
        unknown,
    }
}

#[cfg(test)]
mod tests;
