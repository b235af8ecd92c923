"""What is known of built-in kinds: fields that hold bytes, pod templates, fields that managedFields
never show, columns of Tables. The tables of docs/masks.md, as data."""

from paths import ANY_DEPTH, ANY_ELEMENT, ANY_KEY, ELEMENT, KEY, may_meet, parse

LAST_APPLIED = parse("metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']")
MANAGED_FIELDS = parse("metadata.managedFields")

# Subresources that answer with something else than their object.
STREAMS = ("attach", "exec", "log", "portforward", "proxy")
OWN_ANSWERS = ("binding", "eviction", "token")

TEMPLATES = {
    "podtemplates": "template",
    "replicationcontrollers": "spec.template",
    "controllerrevisions.apps": "data.spec.template",
    "daemonsets.apps": "spec.template",
    "deployments.apps": "spec.template",
    "replicasets.apps": "spec.template",
    "statefulsets.apps": "spec.template",
    "cronjobs.batch": "spec.jobTemplate.spec.template",
    "jobs.batch": "spec.template",
}

BYTE_FIELDS = {
    "configmaps": ["binaryData.*"],
    "secrets": ["data.*"],
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": ["webhooks[*].clientConfig.caBundle"],
    "validatingwebhookconfigurations.admissionregistration.k8s.io": ["webhooks[*].clientConfig.caBundle"],
    "customresourcedefinitions.apiextensions.k8s.io": ["spec.conversion.webhook.clientConfig.caBundle"],
    "apiservices.apiregistration.k8s.io": ["spec.caBundle"],
    "certificatesigningrequests.certificates.k8s.io": ["spec.request", "status.certificate"],
}


def byte_fields(kind):
    return [parse(text) for text in BYTE_FIELDS.get(kind, ())]


# ── managedFields ────────────────────────────────────────────────────────────────────────────────

VALUE, VALUES, LIST, OPEN = "a value", "a map of values", "a list of values", "not looked into"


def _fields(values="", maps="", lists="", opened="", **inner):
    """An object with these members."""
    found = dict.fromkeys(values.split(), VALUE)
    found.update(dict.fromkeys(maps.split(), VALUES))
    found.update(dict.fromkeys(lists.split(), LIST))
    found.update(dict.fromkeys(opened.split(), OPEN))
    found.update(inner)
    return found


_METADATA = _fields(
    values="creationTimestamp deletionGracePeriodSeconds deletionTimestamp generateName generation name namespace"
    " resourceVersion selfLink uid",
    maps="annotations labels",
    lists="finalizers",
    opened="managedFields ownerReferences",
)
_CONTAINER = _fields(
    values="image imagePullPolicy name restartPolicy stdin stdinOnce targetContainerName terminationMessagePath"
    " terminationMessagePolicy tty workingDir",
    lists="args command",
    opened="envFrom lifecycle livenessProbe ports readinessProbe resizePolicy resources restartPolicyRules"
    " securityContext startupProbe volumeDevices volumeMounts",
    env=[_fields(values="name value", opened="valueFrom")],
)
_POD = _fields(
    values="activeDeadlineSeconds automountServiceAccountToken dnsPolicy enableServiceLinks hostIPC hostNetwork"
    " hostPID hostUsers hostname hostnameOverride nodeName preemptionPolicy priority priorityClassName"
    " restartPolicy runtimeClassName schedulerName serviceAccount serviceAccountName setHostnameAsFQDN"
    " shareProcessNamespace subdomain terminationGracePeriodSeconds",
    maps="nodeSelector",
    opened="affinity dnsConfig hostAliases imagePullSecrets os overhead readinessGates resourceClaims resources"
    " schedulingGates schedulingGroup securityContext tolerations topologySpreadConstraints volumes workloadRef",
    containers=[_CONTAINER],
    ephemeralContainers=[_CONTAINER],
    initContainers=[_CONTAINER],
)
_TEMPLATE = {"metadata": _METADATA, "spec": _POD}
_SCALED = _fields(
    values="minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit",
    opened="selector strategy",
    template=_TEMPLATE,
)
_WORKLOAD = _fields(
    values="minReadySeconds podManagementPolicy replicas revisionHistoryLimit serviceName",
    opened="ordinals persistentVolumeClaimRetentionPolicy selector updateStrategy volumeClaimTemplates",
    template=_TEMPLATE,
)
_JOB = _fields(
    values="activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy"
    " manualSelector maxFailedIndexes parallelism podReplacementPolicy suspend ttlSecondsAfterFinished",
    opened="podFailurePolicy selector successPolicy",
    template=_TEMPLATE,
)
_CRON_JOB = _fields(
    values="concurrencyPolicy failedJobsHistoryLimit schedule startingDeadlineSeconds successfulJobsHistoryLimit"
    " suspend timeZone",
    jobTemplate={"metadata": _METADATA, "spec": _JOB},
)
_EVENT = _fields(
    values="action count deprecatedCount deprecatedFirstTimestamp deprecatedLastTimestamp eventTime firstTimestamp"
    " lastTimestamp message note reason reportingComponent reportingController reportingInstance type",
    opened="deprecatedSource involvedObject regarding related series source",
)


def _kind(**fields):
    return dict(_fields(values="apiVersion kind"), metadata=_METADATA, **fields)


_USUAL = _kind(spec=OPEN, status=OPEN)
_SPEC = _kind(spec=OPEN)

KINDS = {
    "configmaps": _kind(**_fields(values="immutable", maps="binaryData data")),
    "endpoints": _kind(subsets=OPEN),
    "events": _kind(**_EVENT),
    "limitranges": _SPEC,
    "pods": _kind(spec=_POD, status=OPEN),
    "podtemplates": _kind(template=_TEMPLATE),
    "replicationcontrollers": _kind(spec=_SCALED, status=OPEN),
    "secrets": _kind(**_fields(values="immutable type", maps="data stringData")),
    "serviceaccounts": _kind(automountServiceAccountToken=VALUE, imagePullSecrets=OPEN, secrets=OPEN),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _kind(webhooks=OPEN),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _kind(webhooks=OPEN),
    "controllerrevisions.apps": _kind(data=OPEN, revision=VALUE),
    "daemonsets.apps": _kind(spec=_WORKLOAD, status=OPEN),
    "deployments.apps": _kind(spec=_SCALED, status=OPEN),
    "replicasets.apps": _kind(spec=_SCALED, status=OPEN),
    "statefulsets.apps": _kind(spec=_WORKLOAD, status=OPEN),
    "cronjobs.batch": _kind(spec=_CRON_JOB, status=OPEN),
    "jobs.batch": _kind(spec=_JOB, status=OPEN),
    "leases.coordination.k8s.io": _SPEC,
    "clusterrolebindings.rbac.authorization.k8s.io": _kind(roleRef=OPEN, subjects=OPEN),
    "clusterroles.rbac.authorization.k8s.io": _kind(aggregationRule=OPEN, rules=OPEN),
    "rolebindings.rbac.authorization.k8s.io": _kind(roleRef=OPEN, subjects=OPEN),
    "roles.rbac.authorization.k8s.io": _kind(rules=OPEN),
}
KINDS.update(
    dict.fromkeys(
        "namespaces nodes persistentvolumeclaims persistentvolumes resourcequotas services"
        " customresourcedefinitions.apiextensions.k8s.io apiservices.apiregistration.k8s.io"
        " horizontalpodautoscalers.autoscaling certificatesigningrequests.certificates.k8s.io"
        " ingresses.networking.k8s.io networkpolicies.networking.k8s.io poddisruptionbudgets.policy".split(),
        _USUAL,
    )
)

# Names by which elements of lists are told apart.
_LIST_NAMES = set(
    b"containerPort devicePath ip key mountPath name port protocol topologyKey type uid whenUnsatisfiable".split()
)


def managers_may_show(kind, steps):
    """Whether managedFields of the kind could hold a value at this path."""
    if len(steps) == 3 and steps[0] == (KEY, b"metadata") and steps[1] in ((KEY, b"annotations"), (KEY, b"labels")):
        return False
    if kind not in KINDS:
        return True
    elements = (ANY_ELEMENT, ELEMENT)
    if len(steps) > 1 and steps[-1][0] == KEY and steps[-1][1] in _LIST_NAMES:
        if steps[-2][0] in elements + (ANY_DEPTH,):
            return True
    at = KINDS[kind]
    for step in steps:
        if step[0] == ANY_DEPTH or at == OPEN or (isinstance(at, dict) and step[0] == ANY_KEY):
            return True
        if isinstance(at, dict):
            if step[0] != KEY or step[1].decode() not in at:
                return False
            at = at[step[1].decode()]
        elif isinstance(at, list):
            if step[0] not in elements:
                return False
            at = at[0]
        elif at == VALUES and step[0] in (KEY, ANY_KEY):
            at = VALUE
        elif at == LIST and step[0] in elements:
            at = VALUE
        else:
            return False
    if at == VALUE:
        return bool(steps) and steps[-1][0] in elements
    return at != VALUES


# ── Tables ───────────────────────────────────────────────────────────────────────────────────────

_WORKLOAD_CELLS = (
    "spec.replicas spec.selector spec.template.spec.containers[*].name spec.template.spec.containers[*].image status"
)
CELLS = {
    "configmaps": "",
    "namespaces": "status.phase",
    "pods": "spec.initContainers[*].name spec.containers[*].name spec.initContainers[*].restartPolicy spec.nodeName"
    " spec.readinessGates status",
    "podtemplates": "template.spec.containers[*].name template.spec.containers[*].image template.metadata.labels",
    "replicationcontrollers": _WORKLOAD_CELLS,
    "secrets": "type",
    "serviceaccounts": "secrets",
    "services": "spec status",
    "controllerrevisions.apps": "metadata.ownerReferences revision",
    "daemonsets.apps": "spec.selector spec.template.spec.nodeSelector spec.template.spec.containers[*].name"
    " spec.template.spec.containers[*].image status",
    "deployments.apps": _WORKLOAD_CELLS,
    "replicasets.apps": _WORKLOAD_CELLS,
    "statefulsets.apps": _WORKLOAD_CELLS,
    "cronjobs.batch": "spec.schedule spec.timeZone spec.suspend spec.jobTemplate.spec.selector"
    " spec.jobTemplate.spec.template.spec.containers[*].name"
    " spec.jobTemplate.spec.template.spec.containers[*].image status",
    "jobs.batch": "spec.completions spec.parallelism spec.suspend spec.selector"
    " spec.template.spec.containers[*].name spec.template.spec.containers[*].image status",
}
_EVERY_CELL = "metadata.name metadata.namespace metadata.creationTimestamp metadata.deletionTimestamp"


def cells_may_show(kind, steps):
    """Whether a Table of the kind could print a value at this path."""
    if kind not in CELLS:
        return True
    printed = (CELLS[kind] + " " + _EVERY_CELL).split()
    return any(may_meet(steps, parse(text)) for text in printed)
