use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    Authenticator, AuthenticatorSpec, Evidence, KeyEvent, KeySet, Keyring, Moment, Outcome,
    Presented, authenticate,
};

const NOW: i64 = 1_800_000_000;
const UP: Duration = Duration::from_secs(60);

struct World {
    authenticator: Authenticator,
    keys: Keyring,
}

impl World {
    fn new() -> Self {
        let spec = AuthenticatorSpec {
            issuers: specs(),
            ..AuthenticatorSpec::default()
        };
        let authenticator = Authenticator::new(spec).unwrap();
        let mut keys = Keyring::default();
        keys.keep(authenticator.key_issuers());
        let set = Arc::new(KeySet::parse(jwks().as_bytes()).unwrap());
        for issuer in [PLAIN, MAIL] {
            keys.handle(issuer, KeyEvent::Fetched(Arc::clone(&set)), UP);
        }
        Self {
            authenticator,
            keys,
        }
    }

    fn judge(&self, token: &str, now: i64) -> Outcome {
        let line = format!("Bearer {token}");
        let presented = Presented {
            authorization: &[line.as_bytes()],
            ..Presented::default()
        };
        let evidence = Evidence {
            keys: &self.keys,
            review: None,
        };
        let now = Moment {
            unix_seconds: now,
            uptime: UP,
        };
        authenticate(&self.authenticator, evidence, &presented, now)
    }
}

fn check(world: &World, case: &Case, now: i64) {
    match (&case.expected, world.judge(&case.token, now)) {
        (Expected::Accepted(user), Outcome::Proven(proof)) => {
            assert_eq!(*user, proof.caller.user, "{}", case.name);
        }
        (
            Expected::Refused | Expected::RefusedHere,
            Outcome::Refused(_) | Outcome::NeedsKeys { .. },
        ) => {}
        (expected, found) => panic!("{}: {expected:?}, found {found:?}", case.name),
    }
}

#[test]
fn every_generated_token_comes_to_what_is_expected() {
    let world = World::new();
    let cases = generate_tokens(1, 1500, NOW);
    assert_eq!(cases.len(), 1500);
    for case in &cases {
        check(&world, case, NOW);
        check(&world, case, NOW + 600);
    }
    let accepted = cases
        .iter()
        .filter(|case| matches!(case.expected, Expected::Accepted(_)));
    assert!(accepted.count() > 200, "good tokens are no rare exception");
}

#[test]
fn the_same_seed_gives_the_same_cases() {
    let names = |seed| {
        let cases = generate_tokens(seed, 350, NOW);
        cases
            .into_iter()
            .map(|case| (case.name, case.expected))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(7), names(7));
    assert_ne!(names(7), names(8));
}

#[test]
fn no_text_shows_a_token() {
    let world = World::new();
    for case in generate_tokens(2, mutations::all().len(), NOW) {
        let outcome = world.judge(&case.token, NOW);
        let mut shown = format!("{outcome:?}");
        if let Outcome::Refused(fault)
        | Outcome::NeedsKeys {
            otherwise: fault, ..
        } = &outcome
        {
            shown += &format!("{fault} {}", fault.public_text());
        }
        for part in case.token.split('.').filter(|part| part.len() > 20) {
            assert!(!shown.contains(part), "{}: {shown}", case.name);
        }
    }
}

#[test]
fn speaks_of_the_issuers_in_the_words_of_kubernetes() {
    let discovery = |url: &str| format!("{url}/.well-known/openid-configuration");
    let text = authentication_configuration(&specs(), discovery, "PEM");
    let value: Value = serde_json::from_str(&text).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_changed_token_is_never_accepted_as_another(
        seed in any::<u64>(), at in any::<prop::sample::Index>(), to in any::<char>(),
    ) {
        let world = World::new();
        let case = generate_tokens(seed, 1, NOW).pop().unwrap();
        let mut characters: Vec<char> = case.token.chars().collect();
        let at = at.index(characters.len());
        characters[at] = to;
        let mutated: String = characters.into_iter().collect();
        if let Outcome::Proven(_) = world.judge(&mutated, NOW) {
            prop_assert_eq!(mutated, case.token);
        }
    }

    #[test]
    fn survives_any_claims_under_a_good_signature(claims in any::<String>(), header in any::<String>()) {
        let world = World::new();
        let key = MintKey::test_es256(0);
        let good = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, key.id());
        let token = key.sign_text(&good, &claims, Algorithm::Es256).unwrap();
        prop_assert!(!matches!(world.judge(&token, NOW), Outcome::Proven(_)));
        let token = key.sign_text(&header, &claims, Algorithm::Es256).unwrap();
        prop_assert!(!matches!(world.judge(&token, NOW), Outcome::Proven(_)));
    }
}
