"""Fills a cluster. What lies in it follows from the seed, but for what the API server adds."""

import base64
import json
import time

import kinds
from client import Http1
from custom import Everything, definitions

NAMESPACES = ["harbour", "team-a", "team-b"]

# Made by `openssl req -new`; a signing request must be one.
SIGNING_REQUEST = """-----BEGIN CERTIFICATE REQUEST-----
MIHXMH8CAQAwHTENMAsGA1UECgwEY29ycDEMMAoGA1UEAwwDYWRhMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEwm+AekdFSumdjRWU8f4xbEfc7m9s/2DrTmPBrEdC
x0SnIcF6c1Emtr9pqnOHMJaWaDtGkcW+7Yyv6cDpjLlQz6AAMAoGCCqGSM49BAMC
A0gAMEUCIG+8DCwX8Pb+3/uWL0wc8zycsCwvo0ntjKgNlUs5UNVwAiEAxbZ7eMJ8
uBkDLKTDCukq1Zi6RiJvfe/KThqHl4J2+gU=
-----END CERTIFICATE REQUEST-----
"""


class Seeding:
    def __init__(self, server, random, certificate):
        self.server, self.random, self.certificate = Http1(server), random, certificate
        self.content = Everything(random)
        self.count = 0

    def run(self):
        for definition in definitions():
            self.create(definition)
        for namespace in NAMESPACES:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": self.content.metadata(namespace)})
            # What a controller would make.
            self.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}})
        for manifest in self.content.wide():
            self.create(manifest)
        self.create(self.signing_request())
        for namespace in NAMESPACES:
            content = self.content
            for maker in (content.secrets, content.configmaps, content.workloads, content.namespaced):
                for manifest in maker(namespace):
                    self.create(manifest)
        self.create(self.bootstrap_token())
        for definition in definitions():
            self.await_served(definition)
        for manifest in self.content.custom(NAMESPACES):
            self.create(manifest)
        self.statuses()
        return self.count

    def create(self, manifest):
        kind = kinds.of_manifest(manifest)
        target = kind.path(manifest["metadata"].get("namespace"))
        answer = self.server.ask("POST", target + "?fieldManager=seed", body=json.dumps(manifest).encode())
        if answer.status == 409:
            # Some namespaces and accounts are there already.
            return
        if answer.status != 201:
            raise SystemExit(f"{manifest['kind']} {manifest['metadata']['name']}: {answer.body.decode()}")
        self.count += 1

    def await_served(self, definition):
        name = definition["metadata"]["name"]
        kind = next(each for each in kinds.KINDS if each.key == name)
        for _ in range(300):
            if self.server.ask("GET", kind.path()).status == 200:
                return
            time.sleep(0.1)
        raise SystemExit(f"{name} is not served")

    def signing_request(self):
        return {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": self.content.metadata("ada"),
            "spec": {
                "request": base64.b64encode(SIGNING_REQUEST.encode()).decode(),
                "signerName": "oracle.example/signer",
                "usages": ["client auth"],
            },
        }

    def bootstrap_token(self):
        encoded = self.content.base64
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
            "type": "bootstrap.kubernetes.io/token",
            "data": {"token-id": encoded("abcdef"), "token-secret": encoded(self.content.text(16).lower())},
        }

    def statuses(self):
        """What kubelets and controllers would say."""
        # Any certificate will do.
        self.status("certificatesigningrequests.certificates.k8s.io", None, "ada",
                    {"certificate": base64.b64encode(self.certificate).decode()})
        for namespace in NAMESPACES:
            for number in range(2):
                dead = {"exitCode": 1, "reason": "Error", "message": self.content.sentence()}
                self.status("pods", namespace, f"pod-{number}", {
                    "phase": "Running",
                    "podIP": "192.0.2.9",
                    "podIPs": [{"ip": "192.0.2.9"}],
                    "message": self.content.sentence(),
                    "containerStatuses": [
                        {"name": name, "image": "x", "imageID": "", "restartCount": 1, "ready": True,
                         "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}, "lastState": {"terminated": dead}}
                        for name in ("app", "proxy")
                    ],
                })
                self.status("deployments.apps", namespace, f"deployment-{number}", {
                    "replicas": 2,
                    "conditions": [{"type": "Available", "status": "False", "message": self.content.sentence()}],
                })
            for number in range(3):
                self.status("widgets.oracle.example", namespace, f"widget-{number}",
                            {"ready": number, "message": self.content.sentence()})

    def status(self, key, namespace, name, status):
        kind = next(each for each in kinds.KINDS if each.key == key)
        answer = self.server.ask(
            "PATCH",
            kind.path(namespace, name, "status") + "?fieldManager=kubelet",
            body=json.dumps({"status": status}).encode(),
            media="application/merge-patch+json",
        )
        if answer.status != 200:
            raise SystemExit(f"status of {key} {name}: {answer.body.decode()}")
