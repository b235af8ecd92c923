//! The API server goes away and comes back.

use std::process::Command;

use gateway_tests::{
    Bundle, Cluster, FakeUpstream, Issuer, Request, Script, Setup, eventually, fresh, get,
    read_request, write_answer,
};

use super::Watch;
use crate::ground::{EVERYTHING, assert_status, ground};
use serde_json::json;

#[test]
fn a_restart_of_the_api_server_is_told_truly_and_gotten_over() {
    let cluster = Cluster::start("restart", &["--no-controllers", "--no-kubelet"]);
    cluster
        .admin()
        .apply(include_str!("../../fixtures/cluster-roles.yaml"));
    let issuer = Issuer::start();
    let bundle = Bundle::open(&issuer, &["one"]).with_rules(EVERYTHING);
    let gateway = Setup::new(&cluster, &issuer).with_bundle(bundle).start();
    let token = issuer.token("agent");
    let base = "/api/v1/namespaces/default/configmaps";
    let read = get(base).token(&token);
    assert_eq!(gateway.wire().ask(&read).status, 200);
    let name = fresh("early");
    let object = |name: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#)
    };
    let create = |name: &str| {
        Request::new("POST", base)
            .token(&token)
            .body("application/json", object(name))
    };
    assert_eq!(gateway.wire().ask(&create(&name)).status, 201);
    let watch = Watch::open(&gateway, &format!("{base}?watch=1"), &token);
    let id = watch.id.clone();

    let kill = |signal: &str, part: &str| {
        let pid = cluster.pids()[part].to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.expect("kill runs").success());
    };
    kill("-KILL", "apiserver");
    assert!(
        watch.end().is_err(),
        "a broken watch does not look like an ended one"
    );
    let event = gateway.journal().await_stage(&id, "ResponseComplete");
    assert_eq!(event.text("/user/username"), "it:agent");
    // Nothing was sent: unavailable. If an open connection took the bytes: nobody knows.
    let lost = gateway.wire().ask(&create(&fresh("lost")));
    assert!([503, 504].contains(&lost.status), "{}", lost.text());
    let answer = gateway.wire().ask(&read);
    assert_status("nobody is there", &answer, 503);

    kill("-USR1", "up");
    eventually("the API server to be back", || {
        (gateway.wire().ask(&read).status == 200).then_some(())
    });
    assert_eq!(gateway.wire().ask(&create(&fresh("late"))).status, 201);
    // `up` is not to be stopped while it restarts a part.
    eventually("the cluster to be whole", || {
        cluster.directory().join("ready").is_file().then_some(())
    });
}

/// The API server refuses before it has read the body, and ends the stream. That answer is the
/// answer, not "nobody knows".
#[test]
fn an_early_refusal_of_a_large_write_is_told_as_it_is() {
    let ground = ground();
    let claims = ground
        .issuer
        .claims("nobody")
        .with("groups", json!(["admins-of-nothing"]));
    let token = ground.issuer.mint(&claims);
    let rules = r#"
allow "everybody" {
    why "The cluster refuses here, not the policy"
    who { kind agent }
    can create
    on "configmaps"
    in "*"
}
"#;
    let gateway = Setup::new(ground.cluster, &ground.issuer)
        .with_rules(rules)
        .start();
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"},
        "data": {"payload": "x".repeat(900 * 1024)},
    });
    let target = format!("/api/v1/namespaces/{}/configmaps", ground.namespace);
    let request = Request::new("POST", &target)
        .token(&token)
        .body("application/json", object.to_string());
    let client = gateway.h2();
    for round in 0..15 {
        let answer = gateway.wire().ask(&request);
        assert_status(&format!("round {round}"), &answer, 403);
        let answer = client.ask(&request).expect("an answer");
        assert_eq!(answer.status, 403, "round {round}");
    }
}

/// Any answer counted as reachable: a gateway whose credential was withdrawn called itself ready.
#[test]
fn is_not_ready_before_an_api_server_that_does_not_know_the_gateway() {
    for (status, why) in [
        (
            "401 Unauthorized",
            "answered 401 Unauthorized; check the gateway's own credential",
        ),
        (
            "500 Internal Server Error",
            "answered 500 Internal Server Error",
        ),
    ] {
        let upstream = FakeUpstream::start(Script::http1(move |connection, _| {
            while read_request(connection)?.is_some() {
                write_answer(connection, status, "{}")?;
            }
            Ok(())
        }));
        let issuer = Issuer::start();
        let gateway = Setup::with_kubeconfig(&upstream.kubeconfig(), &issuer).start();
        let line = format!("[-]upstream/one: /version {why}");
        eventually("the check to say so", || {
            let (code, text) = gateway.admin("/readyz?verbose");
            (code == 503 && text.contains(&line)).then_some(())
        });
    }
}
