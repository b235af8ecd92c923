"""Objects of the kinds that hold secrets, documents and pod templates."""

import gzip
import json

from content import Content


class Manifests(Content):
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
