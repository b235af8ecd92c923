//! kubectl, old and new, on masked objects: every command does through the gateway what it does
//! without it, and prints the same with the masks in place of the values.

use std::io::{BufReader, Read};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::{Bundle, Finished, eventually, fresh};
use serde_json::{Value, json};

use super::installed;
use super::normal::normal;
use super::script::{Case, Equal, Sides, feed, run};
use crate::ground::ground;

pub(super) const MASKS: &str = r#"
mask "app" {
    for "configmaps" {
        at "data.token" redact
        at "binaryData.*" redact
    }
    for "pods" {
        at "spec.containers[*].env[*].value" redact
    }
    for "vaults.it.countersign" {
        at "spec.token" redact
        at "spec.pin" redact
    }
}
"#;
pub(super) const RULES: &str = r#"
defaults { owner "platform"; severity low }
require "secrets-are-masked" {
    why "Secret values never leave the cluster"
    on "secrets"
    mask "@secret-like"
}
require "the-rest-is-masked" {
    why "Tokens stand in other objects too"
    on "configmaps" "pods" "deployments.apps" "replicasets.apps" "vaults.it.countersign"
    mask "app"
}
"#;
const SECRET_MARK: &str = "countersign-masked:secret-like";
const APP_MARK: &str = "countersign-masked:app";

/// Values, and what stands in their place. Each has a length of its own, which `describe` tells.
const VALUES: [(&str, &str); 5] = [
    ("CaNaRy-password-of-some-length-0123456789-abc", SECRET_MARK),
    (
        "CaNaRy-user-of-another-length-0123456789-abcd-e",
        SECRET_MARK,
    ),
    (
        "CaNaRy-token-of-a-third-length-0123456789-abcd-ef",
        APP_MARK,
    ),
    (
        "CaNaRy-blob-of-a-length-that-is-longer-0123456789-a",
        APP_MARK,
    ),
    ("CaNaRy-environment-value", APP_MARK),
];
/// A masked number, and what a number becomes.
const PIN: (&str, &str) = ("47110815", "0");

const fn apart(direct: &'static str, arguments: &'static str) -> Case {
    Case {
        arguments,
        direct: Some(direct),
        input: "",
        equal: Equal::All,
    }
}

const fn code_of(arguments: &'static str) -> Case {
    Case {
        equal: Equal::Code,
        ..run(arguments)
    }
}

const RELABELLED: &str = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","labels":{"more":"yes"}},"type":"Opaque","data":{"password":"Q2FOYVJ5LXBhc3N3b3JkLW9mLXNvbWUtbGVuZ3RoLTAxMjM0NTY3ODktYWJj"}}"#;
const REPLACED: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"app"},"data":{"token":"CaNaRy-token-of-a-third-length-0123456789-abcd-ef","plain":"replaced"}}"#;

/// Reads in every form, then writes.
const CASES: &[Case] = &[
    run("wait --for=condition=Available deployment/web --timeout=60s"),
    run("rollout status deployment/web --timeout=60s"),
    // Secrets.
    run("get secrets"),
    run("get secret db -o wide"),
    run("get secrets -o name"),
    run("get secret db -o yaml"),
    run("get secret db -o json"),
    run("get secrets --chunk-size=1 -o yaml"),
    run("get secret db --show-managed-fields -o json"),
    run("get secret db -o jsonpath={.data.password}"),
    run("get secret db -o go-template={{.data.password|base64decode}}"),
    run("get secrets -o custom-columns=N:.metadata.name,P:.data.password"),
    run("get secrets --server-print=false"),
    run("get secrets --sort-by=.metadata.name --show-labels"),
    run("get secrets -A -l scope={ns}"),
    run("get secrets -A -l scope={ns} -o json"),
    run("get secrets --field-selector=metadata.name=db -o name"),
    run("get secret db absent -o name"),
    run("get secrets,configmaps -l scope={ns}"),
    run("get --raw /api/v1/namespaces/{ns}/secrets/db"),
    run("describe secret db"),
    run("apply view-last-applied secret/db"),
    // ConfigMaps.
    run("get configmaps"),
    run("get configmap app -o yaml"),
    run("get configmap app -o jsonpath={.data.token}/{.data.plain}/{.binaryData.blob}"),
    run("describe configmap app"),
    // A custom kind: the columns of its Table could show what is masked, so the objects are asked for.
    apart("get vaults --server-print=false", "get vaults"),
    run("get vault v1 -o jsonpath={.spec.token}/{.spec.pin}/{.spec.plain}"),
    run("get vault v1 -o go-template={{.spec.pin}}"),
    // Workloads.
    run("get deployments"),
    run("get deployment web -o wide"),
    run("get deployment web -o yaml"),
    run("describe deployment web"),
    run("set env deployment/web --list"),
    run("rollout history deployment/web --revision=1"),
    run("get pods -l app=web -o jsonpath={.items[*].spec.containers[*].env[*].value}"),
    // Changes, and what they answer.
    run("label secret db team=shop"),
    run("label secret db team=other"),
    run("annotate secret db note=x"),
    run("label secret db team=front --overwrite -o yaml"),
    run("patch secret db -p {\"metadata\":{\"labels\":{\"x\":\"y\"}}} -o json"),
    run("patch secret db --type=merge -p {\"stringData\":{\"more\":\"CaNaRy-environment-value\"}}"),
    run(
        "patch configmap app --type=json -p [{\"op\":\"replace\",\"path\":\"/data/plain\",\"value\":\"x\"}] -o yaml",
    ),
    run("patch vault v1 --type=merge -p {\"spec\":{\"plain\":\"new\"}} -o jsonpath={.spec.token}"),
    run(
        "create secret generic made --from-literal=p=CaNaRy-password-of-some-length-0123456789-abc -o yaml",
    ),
    run("create secret generic made --from-literal=p=x"),
    run("create configmap dry --from-literal=plain=x --dry-run=server -o yaml"),
    feed("replace -f -", REPLACED),
    run("set env deployment/web MORE=1"),
    run("set image deployment/web main=busybox:2"),
    run("rollout restart deployment/web"),
    run("scale deployment web --replicas=0"),
    run("wait --for=jsonpath={.metadata.name}=db secret/db --timeout=10s"),
    // Refusals: what the API server said may quote values.
    run("get secret absent"),
    run("delete configmap absent"),
    code_of("patch secret db --type=merge -p {\"data\":{\"password\":1}}"),
    code_of("patch configmap app --type=merge -p {\"data\":[]}"),
    // Ends.
    run("delete secret made --dry-run=server"),
    run("delete secret made"),
    run("delete vault v1 --wait=false"),
    run("delete secret -l drop=yes -o name"),
];

/// What the commands find.
fn objects(namespace: &str) -> Vec<Value> {
    let [password, user, token, blob, environment] = VALUES.map(|(value, _)| value);
    let encoded = |value: &str| STANDARD.encode(value);
    let named =
        |name: &str| json!({"name": name, "namespace": namespace, "labels": {"scope": namespace}});
    vec![
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": named("db"), "type": "Opaque",
            "data": {"password": encoded(password), "user": encoded(user)}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "example.com/other",
            "metadata": {"name": "other", "namespace": namespace, "labels": {"drop": "yes"}},
            "data": {"password": encoded(password)}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named("app"),
            "data": {"token": token, "plain": "in sight"}, "binaryData": {"blob": encoded(blob)}}),
        json!({"apiVersion": "it.countersign/v1", "kind": "Vault", "metadata": named("v1"),
            "spec": {"token": token, "pin": PIN.0.parse::<u64>().expect("a number"), "plain": "in sight"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named("web"),
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "busybox",
                    "env": [{"name": "TOKEN", "value": environment}]}]}}}}),
    ]
}

/// The custom kind: its second column shows a masked field.
fn custom_kind() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "vaults.it.countersign"},
        "spec": {
            "group": "it.countersign", "scope": "Namespaced",
            "names": {"plural": "vaults", "singular": "vault", "kind": "Vault"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "additionalPrinterColumns": [
                    {"name": "Token", "type": "string", "jsonPath": ".spec.token"},
                    {"name": "Pin", "type": "integer", "jsonPath": ".spec.pin"},
                ],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                    "type": "object",
                    "properties": {
                        "token": {"type": "string"},
                        "plain": {"type": "string"},
                        "pin": {"type": "integer"},
                    },
                }}}},
            }],
        },
    })
}

/// A namespace with the objects in it.
pub(super) fn furnished() -> String {
    let cluster = ground().cluster;
    let admin = cluster.admin();
    cluster.custom_kind(&custom_kind());
    let namespace = cluster.namespace("masked");
    for object in objects(&namespace) {
        admin.apply(&object.to_string());
    }
    namespace
}

pub(super) fn masking(bundle: Bundle) -> Bundle {
    bundle
        .with("masks.kdl", MASKS)
        .with("rules/masked.kdl", RULES)
}

/// Masks in place of values: in clear, as base64, and where only a length is told.
fn masked(text: &str) -> String {
    let mut text = text.to_owned();
    for (value, mark) in VALUES {
        text = text
            .replace(value, mark)
            .replace(&STANDARD.encode(value), &STANDARD.encode(mark))
            .replace(
                &format!("{} bytes", value.len()),
                &format!("{} bytes", mark.len()),
            );
    }
    text.replace(PIN.0, PIN.1)
}

fn without_warning(case: &Case, finished: Finished) -> Finished {
    let (warnings, rest): (Vec<&str>, Vec<&str>) = finished
        .stderr
        .split_inclusive('\n')
        .partition(|line| line.starts_with("Warning: ") && line.contains("masked by"));
    for (index, warning) in warnings.iter().enumerate() {
        assert!(
            !warnings[..index].contains(warning),
            "kubectl {}: told twice: {}",
            case.arguments,
            finished.stderr
        );
    }
    let told = Finished {
        code: finished.code,
        stderr: rest.concat(),
        stdout: finished.stdout,
    };
    let what = format!("kubectl {}: {told:?}", case.arguments);
    assert!(!told.stdout.contains("Warning:"), "{what}");
    for (value, _) in VALUES {
        assert!(!told.stdout.contains(value), "{what}");
        assert!(!told.stdout.contains(&STANDARD.encode(value)), "{what}");
        assert!(!told.stderr.contains(value), "{what}");
    }
    told
}

fn check(program: Option<&Path>) {
    let sides = Sides::new(masking, program);
    let namespaces = [furnished(), furnished()];
    sides.compare(
        CASES,
        &namespaces,
        |_, finished| Finished {
            code: finished.code,
            stdout: masked(&finished.stdout),
            stderr: masked(&finished.stderr),
        },
        without_warning,
    );
    // What the same commands left behind is the same, values included.
    let admin = ground().cluster.admin();
    let [direct, through] = namespaces.map(|namespace| {
        let kinds = "secrets,configmaps,deployments,vaults";
        let mut left = admin.json(&["-n", &namespace, "get", kinds]);
        for item in left["items"].as_array_mut().expect("a list") {
            // The controllers' own word on how far they are.
            item["status"].take();
        }
        let text = serde_json::to_string_pretty(&left).expect("JSON");
        normal(&text, &[(&namespace, "NS")])
    });
    assert_eq!(direct, through);
    assert!(direct.contains(VALUES[4].0), "values are left: {direct}");
}

#[test]
fn kubectl_of_the_clusters_version_works_on_masked_objects() {
    check(None);
}

#[test]
fn kubectl_1_20_works_on_masked_objects() {
    check(Some(&installed("install-kubectl-1.20")));
}

/// The old template comes from a masked answer: put back, it would be stored with the masks. And a dry
/// run of a value, such as kubectl asks for to see what differs, would tell whether it is the right one.
#[test]
fn kubectl_neither_stores_masks_nor_guesses_at_what_is_under_them() {
    let sides = Sides::new(masking, None);
    let namespace = furnished();
    let kubectl = sides.through.clone().with(&["-n", &namespace]);
    kubectl.ok(&["set", "env", "deployment/web", "MORE=1"]);
    let undone = kubectl.run(&["rollout", "undo", "deployment/web"]);
    let admin = ground().cluster.admin().with(&["-n", &namespace]);
    let template = admin.json(&["get", "deployment", "web"])["spec"]["template"].to_string();
    assert!(template.contains(VALUES[4].0), "{template}");
    assert!(!template.contains("countersign-masked"), "{template}");
    assert_eq!(undone.code, 1, "{undone:?}");
    assert!(undone.stderr.contains("masked"), "{undone:?}");
    let compared = kubectl.run_with_input(&["diff", "-f", "-"], RELABELLED);
    assert!(compared.code > 1, "{compared:?}");
    assert!(compared.stderr.contains("dry run"), "{compared:?}");
}

/// A kubectl that watches until it is dropped.
struct Watching {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Watching {
    fn start(kubectl: &gateway_tests::Kubectl, arguments: &str) -> Self {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut child = kubectl.spawn(&arguments);
        let said = Arc::new(Mutex::new(String::new()));
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let written = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut piece = [0; 8192];
            while let Ok(count @ 1..) = stdout.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..count]).into_owned();
                written.lock().expect("no panic").push_str(&text);
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    /// What was said between the last of these names and the first of those.
    fn between(&self, begin: &str, end: &str) -> String {
        let said = self.said();
        let from = said.rfind(begin).expect("the begin was said");
        let to = said[from..].find(end).expect("the end was said");
        said[from..from + to].to_owned()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }
}

#[test]
fn kubectl_watches_masked_objects_and_misses_nothing() {
    let sides = Sides::new(masking, None);
    let namespace = furnished();
    let watches: Vec<(&str, Watching, Watching)> = [
        "get secrets -w",
        "get secrets --watch-only -o json",
        "get secrets -w -o json --output-watch-events",
        "get secrets -w -o custom-columns=N:.metadata.name,D:.data",
    ]
    .map(|arguments| {
        let on = |kubectl: &gateway_tests::Kubectl| {
            Watching::start(&kubectl.clone().with(&["-n", &namespace]), arguments)
        };
        (arguments, on(&sides.direct), on(&sides.through))
    })
    .into();
    let admin = ground().cluster.admin().with(&["-n", &namespace]);
    let create = |name: &str| {
        let literal = format!("--from-literal=k={}", VALUES[0].0);
        admin.ok(&["create", "secret", "generic", name, &literal]);
    };
    let all_saw = |name: &str| {
        let saw = |watching: &Watching| watching.said().contains(name);
        watches.iter().all(|(_, one, other)| saw(one) && saw(other))
    };
    // A watch alone does not say when it has begun.
    let begin = eventually("all watches to begin", || {
        let name = fresh("begin");
        create(&name);
        std::thread::sleep(std::time::Duration::from_millis(500));
        all_saw(&name).then_some(name)
    });
    for arguments in [
        &["label", "secret", "db", "seen=1"][..],
        &["annotate", "secret", "db", "seen=2"],
        &["delete", "secret", "other"],
    ] {
        admin.ok(arguments);
    }
    let end = fresh("end");
    create(&end);
    eventually("all watches to end", || all_saw(&end).then_some(()));
    for (arguments, direct, through) in &watches {
        let expected = normal(&masked(&direct.between(&begin, &end)), &[]);
        let found = normal(&through.between(&begin, &end), &[]);
        assert!(expected.contains("other"), "{arguments}: {expected}");
        assert_eq!(expected, found, "{arguments}");
        assert!(!through.said().contains(VALUES[0].0), "{arguments}");
    }
}
