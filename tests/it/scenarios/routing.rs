//! Which cluster a request is for: the listener says, or the host name (K-1.22).

use gateway_tests::{
    Bundle, FakeUpstream, Gateway, Issuer, Request, Script, Setup, eventually, fresh, get,
    read_request, write_answer,
};
use serde_json::json;

use super::Stage;
use crate::ground::{EVERYTHING, assert_status};

/// An upstream that says its name.
fn named(name: &'static str) -> FakeUpstream {
    FakeUpstream::start(Script::http1(move |connection, log| {
        while let Some(request) = read_request(connection)? {
            log.add(request);
            write_answer(connection, "200 OK", &format!("{{\"cluster\":\"{name}\"}}"))?;
        }
        Ok(())
    }))
}

struct Two {
    issuer: Issuer,
    gateway: Gateway,
    upstreams: [FakeUpstream; 2],
}

fn two_clusters() -> Two {
    let upstreams = [named("one"), named("two")];
    let issuer = Issuer::start();
    let rules = format!(
        "{EVERYTHING}\ndeny \"not-on-two\" {{\n    why \"The clusters differ\"\n    severity low\n    \
        can read\n    on \"secrets\"\n    in \"*\"\n    clusters \"two\"\n}}\n"
    );
    let bundle = Bundle::open(&issuer, &["one", "two"]).with_rules(&rules);
    let mut setup = Setup::empty(bundle)
        .with_listener("main", None)
        .with_listener("only-two", Some("two"))
        .with_cluster("one", &upstreams[0].kubeconfig(), &["one.gateway.example"])
        .with_cluster(
            "two",
            &upstreams[1].kubeconfig(),
            &["two.gateway.example", "zwei.gateway.example"],
        );
    setup.trust("agents", &issuer);
    let gateway = setup.start();
    Two {
        issuer,
        gateway,
        upstreams,
    }
}

#[test]
fn the_host_name_or_the_listener_chooses_the_cluster() {
    let two = two_clusters();
    let token = two.issuer.token("agent");
    let target = "/api/v1/namespaces/a/configmaps/x";
    let ask = |listener: &str, name: &str, host: &str| {
        two.gateway
            .wire_to(listener, name)
            .ask(&get(target).token(&token).host(host))
    };
    let cluster = |listener: &str, name: &str, host: &str| {
        let answer = ask(listener, name, host);
        assert_eq!(answer.status, 200, "{name}, {host}: {}", answer.text());
        answer.json()["cluster"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    assert_eq!(
        cluster("main", "one.gateway.example", "one.gateway.example"),
        "one"
    );
    assert_eq!(
        cluster("main", "one.gateway.example", "ONE.gateway.example"),
        "one"
    );
    assert_eq!(
        cluster("main", "one.gateway.example", "one.gateway.example:8443"),
        "one"
    );
    assert_eq!(
        cluster("main", "two.gateway.example", "two.gateway.example"),
        "two"
    );
    assert_eq!(
        cluster("main", "zwei.gateway.example", "zwei.gateway.example"),
        "two"
    );
    assert_eq!(cluster("only-two", "localhost", "anything.example"), "two");
    assert_eq!(
        cluster("only-two", "one.gateway.example", "one.gateway.example"),
        "two"
    );
    // A host that is an address upstream never becomes one.
    let evil = two.upstreams[0].address().to_string();
    for (name, host, codes) in [
        ("localhost", "localhost", &[404][..]),
        ("localhost", "unknown.example", &[404, 421]),
        ("localhost", evil.as_str(), &[404, 421]),
        ("one.gateway.example", "two.gateway.example", &[421]),
        ("two.gateway.example", "one.gateway.example", &[421]),
    ] {
        let answer = ask("main", name, host);
        assert!(
            codes.contains(&answer.status),
            "{name}, {host}: {}",
            answer.status
        );
        assert_status(&format!("{name}, {host}"), &answer, answer.status);
    }
}

#[test]
fn a_rule_may_be_for_one_cluster() {
    let two = two_clusters();
    let token = two.issuer.token("agent");
    let secrets = get("/api/v1/namespaces/a/secrets/x").token(&token);
    let one = secrets.clone().host("one.gateway.example");
    assert_eq!(
        two.gateway
            .wire_to("main", "one.gateway.example")
            .ask(&one)
            .status,
        200
    );
    let other = secrets.host("two.gateway.example");
    let answer = two
        .gateway
        .wire_to("main", "two.gateway.example")
        .ask(&other);
    assert_status("a rule for one cluster", &answer, 403);
}

#[test]
fn a_cluster_that_cannot_be_reached_is_unavailable_and_nothing_was_done() {
    let upstream = named("gone");
    let issuer = Issuer::start();
    let kubeconfig = upstream.kubeconfig();
    let text = std::fs::read_to_string(&kubeconfig).expect("the kubeconfig");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = port.local_addr().expect("an address").to_string();
    drop(port);
    std::fs::write(
        &kubeconfig,
        text.replace(&upstream.address().to_string(), &closed),
    )
    .expect("a file");
    let gateway = Setup::with_kubeconfig(&kubeconfig, &issuer).start();
    let token = issuer.token("agent");
    let object = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#;
    for request in [
        get("/api/v1/namespaces/a/configmaps/x"),
        Request::new("POST", "/api/v1/namespaces/a/configmaps").body("application/json", object),
    ] {
        let answer = gateway.wire().ask(&request.token(&token));
        assert_status("nobody is there", &answer, 503);
        assert_eq!(
            answer.header("retry-after"),
            None,
            "a write is not to be repeated blindly"
        );
    }
}

/// What was known of a custom kind stayed known when it was deleted and made anew with the other
/// scope: kubectl's own suite does that.
#[test]
fn a_custom_kind_may_change_its_scope() {
    let stage = Stage::new(|setup| setup);
    let group = format!("{}.example.com", fresh("scope"));
    let admin = stage.ground.cluster.admin();
    let definition = |scope: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("widgets.{group}")},
            "spec": {
                "group": group, "scope": scope,
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        })
    };
    let token = stage.issuer.token("agent");
    let create = |path: String| {
        let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one"}});
        let request = Request::new("POST", &path).token(&token);
        let request = request.body("application/json", object.to_string());
        eventually(&format!("POST {path} to be served"), || {
            (stage.gateway.wire().ask(&request).status == 201).then_some(())
        });
    };
    let namespace = &stage.ground.namespace;
    let name = format!("widgets.{group}");
    let scopes = [
        ("Cluster", format!("/apis/{group}/v1/widgets")),
        (
            "Namespaced",
            format!("/apis/{group}/v1/namespaces/{namespace}/widgets"),
        ),
        ("Cluster", format!("/apis/{group}/v1/widgets")),
    ];
    for (scope, path) in scopes {
        admin.apply(&definition(scope).to_string());
        create(path);
        admin.ok(&["delete", "crd", &name]);
    }
}
