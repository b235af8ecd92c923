use super::*;
use crate::cases::attributes_of;
use crate::model::{Bundle, TestRequest};
use crate::testing::written_bundle;

const BUNDLE: &str = r#"
bundle "tests" { format 1; owners "**" "platform"; cluster "prod" env="prod"; cluster "stage" env="stage" }
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
    attr "team" claim="team"
}
issuer "agents" {
    url "https://agents.example"
    audiences "gateway"
    algorithms "ES256"
    max-token-age "1h"
    kind agent
    username claim="sub"
    delegation claim="act" rule=both
}
"#;
const SETS: &str = r#"
namespace-set "platform" { include "kube-*" "monitoring" }
namespace-set "apps" { include "*"; exclude "@platform" }
"#;
const RULES: &str = r#"
defaults { owner "platform"; severity medium }
allow "look" { why "people look"; who { kind human }; can read; on "pods"; in "shop" "shop-*" }
allow "touch" { why "people touch"; who { kind human }; can delete; on "pods"; in "shop-dev" }
allow "configs" { why "people read settings"; who { kind human }; can get; on "configmaps"; in "@apps" }
allow "secret-db" { why "w"; who { user "ana" }; can get; on "secrets"; in "shop"; named "db" "cache-*" }
allow "hidden" { why "w"; disclose none; who { user "ana" }; can get list; on "leases.coordination.k8s.io"; in "*" }
allow "nodes" { why "w"; who { user "ana" }; can read; on "nodes"; in "@cluster" }
allow "team" { why "w"; who { kind human }; can list; on "services"; in "{user.team}-*" }
allow "agent-look" { why "w"; who { kind agent }; can read; on "pods"; in "*" }
allow "metrics" { why "w"; who { kind human }; can get; urls "/metrics" }
deny "no-watch-dev" { why "watching dev is noisy"; message "use list"; who { kind human }; can watch; on "pods"; in "shop-*" }
deny "quiet" { why "secret reason"; disclose none; severity high; can delete; on "pods"; in "shop-dev"; named "keep" }
deny "loud" { why "loud reason"; disclose id; severity low; can delete; on "pods"; in "shop-dev"; named "keep" "keep-too" }
require "say-why" { why "w"; can delete; reason min=10 ticket="INC-[0-9]+" }
deny "soon" { why "trial"; mode shadow until="2030-01-01T00:00:00Z"; can list; on "pods" }
"#;

fn bundle() -> Bundle {
    let files = [
        ("bundle.kdl", BUNDLE),
        ("identities.kdl", IDENTITIES),
        ("sets.kdl", SETS),
        ("rules/all.kdl", RULES),
        ("tests/subjects.kdl", SUBJECTS),
    ];
    written_bundle(&files).unwrap_or_else(|findings| panic!("{findings}"))
}

const SUBJECTS: &str = r#"
subject "ana" { issuer "corp"; user "ana"; groups "sre"; attr "team" "shop" }
subject "kim" { issuer "corp"; user "kim" }
subject "bot" { issuer "agents"; user "bot"; acting-for issuer="corp" user="kim" }
"#;

fn at() -> Timestamp {
    "2026-11-18T10:00:00Z".parse().expect("an instant")
}

struct Asked {
    set: PolicySet,
    caller: Caller,
    attributes: Attributes,
    decision: Decision,
    verdict: Verdict,
}

/// Asks `list pods shop` or `get pods shop web`; `-` for every namespace or none.
fn ask(subject: &str, request: &str) -> Asked {
    let bundle = bundle();
    let set = PolicySet::compile(&bundle, "prod").expect("compiles");
    let caller = bundle.tests.subjects[subject].caller.clone();
    let words: Vec<&str> = request.split(' ').collect();
    let attributes = attributes_of(&TestRequest::Facts {
        verb: gateway_kubeapi::Verb::parse(words[0]).expect("a verb"),
        resource: words[1].to_owned(),
        namespace: words
            .get(2)
            .filter(|name| !matches!(**name, "-" | "*"))
            .map(|n| (*n).to_owned()),
        name: words.get(3).map(|name| (*name).to_owned()),
        all_namespaces: words.get(2) == Some(&"*"),
        source: None,
    })
    .expect("a request")
    .remove(0);
    let verdict = set.decide(&set.identify(&caller), &attributes, at());
    let decision = set.describe(&verdict, &caller, &attributes, at());
    Asked {
        set,
        caller,
        attributes,
        decision,
        verdict,
    }
}

#[test]
fn tells_what_would_be_allowed_instead() {
    for (subject, request, hint) in [
        // `no-watch-dev` takes watch away in shop-*.
        (
            "ana",
            "get pods bank web",
            "you may get, list pods in namespace shop-*; \
             get, list, watch pods in namespace shop; delete pods in namespace shop-dev",
        ),
        (
            "ana",
            "delete configmaps shop x",
            "you may get configmaps in every namespace except kube-*, monitoring",
        ),
        (
            "ana",
            "get secrets shop root",
            "you may get secrets named db, cache-* in namespace shop",
        ),
        (
            "ana",
            "get secrets bank db",
            "you may get secrets named db, cache-* in namespace shop",
        ),
        (
            "kim",
            "get secrets shop db",
            "nothing is allowed on secrets for you",
        ),
        (
            "ana",
            "delete leases.coordination.k8s.io shop x",
            "nothing is allowed on leases.coordination.k8s.io for you",
        ),
        ("ana", "delete nodes - n1", "you may get, list, watch nodes"),
        (
            "ana",
            "list services bank",
            "you may list services in namespace shop-*",
        ),
        (
            "kim",
            "list services bank",
            "nothing is allowed on services for you",
        ),
        ("kim", "create /metrics", "you may get /metrics"),
        (
            "kim",
            "get /version",
            "nothing is allowed on /version for you",
        ),
    ] {
        let asked = ask(subject, request);
        assert_eq!(
            asked.decision.allowed_hint.as_deref(),
            Some(hint),
            "{subject}: {request}"
        );
    }
}

#[test]
fn an_allowed_request_needs_no_hint() {
    let asked = ask("ana", "get pods shop web");
    assert!(asked.verdict.is_allowed());
    assert_eq!(asked.decision.allowed_hint, None);
}

#[test]
fn every_deny_is_reported_the_gravest_first_and_told_as_it_allows() {
    let asked = ask("ana", "delete pods shop-dev keep");
    let ids: Vec<&str> = asked
        .decision
        .rules
        .iter()
        .map(|rule| rule.id.as_str())
        .collect();
    assert_eq!(ids, ["quiet", "loud"]);
    let told: Vec<Option<Cause>> = asked.decision.rules.iter().map(RuleMention::told).collect();
    assert_eq!(
        told,
        [
            None,
            Some(Cause {
                rule: "loud".to_owned(),
                message: None
            })
        ]
    );
    assert!(
        !asked
            .decision
            .told(&asked.attributes)
            .contains("secret reason")
    );
    let told = ask("ana", "watch pods shop-dev");
    assert_eq!(
        told.decision.told(&told.attributes),
        "watch pods in namespace shop-dev is denied by rule `no-watch-dev`: use list; \
         you may get, list pods in namespace shop-*; get, list, watch pods in namespace shop; \
         delete pods in namespace shop-dev"
    );
}

#[test]
fn near_misses_name_the_line_and_the_change() {
    let asked = ask("ana", "get pods bank web");
    let near = &asked.decision.nearest[0];
    assert_eq!(near.rule, "look");
    assert_eq!(near.lines.len(), 1);
    assert_eq!(near.lines[0].line, Line::In);
    assert_eq!(
        near.lines[0].change,
        "`in shop shop-*` would have to hold bank"
    );
    assert!(asked.decision.nearest.len() <= NEAREST_MAX);
}

#[test]
fn says_which_subject_failed() {
    let asked = ask("bot", "list pods bank");
    assert_eq!(asked.verdict.reason, Some(Reason::NoAllow));
    assert_eq!(asked.verdict.subject, Subject::Principal(1));
    assert!(
        asked
            .decision
            .told(&asked.attributes)
            .starts_with("no rule allows whom you act for")
    );
    let asked = ask("bot", "list pods shop");
    assert_eq!(asked.verdict.subject, Subject::Caller);
    let ids: Vec<&str> = asked
        .decision
        .rules
        .iter()
        .map(|rule| rule.id.as_str())
        .collect();
    assert_eq!(ids, ["agent-look", "look"]);
    assert_eq!(asked.decision.rules[1].subject, Subject::Principal(1));
}

#[test]
fn shadow_rules_are_named_and_do_not_count() {
    let asked = ask("ana", "list pods shop");
    assert!(asked.verdict.is_allowed());
    assert_eq!(asked.decision.shadow.len(), 1);
    assert_eq!(asked.decision.shadow[0].id, "soon");
    assert_eq!(asked.decision.shadow[0].would(), "would-deny");
    let after = "2030-01-01T00:00:00Z".parse().expect("an instant");
    let identity = asked.set.identify(&asked.caller);
    let verdict = asked.set.decide(&identity, &asked.attributes, after);
    assert_eq!(
        verdict.reason,
        Some(Reason::DeniedByRule),
        "an ended trial of a deny counts"
    );
}

#[test]
fn a_reason_is_checked_with_its_ticket() {
    let asked = ask("ana", "delete pods shop-dev web");
    assert!(asked.verdict.is_allowed());
    let check = |reason| asked.set.check_reason(&asked.verdict.obligations, reason);
    use crate::decide::ReasonFault;
    assert_eq!(check(None), Err(ReasonFault::Missing { min: 10 }));
    assert_eq!(check(Some("  ")), Err(ReasonFault::Missing { min: 10 }));
    assert_eq!(
        check(Some("INC-1")),
        Err(ReasonFault::TooShort { found: 5, min: 10 })
    );
    assert!(matches!(
        check(Some("it is broken")),
        Err(ReasonFault::NoTicket { .. })
    ));
    assert!(matches!(
        check(Some("see XINC-1 please")),
        Err(ReasonFault::NoTicket { .. })
    ));
    assert_eq!(check(Some("see (INC-17), please")), Ok(()));
    let failed = asked.verdict.fail_obligation();
    let decision = asked
        .set
        .describe(&failed, &asked.caller, &asked.attributes, at());
    assert_eq!(decision.reason, Some(Reason::ObligationFailed));
    let ids: Vec<&str> = decision.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["touch", "say-why"]);
}

#[test]
fn identity_rules_of_another_set_are_denied() {
    let asked = ask("ana", "get pods shop web");
    let other = PolicySet::compile(&bundle(), "prod").expect("compiles");
    let verdict = asked
        .set
        .decide(&other.identify(&asked.caller), &asked.attributes, at());
    assert_eq!(verdict.reason, Some(Reason::NoAllow));
}

#[test]
fn compiling_refuses_an_unknown_cluster() {
    let fault = PolicySet::compile(&bundle(), "nowhere").expect_err("no such cluster");
    assert_eq!(
        fault.to_string(),
        "the bundle has no cluster `nowhere`; add it to `bundle.kdl`"
    );
}

#[test]
fn lists_rules_as_a_rules_review_does() {
    let bundle = bundle();
    let set = PolicySet::compile(&bundle, "prod").expect("compiles");
    let rules = set.rules_for(&bundle.tests.subjects["kim"].caller, "shop", at());
    let lines: Vec<String> = rules
        .resource_rules
        .iter()
        .map(|rule| format!("{} {}", rule.verbs.join(","), rule.resources.join(",")))
        .collect();
    assert_eq!(lines, ["get configmaps", "get,list,watch pods"]);
    assert_eq!(rules.non_resource_rules[0].paths, ["/metrics"]);
    assert!(rules.incomplete, "denies cannot be said in a review");
}
