//! Attacks 18 to 20: writes answer with the object, also where only reads were spoken of (K-4.10 to
//! K-4.12).

use gateway_tests::{Request, get};
use serde_json::json;

use super::{APPLY, JSON, JSON_PATCH, MERGE, PROTOBUF, STRATEGIC, TABLE, Vault, marks_in, patch};

#[test]
fn no_echo_of_a_write_shows_a_masked_value() {
    let vault = Vault::new();
    let label = r#"{"metadata":{"labels":{"seen":"yes"}}}"#;
    let json = r#"[{"op":"add","path":"/metadata/labels/more","value":"x"}]"#;
    let apply = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "labels": {"by": "apply"}}});
    for (what, media, target, body) in [
        ("an empty patch", MERGE, "/db", "{}"),
        ("a dry patch", MERGE, "/db?dryRun=All", "{}"),
        ("a strategic patch", STRATEGIC, "/db", label),
        (
            "an empty strategic patch",
            STRATEGIC,
            "/db?dryRun=All",
            "{}",
        ),
        ("a JSON patch", JSON_PATCH, "/db", json),
        ("an empty JSON patch", JSON_PATCH, "/db", "[]"),
        (
            "an apply",
            APPLY,
            "/db?fieldManager=test&force=true",
            &apply.to_string(),
        ),
    ] {
        let request = patch(media, &vault.path(target), body);
        vault.hidden(what, &request);
        for accept in [PROTOBUF, TABLE, "application/yaml"] {
            let request = request.clone().header("Accept", accept);
            vault.masked(&format!("{what} as {accept}"), &request);
        }
    }
}

/// What the caller wrote is answered masked too: nobody can tell whose value it is.
#[test]
fn what_was_written_comes_back_masked() {
    let vault = Vault::new();
    let secret = vault.secret("new").to_string();
    let post = Request::new("POST", &vault.path("")).body(JSON, secret);
    vault.masked("a create", &post);
    let put = Request::new("PUT", &vault.path("/new"));
    let put = put.body(JSON, vault.secret("new").to_string());
    vault.masked("a replace", &put);
    let stored = vault.direct(&get(&vault.path("/new"))).json();
    assert_eq!(
        stored["data"]["password"],
        vault.canary.base64(),
        "it was stored"
    );
}

/// Attacks 19, 20: deletions answer with what they delete.
#[test]
fn no_deletion_shows_a_masked_value() {
    let vault = Vault::new();
    for query in [
        "propagationPolicy=Foreground&dryRun=All",
        "propagationPolicy=Orphan&dryRun=All",
        "orphanDependents=true&dryRun=All",
    ] {
        let request = Request::new("DELETE", &vault.path(&format!("/db?{query}")));
        vault.hidden(query, &request);
    }
    let options = r#"{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Foreground","dryRun":["All"]}"#;
    let request = Request::new("DELETE", &vault.path("/db")).body(JSON, options);
    vault.hidden("options in the body", &request);
    let keep = json!({"metadata": {"finalizers": ["test.example/keep"]}});
    vault.change(&vault.path("/db"), &keep);
    let request = Request::new("DELETE", &vault.path("/db"));
    vault.masked("a delete under a finalizer", &request);
    for accept in [JSON, PROTOBUF, TABLE] {
        let target = vault.path("?dryRun=All&includeObject=Object");
        let request = Request::new("DELETE", &target).header("Accept", accept);
        let answer = vault.hidden("a dry delete of all", &request);
        assert!(marks_in(&answer.text()) >= 2, "{}", answer.text());
    }
    let selected = Request::new(
        "DELETE",
        &vault.path("?labelSelector=app%3Dvault&dryRun=All"),
    );
    vault.hidden("a dry delete of some", &selected);
    vault.masked("a delete of all", &Request::new("DELETE", &vault.path("")));
    vault.change(
        &vault.path("/db"),
        &json!({"metadata": {"finalizers": null}}),
    );
    vault.await_object(&vault.path(""), |list| list["items"] == json!([]));
}
