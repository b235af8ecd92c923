//! Callers that act for someone.

use super::*;

fn delegating(claim: &str, rule: Delegation) -> IssuerSpec {
    IssuerSpec {
        delegation: Some(DelegationSpec::new(claim, rule)),
        ..block("agents", AGENTS)
    }
}

/// Kind, issuer and user of a caller and of everyone behind it.
fn chain(caller: &Caller) -> Vec<String> {
    let own = format!(
        "{} {} {}",
        caller.kind.as_str(),
        caller.issuer,
        caller.user.username
    );
    let behind = caller
        .acting_for
        .iter()
        .flat_map(|principal| chain(principal));
    std::iter::once(own).chain(behind).collect()
}

fn check(spec: Vec<IssuerSpec>, claims: &Value, expected: &[&str]) -> Proof {
    let proof = proven(World::new(spec).token(claims));
    assert_eq!(chain(&proof.caller), expected, "{claims}");
    proof
}

#[test]
fn the_actor_calls_and_the_subject_stands_behind_it() {
    for rule in [Delegation::Both, Delegation::Agent] {
        let claims = with(claims(AGENTS, "ana"), "act", json!({"sub": "agent:sre"}));
        let expected = ["agent agents agent:sre", "human agents ana"];
        let caller = check(vec![delegating("act", rule)], &claims, &expected).caller;
        assert_eq!(caller.delegation, rule);
        assert_eq!(caller.expires_at, Some(NOW + 300));
        let principal = caller.acting_for.unwrap();
        assert_eq!(principal.expires_at, Some(NOW + 300));
        assert_eq!(principal.credential_id.as_deref(), Some("JTI=1"));
    }
}

#[test]
fn without_the_claim_the_subject_calls_for_itself() {
    let spec = vec![delegating("act", Delegation::Both)];
    check(
        spec,
        &claims(AGENTS, "agent:sre"),
        &["agent agents agent:sre"],
    );
}

#[test]
fn earlier_actors_are_named_for_audit_only() {
    let act = json!({"sub": "agent:b", "act": {"sub": "agent:a", "act": {"sub": "agent:0"}}});
    let claims = with(claims(AGENTS, "ana"), "act", act);
    let expected = ["agent agents agent:b", "human agents ana"];
    let proof = check(
        vec![delegating("act", Delegation::Both)],
        &claims,
        &expected,
    );
    assert_eq!(proof.prior_actors, ["agent:a", "agent:0"]);
}

#[test]
fn a_principal_claim_may_itself_act_for_someone() {
    let principal = json!({"sub": "ana", "obo": {"sub": "eve"}});
    let claims = with(claims(AGENTS, "agent:sre"), "obo", principal);
    let expected = [
        "agent agents agent:sre",
        "human agents ana",
        "human agents eve",
    ];
    check(
        vec![delegating("obo", Delegation::Both)],
        &claims,
        &expected,
    );
}

#[test]
fn a_principal_is_mapped_by_the_block_that_owns_it() {
    let corp = IssuerSpec {
        kind: CallerKind::Human,
        user: UserSpec::Claims(ClaimsSpec {
            verified_by: Some("email_verified".to_owned()),
            groups: Some(("groups".to_owned(), "corp:".to_owned())),
            ..ClaimsSpec::of_claim("email")
        }),
        expect: vec![("tid".to_owned(), "harbour".to_owned())],
        ..block("corp", CORP)
    };
    let mut agents = delegating("act", Delegation::Both);
    agents.delegation.as_mut().unwrap().principal = PrincipalSpec::Block("corp".to_owned());
    let spec = vec![agents, corp];
    let token = |email: &str, verified: bool, tid: &str| {
        let mut token = claims(AGENTS, "0815");
        token["act"] = json!({"sub": "agent:sre"});
        token["email"] = json!(email);
        token["email_verified"] = json!(verified);
        token["groups"] = json!(["sre-oncall"]);
        token["tid"] = json!(tid);
        token
    };
    let ana = token("ana@harbour.example", true, "harbour");
    let expected = ["agent agents agent:sre", "human corp ana@harbour.example"];
    let caller = check(spec.clone(), &ana, &expected).caller;
    assert_eq!(caller.acting_for.unwrap().user.groups, ["corp:sre-oncall"]);
    assert_eq!(caller.user.groups, [""; 0]);
    let world = World::new(spec);
    for bad in [
        token("ana@harbour.example", false, "harbour"),
        token("ana@harbour.example", true, "other"),
        token("system:admin", true, "harbour"),
    ] {
        assert_eq!(word(&world.token(&bad)), "claims-refused");
    }
}

#[test]
fn nobody_behind_a_caller_may_be_of_the_cluster() {
    for (claim, claims) in [
        (
            "act",
            with(
                claims(AGENTS, "system:admin"),
                "act",
                json!({"sub": "agent:a"}),
            ),
        ),
        (
            "act",
            with(claims(AGENTS, "ana"), "act", json!({"sub": "system:admin"})),
        ),
        (
            "obo",
            with(
                claims(AGENTS, "agent:a"),
                "obo",
                json!({"sub": "system:admin"}),
            ),
        ),
        (
            "act",
            with(
                claims(AGENTS, "ana"),
                "act",
                json!({"sub": "agent:a", "act": {"sub": "system:admin"}}),
            ),
        ),
    ] {
        let world = World::new(vec![delegating(claim, Delegation::Both)]);
        assert_eq!(word(&world.token(&claims)), "claims-refused", "{claims}");
    }
}

#[test]
fn a_delegated_token_of_an_issuer_without_delegation_is_refused() {
    let world = World::new(vec![block("agents", AGENTS)]);
    let claims = with(claims(AGENTS, "ana"), "act", json!({"sub": "agent:a"}));
    let fault = refused(world.token(&claims));
    assert_eq!(fault.code(), "delegation-refused");
}
