//! Attacks 5, 6, 16, 20: a request that says list or get and is a watch, or says delete and lists
//! (K-1.3, K-1.4, K-1.8, K-3.4, K-4.12).

use std::sync::OnceLock;

use gateway_tests::{Gateway, Request, Setup, eventually, fresh, get};

use crate::ground::{Ground, assert_status, ground};

/// Single objects and lists; no watch, no deletecollection.
const LIST_ONLY: &str = r#"
allow "lists" {
    why "Lists, but never watches or deletes collections"
    who { group "it:admins" }
    can get list delete
    on "secrets" "configmaps" "widgets.it.example"
    in "*"
}
"#;

const WIDGETS: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
"metadata":{"name":"widgets.it.example"},"spec":{"group":"it.example","scope":"Namespaced",
"names":{"plural":"widgets","singular":"widget","kind":"Widget"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":
{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;

fn gateway() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let ground = ground();
        let admin = ground.cluster.admin();
        admin.apply(WIDGETS);
        admin.ok(&[
            "wait",
            "--for=condition=Established",
            "crd/widgets.it.example",
            "--timeout=30s",
        ]);
        let widgets = format!(
            "/apis/it.example/v1/namespaces/{}/widgets",
            ground.namespace
        );
        eventually("the custom resource to be served", || {
            (admin.run(&["get", "--raw", &widgets]).code == 0).then_some(())
        });
        Setup::new(ground.cluster, &ground.issuer)
            .with_rules(LIST_ONLY)
            .start()
    })
}

fn denies(ground: &Ground, title: &str, request: Request) {
    let agent = fresh("verb");
    let request = request.token(&ground.token("lister")).agent(&agent);
    assert_status(title, &gateway().wire().ask(&request), 403);
    ground.sentinel();
    assert_eq!(
        ground.cluster.journal().by_agent(&agent).len(),
        0,
        "{title}"
    );
}

fn lists(ground: &Ground, target: &str, vector: &str) {
    let agent = fresh("verb");
    let request = get(target).token(&ground.token("lister")).agent(&agent);
    let answer = gateway().wire().ask(&request);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    let event = ground
        .cluster
        .journal()
        .await_agent(&agent, "ResponseComplete");
    assert_eq!(
        event.vector(),
        vector.replace("{ns}", &ground.namespace),
        "{target}"
    );
}

/// Attack 5: every first value but `0` and `false` watches.
#[test]
fn every_form_of_watch_is_a_watch() {
    let ground = ground();
    let base = format!("/api/v1/namespaces/{}/secrets", ground.namespace);
    for query in [
        "watch",
        "watch=",
        "watch=1",
        "watch=2",
        "watch=no",
        "watch=true",
        "watch=TRUE",
        "watch=falsey",
        "watch=%31",
        "%77atch=1",
        "watch=+0",
        "watch=%20false",
        "limit=1&watch",
        "watch=1&timeoutSeconds=1",
        "watch=0.0",
        "watch=off",
    ] {
        denies(ground, query, get(&format!("{base}?{query}")));
    }
    for query in [
        "watch=0",
        "watch=false",
        "watch=False",
        "watch=FALSE",
        "Watch=1",
        "",
    ] {
        lists(ground, &format!("{base}?{query}"), "list||secrets|{ns}|");
    }
    // With a name it is a get, whatever the query says.
    lists(
        ground,
        &format!("{base}/db?watch=true"),
        "get||secrets|{ns}|db",
    );
}

/// Attack 6.
#[test]
fn the_old_watch_paths_are_watches() {
    let ground = ground();
    let namespace = &ground.namespace;
    for target in [
        format!("/api/v1/watch/namespaces/{namespace}/secrets"),
        format!("/api/v1/watch/namespaces/{namespace}/secrets/db"),
        "/api/v1/watch/secrets".to_owned(),
        format!("/api/v1/watch/namespaces/{namespace}/secrets?watch=false"),
        format!("/apis/it.example/v1/watch/namespaces/{namespace}/widgets"),
        "/apis/it.example/v1/watch/widgets".to_owned(),
        format!("/apis/it.example/v1/namespaces/{namespace}/widgets?watch=1"),
    ] {
        denies(ground, &target, get(&target));
    }
    let widgets = format!("/apis/it.example/v1/namespaces/{namespace}/widgets");
    lists(ground, &widgets, "list|it.example|widgets|{ns}|");
}

/// Attack 16: a watch that begins with the whole list.
#[test]
fn a_watch_list_is_a_watch() {
    let ground = ground();
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let base = format!("/api/v1/namespaces/{}/secrets", ground.namespace);
    denies(ground, "WatchList", get(&format!("{base}?watch=1&{query}")));
}

/// Attack 20: with `dryRun=All` it is a list that nobody called list.
#[test]
fn a_dry_deletion_of_a_collection_is_no_read_and_no_deletion_of_one() {
    let ground = ground();
    let base = format!("/api/v1/namespaces/{}/secrets", ground.namespace);
    let delete = |target: &str| Request::new("DELETE", target);
    denies(
        ground,
        "dryRun in the query",
        delete(&format!("{base}?dryRun=All")),
    );
    denies(
        ground,
        "by a field selector",
        delete(&format!("{base}?fieldSelector=metadata.name%3Ddb")),
    );
    let options = r#"{"apiVersion":"v1","kind":"DeleteOptions","dryRun":["All"]}"#;
    denies(
        ground,
        "dryRun in the body",
        delete(&base).body("application/json", options),
    );
}

/// A list of every namespace is not a list of the allowed one (K-1.34).
#[test]
fn every_namespace_is_more_than_one() {
    let ground = ground();
    let rules = format!(
        "allow \"one\" {{\n    why \"One namespace\"\n    who {{ group \"it:admins\" }}\n    can read delete\n    \
        on \"configmaps\"\n    in \"{}\"\n}}\n",
        ground.namespace
    );
    let gateway = Setup::new(ground.cluster, &ground.issuer)
        .with_rules(&rules)
        .start();
    let token = ground.token("lister");
    let own = format!("/api/v1/namespaces/{}/configmaps", ground.namespace);
    assert_eq!(gateway.wire().ask(&get(&own).token(&token)).status, 200);
    for target in [
        "/api/v1/configmaps",
        "/api/v1/configmaps?watch=1",
        "/api/v1/namespaces/kube-system/configmaps",
        "/api/v1/configmaps?fieldSelector=metadata.namespace%3Dground",
    ] {
        let answer = gateway.wire().ask(&get(target).token(&token));
        assert_status(target, &answer, 403);
    }
}
