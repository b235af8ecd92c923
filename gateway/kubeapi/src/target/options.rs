//! Typed views of query parameters, and the checks that make them safe to read.

use super::query::Query;
use super::{RequestTarget, TargetFault};

/// Parameters of which the API server reads one value and policy, audit or the gateway does too.
/// They may stand once: a reader that takes the last value would judge something else (K-1.9).
pub const SINGLE_KEYS: [&str; 34] = [
    "watch",
    "fieldSelector",
    "labelSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "sendInitialEvents",
    "allowWatchBookmarks",
    "timeout",
    "pretty",
    "dryRun",
    "propagationPolicy",
    "orphanDependents",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "force",
    "fieldManager",
    "fieldValidation",
    "includeObject",
    "container",
    "stdin",
    "stdout",
    "stderr",
    "tty",
    "follow",
    "previous",
    "timestamps",
    "tailLines",
    "limitBytes",
    "sinceSeconds",
    "sinceTime",
    "stream",
];

const BOOLEAN_KEYS: [&str; 13] = [
    "watch",
    "sendInitialEvents",
    "allowWatchBookmarks",
    "orphanDependents",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "force",
    "stdin",
    "stdout",
    "stderr",
    "tty",
    "follow",
    "previous",
    "timestamps",
];

const INTEGER_KEYS: [&str; 6] = [
    "limit",
    "timeoutSeconds",
    "gracePeriodSeconds",
    "tailLines",
    "limitBytes",
    "sinceSeconds",
];

/// What happens to the dependants of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PropagationPolicy {
    /// They stay.
    Orphan,
    /// The garbage collector removes them later.
    Background,
    /// They go first.
    Foreground,
}

impl PropagationPolicy {
    /// The word in `DeleteOptions`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "Orphan",
            Self::Background => "Background",
            Self::Foreground => "Foreground",
        }
    }

    /// The policy of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Orphan, Self::Background, Self::Foreground]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }
}

impl RequestTarget {
    /// `watch` (K-1.8). The verb already says what it means for this request.
    #[must_use]
    pub fn watch(&self) -> bool {
        self.flag("watch")
    }

    /// Whether `dryRun=All` is asked in the query. DELETE may say so in its body (K-1.29).
    #[must_use]
    pub fn dry_run(&self) -> bool {
        self.option("dryRun").is_some()
    }

    /// `limit`.
    #[must_use]
    pub fn limit(&self) -> Option<i64> {
        self.integer("limit")
    }

    /// `timeoutSeconds`.
    #[must_use]
    pub fn timeout_seconds(&self) -> Option<i64> {
        self.integer("timeoutSeconds")
    }

    /// `container` of exec, attach and log. Empty counts as absent.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.option("container").filter(|name| !name.is_empty())
    }

    /// The argument vector of exec.
    #[must_use]
    pub fn command(&self) -> Vec<&str> {
        if self.is_proxy() {
            return Vec::new();
        }
        self.query().values("command").collect()
    }

    /// `ports` of the old WebSocket port-forward (K-6.2).
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        if self.is_proxy() {
            return Vec::new();
        }
        let values = self.query().values("ports");
        values
            .flat_map(|list| list.split(','))
            .filter_map(|port| port.parse().ok())
            .collect()
    }

    /// `stdin`.
    #[must_use]
    pub fn stdin(&self) -> bool {
        self.flag("stdin")
    }

    /// `stdout`.
    #[must_use]
    pub fn stdout(&self) -> bool {
        self.flag("stdout")
    }

    /// `stderr`.
    #[must_use]
    pub fn stderr(&self) -> bool {
        self.flag("stderr")
    }

    /// `tty`.
    #[must_use]
    pub fn tty(&self) -> bool {
        self.flag("tty")
    }

    /// `follow` of log.
    #[must_use]
    pub fn follow(&self) -> bool {
        self.flag("follow")
    }

    /// `previous` of log.
    #[must_use]
    pub fn previous(&self) -> bool {
        self.flag("previous")
    }

    /// `tailLines` of log.
    #[must_use]
    pub fn tail_lines(&self) -> Option<i64> {
        self.integer("tailLines")
    }

    /// `propagationPolicy` of delete, from the query.
    #[must_use]
    pub fn propagation_policy(&self) -> Option<PropagationPolicy> {
        self.option("propagationPolicy")
            .and_then(PropagationPolicy::parse)
    }

    /// `orphanDependents` of delete, from the query.
    #[must_use]
    pub fn orphan_dependents(&self) -> Option<bool> {
        self.option("orphanDependents")
            .map(|_| self.flag("orphanDependents"))
    }

    /// `gracePeriodSeconds` of delete, from the query.
    #[must_use]
    pub fn grace_period_seconds(&self) -> Option<i64> {
        self.integer("gracePeriodSeconds")
    }

    /// `force` of apply (K-5.19).
    #[must_use]
    pub fn force(&self) -> bool {
        self.flag("force")
    }

    /// `fieldManager`; the server falls back to the User-Agent (K-5.10).
    #[must_use]
    pub fn field_manager(&self) -> Option<&str> {
        self.option("fieldManager").filter(|name| !name.is_empty())
    }

    /// `fieldValidation`: `Ignore`, `Warn` or `Strict`.
    #[must_use]
    pub fn field_validation(&self) -> Option<&str> {
        self.option("fieldValidation")
    }

    /// A parameter of the API server. What a proxy request carries belongs to the workload.
    fn option(&self, key: &str) -> Option<&str> {
        if self.is_proxy() {
            None
        } else {
            self.query().first(key)
        }
    }

    fn flag(&self, key: &str) -> bool {
        !self.is_proxy() && self.query().is_true(key)
    }

    fn integer(&self, key: &str) -> Option<i64> {
        self.option(key).and_then(|text| text.parse().ok())
    }
}

/// Checks for every target.
pub(super) fn check_everywhere(query: &Query) -> Result<(), TargetFault> {
    refuse(
        query,
        "access_token",
        "credentials in URLs reach logs; send an Authorization header",
    )
}

/// Checks for proxy requests, whose other parameters belong to the workload.
pub(super) fn check_proxy(query: &Query) -> Result<(), TargetFault> {
    refuse(query, "path", "the path after `proxy` says where to go")
}

/// Checks for all other resource requests.
pub(super) fn check_resource(query: &Query) -> Result<(), TargetFault> {
    refuse(
        query,
        "insecureSkipTLSVerifyBackend",
        "the connection to the kubelet is verified",
    )?;
    refuse(
        query,
        "shardSelector",
        "policy cannot read it; use a label selector",
    )?;
    for key in SINGLE_KEYS {
        if query.values(key).nth(1).is_some() {
            return Err(TargetFault::RepeatedKey { key });
        }
    }
    for key in BOOLEAN_KEYS {
        // Go folds Unicode: `fal\u{17f}e` is false there.
        check(query, key, "`true` or `false`", str::is_ascii)?;
    }
    for key in INTEGER_KEYS {
        check(query, key, "an integer", |value| {
            value.parse::<i64>().is_ok()
        })?;
    }
    check(query, "dryRun", "`All`", |value| value == "All")?;
    check(
        query,
        "propagationPolicy",
        "`Orphan`, `Background` or `Foreground`",
        |value| PropagationPolicy::parse(value).is_some(),
    )?;
    check(
        query,
        "fieldValidation",
        "`Ignore`, `Warn` or `Strict`",
        |value| matches!(value, "Ignore" | "Warn" | "Strict"),
    )?;
    check(query, "ports", "port numbers", |list| {
        list.split(',').all(|port| port.parse::<u16>().is_ok())
    })
}

fn refuse(query: &Query, key: &'static str, why: &'static str) -> Result<(), TargetFault> {
    match query.first(key) {
        Some(_) => Err(TargetFault::RefusedKey { key, why }),
        None => Ok(()),
    }
}

fn check(
    query: &Query,
    key: &'static str,
    expected: &'static str,
    fits: impl Fn(&str) -> bool,
) -> Result<(), TargetFault> {
    if query.values(key).all(fits) {
        Ok(())
    } else {
        Err(TargetFault::BadValue { key, expected })
    }
}
