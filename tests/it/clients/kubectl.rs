//! kubectl, old and new: every command prints through the gateway what it prints without it, and
//! ends with the same code.

use std::path::Path;

use super::installed;
use super::script::{Case, Sides, feed, run};
use crate::ground::ground;

const CONFIG_MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: applied
data:
  a: '1'
  b: '2'
";
const CONFIG_MAP_CHANGED: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: applied
data:
  a: '3'
";
const TWO_OBJECTS: &str = "apiVersion: v1
kind: Secret
metadata:
  name: s1
stringData:
  password: hunter2
---
apiVersion: v1
kind: Service
metadata:
  name: svc
spec:
  clusterIP: None
  ports:
  - port: 80
";
const POD: &str = "apiVersion: v1
kind: Pod
metadata:
  name: p
  labels: {app: p}
spec:
  nodeName: node-1
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
";
const UNKNOWN_FIELD: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: strict
data: {}
unknown: true
";
const UNKNOWN_KIND: &str = "apiVersion: example.com/v1\nkind: Nothing\nmetadata:\n  name: n\n";
const NO_YAML: &str = "a: [1\n";

/// Reads and writes of each kind, and every way to fail.
const CASES: &[Case] = &[
    // Discovery and explanation.
    run("version -o json"),
    run("api-versions"),
    run("api-resources --api-group=apps"),
    run("api-resources --namespaced=false --verbs=list -o name"),
    run("explain pods.spec.containers.resources"),
    run("explain deployments --recursive --api-version=apps/v1"),
    run("cluster-info"),
    run("get --raw /readyz"),
    run("get --raw /api/v1/namespaces/{ns}"),
    run("get --raw /apis/apps/v1"),
    run("get --raw /nothing"),
    // Create and read.
    run("create configmap cm --from-literal=k=v"),
    run("create configmap cm --from-literal=k=v"),
    run("create secret generic sec --from-literal=p=hunter2"),
    run("create serviceaccount robot"),
    run("create deployment web --image=busybox --replicas=1"),
    run("create job once --image=busybox -- true"),
    run("create role viewer --verb=get,list --resource=pods"),
    run("create rolebinding viewer --role=viewer --serviceaccount={ns}:robot"),
    run("create quota q --hard=pods=10"),
    run("create configmap dry --from-literal=k=v --dry-run=server -o yaml"),
    feed("create -f -", TWO_OBJECTS),
    feed("create -f - -o name", POD),
    run("wait --for=condition=Ready pod/p --timeout=60s"),
    run("rollout status deployment/web --timeout=60s"),
    run("get pod p"),
    run("get pod p --show-labels"),
    run("get configmaps -o name"),
    run("get configmap cm -o yaml"),
    run("get configmap cm -o json"),
    run("get configmap cm -o jsonpath={.data.k}"),
    run("get configmaps --sort-by=.metadata.name"),
    run("get configmap cm -o custom-columns=NAME:.metadata.name,K:.data.k"),
    run("get deployment,service,configmap"),
    run("get deployment web -o wide"),
    run("get secrets --field-selector=type=Opaque -o name"),
    run("get pods -l app=p -o name"),
    run("get pods -l app=absent"),
    run("get configmaps --chunk-size=1 -o name"),
    run("get role viewer -o yaml"),
    run("describe configmap cm"),
    run("describe secret sec"),
    run("describe service svc"),
    run("logs p --tail=1 --limit-bytes=1"),
    run("exec p -- echo hello"),
    run("exec p -- sh -c false"),
    feed("exec -i p -- cat", "through stdin\n"),
    // Change.
    feed("apply -f -", CONFIG_MAP),
    feed("diff -f -", CONFIG_MAP_CHANGED),
    feed("apply -f -", CONFIG_MAP_CHANGED),
    feed("apply -f -", CONFIG_MAP_CHANGED),
    feed("apply --server-side -f -", CONFIG_MAP),
    feed(
        "apply --server-side --force-conflicts --field-manager=other -f - -o yaml",
        CONFIG_MAP,
    ),
    feed("apply view-last-applied configmap/applied", ""),
    run("patch configmap cm -p {\"data\":{\"k\":\"w\"}}"),
    run("patch configmap cm --type=merge -p {\"data\":{\"k\":null,\"l\":\"1\"}}"),
    run(
        "patch configmap cm --type=json -p [{\"op\":\"add\",\"path\":\"/data/m\",\"value\":\"1\"}]",
    ),
    run(
        "patch configmap cm --type=json -p [{\"op\":\"test\",\"path\":\"/data/m\",\"value\":\"2\"}]",
    ),
    run("patch configmap cm --type=merge -p {\"data\":{\"k\":1}}"),
    run("label configmap cm tier=back"),
    run("label configmap cm tier=front"),
    run("label configmap cm tier=front --overwrite"),
    run("annotate configmap cm note=x"),
    run("scale deployment web --replicas=2"),
    run("scale deployment web --replicas=1 --current-replicas=7"),
    run("set image deployment/web busybox=busybox:1"),
    run("rollout history deployment/web"),
    run("rollout undo deployment/web"),
    run("autoscale deployment web --max=3"),
    feed("replace -f -", CONFIG_MAP),
    run("expose deployment web --port=80"),
    // Ask.
    run("auth can-i create pods"),
    run("auth can-i list nodes --subresource=proxy"),
    // Fail.
    run("get nosuch"),
    run("get pod absent"),
    run("get configmap absent -o yaml"),
    run("delete pod absent"),
    run("logs absent"),
    run("exec absent -- id"),
    run("get pods -n absent"),
    run("create namespace kube-system"),
    run("create token robot --duration=1s"),
    run("rollout frobnicate"),
    run("get pods --nosuchflag"),
    feed("create -f -", UNKNOWN_KIND),
    feed("create -f -", UNKNOWN_FIELD),
    feed("apply -f -", NO_YAML),
    run("wait --for=delete pod/p --timeout=1s"),
    // Delete.
    run("delete configmap cm --dry-run=server"),
    run("delete configmap cm"),
    run("delete secret sec --wait=false"),
    run("delete job once --cascade=foreground"),
    run("delete pod p --now"),
    run("delete configmap --all --field-selector=metadata.name=applied"),
    run("delete role,rolebinding viewer"),
    run("delete deployment web --cascade=orphan"),
    run("get deployment web"),
];

fn check(program: Option<&Path>) {
    let sides = Sides::new(|bundle| bundle, program);
    let cluster = ground().cluster;
    let namespaces = [cluster.namespace("diff"), cluster.namespace("diff")];
    let as_it_is = |_: &Case, finished| finished;
    sides.compare(CASES, &namespaces, as_it_is, as_it_is);
}

#[test]
fn kubectl_of_the_clusters_version_notices_no_gateway() {
    check(None);
}

#[test]
fn kubectl_1_20_notices_no_gateway() {
    check(Some(&installed("install-kubectl-1.20")));
}
