//! Attacks 6, 15 to 17: watches in every form, and no event of them is lost.

use std::time::Duration;

use gateway_tests::{Request, WebSocket, get};
use serde_json::{Value, json};

use super::{JSON, PARTIAL, PROTOBUF, TABLE, Vault, each, marks_in};

const INITIAL: &str = "watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let events = lines.map(|line| serde_json::from_str(line).expect("an event"));
    events.collect()
}

fn count(events: &[Value], kind: &str) -> usize {
    let own = events.iter().filter(|event| event["type"] == kind);
    own.count()
}

#[test]
fn no_form_of_a_watch_shows_a_masked_value() {
    let vault = Vault::new();
    let old = format!("/api/v1/watch/namespaces/{}/secrets", vault.namespace);
    let targets = [
        vault.path("?watch=1&timeoutSeconds=1"),
        vault.path("?watch=1&timeoutSeconds=1&resourceVersion=0"),
        vault.path("?watch=1&timeoutSeconds=1&pretty=true"),
        vault.path("?watch=1&timeoutSeconds=1&includeObject=Object"),
        vault.path("?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Ddb"),
        format!("{old}?timeoutSeconds=1"),
        format!("{old}/db?timeoutSeconds=1"),
        format!(
            "/api/v1/watch/secrets?timeoutSeconds=1&fieldSelector=metadata.namespace%3D{}",
            vault.namespace
        ),
    ];
    let asked: Vec<(&String, &str)> = targets
        .iter()
        .flat_map(|target| [JSON, PROTOBUF, TABLE, PARTIAL].map(|accept| (target, accept)))
        .collect();
    each(&asked, |(target, accept)| {
        let what = format!("{accept} on {target}");
        let answer = vault.masked(&what, &get(target).header("Accept", accept));
        let events = events(&answer.text());
        assert!(count(&events, "ADDED") > 0, "{what}");
        for event in &events {
            assert!(marks_in(&event.to_string()) > 0, "{what}: {event}");
        }
    });
    let direct = vault.direct(&get(&vault.path("?watch=1&timeoutSeconds=1")));
    assert!(vault.canary.coat_in(&direct.body).is_some());
}

/// Attack 16: the initial list comes as events, and the bookmark that ends it comes too.
#[test]
fn a_watch_list_is_masked_and_its_bookmark_ends_the_initial_list() {
    let vault = Vault::new();
    each(&[JSON, TABLE], |accept| {
        let target = vault.path(&format!("?{INITIAL}"));
        let answer = vault.hidden(accept, &get(&target).header("Accept", accept));
        let events = events(&answer.text());
        assert_eq!(count(&events, "ADDED"), 2, "{accept}: {}", answer.text());
        let end = events.iter().position(|event| {
            event["type"] == "BOOKMARK" && event.to_string().contains("k8s.io/initial-events-end")
        });
        assert_eq!(end, Some(2), "{accept}: {}", answer.text());
    });
}

/// Attack 17: the last state of a deleted object is the whole object, and it is told.
#[test]
fn a_watch_shows_every_change_and_no_masked_value() {
    let vault = Vault::new();
    let targets = [
        (vault.path("?watch=1&timeoutSeconds=3"), JSON),
        (
            vault.path("?watch=1&timeoutSeconds=3&includeObject=Object"),
            TABLE,
        ),
    ];
    std::thread::scope(|scope| {
        let watches = targets.each_ref().map(|(target, accept)| {
            let request = get(target).header("Accept", accept);
            scope.spawn(|| {
                let request = request;
                vault.masked("a watch", &request).text()
            })
        });
        std::thread::sleep(Duration::from_millis(800));
        vault.change(
            &vault.path("/db"),
            &json!({"metadata": {"labels": {"seen": "yes"}}}),
        );
        vault.create(&vault.path(""), &vault.secret("third"));
        let deleted = vault.direct(&Request::new("DELETE", &vault.path("/db")));
        assert_eq!(deleted.status, 200);
        for watch in watches {
            let text = watch.join().expect("the watch was asked");
            let events = events(&text);
            let counts = ["ADDED", "MODIFIED", "DELETED"].map(|kind| count(&events, kind));
            assert_eq!(counts, [3, 1, 1], "{text}");
            for event in &events {
                assert!(marks_in(&event.to_string()) > 0, "{event}");
            }
        }
    });
}

/// Attack 15 for a masked kind: frames of a WebSocket would pass unmasked (K-3.2).
#[test]
fn a_watch_over_a_websocket_is_refused() {
    let vault = Vault::new();
    let old = format!("/api/v1/watch/namespaces/{}/secrets", vault.namespace);
    for target in [
        vault.path("?watch=1"),
        old,
        vault.path("/db"),
        vault.path(""),
    ] {
        for protocols in [&[][..], &["base64.binary.k8s.io"]] {
            let request = WebSocket::request(&target, protocols)
                .header("Origin", "https://127.0.0.1")
                .token(&vault.token);
            let refused = WebSocket::open(vault.gateway.wire(), &request).expect_err("no session");
            assert_eq!(refused.status, 403, "{target}: {}", refused.text());
            vault.check(&target, &refused);
        }
    }
}
