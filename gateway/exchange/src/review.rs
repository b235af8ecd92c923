//! Self-subject reviews, answered as the meet of policy and the API server, so that
//! `kubectl auth can-i` tells the truth (K-7.14).

use std::sync::Arc;

use bytes::Bytes;
use gateway_kubeapi::{
    AccessQuestion, Attributes, Caller, NameScope, NamespaceScope, ResourceId, ResourceQuestion,
    Scope, Target, Verb, builtin_scope, deny_access, read_rules, replace_rules,
};
use gateway_policy::compile::PolicySet;
use gateway_policy::identify::IdentityRules;
use jiff::Timestamp;

use crate::snapshot::Snapshot;

/// What a review asks.
#[derive(Debug)]
pub(crate) enum Question {
    /// `SelfSubjectAccessReview`.
    Access(AccessQuestion),
    /// `SelfSubjectRulesReview` of a namespace.
    Rules(String),
}

/// A question with whom it is about.
#[derive(Debug)]
pub(crate) struct SelfReview {
    pub(crate) question: Question,
    pub(crate) caller: Arc<Caller>,
    pub(crate) cluster: String,
}

/// The API server's answer, where policy says less than it.
pub(crate) fn meet(
    review: &SelfReview,
    snapshot: &Snapshot,
    answer: Bytes,
    at: Timestamp,
) -> Result<Bytes, String> {
    let cluster = snapshot
        .clusters
        .get(&review.cluster)
        .ok_or("no policy for the cluster")?;
    let asking = Asking {
        policy: &cluster.policy,
        rules: cluster.policy.identify(&review.caller),
        at,
    };
    match &review.question {
        Question::Access(question) => match asking.denied(question) {
            None => Ok(answer),
            Some(why) => deny_access(&answer, &why)
                .map(Bytes::from)
                .map_err(|fault| fault.to_string()),
        },
        Question::Rules(namespace) => {
            let upstream = read_rules(&answer).map_err(|fault| fault.to_string())?;
            let policy = cluster.policy.rules_for(&review.caller, namespace, at);
            let met = crate::rules::meet(&upstream, &policy);
            replace_rules(&answer, &met)
                .map(Bytes::from)
                .map_err(|fault| fault.to_string())
        }
    }
}

struct Asking<'a> {
    policy: &'a PolicySet,
    rules: IdentityRules,
    at: Timestamp,
}

impl Asking<'_> {
    /// Why policy says no, if it does.
    fn denied(&self, question: &AccessQuestion) -> Option<String> {
        let all = match question {
            AccessQuestion::Path { path, verb } => of_path(path, verb),
            AccessQuestion::Resource(resource) => of_resource(resource),
        };
        all.iter().find_map(|attributes| {
            let verdict = self.policy.decide(&self.rules, attributes, self.at);
            if verdict.is_allowed() {
                return None;
            }
            let rule = verdict.rule.and_then(|index| self.policy.rule(index));
            Some(match rule {
                Some(rule) => format!("the gateway's rule `{}` denies it", rule.id),
                None => "no rule of the gateway allows it".to_owned(),
            })
        })
    }
}

fn of_path(path: &str, verb: &str) -> Vec<Attributes> {
    let verbs: Vec<Verb> = match verb {
        "*" => vec![
            Verb::Get,
            Verb::Create,
            Verb::Update,
            Verb::Patch,
            Verb::Delete,
        ],
        "get" | "head" => vec![Verb::Get],
        "post" | "create" => vec![Verb::Create],
        "put" | "update" => vec![Verb::Update],
        "patch" => vec![Verb::Patch],
        "delete" => vec![Verb::Delete],
        // The gateway never forwards another method.
        _ => Vec::new(),
    };
    let one = |verb| Attributes {
        verb,
        target: Target::Url(path.to_owned()),
        namespace: NamespaceScope::Cluster,
        name: NameScope::Any,
        label_selector: Vec::new(),
        source: None,
    };
    verbs.into_iter().map(one).collect()
}

fn of_resource(question: &ResourceQuestion) -> Vec<Attributes> {
    let connects = matches!(
        question.subresource.as_str(),
        "exec" | "attach" | "portforward" | "proxy"
    );
    let verbs: Vec<Verb> = match question.verb.as_str() {
        _ if connects => vec![Verb::Connect],
        "*" => Verb::ALL
            .into_iter()
            .filter(|verb| verb.is_read() || verb.is_write())
            .collect(),
        // A verb that only authorizers know (`bind`, `escalate`, `use`): no request of the gateway
        // has it, so policy has no say.
        verb => Verb::parse(verb).into_iter().collect(),
    };
    let one = |verb| Attributes {
        verb,
        target: Target::Resource(resource_id(question)),
        namespace: namespace_scope(question),
        name: match question.name.as_str() {
            "" => NameScope::Any,
            name => NameScope::One(name.to_owned()),
        },
        label_selector: Vec::new(),
        source: None,
    };
    verbs.into_iter().map(one).collect()
}

fn resource_id(question: &ResourceQuestion) -> ResourceId {
    let folded = question.group == "events.k8s.io" && question.resource == "events";
    ResourceId {
        group: if folded {
            String::new()
        } else {
            question.group.clone()
        },
        resource: question.resource.clone(),
        subresource: question.subresource.clone(),
    }
}

fn namespace_scope(question: &ResourceQuestion) -> NamespaceScope {
    let scope = builtin_scope(&question.group, &question.resource).unwrap_or(Scope::Unknown);
    match (scope, question.namespace.as_str()) {
        (Scope::Cluster, _) if question.resource != "namespaces" => NamespaceScope::Cluster,
        (_, namespace) if !namespace.is_empty() => NamespaceScope::One(namespace.to_owned()),
        (Scope::Cluster, _) => NamespaceScope::Cluster,
        (Scope::Namespaced, _) => NamespaceScope::Every,
        (Scope::Unknown, _) => NamespaceScope::EveryOrCluster,
    }
}
