use gateway_kubeapi::{Attributes, CallerKind, Delegation, NameScope, NamespaceScope, ResourceId};
use gateway_kubeapi::{Caller, Target, UserInfo, Verb};
use jiff::Timestamp;

use super::*;
use crate::model::{Bundle, Mode, Namespaces, Rule, Term, Terms};
use crate::pattern::Pattern;
use crate::testing::{CLUSTER, Draw, Wild, empty_bundle, plain_rule};

fn noon() -> Timestamp {
    "2026-11-18T12:00:00Z".parse().expect("an instant")
}

fn caller() -> Caller {
    Caller {
        issuer: "corp".to_owned(),
        user: UserInfo {
            username: "ana".to_owned(),
            ..UserInfo::default()
        },
        kind: CallerKind::Human,
        attributes: [(
            "team".to_owned(),
            vec!["shop".to_owned(), "bank".to_owned()],
        )]
        .into(),
        acting_for: None,
        delegation: Delegation::Both,
        expires_at: None,
        credential_id: None,
    }
}

fn pods(namespace: NamespaceScope, name: NameScope) -> Attributes {
    Attributes {
        verb: Verb::Get,
        target: Target::Resource(ResourceId {
            group: String::new(),
            resource: "pods".to_owned(),
            subresource: String::new(),
        }),
        namespace,
        name,
        label_selector: Vec::new(),
        source: None,
    }
}

/// Values with `!`; `re:` marks an expression.
fn terms(text: &str) -> Terms<Pattern> {
    let pattern = |text: &str| match text.strip_prefix("re:") {
        Some(expression) => Term::Value(Pattern::regex(expression).expect("an expression")),
        None => Term::Value(Pattern::glob(text).expect("a glob")),
    };
    let (out, within): (Vec<&str>, Vec<&str>) = text
        .split_whitespace()
        .partition(|word| word.starts_with('!'));
    Terms {
        include: within.into_iter().map(pattern).collect(),
        exclude: out
            .into_iter()
            .map(|word| pattern(word.trim_start_matches('!')))
            .collect(),
    }
}

/// An `in` line; `-` for none.
fn in_line(text: &str) -> Option<Namespaces> {
    let names: String = text.replace("@cluster", "");
    (text != "-").then(|| Namespaces {
        names: terms(&names),
        cluster_scoped: text.contains("@cluster"),
    })
}

fn verdict(rules: Vec<Rule>, attributes: &Attributes) -> Verdict {
    let bundle = Bundle {
        rules,
        ..empty_bundle()
    };
    let set = PolicySet::compile(&bundle, CLUSTER).expect("compiles");
    set.decide(&set.identify(&caller()), attributes, noon())
}

/// Whether an allow, and whether a deny, with a line matches the request.
fn matches(attributes: &Attributes, edit: impl Fn(&mut Rule)) -> (bool, bool) {
    let rule = |id: &str, effect: Effect| {
        let mut rule = plain_rule(id, effect);
        edit(&mut rule);
        rule
    };
    let allowed = verdict(vec![rule("a", Effect::Allow)], attributes).is_allowed();
    let everything = plain_rule("everything", Effect::Allow);
    let denied = !verdict(vec![rule("d", Effect::Deny), everything], attributes).is_allowed();
    (allowed, denied)
}

#[test]
fn namespaces_are_covered_by_allows_and_touched_by_denies() {
    let one = || NamespaceScope::One("shop".to_owned());
    for (line, scope, allow, deny) in [
        ("shop", one(), true, true),
        ("bank", one(), false, false),
        ("* !shop", one(), false, false),
        ("shop-* !shop-x", one(), false, false),
        ("@cluster", one(), false, false),
        ("{user.team}", one(), true, true),
        // No such attribute: unknown.
        ("{user.tier}", one(), false, true),
        ("* !{user.tier}", one(), false, true),
        ("* !{user.team}", one(), false, false),
        ("-", one(), true, true),
        ("*", NamespaceScope::Every, true, true),
        ("re:.*", NamespaceScope::Every, true, true),
        ("shop", NamespaceScope::Every, false, true),
        ("* !kube-system", NamespaceScope::Every, false, true),
        // Provably empty.
        ("shop !*", NamespaceScope::Every, false, false),
        ("@cluster", NamespaceScope::Every, false, false),
        ("-", NamespaceScope::Every, true, true),
        ("*", NamespaceScope::Cluster, false, false),
        ("* @cluster", NamespaceScope::Cluster, true, true),
        ("@cluster", NamespaceScope::Cluster, true, true),
        ("-", NamespaceScope::Cluster, true, true),
        ("*", NamespaceScope::EveryOrCluster, false, true),
        ("@cluster", NamespaceScope::EveryOrCluster, false, true),
        ("* @cluster", NamespaceScope::EveryOrCluster, true, true),
        ("shop @cluster", NamespaceScope::EveryOrCluster, false, true),
        ("shop !*", NamespaceScope::EveryOrCluster, false, false),
        ("-", NamespaceScope::EveryOrCluster, true, true),
    ] {
        let attributes = pods(scope.clone(), NameScope::Any);
        let found = matches(&attributes, |rule| rule.namespaces = in_line(line));
        assert_eq!(found, (allow, deny), "in {line}: {scope:?}");
    }
}

#[test]
fn names_are_covered_by_allows_and_touched_by_denies() {
    let one = |name: &str| NameScope::One(name.to_owned());
    let prefix = |text: &str| NameScope::Prefix(text.to_owned());
    for (line, scope, allow, deny) in [
        ("db", one("db"), true, true),
        ("db", one("web"), false, false),
        ("* !db", one("db"), false, false),
        ("web-*", prefix("web-"), true, true),
        ("web-*", prefix("we"), false, true),
        ("web-1", prefix("web-"), false, true),
        ("* !web-1", prefix("web-"), false, true),
        ("* !web-*", prefix("web-"), false, false),
        ("db", prefix("web-"), false, false),
        ("db", NameScope::Any, false, true),
        ("*", NameScope::Any, false, true),
    ] {
        let attributes = pods(NamespaceScope::One("shop".to_owned()), scope.clone());
        let found = matches(&attributes, |rule| rule.named = Some(terms(line)));
        assert_eq!(found, (allow, deny), "named {line}: {scope:?}");
    }
}

#[test]
fn an_address_that_is_not_known_helps_no_allow_and_stops_no_deny() {
    let networks = |text: &str| Terms {
        include: vec![Term::Value(text.parse().expect("a network"))],
        exclude: Vec::new(),
    };
    for (network, source, allow, deny) in [
        ("203.0.113.0/24", Some("203.0.113.9"), true, true),
        ("203.0.113.0/24", Some("::ffff:203.0.113.9"), true, true),
        ("203.0.113.0/24", Some("198.51.100.1"), false, false),
        ("2001:db8::/32", Some("2001:db8::1"), true, true),
        ("203.0.113.0/24", None, false, true),
        ("0.0.0.0/0", None, false, true),
    ] {
        let mut attributes = pods(NamespaceScope::One("shop".to_owned()), NameScope::Any);
        attributes.source = source.map(|text| text.parse().expect("an address"));
        let found = matches(&attributes, |rule| rule.from = Some(networks(network)));
        assert_eq!(found, (allow, deny), "from {network}: {source:?}");
    }
}

#[test]
fn a_mode_whose_instant_has_passed_wakes_denies_and_no_allow() {
    let past: Timestamp = "2026-11-18T12:00:00Z".parse().expect("an instant");
    let future: Timestamp = "2026-11-18T12:00:01Z".parse().expect("an instant");
    for (mode, allow, deny) in [
        (Mode::Enforce, true, true),
        (Mode::Shadow(future), false, false),
        (Mode::Off(future), false, false),
        (Mode::Shadow(past), false, true),
        (Mode::Off(past), false, true),
    ] {
        let attributes = pods(NamespaceScope::One("shop".to_owned()), NameScope::Any);
        let found = matches(&attributes, |rule| rule.mode = mode.clone());
        assert_eq!(found, (allow, deny), "{mode:?}");
    }
}

#[test]
fn an_allow_ends_at_its_expiry_and_a_deny_never_does() {
    for (end, allow) in [
        ("2026-11-18T12:00:00Z", false),
        ("2026-11-18T12:00:01Z", true),
    ] {
        let attributes = pods(NamespaceScope::One("shop".to_owned()), NameScope::Any);
        let end: Timestamp = end.parse().expect("an instant");
        let found = matches(&attributes, |rule| rule.expires = Some(end));
        assert_eq!(found, (allow, true), "{end}");
    }
}

#[test]
fn the_gravest_deny_is_named_and_ties_go_by_id() {
    let deny = |id: &str, severity| Rule {
        severity,
        ..plain_rule(id, Effect::Deny)
    };
    use crate::model::Severity::{Critical, High, Low};
    let rules = vec![
        deny("c", Low),
        deny("z", Critical),
        deny("b", Critical),
        deny("a", High),
    ];
    let bundle = Bundle {
        rules,
        ..empty_bundle()
    };
    let set = PolicySet::compile(&bundle, CLUSTER).expect("compiles");
    let attributes = pods(NamespaceScope::Every, NameScope::Any);
    let verdict = set.decide(&set.identify(&caller()), &attributes, noon());
    let rule = verdict
        .rule
        .and_then(|index| set.rule(index))
        .expect("a rule");
    assert_eq!(rule.id, "b");
}

#[test]
fn both_subjects_of_a_delegation_must_be_allowed() {
    let user = |id: &str, effect, user: &str| Rule {
        who: Some(vec![crate::model::Who::User(vec![Pattern::literal(user)])]),
        ..plain_rule(id, effect)
    };
    let agent = |delegation| Caller {
        user: UserInfo {
            username: "agent".to_owned(),
            ..UserInfo::default()
        },
        acting_for: Some(Box::new(caller())),
        delegation,
        ..caller()
    };
    let attributes = pods(NamespaceScope::Every, NameScope::Any);
    let decide = |rules: Vec<Rule>, delegation| {
        let bundle = Bundle {
            rules,
            ..empty_bundle()
        };
        let set = PolicySet::compile(&bundle, CLUSTER).expect("compiles");
        set.decide(&set.identify(&agent(delegation)), &attributes, noon())
    };
    let for_agent = || user("agent", Effect::Allow, "agent");
    let for_ana = || user("ana", Effect::Allow, "ana");
    let verdict = decide(vec![for_agent()], Delegation::Both);
    assert_eq!(
        (verdict.reason, verdict.subject),
        (Some(Reason::NoAllow), Subject::Principal(1))
    );
    let verdict = decide(vec![for_ana()], Delegation::Both);
    assert_eq!(
        (verdict.reason, verdict.subject),
        (Some(Reason::NoAllow), Subject::Caller)
    );
    assert!(decide(vec![for_agent()], Delegation::Agent).is_allowed());
    assert!(decide(vec![for_agent(), for_ana()], Delegation::Both).is_allowed());
    let no_ana = || user("no", Effect::Deny, "ana");
    let verdict = decide(vec![no_ana(), for_ana()], Delegation::Both);
    assert_eq!(
        verdict.reason,
        Some(Reason::DeniedByRule),
        "a deny is named before a lack"
    );
    assert_eq!(verdict.subject, Subject::Principal(1));
}

#[test]
fn a_chain_past_its_bound_is_denied() {
    let mut chain = caller();
    for length in 1..8 {
        let bundle = Bundle {
            rules: vec![plain_rule("all", Effect::Allow)],
            ..empty_bundle()
        };
        let set = PolicySet::compile(&bundle, CLUSTER).expect("compiles");
        let attributes = pods(NamespaceScope::Every, NameScope::Any);
        let verdict = set.decide(&set.identify(&chain), &attributes, noon());
        assert_eq!(
            verdict.is_allowed(),
            length <= DELEGATION_DEPTH_MAX,
            "{length}"
        );
        chain = Caller {
            acting_for: Some(Box::new(chain)),
            ..caller()
        };
    }
}

#[test]
fn deciding_allocates_nothing() {
    for seed in 0..300 {
        let mut draw = Draw::new(seed);
        let mut wild = Wild::new(seed, 30);
        let set = PolicySet::compile(&wild.bundle, CLUSTER).expect("compiles");
        for _ in 0..20 {
            let identity = set.identify(&wild.caller);
            let counted = allocation_counter::measure(|| {
                std::hint::black_box(set.decide(&identity, &wild.attributes, wild.at));
            });
            assert_eq!(counted.count_total, 0, "seed {seed}");
            wild.redraw(&mut draw);
        }
    }
}
