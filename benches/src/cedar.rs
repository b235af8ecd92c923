//! The same rules and requests for Cedar.
//!
//! One rule becomes one policy: group and verbs stand in its scope, where Cedar looks first,
//! resources and namespaces in its condition. Entities and requests are built before anything is
//! timed, and every caller's groups are in the entity store, as an application would keep them.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use anyhow::{Context as _, Result, bail};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet,
    Request, RestrictedExpression,
};
use gateway_kubeapi::{Attributes, Caller, NamespaceScope, Target, Verb};
use gateway_policy::model::{Effect, On, ResourcePattern, Rule, Term, Terms, VerbTerm, Who};
use gateway_policy::pattern::Pattern;
use gateway_policy::testing::Fleet;

/// A fleet as Cedar sees it.
#[derive(Debug)]
pub struct CedarFleet {
    authorizer: Authorizer,
    policies: PolicySet,
    /// For each group, the policies whose scope names it.
    by_group: HashMap<String, Vec<Policy>>,
    entities: Entities,
    requests: Vec<Request>,
}

impl CedarFleet {
    /// Translates a fleet.
    ///
    /// # Errors
    ///
    /// If a rule uses what the generator of fleets never does.
    pub fn new(fleet: &Fleet) -> Result<Self> {
        let mut policies = PolicySet::new();
        let mut by_group: HashMap<String, Vec<Policy>> = HashMap::new();
        for rule in &fleet.bundle.rules {
            let group = group_of(rule)?;
            let text = policy_text(rule, group)?;
            let policy = Policy::parse(Some(PolicyId::new(&rule.id)), text)?;
            by_group
                .entry(group.to_owned())
                .or_default()
                .push(policy.clone());
            policies.add(policy)?;
        }
        let requests = fleet
            .requests
            .iter()
            .map(|(caller, attributes)| {
                let caller = fleet
                    .callers
                    .get(*caller)
                    .context("a request without a caller")?;
                request(caller, attributes)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            authorizer: Authorizer::new(),
            policies,
            by_group,
            entities: entities(&fleet.callers)?,
            requests,
        })
    }

    /// Decides a request by all policies; `None` for a request that is not there.
    #[must_use]
    pub fn is_allowed(&self, request: usize) -> Option<bool> {
        let request = self.requests.get(request)?;
        let response = self
            .authorizer
            .is_authorized(request, &self.policies, &self.entities);
        Some(response.decision() == Decision::Allow)
    }

    /// The policies whose scope names a group of the caller. The others are false for it, so they
    /// change no decision; an application that slices by principal would evaluate these.
    ///
    /// # Errors
    ///
    /// If two policies have one id.
    pub fn slice(&self, caller: &Caller) -> Result<PolicySet> {
        let groups: HashSet<&String> = caller.user.groups.iter().collect();
        let own = groups
            .into_iter()
            .filter_map(|group| self.by_group.get(group))
            .flatten();
        let mut slice = PolicySet::new();
        for policy in own {
            slice.add(policy.clone())?;
        }
        Ok(slice)
    }

    /// Decides a request by a slice.
    #[must_use]
    pub fn is_allowed_by(&self, request: usize, slice: &PolicySet) -> Option<bool> {
        let request = self.requests.get(request)?;
        let response = self
            .authorizer
            .is_authorized(request, slice, &self.entities);
        Some(response.decision() == Decision::Allow)
    }
}

fn group_of(rule: &Rule) -> Result<&str> {
    let [Who::Group(patterns)] = rule.who.as_deref().unwrap_or_default() else {
        bail!("rule {} is not about a group", rule.id);
    };
    let group = patterns.first().and_then(Pattern::as_literal);
    group.with_context(|| format!("rule {} is not about one group", rule.id))
}

fn policy_text(rule: &Rule, group: &str) -> Result<String> {
    let effect = match rule.effect {
        Effect::Allow => "permit",
        Effect::Deny => "forbid",
        Effect::Require => bail!("rule {} only demands", rule.id),
    };
    let verbs: Vec<String> = verbs(rule)?
        .iter()
        .map(|verb| format!("Action::\"{verb}\""))
        .collect();
    let mut text = format!(
        "{effect}(principal in Group::\"{group}\", action in [{}], resource) when {{ ",
        verbs.join(", ")
    );
    if let Some(resources) = resources(rule)? {
        write!(text, "[{}].contains(resource) && ", resources.join(", "))?;
    }
    write!(text, "({}) }};", namespaces(rule)?.join(" || "))?;
    Ok(text)
}

fn values<T>(terms: &Terms<T>) -> Result<Vec<&T>> {
    terms
        .include
        .iter()
        .map(|term| match term {
            Term::Value(value) => Ok(value),
            Term::Set(name) => bail!("a fleet has no set `{name}`"),
        })
        .collect()
}

fn verbs(rule: &Rule) -> Result<Vec<Verb>> {
    let terms = rule.can.as_ref().context("a rule without verbs")?;
    let mut verbs: Vec<Verb> = Vec::new();
    for term in values(terms)? {
        verbs.extend(Verb::ALL.into_iter().filter(|verb| match term {
            VerbTerm::One(own) => own == verb,
            VerbTerm::Read => verb.is_read(),
            VerbTerm::Write => verb.is_write(),
            VerbTerm::All => true,
        }));
    }
    Ok(verbs)
}

/// The resources of a rule; nothing for a wildcard.
fn resources(rule: &Rule) -> Result<Option<Vec<String>>> {
    let On::Resources(terms) = &rule.on else {
        bail!("rule {} is not about resources", rule.id)
    };
    let patterns: Vec<&ResourcePattern> = values(terms)?;
    if patterns
        .iter()
        .any(|pattern| pattern.resource.is_everything())
    {
        return Ok(None);
    }
    let name = |pattern: &&ResourcePattern| {
        let group = pattern.group.as_ref().map_or("", Pattern::as_str);
        resource_uid(group, pattern.resource.as_str())
    };
    Ok(Some(patterns.iter().map(name).collect()))
}

fn resource_uid(group: &str, resource: &str) -> String {
    format!("Resource::\"{resource}.{group}\"")
}

fn namespaces(rule: &Rule) -> Result<Vec<String>> {
    let line = rule
        .namespaces
        .as_ref()
        .context("a rule without namespaces")?;
    Ok(values(&line.names)?
        .into_iter()
        .map(|pattern| match pattern.as_literal() {
            Some(name) => format!("context.namespace == \"{name}\""),
            None => format!("context.namespace like \"{pattern}\""),
        })
        .collect())
}

fn entities(callers: &[Caller]) -> Result<Entities> {
    let mut groups = HashSet::new();
    let mut all = Vec::new();
    for caller in callers {
        let parents = caller
            .user
            .groups
            .iter()
            .map(|group| Ok(format!("Group::\"{group}\"").parse::<EntityUid>()?))
            .collect::<Result<HashSet<EntityUid>>>()?;
        groups.extend(parents.iter().cloned());
        all.push(Entity::new_no_attrs(user_uid(caller)?, parents));
    }
    all.extend(
        groups
            .into_iter()
            .map(|group| Entity::new_no_attrs(group, HashSet::new())),
    );
    Ok(Entities::from_entities(all, None)?)
}

fn user_uid(caller: &Caller) -> Result<EntityUid> {
    Ok(format!("User::\"{}\"", caller.user.username).parse()?)
}

fn request(caller: &Caller, attributes: &Attributes) -> Result<Request> {
    let Target::Resource(resource) = &attributes.target else {
        bail!("a request for a path")
    };
    let NamespaceScope::One(namespace) = &attributes.namespace else {
        bail!("a request for no single namespace");
    };
    let namespace = RestrictedExpression::new_string(namespace.clone());
    let context = Context::from_pairs([("namespace".to_owned(), namespace)])?;
    Ok(Request::new(
        user_uid(caller)?,
        format!("Action::\"{}\"", attributes.verb).parse()?,
        resource_uid(&resource.group, &resource.resource).parse()?,
        context,
        None,
    )?)
}
