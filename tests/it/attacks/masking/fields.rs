//! Masks by path in ConfigMaps: every strategy once, in every shape of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::get;
use serde_json::{Value, json};

use super::{JSON, LAST_APPLIED, MERGE, TABLE, Vault, patch};

fn settings(vault: &Vault, name: &str) -> Value {
    let canary = vault.canary.as_str();
    let app = json!({
        "users": [
            {"name": "root", "password": canary},
            {"name": "guest", "password": "open"},
        ],
        "a": {"b": [{"token": canary}]},
    });
    let blob = json!({"deep": {"er": [{"secret": canary}]}, "shown": "here"});
    let mut map = json!({
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name},
        "data": {
            "password": canary,
            "tls.key": canary,
            "gone": canary,
            "hashed": canary,
            "partial": format!("{canary}-9876"),
            "app.json": app.to_string(),
            "blob": STANDARD.encode(blob.to_string()),
            "plain": "stays",
        },
        "binaryData": {"bytes": vault.canary.base64()},
    });
    map["metadata"] = json!({
        "name": name,
        "labels": {"tier": canary, "app": "vault"},
        "annotations": {LAST_APPLIED: map.to_string()},
    });
    map
}

/// What each strategy leaves.
fn check(map: &Value) {
    let text = |key: &str| map["data"][key].as_str().unwrap_or_default();
    let mark = "countersign-masked:settings";
    assert_eq!(
        [text("password"), text("tls.key"), text("plain")],
        [mark, mark, "stays"]
    );
    assert!(map["data"].get("gone").is_none(), "{map}");
    assert!(
        text("hashed").starts_with("countersign-masked:settings:it:"),
        "{map}"
    );
    assert!(text("partial").ends_with("9876"), "{map}");
    let app: Value = serde_json::from_str(text("app.json")).expect("JSON");
    assert_eq!(app["users"][0], json!({"name": "root", "password": mark}));
    assert_eq!(app["users"][1]["password"], "open");
    assert_eq!(app["a"]["b"][0]["token"], mark);
    let blob = STANDARD.decode(text("blob")).expect("base64");
    let blob: Value = serde_json::from_slice(&blob).expect("JSON");
    assert_eq!(blob["deep"]["er"][0]["secret"], mark);
    assert_eq!(blob["shown"], "here");
    let bytes = map["binaryData"]["bytes"].as_str().expect("bytes");
    assert_eq!(STANDARD.decode(bytes).expect("base64"), mark.as_bytes());
}

#[test]
fn every_strategy_works_in_every_shape() {
    let vault = Vault::empty();
    let maps = vault.path_of("configmaps", "");
    for name in ["cm", "other"] {
        vault.create(&maps, &settings(&vault, name));
    }
    let one = format!("{maps}/cm");
    for request in [
        get(&one),
        patch(MERGE, &one, "{}"),
        patch(MERGE, &format!("{one}?dryRun=All"), "{}"),
    ] {
        let map = vault.hidden("one", &request).json();
        check(&map);
        assert_eq!(
            map["metadata"]["labels"]["tier"],
            "countersign-masked:settings"
        );
        assert_eq!(map["metadata"]["labels"]["app"], "vault");
        let applied = map["metadata"]["annotations"][LAST_APPLIED].as_str();
        check(&serde_json::from_str(applied.expect("it stays")).expect("JSON"));
    }
    let list = vault.hidden("a list", &get(&maps)).json();
    let watched = vault
        .hidden("a watch", &get(&format!("{maps}?watch=1&timeoutSeconds=1")))
        .text();
    let full = format!("{maps}?includeObject=Object");
    let table = vault
        .hidden("a Table", &get(&full).header("Accept", TABLE))
        .json();
    let rows = vault
        .hidden("rows", &get(&maps).header("Accept", TABLE))
        .json()["rows"]
        .clone();
    for row in rows.as_array().expect("rows") {
        let is_masked = super::marks_in(&row.to_string()) > 0;
        let is_own = row["object"]["metadata"]["name"] != "kube-root-ca.crt";
        assert_eq!(is_masked, is_own, "{row}");
    }
    let watched = watched.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("an event");
        event["object"].clone()
    });
    let listed = list["items"].as_array().expect("items").iter().cloned();
    let rows = table["rows"].as_array().expect("rows").iter();
    let rows = rows.map(|row| row["object"].clone());
    let objects: Vec<Value> = listed.chain(watched).chain(rows).collect();
    let own = |name: &str| {
        objects
            .iter()
            .filter(|object| object["metadata"]["name"] == name)
            .count()
    };
    assert_eq!([own("cm"), own("other")], [3, 3]);
    for object in objects
        .iter()
        .filter(|object| object["metadata"]["name"] != "kube-root-ca.crt")
    {
        check(object);
    }
}

/// Equal values have equal digests, others do not, and none is the value's own.
#[test]
fn a_digest_tells_equality_and_nothing_else() {
    let vault = Vault::empty();
    let maps = vault.path_of("configmaps", "");
    let canary = vault.canary.as_str();
    for (name, value) in [("a", canary), ("b", canary), ("c", "another")] {
        let map = json!({"metadata": {"name": name}, "data": {"hashed": value}});
        vault.create(&maps, &map);
    }
    let digest = |name: &str| {
        let answer = vault.masked(name, &get(&format!("{maps}/{name}")).header("Accept", JSON));
        answer.json()["data"]["hashed"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    assert_eq!(digest("a"), digest("b"));
    assert_ne!(digest("a"), digest("c"));
}
