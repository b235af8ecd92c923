//! The meet of two rule lists, for `kubectl auth can-i --list`.

use gateway_kubeapi::{NonResourceRule, ResourceRule, SubjectRules};

/// BOUND: pairs that are looked at; a longer list says that it is incomplete.
const PAIRS_MAX: usize = 100_000;

/// What both lists allow. Each rule of one meets each rule of the other, word by word.
pub(crate) fn meet(upstream: &SubjectRules, policy: &SubjectRules) -> SubjectRules {
    let mut met = SubjectRules {
        incomplete: upstream.incomplete || policy.incomplete,
        evaluation_error: upstream.evaluation_error.clone(),
        ..SubjectRules::default()
    };
    if upstream
        .resource_rules
        .len()
        .saturating_mul(policy.resource_rules.len())
        > PAIRS_MAX
    {
        met.incomplete = true;
        return met;
    }
    for theirs in &upstream.resource_rules {
        for ours in &policy.resource_rules {
            if let Some(rule) = both(theirs, ours).filter(|rule| !met.resource_rules.contains(rule))
            {
                met.resource_rules.push(rule);
            }
        }
    }
    for theirs in &upstream.non_resource_rules {
        for ours in &policy.non_resource_rules {
            let verbs = words(&theirs.verbs, &ours.verbs);
            let paths = paths(&theirs.paths, &ours.paths);
            let rule = NonResourceRule { verbs, paths };
            let empty = rule.verbs.is_empty() || rule.paths.is_empty();
            if !empty && !met.non_resource_rules.contains(&rule) {
                met.non_resource_rules.push(rule);
            }
        }
    }
    met
}

fn both(theirs: &ResourceRule, ours: &ResourceRule) -> Option<ResourceRule> {
    let rule = ResourceRule {
        verbs: words(&theirs.verbs, &ours.verbs),
        api_groups: words(&theirs.api_groups, &ours.api_groups),
        resources: resources(&theirs.resources, &ours.resources),
        resource_names: names(&theirs.resource_names, &ours.resource_names)?,
    };
    let empty = rule.verbs.is_empty() || rule.api_groups.is_empty() || rule.resources.is_empty();
    (!empty).then_some(rule)
}

/// Words of both; `*` is every word.
fn words(theirs: &[String], ours: &[String]) -> Vec<String> {
    cross(theirs, ours, |a, b| match (a, b) {
        (_, "*") => Some(a),
        ("*", _) => Some(b),
        _ => (a == b).then_some(a),
    })
}

/// As [`words`]; `*` is every resource and subresource, `pods/*` every subresource of one, `*/scale`
/// one subresource of every resource, as in RBAC.
fn resources(theirs: &[String], ours: &[String]) -> Vec<String> {
    cross(theirs, ours, |a, b| {
        if covers(b, a) {
            Some(a)
        } else if covers(a, b) {
            Some(b)
        } else {
            None
        }
    })
}

fn covers(pattern: &str, resource: &str) -> bool {
    if pattern == "*" || pattern == resource {
        return true;
    }
    match (pattern.split_once('/'), resource.split_once('/')) {
        (Some((plural, "*")), Some((other, _))) => plural == "*" || plural == other,
        (Some(("*", sub)), Some((_, other))) => sub == other,
        (Some(_), Some(_)) | (None, _) | (Some(_), None) => false,
    }
}

/// Names of both; an empty list is every name, so an empty meet is `None`.
fn names(theirs: &[String], ours: &[String]) -> Option<Vec<String>> {
    match (theirs.is_empty(), ours.is_empty()) {
        (true, _) => Some(ours.to_vec()),
        (_, true) => Some(theirs.to_vec()),
        (false, false) => {
            let met = words(theirs, ours);
            (!met.is_empty()).then_some(met)
        }
    }
}

/// Paths of both; a `*` at the end is every continuation.
fn paths(theirs: &[String], ours: &[String]) -> Vec<String> {
    cross(theirs, ours, |a, b| {
        let within = |inner: &str, outer: &str| match outer.strip_suffix('*') {
            Some(prefix) => inner.trim_end_matches('*').starts_with(prefix),
            None => inner == outer,
        };
        if within(a, b) {
            Some(a)
        } else if within(b, a) {
            Some(b)
        } else {
            None
        }
    })
}

fn cross(
    theirs: &[String],
    ours: &[String],
    meet: impl for<'a> Fn(&'a str, &'a str) -> Option<&'a str>,
) -> Vec<String> {
    let mut met: Vec<String> = Vec::new();
    for a in theirs {
        for b in ours {
            if let Some(word) = meet(a, b).filter(|word| !met.iter().any(|seen| seen == word)) {
                met.push(word.to_owned());
            }
        }
    }
    met
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn rule(verbs: &str, groups: &str, resources: &str, names: &str) -> ResourceRule {
        ResourceRule {
            verbs: list(verbs),
            api_groups: groups.split(',').map(str::to_owned).collect(),
            resources: list(resources),
            resource_names: list(names),
        }
    }

    fn check(theirs: &ResourceRule, ours: &ResourceRule, expected: Option<&ResourceRule>) {
        assert_eq!(
            both(theirs, ours).as_ref(),
            expected,
            "{theirs:?} with {ours:?}"
        );
        // What is met does not depend on the side, but for the order of words.
        assert_eq!(both(ours, theirs).is_some(), expected.is_some());
    }

    #[test]
    fn keeps_only_what_both_allow() {
        check(
            &rule("*", "*", "*", ""),
            &rule("get list", "", "pods pods/log", ""),
            Some(&rule("get list", "", "pods pods/log", "")),
        );
        check(
            &rule("get create", "apps", "deployments deployments/scale", ""),
            &rule("*", "apps", "*/scale", ""),
            Some(&rule("get create", "apps", "deployments/scale", "")),
        );
        check(
            &rule("get", "", "secrets", "a b"),
            &rule("get", "", "secrets", "b c"),
            Some(&rule("get", "", "secrets", "b")),
        );
        check(
            &rule("get", "", "secrets", "a"),
            &rule("get", "", "secrets", "c"),
            None,
        );
        check(
            &rule("get", "", "pods", ""),
            &rule("get", "apps", "pods", ""),
            None,
        );
        check(
            &rule("list", "", "pods", ""),
            &rule("get", "", "pods", ""),
            None,
        );
    }

    #[test]
    fn paths_meet_at_the_longer_prefix() {
        assert_eq!(
            paths(&list("/api /apis/*"), &list("*")),
            list("/api /apis/*")
        );
        assert_eq!(
            paths(&list("/healthz*"), &list("/healthz /readyz")),
            list("/healthz")
        );
        assert!(paths(&list("/metrics"), &list("/version")).is_empty());
    }
}
