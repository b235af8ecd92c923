"""The official Python client through the gateway: create, list, watch, patch, exec, logs, delete.

Usage: check.py KUBECONFIG NAMESPACE POD. Prints one JSON object; exits 1 where something is not as
the API server itself would have it.
"""

import json
import sys
import threading

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream


def main(kubeconfig, namespace, pod):
    config.load_kube_config(kubeconfig)
    core = client.CoreV1Api()
    report = {}

    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="python"), data={"k": "1"})
    created = core.create_namespaced_config_map(namespace, body)
    report["created"] = created.metadata.name

    listed = core.list_namespaced_config_map(namespace)
    report["listed"] = "python" in [item.metadata.name for item in listed.items]

    def change():
        core.patch_namespaced_config_map("python", namespace, {"data": {"k": "2"}})

    watcher = watch.Watch()
    timer = threading.Timer(0.5, change)
    timer.start()
    events = watcher.stream(
        core.list_namespaced_config_map,
        namespace,
        field_selector="metadata.name=python",
        resource_version=listed.metadata.resource_version,
        timeout_seconds=20,
    )
    for event in events:
        if event["object"].data == {"k": "2"}:
            report["watched"] = event["type"]
            watcher.stop()

    read = core.read_namespaced_config_map("python", namespace)
    read.data["k"] = "3"
    report["replaced"] = core.replace_namespaced_config_map("python", namespace, read).data["k"]

    report["exec"] = stream(
        core.connect_get_namespaced_pod_exec,
        pod,
        namespace,
        command=["echo", "hello"],
        stdout=True,
        stderr=True,
        stdin=False,
        tty=False,
    ).strip()
    report["log"] = len(core.read_namespaced_pod_log(pod, namespace)) > 0

    core.delete_namespaced_config_map("python", namespace)
    try:
        core.read_namespaced_config_map("python", namespace)
    except ApiException as fault:
        report["absent"] = fault.status
    try:
        core.read_namespaced_secret("any", namespace)
    except ApiException as fault:
        report["denied"] = fault.status
        report["reason"] = json.loads(fault.body)["reason"]

    expected = {
        "created": "python",
        "listed": True,
        "watched": "MODIFIED",
        "replaced": "3",
        "exec": "hello",
        "log": True,
        "absent": 404,
        "denied": 403,
        "reason": "Forbidden",
    }
    print(json.dumps(report, sort_keys=True))
    return 0 if report == expected else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
