//! Tokens the cluster proves.

use super::*;

const CLUSTER: &str = "https://kubernetes.default.svc";
const WEB: &str = "system:serviceaccount:shop:web";

fn world() -> World {
    let mut spec = IssuerSpec::service_account(
        "cluster",
        CLUSTER,
        "k8s-gateway",
        ServiceAccountProof::TokenReview,
    );
    spec.algorithms = vec!["ES256".to_owned()];
    World::new(vec![spec])
}

// No key of this issuer is known: what counts is the cluster's word.
fn token(exp: i64) -> String {
    let own = json!({"namespace": "shop", "serviceaccount": {"name": "web", "uid": "u"}});
    let claims = with(claims(CLUSTER, WEB), "kubernetes.io", own);
    MintKey::test_es256(2)
        .sign(&with(claims, "exp", json!(exp)), &json!({}))
        .unwrap()
}

fn asked(world: &World, token: &str) -> ReviewRequest {
    let outcome = world.ask(Some(token), None);
    let Outcome::NeedsReview(request) = outcome else {
        panic!("no review asked: {}", word(&outcome))
    };
    *request
}

fn answer(username: &str, uid: &str) -> String {
    json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "status": {
            "authenticated": true, "audiences": ["k8s-gateway"],
            "user": {
                "username": username, "uid": uid,
                "groups": ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
                "extra": {"authentication.kubernetes.io/credential-id": ["JTI=1"]},
            },
        },
    })
    .to_string()
}

fn judged(username: &str, uid: &str) -> Outcome {
    let (world, token) = (world(), token(NOW + 300));
    let request = asked(&world, &token);
    let review = Review::parse(&request, answer(username, uid).as_bytes(), UP).unwrap();
    world.ask_with(Some(&token), None, Some(&review))
}

#[test]
fn asks_the_cluster_and_takes_its_word() {
    let proof = proven(judged(WEB, "u"));
    assert_eq!(proof.caller.user.username, WEB);
    assert_eq!(
        proof.caller.user.groups,
        ["system:serviceaccounts", "system:serviceaccounts:shop"]
    );
    assert_eq!(proof.caller.credential_id.as_deref(), Some("JTI=1"));
    assert_eq!(proof.caller.expires_at, Some(NOW + 300));
    assert_eq!(proof.valid_until, NOW + REVIEWED_SECONDS_MAX);
}

#[test]
fn refuses_a_cluster_that_names_someone_else_than_the_token() {
    assert_eq!(
        word(&judged("system:serviceaccount:shop:other", "u")),
        "review-refused"
    );
    assert_eq!(word(&judged(WEB, "other")), "review-refused");
}

#[test]
fn an_answer_counts_for_its_own_token_only() {
    let (world, first, second) = (world(), token(NOW + 300), token(NOW + 299));
    let request = asked(&world, &first);
    let review = Review::parse(&request, answer(WEB, "u").as_bytes(), UP).unwrap();
    assert_eq!(
        word(&world.ask_with(Some(&second), None, Some(&review))),
        "review"
    );
    let stale = Review::parse(&request, answer(WEB, "u").as_bytes(), UP / 2).unwrap();
    assert_eq!(
        word(&world.ask_with(Some(&first), None, Some(&stale))),
        "review"
    );
}

#[test]
fn does_not_ask_about_tokens_that_cannot_be_accepted() {
    let world = world();
    assert_eq!(
        word(&world.ask(Some(&token(NOW - 1)), None)),
        "token-expired"
    );
    assert_eq!(
        word(&world.ask(Some(&token(NOW + 9000)), None)),
        "token-age"
    );
    let claims = with(claims(CLUSTER, WEB), "aud", json!(CLUSTER));
    assert_eq!(word(&world.token(&claims)), "audience-mismatch");
}

#[test]
fn needs_no_keys_of_a_cluster_that_is_asked() {
    assert_eq!(world().authenticator.key_issuers().count(), 0);
}
