use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateway_kubeapi::UserInfo;
use rcgen::DnType;
use serde_json::{Value, json};

use super::*;
use crate::authenticator::{AuthenticatorSpec, ISSUER_COUNT_MAX};
use crate::certificate::tests::{NOT_AFTER, NOT_BEFORE, TestAuthority};
use crate::delegation::{DelegationSpec, PrincipalSpec};
use crate::issuer::IssuerSpec;
use crate::keys::{KeyEvent, KeySet};
use crate::legacy::LegacySpec;
use crate::mint::{MintKey, jwks};
use crate::{AttributeSpec, ClaimsSpec, UserSpec};

mod configuration;
mod delegation;
mod reviewed;

/// Within the validity of test certificates.
const NOW: i64 = NOT_BEFORE + 1000;
const UP: Duration = Duration::from_secs(60);
const AGENTS: &str = "https://agents.harbour.example";
const CORP: &str = "https://login.harbour.example";
const SHARED: &str = "0123456789abcdef0123456789abcdef";

fn block(name: &str, url: &str) -> IssuerSpec {
    IssuerSpec {
        name: name.to_owned(),
        url: url.to_owned(),
        audiences: vec!["k8s-gateway".to_owned()],
        algorithms: vec!["ES256".to_owned()],
        max_token_age_seconds: 3600,
        kind: CallerKind::Agent,
        user: UserSpec::Claims(ClaimsSpec::of_claim("sub")),
        attributes: Vec::new(),
        expect: Vec::new(),
        delegation: None,
    }
}

fn shared(name: &str, token: &str) -> LegacySpec {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(token.as_bytes());
    LegacySpec {
        name: name.to_owned(),
        hash: digest.iter().fold("sha256:".to_owned(), |text, byte| {
            format!("{text}{byte:02x}")
        }),
        username: "legacy:backup".to_owned(),
        groups: Vec::new(),
        expires_at: NOW + 500,
    }
}

fn claims(iss: &str, sub: &str) -> Value {
    json!({
        "iss": iss, "sub": sub, "aud": "k8s-gateway", "iat": NOW - 10, "exp": NOW + 300, "jti": "1",
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn sign(claims: &Value) -> String {
    MintKey::test_es256(0).sign(claims, &json!({})).unwrap()
}

/// Configuration, keys, and a request.
struct World {
    authenticator: Authenticator,
    keys: Keyring,
    now: i64,
}

impl World {
    fn new(issuers: Vec<IssuerSpec>) -> Self {
        Self::of(AuthenticatorSpec {
            issuers,
            ..AuthenticatorSpec::default()
        })
    }

    fn of(spec: AuthenticatorSpec) -> Self {
        let authenticator = Authenticator::new(spec).unwrap();
        let mut keys = Keyring::default();
        keys.keep(authenticator.key_issuers());
        let set = KeySet::parse(jwks([&MintKey::test_es256(0)]).as_bytes()).unwrap();
        let set = Arc::new(set);
        let urls: Vec<String> = authenticator.key_issuers().map(str::to_owned).collect();
        for url in urls {
            keys.handle(&url, KeyEvent::Fetched(Arc::clone(&set)), UP);
        }
        Self {
            authenticator,
            keys,
            now: NOW,
        }
    }

    fn ask(&self, token: Option<&str>, certificate: Option<&[u8]>) -> Outcome {
        self.ask_with(token, certificate, None)
    }

    fn ask_with(
        &self,
        token: Option<&str>,
        certificate: Option<&[u8]>,
        review: Option<&Review>,
    ) -> Outcome {
        let line = token.map(|token| format!("Bearer {token}"));
        let lines: Vec<&[u8]> = line.iter().map(String::as_bytes).collect();
        let presented = Presented {
            authorization: &lines,
            websocket_bearer: None,
            client_certificate: certificate,
        };
        let moment = Moment {
            unix_seconds: self.now,
            uptime: UP,
        };
        authenticate(
            &self.authenticator,
            Evidence {
                keys: &self.keys,
                review,
            },
            &presented,
            moment,
        )
    }

    fn token(&self, claims: &Value) -> Outcome {
        self.ask(Some(&sign(claims)), None)
    }
}

fn proven(outcome: Outcome) -> Proof {
    match outcome {
        Outcome::Proven(proof) => *proof,
        Outcome::NeedsKeys { .. } | Outcome::NeedsReview(_) | Outcome::Refused(_) => {
            panic!("not proven: {outcome:?}")
        }
    }
}

fn refused(outcome: Outcome) -> AuthenticationFault {
    match outcome {
        Outcome::Refused(fault) => fault,
        Outcome::Proven(_) | Outcome::NeedsKeys { .. } | Outcome::NeedsReview(_) => {
            panic!("not refused: {outcome:?}")
        }
    }
}

/// What a request came to, in a word: the caller's issuer and user, or the code of the fault.
fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Proven(proof) => format!("{} {}", proof.caller.issuer, proof.caller.user.username),
        Outcome::NeedsKeys { otherwise, .. } => format!("keys, else {}", otherwise.code()),
        Outcome::NeedsReview(_) => "review".to_owned(),
        Outcome::Refused(fault) => fault.code().to_owned(),
    }
}

#[test]
fn a_proven_token_makes_a_whole_caller() {
    let mut spec = block("agents", AGENTS);
    spec.attributes = vec![AttributeSpec {
        name: "team".to_owned(),
        claim: "team".to_owned(),
        matching: Some("[a-z]+".to_owned()),
    }];
    let world = World::new(vec![spec]);
    let proof = proven(world.token(&with(claims(AGENTS, "agent:sre"), "team", json!("search"))));
    let id = vec!["JTI=1".to_owned()];
    let expected = Caller {
        issuer: "agents".to_owned(),
        user: UserInfo {
            username: "agent:sre".to_owned(),
            extra: BTreeMap::from([(CREDENTIAL_ID_KEY.to_owned(), id)]),
            ..UserInfo::default()
        },
        kind: CallerKind::Agent,
        attributes: BTreeMap::from([("team".to_owned(), vec!["search".to_owned()])]),
        acting_for: None,
        delegation: Delegation::Both,
        expires_at: Some(NOW + 300),
        credential_id: Some("JTI=1".to_owned()),
    };
    assert_eq!(proof.caller, expected);
    assert_eq!(proof.valid_until, NOW + PROOF_SECONDS_MAX);
    assert_eq!(proof.issued_at, Some(NOW - 10));
    let missing = proven(world.token(&with(claims(AGENTS, "a"), "team", json!("Search"))));
    assert_eq!(missing.caller.attributes, BTreeMap::new());
}

#[test]
fn a_proof_ends_with_its_credential_if_that_is_sooner() {
    let world = World::new(vec![block("agents", AGENTS)]);
    let soon = with(claims(AGENTS, "a"), "exp", json!(NOW + 7));
    assert_eq!(proven(world.token(&soon)).valid_until, NOW + 7);
}

#[test]
fn holds_tokens_to_the_age_of_their_block() {
    let mut spec = block("agents", AGENTS);
    spec.max_token_age_seconds = 600;
    let world = World::new(vec![spec]);
    let check = |iat: i64, exp: i64, expected: &str| {
        let claims = with(
            with(claims(AGENTS, "a"), "iat", json!(iat)),
            "exp",
            json!(exp),
        );
        assert_eq!(word(&world.token(&claims)), expected, "{iat} {exp}");
    };
    check(NOW, NOW + 600, "agents a");
    check(NOW, NOW + 601, "token-age");
    check(NOW - 599, NOW + 1, "agents a");
    check(NOW - 600, NOW + 1, "token-age");
    check(NOW + SKEW_SECONDS_MAX, NOW + 300, "agents a");
    check(NOW + SKEW_SECONDS_MAX + 1, NOW + 300, "token-not-yet-valid");
    check(NOW - 10, NOW, "token-expired");
    check(NOW - 10, NOW + 1, "agents a");
    check(-(1 << 53), 1 << 53, "token-age");
}

#[test]
fn holds_tokens_to_their_beginning_with_a_minute_of_skew() {
    let world = World::new(vec![block("agents", AGENTS)]);
    let at = |nbf: i64| word(&world.token(&with(claims(AGENTS, "a"), "nbf", json!(nbf))));
    assert_eq!(at(NOW + SKEW_SECONDS_MAX), "agents a");
    assert_eq!(at(NOW + SKEW_SECONDS_MAX + 1), "token-not-yet-valid");
}

#[test]
fn asks_for_keys_it_does_not_have_and_never_for_a_known_one() {
    let mut world = World::new(vec![block("agents", AGENTS)]);
    let (good, other) = (MintKey::test_es256(0), MintKey::test_es256(1));
    let token = |key: &MintKey, headers: Value| key.sign(&claims(AGENTS, "a"), &headers).unwrap();
    let ask = |world: &World, token: &str| word(&world.ask(Some(token), None));
    assert_eq!(
        ask(&world, &token(&other, json!({}))),
        "keys, else key-unknown"
    );
    assert_eq!(
        ask(&world, &token(&other, json!({"kid": null}))),
        "keys, else key-unknown"
    );
    let forged = token(&other, json!({"kid": good.id()}));
    assert_eq!(ask(&world, &forged), "signature-invalid");
    world.keys = Keyring::default();
    assert_eq!(
        ask(&world, &token(&good, json!({}))),
        "keys, else keys-unavailable"
    );
}

#[test]
fn a_key_of_one_issuer_proves_nothing_for_another() {
    let mut world = World::new(vec![block("agents", AGENTS), block("corp", CORP)]);
    let foreign = KeySet::parse(jwks([&MintKey::test_es256(1)]).as_bytes()).unwrap();
    world
        .keys
        .handle(CORP, KeyEvent::Fetched(Arc::new(foreign)), UP);
    assert_eq!(word(&world.token(&claims(AGENTS, "a"))), "agents a");
    assert_eq!(
        word(&world.token(&claims(CORP, "a"))),
        "keys, else key-unknown"
    );
}

#[test]
fn takes_only_the_algorithms_of_the_block() {
    let mut spec = block("agents", AGENTS);
    spec.algorithms = vec!["RS256".to_owned(), "PS512".to_owned()];
    let world = World::new(vec![spec]);
    assert_eq!(
        word(&world.token(&claims(AGENTS, "a"))),
        "algorithm-refused"
    );
}

#[test]
fn blocks_of_one_url_are_told_apart_by_audience_or_expected_claim() {
    let service = IssuerSpec {
        audiences: vec!["ci".to_owned()],
        kind: CallerKind::Service,
        ..block("service", CORP)
    };
    let expecting = |name: &str, value: &str| IssuerSpec {
        audiences: vec!["env".to_owned()],
        expect: vec![("env".to_owned(), value.to_owned())],
        ..block(name, CORP)
    };
    let human = IssuerSpec {
        kind: CallerKind::Human,
        ..block("human", CORP)
    };
    let world = World::new(vec![
        human,
        service,
        expecting("prod", "prod"),
        expecting("stage", "stage"),
    ]);
    let check = |aud: Value, env: &str, expected: &str| {
        let claims = with(with(claims(CORP, "a"), "aud", aud), "env", json!(env));
        assert_eq!(word(&world.token(&claims)), expected);
    };
    check(json!("k8s-gateway"), "prod", "human a");
    check(json!("ci"), "prod", "service a");
    check(json!("env"), "prod", "prod a");
    check(json!("env"), "stage", "stage a");
    check(json!("env"), "dev", "claims-refused");
    check(json!("other"), "prod", "audience-mismatch");
    check(json!(["ci", "k8s-gateway"]), "prod", "issuer-ambiguous");
}

#[test]
fn a_service_account_keeps_its_name_only_by_the_preset() {
    let token = json!({
        "iss": CORP, "sub": "system:serviceaccount:shop:web", "aud": "k8s-gateway",
        "iat": NOW, "exp": NOW + 60, "jti": "7",
        "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web", "uid": "u"}},
    });
    let mut preset =
        IssuerSpec::service_account("cluster", CORP, "k8s-gateway", ServiceAccountProof::Keys);
    preset.algorithms = vec!["ES256".to_owned()];
    preset.attributes = vec![AttributeSpec {
        name: "namespace".to_owned(),
        claim: "/kubernetes.io/namespace".to_owned(),
        matching: None,
    }];
    let caller = proven(World::new(vec![preset]).token(&token)).caller;
    assert_eq!(caller.user.username, "system:serviceaccount:shop:web");
    assert_eq!(
        caller.user.groups,
        ["system:serviceaccounts", "system:serviceaccounts:shop"]
    );
    assert_eq!(caller.attributes["namespace"], ["shop"]);
    assert_eq!(caller.credential_id.as_deref(), Some("JTI=7"));
    let mapped = World::new(vec![block("corp", CORP)]);
    assert_eq!(word(&mapped.token(&token)), "claims-refused");
}

/// Every combination of what a request may carry. `JWT`, `JWT-b` (another user), `bad` (expired),
/// `new` (unknown key), `shared`, `unknown`, `-`; `cert`, `foreign`, `-`.
fn check_table(policy: TwoIdentities, at: i64, rows: &[(&str, &str, &str)]) {
    let authority = TestAuthority::new("ca");
    let mut world = World::of(AuthenticatorSpec {
        issuers: vec![block("agents", AGENTS)],
        certificates: vec![authority.spec("mtls")],
        legacy: vec![shared("old", SHARED)],
        two_identities: policy,
    });
    world.now = at;
    let certificate = authority.sign(&[(DnType::CommonName, "a")]);
    let foreign = TestAuthority::new("ca").sign(&[(DnType::CommonName, "a")]);
    let until = |sub, exp: i64| sign(&with(claims(AGENTS, sub), "exp", json!(exp)));
    let unknown_key = MintKey::test_es256(2)
        .sign(&claims(AGENTS, "a"), &json!({}))
        .unwrap();
    for (token, with, expected) in rows {
        let bearer = match *token {
            "JWT" => Some(until("cert:a", NOW + 900)),
            "JWT-b" => Some(until("cert:b", NOW + 900)),
            "bad" => Some(until("cert:a", NOW - 1)),
            "new" => Some(unknown_key.clone()),
            "shared" => Some(SHARED.to_owned()),
            "unknown" => Some("unknown-token-that-nobody-has-configured".to_owned()),
            _ => None,
        };
        let certificate = match *with {
            "cert" => Some(&certificate),
            "foreign" => Some(&foreign),
            _ => None,
        };
        let outcome = world.ask(bearer.as_deref(), certificate.map(Vec::as_slice));
        assert_eq!(word(&outcome), *expected, "{token} {with} {policy:?}");
    }
}

#[test]
fn one_credential_proves_or_refuses_by_itself() {
    let rows = [
        ("-", "-", "no-credential"),
        ("JWT", "-", "agents cert:a"),
        ("bad", "-", "token-expired"),
        ("new", "-", "keys, else key-unknown"),
        ("shared", "-", "old legacy:backup"),
        ("unknown", "-", "token-unknown"),
        ("-", "cert", "mtls cert:a"),
        ("-", "foreign", "certificate-refused"),
    ];
    check_table(TwoIdentities::Refuse, NOW, &rows);
    check_table(
        TwoIdentities::Refuse,
        NOW + 500,
        &[("shared", "-", "shared-token-expired")],
    );
}

#[test]
fn a_shared_token_never_decides_beside_an_identity() {
    let rows = [
        ("shared", "cert", "mtls cert:a"),
        ("shared", "foreign", "certificate-refused"),
    ];
    check_table(TwoIdentities::Refuse, NOW, &rows);
    check_table(TwoIdentities::Token, NOW, &rows);
    check_table(TwoIdentities::Refuse, NOW + 500, &rows);
}

#[test]
fn no_credential_falls_back_to_another() {
    let rows = [
        ("bad", "cert", "token-expired"),
        ("new", "cert", "keys, else key-unknown"),
        ("unknown", "cert", "token-unknown"),
        ("JWT", "foreign", "certificate-refused"),
    ];
    for policy in [
        TwoIdentities::Refuse,
        TwoIdentities::Token,
        TwoIdentities::Certificate,
    ] {
        check_table(policy, NOW, &rows);
    }
}

#[test]
fn token_and_certificate_must_name_one_user_unless_configured() {
    let same = ("JWT", "cert", "agents cert:a");
    let rows = |other| [same, ("JWT-b", "cert", other)];
    check_table(TwoIdentities::Refuse, NOW, &rows("identities-differ"));
    check_table(TwoIdentities::Token, NOW, &rows("agents cert:b"));
    check_table(TwoIdentities::Certificate, NOW, &rows("mtls cert:a"));
}

#[test]
fn a_caller_with_two_credentials_ends_with_the_first_of_them() {
    let authority = TestAuthority::new("ca");
    let spec = |policy| AuthenticatorSpec {
        issuers: vec![block("agents", AGENTS)],
        certificates: vec![authority.spec("mtls")],
        two_identities: policy,
        ..AuthenticatorSpec::default()
    };
    let certificate = authority.sign(&[(DnType::CommonName, "a")]);
    for policy in [TwoIdentities::Token, TwoIdentities::Certificate] {
        let mut world = World::of(spec(policy));
        let proof = proven(world.ask(Some(&sign(&claims(AGENTS, "b"))), Some(&certificate)));
        assert_eq!(proof.caller.expires_at, Some(NOW + 300));
        world.now = NOT_AFTER - 5;
        let times = with(claims(AGENTS, "b"), "iat", json!(NOT_AFTER - 5));
        let token = sign(&with(times, "exp", json!(NOT_AFTER + 300)));
        let proof = proven(world.ask(Some(&token), Some(&certificate)));
        assert_eq!(proof.caller.expires_at, Some(NOT_AFTER));
        assert_eq!(proof.valid_until, NOT_AFTER);
    }
}

#[test]
fn every_credential_says_since_when_it_is() {
    let authority = TestAuthority::new("ca");
    let world = World::of(AuthenticatorSpec {
        certificates: vec![authority.spec("mtls")],
        legacy: vec![shared("old", SHARED)],
        ..AuthenticatorSpec::default()
    });
    let certificate = authority.sign(&[(DnType::CommonName, "a")]);
    assert_eq!(
        proven(world.ask(None, Some(&certificate))).issued_at,
        Some(NOT_BEFORE)
    );
    assert_eq!(proven(world.ask(Some(SHARED), None)).issued_at, None);
}

#[test]
fn takes_a_token_from_the_websocket_protocols() {
    use base64::Engine as _;
    let world = World::new(vec![block("agents", AGENTS)]);
    let token = sign(&claims(AGENTS, "a"));
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&token);
    let line = format!("v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.{encoded}");
    let protocols = crate::WebSocketProtocols::parse(&[line.as_bytes()]).unwrap();
    let presented = Presented {
        websocket_bearer: protocols.bearer,
        ..Presented::default()
    };
    let moment = Moment {
        unix_seconds: NOW,
        uptime: UP,
    };
    let evidence = Evidence {
        keys: &world.keys,
        review: None,
    };
    let outcome = authenticate(&world.authenticator, evidence, &presented, moment);
    let key = proven(world.ask(Some(&token), None)).cache_key;
    assert_eq!(
        proven(outcome).cache_key,
        key,
        "the same credential, wherever it stands"
    );
    assert_eq!(protocols.offered, ["v5.channel.k8s.io"]);
}

#[test]
fn a_shared_token_that_is_a_jwt_of_a_configured_issuer_is_judged_as_jwt() {
    let (expired, foreign) = (
        sign(&with(claims(AGENTS, "a"), "exp", json!(NOW - 1))),
        sign(&claims("https://old.harbour.example", "a")),
    );
    let malformed = format!("{}.AA", foreign.rsplit_once('.').unwrap().0);
    let world = World::of(AuthenticatorSpec {
        issuers: vec![block("agents", AGENTS)],
        legacy: vec![
            shared("a", &expired),
            shared("b", &foreign),
            shared("c", &malformed),
        ],
        ..AuthenticatorSpec::default()
    });
    assert_eq!(word(&world.ask(Some(&expired), None)), "token-expired");
    assert_eq!(word(&world.ask(Some(&foreign), None)), "b legacy:backup");
    assert_eq!(word(&world.ask(Some(&malformed), None)), "c legacy:backup");
    let unknown = sign(&claims("https://eve.example", "a"));
    assert_eq!(word(&world.ask(Some(&unknown), None)), "issuer-unknown");
}

#[test]
fn proofs_of_different_credentials_have_different_keys() {
    let authority = TestAuthority::new("ca");
    let world = World::of(AuthenticatorSpec {
        issuers: vec![block("agents", AGENTS)],
        certificates: vec![authority.spec("mtls")],
        ..AuthenticatorSpec::default()
    });
    let certificate = authority.sign(&[(DnType::CommonName, "a")]);
    let token = sign(&claims(AGENTS, "cert:a"));
    let key = |token, certificate| proven(world.ask(token, certificate)).cache_key;
    let keys = [
        key(Some(token.as_str()), None),
        key(None, Some(certificate.as_slice())),
        key(Some(token.as_str()), Some(certificate.as_slice())),
    ];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 3);
}
