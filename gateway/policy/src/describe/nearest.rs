//! The allows that nearly matched.

use gateway_kubeapi::Target;

use super::{Describing, naive, wording};
use crate::decide::{RuleIndex, Subject, about};
use crate::model::{Effect, On, Rule};
use crate::naive::{Line, Question, Standing};
use crate::set::Reading;
use crate::tri::Tri;

/// Most near misses that are named: more are not read.
pub const NEAREST_MAX: usize = 3;

/// Most lines by which a near miss may fail; what fails by more is about something else.
const MISSED_LINES_MAX: usize = 2;

/// Most rules that are compared in one pass. A description must not become the costly part of a
/// denial; rules that speak about both the caller and the resource come first.
const COMPARED_MAX: usize = 128;

/// An allow that would match if a few of its lines held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// Its id.
    pub rule: String,
    /// The lines that do not hold.
    pub lines: Vec<MissedLine>,
}

impl NearMiss {
    /// What it is sorted by: few lines; then rules for this caller about this resource or path; then
    /// by id.
    #[must_use]
    pub fn distance(&self) -> (usize, usize, &str) {
        let (lines, foreign) = distance(self.lines.iter().map(|missed| missed.line));
        (lines, foreign, &self.rule)
    }
}

fn distance(lines: impl Iterator<Item = Line>) -> (usize, usize) {
    lines.fold((0, 0), |(count, foreign), line| match line {
        Line::Who | Line::On | Line::Urls => (count + 1, foreign + 1),
        Line::Mode
        | Line::Expires
        | Line::Clusters
        | Line::Can
        | Line::In
        | Line::Named
        | Line::From
        | Line::During
        | Line::Outside => (count + 1, foreign),
    })
}

/// An allow and the lines by which it fails.
struct Missed<'a> {
    rule: &'a Rule,
    lines: Vec<(Line, Tri)>,
}

impl Missed<'_> {
    fn distance(&self) -> (usize, usize) {
        distance(self.lines.iter().map(|(line, _)| *line))
    }

    fn worded(self, question: &Question<'_>) -> NearMiss {
        let word = |(line, answer)| MissedLine {
            line,
            answer,
            change: change(question, self.rule, line),
        };
        NearMiss {
            rule: self.rule.id.clone(),
            lines: self.lines.into_iter().map(word).collect(),
        }
    }
}

/// A line that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedLine {
    /// Which.
    pub line: Line,
    /// False or unknown.
    pub answer: Tri,
    /// The change that would make it hold.
    pub change: String,
}

impl Describing<'_> {
    /// The nearest misses for the subject that lacks an allow, the nearest first, ties by id.
    pub(super) fn nearest(&self, subject: Subject) -> Vec<NearMiss> {
        let questions = self.questions();
        let mut parts = self.identity.parts().iter().zip(&questions);
        let Some((part, (_, question))) = parts.find(|(_, (own, _))| *own == subject) else {
            return Vec::new();
        };
        let slice = self.set.slice(self.attributes);
        let mut found = self.missed(question, about(part, &slice).into_iter());
        let is_nearest = |missed: &&Missed<'_>| missed.distance() == (1, 0);
        if found.iter().filter(is_nearest).count() < NEAREST_MAX {
            let of_caller = part.list().iter().copied();
            let of_caller = of_caller.filter(|index| !slice.contains(*index));
            let of_target = slice
                .indexes()
                .filter(|index| !part.holds().contains(*index));
            found.extend(self.missed(question, of_caller));
            found.extend(self.missed(question, of_target));
        }
        found.sort_by(|a, b| (a.distance(), &a.rule.id).cmp(&(b.distance(), &b.rule.id)));
        found
            .into_iter()
            .take(NEAREST_MAX)
            .map(|missed| missed.worded(question))
            .collect()
    }

    fn missed(
        &self,
        question: &Question<'_>,
        indexes: impl Iterator<Item = u32>,
    ) -> Vec<Missed<'_>> {
        indexes
            .filter_map(|index| self.set.rule(RuleIndex(index)))
            .filter(|rule| rule.effect == Effect::Allow)
            .take(COMPARED_MAX)
            .filter(|rule| naive::standing(rule, self.at) == Standing::Enforced)
            .filter_map(|rule| missed(question, rule))
            .collect()
    }
}

/// The lines by which an allow fails and what would change them; `None` as for `missed`.
pub(crate) fn near_miss(question: &Question<'_>, rule: &Rule) -> Option<NearMiss> {
    missed(question, rule).map(|missed| missed.worded(question))
}

/// The lines by which an allow fails; `None` if it matches, fails by too many, or is about paths
/// where a resource is asked for, or the other way round.
fn missed<'a>(question: &Question<'_>, rule: &'a Rule) -> Option<Missed<'a>> {
    match (&rule.on, &question.attributes.target) {
        (On::Urls(_), Target::Resource(_)) | (On::Resources(_), Target::Url(_)) => return None,
        (On::Resources(_), Target::Resource(_))
        | (On::Urls(_), Target::Url(_))
        | (On::Everything, _) => {}
    }
    let reading = Reading::of(rule.effect);
    let mut lines = naive::lines(question, rule);
    lines.retain(|(_, answer)| !reading.is_met_by(*answer));
    (1..=MISSED_LINES_MAX)
        .contains(&lines.len())
        .then_some(Missed { rule, lines })
}

fn change(question: &Question<'_>, rule: &Rule, line: Line) -> String {
    let written = wording::written(rule, line);
    let fact = wording::fact(question, line);
    match line {
        Line::Expires => format!("expired at {written}; renew it"),
        Line::During => format!("ask while {written} is open; it is {fact}"),
        Line::Outside => format!("ask while {written} is closed; it is {fact}"),
        Line::Named if fact == "any name" => format!("ask for one object of {written}"),
        Line::Mode
        | Line::Clusters
        | Line::Who
        | Line::Can
        | Line::On
        | Line::Urls
        | Line::In
        | Line::Named
        | Line::From => format!("`{} {written}` would have to hold {fact}", line.as_str()),
    }
}
