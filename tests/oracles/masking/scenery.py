"""Objects of the other built-in kinds: a few members each, most of them of no interest to masks."""

from manifests import Manifests


class Scenery(Manifests):
    def namespaced(self, namespace):
        meta = lambda name: self.metadata(name, namespace)
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("robot"), "secrets": [{"name": "sa-token"}]}
        yield self.applied(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta("web"),
                "spec": {"selector": {"app": "x"}, "ports": [{"name": "web", "port": 80}]},
            }
        )
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta("outside"),
            "spec": {"type": "ExternalName", "externalName": "db.corp.example.org"},
        }
        yield {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": meta("outside"),
            "subsets": [{"addresses": [{"ip": "192.0.2.7", "hostname": "db"}], "ports": [{"port": 5432, "name": "db"}]}],
        }
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta("slice"),
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.8"], "hostname": "db", "zone": "z1"}],
            "ports": [{"port": 5432, "name": "db"}],
        }
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": meta("claim"),
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "fast",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        yield {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": meta("quota"),
            "spec": {"hard": {"count/widgets.oracle.example": "100", "requests.storage": "100Gi"}},
        }
        yield {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": meta("limits"),
            "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "10Gi"}}]},
        }
        for number in range(3):
            yield {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": meta(f"event-{number}"),
                "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "pod-0"},
                "reason": "Failed",
                "message": self.sentence(),
                "type": "Warning",
                "count": number + 1,
                "firstTimestamp": "2026-01-02T03:04:05Z",
                "lastTimestamp": "2026-01-02T03:04:05Z",
                "source": {"component": "oracle"},
            }
        yield {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": meta("event-new"),
            "eventTime": "2026-01-02T03:04:05.000006Z",
            "regarding": {"kind": "Pod", "namespace": namespace, "name": "pod-0"},
            "reason": "Failed",
            "note": self.sentence(),
            "type": "Normal",
            "action": "look",
            "reportingController": "oracle.example/x",
            "reportingInstance": "x-1",
        }
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": meta("web"),
            "spec": {
                "ingressClassName": "oracle",
                "tls": [{"hosts": ["web.corp.example.org"], "secretName": "tls"}],
                "rules": [
                    {
                        "host": "web.corp.example.org",
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "web", "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ],
            },
        }
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": meta("net"),
            "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]},
        }
        yield {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": meta("budget"),
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}},
        }
        yield {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": meta("auto"),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "deployment-0"},
                "maxReplicas": 3,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                    }
                ],
            },
        }
        yield {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": meta("look"),
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]}],
        }
        yield {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": meta("look"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada@corp.example.org"}],
        }
        yield {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": meta("lead"),
            "spec": {"holderIdentity": self.sentence()[:60], "leaseDurationSeconds": 15},
        }
        yield {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaimTemplate",
            "metadata": meta("gpu"),
            "spec": {
                "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.org"}}]}}
            },
        }

    def wide(self):
        """What is in no namespace."""
        meta = self.metadata
        never = {"apiGroups": ["never.example.org"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}
        bundle = self.base64("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        hook = lambda number: {
            "name": f"hook{number}.oracle.example",
            "clientConfig": {"url": f"https://hook{number}.corp.example.org/check?token={self.text(12)}"},
            "rules": [never],
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        for number in range(2):
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": meta(f"node-{number}"),
                "spec": {"providerID": "x://" + self.text(12), "podCIDR": f"192.0.{number}.0/24"},
            }
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": meta("volume"),
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "csi": {"driver": "csi.oracle.example", "volumeHandle": "h", "volumeAttributes": {"key": self.text(20)}},
            },
        }
        yield {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta("soon"), "value": 7,
               "description": self.sentence()}
        yield {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": meta("fast"),
               "provisioner": "csi.oracle.example", "parameters": {"secret": self.text(12), "tier": "a"}}
        yield {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": meta("csi.oracle.example"),
               "spec": {"attachRequired": True}}
        yield {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": meta("node-0"),
               "spec": {"drivers": [{"name": "csi.oracle.example", "nodeID": self.text(9)}]}}
        yield {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "VolumeAttachment",
            "metadata": meta("attached"),
            "spec": {"attacher": "csi.oracle.example", "nodeName": "node-0", "source": {"persistentVolumeName": "volume"}},
        }
        yield {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": meta("sandbox"), "handler": "sandbox"}
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": meta("oracle"),
            "spec": {"controller": "oracle.example/ingress"},
        }
        yield {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": meta("oracle"),
            "rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}],
        }
        yield {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta("oracle"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "oracle"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada@corp.example.org"}],
        }
        for kind in ("Validating", "Mutating"):
            hooks = [hook(0), hook(1)]
            hooks[1]["clientConfig"]["caBundle"] = bundle
            hooks[1]["clientConfig"]["url"] = "https://hook1.corp.example.org/check"
            for each in hooks:
                each["clientConfig"]["url"] = each["clientConfig"]["url"].split("?")[0]
            yield {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": f"{kind}WebhookConfiguration",
                "metadata": meta("oracle"),
                "webhooks": hooks,
            }
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": meta("oracle.example"),
            "spec": {
                "failurePolicy": "Ignore",
                "matchConstraints": {"resourceRules": [never]},
                "validations": [{"expression": "object.spec.x > 1", "message": self.sentence()[:80].replace("\n", " ")}],
            },
        }
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": meta("oracle.example"),
            "spec": {"policyName": "oracle.example", "validationActions": ["Audit"]},
        }
        yield {
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "FlowSchema",
            "metadata": meta("oracle"),
            "spec": {"priorityLevelConfiguration": {"name": "global-default"}, "matchingPrecedence": 9000},
        }
        yield {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": meta("gpu.example.org"),
               "spec": {"selectors": [{"cel": {"expression": "device.driver == 'x'"}}]}}
