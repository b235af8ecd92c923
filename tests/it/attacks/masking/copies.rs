//! The same value in other places: releases, annotations, templates, tokens, events (K-4.2 to K-4.8,
//! K-4.18).

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use gateway_tests::{Request, eventually, get};
use serde_json::{Value, json};

use super::{JSON, LAST_APPLIED, MERGE, PARTIAL, STRATEGIC, TABLE, Vault, each, marks_in, patch};

/// As Helm keeps a release: base64 of gzip of JSON.
fn release(vault: &Vault) -> String {
    let release = json!({
        "name": "shop", "version": 1, "config": {"password": vault.canary.as_str()},
        "manifest": format!("kind: Secret\ndata:\n  password: {}\n", vault.canary.base64()),
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(release.to_string().as_bytes())
        .expect("memory");
    STANDARD.encode(encoder.finish().expect("memory"))
}

/// K-4.5: both drivers of Helm.
#[test]
fn no_release_of_helm_shows_a_masked_value() {
    let vault = Vault::empty();
    let release = release(&vault);
    let metadata = json!({"name": "sh.helm.release.v1.shop.v1", "labels": {"owner": "helm"}});
    let secret = json!({
        "metadata": metadata, "type": "helm.sh/release.v1",
        "data": {"release": STANDARD.encode(&release)},
    });
    let map = json!({"metadata": metadata, "data": {"release": release}});
    for (resource, object) in [("secrets", secret), ("configmaps", map)] {
        let list = vault.path_of(resource, "");
        vault.create(&list, &object);
        let selected = format!("{list}?labelSelector=owner%3Dhelm");
        let targets = [
            format!("{list}/sh.helm.release.v1.shop.v1"),
            selected.clone(),
            format!("{selected}&watch=1&timeoutSeconds=1"),
        ];
        each(&targets, |target| {
            vault.hidden(target, &get(target));
        });
        let full = format!("{selected}&includeObject=Object");
        vault.hidden(resource, &get(&full).header("Accept", TABLE));
    }
}

/// K-4.2, K-4.3: tools keep what they applied, whole.
#[test]
fn no_copy_in_an_annotation_shows_a_masked_value() {
    let vault = Vault::empty();
    for (number, name) in [
        LAST_APPLIED,
        "objectset.rio.cattle.io/applied",
        "kapp.k14s.io/original",
        "banzaicloud.com/last-applied",
        "app.oam.dev/last-applied-configuration",
        "kopf.zalando.org/last-handled-configuration",
        "metacontroller.k8s.io/last-applied-configuration",
    ]
    .into_iter()
    .enumerate()
    {
        let copy = json!({"kind": "Secret", "data": {"password": vault.canary.base64()}});
        let object = format!("s{number}");
        let secret = json!({
            "metadata": {"name": object, "annotations": {name: copy.to_string()}},
            "data": {"x": "eA=="},
        });
        vault.create(&vault.path(""), &secret);
        let target = vault.path(&format!("/{object}"));
        for accept in [JSON, TABLE, PARTIAL] {
            vault.hidden(name, &get(&target).header("Accept", accept));
        }
    }
}

/// K-4.18: what the API server mints.
#[test]
fn no_minted_credential_is_shown() {
    let vault = Vault::empty();
    let accounts = vault.path_of("serviceaccounts", "");
    vault.create(&accounts, &json!({"metadata": {"name": "robot"}}));
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let mint =
        Request::new("POST", &format!("{accounts}/robot/token")).body(JSON, body.to_string());
    let token = vault.direct(&mint).json()["status"]["token"].clone();
    assert!(
        token.as_str().is_some_and(|token| token.starts_with("eyJ")),
        "{token}"
    );
    for accept in [JSON, super::PROTOBUF, "application/yaml"] {
        let answer = vault.ask(accept, &mint.clone().header("Accept", accept));
        assert_eq!(answer.status, 201, "{}", answer.text());
        let shown = answer.json();
        assert_eq!(
            shown["status"]["token"], "countersign-masked:secret-like",
            "{shown}"
        );
        assert!(!answer.text().contains("eyJ"), "{}", answer.text());
    }
    let bootstrap = json!({
        "metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token",
        "stringData": {"token-id": "abcdef", "token-secret": vault.canary.as_str(), "usage-bootstrap-authentication": "true"},
    });
    vault.create(&vault.path(""), &bootstrap);
    vault.hidden(
        "a bootstrap token",
        &get(&vault.path("/bootstrap-token-abcdef")),
    );
    let robot = json!({
        "metadata": {"name": "robot-token", "annotations": {"kubernetes.io/service-account.name": "robot"}},
        "type": "kubernetes.io/service-account-token",
    });
    vault.create(&vault.path(""), &robot);
    vault.await_object(&vault.path("/robot-token"), |secret| {
        secret["data"]["token"].is_string()
    });
    let answer = vault.masked("a token's Secret", &get(&vault.path("/robot-token")));
    assert!(!answer.text().contains("ZXlK"), "{}", answer.text());
}

/// A certificate is as good as the key it was made for; it is hidden with it.
#[test]
fn no_issued_certificate_is_shown() {
    let vault = Vault::empty();
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::default();
    let request = parameters.serialize_request(&key).expect("a request");
    let issued = parameters.self_signed(&key).expect("a certificate").pem();
    let group = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let name = &vault.namespace;
    let wanted = json!({
        "metadata": {"name": name},
        "spec": {
            "request": STANDARD.encode(request.pem().expect("PEM")),
            "signerName": "vault.it.example/any", "usages": ["client auth"],
        },
    });
    vault.create(group, &wanted);
    let approved = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "it", "message": "it"}]}});
    vault.change(&format!("{group}/{name}/approval"), &approved);
    let issued = STANDARD.encode(issued);
    vault.change(
        &format!("{group}/{name}/status"),
        &json!({"status": {"certificate": issued}}),
    );
    let part = &issued[60..120];
    let named = format!("{group}?fieldSelector=metadata.name%3D{name}");
    for request in [
        get(&format!("{group}/{name}")),
        get(&named),
        get(&format!("{named}&watch=1&timeoutSeconds=1")),
        get(&format!("{named}&includeObject=Object")).header("Accept", TABLE),
        get(&format!("{group}/{name}/status")),
        get(&format!("{group}/{name}/approval")),
        patch(MERGE, &format!("{group}/{name}/approval"), "{}"),
    ] {
        assert!(vault.direct(&request).text().contains(part));
        let answer = vault.masked("a signing request", &request);
        assert!(!answer.text().contains(part), "{}", answer.text());
    }
    vault.direct(&Request::new("DELETE", &format!("{group}/{name}")));
}

/// K-4.8: Events quote what went wrong, in both groups, in columns too.
#[test]
fn no_event_quotes_a_masked_value() {
    let vault = Vault::empty();
    let event = json!({
        "metadata": {"name": "quoting"},
        "involvedObject": {"kind": "ConfigMap", "name": "cm", "namespace": vault.namespace},
        "message": format!("invalid value: {}", vault.canary.as_str()), "reason": "Failed", "type": "Warning",
    });
    vault.create(&vault.path_of("events", ""), &event);
    let asked = ["/api/v1", "/apis/events.k8s.io/v1"].map(|group| {
        let list = format!("{group}/namespaces/{}/events", vault.namespace);
        let watch = format!("{list}?watch=1&timeoutSeconds=1");
        [
            (format!("{list}/quoting"), JSON),
            (list.clone(), JSON),
            (list, TABLE),
            (watch.clone(), JSON),
            (watch, TABLE),
        ]
    });
    each(asked.as_flattened(), |(target, accept)| {
        let request = get(target).header("Accept", accept);
        vault.hidden(&format!("{accept} on {target}"), &request);
    });
    let kubectl = vault.kubectl();
    for arguments in [
        &["get", "events"][..],
        &["events"],
        &["get", "events", "-o", "wide"],
    ] {
        let finished = kubectl.run(arguments);
        let text = [finished.stdout, finished.stderr].concat();
        vault
            .canary
            .assert_absent(&format!("{arguments:?}"), text.as_bytes());
        assert_eq!(finished.code, 0, "{arguments:?}: {text}");
    }
}

/// A template with the canary in the variables of two containers, in every kind that holds one.
fn fill(vault: &Vault) {
    let env = json!([{"name": "TOKEN", "value": vault.canary.as_str()}]);
    let container = |name: &str| json!({"name": name, "image": "busybox", "env": env});
    let pod = json!({"initContainers": [container("init")], "containers": [container("main")]});
    let labels = json!({"app": "x"});
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = "Never".into();
    let selector = json!({"matchLabels": labels});
    let workload = json!({"replicas": 1, "selector": selector, "template": template});
    let daemons = json!({"selector": selector, "template": template});
    let job = json!({"template": once});
    let cron = json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}});
    let scaled = json!({"replicas": 1, "selector": labels, "template": template});
    let stored = json!({"metadata": {"name": "w"}, "template": template});
    vault.create(&vault.path_of("podtemplates", ""), &stored);
    let kinds = [
        (vault.path_in("apps/v1", "deployments", ""), &workload),
        (vault.path_in("apps/v1", "statefulsets", ""), &workload),
        (vault.path_in("apps/v1", "daemonsets", ""), &daemons),
        (vault.path_in("batch/v1", "jobs", ""), &job),
        (vault.path_in("batch/v1", "cronjobs", ""), &cron),
        (vault.path_of("replicationcontrollers", ""), &scaled),
    ];
    each(&kinds, |(list, spec)| {
        let mut object = json!({"metadata": {"name": "w"}, "spec": spec});
        let applied = json!({LAST_APPLIED: object.to_string()});
        object["metadata"]["annotations"] = applied;
        vault.create(list, &object);
        let request = patch(MERGE, &format!("{list}/w?dryRun=All"), "{}");
        vault.hidden(list, &request);
        vault.hidden(list, &get(&format!("{list}/w/status")));
    });
}

/// K-4.7: a mask on pods works in every template of one, and in what controllers make of it.
#[test]
fn no_template_of_a_pod_shows_a_masked_value() {
    let vault = Vault::empty();
    let account = vault.path_of("serviceaccounts", "/default");
    vault.await_object(&account, |_| true);
    fill(&vault);
    let lists = [
        vault.path_in("apps/v1", "deployments", ""),
        vault.path_in("apps/v1", "replicasets", ""),
        vault.path_in("apps/v1", "statefulsets", ""),
        vault.path_in("apps/v1", "daemonsets", ""),
        vault.path_in("apps/v1", "controllerrevisions", ""),
        vault.path_in("batch/v1", "jobs", ""),
        vault.path_in("batch/v1", "cronjobs", ""),
        vault.path_of("replicationcontrollers", ""),
        vault.path_of("podtemplates", ""),
        vault.path_of("pods", ""),
    ];
    each(&lists, |list| {
        // Some are made by controllers.
        vault.await_object(list, |list| list["items"] != json!([]));
        vault.hidden(list, &get(list));
        let full = format!("{list}?includeObject=Object");
        vault.hidden(&full, &get(&full).header("Accept", TABLE));
        let watched = format!("{list}?watch=1&timeoutSeconds=1");
        vault.hidden(&watched, &get(&watched));
    });
    let kubectl = vault.kubectl();
    let text = kubectl.ok(&["rollout", "history", "deployment/w", "--revision=1"]);
    let what = "a rollout's history";
    vault.canary.assert_absent(what, text.as_bytes());
}

/// Subresources answer with the whole pod, and its status says what a container wrote (K-4.8).
#[test]
fn no_subresource_of_a_pod_shows_a_masked_value() {
    let vault = Vault::empty();
    vault.await_object(&vault.path_of("serviceaccounts", "/default"), |_| true);
    let canary = vault.canary.as_str();
    let env = json!([{"name": "TOKEN", "value": canary}]);
    let pod = json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "main", "image": "busybox", "env": env}]},
    });
    vault.create(&vault.path_of("pods", ""), &pod);
    let status = json!({"status": {"message": format!("failed with {canary}")}});
    let one = |rest: &str| vault.path_of("pods", &format!("/p{rest}"));
    vault.change(&one("/status"), &status);
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox", "env": env}]}});
    // Asked once: of a container that is there, the same would be a guess.
    let added = patch(STRATEGIC, &one("/ephemeralcontainers"), &debug);
    vault.masked("a new container", &added);
    let again = vault.ask("a guess", &added);
    assert_eq!(again.status, 403, "{}", again.text());
    for request in [
        get(&one("")),
        get(&one("/status")),
        get(&one("/ephemeralcontainers")),
        patch(MERGE, &one("/status"), "{}"),
        get(&one("/resize")),
        Request::new("DELETE", &one("?dryRun=All&gracePeriodSeconds=30")),
    ] {
        vault.hidden("a subresource", &request);
    }
    let shown = eventually("the echo", || {
        let answer = vault.masked("a pod", &get(&one("")));
        Some(answer.json())
    });
    let of = |list: &str| -> Value { shown["spec"][list][0]["env"][0]["value"].clone() };
    let mark = json!("countersign-masked:env");
    assert_eq!(
        [of("containers"), of("ephemeralContainers")],
        [mark.clone(), mark]
    );
    assert!(marks_in(&shown["status"].to_string()) == 1, "{shown}");
}
