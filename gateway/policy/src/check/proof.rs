//! What the bundle's own tests prove (GP601, GP602).

use crate::cases;
use crate::diagnostic::{Code, Finding, Report};
use crate::model::Bundle;

pub(super) fn check(bundle: &Bundle, report: &mut Report) {
    let tests = cases::run(bundle);
    for result in &tests.results {
        if let Some(failure) = &result.failure {
            let message = format!(
                "test `{}` of suite `{}` fails: {failure}",
                result.name, result.suite
            );
            report.add(Finding::new(Code::GP602, message, result.location.clone()));
        }
    }
    for id in cases::survivors(bundle) {
        let Some(rule) = bundle.rules.iter().find(|rule| rule.id == id) else {
            continue;
        };
        let covered = tests
            .coverage
            .get(&id)
            .is_some_and(|coverage| coverage.matched > 0);
        let message = if covered {
            format!("rule `{id}` could be dropped and every test would still pass")
        } else {
            format!("no test has a request that rule `{id}` matches")
        };
        let help = "add a test that would come out otherwise without the rule";
        report.add(Finding::new(Code::GP601, message, rule.location.clone()).help(help));
    }
}
