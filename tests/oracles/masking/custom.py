"""Custom kinds: with columns, a scale, anything in them, in no namespace; and those that hold secrets."""

from content import NASTY
from scenery import Scenery


class Everything(Scenery):
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
