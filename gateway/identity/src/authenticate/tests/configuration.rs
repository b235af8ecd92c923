//! Configuration that is refused, and the texts of refusals.

use super::*;
use crate::{CredentialFault, TokenFault, UsernameSpec};

fn check(spec: AuthenticatorSpec, expected: &[&str]) {
    let faults = Authenticator::new(spec).err().unwrap_or_default();
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), expected.len(), "{texts:?}");
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.contains(expected), "`{text}` has not `{expected}`");
    }
}

fn issuers(issuers: Vec<IssuerSpec>) -> AuthenticatorSpec {
    AuthenticatorSpec {
        issuers,
        ..AuthenticatorSpec::default()
    }
}

fn check_block(change: impl FnOnce(&mut IssuerSpec), expected: &str) {
    let mut spec = block("agents", AGENTS);
    change(&mut spec);
    check(issuers(vec![spec]), &[expected]);
}

fn change_user(spec: &mut IssuerSpec, change: impl FnOnce(&mut ClaimsSpec)) {
    match &mut spec.user {
        UserSpec::Claims(user) => change(user),
        UserSpec::ServiceAccount(_) => panic!("maps claims"),
    }
}

#[test]
fn refuses_blocks_that_cannot_be_meant() {
    for url in [
        "http://a.example",
        "https://a.example?x",
        "https://a.example#x",
        "https://u@a.example",
        "a",
    ] {
        check_block(|spec| spec.url = url.to_owned(), "`url`");
    }
    check_block(|spec| spec.audiences.clear(), "`audiences`");
    check_block(|spec| spec.audiences.push(String::new()), "`audiences`");
    check_block(|spec| spec.algorithms.clear(), "`algorithms`");
    for algorithm in ["HS256", "none", "ES512", "EdDSA"] {
        check_block(
            |spec| spec.algorithms.push(algorithm.to_owned()),
            "is not offered",
        );
    }
    check_block(|spec| spec.max_token_age_seconds = 0, "`max-token-age`");
    check_block(
        |spec| spec.expect.push((String::new(), "a".to_owned())),
        "claim name",
    );
    let template = UsernameSpec::Template("plain".to_owned());
    check_block(
        |spec| change_user(spec, |user| user.username = template),
        "template",
    );
    let key = ("kubernetes.io/a".to_owned(), "a".to_owned());
    check_block(
        |spec| change_user(spec, |user| user.extra.extend([key])),
        "extra key",
    );
    let attribute = |matching: &str| AttributeSpec {
        name: "team".to_owned(),
        claim: "team".to_owned(),
        matching: Some(matching.to_owned()),
    };
    check_block(
        |spec| spec.attributes.push(attribute("(")),
        "attribute `team`",
    );
    check_block(
        |spec| spec.delegation = Some(DelegationSpec::new("a.b", Delegation::Both)),
        "delegation",
    );
    check_block(|spec| spec.name.clear(), "name");
}

#[test]
fn refuses_blocks_of_one_url_that_nothing_keeps_apart() {
    let other = |change: fn(&mut IssuerSpec)| {
        let mut other = block("other", AGENTS);
        change(&mut other);
        issuers(vec![block("agents", AGENTS), other])
    };
    check(other(|_| {}), &["nothing keeps their tokens apart"]);
    check(
        other(|spec| spec.audiences.push("b".to_owned())),
        &["nothing keeps"],
    );
    check(
        other(|spec| spec.expect.push(("env".to_owned(), "prod".to_owned()))),
        &["nothing keeps"],
    );
    check(other(|spec| spec.audiences = vec!["b".to_owned()]), &[]);
    check(
        other(|spec| {
            spec.audiences = vec!["b".to_owned()];
            spec.user = UserSpec::ServiceAccount(ServiceAccountProof::TokenReview);
        }),
        &["only one of them asks the cluster"],
    );
}

#[test]
fn refuses_service_accounts_of_two_clusters() {
    let preset = |name: &str, url: &str| {
        IssuerSpec::service_account(name, url, "k8s-gateway", ServiceAccountProof::Keys)
    };
    check(
        issuers(vec![preset("a", AGENTS), preset("b", CORP)]),
        &["of two clusters"],
    );
    check(issuers(vec![preset("a", AGENTS), block("b", CORP)]), &[]);
}

#[test]
fn refuses_principals_nobody_can_map() {
    let spec = |principal: &str| {
        let mut spec = block("agents", AGENTS);
        let mut delegation = DelegationSpec::new("act", Delegation::Both);
        delegation.principal = PrincipalSpec::Block(principal.to_owned());
        spec.delegation = Some(delegation);
        spec
    };
    check(issuers(vec![spec("nobody")]), &["principals"]);
    check(issuers(vec![spec("corp"), block("corp", CORP)]), &[]);
    let cluster = IssuerSpec::service_account("sa", CORP, "a", ServiceAccountProof::Keys);
    check(issuers(vec![spec("sa"), cluster.clone()]), &["principals"]);
    let delegation = Some(DelegationSpec::new("act", Delegation::Both));
    check(
        issuers(vec![IssuerSpec {
            delegation,
            ..cluster
        }]),
        &["delegation"],
    );
}

#[test]
fn refuses_names_hashes_and_authorities_used_twice() {
    let authority = TestAuthority::new("ca");
    check(
        issuers(vec![block("a", AGENTS), block("a", CORP)]),
        &["issuer name `a`"],
    );
    check(
        AuthenticatorSpec {
            issuers: vec![block("a", AGENTS)],
            certificates: vec![authority.spec("a"), authority.spec("b")],
            legacy: vec![shared("b", SHARED), shared("c", SHARED)],
            two_identities: TwoIdentities::Refuse,
        },
        &[
            "name `a`",
            "name `b`",
            "an authority in common",
            "have one hash",
        ],
    );
}

#[test]
fn reports_all_faults_of_one_configuration() {
    let url = |name: &str| IssuerSpec {
        url: String::new(),
        ..block(name, AGENTS)
    };
    check(
        issuers(vec![url("a"), url("b")]),
        &["issuer `a`", "issuer `b`"],
    );
}

#[test]
fn refuses_more_issuers_than_kubernetes_takes() {
    let many = |count: usize| {
        let blocks = (0..count).map(|n| block(&n.to_string(), &format!("https://i{n}.example")));
        issuers(blocks.collect())
    };
    check(many(ISSUER_COUNT_MAX), &[]);
    check(many(ISSUER_COUNT_MAX + 1), &["more than 64 issuers"]);
}

#[test]
fn tells_callers_what_to_do() {
    let world = World::new(vec![block("agents", AGENTS)]);
    let claims = || claims(AGENTS, "a");
    let token = |claims: Value| refused(world.token(&claims));
    let faults = [
        refused(world.ask(None, None)),
        refused(world.ask(Some("opaque"), None)),
        token(super::claims("https://eve.example", "a")),
        token(with(claims(), "exp", json!(NOW))),
        token(with(claims(), "exp", json!(NOW + 9000))),
        token(with(claims(), "iat", json!(NOW + 900))),
        token(with(claims(), "aud", json!("other"))),
        token(with(claims(), "sub", json!(7))),
        token(with(claims(), "sub", json!("system:masters"))),
        token(with(claims(), "act", json!({"sub": "a"}))),
        AuthenticationFault::Credential(CredentialFault::Differing),
        AuthenticationFault::Token(TokenFault::Parts),
        AuthenticationFault::NoKeys("agents".to_owned()),
        AuthenticationFault::UnknownKey("agents".to_owned()),
        AuthenticationFault::LegacyExpired("old".to_owned()),
    ];
    let lines: Vec<_> = faults
        .iter()
        .map(|f| {
            format!(
                "{}\n  public:   {}\n  internal: {f}",
                f.code(),
                f.public_text()
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
