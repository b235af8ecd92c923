"""Objects of many kinds, random and repeatable: what a cluster holds, with what masks are for in it."""

import base64
import gzip
import json
import string

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TEXT = string.ascii_letters + string.digits
NASTY = [
    "",
    "*",
    "a.b",
    "[*]",
    "data",
    "Data",
    "it's",
    'say "no"',
    "back\\slash",
    "a<b>&c",
    "line\nbreak",
    "\u2028tab\t",
    "gr\u00fc\u00dfe",
    "\u65e5\u672c",
    "\U0001f511",
    "name",
    "items",
    "\u0001",
]


class Content:
    """Makes objects. All randomness comes from one generator."""

    def __init__(self, random):
        self.random = random

    # ── pieces ──

    def word(self, low=3, high=9):
        return "".join(self.random.choices(string.ascii_lowercase, k=self.random.randint(low, high)))

    def text(self, length):
        return "".join(self.random.choices(TEXT, k=length))

    def base64(self, text):
        return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()

    def jwt(self):
        return f"eyJ{self.text(17)}.eyJ{self.text(30)}.{self.text(43)}"

    def pem(self):
        kind = self.random.choice(["", "RSA ", "EC ", "ENCRYPTED "])
        lines = "\n".join(self.text(64) for _ in range(3))
        end = f"\n-----END {kind}PRIVATE KEY-----\n" if self.random.random() < 0.8 else ""
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}{end}"

    def card(self):
        digits = [4] + [self.random.randint(0, 9) for _ in range(14)]
        for last in range(10):
            whole = digits + [last]
            total = sum(d if at % 2 == 0 else sum(divmod(2 * d, 10)) for at, d in enumerate(reversed(whole)))
            if total % 10 == 0:
                text = "".join(map(str, whole))
                mark = self.random.choice(["", " ", "-"])
                return mark.join(text[at : at + 4] for at in range(0, 16, 4))
        raise AssertionError("one digit fits")

    def iban(self):
        account = "".join(self.random.choices(string.digits, k=18))
        check = 98 - int(account + "131400") % 97
        text = f"DE{check:02}{account}"
        if self.random.random() < 0.5:
            return " ".join(text[at : at + 4] for at in range(0, 22, 4))
        return text

    def secret(self):
        """Something that a detector finds, or nearly."""
        return self.random.choice(
            [
                self.jwt,
                self.pem,
                self.card,
                self.iban,
                lambda: "AKIA" + self.text(16).upper(),
                lambda: "ghp_" + self.text(36),
                lambda: "github_pat_" + self.text(30),
                lambda: "xoxb-" + self.text(24),
                lambda: f"{self.word()}.{self.word()}@{self.word()}.example.org",
                lambda: "session=" + self.random.randbytes(16).hex(),
                lambda: "AKIA" + self.text(9),
                lambda: "4111111111111112",
                lambda: "eyJ.not.one",
            ]
        )()

    def sentence(self):
        words = [self.word() for _ in range(self.random.randint(1, 5))]
        for _ in range(self.random.randint(0, 2)):
            words.insert(self.random.randint(0, len(words)), self.secret())
        if self.random.random() < 0.3:
            words.append(self.random.choice(NASTY))
        return self.random.choice([" ", ", ", "\n", ": "]).join(words)

    def phone(self):
        return f"+49 {self.random.randint(100, 999)} {self.random.randint(1000, 9999999)}"

    def number(self):
        return self.random.choice(
            [0, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.1, 1e300, 5e-324, 1.0, 1e21, self.random.random()]
        )

    def nasty(self, depth=0):
        """Any JSON."""
        pick = self.random.random()
        if depth > 4 or pick < 0.45:
            return self.random.choice(
                [self.number, self.sentence, lambda: None, lambda: True, lambda: False, lambda: "", lambda: {}, list]
            )()
        if pick < 0.75:
            names = self.random.sample(NASTY, k=self.random.randint(1, 5)) + [self.word()]
            return {name: self.nasty(depth + 1) for name in names}
        elements = [self.nasty(depth + 1) for _ in range(self.random.randint(0, 4))]
        if self.random.random() < 0.5:
            elements += [{"name": name, "value": self.nasty(depth + 1)} for name in ("proxy", "app")]
        return elements

    def deep(self, levels):
        value = self.sentence()
        for level in range(levels):
            value = [value] if level % 3 == 0 else {self.random.choice(["deep", "name", "x.y"]): value}
        return value

    def document(self):
        """A document in a text: mostly JSON."""
        inner = {"user": self.word(), "password": self.text(12), "hosts": [self.word(), self.word()], "port": 5432}
        inner["nested"] = {"token": self.jwt(), "empty": {}, "html": "<b>&</b>"}
        pick = self.random.random()
        if pick < 0.1:
            return "{not json"
        if pick < 0.2:
            return "user: x\npassword: y\n"
        if pick < 0.3:
            return '{"password":"one","pass\\u0077ord":"two","password":3,"n":1e400}'
        if pick < 0.5:
            return json.dumps(inner, indent=self.random.choice([1, 2, "\t"]), ensure_ascii=False)
        return json.dumps(inner)

    # ── metadata ──

    def metadata(self, name, namespace=None, more=None):
        found = {"name": name, "labels": {"oracle": "masking", "team": self.word()}}
        if namespace:
            found["namespace"] = namespace
        annotations = {"corp.example/owner-phone": self.phone(), "note": self.sentence()}
        if self.random.random() < 0.5:
            annotations["corp.example/contact"] = self.sentence()
        if self.random.random() < 0.3:
            annotations["kapp.k14s.io/original"] = self.document()
        annotations.update(more or {})
        found["annotations"] = annotations
        if self.random.random() < 0.2:
            found["finalizers"] = ["corp.example/" + self.word()]
        return found

    def applied(self, manifest):
        """The object with the annotation of `kubectl apply`, or one that is broken."""
        pick = self.random.random()
        if pick < 0.3:
            return manifest
        if pick < 0.35:
            text = self.random.choice(["", "no json", '{"data":', "null", '"text"', "[1,2]"])
        else:
            text = json.dumps(
                manifest,
                separators=(",", ":") if pick < 0.8 else (", ", ": "),
                ensure_ascii=self.random.random() < 0.5,
                indent=None if pick < 0.9 else 1,
            )
            text += "\n" if pick < 0.7 else ""
        manifest["metadata"].setdefault("annotations", {})[LAST_APPLIED] = text
        return manifest

    # ── pods ──

    def env(self):
        return [
            {"name": "PASSWORD", "value": self.text(12)},
            {"name": "TOKEN", "value": self.jwt()},
            {"name": "CONFIG", "value": self.document()},
            {"name": "EMPTY", "value": ""},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": self.word().upper(), "value": self.sentence()},
        ]

    def container(self, name):
        found = {
            "name": name,
            "image": f"registry.example/{self.word()}:{self.random.randint(1, 9)}",
            "args": ["--token=" + self.text(20), self.sentence(), "--mail", f"{self.word()}@corp.example.org"],
            "env": self.env(),
            "ports": [{"name": "web", "containerPort": 8080}],
            "livenessProbe": {
                "httpGet": {"path": "/", "port": 8080, "httpHeaders": [{"name": "Authorization", "value": self.jwt()}]}
            },
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        }
        if name == "init":
            # A probe of what ends is refused.
            del found["livenessProbe"]
        return found

    def pod_spec(self, restart="Always"):
        return {
            "restartPolicy": restart,
            "serviceAccountName": "default",
            "initContainers": [self.container("init")],
            "containers": [self.container("app"), self.container("proxy")],
            "volumes": [{"name": "v", "secret": {"secretName": "db", "optional": True}}],
            "nodeSelector": {"pool": self.word()},
            "tolerations": [{"key": "k", "operator": "Exists"}],
        }

    def template(self, restart="Always"):
        return {
            "metadata": {"labels": {"app": "x"}, "annotations": {"corp.example/owner-phone": self.phone()}},
            "spec": self.pod_spec(restart),
        }

    # ── kinds ──

    def secrets(self, namespace):
        strings = lambda **items: {name: self.base64(value) for name, value in items.items()}
        release = gzip.compress(json.dumps({"chart": self.word(), "config": {"password": self.text(9)}}).encode(), mtime=0)
        docker = json.dumps({"auths": {"registry.example": {"auth": self.base64("u:" + self.text(9))}}})
        for kind, data in [
            ("Opaque", {"password": self.base64(self.text(14)), "pin": self.base64("12345678"), "": ""}),
            ("Opaque", {"config.json": self.base64(self.document()), "raw": self.base64(self.random.randbytes(40))}),
            ("kubernetes.io/basic-auth", strings(username="admin", password=self.text(20))),
            ("kubernetes.io/ssh-auth", {"ssh-privatekey": self.base64(self.pem())}),
            ("kubernetes.io/tls", {"tls.crt": self.base64(self.text(90)), "tls.key": self.base64(self.pem())}),
            ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": self.base64(docker)}),
            ("kubernetes.io/dockercfg", {".dockercfg": self.base64(docker)}),
            ("helm.sh/release.v1", {"release": self.base64(self.base64(release))}),
            ("corp.example/strange", {"phone": self.base64(self.phone()), "none": ""}),
        ]:
            data.pop("", None)
            name = kind.split("/")[-1].lower().replace(".", "-") + "-" + self.word()
            yield self.applied(
                {"apiVersion": "v1", "kind": "Secret", "metadata": self.metadata(name, namespace), "type": kind, "data": data}
            )
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self.metadata("sa-token", namespace, {"kubernetes.io/service-account.name": "default"}),
            "type": "kubernetes.io/service-account-token",
            "data": {"extra": self.base64(self.jwt())},
        }
        yield self.applied(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": self.metadata("strings", namespace),
                "stringData": {"a": self.sentence(), "b.json": self.document()},
                "immutable": True,
            }
        )

    def configmaps(self, namespace):
        for number in range(4):
            data = {
                "app.json": self.document(),
                "app.yaml": self.document(),
                "kubeconfig": self.sentence(),
                "phone": self.phone(),
                "wrapped": self.base64(self.document()),
                "key.pem": self.pem(),
                "html": "<a href='x'>&</a>\u2028",
                "empty": "",
            }
            yield self.applied(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": self.metadata(f"cm-{number}-{self.word()}", namespace),
                    "data": dict(self.random.sample(sorted(data.items()), k=self.random.randint(3, 8))),
                    "binaryData": {"bin": self.base64(self.random.randbytes(30)), "pin": self.base64("4242 4242 123")},
                }
            )
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata("large", namespace),
            "data": {"log": self.jwt() + " " + "x" * (300 * 1024), "small": self.jwt()},
        }

    def workloads(self, namespace):
        selector = {"matchLabels": {"app": "x"}}
        for number in range(2):
            for api, kind, spec in [
                ("apps/v1", "Deployment", {"replicas": 2, "selector": selector, "template": self.template()}),
                (
                    "apps/v1",
                    "StatefulSet",
                    {
                        "replicas": 1,
                        "selector": selector,
                        "serviceName": "s",
                        "template": self.template(),
                        "volumeClaimTemplates": [
                            {
                                "metadata": {"name": "data"},
                                "spec": {
                                    "accessModes": ["ReadWriteOnce"],
                                    "resources": {"requests": {"storage": "1Gi"}},
                                },
                            }
                        ],
                    },
                ),
                ("apps/v1", "DaemonSet", {"selector": selector, "template": self.template()}),
                ("apps/v1", "ReplicaSet", {"replicas": 1, "selector": selector, "template": self.template()}),
                ("v1", "ReplicationController", {"replicas": 1, "selector": {"app": "x"}, "template": self.template()}),
                ("batch/v1", "Job", {"template": self.template("Never"), "backoffLimit": 1, "parallelism": 1}),
                (
                    "batch/v1",
                    "CronJob",
                    {
                        "schedule": "0 3 * * *",
                        "jobTemplate": {"spec": {"template": self.template("OnFailure")}},
                    },
                ),
                ("v1", "Pod", self.pod_spec()),
            ]:
                name = f"{kind.lower()}-{number}"
                yield self.applied(
                    {"apiVersion": api, "kind": kind, "metadata": self.metadata(name, namespace), "spec": spec}
                )
            yield self.applied(
                {
                    "apiVersion": "v1",
                    "kind": "PodTemplate",
                    "metadata": self.metadata(f"template-{number}", namespace),
                    "template": self.template(),
                }
            )
            yield {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": self.metadata(f"revision-{number}", namespace),
                "revision": number,
                "data": {"spec": {"template": self.template(), "$patch": "replace"}},
            }

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

    # ── custom kinds ──

    def custom(self, namespaces):
        for namespace in namespaces:
            for number in range(3):
                yield self.applied(
                    {
                        "apiVersion": "oracle.example/v1",
                        "kind": "Widget",
                        "metadata": self.metadata(f"widget-{number}", namespace),
                        "spec": {
                            "size": number + 1,
                            "token": self.text(16),
                            "selector": "pin=" + self.text(8),
                            "phone": self.phone(),
                            "hosts": [f"{self.word()}.example.org", f"{self.word()}.example.org"],
                            "parts": [
                                {"args": self.sentence(), "name": "proxy", "value": self.text(9)},
                                {"args": self.sentence(), "name": "app", "value": self.text(9)},
                            ],
                            "config": self.document(),
                        },
                    }
                )
                yield self.applied(
                    {
                        "apiVersion": "oracle.example/v1",
                        "kind": "Record",
                        "metadata": self.metadata(f"record-{number}", namespace),
                        "data": self.nasty(),
                        "rows": [{"object": {"spec": {"token": self.text(5)}, "data": {"x": self.nasty(3)}}}, self.nasty(2)],
                        "body": {"any": self.nasty(), "deep": self.deep(self.random.randint(20, 90))},
                        "more": {name: self.nasty(2) for name in NASTY},
                    }
                )
            yield {
                "apiVersion": "bitnami.com/v1alpha1",
                "kind": "SealedSecret",
                "metadata": self.metadata("sealed", namespace),
                "spec": {
                    "encryptedData": {"password": self.text(40)},
                    "template": {"type": "Opaque", "data": {"x": self.sentence()}},
                },
            }
            yield {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": self.metadata("external", namespace),
                "spec": {"target": {"template": {"data": {"a": self.text(9)}, "templateFrom": [{"literal": self.text(9)}]}}},
            }
        for number in range(3):
            yield {
                "apiVersion": "oracle.example/v1",
                "kind": "Vault",
                "metadata": self.metadata(f"vault-{number}"),
                "spec": {"pin": str(self.random.randint(10**7, 10**9)), "open": bool(number), "limit": number * 1.5},
            }


def crd(group, kind, plural, scope, schema, version="v1", **more):
    """A custom resource definition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": scope,
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **more}
            ],
        },
    }


ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definitions():
    text, number = {"type": "string"}, {"type": "integer"}
    widget = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": number,
                    "token": text,
                    "selector": text,
                    "phone": text,
                    "config": text,
                    "hosts": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
                    "parts": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"name": text, "args": text, "value": text},
                                  "required": ["name"]},
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                    },
                },
            },
            "status": {"type": "object", "properties": {"ready": number, "message": text}},
        },
    }
    columns = [
        {"name": "Token", "type": "string", "jsonPath": ".spec.token"},
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.ready",
             "labelSelectorPath": ".spec.selector"}
    vault = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"pin": text, "open": {"type": "boolean"}, "limit": {"type": "number"}}}
        },
    }
    record = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    yield crd("oracle.example", "Widget", "widgets", "Namespaced", widget,
              additionalPrinterColumns=columns, subresources={"status": {}, "scale": scale})
    yield crd("oracle.example", "Record", "records", "Namespaced", record)
    yield crd("oracle.example", "Vault", "vaults", "Cluster", vault,
              additionalPrinterColumns=[{"name": "Pin", "type": "string", "jsonPath": ".spec.pin", "priority": 1}])
    yield crd("bitnami.com", "SealedSecret", "sealedsecrets", "Namespaced",
              {"type": "object", "properties": {"spec": ANYTHING}}, "v1alpha1")
    yield crd("external-secrets.io", "ExternalSecret", "externalsecrets", "Namespaced",
              {"type": "object", "properties": {"spec": ANYTHING}})
