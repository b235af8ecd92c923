//! The facts of one request that policy judges.

use std::fmt;
use std::net::IpAddr;

/// A verb of policy. `Connect` covers every method on a connect subresource (K-6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Read a collection and its changes.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object in part; a server-side apply that may create is judged as both.
    Patch,
    /// Delete one object.
    Delete,
    /// Delete a collection.
    DeleteCollection,
    /// Any method on exec, attach, portforward and proxy, and any upgrade.
    Connect,
    /// Act as another user.
    Impersonate,
}

impl Verb {
    /// All verbs, in order.
    pub const ALL: [Self; 10] = [
        Self::Get,
        Self::List,
        Self::Watch,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::DeleteCollection,
        Self::Connect,
        Self::Impersonate,
    ];

    /// The word in policy, audit and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Connect => "connect",
            Self::Impersonate => "impersonate",
        }
    }

    /// The verb of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }

    /// True for get, list and watch.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// True for create, update, patch, delete and deletecollection.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Update | Self::Patch | Self::Delete | Self::DeleteCollection
        )
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A resource without its version: `pods`, `deployments.apps/scale`. Served aliases of one storage
/// type are already folded (`events.k8s.io/events` is `events`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// API group, `""` for the core group.
    pub group: String,
    /// Plural name.
    pub resource: String,
    /// Subresource, `""` for none.
    pub subresource: String,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        Ok(())
    }
}

/// What the request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A resource request.
    Resource(ResourceId),
    /// A non-resource request, by its decoded path.
    Url(String),
}

/// The set of namespaces a request denotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceScope {
    /// One namespace.
    One(String),
    /// Every namespace: a list, watch or deletecollection without a namespace (K-1.34).
    Every,
    /// A cluster-scoped object or collection.
    Cluster,
    /// The resource is not known to discovery: an allow must cover both, a deny touches either.
    EveryOrCluster,
}

/// The set of names a request denotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameScope {
    /// One name; for create, from the body.
    One(String),
    /// A name that begins with this text (`generateName`).
    Prefix(String),
    /// Any name.
    Any,
}

/// How a label requirement compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequirementOperator {
    /// `k in (a,b)`, `k=a`, `k==a`.
    In,
    /// `k notin (a,b)`, `k!=a`.
    NotIn,
    /// `k`.
    Exists,
    /// `!k`.
    DoesNotExist,
    /// `k>1`.
    GreaterThan,
    /// `k<1`.
    LessThan,
}

/// One label requirement of a selector; requirements are ANDed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// Comparison.
    pub operator: RequirementOperator,
    /// Values, in the order written.
    pub values: Vec<String>,
}

/// All facts of one request that the head stage of a decision looks at, the caller, the cluster and
/// the instant excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Policy verb.
    pub verb: Verb,
    /// Resource or path.
    pub target: Target,
    /// Namespaces. `Cluster` for non-resource requests.
    pub namespace: NamespaceScope,
    /// Names. `Any` for non-resource requests.
    pub name: NameScope,
    /// The label selector of list, watch and deletecollection; empty means all objects.
    pub label_selector: Vec<Requirement>,
    /// The caller's address after trusted-proxy handling.
    pub source: Option<IpAddr>,
}
