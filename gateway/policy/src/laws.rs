//! The laws of policy-language §3.2, and the compiled form against the specification.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use crate::compile::PolicySet;
use crate::decide::{Outcome, Reason, Verdict};
use crate::model::{Bundle, Disclose, Effect, Mode};
use crate::naive::{self, Question, Ruling, Standing};
use crate::testing::{CLUSTER, Draw, Wild, wild_rule};

fn specified(bundle: &Bundle, wild: &Wild) -> Ruling {
    naive::decide(&Question {
        bundle,
        cluster: CLUSTER,
        caller: &wild.caller,
        attributes: &wild.attributes,
        at: wild.at,
    })
}

fn compile(bundle: &Bundle) -> PolicySet {
    PolicySet::compile(bundle, CLUSTER).expect("a generated bundle compiles")
}

fn decided(set: &PolicySet, wild: &Wild) -> Verdict {
    set.decide(&set.identify(&wild.caller), &wild.attributes, wild.at)
}

/// The compiled and the specified decision, in the same words.
fn agree(set: &PolicySet, wild: &Wild) -> Verdict {
    let ruling = specified(&wild.bundle, wild);
    let verdict = decided(set, wild);
    let rule = verdict
        .rule
        .and_then(|index| set.rule(index))
        .map(|rule| rule.id.clone());
    let compiled = (
        verdict.outcome,
        verdict.reason,
        rule,
        verdict.subject,
        set.demands(&verdict.obligations),
    );
    let naive = (
        ruling.outcome,
        ruling.reason,
        ruling.rule,
        ruling.subject,
        ruling.demands,
    );
    assert_eq!(
        compiled, naive,
        "{:#?}\n{:#?}\n{}",
        wild.caller, wild.attributes, wild.at
    );
    verdict
}

/// 3 500 bundles of up to 40 rules, 30 requests each.
#[test]
fn compiled_equals_interpreted_on_105_000_requests() {
    let mut allowed = 0;
    for seed in 0..3_500 {
        let mut draw = Draw::new(seed);
        let rules = draw.below(40);
        let mut wild = Wild::new(seed, rules);
        let set = compile(&wild.bundle);
        for _ in 0..30 {
            allowed += usize::from(agree(&set, &wild).is_allowed());
            wild.redraw(&mut draw);
        }
    }
    assert!(
        allowed > 10_000,
        "only {allowed} requests were allowed: the generator is too strict"
    );
}

fn strictness(ruling: &Ruling) -> u8 {
    match ruling.outcome {
        Outcome::Allow => 0,
        Outcome::Deny => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rule_order_is_irrelevant(seed: u64, rules in 0_usize..12, turn in 0_usize..12) {
        let wild = Wild::new(seed, rules);
        let mut turned = wild.bundle.clone();
        turned.rules.reverse();
        if rules > 0 {
            turned.rules.rotate_left(turn % rules);
        }
        prop_assert_eq!(specified(&wild.bundle, &wild), specified(&turned, &wild));
        let (a, b) = (compile(&wild.bundle), compile(&turned));
        prop_assert_eq!(decided(&a, &wild), decided(&b, &wild));
    }

    #[test]
    fn a_further_deny_or_require_is_never_milder(seed: u64, rules in 0_usize..12) {
        let mut wild = Wild::new(seed, rules);
        let before = specified(&wild.bundle, &wild);
        let mut further = wild_rule(&mut Draw::new(seed ^ 1), "further");
        if further.effect == Effect::Allow {
            further.effect = if seed % 2 == 0 { Effect::Deny } else { Effect::Require };
        }
        wild.bundle.rules.push(further);
        let after = specified(&wild.bundle, &wild);
        prop_assert!(strictness(&after) >= strictness(&before));
        if after.outcome == Outcome::Allow {
            let mut both = after.demands.clone();
            both.merge(&before.demands);
            prop_assert_eq!(both, after.demands, "an obligation was lost");
        }
        agree(&compile(&wild.bundle), &wild);
    }

    #[test]
    fn a_further_allow_never_denies_and_never_loses_an_obligation(
        seed: u64,
        rules in 0_usize..12,
    ) {
        let mut wild = Wild::new(seed, rules);
        let before = specified(&wild.bundle, &wild);
        let mut further = wild_rule(&mut Draw::new(seed ^ 1), "further");
        further.effect = Effect::Allow;
        wild.bundle.rules.push(further);
        let after = specified(&wild.bundle, &wild);
        prop_assert!(strictness(&after) <= strictness(&before));
        if before.reason == Some(Reason::DeniedByRule) {
            prop_assert_eq!(after.reason, before.reason);
        }
        if before.outcome == Outcome::Allow {
            let mut both = after.demands.clone();
            both.merge(&before.demands);
            prop_assert_eq!(both, after.demands, "an obligation was lost");
        }
    }

    #[test]
    fn deciding_again_changes_nothing(seed: u64, rules in 0_usize..12) {
        let wild = Wild::new(seed, rules);
        let set = compile(&wild.bundle);
        let identity = set.identify(&wild.caller);
        let first = set.decide(&identity, &wild.attributes, wild.at);
        prop_assert_eq!(first, set.decide(&identity, &wild.attributes, wild.at));
        prop_assert_eq!(first, decided(&compile(&wild.bundle), &wild));
    }

    #[test]
    fn explain_agrees_with_decide(seed: u64, rules in 0_usize..16) {
        let wild = Wild::new(seed, rules);
        let set = compile(&wild.bundle);
        let verdict = decided(&set, &wild);
        let explanation = set.explain(&wild.caller, &wild.attributes, wild.at);
        let decision = &explanation.decision;
        prop_assert_eq!(decision.outcome, verdict.outcome);
        prop_assert_eq!(decision.reason, verdict.reason);
        let first = decision.rules.first().map(|mention| mention.id.as_str());
        let rule = verdict.rule.and_then(|index| set.rule(index)).map(|rule| rule.id.as_str());
        prop_assert_eq!(first, rule, "the first rule that is mentioned is the one that decided");
        // Every rule that matches is explained, with the lines that make it match, and no other.
        let ruling = specified(&wild.bundle, &wild);
        let matching = |standing: Standing| -> BTreeSet<String> {
            let rules = explanation.rules.iter();
            let matching = rules.filter(|rule| rule.matches && rule.standing == standing);
            matching.map(|rule| rule.id.clone()).collect()
        };
        prop_assert_eq!(matching(Standing::Enforced), ruling.matched.into_iter().collect());
        prop_assert_eq!(matching(Standing::Shadow), ruling.shadow.into_iter().collect());
        for rule in &explanation.rules {
            prop_assert_eq!(rule.matches, rule.lines.iter().all(|line| line.counts));
        }
        prop_assert!(!explanation.to_string().is_empty());
    }

    #[test]
    fn a_hint_is_never_made_from_rules_that_may_not_be_told(seed: u64, rules in 0_usize..16) {
        let mut wild = Wild::new(seed, rules);
        for rule in &mut wild.bundle.rules {
            rule.disclose = Disclose::None;
        }
        let set = compile(&wild.bundle);
        let verdict = decided(&set, &wild);
        let decision = set.describe(&verdict, &wild.caller, &wild.attributes, wild.at);
        if let Some(hint) = &decision.allowed_hint {
            prop_assert!(hint.starts_with("nothing is allowed on "), "{}", hint);
        }
        let told = decision.told(&wild.attributes);
        prop_assert!(!told.contains("rule-"), "{}", told);
    }

    #[test]
    fn a_shadow_rule_never_counts(seed: u64, rules in 0_usize..12) {
        let mut wild = Wild::new(seed, rules);
        let before = specified(&wild.bundle, &wild);
        let mut further = wild_rule(&mut Draw::new(seed ^ 1), "further");
        further.mode = Mode::Shadow(Timestamp::MAX);
        wild.bundle.rules.push(further);
        let after = specified(&wild.bundle, &wild);
        prop_assert_eq!(before.outcome, after.outcome);
        prop_assert_eq!(before.demands, after.demands);
        agree(&compile(&wild.bundle), &wild);
    }
}
