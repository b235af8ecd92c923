//! From a judged request to a decision, and from a decision to the request that goes upstream.

use std::sync::Arc;

use gateway_identity::Proof;
use gateway_kubeapi::{
    Attributes, Caller, Impersonation, NameScope, NamespaceScope, ResourceId, Status, SystemNames,
    Target, UserInfo, Verb,
};
use gateway_policy::decide::{Obligations, Reason, Verdict};
use gateway_policy::identify::IdentityRules;
use jiff::Timestamp;

use crate::input::{MICROS_PER_SECOND, Micros};
use crate::known::KnownCaller;
use crate::snapshot::ClusterSnapshot;

/// What policy said of everything a request amounts to: all of it must be allowed.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Over all decisions.
    pub(crate) obligations: Obligations,
    /// Ids of the rules that allow it.
    pub(crate) rules: Vec<String>,
    /// Ids of shadow rules that would have counted.
    pub(crate) shadow: Vec<String>,
}

/// A no of policy, in words.
#[derive(Debug)]
pub(crate) struct Denial {
    /// Told to the caller.
    pub(crate) status: Status,
    /// Reason word of metrics and audit.
    pub(crate) reason: &'static str,
    /// For the auditor.
    pub(crate) detail: String,
    /// Ids of the deciding rules.
    pub(crate) rules: Vec<String>,
    /// Ids of shadow rules that would have counted.
    pub(crate) shadow: Vec<String>,
}

/// What stays the same over the decisions of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judging<'a> {
    pub(crate) cluster: &'a ClusterSnapshot,
    pub(crate) caller: &'a Caller,
    pub(crate) rules: &'a IdentityRules,
    pub(crate) reason: Option<&'a str>,
    pub(crate) id: &'a str,
    pub(crate) at: Timestamp,
}

/// Decides each of `attributes`; the first no is the answer.
pub(crate) fn decide(
    judging: Judging<'_>,
    attributes: &[Attributes],
) -> Result<Admission, Box<Denial>> {
    let mut admission = Admission {
        obligations: Obligations::NONE,
        rules: Vec::new(),
        shadow: Vec::new(),
    };
    for one in attributes {
        let verdict = judging
            .cluster
            .policy
            .decide(judging.rules, one, judging.at);
        if !verdict.is_allowed() && !is_granted_to_everybody(one, verdict) {
            return Err(Box::new(denial(judging, one, verdict)));
        }
        if let Err(fault) = judging
            .cluster
            .policy
            .check_reason(&verdict.obligations, judging.reason)
        {
            let failed = verdict.fail_obligation();
            let mut denial = denial(judging, one, failed);
            denial.status = forbidden(one, &format!("{fault} (decision {})", judging.id));
            denial.detail = fault.to_string();
            return Err(Box::new(denial));
        }
        admission.obligations = admission.obligations.union(verdict.obligations);
        let policy = &judging.cluster.policy;
        let rule = verdict.rule.and_then(|index| policy.rule(index));
        admission.rules.extend(rule.map(|rule| rule.id.clone()));
        let shadow = policy.shadow(judging.caller, one, judging.at);
        admission
            .shadow
            .extend(shadow.into_iter().map(|rule| rule.id));
    }
    Ok(admission)
}

/// Denies what stays denied whatever the body says: a name in the body can bring in a rule with
/// `named`, and no other.
pub(crate) fn check_head(judging: Judging<'_>, attributes: &Attributes) -> Result<(), Box<Denial>> {
    let policy = &judging.cluster.policy;
    let verdict = policy.decide(judging.rules, attributes, judging.at);
    let is_named = match (&attributes.target, &attributes.name) {
        (Target::Url(_), _) | (Target::Resource(_), NameScope::One(_)) => true,
        (Target::Resource(_), NameScope::Prefix(_) | NameScope::Any) => {
            attributes.verb != Verb::Create
        }
    };
    let is_final = match verdict.reason {
        None => false,
        Some(Reason::DeniedByRule) => {
            let rule = verdict.rule.and_then(|index| policy.rule(index));
            is_named || rule.is_some_and(|rule| rule.named.is_none())
        }
        Some(Reason::NoAllow) => is_named || judging.rules.rule_count() == 0,
        Some(Reason::ObligationFailed) => is_named,
    };
    if is_final && !is_granted_to_everybody(attributes, verdict) {
        return Err(Box::new(denial(judging, attributes, verdict)));
    }
    Ok(())
}

/// The API server lets every authenticated user ask who it is and what it may do
/// (`system:basic-user`); the answers are met with policy. A deny still denies.
fn is_granted_to_everybody(attributes: &Attributes, verdict: Verdict) -> bool {
    let Target::Resource(resource) = &attributes.target else {
        return false;
    };
    let question = matches!(
        (resource.group.as_str(), resource.resource.as_str()),
        (
            "authorization.k8s.io",
            "selfsubjectaccessreviews" | "selfsubjectrulesreviews"
        ) | ("authentication.k8s.io", "selfsubjectreviews")
    );
    question && attributes.verb == Verb::Create && verdict.reason == Some(Reason::NoAllow)
}

fn denial(judging: Judging<'_>, attributes: &Attributes, verdict: Verdict) -> Denial {
    let policy = &judging.cluster.policy;
    let decision = policy.describe(&verdict, judging.caller, attributes, judging.at);
    let told = decision.told(attributes);
    Denial {
        status: forbidden(attributes, &format!("{told} (decision {})", judging.id)),
        reason: verdict.reason.map_or("no-allow", Reason::as_str),
        detail: told,
        rules: decision.rules.into_iter().map(|rule| rule.id).collect(),
        shadow: decision.shadow.into_iter().map(|rule| rule.id).collect(),
    }
}

fn forbidden(attributes: &Attributes, why: &str) -> Status {
    match &attributes.target {
        Target::Url(_) => Status::forbidden_path(why),
        Target::Resource(resource) => {
            let name = match &attributes.name {
                NameScope::One(name) => name.as_str(),
                NameScope::Prefix(_) | NameScope::Any => "",
            };
            Status::forbidden(resource, name, why)
        }
    }
}

/// The extra decisions a request with impersonation headers needs (policy-language §2.1): one per
/// user, group, uid and extra value, all taken for the caller.
pub(crate) fn impersonation_attributes(
    wanted: &Impersonation,
    source: Option<std::net::IpAddr>,
) -> Vec<Attributes> {
    let one =
        |group: &str, resource: &str, subresource: &str, namespace: NamespaceScope, name: &str| {
            Attributes {
                verb: Verb::Impersonate,
                target: Target::Resource(ResourceId {
                    group: group.to_owned(),
                    resource: resource.to_owned(),
                    subresource: subresource.to_owned(),
                }),
                namespace,
                name: NameScope::One(name.to_owned()),
                label_selector: Vec::new(),
                source,
            }
        };
    let mut all = match service_account(&wanted.user) {
        // As the API server does: a ServiceAccount is impersonated as one (K-7.4).
        Some((namespace, name)) => {
            vec![one(
                "",
                "serviceaccounts",
                "",
                NamespaceScope::One(namespace.to_owned()),
                name,
            )]
        }
        None => vec![one("", "users", "", NamespaceScope::Cluster, &wanted.user)],
    };
    all.extend(
        wanted
            .groups
            .iter()
            .map(|group| one("", "groups", "", NamespaceScope::Cluster, group)),
    );
    if let Some(uid) = &wanted.uid {
        all.push(one(
            "authentication.k8s.io",
            "uids",
            "",
            NamespaceScope::Cluster,
            uid,
        ));
    }
    for (key, values) in &wanted.extra {
        for value in values {
            let cluster = NamespaceScope::Cluster;
            all.push(one(
                "authentication.k8s.io",
                "userextras",
                key,
                cluster,
                value,
            ));
        }
    }
    all
}

fn service_account(username: &str) -> Option<(&str, &str)> {
    username
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')
}

/// When a long exchange ends: the credential's end or the session limit, whichever is first.
pub(crate) fn ends_at(
    caller: &Caller,
    obligations: &Obligations,
    now: Micros,
) -> Option<(Micros, crate::output::EndCause)> {
    use crate::output::EndCause;
    let credential = caller.expires_at.map(|seconds| {
        (
            seconds.saturating_mul(MICROS_PER_SECOND),
            EndCause::CredentialExpired,
        )
    });
    let limit = obligations.session_limit_seconds.map(|seconds| {
        let micros = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(MICROS_PER_SECOND);
        (now.saturating_add(micros), EndCause::SessionLimit)
    });
    match (credential, limit) {
        (Some(credential), Some(limit)) => Some(if limit.0 < credential.0 {
            limit
        } else {
            credential
        }),
        (one, other) => one.or(other),
    }
}

/// The rules that concern a caller, on every cluster of the snapshot.
pub(crate) fn known(proof: Proof, snapshot: &crate::snapshot::Snapshot) -> KnownCaller {
    let caller = Arc::new(proof.caller);
    let rules = snapshot
        .clusters
        .iter()
        .map(|(name, cluster)| (name.clone(), cluster.policy.identify(&caller)))
        .collect();
    KnownCaller {
        caller,
        prior_actors: proof.prior_actors,
        rules,
        epoch: snapshot.epoch,
        valid_until: proof.valid_until.saturating_mul(MICROS_PER_SECOND),
    }
}

/// Whom a permitted impersonation names.
pub(crate) fn impersonated(wanted: &Impersonation) -> UserInfo {
    UserInfo {
        username: wanted.user.clone(),
        uid: wanted.uid.clone(),
        groups: wanted.groups.clone(),
        extra: wanted.extra.clone(),
    }
}

/// Which of the API server's own names the caller may have: the identity crate accepts them from
/// ServiceAccount issuers only, and there the name says so.
pub(crate) fn system_names(caller: &Caller) -> SystemNames {
    if service_account(&caller.user.username).is_some() {
        SystemNames::ServiceAccounts
    } else {
        SystemNames::Refuse
    }
}
