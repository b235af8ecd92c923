//! Credentials that end, keys that change, issuers that are away.

use std::time::{Duration, Instant};

use gateway_tests::{
    Authority, Bundle, Issuer, Request, eventually, eventually_within, fresh, get, sha256_hex,
};
use serde_json::json;

use super::{Stage, Watch};
use crate::ground::{assert_status, ground};

/// Attack 45 (K-3.10): a watch does not outlive its token.
#[test]
fn a_watch_ends_with_its_token() {
    const LIFE_SECONDS: i64 = 6;
    let ground = ground();
    let token = ground
        .issuer
        .mint(&ground.issuer.claims("brief").ending_in(LIFE_SECONDS));
    let target = format!("/api/v1/namespaces/{}/configmaps?watch=1", ground.namespace);
    let opened = Instant::now();
    let watch = Watch::open(&ground.gateway, &target, &token);
    let id = watch.id.clone();
    let ended = watch.end();
    let lived = opened.elapsed();
    assert!(lived < Duration::from_secs(20), "{lived:?}");
    ended.expect("it ended as a watch ends and was not cut");
    assert!(
        lived > Duration::from_secs(3),
        "it ended before its token: {lived:?}"
    );
    let event = ground
        .gateway
        .journal()
        .await_stage(&id, "ResponseComplete");
    assert_eq!(
        event.annotation("countersign/ended-by"),
        "credential-expired"
    );
    // The API server was asked to end it a little earlier.
    let answer = eventually("the token to expire", || {
        let answer = ground.ask(&get("/version").token(&token));
        (answer.status != 200).then_some(answer)
    });
    assert_status("the expired token", &answer, 401);
}

/// K-8.9: a token of a new key is good at once or within the interval at which unknown keys may be
/// asked for; those of the old key stay good while it is published.
#[test]
fn keys_rotate_without_a_restart() {
    let stage = Stage::new(|setup| setup);
    let request = |token: &str| get("/version").token(token);
    let old = stage.issuer.token("agent");
    assert_eq!(stage.gateway.wire().ask(&request(&old)).status, 200);
    stage.issuer.rotate("key-2", true);
    let new = stage.issuer.token("agent");
    // Unknown keys may be asked for every 30 s.
    let patience = Duration::from_secs(45);
    eventually_within(patience, "the new key to be known", || {
        (stage.gateway.wire().ask(&request(&new)).status == 200).then_some(())
    });
    assert_eq!(
        stage.gateway.wire().ask(&request(&old)).status,
        200,
        "both keys are published"
    );
}

/// A withdrawn key proves nobody any more, whoever was proven by it before, once the gateway has
/// asked for the keys again.
#[test]
fn tokens_of_a_withdrawn_key_end() {
    let stage = Stage::new(|setup| setup);
    let ask = |token: &str| stage.gateway.wire().ask(&get("/version").token(token));
    let seen = stage.issuer.token("seen");
    let unseen = stage.issuer.token("unseen");
    assert_eq!(ask(&seen).status, 200);
    stage.issuer.rotate("key-2", false);
    let new = stage.issuer.token("agent");
    // Unknown keys may be asked for every 30 s.
    eventually_within(Duration::from_secs(45), "the new key to be known", || {
        (ask(&new).status == 200).then_some(())
    });
    assert_status("a token of the withdrawn key", &ask(&unseen), 401);
    assert_status("one that was good before", &ask(&seen), 401);
}

/// A flood of tokens with made-up keys does not become a flood at the issuer.
#[test]
fn unknown_keys_do_not_flood_the_issuer() {
    let stage = Stage::new(|setup| setup);
    let good = stage.issuer.token("agent");
    assert_eq!(
        stage
            .gateway
            .wire()
            .ask(&get("/version").token(&good))
            .status,
        200
    );
    let before = stage.issuer.key_fetches();
    let mut wire = stage.gateway.wire();
    for number in 0..100 {
        let token = stage
            .issuer
            .token_of_unknown_key(&format!("made-up-{number}"), "agent");
        assert_status(
            "an unknown key",
            &wire.ask(&get("/version").token(&token)),
            401,
        );
    }
    let fetched = stage.issuer.key_fetches() - before;
    assert!(fetched <= 2, "{fetched} fetches for 100 made-up keys");
}

#[test]
fn an_issuer_that_is_away_stops_nobody_whose_key_is_known() {
    let stage = Stage::new(|setup| setup);
    let request = |name: &str| get("/version").token(&stage.issuer.token(name));
    assert_eq!(stage.gateway.wire().ask(&request("before")).status, 200);
    stage.issuer.set_down(true);
    for number in 0..20 {
        let answer = stage
            .gateway
            .wire()
            .ask(&request(&format!("during-{number}")));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let unknown = stage.issuer.token_of_unknown_key("other", "agent");
    let answer = stage.gateway.wire().ask(&get("/version").token(&unknown));
    assert_status("an unknown key during the outage", &answer, 401);
    stage.issuer.set_down(false);
    assert_eq!(stage.gateway.wire().ask(&request("after")).status, 200);
}

/// The gateway starts without its issuer and learns the keys when it comes back.
#[test]
fn an_issuer_that_is_away_at_the_start_is_asked_again() {
    let mut stage = Stage::new(|setup| setup);
    stage.issuer.set_down(true);
    stage.gateway.signal("KILL");
    assert_ne!(stage.gateway.exit_code(), 0);
    stage.gateway.restart();
    let request = get("/version").token(&stage.issuer.token("agent"));
    assert_status("no keys yet", &stage.gateway.wire().ask(&request), 401);
    stage.issuer.set_down(false);
    eventually("the keys to be fetched", || {
        (stage.gateway.wire().ask(&request).status == 200).then_some(())
    });
}

/// A shared token of old tools works beside proper identities, and policy can tell them apart.
#[test]
fn a_shared_token_is_of_kind_legacy() {
    const TOKEN: &str = "an-old-shared-token-of-the-ci-system";
    const ENDED: &str = "an-old-shared-token-that-has-ended";
    let rules = r#"
allow "legacy-reads" { why "Old tools read"; who { kind legacy }; can read; on "configmaps"; in "*" }
allow "agents" { why "Agents do more"; who { kind agent }; can read write; on "configmaps"; in "*" }
"#;
    let stage = Stage::new(|setup| {
        setup.with_rules(rules).with_line(&format!(
            "legacy \"ci\" {{\n    hash \"sha256:{}\"\n    user \"legacy:ci\"\n    \
            groups \"it:admins\"\n    expires \"2100-01-01T00:00:00Z\"\n}}\n\
            legacy \"old\" {{\n    hash \"sha256:{}\"\n    user \"legacy:old\"\n    \
            expires \"2020-01-01T00:00:00Z\"\n}}",
            sha256_hex(TOKEN.as_bytes()),
            sha256_hex(ENDED.as_bytes())
        ))
    });
    let target = format!(
        "/api/v1/namespaces/{}/configmaps/cm",
        stage.ground.namespace
    );
    let agent = fresh("legacy");
    let read = get(&target).token(TOKEN).agent(&agent);
    let answer = stage.gateway.wire().ask(&read);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let event = stage
        .ground
        .cluster
        .journal()
        .await_agent(&agent, "ResponseComplete");
    assert_eq!(event.text("/impersonatedUser/username"), "legacy:ci");
    let id = event.text("/auditID");
    let own = stage.gateway.journal().await_stage(id, "ResponseComplete");
    assert_eq!(own.annotation("countersign/kind"), "legacy");
    let delete = Request::new("DELETE", &target);
    assert_status(
        "legacy deletes",
        &stage.gateway.wire().ask(&delete.clone().token(TOKEN)),
        403,
    );
    let answer = stage
        .gateway
        .wire()
        .ask(&get(&target).token(&stage.issuer.token("agent")));
    assert_eq!(answer.status, 200);
    let ended = get(&target).token(ENDED);
    assert_status(
        "an ended shared token",
        &stage.gateway.wire().ask(&ended),
        401,
    );
    let near = get(&target).token(&TOKEN[1..]);
    assert_status(
        "almost a shared token",
        &stage.gateway.wire().ask(&near),
        401,
    );
}

/// Whoever has an identity is judged by it, and the shared token beside it gives nothing.
#[test]
fn an_identity_beside_a_shared_token_is_judged_by_the_identity() {
    const TOKEN: &str = "a-shared-token-beside-a-certificate";
    let rules = r#"
allow "shared" { why "The shared token may delete"; who { kind legacy }; can read write; on "configmaps"; in "*" }
allow "agents" { why "Agents read"; who { kind agent }; can read; on "configmaps"; in "*" }
"#;
    let authority = Authority::new("mesh CA");
    let stage = Stage::new(|setup| {
        setup
            .with_rules(rules)
            .with_listener_lines("main", "    client-ca \"mesh.crt\"\n    cluster \"one\"\n")
            .with_file("mesh.crt", &authority.pem())
            .with_line("client-certificates \"mesh\" {\n    kind agent\n    username-prefix \"mesh:\"\n    groups-prefix \"it:\"\n}")
            .with_line(&format!(
                "legacy \"ci\" {{\n    hash \"sha256:{}\"\n    user \"legacy:ci\"\n    \
                groups \"it:admins\"\n    expires \"2100-01-01T00:00:00Z\"\n}}",
                sha256_hex(TOKEN.as_bytes())
            ))
    });
    let leaf = authority.client("robot", &["admins"]);
    let namespace = &stage.ground.namespace;
    let target = format!("/api/v1/namespaces/{namespace}/configmaps/cm");
    let delete = Request::new("DELETE", &format!("{target}?dryRun=All")).token(TOKEN);
    let answer = stage.gateway.wire().ask(&delete);
    assert_eq!(
        answer.status,
        200,
        "the shared token alone: {}",
        answer.text()
    );
    let agent = fresh("beside");
    let read = get(&target).token(TOKEN).agent(&agent);
    let answer = stage.gateway.wire_with(Some(&leaf)).ask(&read);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let journal = stage.ground.cluster.journal();
    let event = journal.await_agent(&agent, "ResponseComplete");
    assert_eq!(event.text("/impersonatedUser/username"), "mesh:robot");
    let id = event.text("/auditID");
    let own = stage.gateway.journal().await_stage(id, "ResponseComplete");
    assert_eq!(own.text("/user/username"), "mesh:robot");
    assert_eq!(own.annotation("countersign/kind"), "agent");
    let answer = stage.gateway.wire_with(Some(&leaf)).ask(&delete);
    assert_status("the identity may not delete", &answer, 403);
}

/// ServiceAccount tokens are proven by the cluster itself, which knows when the account is gone
/// (K-8.6, K-8.11).
#[test]
fn a_service_account_token_ends_with_its_account() {
    let ground = ground();
    let cluster = ground.cluster;
    let namespace = cluster.namespace("sa");
    let admin = cluster.admin().with(&["-n", &namespace]);
    admin.ok(&["create", "serviceaccount", "robot"]);
    let audience = "countersign-it";
    let token = admin.ok(&[
        "create",
        "token",
        "robot",
        "--audience",
        audience,
        "--duration",
        "30m",
    ]);
    let token = token.trim();
    let block = "issuer \"sa\" {\n    url \"https://kubernetes.default.svc\"\n    audiences \"countersign-it\"\n    \
        algorithms \"RS256\"\n    max-token-age \"1h\"\n    kind service\n    username claim=\"sub\"\n    service-accounts\n}\n";
    let stage = Stage::new(|setup| {
        let issuer = Issuer::start();
        let rules = "allow \"reads\" { why \"Robots read\"; who { kind service }; can read; on \"configmaps\"; in \"*\" }";
        let bundle = Bundle::open(&issuer, &["one"]).with_rules(rules);
        let bundle = bundle.with("identities/sa.kdl", block);
        setup
            .with_bundle(bundle)
            .with_line("issuer \"sa\" { token-review \"one\" }")
    });
    let target = format!("/api/v1/namespaces/{namespace}/configmaps");
    let agent = fresh("sa");
    let answer = stage
        .gateway
        .wire()
        .ask(&get(&target).token(token).agent(&agent));
    // The account may not list; the cluster says so, as to the account itself.
    assert_eq!(answer.status, 403, "{}", answer.text());
    let event = cluster.journal().await_agent(&agent, "ResponseComplete");
    let user = format!("system:serviceaccount:{namespace}:robot");
    assert_eq!(event.text("/impersonatedUser/username"), user);
    admin.ok(&["delete", "serviceaccount", "robot"]);
    eventually("the token to end with its account", || {
        let answer = stage.gateway.wire().ask(&get(&target).token(token));
        (answer.status == 401).then_some(())
    });
    let claims = ground.issuer.claims("x").with("sub", json!(user));
    let answer = stage
        .gateway
        .wire()
        .ask(&get(&target).token(&ground.issuer.mint(&claims)));
    assert_eq!(answer.status, 401, "another issuer cannot name it");
}
