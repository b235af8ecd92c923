//! Why a decision is what it is, rule by rule and line by line (policy-language §10).

use std::fmt;

use gateway_kubeapi::{Attributes, Caller, Target};
use jiff::Timestamp;

use crate::compile::PolicySet;
use crate::decide::{Outcome, Reason, Subject, Verdict};
use crate::describe::{Decision, NearMiss, near_miss, questions};
use crate::model::{Disclose, Effect, Location, Rule};
use crate::naive::{self, Line, Question, Standing};
use crate::set::Reading;
use crate::tri::Tri;
use crate::wording;

mod who_can;

pub use who_can::{Cell, cells, who_can};

/// A decision with every rule that had a chance to take part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The request in words.
    pub request: String,
    /// The caller's name.
    pub user: String,
    /// Bundle name and digest, and the cluster.
    pub revision: (String, String, String),
    /// The decision.
    pub decision: Decision,
    /// Candidates: what matches first, then denies, allows and requires, each by id.
    pub rules: Vec<ExplainedRule>,
    /// What masks do to the answer, as `data.* redact by NAME`.
    pub masked: Vec<String>,
}

/// One candidate, as one subject meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedRule {
    /// Its id.
    pub id: String,
    /// Its effect.
    pub effect: Effect,
    /// Enforced or shadow.
    pub standing: Standing,
    /// For whom.
    pub subject: Subject,
    /// Whether it matches.
    pub matches: bool,
    /// Its lines, in the order of the language reference.
    pub lines: Vec<ExplainedLine>,
    /// What it demands, as written.
    pub obligations: Vec<String>,
    /// If it nearly matches: what would have to change.
    pub near: Option<NearMiss>,
    /// How much of it a denied caller may be told.
    pub disclose: Disclose,
    /// Where it stands.
    pub location: Location,
}

/// One line of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedLine {
    /// Which.
    pub line: Line,
    /// What it says; in `who`, each leaf with its mark.
    pub written: String,
    /// What it answers.
    pub answer: Tri,
    /// Whether that lets the rule match: unknown does for a deny or require.
    pub counts: bool,
    /// The fact that decided it; empty for `who`, whose leaves say it.
    pub fact: String,
}

impl PolicySet {
    /// Explains the decision on a request. Rules that are off, or about another verb or resource
    /// and no near miss, are left out.
    #[must_use]
    pub fn explain(&self, caller: &Caller, attributes: &Attributes, at: Timestamp) -> Explanation {
        let verdict = self.decide(&self.identify(caller), attributes, at);
        let decision = self.describe(&verdict, caller, attributes, at);
        let mut rules: Vec<ExplainedRule> = questions(self, caller, attributes, at)
            .iter()
            .flat_map(|(subject, question)| {
                let every = question.bundle.rules.iter();
                every.filter_map(|rule| explained(question, *subject, rule, &verdict))
            })
            .collect();
        rules.sort_by(|a, b| rank(a).cmp(&rank(b)));
        let masking = match &attributes.target {
            Target::Resource(resource) => self.masking(verdict.obligations.masks, resource),
            Target::Url(_) => None,
        };
        Explanation {
            masked: masking.map(|own| own.describe()).unwrap_or_default(),
            request: wording::request(attributes),
            user: caller.user.username.clone(),
            revision: (
                self.bundle_name().to_owned(),
                self.digest().to_owned(),
                self.cluster().to_owned(),
            ),
            decision,
            rules,
        }
    }
}

fn rank(rule: &ExplainedRule) -> (bool, bool, Effect, Subject, &str) {
    let shadow = match rule.standing {
        Standing::Enforced => false,
        Standing::Shadow | Standing::Off => true,
    };
    let effect = match rule.effect {
        // Denies come first, as they do in decisions.
        Effect::Deny => Effect::Allow,
        Effect::Allow => Effect::Deny,
        Effect::Require => Effect::Require,
    };
    (!rule.matches, shadow, effect, rule.subject, &rule.id)
}

fn explained(
    question: &Question<'_>,
    subject: Subject,
    rule: &Rule,
    verdict: &Verdict,
) -> Option<ExplainedRule> {
    let standing = naive::standing(rule, question.at);
    if standing == Standing::Off {
        return None;
    }
    let matches = naive::matches(question, rule);
    let lacking = verdict.reason == Some(Reason::NoAllow) && rule.effect == Effect::Allow;
    let near = if lacking {
        near_miss(question, rule)
    } else {
        None
    };
    if !matches && near.is_none() && !is_candidate(question, rule) {
        return None;
    }
    Some(ExplainedRule {
        id: rule.id.clone(),
        effect: rule.effect,
        standing,
        subject,
        matches,
        lines: lines(question, rule),
        obligations: rule.obligations.iter().map(wording::obligation).collect(),
        near,
        disclose: rule.disclose,
        location: rule.location.clone(),
    })
}

/// A candidate speaks about the verb and the resource or path.
fn is_candidate(question: &Question<'_>, rule: &Rule) -> bool {
    let speaks = |answer: &(Line, Tri)| match answer.0 {
        Line::Can | Line::On | Line::Urls => answer.1 != Tri::False,
        Line::Mode
        | Line::Expires
        | Line::Clusters
        | Line::Who
        | Line::In
        | Line::Named
        | Line::From
        | Line::During
        | Line::Outside => true,
    };
    naive::lines(question, rule).iter().all(speaks)
}

fn lines(question: &Question<'_>, rule: &Rule) -> Vec<ExplainedLine> {
    let reading = Reading::of(rule.effect);
    naive::lines(question, rule)
        .into_iter()
        .map(|(line, answer)| {
            let (written, fact) = match (line, &rule.who) {
                (Line::Who, Some(who)) => (wording::marked_who(question, who), String::new()),
                (_, _) => (wording::written(rule, line), wording::fact(question, line)),
            };
            ExplainedLine {
                line,
                written,
                answer,
                counts: reading.is_met_by(answer),
                fact,
            }
        })
        .collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bundle, digest, cluster) = &self.revision;
        let digest: String = digest.chars().take(12).collect();
        writeln!(
            f,
            "{}   bundle {bundle} {digest}   cluster {cluster}",
            self.headline()
        )?;
        writeln!(f, "  {} as {}", self.request, self.user)?;
        let width = self
            .rules
            .iter()
            .map(|rule| rule.id.chars().count())
            .max()
            .unwrap_or_default();
        for rule in &self.rules {
            rule.print(f, width)?;
        }
        if self.rules.is_empty() {
            writeln!(f, "  no rule speaks about this")?;
        }
        for place in &self.masked {
            writeln!(f, "  masked: {place}")?;
        }
        match &self.decision.allowed_hint {
            Some(hint) => writeln!(f, "  hint for the caller: {hint}"),
            None => Ok(()),
        }
    }
}

impl Explanation {
    fn headline(&self) -> String {
        let whose = match self.decision.subject {
            Subject::Caller => "",
            Subject::Principal(_) => " for the principal behind the caller",
        };
        let rule = self
            .decision
            .rules
            .first()
            .map(|rule| format!(" by {}", rule.id));
        let rule = rule.unwrap_or_default();
        match (self.decision.outcome, self.decision.reason) {
            (Outcome::Allow, _) => format!("ALLOW{rule}{whose}"),
            (Outcome::Deny, Some(reason)) => format!("DENY {}{rule}{whose}", reason.as_str()),
            (Outcome::Deny, None) => format!("DENY{rule}{whose}"),
        }
    }
}

impl ExplainedRule {
    fn print(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        let mark = Tri::from(self.matches).mark();
        let effect = wording::effect(self.effect);
        write!(f, "  {mark} {effect:<7} {:<width$}", self.id)?;
        if self.standing == Standing::Shadow {
            write!(f, "   (shadow)")?;
        }
        if let Subject::Principal(_) = self.subject {
            write!(f, "   (for the principal)")?;
        }
        for line in &self.lines {
            write!(f, "   {} {}", line.line.as_str(), line.written)?;
            if line.line != Line::Who {
                write!(f, " {} {}", line.answer.mark(), line.fact)?;
            }
        }
        if self.matches && !self.obligations.is_empty() {
            write!(f, "   → {}", self.obligations.join(", "))?;
        }
        writeln!(f)?;
        for missed in self.near.iter().flat_map(|near| &near.lines) {
            writeln!(f, "      would match if: {}", missed.change)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
