//! Whether the gateway can do its work, by named checks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// What must hold before traffic comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A bundle is published.
    Policy,
    /// The keys of this issuer are present.
    Keys(String),
    /// The audit log can be written.
    Audit,
    /// This cluster's API server can be reached.
    Upstream(String),
    /// The gateway takes requests: it has started and does not drain.
    Serving,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("policy"),
            Self::Keys(issuer) => write!(f, "keys/{issuer}"),
            Self::Audit => f.write_str("audit"),
            Self::Upstream(cluster) => write!(f, "upstream/{cluster}"),
            Self::Serving => f.write_str("serving"),
        }
    }
}

/// `Ok`, or why not, in words for an operator.
type Outcome = Result<(), Arc<str>>;

/// The cell that holds the outcome of every check. Clones of the `Arc` around it share it.
#[derive(Debug)]
pub struct Readiness {
    outcomes: ArcSwap<BTreeMap<Check, Outcome>>,
}

impl Readiness {
    /// Policy, audit and serving must hold, and none of them does yet. Issuers and clusters are
    /// added by [`Readiness::expect`].
    #[must_use]
    pub fn new() -> Self {
        let outcomes = [
            (Check::Policy, "no bundle is published yet"),
            (Check::Audit, "the audit log is not open yet"),
            (Check::Serving, "the gateway is starting"),
        ];
        let outcomes = outcomes.map(|(check, why)| (check, Err(Arc::from(why))));
        Self {
            outcomes: ArcSwap::from_pointee(BTreeMap::from(outcomes)),
        }
    }

    /// Adds a check that must hold; it does not until [`Readiness::set`] says so. One that is there
    /// keeps its outcome.
    pub fn expect(&self, check: &Check) {
        self.change(|outcomes| {
            if !outcomes.contains_key(check) {
                outcomes.insert(check.clone(), Err(Arc::from("not checked yet")));
            }
        });
    }

    /// Sets the outcome of a check, and adds the check if need be.
    pub fn set(&self, check: &Check, outcome: Result<(), String>) {
        let outcome = outcome.map_err(Arc::<str>::from);
        if self.outcomes.load().get(check) != Some(&outcome) {
            self.change(|outcomes| {
                outcomes.insert(check.clone(), outcome.clone());
            });
        }
    }

    /// Takes a check out: its issuer or cluster is no longer configured.
    pub fn forget(&self, check: &Check) {
        self.change(|outcomes| {
            outcomes.remove(check);
        });
    }

    /// True if every check holds.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.outcomes.load().values().all(Result::is_ok)
    }

    /// One line for each check that does not hold: its name and why.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let outcomes = self.outcomes.load();
        let failures = outcomes
            .iter()
            .filter_map(|(check, outcome)| match outcome {
                Ok(()) => None,
                Err(why) => Some(line(check, why)),
            });
        failures.collect()
    }

    /// One line for each check, marked as Kubernetes' own health endpoints mark them.
    #[must_use]
    pub fn report(&self) -> Vec<String> {
        let outcomes = self.outcomes.load();
        let lines = outcomes.iter().map(|(check, outcome)| match outcome {
            Ok(()) => format!("[+]{check} ok"),
            Err(why) => format!("[-]{}", line(check, why)),
        });
        lines.collect()
    }

    fn change(&self, change: impl Fn(&mut BTreeMap<Check, Outcome>)) {
        self.outcomes.rcu(|current| {
            let mut outcomes = BTreeMap::clone(current);
            change(&mut outcomes);
            outcomes
        });
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

/// A reason can quote what a remote side said; it must not forge a second line.
fn line(check: &Check, why: &str) -> String {
    let why: String = why
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("{check}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Readiness {
        let readiness = Readiness::new();
        for check in [Check::Policy, Check::Audit, Check::Serving] {
            readiness.set(&check, Ok(()));
        }
        readiness
    }

    #[test]
    fn is_not_ready_before_its_first_checks() {
        let readiness = Readiness::new();
        assert!(!readiness.is_ready());
        assert_eq!(
            readiness.failures(),
            [
                "policy: no bundle is published yet",
                "audit: the audit log is not open yet",
                "serving: the gateway is starting"
            ]
        );
    }

    #[test]
    fn an_expected_check_fails_until_it_is_set_and_is_gone_when_forgotten() {
        let readiness = ready();
        let keys = Check::Keys("ci".to_owned());
        assert!(readiness.is_ready());
        readiness.expect(&keys);
        assert_eq!(readiness.failures(), ["keys/ci: not checked yet"]);
        readiness.set(&keys, Ok(()));
        readiness.expect(&keys);
        assert!(readiness.is_ready());
        readiness.set(&keys, Err("no keys".to_owned()));
        readiness.forget(&keys);
        assert!(readiness.is_ready());
    }

    #[test]
    fn reports_every_check_on_one_line_each() {
        let readiness = ready();
        readiness.set(
            &Check::Upstream("prod".to_owned()),
            Err("connect:\nrefused\r\n".to_owned()),
        );
        assert_eq!(
            readiness.report(),
            [
                "[+]policy ok",
                "[+]audit ok",
                "[-]upstream/prod: connect: refused  ",
                "[+]serving ok"
            ]
        );
    }

    #[test]
    fn changes_from_many_threads_are_all_kept() {
        let readiness = ready();
        let readiness = &readiness;
        let expect_fifty = move |thread: usize| {
            (0..50).for_each(|index| readiness.expect(&Check::Keys(format!("{thread}-{index}"))));
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || expect_fifty(thread));
            }
        });
        assert_eq!(readiness.failures().len(), 200);
    }
}
