use http::Method;
use proptest::prelude::*;

use super::{Connection, JudgeFault, Judged, RequestFacts, judge};
use crate::attributes::{Attributes, NameScope, NamespaceScope, Target, Verb};
use crate::body::{BodyIdentity, PatchForm};
use crate::scope::{Scope, builtin_scope};
use crate::target::RequestTarget;
use crate::testing::generate_targets;

fn body(namespace: &str, name: &str, generate_name: &str) -> BodyIdentity {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    BodyIdentity {
        namespace: text(namespace),
        name: text(name),
        generate_name: text(generate_name),
        ..BodyIdentity::default()
    }
}

fn target(method: &str, path: &str) -> RequestTarget {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    RequestTarget::parse(&method, path.as_bytes()).unwrap()
}

fn facts(target: &RequestTarget) -> RequestFacts<'_> {
    RequestFacts {
        target,
        scope: Scope::Unknown,
        connection: Connection::Plain,
        body: None,
        patch: None,
        source: None,
    }
}

/// `verb resource namespace name`, with `+create` if it may create.
fn print(judged: &Judged) -> String {
    let Attributes {
        verb,
        target,
        namespace,
        name,
        ..
    } = &judged.attributes;
    let target = match target {
        Target::Resource(resource) => resource.to_string(),
        Target::Url(path) => path.clone(),
    };
    let namespace = match namespace {
        NamespaceScope::One(namespace) => namespace.as_str(),
        NamespaceScope::Every => "EVERY",
        NamespaceScope::Cluster => "CLUSTER",
        NamespaceScope::EveryOrCluster => "EVERY-OR-CLUSTER",
    };
    let name = match name {
        NameScope::One(name) => name.clone(),
        NameScope::Prefix(prefix) => format!("{prefix}*"),
        NameScope::Any => "ANY".to_owned(),
    };
    let also = if judged.may_create() { " +create" } else { "" };
    format!("{verb} {target} {namespace} {name}{also}")
}

/// Method, target, and what it is judged as.
const SETS: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1/pods", "list pods EVERY ANY"),
    ("GET", "/api/v1/nodes", "list nodes CLUSTER ANY"),
    ("GET", "/api/v1/nodes/n", "get nodes CLUSTER n"),
    (
        "GET",
        "/apis/x.io/v1/foos",
        "list foos.x.io EVERY-OR-CLUSTER ANY",
    ),
    (
        "GET",
        "/apis/x.io/v1/namespaces/a/foos",
        "list foos.x.io a ANY",
    ),
    (
        "GET",
        "/api/v1/namespaces/a/pods?watch=1",
        "watch pods a ANY",
    ),
    ("GET", "/api/v1/watch/namespaces/a/pods", "watch pods a ANY"),
    (
        "GET",
        "/api/v1/pods?fieldSelector=metadata.name=p",
        "list pods EVERY p",
    ),
    ("GET", "/api/v1/namespaces", "list namespaces CLUSTER ANY"),
    ("GET", "/api/v1/namespaces/a", "get namespaces a a"),
    (
        "PUT",
        "/api/v1/namespaces/a/finalize",
        "update namespaces/finalize a a",
    ),
    (
        "DELETE",
        "/api/v1/namespaces/a/pods",
        "deletecollection pods a ANY",
    ),
    (
        "DELETE",
        "/api/v1/pods?fieldSelector=metadata.name=p",
        "deletecollection pods EVERY ANY",
    ),
    ("DELETE", "/api/v1/namespaces/a/pods/p", "delete pods a p"),
    ("POST", "/api/v1/namespaces/a/pods", "create pods a ANY"),
    (
        "POST",
        "/api/v1/namespaces/a/pods/p/eviction",
        "create pods/eviction a p",
    ),
    (
        "GET",
        "/apis/events.k8s.io/v1/events",
        "list events EVERY ANY",
    ),
    (
        "GET",
        "/apis/apps/v1/namespaces/a/deployments/d/scale",
        "get deployments.apps/scale a d",
    ),
    (
        "GET",
        "/api/v1/namespaces/a/pods/p/exec?command=id",
        "connect pods/exec a p",
    ),
    (
        "POST",
        "/api/v1/namespaces/a/pods/p/attach",
        "connect pods/attach a p",
    ),
    (
        "DELETE",
        "/api/v1/namespaces/a/pods/https:p:1/proxy/x",
        "connect pods/proxy a p",
    ),
    (
        "GET",
        "/api/v1/nodes/n:10250/proxy/exec",
        "connect nodes/proxy CLUSTER n",
    ),
    (
        "GET",
        "/api/v1/proxy/nodes/n",
        "connect nodes/proxy CLUSTER n",
    ),
    ("GET", "/api/v1/namespaces/a/pods/p/log", "get pods/log a p"),
    ("GET", "/metrics", "get /metrics CLUSTER ANY"),
    ("HEAD", "/healthz/", "get /healthz CLUSTER ANY"),
    ("PUT", "/debug/flags/v", "update /debug/flags/v CLUSTER ANY"),
    ("PUT", "/api/v1/namespaces/a/pods/p", "update pods a p"),
    (
        "PUT",
        "/api/v1/namespaces/a/services/s",
        "update services a s +create",
    ),
    (
        "PUT",
        "/api/v1/namespaces/a/services/s/status",
        "update services/status a s",
    ),
    (
        "PUT",
        "/apis/events.k8s.io/v1/namespaces/a/events/e",
        "update events a e +create",
    ),
    (
        "PUT",
        "/apis/x.io/v1/namespaces/a/foos/f",
        "update foos.x.io a f +create",
    ),
    (
        "PATCH",
        "/api/v1/namespaces/a/pods/p",
        "patch pods a p +create",
    ),
    (
        "PATCH",
        "/api/v1/namespaces/a/pods/p/status",
        "patch pods/status a p",
    ),
];

#[test]
fn judges_requests_as_sets_of_objects() {
    for (method, path, expected) in SETS {
        let target = target(method, path);
        assert_eq!(
            print(&judge(&facts(&target)).unwrap()),
            *expected,
            "{method} {path}"
        );
    }
}

#[test]
fn takes_the_name_of_a_new_object_from_the_body() {
    for (path, body, expected) in [
        (
            "/api/v1/namespaces/a/pods",
            body("a", "p", "x-"),
            "create pods a p",
        ),
        (
            "/api/v1/namespaces/a/pods",
            body("", "", "x-"),
            "create pods a x-*",
        ),
        (
            "/api/v1/namespaces/a/pods",
            body("", "", ""),
            "create pods a ANY",
        ),
        (
            "/api/v1/namespaces",
            body("", "prod", ""),
            "create namespaces CLUSTER prod",
        ),
        (
            "/api/v1/namespaces/a/bindings",
            body("", "p", ""),
            "create pods/binding a p",
        ),
        (
            "/api/v1/namespaces/a/pods/p/binding",
            body("a", "p", ""),
            "create pods/binding a p",
        ),
        (
            "/api/v1/nodes",
            body("ignored", "n", ""),
            "create nodes CLUSTER n",
        ),
    ] {
        let target = target("POST", path);
        let facts = RequestFacts {
            body: Some(&body),
            ..facts(&target)
        };
        assert_eq!(print(&judge(&facts).unwrap()), expected, "{path}");
    }
}

#[test]
fn refuses_bodies_that_contradict_the_url() {
    for (method, path, body) in [
        ("POST", "/api/v1/namespaces/a/pods", body("b", "p", "")),
        ("POST", "/api/v1/pods", body("a", "p", "")),
        ("PUT", "/api/v1/namespaces/a/pods/p", body("a", "q", "")),
        ("PATCH", "/api/v1/namespaces/a/pods/p", body("", "q", "")),
        ("PATCH", "/api/v1/namespaces/a/pods/p", body("b", "", "")),
        (
            "POST",
            "/api/v1/namespaces/a/pods/p/eviction",
            body("a", "q", ""),
        ),
        ("PUT", "/api/v1/namespaces/a", body("", "b", "")),
        ("PUT", "/api/v1/namespaces/a", body("b", "a", "")),
    ] {
        let target = target(method, path);
        let facts = RequestFacts {
            body: Some(&body),
            ..facts(&target)
        };
        assert!(judge(&facts).is_err(), "{method} {path} {body:?}");
    }
    let target = target("GET", "/api/v1/namespaces/a/nodes");
    assert!(matches!(
        judge(&facts(&target)),
        Err(JudgeFault::NotNamespaced { .. })
    ));
}

#[test]
fn only_apply_patches_may_create() {
    let target = target("PATCH", "/api/v1/namespaces/a/pods/p");
    for (patch, expected) in [
        (Some(PatchForm::Apply), true),
        (None, true),
        (Some(PatchForm::Merge), false),
        (Some(PatchForm::Json), false),
        (Some(PatchForm::Strategic), false),
    ] {
        let judged = judge(&RequestFacts {
            patch,
            ..facts(&target)
        })
        .unwrap();
        assert_eq!(judged.may_create(), expected, "{patch:?}");
        let names: Vec<&NameScope> = judged.also.iter().map(|also| &also.name).collect();
        assert!(
            names
                .iter()
                .all(|name| **name == NameScope::One("p".to_owned()))
        );
    }
}

#[test]
fn a_custom_resource_known_to_discovery_is_not_created_by_put() {
    let target = target("PUT", "/apis/x.io/v1/namespaces/a/foos/f");
    let facts = RequestFacts {
        scope: Scope::Namespaced,
        ..facts(&target)
    };
    assert_eq!(print(&judge(&facts).unwrap()), "update foos.x.io a f");
}

#[test]
fn every_upgrade_is_a_connect() {
    for path in [
        "/api/v1/namespaces/a/pods/p",
        "/apis/x.io/v1/namespaces/a/vms/v/console",
        "/x",
    ] {
        let target = target("GET", path);
        let facts = RequestFacts {
            connection: Connection::Upgrade,
            ..facts(&target)
        };
        assert_eq!(
            judge(&facts).unwrap().attributes.verb,
            Verb::Connect,
            "{path}"
        );
    }
}

#[test]
fn knows_the_scope_of_built_in_kinds() {
    for (group, resource, expected) in [
        ("", "pods", Some(Scope::Namespaced)),
        ("", "namespaces", Some(Scope::Cluster)),
        (
            "rbac.authorization.k8s.io",
            "roles",
            Some(Scope::Namespaced),
        ),
        (
            "rbac.authorization.k8s.io",
            "clusterroles",
            Some(Scope::Cluster),
        ),
        ("apps", "pods", None),
    ] {
        assert_eq!(
            builtin_scope(group, resource),
            expected,
            "{group} {resource}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A method on a connect subresource is never a read or a write, and a request without a
    /// namespace never counts as one namespace.
    #[test]
    fn judged_sets_never_shrink(seed in any::<u64>()) {
        for (method, path) in generate_targets(seed, 50) {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let Ok(target) = RequestTarget::parse(&method, path.as_bytes()) else { continue };
            let Ok(judged) = judge(&facts(&target)) else { continue };
            let attributes = judged.attributes;
            if target.is_connect() {
                prop_assert_eq!(attributes.verb, Verb::Connect);
            }
            if target.info().is_resource() && target.info().namespace().is_empty() {
                prop_assert!(!matches!(attributes.namespace, NamespaceScope::One(_)));
            }
            if attributes.verb == Verb::DeleteCollection {
                prop_assert_eq!(attributes.name, NameScope::Any);
            }
        }
    }
}
