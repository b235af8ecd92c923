//! What fields the built-in kinds have, as far as masks need to know: the top of each, the whole of
//! Secrets and ConfigMaps, and pods down to their containers. Source: Kubernetes 1.36.

use gateway_masking::{FieldPath, Step};

use crate::shape::nearest;

/// What stands at a place of an object.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text.
    Text,
    /// Bytes, in base64.
    Bytes,
    /// A number.
    Number,
    /// A truth value.
    Flag,
    /// An object with names the author chooses.
    Map(&'static Self),
    /// A list.
    List(&'static Self),
    /// An object with these members.
    Object(&'static [(&'static str, Self)]),
    /// Not looked into.
    Anything,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) enum Reach {
    /// Here.
    At(&'static Shape),
    /// Into what is not looked into.
    Open,
    /// To no place: why, and what to write.
    Nowhere(String),
}

impl Shape {
    pub(crate) const fn is_scalar(&self) -> bool {
        match self {
            Self::Text | Self::Bytes | Self::Number | Self::Flag => true,
            Self::Map(_) | Self::List(_) | Self::Object(_) | Self::Anything => false,
        }
    }

    /// Follows a path.
    pub(crate) fn reach(&'static self, path: &FieldPath) -> Reach {
        let mut at = self;
        let mut passed = String::new();
        for step in path.steps() {
            let here = if passed.is_empty() {
                "the object".to_owned()
            } else {
                format!("`{passed}`")
            };
            at = match (at, step) {
                // Of all members one may be right.
                (_, Step::AnyDepth) | (Self::Anything, _) | (Self::Object(_), Step::AnyKey) => {
                    return Reach::Open;
                }
                (Self::Object(members), Step::Key(name)) => {
                    match members.iter().find(|(own, _)| **own == **name) {
                        Some((_, below)) => below,
                        None => return Reach::Nowhere(unknown(members, name, &here)),
                    }
                }
                (Self::Map(below), Step::Key(_) | Step::AnyKey)
                | (Self::List(below), Step::AnyElement | Step::Element { .. }) => below,
                (Self::List(_), Step::Key(_) | Step::AnyKey) => {
                    let help = format!("{here} is a list; write `{passed}[*]`");
                    return Reach::Nowhere(help);
                }
                (Self::Map(_) | Self::Object(_), Step::AnyElement | Step::Element { .. }) => {
                    let help = format!("{here} is an object and no list; write `{passed}.*`");
                    return Reach::Nowhere(help);
                }
                (Self::Text | Self::Bytes | Self::Number | Self::Flag, _) => {
                    return Reach::Nowhere(format!("{here} is a value with nothing below it"));
                }
            };
            match step {
                Step::Key(name) if passed.is_empty() => passed.push_str(name),
                Step::Key(name) => passed.push_str(&format!(".{name}")),
                Step::AnyKey => passed.push_str(".*"),
                Step::AnyElement | Step::Element { .. } => passed.push_str("[*]"),
                Step::AnyDepth => {}
            }
        }
        Reach::At(at)
    }
}

fn unknown(members: &[(&'static str, Shape)], name: &str, here: &str) -> String {
    let names = members.iter().map(|(own, _)| *own);
    match nearest(name, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{here} has {}", names.collect::<Vec<_>>().join(", ")),
    }
}

use Shape::{Anything, Bytes, Flag, List, Map, Number, Object, Text};

static TEXT: Shape = Text;
static BYTES: Shape = Bytes;

const TEXTS: Shape = Map(&TEXT);
const LIST_OF_TEXTS: Shape = List(&TEXT);

const METADATA: Shape = Object(&[
    ("annotations", TEXTS),
    ("creationTimestamp", Text),
    ("deletionGracePeriodSeconds", Number),
    ("deletionTimestamp", Text),
    ("finalizers", LIST_OF_TEXTS),
    ("generateName", Text),
    ("generation", Number),
    ("labels", TEXTS),
    ("managedFields", Anything),
    ("name", Text),
    ("namespace", Text),
    ("ownerReferences", Anything),
    ("resourceVersion", Text),
    ("selfLink", Text),
    ("uid", Text),
]);

static ENV_VALUE: Shape = Object(&[("name", Text), ("value", Text), ("valueFrom", Anything)]);
static CONTAINER: Shape = Object(&[
    ("args", LIST_OF_TEXTS),
    ("command", LIST_OF_TEXTS),
    ("env", List(&ENV_VALUE)),
    ("envFrom", Anything),
    ("image", Text),
    ("imagePullPolicy", Text),
    ("lifecycle", Anything),
    ("livenessProbe", Anything),
    ("name", Text),
    ("ports", Anything),
    ("readinessProbe", Anything),
    ("resizePolicy", Anything),
    ("resources", Anything),
    ("restartPolicy", Text),
    ("restartPolicyRules", Anything),
    ("securityContext", Anything),
    ("startupProbe", Anything),
    ("stdin", Flag),
    ("stdinOnce", Flag),
    ("targetContainerName", Text),
    ("terminationMessagePath", Text),
    ("terminationMessagePolicy", Text),
    ("tty", Flag),
    ("volumeDevices", Anything),
    ("volumeMounts", Anything),
    ("workingDir", Text),
]);
const POD_SPEC: Shape = Object(&[
    ("activeDeadlineSeconds", Number),
    ("affinity", Anything),
    ("automountServiceAccountToken", Flag),
    ("containers", List(&CONTAINER)),
    ("dnsConfig", Anything),
    ("dnsPolicy", Text),
    ("enableServiceLinks", Flag),
    ("ephemeralContainers", List(&CONTAINER)),
    ("hostAliases", Anything),
    ("hostIPC", Flag),
    ("hostNetwork", Flag),
    ("hostPID", Flag),
    ("hostUsers", Flag),
    ("hostname", Text),
    ("hostnameOverride", Text),
    ("imagePullSecrets", Anything),
    ("initContainers", List(&CONTAINER)),
    ("nodeName", Text),
    ("nodeSelector", TEXTS),
    ("os", Anything),
    ("overhead", Anything),
    ("preemptionPolicy", Text),
    ("priority", Number),
    ("priorityClassName", Text),
    ("readinessGates", Anything),
    ("resourceClaims", Anything),
    ("resources", Anything),
    ("restartPolicy", Text),
    ("runtimeClassName", Text),
    ("schedulerName", Text),
    ("schedulingGates", Anything),
    ("schedulingGroup", Anything),
    ("securityContext", Anything),
    ("serviceAccount", Text),
    ("serviceAccountName", Text),
    ("setHostnameAsFQDN", Flag),
    ("shareProcessNamespace", Flag),
    ("subdomain", Text),
    ("terminationGracePeriodSeconds", Number),
    ("tolerations", Anything),
    ("topologySpreadConstraints", Anything),
    ("volumes", Anything),
    ("workloadRef", Anything),
]);
const TEMPLATE: Shape = Object(&[("metadata", METADATA), ("spec", POD_SPEC)]);

/// The members every object has, and then those of one kind.
macro_rules! object {
    ($($name:literal : $shape:expr),* $(,)?) => {
        Object(&[
            ("apiVersion", Text),
            ("kind", Text),
            ("metadata", METADATA),
            $(($name, $shape)),*
        ])
    };
}

/// Only the top is known.
const USUAL: Shape = object!("spec": Anything, "status": Anything);
const SPEC: Shape = object!("spec": Anything);

const SCALED: Shape = object! {
    "spec": Object(&[
        ("minReadySeconds", Number),
        ("paused", Flag),
        ("progressDeadlineSeconds", Number),
        ("replicas", Number),
        ("revisionHistoryLimit", Number),
        ("selector", Anything),
        ("strategy", Anything),
        ("template", TEMPLATE),
    ]),
    "status": Anything,
};
const EVENT: Shape = object! {
    "action": Text,
    "count": Number,
    "deprecatedCount": Number,
    "deprecatedFirstTimestamp": Text,
    "deprecatedLastTimestamp": Text,
    "deprecatedSource": Anything,
    "eventTime": Text,
    "firstTimestamp": Text,
    "involvedObject": Anything,
    "lastTimestamp": Text,
    "message": Text,
    "note": Text,
    "reason": Text,
    "regarding": Anything,
    "related": Anything,
    "reportingComponent": Text,
    "reportingController": Text,
    "reportingInstance": Text,
    "series": Anything,
    "source": Anything,
    "type": Text,
};

/// Group, resource, shape. A kind that is not listed is not judged.
static KINDS: &[(&str, &str, Shape)] = &[
    (
        "",
        "configmaps",
        object!("binaryData": Map(&BYTES), "data": TEXTS, "immutable": Flag),
    ),
    ("", "endpoints", object!("subsets": Anything)),
    ("", "events", EVENT),
    ("", "limitranges", SPEC),
    ("", "namespaces", USUAL),
    ("", "nodes", USUAL),
    ("", "persistentvolumeclaims", USUAL),
    ("", "persistentvolumes", USUAL),
    ("", "pods", object!("spec": POD_SPEC, "status": Anything)),
    ("", "podtemplates", object!("template": TEMPLATE)),
    ("", "replicationcontrollers", SCALED),
    ("", "resourcequotas", USUAL),
    (
        "",
        "secrets",
        object! {
            "data": Map(&BYTES),
            "immutable": Flag,
            "stringData": TEXTS,
            "type": Text,
        },
    ),
    (
        "",
        "serviceaccounts",
        object! {
            "automountServiceAccountToken": Flag,
            "imagePullSecrets": Anything,
            "secrets": Anything,
        },
    ),
    ("", "services", USUAL),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        object!("webhooks": Anything),
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        object!("webhooks": Anything),
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions", USUAL),
    ("apiregistration.k8s.io", "apiservices", USUAL),
    (
        "apps",
        "controllerrevisions",
        object!("data": Anything, "revision": Number),
    ),
    ("apps", "daemonsets", WORKLOAD),
    ("apps", "deployments", SCALED),
    ("apps", "replicasets", SCALED),
    ("apps", "statefulsets", WORKLOAD),
    ("autoscaling", "horizontalpodautoscalers", USUAL),
    (
        "batch",
        "cronjobs",
        object! {
            "spec": Object(&[
                ("concurrencyPolicy", Text),
                ("failedJobsHistoryLimit", Number),
                ("jobTemplate", Object(&[
                    ("metadata", METADATA),
                    ("spec", JOB_SPEC),
                ])),
                ("schedule", Text),
                ("startingDeadlineSeconds", Number),
                ("successfulJobsHistoryLimit", Number),
                ("suspend", Flag),
                ("timeZone", Text),
            ]),
            "status": Anything,
        },
    ),
    (
        "batch",
        "jobs",
        object!("spec": JOB_SPEC, "status": Anything),
    ),
    ("certificates.k8s.io", "certificatesigningrequests", USUAL),
    ("coordination.k8s.io", "leases", SPEC),
    ("networking.k8s.io", "ingresses", USUAL),
    ("networking.k8s.io", "networkpolicies", USUAL),
    ("policy", "poddisruptionbudgets", USUAL),
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        object!("roleRef": Anything, "subjects": Anything),
    ),
    (
        "rbac.authorization.k8s.io",
        "clusterroles",
        object!("aggregationRule": Anything, "rules": Anything),
    ),
    (
        "rbac.authorization.k8s.io",
        "rolebindings",
        object!("roleRef": Anything, "subjects": Anything),
    ),
    (
        "rbac.authorization.k8s.io",
        "roles",
        object!("rules": Anything),
    ),
];

const WORKLOAD: Shape = object! {
    "spec": Object(&[
        ("minReadySeconds", Number),
        ("ordinals", Anything),
        ("persistentVolumeClaimRetentionPolicy", Anything),
        ("podManagementPolicy", Text),
        ("replicas", Number),
        ("revisionHistoryLimit", Number),
        ("selector", Anything),
        ("serviceName", Text),
        ("template", TEMPLATE),
        ("updateStrategy", Anything),
        ("volumeClaimTemplates", Anything),
    ]),
    "status": Anything,
};
const JOB_SPEC: Shape = Object(&[
    ("activeDeadlineSeconds", Number),
    ("backoffLimit", Number),
    ("backoffLimitPerIndex", Number),
    ("completionMode", Text),
    ("completions", Number),
    ("managedBy", Text),
    ("manualSelector", Flag),
    ("maxFailedIndexes", Number),
    ("parallelism", Number),
    ("podFailurePolicy", Anything),
    ("podReplacementPolicy", Text),
    ("selector", Anything),
    ("successPolicy", Anything),
    ("suspend", Flag),
    ("template", TEMPLATE),
    ("ttlSecondsAfterFinished", Number),
]);

/// The number of a kind whose shape is known.
pub(super) fn kind_of(group: &str, resource: &str) -> Option<usize> {
    KINDS
        .iter()
        .position(|(own, name, _)| (*own, *name) == (group, resource))
}

/// The kind of a number.
pub(super) fn kind_at(index: usize) -> Option<(&'static str, &'static str, &'static Shape)> {
    KINDS
        .get(index)
        .map(|(group, resource, shape)| (*group, *resource, shape))
}

/// The shape of a kind.
pub(crate) fn shape_of(group: &str, resource: &str) -> Option<&'static Shape> {
    kind_at(kind_of(group, resource)?).map(|(_, _, shape)| shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(resource: &str, path: &FieldPath) -> Result<bool, String> {
        let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
        let shape = shape_of(group, name).ok_or("not known")?;
        match shape.reach(path) {
            Reach::At(_) => Ok(true),
            Reach::Open => Ok(false),
            Reach::Nowhere(why) => Err(why),
        }
    }

    #[test]
    fn follows_paths_as_far_as_it_knows() {
        for (resource, path, expected) in [
            ("secrets", "data.*", Ok(true)),
            ("secrets", "data.pw", Ok(true)),
            ("secrets", "**.pw", Ok(false)),
            ("secrets", "*.pw", Ok(false)),
            ("secrets", "date.*", Err("did you mean `data`?")),
            (
                "secrets",
                "data.pw.x",
                Err("`data.pw` is a value with nothing below it"),
            ),
            (
                "secrets",
                "data[*]",
                Err("`data` is an object and no list; write `data.*`"),
            ),
            (
                "pods",
                "spec.containers.env",
                Err("`spec.containers` is a list; write `spec.containers[*]`"),
            ),
            ("pods", "spec.containers[*].env[name=x].value", Ok(true)),
            ("pods", "spec.volumes[*].anything", Ok(false)),
            (
                "deployments.apps",
                "spec.template.spec.containers[*].image",
                Ok(true),
            ),
            (
                "cronjobs.batch",
                "spec.jobTemplate.spec.template.spec.containers[*].args[*]",
                Ok(true),
            ),
            ("pods", "metadata.labels['a.b/c']", Ok(true)),
        ] {
            let found = reached(resource, &FieldPath::parse(path).unwrap());
            assert_eq!(found, expected.map_err(str::to_owned), "{resource} {path}");
        }
    }

    #[test]
    fn every_kind_is_built_in() {
        for (group, resource, _) in KINDS {
            assert!(
                gateway_kubeapi::builtin_scope(group, resource).is_some(),
                "{resource}.{group}"
            );
        }
    }
}
