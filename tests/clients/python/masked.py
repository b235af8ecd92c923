"""The official Python client on masked objects: everything decodes into its types.

Usage: masked.py KUBECONFIG NAMESPACE. Prints one JSON object; exits 1 where something is not as a
client without the gateway would have it, masks aside.
"""

import base64
import json
import sys
import threading

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

SECRET_MARK = "countersign-masked:secret-like"
APP_MARK = "countersign-masked:app"


def clear(secret):
    """What stands in a Secret's data, as its reader uses it."""
    return {key: base64.b64decode(value, validate=True).decode() for key, value in secret.data.items()}


def watched(core, namespace):
    """The types of the events of one Secret, from its making to its end, values decoded."""
    started = core.list_namespaced_secret(namespace)

    def change():
        body = client.V1Secret(metadata=client.V1ObjectMeta(name="seen"), string_data={"p": "CaNaRy"})
        core.create_namespaced_secret(namespace, body)
        core.patch_namespaced_secret("seen", namespace, {"metadata": {"labels": {"n": "1"}}})
        core.delete_namespaced_secret("seen", namespace)

    timer = threading.Timer(0.5, change)
    timer.start()
    watcher = watch.Watch()
    events = []
    for event in watcher.stream(
        core.list_namespaced_secret,
        namespace,
        field_selector="metadata.name=seen",
        resource_version=started.metadata.resource_version,
        timeout_seconds=20,
    ):
        events.append([event["type"], clear(event["object"])["p"]])
        if event["type"] == "DELETED":
            watcher.stop()
    timer.join()
    return events


def main(kubeconfig, namespace):
    config.load_kube_config(kubeconfig)
    core, apps, custom = client.CoreV1Api(), client.AppsV1Api(), client.CustomObjectsApi()
    vaults = ("it.countersign", "v1", namespace, "vaults")
    report = {}

    secret = core.read_namespaced_secret("db", namespace)
    report["read"] = clear(secret)
    listed = core.list_namespaced_secret(namespace, field_selector="metadata.name=db")
    report["listed"] = [clear(item) for item in listed.items]
    labelled = core.patch_namespaced_secret("db", namespace, {"metadata": {"labels": {"by": "python"}}})
    report["patched"] = [labelled.metadata.labels["by"], clear(labelled)["password"]]
    config_map = core.read_namespaced_config_map("app", namespace)
    report["config_map"] = config_map.data
    report["blob"] = base64.b64decode(config_map.binary_data["blob"], validate=True).decode()
    deployment = apps.read_namespaced_deployment("web", namespace)
    report["environment"] = deployment.spec.template.spec.containers[0].env[0].value
    report["spec"] = custom.get_namespaced_custom_object(*vaults, "v1")["spec"]
    report["specs"] = [item["spec"] for item in custom.list_namespaced_custom_object(*vaults)["items"]]
    report["watched"] = watched(core, namespace)
    # A whole object sent back would store the masks.
    try:
        core.replace_namespaced_secret("db", namespace, secret)
        report["replaced"] = 200
    except ApiException as fault:
        report["replaced"] = [fault.status, json.loads(fault.body)["reason"]]

    pair = {"password": SECRET_MARK, "user": SECRET_MARK}
    spec = {"token": APP_MARK, "pin": 0, "plain": "in sight"}
    expected = {
        "read": pair,
        "listed": [pair],
        "patched": ["python", SECRET_MARK],
        "config_map": {"token": APP_MARK, "plain": "in sight"},
        "blob": APP_MARK,
        "environment": APP_MARK,
        "spec": spec,
        "specs": [spec],
        "watched": [["ADDED", SECRET_MARK], ["MODIFIED", SECRET_MARK], ["DELETED", SECRET_MARK]],
        "replaced": [409, "Conflict"],
    }
    print(json.dumps(report, sort_keys=True))
    return 0 if report == expected else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
