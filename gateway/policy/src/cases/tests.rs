use super::*;
use crate::decode::decode;
use crate::decode::tests::{shipped, split_files};
use crate::testing::written_bundle;

const HEAD: &str = r#"
bundle "tests" { format 1; owners "**" "platform"; cluster "prod" env="prod" }
"#;
const IDENTITIES: &str = r#"
issuer "corp" {
    url "https://login.example"
    audiences "gateway"
    algorithms "ES256"
    max-token-age "1h"
    kind human
    username claim="sub"
    groups claim="groups"
}
"#;
const RULES: &str = r#"
defaults { owner "platform"; severity medium }
allow "look" { why "w"; who { kind human }; can read; on "pods" "configmaps"; in "shop" }
allow "make" { why "w"; who { kind human }; can create; on "configmaps"; in "shop"; named "settings" }
allow "patch" { why "w"; who { kind human }; can patch; on "configmaps"; in "shop" }
deny "never" { why "w"; can delete; on "pods" }
"#;

fn bundle(tests: &str) -> Bundle {
    let subjects = r#"subject "ana" { issuer "corp"; user "ana" }"#;
    let suite = format!(
        "{subjects}\nsuite \"s\" at=\"2026-11-18T10:00:00Z\" cluster=\"prod\" {{\n{tests}\n}}"
    );
    let files = [
        ("bundle.kdl", HEAD),
        ("identities.kdl", IDENTITIES),
        ("rules/all.kdl", RULES),
        ("tests/all.kdl", &suite),
        (
            "tests/fixtures/settings.json",
            r#"{"metadata":{"name":"settings"}}"#,
        ),
        (
            "tests/fixtures/other.json",
            r#"{"metadata":{"generateName":"set"}}"#,
        ),
    ];
    written_bundle(&files).unwrap_or_else(|findings| panic!("{findings}"))
}

/// Runs one test; its failure begins with this text.
fn check(request: &str, expect: &str, failure: Option<&str>) {
    let bundle = bundle(&format!(
        "test \"t\" {{ as \"ana\"; {request}; expect {expect} }}"
    ));
    let report = run(&bundle);
    let found = report.results[0].failure.as_deref();
    let is_expected = match (found, failure) {
        (Some(found), Some(failure)) => found.starts_with(failure),
        (found, failure) => found == failure,
    };
    assert!(is_expected, "{request} expect {expect}: {found:?}");
}

#[test]
fn all_tests_of_the_shipped_bundles_pass() {
    for name in ["demo", "starter", "allow-all"] {
        let (bundle, _) = decode(&shipped(name));
        let bundle = bundle.expect("it decodes");
        assert_eq!(failures(&bundle), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn http_requests_are_judged_as_the_gateway_judges_them() {
    check(
        r#"http GET "/api/v1/namespaces/shop/pods/web""#,
        r#"allow { by "look" }"#,
        None,
    );
    check(
        r#"http POST "/api/v1/namespaces/shop/configmaps" type="application/json" body="fixtures/settings.json""#,
        r#"allow { by "make" }"#,
        None,
    );
    check(
        r#"http POST "/api/v1/namespaces/shop/configmaps" type="application/json" body="fixtures/other.json""#,
        r#"deny { near "make" line="named" }"#,
        None,
    );
    // An apply patch may create, and only `settings` may be created.
    check(
        r#"http PATCH "/api/v1/namespaces/shop/configmaps/x" type="merge""#,
        "allow",
        None,
    );
    check(
        r#"http PATCH "/api/v1/namespaces/shop/configmaps/x" type="apply""#,
        r#"deny { near "make" line="named" }"#,
        None,
    );
    check(
        r#"http GET "/api/v1/namespaces/shop%2Fx/pods""#,
        "deny",
        Some("the gateway refuses the request: "),
    );
}

#[test]
fn failures_say_what_came_instead() {
    check(
        r#"request list "pods" ns="bank""#,
        "allow",
        Some(
            "expected allow, got deny (no-allow); nearest to `list pods in namespace bank` is \
             `look`: `in shop` would have to hold bank",
        ),
    );
    check(
        r#"request get "pods" ns="shop" name="web""#,
        "deny",
        Some("expected deny, got allow by look"),
    );
    check(
        r#"request delete "pods" ns="shop" name="web""#,
        "deny { reason no-allow }",
        Some(
            "expected reason `no-allow`, got `denied-by-rule`; \
             `delete pods web in namespace shop` is denied by rule `never`",
        ),
    );
    check(
        r#"request delete "pods" ns="shop" name="web""#,
        r#"deny { by "look" }"#,
        Some(
            "expected rule `look` to decide, but never decides; \
             `delete pods web in namespace shop` is denied by rule `never`",
        ),
    );
    check(
        r#"request list "pods""#,
        "deny",
        Some("`pods` is in a namespace; add `ns=` or `all-namespaces=#true`"),
    );
    check(
        r#"request list "nodes" ns="a""#,
        "deny",
        Some("`nodes` is not in a namespace; remove `ns=` and `all-namespaces=`"),
    );
}

#[test]
fn coverage_and_mutants_tell_which_rules_are_tested() {
    let bundle = bundle(
        r#"
        cases "c" {
            as "ana"
            case allow { request list "pods" ns="shop" }
            case deny { request delete "pods" ns="shop" name="web" }
        }"#,
    );
    let report = run(&bundle);
    assert!(report.is_success());
    assert_eq!(
        report.coverage["look"],
        RuleCoverage {
            matched: 1,
            deciding: 1
        }
    );
    assert_eq!(report.unmet().collect::<Vec<_>>(), ["make", "patch"]);
    // Nothing allows the deletion, so the test passes without the deny.
    assert_eq!(survivors(&bundle), ["make", "never", "patch"]);
}

#[test]
fn the_mutation_check_agrees_with_running_everything_without_a_rule() {
    let (bundle, _) = decode(&shipped("demo"));
    let bundle = bundle.expect("it decodes");
    let slow: BTreeSet<String> = bundle
        .rules
        .iter()
        .filter(|rule| {
            let mut without = bundle.clone();
            without.rules.retain(|own| own.id != rule.id);
            failures(&without).is_empty()
        })
        .map(|rule| rule.id.clone())
        .collect();
    assert_eq!(
        survivors(&bundle).into_iter().collect::<BTreeSet<_>>(),
        slow
    );
}

/// Runs the tests of the example of masks with one expectation put in the place of another.
fn check_masked(written: &str, instead: &str, failure: Option<&str>) {
    let text = include_str!("../../testdata/masked.kdl");
    assert!(text.contains(written), "{written}");
    let files = split_files(&text.replacen(written, instead, 1));
    let (bundle, report) = decode(&files);
    let bundle = bundle.unwrap_or_else(|| panic!("{}", crate::diagnostic::human(&report, &files)));
    let found: Vec<String> = failures(&bundle)
        .into_iter()
        .map(|line| line.split("`: ").last().unwrap_or_default().to_owned())
        .collect();
    let expected: Vec<&str> = failure.into_iter().collect();
    assert_eq!(found, expected, "{instead}");
}

#[test]
fn expectations_of_masks_are_held_against_the_masker() {
    check_masked(
        "masked \"data.*\" redact",
        "masked \"data.password\" redact",
        None,
    );
    check_masked(
        "masked \"data.password\" redact",
        "masked \"data.password\" hash",
        Some("expected `data.password` to be masked by `hash`, but it is by `redact`"),
    );
    check_masked(
        "masked \"data.password\" redact",
        "masked \"data.user\" redact",
        Some("the response has nothing at `data.user`"),
    );
    check_masked(
        "masked \"data.password\" redact",
        "masked \"metadata.name\" redact",
        Some("expected `metadata.name` to be masked by `redact`, but it is not masked"),
    );
    check_masked(
        "masks \"pods\"",
        "masks \"claims\"",
        Some("expected mask `claims` to be demanded, but pods is"),
    );
    check_masked(
        "masked \"spec.users[*].phone\" fpe",
        "masked \"spec.users[*].phone\" drop",
        Some("expected `spec.users[*].phone` to be masked by `drop`, but it is by `fpe`"),
    );
    check_masked(
        "masked \"status.connection.uri\" redact",
        "masked \"status.connection.*\" redact",
        None,
    );
    // Values at one path may differ in what becomes of them.
    check_masked(
        "masked \"spec.bootstrap\" yaml",
        "masked \"spec.**\" yaml",
        Some("the values at `spec.**` are masked differently"),
    );
    check_masked(
        "request watch \"cronjobs.batch\" ns=\"shop\"",
        "request watch \"pods\" ns=\"shop\"",
        Some(
            "expected `spec.jobTemplate.spec.template.spec.containers[*].env[*].value` to be masked \
             by `redact`, but it is not masked",
        ),
    );
}

#[test]
fn dropped_values_are_seen_to_be_gone() {
    let redacted = "at \"data.*\" hash key=\"mask-2026\"; at \"stringData.*\" redact";
    let text = include_str!("../../testdata/masked.kdl")
        .replacen(
            redacted,
            "at \"data.*\" drop; at \"metadata.annotations\" redact",
            1,
        )
        .replacen(
            "masked \"data.password\" redact",
            "masked \"data.password\" drop",
            1,
        )
        .replacen("configuration']\" json", "configuration']\" redact", 1);
    let (bundle, _) = decode(&split_files(&text));
    assert_eq!(failures(&bundle.expect("it decodes")), Vec::<String>::new());
}
