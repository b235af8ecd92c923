use super::*;
use crate::credential::{Credentials, Presented};
use serde_json::Value;

fn request() -> ReviewRequest {
    let presented = Presented {
        authorization: &[b"Bearer sesame"],
        ..Presented::default()
    };
    let credentials = Credentials::parse(&presented).unwrap();
    ReviewRequest {
        issuer: "cluster".to_owned(),
        audiences: ["gateway".to_owned(), "k8s-gateway".to_owned()].into(),
        key: credentials.cache_key(),
        token: credentials.bearer.unwrap(),
    }
}

fn answer() -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "metadata": {}, "spec": {"token": "sesame"},
        "status": {
            "authenticated": true,
            "audiences": ["k8s-gateway"],
            "user": {
                "username": "system:serviceaccount:shop:web", "uid": "7",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
                "extra": {"authentication.kubernetes.io/credential-id": ["JTI=1"]},
            },
        },
    })
}

fn check(pointer: &str, value: &Value, expected: ReviewFault) {
    let mut answer = answer();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    answer.pointer_mut(parent).unwrap()[member] = value.clone();
    let found = Review::parse(&request(), answer.to_string().as_bytes(), Duration::ZERO);
    assert_eq!(found, Err(expected), "{pointer} {value}");
}

#[test]
fn asks_with_token_and_audiences_and_prints_neither_in_debug() {
    let body: Value = serde_json::from_str(&request().body()).unwrap();
    let spec = json!({"token": "sesame", "audiences": ["gateway", "k8s-gateway"]});
    assert_eq!(body["spec"], spec);
    assert_eq!(body["kind"], "TokenReview");
    assert!(!format!("{:?}", request()).contains("sesame"));
}

#[test]
fn reads_a_positive_answer_and_drops_the_group_everybody_has() {
    let answer = answer().to_string();
    let review = Review::parse(&request(), answer.as_bytes(), Duration::ZERO).unwrap();
    assert_eq!(review.user.username, "system:serviceaccount:shop:web");
    assert_eq!(
        review.user.groups,
        ["system:serviceaccounts", "system:serviceaccounts:shop"]
    );
    assert_eq!(credential_id(&review.user).as_deref(), Some("JTI=1"));
}

#[test]
fn refuses_every_answer_that_is_not_a_plain_yes() {
    check(
        "/status/authenticated",
        &json!(false),
        ReviewFault::NotAuthenticated,
    );
    check(
        "/status/authenticated",
        &json!("true"),
        ReviewFault::Shape("status.authenticated"),
    );
    check(
        "/status/authenticated",
        &json!(null),
        ReviewFault::Shape("status.authenticated"),
    );
    check(
        "/status/error",
        &json!("expired"),
        ReviewFault::NotAuthenticated,
    );
    check("/status", &json!({}), ReviewFault::NotAuthenticated);
    check("/status", &json!(null), ReviewFault::Shape("status"));
    check("/kind", &json!("Status"), ReviewFault::Shape("kind"));
    check(
        "/apiVersion",
        &json!("authentication.k8s.io/v1beta1"),
        ReviewFault::Shape("kind"),
    );
    check(
        "/status/user",
        &json!(null),
        ReviewFault::Shape("status.user"),
    );
}

#[test]
fn refuses_answers_for_other_audiences_or_none() {
    check(
        "/status/audiences",
        &json!(["https://kubernetes.default.svc"]),
        ReviewFault::Audience,
    );
    check("/status/audiences", &json!([]), ReviewFault::Audience);
    check(
        "/status/audiences",
        &json!("k8s-gateway"),
        ReviewFault::Shape("status.audiences"),
    );
}

#[test]
fn refuses_users_that_are_no_service_account_and_groups_of_the_cluster() {
    check("/status/user/username", &json!("ana"), ReviewFault::User);
    check(
        "/status/user/username",
        &json!("system:admin"),
        ReviewFault::User,
    );
    check(
        "/status/user/username",
        &json!(""),
        ReviewFault::Shape("status.user"),
    );
    check(
        "/status/user/groups",
        &json!(["system:masters"]),
        ReviewFault::User,
    );
    check(
        "/status/user/groups",
        &json!(["system:serviceaccounts:kube-system"]),
        ReviewFault::User,
    );
    check(
        "/status/user/groups",
        &json!([1]),
        ReviewFault::Shape("status.user.groups"),
    );
    check(
        "/status/user/extra",
        &json!({"a/b": "c"}),
        ReviewFault::Shape("status.user.extra"),
    );
    let character = NameFault::Character(NameOf::Uid, "`a\\n`".to_owned());
    check(
        "/status/user/uid",
        &json!("a\n"),
        ReviewFault::Name(character),
    );
}

#[test]
fn counts_for_ten_seconds_and_for_its_token_only() {
    let answer = answer().to_string();
    let taken = Duration::from_secs(100);
    let review = Review::parse(&request(), answer.as_bytes(), taken).unwrap();
    let key = request().key;
    assert!(review.counts(key, taken) && review.counts(key, taken + REVIEW_AGE_MAX));
    assert!(!review.counts(key, taken + REVIEW_AGE_MAX + Duration::from_millis(1)));
    assert!(!review.counts(key, taken - Duration::from_millis(1)));
    let other = Presented {
        authorization: &[b"Bearer other"],
        ..Presented::default()
    };
    assert!(!review.counts(crate::credential::cache_key(&other).unwrap(), taken));
}
