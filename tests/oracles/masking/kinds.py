"""The kinds of the differential, and where they are served."""


class Kind:
    def __init__(self, row):
        api, self.plural, self.name, scope, subresources = row
        self.group, _, self.version = api.rpartition("/")
        self.prefix = f"/apis/{api}" if self.group else f"/api/{api}"
        self.namespaced = scope == "ns"
        self.subresources = subresources.split()
        # As policies name it.
        self.key = f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace=None, name=None, subresource=None, watch=False):
        parts = [self.prefix]
        if watch:
            parts.append("watch")
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


_ROWS = """
v1 namespaces Namespace - status
v1 nodes Node - status
v1 secrets Secret ns
v1 configmaps ConfigMap ns
v1 pods Pod ns status,ephemeralcontainers
v1 podtemplates PodTemplate ns
v1 replicationcontrollers ReplicationController ns status,scale
v1 services Service ns status
v1 endpoints Endpoints ns
v1 serviceaccounts ServiceAccount ns
v1 persistentvolumes PersistentVolume - status
v1 persistentvolumeclaims PersistentVolumeClaim ns status
v1 events Event ns
v1 resourcequotas ResourceQuota ns status
v1 limitranges LimitRange ns
apps/v1 deployments Deployment ns status,scale
apps/v1 statefulsets StatefulSet ns status,scale
apps/v1 daemonsets DaemonSet ns status
apps/v1 replicasets ReplicaSet ns status,scale
apps/v1 controllerrevisions ControllerRevision ns
batch/v1 jobs Job ns status
batch/v1 cronjobs CronJob ns status
autoscaling/v2 horizontalpodautoscalers HorizontalPodAutoscaler ns status
policy/v1 poddisruptionbudgets PodDisruptionBudget ns status
networking.k8s.io/v1 ingresses Ingress ns status
networking.k8s.io/v1 networkpolicies NetworkPolicy ns
networking.k8s.io/v1 ingressclasses IngressClass -
networking.k8s.io/v1 servicecidrs ServiceCIDR - status
networking.k8s.io/v1 ipaddresses IPAddress -
discovery.k8s.io/v1 endpointslices EndpointSlice ns
rbac.authorization.k8s.io/v1 roles Role ns
rbac.authorization.k8s.io/v1 rolebindings RoleBinding ns
rbac.authorization.k8s.io/v1 clusterroles ClusterRole -
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding -
scheduling.k8s.io/v1 priorityclasses PriorityClass -
storage.k8s.io/v1 storageclasses StorageClass -
storage.k8s.io/v1 csidrivers CSIDriver -
storage.k8s.io/v1 csinodes CSINode -
storage.k8s.io/v1 volumeattachments VolumeAttachment - status
coordination.k8s.io/v1 leases Lease ns
events.k8s.io/v1 events Event ns
certificates.k8s.io/v1 certificatesigningrequests CertificateSigningRequest - status,approval
admissionregistration.k8s.io/v1 validatingwebhookconfigurations ValidatingWebhookConfiguration -
admissionregistration.k8s.io/v1 mutatingwebhookconfigurations MutatingWebhookConfiguration -
admissionregistration.k8s.io/v1 validatingadmissionpolicies ValidatingAdmissionPolicy - status
admissionregistration.k8s.io/v1 validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding -
node.k8s.io/v1 runtimeclasses RuntimeClass -
flowcontrol.apiserver.k8s.io/v1 flowschemas FlowSchema - status
flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations PriorityLevelConfiguration - status
resource.k8s.io/v1 deviceclasses DeviceClass -
resource.k8s.io/v1 resourceclaimtemplates ResourceClaimTemplate ns
apiregistration.k8s.io/v1 apiservices APIService - status
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition - status
oracle.example/v1 widgets Widget ns status,scale
oracle.example/v1 records Record ns
oracle.example/v1 vaults Vault -
bitnami.com/v1alpha1 sealedsecrets SealedSecret ns
external-secrets.io/v1 externalsecrets ExternalSecret ns
"""


def _parsed(line):
    api, plural, name, scope, *subresources = line.split()
    return Kind((api, plural, name, scope, " ".join(subresources).replace(",", " ")))


KINDS = [_parsed(line) for line in _ROWS.strip().splitlines()]


def of_manifest(manifest):
    """The kind of an object."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    for kind in KINDS:
        if (kind.group, kind.version, kind.name) == (group, version, manifest["kind"]):
            return kind
    raise LookupError(manifest["kind"])
