//! The sets that come with format 1 of the language, and resources with two names.

use std::sync::LazyLock;

use crate::model::{ResourcePattern, Term, Terms};
use crate::pattern::Pattern;

/// Group, resource, subresource; `"*"` as subresource is every subresource.
type Row = (&'static str, &'static str, Option<&'static str>);

/// Group and resource.
type Name = (&'static str, &'static str);

/// Names of the built-in resource sets, without `@`.
pub const RESOURCE_SETS: [&str; 5] = [
    "escalation",
    "exec-like",
    "node-level",
    "secret-like",
    "workloads",
];

/// Names of the built-in sets of urls, without `@`.
pub const URL_SETS: [&str; 1] = ["discovery"];

const SECRET_LIKE: &[Row] = &[
    ("", "secrets", None),
    ("", "serviceaccounts", Some("token")),
    ("bitnami.com", "sealedsecrets", None),
    ("external-secrets.io", "clusterexternalsecrets", None),
    ("external-secrets.io", "externalsecrets", None),
    ("external-secrets.io", "pushsecrets", None),
];

/// Signing happens by an update of `/status`, approval by `/approval`; both give away credentials.
const ESCALATION: &[Row] = &[
    ("", "groups", None),
    ("", "serviceaccounts", Some("token")),
    ("", "users", None),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicies",
        None,
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        None,
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        None,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        None,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        Some("*"),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        None,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        None,
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions", None),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        Some("*"),
    ),
    ("apiregistration.k8s.io", "apiservices", None),
    ("apiregistration.k8s.io", "apiservices", Some("*")),
    ("authentication.k8s.io", "uids", None),
    ("authentication.k8s.io", "userextras", None),
    ("authentication.k8s.io", "userextras", Some("*")),
    ("certificates.k8s.io", "certificatesigningrequests", None),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        Some("*"),
    ),
    ("certificates.k8s.io", "signers", None),
    ("rbac.authorization.k8s.io", "clusterrolebindings", None),
    ("rbac.authorization.k8s.io", "clusterroles", None),
    ("rbac.authorization.k8s.io", "rolebindings", None),
    ("rbac.authorization.k8s.io", "roles", None),
];

const NODE_LEVEL: &[Row] = &[("", "nodes", Some("*")), ("", "persistentvolumes", None)];

const EXEC_LIKE: &[Row] = &[
    ("", "nodes", Some("proxy")),
    ("", "pods", Some("attach")),
    ("", "pods", Some("ephemeralcontainers")),
    ("", "pods", Some("exec")),
    ("", "pods", Some("portforward")),
    ("", "pods", Some("proxy")),
    ("", "services", Some("proxy")),
];

const WORKLOADS: &[Row] = &[
    ("", "pods", None),
    ("", "pods", Some("ephemeralcontainers")),
    ("", "pods", Some("resize")),
    ("", "replicationcontrollers", None),
    ("apps", "daemonsets", None),
    ("apps", "deployments", None),
    ("apps", "replicasets", None),
    ("apps", "statefulsets", None),
    ("batch", "cronjobs", None),
    ("batch", "jobs", None),
];

/// What `system:discovery` grants, which is what `kubectl` needs before its first request.
const DISCOVERY: &[&str] = &[
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
];

/// Resources of one storage type that are served under two names: the name requests are folded to,
/// and the other one rules may be written with (K-1.30).
const ALIASES: &[(Name, Name)] = &[(("", "events"), ("events.k8s.io", "events"))];

struct Sets {
    resources: Vec<(&'static str, Terms<ResourcePattern>)>,
    urls: Vec<(&'static str, Terms<Pattern>)>,
}

/// Built once and never changed: a constant the compiler cannot write down.
static SETS: LazyLock<Sets> = LazyLock::new(|| Sets {
    resources: vec![
        ("escalation", resources(ESCALATION)),
        ("exec-like", resources(EXEC_LIKE)),
        ("node-level", resources(NODE_LEVEL)),
        ("secret-like", resources(SECRET_LIKE)),
        ("workloads", resources(WORKLOADS)),
    ],
    urls: vec![("discovery", urls(DISCOVERY))],
});

/// The built-in resource set of that name, without `@`.
#[must_use]
pub fn resource_set(name: &str) -> Option<&'static Terms<ResourcePattern>> {
    SETS.resources
        .iter()
        .find(|(own, _)| *own == name)
        .map(|(_, terms)| terms)
}

/// The built-in set of urls of that name, without `@`.
#[must_use]
pub fn url_set(name: &str) -> Option<&'static Terms<Pattern>> {
    SETS.urls
        .iter()
        .find(|(own, _)| *own == name)
        .map(|(_, terms)| terms)
}

/// The other group and name under which a resource is served.
#[must_use]
pub fn alias_of(group: &str, resource: &str) -> Option<(&'static str, &'static str)> {
    ALIASES
        .iter()
        .find(|(folded, _)| *folded == (group, resource))
        .map(|(_, other)| *other)
}

/// The group and name requests for a resource are folded to.
#[must_use]
pub fn folded<'a>(group: &'a str, resource: &'a str) -> (&'a str, &'a str) {
    let written = (group, resource);
    ALIASES
        .iter()
        .find(|(_, other)| *other == written)
        .map_or(written, |(folded, _)| *folded)
}

fn resources(rows: &[Row]) -> Terms<ResourcePattern> {
    let include = rows
        .iter()
        .map(|(group, resource, subresource)| {
            Term::Value(ResourcePattern {
                group: Some(Pattern::literal(group)),
                resource: Pattern::literal(resource),
                subresource: subresource.map(pattern),
            })
        })
        .collect();
    Terms {
        include,
        exclude: Vec::new(),
    }
}

fn urls(paths: &[&'static str]) -> Terms<Pattern> {
    let include = paths
        .iter()
        .map(|path| Term::Value(pattern(path)))
        .collect();
    Terms {
        include,
        exclude: Vec::new(),
    }
}

fn pattern(text: &str) -> Pattern {
    // The rows above hold neither braces nor long texts; if one did, it would be taken literally
    // and `the_rows_are_patterns` would fail.
    Pattern::glob(text).unwrap_or_else(|_fault| Pattern::literal(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_patterns() {
        for path in DISCOVERY {
            assert!(Pattern::glob(path).is_ok(), "{path}");
        }
        for name in RESOURCE_SETS {
            let set = resource_set(name).expect("every listed set exists");
            assert!(!set.include.is_empty(), "{name}");
        }
        for name in URL_SETS {
            assert!(url_set(name).is_some(), "{name}");
        }
        assert!(resource_set("apps").is_none());
    }
}
