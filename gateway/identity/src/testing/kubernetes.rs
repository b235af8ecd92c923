//! Issuer blocks in the words of Kubernetes, for an API server to judge the same tokens.
//!
//! | block | AuthenticationConfiguration (`apiserver.config.k8s.io/v1`) |
//! |---|---|
//! | `url`, `audiences` | `issuer.url`, `issuer.audiences` with `MatchAny` |
//! | username by claim, prefix | `claimMappings.username.claim`, `.prefix` |
//! | username by template | `claimMappings.username.expression`, texts and `claims.x` added |
//! | groups claim, prefix | `claimMappings.groups.claim`, `.prefix` |
//! | uid claim | `claimMappings.uid.claim` |
//! | extra | `claimMappings.extra[]`, `has(claims.x) ? claims.x : ''` |
//! | `expect` | `claimValidationRules[]` with `claim` and `requiredValue` |
//! | `verified-by` | `claimValidationRules[]` with an expression |
//! | algorithms | none: Kubernetes takes RS, PS and ES 256 to 512 |
//! | `max-token-age`, attributes, kind, delegation | none |
//!
//! Claim names must be identifiers here, which those of the generator are.

use serde_json::{Value, json};

use crate::{ClaimsSpec, IssuerSpec, UserSpec, UsernameSpec};

/// The configuration file of an API server that trusts these issuers, as JSON, which is YAML too.
/// `discovery` gives the address of the discovery document of an issuer URL, which may differ from
/// it; `authority` is the PEM certificate its server is verified by. Blocks that map no claims are
/// left out.
#[must_use]
pub fn authentication_configuration(
    specs: &[IssuerSpec],
    discovery: impl Fn(&str) -> String,
    authority: &str,
) -> String {
    let authenticator = |spec: &IssuerSpec| {
        let UserSpec::Claims(user) = &spec.user else {
            return None;
        };
        Some(json!({
            "issuer": {
                "url": spec.url,
                "discoveryURL": discovery(&spec.url),
                "certificateAuthority": authority,
                "audiences": spec.audiences,
                "audienceMatchPolicy": "MatchAny",
            },
            "claimValidationRules": rules(spec, user),
            "claimMappings": mappings(user),
        }))
    };
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": specs.iter().filter_map(authenticator).collect::<Vec<_>>(),
    })
    .to_string()
}

fn rules(spec: &IssuerSpec, user: &ClaimsSpec) -> Vec<Value> {
    let expected = spec.expect.iter();
    let mut rules: Vec<_> = expected
        .map(|(claim, value)| json!({"claim": claim, "requiredValue": value}))
        .collect();
    if let Some(claim) = &user.verified_by {
        rules.push(json!({
            "expression": format!("has(claims.{claim}) && claims.{claim} == true"),
            "message": "not verified",
        }));
    }
    rules
}

fn mappings(user: &ClaimsSpec) -> Value {
    let username = match &user.username {
        UsernameSpec::Claim(claim) => json!({"claim": claim, "prefix": user.prefix}),
        UsernameSpec::Template(template) => {
            let template = format!("{}{template}", user.prefix);
            let expression = template
                .replace("{claim.", "' + claims.")
                .replace('}', " + '");
            json!({"expression": format!("'{expression}'")})
        }
    };
    let extra = user.extra.iter().map(|(key, claim)| {
        let value = format!("has(claims.{claim}) ? claims.{claim} : ''");
        json!({"key": key, "valueExpression": value})
    });
    let mut mappings = json!({"username": username, "extra": extra.collect::<Vec<_>>()});
    if let Some(members) = mappings.as_object_mut() {
        if let Some((claim, prefix)) = &user.groups {
            members.insert(
                "groups".to_owned(),
                json!({"claim": claim, "prefix": prefix}),
            );
        }
        if let Some(claim) = &user.uid_claim {
            members.insert("uid".to_owned(), json!({"claim": claim}));
        }
    }
    mappings
}
