//! Attacks 23 to 26 and 32: questions about a value, copies of it, and marks on their way back.

use gateway_tests::{Answer, Request, get};
use serde_json::{Value, json};

use super::{JSON, JSON_PATCH, Vault, custom, each, patch};

fn refused(vault: &Vault, operations: &Value) -> Answer {
    let body = operations.to_string();
    let request = patch(JSON_PATCH, &vault.path("/db"), &body);
    let answer = vault.ask(&body, &request);
    assert_eq!(answer.status, 403, "{body}: {}", answer.text());
    answer
}

#[test]
fn nothing_asks_about_a_masked_value_or_moves_it() {
    let vault = Vault::new();
    let value = vault.canary.base64();
    let applied = format!(
        "/metadata/annotations/{}",
        super::LAST_APPLIED.replace('/', "~1")
    );
    for operation in [
        json!({"op": "test", "path": "/data/password", "value": value}),
        json!({"op": "test", "path": "/data", "value": {}}),
        json!({"op": "test", "path": "", "value": {}}),
        json!({"op": "test", "path": applied, "value": "x"}),
        json!({"op": "copy", "from": "/data/password", "path": "/metadata/annotations/x"}),
        json!({"op": "copy", "from": applied, "path": "/metadata/annotations/x"}),
        json!({"op": "move", "from": "/data/password", "path": "/metadata/labels/x"}),
        json!({"op": "move", "from": "/data", "path": "/metadata/annotations"}),
        json!({"op": "copy", "from": "/data/password", "path": "/type"}),
        json!({"op": "copy", "from": "/data/password", "path": "/metadata/resourceVersion"}),
    ] {
        refused(&vault, &json!([operation]));
    }
    let read = vault.ask("the object", &get(&vault.path("/db"))).text();
    let back = Request::new("PUT", &vault.path("/db")).body(JSON, read.as_str());
    let answer = vault.ask("the masked object put back", &back);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(
        answer.text().contains("/data/password"),
        "{}",
        answer.text()
    );
    let live = vault.direct(&get(&vault.path("/db"))).json();
    assert_eq!(live["data"]["password"], value, "nothing was changed");
}

/// One JSON reader took a word in a patch for its own, failed, and was taken to have seen nothing:
/// every operation passed.
#[test]
fn a_patch_that_one_reader_stumbles_over_is_still_read() {
    let vault = Vault::new();
    for stone in [
        json!({"$serde_json::private::Number": "x"}),
        json!({"$serde_json::private::RawValue": "x"}),
    ] {
        let operations = json!([
            {"op": "add", "path": "/metadata/labels", "value": stone},
            {"op": "replace", "path": "/metadata/labels", "value": {}},
            {"op": "copy", "from": "/data/password", "path": "/metadata/annotations/x"},
        ]);
        let target = vault.path("/db?dryRun=All");
        let direct = vault.direct(&patch(JSON_PATCH, &target, &operations));
        assert_eq!(
            direct.status,
            200,
            "the API server takes it: {}",
            direct.text()
        );
        let copied = &direct.json()["metadata"]["annotations"]["x"];
        assert_eq!(copied, &json!(vault.canary.base64()));
        refused(&vault, &operations);
    }
}

/// The API server counts elements from the end where a number is negative; no mask knew the place.
#[test]
fn elements_counted_from_the_end_are_the_same_elements() {
    let vault = Vault::empty();
    let pod = vault.path_of("podtemplates", "");
    let env = json!([{"name": "A", "value": "a"}, {"name": "B", "value": vault.canary.as_str()}]);
    let template = json!({
        "metadata": {"name": "t"},
        "template": {"spec": {"containers": [{"name": "c", "image": "i", "env": env}]}},
    });
    vault.create(&pod, &template);
    for place in [
        "/template/spec/containers/-1/env/-1/value",
        "/template/spec/containers/+0/env/+1/value",
    ] {
        let operations = json!([{"op": "copy", "from": place, "path": "/metadata/labels/x"}]);
        let labelled =
            json!([{"op": "add", "path": "/metadata/labels", "value": {}}, operations[0]]);
        let request = patch(JSON_PATCH, &format!("{pod}/t?dryRun=All"), &labelled);
        let direct = vault.direct(&request);
        assert_eq!(
            direct.json()["metadata"]["labels"]["x"],
            vault.canary.as_str(),
            "{place}"
        );
        let answer = vault.ask(place, &request);
        assert_eq!(answer.status, 403, "{place}: {}", answer.text());
    }
}

/// A mask that chooses elements by a member was lifted by a patch of that member, dry or not.
#[test]
fn no_patch_takes_an_element_out_of_its_mask() {
    let vault = Vault::empty();
    let list = vault.path_of("podtemplates", "");
    let args = json!(["--token", vault.canary.as_str()]);
    let template = json!({
        "metadata": {"name": "t"},
        "template": {"spec": {"containers": [{"name": "main", "image": "i", "args": args}]}},
    });
    vault.create(&list, &template);
    vault.hidden("the template", &get(&format!("{list}/t")));
    let target = format!("{list}/t?dryRun=All");
    for place in ["0", "-1", "+0"] {
        let name = format!("/template/spec/containers/{place}/name");
        for operations in [
            json!([{"op": "replace", "path": name, "value": "x"}]),
            json!([{"op": "add", "path": name, "value": "x"}]),
            json!([{"op": "copy", "from": "/metadata/name", "path": name}]),
        ] {
            let request = patch(JSON_PATCH, &target, &operations);
            let direct = vault.direct(&request);
            assert!(
                vault.canary.coat_in(&direct.body).is_some(),
                "{}",
                direct.text()
            );
            let answer = vault.ask(&name, &request);
            assert_eq!(answer.status, 403, "{operations}: {}", answer.text());
            assert!(answer.text().contains("lift"), "{}", answer.text());
        }
    }
    // Its own key tells a strategic merge patch which element is meant; it cannot change it.
    let merge = json!({"template": {"spec": {"containers": [{"name": "main", "image": "other"}]}}});
    let answer = vault.hidden("another image", &patch(super::STRATEGIC, &target, &merge));
    assert!(answer.text().contains("\"other\""), "{}", answer.text());
}

/// Attack 26: a custom kind says what one may select by (K-4.22), and `/watch/` paths select by it
/// too, although no authorizer is told. The values asked for are no canaries: a request is recorded
/// as it was asked.
#[test]
fn no_selector_asks_about_a_masked_value() {
    let vault = Vault::empty();
    let lockers = vault.path_in(custom::GROUP, "lockers", "");
    let mut locker = custom::locker(&vault, "guessed");
    locker["spec"]["secret"] = "guess".into();
    vault.create(&lockers, &locker);
    let (group, namespace) = (custom::GROUP, &vault.namespace);
    let old = format!("/apis/{group}/watch/namespaces/{namespace}/lockers");
    let mut asked = Vec::new();
    for (field, value) in [("spec.secret", "guess"), ("spec.pin", "4711")] {
        for operator in ["%3D", "%3D%3D", "!%3D"] {
            let term = format!("{field}{operator}{value}");
            let selector = format!("fieldSelector={term}");
            asked.extend([
                format!("{lockers}?{selector}"),
                format!("{lockers}?limit=1&{selector}"),
                format!("{lockers}?watch=1&timeoutSeconds=1&{selector}"),
                format!("{lockers}?fieldSelector=metadata.name%3Dguessed%2C{term}"),
                format!("{old}?timeoutSeconds=1&{selector}"),
                format!("/apis/{group}/lockers?{selector}"),
            ]);
        }
    }
    each(&asked, |target| {
        let direct = vault.direct(&get(target));
        assert_eq!(direct.status, 200, "{target}: {}", direct.text());
        let is_found = direct.text().contains("\"guessed\"");
        assert_eq!(is_found, !target.contains('!'), "it tells: {target}");
        let answer = vault.ask(target, &get(target));
        assert_eq!(answer.status, 403, "{target}: {}", answer.text());
    });
    let target = format!("{lockers}?dryRun=All&fieldSelector=spec.secret%3Dguess");
    let answer = vault.ask(&target, &Request::new("DELETE", &target));
    assert_eq!(answer.status, 403, "{target}: {}", answer.text());
}

#[test]
fn no_selector_asks_about_a_masked_label() {
    let vault = Vault::empty();
    let labels = json!({"tier": "guess", "app": "x"});
    let maps = vault.path_of("configmaps", "");
    let map = json!({"metadata": {"name": "cm", "labels": labels}, "data": {"password": "x"}});
    vault.create(&maps, &map);
    let namespace = &vault.namespace;
    let old = format!("/api/v1/watch/namespaces/{namespace}/configmaps?timeoutSeconds=1&");
    let watch = format!("{maps}?watch=1&timeoutSeconds=1&");
    for base in [format!("{maps}?"), watch, old] {
        for selector in [
            "tier%3Dguess",
            "tier",
            "!tier",
            "tier%20in%20(guess)",
            "app%3Dx%2Ctier%3Dguess",
        ] {
            let target = format!("{base}labelSelector={selector}");
            let answer = vault.ask(&target, &get(&target));
            assert_eq!(answer.status, 403, "{target}: {}", answer.text());
        }
    }
    let target = format!("{maps}?labelSelector=app%3Dx");
    let answer = vault.masked(&target, &get(&target));
    assert!(!answer.text().contains("guess"), "{}", answer.text());
}
