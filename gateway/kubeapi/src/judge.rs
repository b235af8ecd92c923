//! From an accepted target and what else is known of the request to the attributes policy decides.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::attributes::{Attributes, NameScope, NamespaceScope, ResourceId, Target, Verb};
use crate::body::{BodyIdentity, PatchForm};
use crate::scope::{Scope, builtin_scope};
use crate::target::RequestTarget;

/// Built-in resources whose PUT makes the object if it is absent: their strategies say
/// `AllowCreateOnUpdate` (Kubernetes 1.36, `pkg/registry`). `events` stands for both groups.
const CREATE_ON_UPDATE: [(&str, &str); 11] = [
    ("", "endpoints"),
    ("", "events"),
    ("", "limitranges"),
    ("", "services"),
    ("coordination.k8s.io", "leasecandidates"),
    ("coordination.k8s.io", "leases"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
];

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    /// One request, one response.
    Plain,
    /// The request asks to change the protocol.
    Upgrade,
}

/// Everything known of a request when it is judged.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// The accepted target.
    pub target: &'a RequestTarget,
    /// Where discovery says the resource lives; [`builtin_scope`] is asked first.
    pub scope: Scope,
    /// Whether the request upgrades.
    pub connection: Connection,
    /// The identity in the body, once it is read.
    pub body: Option<&'a BodyIdentity>,
    /// The form of a patch; `None` counts as one that may create.
    pub patch: Option<PatchForm>,
    /// The caller's address.
    pub source: Option<IpAddr>,
}

/// What policy must allow, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The request itself.
    pub attributes: Attributes,
    /// What it may do besides: an apply patch or a PUT that may create (K-1.28).
    pub also: Vec<Attributes>,
}

impl Judged {
    /// Whether the request may make an object although its verb is update or patch.
    #[must_use]
    pub fn may_create(&self) -> bool {
        self.also
            .iter()
            .any(|attributes| attributes.verb == Verb::Create)
    }
}

/// Why target, discovery and body do not fit together. All are answered with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgeFault {
    /// A namespaced path to a cluster-scoped resource.
    #[error("`{resource}` is not in a namespace; remove `/namespaces/{namespace}` from the path")]
    NotNamespaced {
        /// Plural name.
        resource: String,
        /// Namespace of the URL.
        namespace: String,
    },
    /// Body and URL name different namespaces (K-1.27).
    #[error("the namespace of the body, `{body}`, is not the one of the URL, `{url}`")]
    Namespace {
        /// From the body.
        body: String,
        /// From the URL.
        url: String,
    },
    /// Body and URL name different objects (K-1.27).
    #[error("the name in the body, `{body}`, is not the one in the URL, `{url}`")]
    Name {
        /// From the body.
        body: String,
        /// From the URL.
        url: String,
    },
}

/// Builds the attributes.
///
/// # Errors
/// [`JudgeFault`] where URL, scope and body contradict each other.
pub fn judge(facts: &RequestFacts<'_>) -> Result<Judged, JudgeFault> {
    let info = facts.target.info();
    let verb = match facts.connection {
        Connection::Upgrade => Verb::Connect,
        Connection::Plain => facts.target.policy_verb(),
    };
    if !info.is_resource() {
        let attributes = Attributes {
            verb,
            target: Target::Url(info.path().to_owned()),
            namespace: NamespaceScope::Cluster,
            name: NameScope::Any,
            label_selector: Vec::new(),
            source: facts.source,
        };
        return Ok(Judged {
            attributes,
            also: Vec::new(),
        });
    }
    let resource = resource_id(facts.target);
    let scope = builtin_scope(info.group(), info.resource()).unwrap_or(facts.scope);
    if let Some(body) = facts.body {
        check_body(facts.target, scope, body)?;
    }
    let attributes = Attributes {
        verb,
        namespace: namespace_scope(facts.target, scope)?,
        name: name_scope(facts.target, verb, facts.body),
        label_selector: facts.target.label_selector().to_vec(),
        source: facts.source,
        target: Target::Resource(resource.clone()),
    };
    let also = if may_create(facts, verb, &resource) {
        vec![Attributes {
            verb: Verb::Create,
            ..attributes.clone()
        }]
    } else {
        Vec::new()
    };
    Ok(Judged { attributes, also })
}

/// The resource as policy names it: aliases of one storage type folded (K-1.30).
fn resource_id(target: &RequestTarget) -> ResourceId {
    let info = target.info();
    let (group, resource, subresource) = match (info.group(), info.resource(), info.subresource()) {
        // The same objects in etcd.
        ("events.k8s.io", "events", subresource) => ("", "events", subresource),
        // `POST namespaces/x/bindings` binds the pod that the body names.
        ("", "bindings", "") => ("", "pods", "binding"),
        (group, resource, _) if info.verb() == "proxy" => (group, resource, "proxy"),
        other => other,
    };
    ResourceId {
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
    }
}

fn namespace_scope(target: &RequestTarget, scope: Scope) -> Result<NamespaceScope, JudgeFault> {
    let info = target.info();
    let namespace = info.namespace();
    if info.resource() == "namespaces" && !namespace.is_empty() {
        // A Namespace object is judged in itself, as the API server's authorizers do (K-1.5).
        return Ok(NamespaceScope::One(namespace.to_owned()));
    }
    match (scope, namespace.is_empty()) {
        (Scope::Cluster, true) => Ok(NamespaceScope::Cluster),
        (Scope::Cluster, false) => Err(JudgeFault::NotNamespaced {
            resource: info.resource().to_owned(),
            namespace: namespace.to_owned(),
        }),
        (Scope::Namespaced, true) => Ok(NamespaceScope::Every),
        (Scope::Unknown, true) => Ok(NamespaceScope::EveryOrCluster),
        (Scope::Namespaced | Scope::Unknown, false) => {
            Ok(NamespaceScope::One(namespace.to_owned()))
        }
    }
}

fn name_scope(target: &RequestTarget, verb: Verb, body: Option<&BodyIdentity>) -> NameScope {
    if verb == Verb::DeleteCollection {
        return NameScope::Any;
    }
    if let Some(proxy) = target.proxy_name() {
        return NameScope::One(proxy.name.clone());
    }
    let name = target.info().name();
    if !name.is_empty() {
        return NameScope::One(name.to_owned());
    }
    if verb == Verb::Create
        && let Some(body) = body
    {
        return match (&body.name, &body.generate_name) {
            (Some(name), _) => NameScope::One(name.clone()),
            (None, Some(prefix)) => NameScope::Prefix(prefix.clone()),
            (None, None) => NameScope::Any,
        };
    }
    NameScope::Any
}

fn check_body(target: &RequestTarget, scope: Scope, body: &BodyIdentity) -> Result<(), JudgeFault> {
    let info = target.info();
    if let Some(namespace) = &body.namespace
        && namespace != info.namespace()
    {
        // The API server clears the namespace of a cluster-scoped object that it is sent.
        let cleared = scope == Scope::Cluster && info.namespace().is_empty();
        if !cleared {
            return Err(JudgeFault::Namespace {
                body: namespace.clone(),
                url: info.namespace().to_owned(),
            });
        }
    }
    match &body.name {
        Some(name) if !info.name().is_empty() && name != info.name() => Err(JudgeFault::Name {
            body: name.clone(),
            url: info.name().to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether the API server would authorize `create` in addition (K-1.28). Custom resources never
/// create on PUT; a resource that discovery does not know may.
fn may_create(facts: &RequestFacts<'_>, verb: Verb, resource: &ResourceId) -> bool {
    // A subresource is never made by writing to it (`forceAllowCreate` is off there).
    if !resource.subresource.is_empty() {
        return false;
    }
    match verb {
        Verb::Patch => match facts.patch {
            None | Some(PatchForm::Apply) => true,
            Some(PatchForm::Json | PatchForm::Merge | PatchForm::Strategic) => false,
        },
        Verb::Update => {
            let listed = (resource.group.as_str(), resource.resource.as_str());
            let builtin = builtin_scope(&resource.group, &resource.resource).is_some();
            CREATE_ON_UPDATE.contains(&listed) || !builtin && facts.scope == Scope::Unknown
        }
        Verb::Get
        | Verb::List
        | Verb::Watch
        | Verb::Create
        | Verb::Delete
        | Verb::DeleteCollection
        | Verb::Connect
        | Verb::Impersonate => false,
    }
}
