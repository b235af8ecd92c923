//! A custom kind shows its fields wherever its definition says: in columns, in selectors, in a Scale,
//! in messages (K-4.9, K-4.14, K-4.22).

use gateway_tests::{Request, eventually, get};
use serde_json::{Value, json};

use super::{JSON, JSON_PATCH, MERGE, PARTIAL, TABLE, Vault, each, marks_in, patch};
use crate::ground::Ground;

pub(super) const GROUP: &str = "vault.it.example/v1";

/// A number that stands nowhere else.
const PIN: u32 = 731_946_285;

/// Defines the kind, past the gateway.
pub(super) fn define(ground: &Ground) {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": text});
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let spec = json!({
        "type": "object",
        "x-kubernetes-validations": [{
            "rule": "!has(self.trip) || !self.trip",
            "messageExpression": "'the secret is ' + self.secret",
        }],
        "properties": {
            "secret": text, "pin": {"type": "integer"}, "trip": {"type": "boolean"},
            "hosts": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
            "items": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"],
                "items": {"type": "object", "required": ["key"], "properties": {"before": text, "key": text, "value": text}},
            },
        },
    });
    let column = |name: &str, path: &str, priority: u8| json!({"name": name, "type": "string", "jsonPath": path, "priority": priority});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "lockers.vault.it.example"},
        "spec": {
            "group": "vault.it.example", "scope": "Namespaced",
            "names": {"plural": "lockers", "singular": "locker", "kind": "Locker"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "data": texts, "status": open}}},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.pin", "statusReplicasPath": ".status.pin", "labelSelectorPath": ".spec.secret",
                }},
                "additionalPrinterColumns": [
                    column("Secret", ".spec.secret", 0), column("Data", ".data.password", 0), column("Wide", ".status.secret", 1),
                ],
                "selectableFields": [{"jsonPath": ".spec.secret"}, {"jsonPath": ".spec.pin"}],
            }],
        },
    });
    let admin = ground.cluster.admin();
    admin.apply(&definition.to_string());
    eventually("the custom kind to be served", || {
        let answer = ground
            .cluster
            .wire()
            .ask(&get(&format!("/apis/{GROUP}/lockers")));
        (answer.status == 200).then_some(())
    });
}

/// An object of the kind, with the canary in every field that is masked.
pub(super) fn locker(vault: &Vault, name: &str) -> Value {
    let canary = vault.canary.as_str();
    json!({
        "apiVersion": GROUP, "kind": "Locker", "metadata": {"name": name},
        "spec": {
            "secret": canary, "pin": 4711, "hosts": [canary, "plain"],
            // Members of custom objects are sorted: one stands before the key it is chosen by.
            "items": [
                {"key": canary, "value": "v"},
                {"key": "door", "before": canary, "value": "v"},
            ],
        },
        "data": {"password": canary},
    })
}

fn lockers(vault: &Vault, rest: &str) -> String {
    vault.path_in(GROUP, "lockers", rest)
}

/// With two objects, so that Tables have more than one row.
fn filled() -> Vault {
    let vault = Vault::empty();
    for name in ["one", "two"] {
        vault.create(&lockers(&vault, ""), &locker(&vault, name));
        let status = json!({"status": {"secret": vault.canary.as_str(), "pin": PIN}});
        vault.change(&lockers(&vault, &format!("/{name}/status")), &status);
    }
    vault
}

/// Columns print what they like: the objects are asked for in place of the Table. `data` stands before
/// `kind` in what the API server writes of a custom object, and managedFields hold the members of sets
/// and the keys of lists (K-4.4).
#[test]
fn no_read_of_a_custom_object_shows_a_masked_value() {
    let vault = filled();
    let object = vault.direct(&get(&lockers(&vault, "/one"))).text();
    let place = |part: &str| object.find(part).expect("it is there");
    assert!(place("\"data\":") < place("\"kind\":"), "{object}");
    assert!(
        object.contains("\"v:") && object.contains("\"k:"),
        "{object}"
    );
    each(
        &[
            ("/one", JSON),
            ("", JSON),
            ("", "application/*"),
            ("", "application/yaml"),
            ("", TABLE),
            ("?includeObject=None", TABLE),
            ("?includeObject=Object", TABLE),
            ("/one", TABLE),
            ("?watch=1&timeoutSeconds=1", JSON),
            ("?watch=1&timeoutSeconds=1", TABLE),
            ("?watch=1&timeoutSeconds=1&includeObject=None", TABLE),
            ("/one/status", JSON),
            ("/one/status", TABLE),
        ],
        |(rest, accept)| {
            let target = lockers(&vault, rest);
            let what = format!("{accept} on {target}");
            vault.hidden(&what, &get(&target).header("Accept", accept));
        },
    );
    let old = format!(
        "/apis/{GROUP}/watch/namespaces/{}/lockers?timeoutSeconds=1",
        vault.namespace
    );
    vault.hidden("an old watch path", &get(&old));
    let target = lockers(&vault, "/one");
    let request = get(&target).header("Accept", PARTIAL);
    assert!(
        vault.canary.coat_in(&vault.direct(&request).body).is_some(),
        "managedFields tell"
    );
    let answer = vault.ask("metadata", &request);
    assert!(
        answer.json()["metadata"].get("managedFields").is_none(),
        "{}",
        answer.text()
    );
    // Custom kinds serve HEAD, with the length of what is not sent.
    let request = Request::new("HEAD", &target);
    let mut wire = vault.ground.cluster.wire();
    assert!(wire.ask(&request).header("content-length").is_some());
    let answer = vault.ask("HEAD", &request);
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, None)
    );
}

#[test]
fn no_write_of_a_custom_object_shows_a_masked_value() {
    let vault = filled();
    for rest in [
        "/one?dryRun=All",
        "/one",
        "/one/status",
        "/one/status?dryRun=All",
    ] {
        for accept in [JSON, TABLE] {
            let request = patch(MERGE, &lockers(&vault, rest), "{}").header("Accept", accept);
            vault.hidden(&format!("{accept} on {rest}"), &request);
        }
    }
    let request = patch(JSON_PATCH, &lockers(&vault, "/one/status"), "[]");
    vault.hidden("a JSON patch of the status", &request);
    let operations = json!([{"op": "copy", "from": "/data/password", "path": "/metadata/labels"}]);
    let request = patch(JSON_PATCH, &lockers(&vault, "/one"), &operations);
    assert_eq!(vault.ask("a copy", &request).status, 403);
    // Rules of the definition quote fields, whoever trips them.
    let trip = patch(MERGE, &lockers(&vault, "/one"), r#"{"spec":{"trip":true}}"#);
    let direct = vault.direct(&trip);
    assert!(
        vault.canary.coat_in(&direct.body).is_some(),
        "{}",
        direct.text()
    );
    let answer = vault.ask("a rule of the definition", &trip);
    assert_eq!(answer.status, 422, "{}", answer.text());
    let wrong = patch(MERGE, &lockers(&vault, "/one"), r#"{"spec":{"pin":"x"}}"#);
    assert_eq!(vault.ask("a wrong type", &wrong).status, 422);
    let all = Request::new("DELETE", &lockers(&vault, "?dryRun=All"));
    let answer = vault.hidden("a dry delete of all", &all);
    assert!(marks_in(&answer.text()) >= 2, "{}", answer.text());
}

/// The Scale of a custom kind shows whatever fields its definition names.
#[test]
fn no_scale_of_a_custom_object_shows_a_masked_value() {
    let vault = filled();
    vault.change(&lockers(&vault, "/one"), &json!({"spec": {"pin": PIN}}));
    let pin = PIN.to_string();
    let scale = lockers(&vault, "/one/scale");
    for accept in [JSON, TABLE, super::PROTOBUF, "application/yaml"] {
        for request in [
            get(&scale),
            patch(MERGE, &scale, "{}"),
            patch(MERGE, &format!("{scale}?dryRun=All"), "{}"),
        ] {
            let request = request.header("Accept", accept);
            let direct = vault.direct(&request);
            // Scales of custom kinds have no protobuf form.
            let is_told = direct.status == 406
                || direct.text().contains(&pin)
                || vault.canary.coat_in(&direct.body).is_some();
            assert!(is_told, "{accept}: {}", direct.text());
            let answer = vault.ask(accept, &request);
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(!answer.text().contains(&pin), "{accept}: {}", answer.text());
            let shown = answer.json();
            assert_eq!(
                shown["status"]["selector"], "countersign-masked:lockers",
                "{shown}"
            );
        }
    }
    let test = json!([{"op": "test", "path": "/status/selector", "value": "x"}]);
    let answer = vault.ask("a test", &patch(JSON_PATCH, &scale, &test));
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[test]
fn kubectl_prints_a_custom_kind_without_its_columns() {
    let vault = filled();
    let kubectl = vault.kubectl();
    for arguments in [
        &["get", "lockers"][..],
        &["get", "lockers.v1.vault.it.example", "-o", "wide"],
        &[
            "get",
            "locker",
            "one",
            "-o",
            "yaml",
            "--show-managed-fields",
        ],
        &["describe", "lockers"],
        &["get", "lockers", "--sort-by=.spec.secret"],
    ] {
        let finished = kubectl.run(arguments);
        let text = [finished.stdout, finished.stderr].concat();
        vault
            .canary
            .assert_absent(&format!("{arguments:?}"), text.as_bytes());
        assert_eq!(finished.code, 0, "{arguments:?}: {text}");
        assert!(text.contains("one"), "{arguments:?}: {text}");
    }
    let direct = vault.ground.cluster.admin().with(&["-n", &vault.namespace]);
    let table = direct.ok(&["get", "lockers"]);
    assert!(vault.canary.coat_in(table.as_bytes()).is_some(), "{table}");
}
