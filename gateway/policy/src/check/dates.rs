//! What has expired, is about to, or should have been looked at (GP504, GP505).

use jiff::{SignedDuration, Timestamp};

use crate::diagnostic::{Code, Finding, Report};
use crate::model::{Effect, Mode, Rule};

/// How long before its end an expiry is worth a word: two weeks are enough for a change to pass.
const NOTICE: SignedDuration = SignedDuration::from_hours(14 * 24);

pub(super) fn check(rule: &Rule, now: Timestamp, report: &mut Report) {
    let place = |line: &'static str| rule.lines.get(line).unwrap_or(&rule.location).clone();
    if let Some(expires) = rule.expires {
        if expires <= now {
            let message = format!("allow `{}` has expired and matches nothing", rule.id);
            let help = "remove the rule, or renew the date";
            report.add(Finding::new(Code::GP504, message, place("expires")).help(help));
        } else if expires.duration_since(now) < NOTICE {
            let message = format!("allow `{}` expires in less than 14 days", rule.id);
            let help = "renew the date, or remove the rule when it has passed";
            report.add(Finding::new(Code::GP504, message, place("expires")).help(help));
        }
    }
    let (word, until) = match &rule.mode {
        Mode::Enforce => ("", None),
        Mode::Shadow(until) => ("shadow", Some(until)),
        Mode::Off(until) => ("off", Some(until)),
    };
    if until.is_some_and(|until| *until <= now) {
        let effect = match rule.effect {
            Effect::Allow => "it still grants nothing",
            Effect::Deny | Effect::Require => "it is enforced now",
        };
        let message = format!("`mode {word}` of rule `{}` has passed; {effect}", rule.id);
        let help = "remove the `mode` line to enforce the rule, or set a later instant";
        report.add(Finding::new(Code::GP504, message, place("mode")).help(help));
    }
    if rule.review_by.is_some_and(|date| date <= now) {
        let message = format!(
            "rule `{}` should have been reviewed; it is still enforced",
            rule.id
        );
        let help = "look at it with its owner and set the next date";
        report.add(Finding::new(Code::GP505, message, place("review-by")).help(help));
    }
}
