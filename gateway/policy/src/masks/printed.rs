//! What the API server prints into the cells of Tables, for kinds whose columns are known (K-4.9).

use std::sync::LazyLock;

use gateway_kubeapi::ResourceId;
use gateway_masking::FieldPath;

/// Group, resource, and the fields that cells are made of, counts included; names and times of
/// objects are in all. Source: `pkg/printers/internalversion/printers.go` of Kubernetes 1.36.
const CELLS: &[(&str, &str, &[&str])] = &[
    // Of `data` its size alone is shown.
    ("", "configmaps", &[]),
    ("", "namespaces", &["status.phase"]),
    (
        "",
        "pods",
        &[
            "spec.initContainers[*].name",
            "spec.containers[*].name",
            "spec.initContainers[*].restartPolicy",
            "spec.nodeName",
            "spec.readinessGates",
            "status",
        ],
    ),
    (
        "",
        "podtemplates",
        &[
            "template.spec.containers[*].name",
            "template.spec.containers[*].image",
            "template.metadata.labels",
        ],
    ),
    (
        "",
        "replicationcontrollers",
        &[
            "spec.replicas",
            "spec.selector",
            "spec.template.spec.containers[*].name",
            "spec.template.spec.containers[*].image",
            "status",
        ],
    ),
    ("", "secrets", &["type"]),
    ("", "serviceaccounts", &["secrets"]),
    ("", "services", &["spec", "status"]),
    (
        "apps",
        "controllerrevisions",
        &["metadata.ownerReferences", "revision"],
    ),
    (
        "apps",
        "daemonsets",
        &[
            "spec.selector",
            "spec.template.spec.nodeSelector",
            "spec.template.spec.containers[*].name",
            "spec.template.spec.containers[*].image",
            "status",
        ],
    ),
    ("apps", "deployments", WORKLOAD),
    ("apps", "replicasets", WORKLOAD),
    ("apps", "statefulsets", WORKLOAD),
    (
        "batch",
        "cronjobs",
        &[
            "spec.schedule",
            "spec.timeZone",
            "spec.suspend",
            "spec.jobTemplate.spec.selector",
            "spec.jobTemplate.spec.template.spec.containers[*].name",
            "spec.jobTemplate.spec.template.spec.containers[*].image",
            "status",
        ],
    ),
    (
        "batch",
        "jobs",
        &[
            "spec.completions",
            "spec.parallelism",
            "spec.suspend",
            "spec.selector",
            "spec.template.spec.containers[*].name",
            "spec.template.spec.containers[*].image",
            "status",
        ],
    ),
];

const WORKLOAD: &[&str] = &[
    "spec.replicas",
    "spec.selector",
    "spec.template.spec.containers[*].name",
    "spec.template.spec.containers[*].image",
    "status",
];

/// What every printer shows.
const EVERY: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.deletionTimestamp",
];

type Row = (&'static str, &'static str, Vec<FieldPath>);

/// Built once and never changed: a constant the compiler cannot write down.
static PATHS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let row = |(group, resource, cells): &(&'static str, &'static str, &[&str])| {
        let paths = cells.iter().chain(EVERY);
        let paths = paths.filter_map(|path| FieldPath::parse(path).ok());
        (*group, *resource, paths.collect())
    };
    CELLS.iter().map(row).collect()
});

/// The fields that the cells of a kind show; `None` if they are not known.
pub(super) fn paths_of(resource: &ResourceId) -> Option<&'static [FieldPath]> {
    let known = PATHS.iter().find(|(group, name, _)| {
        (*group, *name) == (resource.group.as_str(), resource.resource.as_str())
    });
    known
        .filter(|_| resource.subresource.is_empty())
        .map(|(_, _, paths)| paths.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_paths() {
        for (_, resource, cells) in CELLS {
            for path in cells.iter().chain(EVERY) {
                assert!(FieldPath::parse(path).is_ok(), "{resource}: {path}");
            }
        }
    }
}
