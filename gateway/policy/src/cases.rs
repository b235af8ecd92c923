//! Runs the tests of a bundle.
//!
//! A test is decided by the compiled form, as the gateway does it, and by the specification; where
//! the two differ the test fails and says so.

use std::collections::{BTreeMap, BTreeSet};

use gateway_kubeapi::{Attributes, Caller};

use crate::compile::PolicySet;
use crate::decide::{Outcome, Reason, Subject};
use crate::describe::near_miss;
use crate::masks::{MaskKeys, MaskTable};
use crate::model::{Bundle, Effect, Expectation, Location, Rule, Test};
use crate::naive::{self, Line, Question, Ruling, principal_of};
use crate::wording;

mod asked;
mod masked;
mod mutate;

pub use asked::{RequestFault, attributes_of};
pub use mutate::survivors;

/// What became of all tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// In the order of the bundle.
    pub results: Vec<TestResult>,
    /// For each rule of the bundle, how the tests met it.
    pub coverage: BTreeMap<String, RuleCoverage>,
}

impl TestReport {
    /// True if every test passes.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.results.iter().all(|result| result.failure.is_none())
    }

    /// Rules no test met, by id.
    pub fn unmet(&self) -> impl Iterator<Item = &str> {
        self.coverage
            .iter()
            .filter(|(_, own)| own.matched == 0)
            .map(|(id, _)| id.as_str())
    }
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Its suite.
    pub suite: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub location: Location,
    /// Why it fails; nothing if it passes.
    pub failure: Option<String>,
    /// Enforced rules that match its request.
    pub matched: BTreeSet<String>,
    /// Those of them that decide.
    pub deciding: BTreeSet<String>,
}

/// How the tests met a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleCoverage {
    /// Tests whose request it matches.
    pub matched: usize,
    /// Tests it decides.
    pub deciding: usize,
}

/// The failures of all tests, one line each; none if all pass.
#[must_use]
pub fn failures(bundle: &Bundle) -> Vec<String> {
    run(bundle)
        .results
        .into_iter()
        .filter_map(|result| {
            let failure = result.failure?;
            let Location { file, line, .. } = &result.location;
            Some(format!(
                "{file}:{line}: `{}` / `{}`: {failure}",
                result.suite, result.name
            ))
        })
        .collect()
}

/// Runs every test.
#[must_use]
pub fn run(bundle: &Bundle) -> TestReport {
    let mut sets = BTreeMap::new();
    // What a key is says nothing about which values are masked, and how.
    let keys = MaskKeys::offline(bundle);
    let mut results = Vec::new();
    for suite in &bundle.tests.suites {
        for test in &suite.tests {
            let set = sets
                .entry(test.cluster.as_str())
                .or_insert_with(|| PolicySet::compile_with(bundle, &test.cluster, &keys));
            let outcome = match set {
                Ok(set) => run_test(bundle, set, test),
                Err(fault) => Err(fault.to_string()),
            };
            results.push(result(&suite.name, test, outcome));
        }
    }
    let coverage = coverage(bundle, &results);
    TestReport { results, coverage }
}

fn result(suite: &str, test: &Test, outcome: Result<Answer, String>) -> TestResult {
    let (failure, matched, deciding) = match outcome {
        Ok(answer) => (answer.failure, answer.matched, answer.deciding),
        Err(failure) => (Some(failure), BTreeSet::new(), BTreeSet::new()),
    };
    TestResult {
        suite: suite.to_owned(),
        name: test.name.clone(),
        location: test.location.clone(),
        failure,
        matched,
        deciding,
    }
}

fn coverage(bundle: &Bundle, results: &[TestResult]) -> BTreeMap<String, RuleCoverage> {
    let mut coverage: BTreeMap<String, RuleCoverage> = bundle
        .rules
        .iter()
        .map(|rule| (rule.id.clone(), RuleCoverage::default()))
        .collect();
    for result in results {
        for id in &result.matched {
            coverage.entry(id.clone()).or_default().matched += 1;
        }
        for id in &result.deciding {
            coverage.entry(id.clone()).or_default().deciding += 1;
        }
    }
    coverage
}

/// What the rules say to a test, and what is wrong with it.
#[derive(Debug, Default)]
struct Answer {
    failure: Option<String>,
    matched: BTreeSet<String>,
    deciding: BTreeSet<String>,
}

fn run_test(bundle: &Bundle, set: &PolicySet, test: &Test) -> Result<Answer, String> {
    let asking = Asking::of(bundle, test)?;
    let answer = asking.answer(bundle, set.mask_table(), test);
    let differs = asking.requests.iter().any(|attributes| {
        let verdict = set.decide(&set.identify(asking.caller), attributes, test.at);
        let rule = verdict
            .rule
            .and_then(|index| set.rule(index))
            .map(|rule| &rule.id);
        let ruling = asking.ruling(bundle, test, attributes);
        let compiled = (verdict.outcome, verdict.reason, rule);
        compiled != (ruling.outcome, ruling.reason, ruling.rule.as_ref())
            || set.demands(&verdict.obligations) != ruling.demands
    });
    if differs {
        return Err("the compiled rules decide otherwise than they read; report this".to_owned());
    }
    Ok(answer)
}

/// A test, made into questions.
struct Asking<'a> {
    caller: &'a Caller,
    /// All of them must be allowed.
    requests: Vec<Attributes>,
}

impl<'a> Asking<'a> {
    fn of(bundle: &'a Bundle, test: &Test) -> Result<Self, String> {
        let subject = bundle.tests.subjects.get(&test.subject).ok_or_else(|| {
            format!(
                "there is no subject `{}`; add it below tests/",
                test.subject
            )
        })?;
        let requests = attributes_of(&test.request).map_err(|fault| fault.to_string())?;
        Ok(Self {
            caller: &subject.caller,
            requests,
        })
    }

    fn ruling(&self, bundle: &Bundle, test: &Test, attributes: &Attributes) -> Ruling {
        naive::decide(&question(bundle, test, self.caller, attributes))
    }

    /// Decides the requests by the rules as written and compares with what is expected.
    fn answer(&self, bundle: &Bundle, masks: &MaskTable, test: &Test) -> Answer {
        let mut answer = Answer::default();
        let mut denial: Option<(Ruling, &Attributes)> = None;
        let mut demanded = BTreeSet::new();
        for attributes in &self.requests {
            let ruling = self.ruling(bundle, test, attributes);
            answer.matched.extend(ruling.matched.iter().cloned());
            answer.deciding.extend(deciding(bundle, &ruling));
            demanded.extend(ruling.demands.masks.iter().cloned());
            if ruling.outcome == Outcome::Deny && denial.is_none() {
                denial = Some((ruling, attributes));
            }
        }
        let reason = denial.as_ref().and_then(|(ruling, _)| ruling.reason);
        let mut failures = compare(&test.expect, reason, &answer.deciding);
        if let (None, Some(asked)) = (&denial, self.requests.first()) {
            failures.extend(masked::compare(masks, test, asked, &demanded));
        }
        if let Some((id, line)) = &test.expect.near {
            failures.extend(self.compare_near(bundle, test, id, line.as_deref()));
        }
        if !failures.is_empty() && !test.expect.allow
            || failures
                .iter()
                .any(|text| text.starts_with("expected allow"))
        {
            failures.extend(self.notes(bundle, test, denial.as_ref()));
        }
        answer.failure = (!failures.is_empty()).then(|| failures.join("; "));
        answer
    }

    /// What helps to find out why a test fails.
    fn notes(
        &self,
        bundle: &Bundle,
        test: &Test,
        denial: Option<&(Ruling, &Attributes)>,
    ) -> Option<String> {
        let (ruling, attributes) = denial?;
        let asked = wording::request(attributes);
        if let Some(rule) = &ruling.rule {
            return Some(format!("`{asked}` is denied by rule `{rule}`"));
        }
        let caller = subject_of(self.caller, ruling.subject);
        let question = question(bundle, test, caller, attributes);
        let nearest = bundle
            .rules
            .iter()
            .filter(|rule| rule.effect == Effect::Allow)
            .filter_map(|rule| near_miss(&question, rule))
            .min_by(|a, b| a.distance().cmp(&b.distance()))?;
        let changes = wording::join(nearest.lines.iter().map(|line| &line.change), " and ");
        Some(format!(
            "nearest to `{asked}` is `{}`: {changes}",
            nearest.rule
        ))
    }

    fn compare_near(
        &self,
        bundle: &Bundle,
        test: &Test,
        id: &str,
        line: Option<&str>,
    ) -> Option<String> {
        let Some(rule) = bundle.rules.iter().find(|rule| rule.id == id) else {
            return Some(format!(
                "expected `{id}` to be near, but there is no such rule"
            ));
        };
        let missed = self.missed(bundle, test, rule);
        let is_met = match line {
            Some(line) => missed.iter().any(|own| own.as_str() == line),
            None => !missed.is_empty(),
        };
        if is_met {
            return None;
        }
        let wanted = line.map_or_else(String::new, |line| format!(" by its line `{line}`"));
        let found = if missed.is_empty() {
            "it is not".to_owned()
        } else {
            format!(
                "it misses by `{}`",
                wording::join(missed.iter().map(|own| own.as_str()), " ")
            )
        };
        Some(format!(
            "expected `{id}` to nearly match but for{wanted}, but {found}"
        ))
    }

    /// The lines by which a rule nearly matches one of the requests, for any subject.
    fn missed(&self, bundle: &Bundle, test: &Test, rule: &Rule) -> BTreeSet<Line> {
        let mut missed = BTreeSet::new();
        for attributes in &self.requests {
            let callers = std::iter::successors(Some(self.caller), |own| principal_of(own));
            for (_, caller) in Subject::chain().zip(callers) {
                let near = near_miss(&question(bundle, test, caller, attributes), rule);
                missed.extend(
                    near.iter()
                        .flat_map(|near| near.lines.iter().map(|own| own.line)),
                );
            }
        }
        missed
    }
}

fn question<'a>(
    bundle: &'a Bundle,
    test: &'a Test,
    caller: &'a Caller,
    attributes: &'a Attributes,
) -> Question<'a> {
    Question {
        bundle,
        cluster: &test.cluster,
        caller,
        attributes,
        at: test.at,
    }
}

fn subject_of(caller: &Caller, subject: Subject) -> &Caller {
    let mut callers = std::iter::successors(Some(caller), |own| principal_of(own));
    let distance = match subject {
        Subject::Caller => 0,
        Subject::Principal(distance) => usize::from(distance),
    };
    callers.nth(distance).unwrap_or(caller)
}

/// The rules of a ruling that made it what it is.
fn deciding(bundle: &Bundle, ruling: &Ruling) -> Vec<String> {
    let wanted: &[Effect] = match ruling.reason {
        None => &[Effect::Allow, Effect::Require],
        Some(Reason::DeniedByRule) => &[Effect::Deny],
        Some(Reason::NoAllow | Reason::ObligationFailed) => &[],
    };
    bundle
        .rules
        .iter()
        .filter(|rule| wanted.contains(&rule.effect) && ruling.matched.contains(&rule.id))
        .map(|rule| rule.id.clone())
        .collect()
}

fn compare(
    expect: &Expectation,
    reason: Option<Reason>,
    deciding: &BTreeSet<String>,
) -> Vec<String> {
    let mut failures = Vec::new();
    match (expect.allow, reason) {
        (true, Some(reason)) => {
            failures.push(format!("expected allow, got deny ({})", reason.as_str()));
        }
        (false, None) => {
            let by = wording::join(deciding, " ");
            failures.push(format!("expected deny, got allow by {by}"));
        }
        (true, None) | (false, Some(_)) => {}
    }
    for id in &expect.by {
        if !deciding.contains(id) {
            let by = wording::join(deciding, " ");
            let by = if by.is_empty() {
                "no rule".to_owned()
            } else {
                by
            };
            failures.push(format!("expected rule `{id}` to decide, but {by} decides"));
        }
    }
    if let Some(wanted) = &expect.reason {
        let found = reason.map_or("none", Reason::as_str);
        if wanted != found {
            failures.push(format!("expected reason `{wanted}`, got `{found}`"));
        }
    }
    failures
}

#[cfg(test)]
mod tests;
