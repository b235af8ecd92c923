//! `RequestInfo`, computed as the API server computes it
//! (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`).

use http::Method;

use super::TargetFault;
use super::query::Query;
use crate::selector::{exact_name, parse_field_selector};

/// Subresources of a namespace; any other word after its name is a resource in it (K-1.5).
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];

/// What the API server understands of method, path and query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestInfo {
    pub(super) is_resource: bool,
    pub(super) path: String,
    pub(super) verb: String,
    pub(super) api_prefix: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) resource: String,
    pub(super) subresource: String,
    pub(super) name: String,
    pub(super) parts: Vec<String>,
    pub(super) field_selector: String,
    pub(super) label_selector: String,
    pub(super) legacy_verb: bool,
}

impl RequestInfo {
    /// Resolves decoded segments. Segments may be empty here: `Path` refuses those, the vectors of
    /// K-1.18 test what the API server makes of them.
    pub(super) fn resolve(
        method: &Method,
        path: String,
        segments: &[String],
        query: &Query,
    ) -> Result<Self, TargetFault> {
        let mut info = Self {
            path,
            verb: method.as_str().to_ascii_lowercase(),
            ..Self::default()
        };
        let Some(rest) = info.take_prefix(segments) else {
            return Ok(info);
        };
        let rest = info.take_verb(method, rest)?;
        info.take_parts(rest);
        info.resolve_collection_verb(query)?;
        info.take_selectors(query);
        Ok(info)
    }

    /// Reads `api/VERSION` or `apis/GROUP/VERSION`; `None` for a non-resource request (K-1.1).
    fn take_prefix<'a>(&mut self, segments: &'a [String]) -> Option<&'a [String]> {
        let (prefix, group, version, rest) = match segments {
            [prefix, version, rest @ ..] if prefix == "api" && !rest.is_empty() => {
                (prefix, "", version, rest)
            }
            [prefix, group, version, rest @ ..] if prefix == "apis" && !rest.is_empty() => {
                (prefix, group.as_str(), version, rest)
            }
            _ => {
                // The API server sets the prefix before it finds `/apis/g/v` too short.
                if let [prefix, _, _, ..] = segments
                    && prefix == "apis"
                {
                    self.api_prefix.clone_from(prefix);
                }
                return None;
            }
        };
        self.is_resource = true;
        self.api_prefix.clone_from(prefix);
        group.clone_into(&mut self.group);
        self.version.clone_from(version);
        Some(rest)
    }

    /// Sets the verb by path word (K-1.3) or by method (K-1.2).
    fn take_verb<'a>(
        &mut self,
        method: &Method,
        rest: &'a [String],
    ) -> Result<&'a [String], TargetFault> {
        if let [word, tail @ ..] = rest
            && (word == "watch" || word == "proxy")
        {
            if tail.is_empty() {
                return Err(TargetFault::LegacyVerbAlone);
            }
            self.verb.clone_from(word);
            self.legacy_verb = true;
            return Ok(tail);
        }
        match *method {
            Method::POST => "create",
            Method::GET | Method::HEAD => "get",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "",
        }
        .clone_into(&mut self.verb);
        Ok(rest)
    }

    /// Sets namespace, resource, name and subresource (K-1.5, K-1.6).
    fn take_parts(&mut self, rest: &[String]) {
        let mut parts = rest;
        if let [word, namespace, tail @ ..] = rest
            && word == "namespaces"
        {
            self.namespace.clone_from(namespace);
            if let [next, ..] = tail
                && !NAMESPACE_SUBRESOURCES.contains(&next.as_str())
            {
                parts = tail;
            }
        }
        self.parts = parts.to_vec();
        let mut words = parts.iter();
        if let Some(resource) = words.next() {
            self.resource.clone_from(resource);
        }
        if let Some(name) = words.next() {
            self.name.clone_from(name);
        }
        if let Some(subresource) = words.next()
            && self.verb != "proxy"
        {
            self.subresource.clone_from(subresource);
        }
    }

    /// Turns get and delete without a name into their collection verbs (K-1.7, K-1.11).
    fn resolve_collection_verb(&mut self, query: &Query) -> Result<(), TargetFault> {
        if !self.name.is_empty() {
            return Ok(());
        }
        if self.verb == "get" {
            let verb = if query.is_true("watch") {
                "watch"
            } else {
                "list"
            };
            verb.clone_into(&mut self.verb);
            let text = query.first("fieldSelector").unwrap_or("");
            let requirements = parse_field_selector(text)?;
            if let Some(name) = exact_name(&requirements)?
                && is_path_segment_name(name)
            {
                name.clone_into(&mut self.name);
            }
        } else if self.verb == "delete" {
            "deletecollection".clone_into(&mut self.verb);
        }
        Ok(())
    }

    /// Keeps the raw selectors that authorizers are given (K-1.12, K-1.3).
    fn take_selectors(&mut self, query: &Query) {
        if self.legacy_verb || !self.is_collection() {
            return;
        }
        query
            .first("fieldSelector")
            .unwrap_or("")
            .clone_into(&mut self.field_selector);
        query
            .first("labelSelector")
            .unwrap_or("")
            .clone_into(&mut self.label_selector);
    }

    /// True for list, watch and deletecollection of a resource.
    #[must_use]
    pub fn is_collection(&self) -> bool {
        self.is_resource && matches!(self.verb.as_str(), "list" | "watch" | "deletecollection")
    }

    /// Whether the request is for an API resource.
    #[must_use]
    pub const fn is_resource(&self) -> bool {
        self.is_resource
    }

    /// The decoded path in canonical form: without a trailing `/`, except below a proxy.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The Kubernetes verb; for non-resource requests the lower-case method.
    #[must_use]
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// Whether the verb came from a path word, `/watch/` or `/proxy/` (K-1.3).
    #[must_use]
    pub const fn has_legacy_verb(&self) -> bool {
        self.legacy_verb
    }

    /// `api`, `apis` or empty.
    #[must_use]
    pub fn api_prefix(&self) -> &str {
        &self.api_prefix
    }

    /// API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// API version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Namespace; empty for none. For `/namespaces/a` both namespace and name are `a` (K-1.5).
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Plural resource name.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Subresource; empty for none.
    #[must_use]
    pub fn subresource(&self) -> &str {
        &self.subresource
    }

    /// Object name; empty for none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path from the resource on: resource, name, subresource, subpath.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The segments below the subresource; below the name for the legacy proxy form.
    #[must_use]
    pub fn subpath(&self) -> &[String] {
        let taken = if self.verb == "proxy" { 2 } else { 3 };
        self.parts.get(taken..).unwrap_or_default()
    }

    /// The field selector that authorizers are given, in canonical text.
    #[must_use]
    pub fn field_selector(&self) -> &str {
        &self.field_selector
    }

    /// The label selector that authorizers are given, in canonical text.
    #[must_use]
    pub fn label_selector(&self) -> &str {
        &self.label_selector
    }
}

/// `content.IsPathSegmentName`. An empty name is one, and changes nothing.
fn is_path_segment_name(name: &str) -> bool {
    name != "." && name != ".." && !name.contains(['/', '%'])
}
