//! The request of a test, as the gateway would judge it.

use bytes::Bytes;
use gateway_kubeapi::{Attributes, BodyFault, Connection, JudgeFault, NameScope, NamespaceScope};
use gateway_kubeapi::{RequestBody, RequestFacts, RequestTarget, ResourceId, Scope, Target};
use gateway_kubeapi::{TargetFault, builtin_scope, judge, patch_form};
use http::Method;

use crate::builtin;
use crate::model::TestRequest;

/// Why the gateway would answer a test's request itself.
#[derive(Debug, thiserror::Error)]
pub enum RequestFault {
    /// Not an HTTP method.
    #[error("`{method}` is not an HTTP method")]
    Method {
        /// What was written.
        method: String,
    },
    /// The target is refused.
    #[error("the gateway refuses the request: {0}")]
    Target(TargetFault),
    /// The body is refused.
    #[error("the gateway refuses the body: {0}")]
    Body(BodyFault),
    /// Target and body do not fit.
    #[error("the gateway refuses the request: {0}")]
    Judge(JudgeFault),
    /// A namespaced resource without a namespace.
    #[error("`{resource}` is in a namespace; add `ns=` or `all-namespaces=#true`")]
    NoNamespace {
        /// The resource.
        resource: String,
    },
    /// A cluster-scoped resource with a namespace.
    #[error("`{resource}` is not in a namespace; remove `ns=` and `all-namespaces=`")]
    NotNamespaced {
        /// The resource.
        resource: String,
    },
}

/// The attributes a request is decided by; all of them must be allowed.
///
/// # Errors
///
/// If the gateway would refuse the request before policy sees it.
pub fn attributes_of(request: &TestRequest) -> Result<Vec<Attributes>, RequestFault> {
    match request {
        TestRequest::Http {
            method,
            target,
            content_type,
            body,
            response: _,
        } => of_http(method, target, content_type.as_deref(), body.as_deref()),
        TestRequest::Facts {
            verb,
            resource,
            namespace,
            name,
            all_namespaces,
            source,
        } => {
            let place = match (namespace, all_namespaces) {
                (Some(namespace), _) => Place::One(namespace),
                (None, true) => Place::Every,
                (None, false) => Place::NotSaid,
            };
            let (target, namespace, name) = of_facts(resource, place, name.as_deref())?;
            let (verb, source) = (*verb, *source);
            let label_selector = Vec::new();
            Ok(vec![Attributes {
                verb,
                target,
                namespace,
                name,
                label_selector,
                source,
            }])
        }
    }
}

fn of_http(
    method: &str,
    target: &str,
    content_type: Option<&str>,
    body: Option<&[u8]>,
) -> Result<Vec<Attributes>, RequestFault> {
    let method: Method = method.parse().map_err(|_invalid| RequestFault::Method {
        method: method.to_owned(),
    })?;
    let target = RequestTarget::parse(&method, target.as_bytes()).map_err(RequestFault::Target)?;
    let body = body
        .map(|bytes| RequestBody::read(&target, content_type, Bytes::copy_from_slice(bytes)))
        .transpose()
        .map_err(RequestFault::Body)?;
    let judged = judge(&RequestFacts {
        target: &target,
        // Tests have no discovery: a custom resource is judged by its path alone.
        scope: scope_by_path(&target),
        connection: Connection::Plain,
        body: body.as_ref().and_then(RequestBody::identity),
        patch: patch_form(&method, content_type),
        source: None,
    })
    .map_err(RequestFault::Judge)?;
    Ok(std::iter::once(judged.attributes)
        .chain(judged.also)
        .collect())
}

/// A path with a namespace tells where a custom resource lives; one without does not.
fn scope_by_path(target: &RequestTarget) -> Scope {
    if target.info().namespace().is_empty() {
        Scope::Unknown
    } else {
        Scope::Namespaced
    }
}

fn of_facts(
    resource: &str,
    place: Place<'_>,
    name: Option<&str>,
) -> Result<(Target, NamespaceScope, NameScope), RequestFault> {
    if resource.starts_with('/') {
        let target = Target::Url(resource.to_owned());
        return Ok((target, NamespaceScope::Cluster, NameScope::Any));
    }
    let id = resource_id(resource);
    let namespace = namespace_scope(&id, place, name)?;
    let name = name.map_or(NameScope::Any, |name| NameScope::One(name.to_owned()));
    Ok((Target::Resource(id), namespace, name))
}

/// What a test says about the namespace.
enum Place<'a> {
    One(&'a str),
    Every,
    NotSaid,
}

fn namespace_scope(
    id: &ResourceId,
    place: Place<'_>,
    name: Option<&str>,
) -> Result<NamespaceScope, RequestFault> {
    let scope = builtin_scope(&id.group, &id.resource).unwrap_or(Scope::Unknown);
    match (scope, place, name) {
        // A Namespace object is judged in itself (K-1.5).
        (Scope::Cluster, Place::NotSaid, Some(name))
            if id.group.is_empty() && id.resource == "namespaces" =>
        {
            Ok(NamespaceScope::One(name.to_owned()))
        }
        (Scope::Cluster, Place::NotSaid, _) => Ok(NamespaceScope::Cluster),
        (Scope::Cluster, Place::One(_) | Place::Every, _) => Err(RequestFault::NotNamespaced {
            resource: id.to_string(),
        }),
        (Scope::Namespaced | Scope::Unknown, Place::One(name), _) => {
            Ok(NamespaceScope::One(name.to_owned()))
        }
        (Scope::Namespaced | Scope::Unknown, Place::Every, _) => Ok(NamespaceScope::Every),
        (Scope::Namespaced, Place::NotSaid, _) => Err(RequestFault::NoNamespace {
            resource: id.to_string(),
        }),
        (Scope::Unknown, Place::NotSaid, _) => Ok(NamespaceScope::EveryOrCluster),
    }
}

/// `deployments.apps/scale`: plural name, group, subresource.
fn resource_id(text: &str) -> ResourceId {
    let (plain, subresource) = text.split_once('/').unwrap_or((text, ""));
    let (resource, group) = plain.split_once('.').unwrap_or((plain, ""));
    let (group, resource) = builtin::folded(group, resource);
    ResourceId {
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
    }
}
