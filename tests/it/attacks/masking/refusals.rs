//! Attacks 21 and 22: refusals quote the object they refuse, and warnings say what they like
//! (K-4.13 to K-4.17).

use gateway_tests::{Answer, Request, eventually, get};
use serde_json::json;

use super::{APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, Vault, patch};

/// A refusal with nothing of the object in it, where the API server's own quotes it.
fn withheld(vault: &Vault, what: &str, request: &Request) -> Answer {
    let direct = vault.direct(request);
    assert!(
        vault.canary.coat_in(&direct.body).is_some(),
        "{what} quotes nothing: {}",
        direct.text()
    );
    let answer = vault.ask(what, request);
    assert_eq!(answer.status, direct.status, "{what}: {}", answer.text());
    let status = answer.json();
    assert_eq!(status["kind"], "Status", "{what}");
    let reason = status["reason"].as_str().expect("a reason");
    assert!(direct.text().contains(reason), "{what}: {reason}");
    assert_eq!(answer.header("content-type"), Some(JSON), "{what}");
    answer
}

#[test]
fn no_refusal_quotes_a_masked_value() {
    let vault = Vault::new();
    let strict = vault.path("/db?fieldValidation=Strict");
    for (what, media, target, body) in [
        (
            "a type error",
            MERGE,
            vault.path("/db"),
            r#"{"data":{"x":1}}"#,
        ),
        (
            "an unknown field",
            MERGE,
            strict.clone(),
            r#"{"nonsense":1}"#,
        ),
        (
            "a type error by JSON patch",
            JSON_PATCH,
            vault.path("/db"),
            r#"[{"op":"add","path":"/data/x","value":1}]"#,
        ),
        (
            "an unknown field by JSON patch",
            JSON_PATCH,
            strict,
            r#"[{"op":"add","path":"/nonsense","value":1}]"#,
        ),
    ] {
        let request = patch(media, &target, body);
        let answer = withheld(&vault, what, &request);
        assert!(answer.text().contains("withheld"), "{}", answer.text());
        for accept in ["application/yaml", super::PROTOBUF, super::TABLE] {
            withheld(&vault, what, &request.clone().header("Accept", accept));
        }
    }
    for (what, media, body) in [
        ("a bad name", MERGE, r#"{"metadata":{"name":"other"}}"#),
        ("an immutable type", MERGE, r#"{"type":"other"}"#),
        (
            "a bad directive",
            STRATEGIC,
            r#"{"data":{"$patch":"nonsense"}}"#,
        ),
        (
            "a pointer to nowhere",
            JSON_PATCH,
            r#"[{"op":"remove","path":"/nothing/there"}]"#,
        ),
        (
            "an apply that does not decode",
            APPLY,
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"data":1}"#,
        ),
    ] {
        let target = vault.path("/db?fieldManager=test");
        let answer = vault.ask(what, &patch(media, &target, body));
        assert!(answer.status >= 400, "{what}: {}", answer.text());
        assert_eq!(answer.json()["kind"], "Status", "{what}");
    }
    let secret = vault.secret("db").to_string();
    let again = Request::new("POST", &vault.path("")).body(JSON, secret);
    assert_eq!(vault.ask("what is there already", &again).status, 409);
    let answer = vault.ask("what is not there", &get(&vault.path("/nothing")));
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("not found"), "{}", answer.text());
}

/// What a policy of the cluster says in a warning or a denial may be the value itself.
#[test]
fn no_words_of_an_admission_policy_show_a_masked_value() {
    let vault = Vault::new();
    let name = &vault.namespace;
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}]);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "resourceRules": rules,
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
            },
            "validations": [{
                "expression": "!has(object.metadata.labels) || !('trip' in object.metadata.labels)",
                "messageExpression": "'it holds ' + string(object.data['password']) + ' and ' + object.metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']",
            }],
        },
    });
    let group = "/apis/admissionregistration.k8s.io/v1";
    vault.create(&format!("{group}/validatingadmissionpolicies"), &policy);
    for action in ["Warn", "Deny"] {
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": format!("{name}-{}", action.to_lowercase())},
            "spec": {
                "policyName": name, "validationActions": [action],
                "matchResources": {"objectSelector": {"matchLabels": {"trip": action}}},
            },
        });
        vault.create(
            &format!("{group}/validatingadmissionpolicybindings"),
            &binding,
        );
    }
    let trip = |action: &str| {
        let body = json!({"metadata": {"labels": {"trip": action}}});
        patch(MERGE, &vault.path("/db?dryRun=All"), &body)
    };
    let told = |answer: &Answer| {
        let text = format!("{:?} {}", answer.headers, answer.text());
        text.contains("it holds")
    };
    for action in ["Warn", "Deny"] {
        eventually("the policy to be in force", || {
            told(&vault.direct(&trip(action))).then_some(())
        });
        let direct = vault.direct(&trip(action));
        let text = format!("{:?} {}", direct.headers, direct.text());
        assert!(vault.canary.coat_in(text.as_bytes()).is_some(), "{text}");
        let answer = vault.ask(action, &trip(action));
        assert!(!told(&answer), "{}", answer.text());
        let warnings: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "warning")
            .map(|(_, text)| text.as_str())
            .collect();
        assert_eq!(
            warnings,
            ["299 - \"values may be masked by secret-like\""],
            "{action}"
        );
    }
    remove_policies(&vault, group);
}

/// A policy of the cluster concerns all tests of a run.
fn remove_policies(vault: &Vault, group: &str) {
    for kind in [
        "validatingadmissionpolicybindings",
        "validatingadmissionpolicies",
    ] {
        let list = vault.direct(&get(&format!("{group}/{kind}"))).json();
        for object in list["items"].as_array().into_iter().flatten() {
            let own = object["metadata"]["name"].as_str().unwrap_or_default();
            if own.starts_with(vault.namespace.as_str()) {
                vault.direct(&Request::new("DELETE", &format!("{group}/{kind}/{own}")));
            }
        }
    }
}

/// A conflict of managers quotes no values (K-4.15).
#[test]
fn a_conflict_quotes_no_values() {
    let vault = Vault::new();
    let data = json!({"password": "eA=="});
    let body =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": data});
    let target = vault.path("/db?fieldManager=other&force=false");
    let answer = vault.ask("a conflict", &patch(APPLY, &target, &body));
    assert_eq!(answer.status, 409, "{}", answer.text());
}
