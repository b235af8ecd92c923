//! Method and request target to the one meaning the API server will give them, or a fault.
//!
//! A target is accepted only in a form that every honest parser reads alike (K-0.1, K-1.21); what
//! goes upstream is printed anew from what was judged (K-0.2).

mod info;
mod options;
mod path;
mod query;
#[cfg(test)]
mod tests;

use http::{Method, StatusCode};

pub use info::RequestInfo;
pub use options::{PropagationPolicy, SINGLE_KEYS};
pub use query::Query;

use crate::selector::{self, FieldRequirement, SelectorFault};
use crate::{Requirement, Verb};
use path::Path;

/// BOUND: exec arguments travel in the query, and the API server takes 1 MiB of headers in all.
/// More is refused with 414.
pub const TARGET_BYTES_MAX: usize = 128 * 1024;

/// Subresources that open a channel into a workload or a kubelet (K-6.1, K-4.20).
const CONNECT_SUBRESOURCES: [&str; 4] = ["exec", "attach", "portforward", "proxy"];

/// Why a request target is refused before policy runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// A method with no Kubernetes verb (K-1.14).
    #[error("method `{method}` has no Kubernetes verb; use GET, HEAD, POST, PUT, PATCH or DELETE")]
    Method {
        /// The method.
        method: String,
    },
    /// `/watch/` and `/proxy/` paths override the method upstream (K-1.3).
    #[error("a `/{word}/` path takes GET or HEAD; name the resource without it")]
    LegacyVerbMethod {
        /// `watch` or `proxy`.
        word: String,
    },
    /// Longer than [`TARGET_BYTES_MAX`].
    #[error("the request target is longer than {TARGET_BYTES_MAX} bytes")]
    TooLong,
    /// Absolute-form, authority-form, `*` or empty (K-1.22).
    #[error("the request target must begin with `/`; send the path and query only")]
    NotOriginForm,
    /// A `#`: fragments are not sent in HTTP.
    #[error("the request target has a fragment; encode `#` as `%23`")]
    Fragment,
    /// A byte that must be percent-encoded.
    #[error("the request target has a raw byte 0x{byte:02x}; percent-encode it")]
    RawByte {
        /// The byte.
        byte: u8,
    },
    /// A `%` without two hex digits.
    #[error("the request target has a broken percent escape; write `%` as `%25`")]
    BadEscape,
    /// Decoded bytes that are not UTF-8.
    #[error("the request target is not UTF-8 after decoding: {source}")]
    NotUtf8 {
        /// Where it breaks.
        source: std::str::Utf8Error,
    },
    /// `//` (K-1.17, K-1.18).
    #[error("the path has an empty segment; remove the doubled `/`")]
    EmptySegment,
    /// `.` or `..`, raw or encoded (K-1.20, K-1.24).
    #[error("the path has a `.` or `..` segment; send the path it stands for")]
    DotSegment,
    /// A separator, escape or control character inside a segment (K-1.19, K-1.21).
    #[error("a path segment has {found}, which no object name can hold")]
    ForbiddenCharacter {
        /// The character in words.
        found: String,
    },
    /// More segments than any API path has.
    #[error("the path has more than {} segments", path::SEGMENT_COUNT_MAX)]
    TooManySegments,
    /// `/api/v1/watch` without a resource, a 500 upstream (K-1.3).
    #[error("the path names no resource after `watch` or `proxy`")]
    LegacyVerbAlone,
    /// A `;` in the query, which the API server drops with its pair (K-1.10).
    #[error("the query has a `;`; separate pairs by `&` and encode `;` as `%3B`")]
    Semicolon,
    /// A control character in a key, or NUL in a value.
    #[error("the query has a control character where none can stand")]
    ControlInQuery,
    /// More pairs than the bound.
    #[error("the query has more than {} parameters", query::PAIR_COUNT_MAX)]
    TooManyParameters,
    /// A key that policy reads stands twice (K-1.9).
    #[error("the query parameter `{key}` stands more than once; send it once")]
    RepeatedKey {
        /// The key.
        key: &'static str,
    },
    /// A key that is never forwarded.
    #[error("the query parameter `{key}` is not accepted: {why}")]
    RefusedKey {
        /// The key.
        key: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// A value that the API server would not take, or that readers could differ on.
    #[error("the query parameter `{key}` must be {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A selector that the API server rejects.
    #[error("{0}")]
    Selector(#[from] SelectorFault),
    /// A proxy name that is not `name`, `name:port` or `scheme:name:port` (K-1.25).
    #[error("a proxy takes `name`, `name:port` or `https:name:port` as the name")]
    ProxyName,
}

impl TargetFault {
    /// The code of the answer: 400, 405 or 414.
    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        match self {
            Self::Method { .. } | Self::LegacyVerbMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::NotOriginForm
            | Self::Fragment
            | Self::RawByte { .. }
            | Self::BadEscape
            | Self::NotUtf8 { .. }
            | Self::EmptySegment
            | Self::DotSegment
            | Self::ForbiddenCharacter { .. }
            | Self::TooManySegments
            | Self::LegacyVerbAlone
            | Self::Semicolon
            | Self::ControlInQuery
            | Self::TooManyParameters
            | Self::RepeatedKey { .. }
            | Self::RefusedKey { .. }
            | Self::BadValue { .. }
            | Self::Selector(_)
            | Self::ProxyName => StatusCode::BAD_REQUEST,
        }
    }
}

/// The name in a proxy request, taken apart (K-1.25).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyName {
    /// `http`, `https` or empty.
    pub scheme: String,
    /// The object's name.
    pub name: String,
    /// Port number or name; empty for the first port.
    pub port: String,
}

/// An accepted request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget {
    method: Method,
    path: Path,
    info: RequestInfo,
    query: Query,
    label_selector: Vec<Requirement>,
    field_selector: Vec<FieldRequirement>,
    proxy_name: Option<ProxyName>,
}

impl RequestTarget {
    /// Reads a method and an origin-form target as they stood in the request.
    ///
    /// # Errors
    /// [`TargetFault`] for every target that two parsers could read differently, that the API
    /// server would reject, or that asks for what the gateway never forwards.
    pub fn parse(method: &Method, target: &[u8]) -> Result<Self, TargetFault> {
        check_method(method)?;
        let text = check_bytes(target)?;
        let (raw_path, raw_query) = text.split_once('?').unwrap_or((text, ""));
        let mut path = Path::parse(raw_path)?;
        let mut query = Query::parse(raw_query)?;
        options::check_everywhere(&query)?;
        let info = RequestInfo::resolve(method, path.decoded(false), &path.segments, &query)?;
        check_legacy_verb(method, &info)?;
        let mut judged = Self {
            method: method.clone(),
            path: Path {
                segments: Vec::new(),
                trailing_slash: false,
            },
            info,
            query: Query::default(),
            label_selector: Vec::new(),
            field_selector: Vec::new(),
            proxy_name: None,
        };
        if judged.is_proxy() {
            options::check_proxy(&query)?;
            judged.proxy_name = Some(split_proxy_name(&judged.info.name)?);
            judged.info.path = path.decoded(true);
        } else {
            path.trailing_slash = false;
            if judged.info.is_resource {
                options::check_resource(&query)?;
                judged.take_selectors(&mut query)?;
            }
        }
        judged.path = path;
        judged.query = query;
        Ok(judged)
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// What the API server understands.
    #[must_use]
    pub const fn info(&self) -> &RequestInfo {
        &self.info
    }

    /// The query pairs.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// The target to send: it decodes to exactly what was judged (K-1.21).
    #[must_use]
    pub fn upstream_target(&self) -> String {
        self.target_with(&self.query)
    }

    /// The same for a watch that the API server is to end after so many seconds (K-3.8). It then
    /// ends as every watch does, and clients go on where it ended.
    #[must_use]
    pub fn upstream_target_within(&self, seconds: i64) -> String {
        let mut query = self.query.clone();
        query.set("timeoutSeconds", seconds.to_string());
        self.target_with(&query)
    }

    fn target_with(&self, query: &Query) -> String {
        let mut text = self.path.encoded();
        let query = query.encoded();
        if !query.is_empty() {
            text.push('?');
            text.push_str(&query);
        }
        text
    }

    /// The verb of policy, upgrades left aside: the caller of [`crate::judge`] adds those.
    #[must_use]
    pub fn policy_verb(&self) -> Verb {
        if self.is_connect() {
            return Verb::Connect;
        }
        match self.info.verb.as_str() {
            "list" => Verb::List,
            "watch" => Verb::Watch,
            "deletecollection" => Verb::DeleteCollection,
            "create" | "post" => Verb::Create,
            "update" | "put" => Verb::Update,
            "patch" => Verb::Patch,
            "delete" => Verb::Delete,
            "get" | "head" => Verb::Get,
            // Only `proxy` is left, and that is a connect. Were it not, connect is the verb that
            // neither `read` nor `write` grants.
            _ => Verb::Connect,
        }
    }

    /// Whether the request opens a channel into a workload or kubelet, by any method (K-6.1).
    /// The subresource alone decides, so that an aggregated API's `portforward` counts too.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.info.is_resource
            && (CONNECT_SUBRESOURCES.contains(&self.info.subresource.as_str()) || self.is_proxy())
    }

    /// Whether the request goes through to a workload's or kubelet's own HTTP server.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        self.info.is_resource && (self.info.subresource == "proxy" || self.info.verb == "proxy")
    }

    /// The name of a proxy request, taken apart.
    #[must_use]
    pub const fn proxy_name(&self) -> Option<&ProxyName> {
        self.proxy_name.as_ref()
    }

    /// Whether the API server puts no time limit on the request (K-1.32).
    #[must_use]
    pub fn is_long_running(&self) -> bool {
        self.info.is_resource
            && (self.info.verb == "watch" || self.is_connect() || self.info.subresource == "log")
            || self.info.path.starts_with("/debug/pprof/")
    }

    /// The label requirements of list, watch and deletecollection. Empty for `/watch/` paths: the
    /// API server honours selectors there only in part (K-1.3), so the request counts as all.
    #[must_use]
    pub fn label_selector(&self) -> &[Requirement] {
        &self.label_selector
    }

    /// The field requirements of list, watch and deletecollection; as [`Self::label_selector`].
    #[must_use]
    pub fn field_selector(&self) -> &[FieldRequirement] {
        &self.field_selector
    }

    /// Parses the selectors and puts their canonical text into query and info, so that policy and
    /// API server read the same words.
    fn take_selectors(&mut self, query: &mut Query) -> Result<(), TargetFault> {
        if self.info.legacy_verb || !self.info.is_collection() {
            return Ok(());
        }
        self.label_selector = selector::parse_label_selector(&self.info.label_selector)?;
        self.field_selector = selector::parse_field_selector(&self.info.field_selector)?;
        selector::exact_name(&self.field_selector)?;
        self.info.label_selector = selector::print_label_selector(&self.label_selector);
        self.info.field_selector = selector::print_field_selector(&self.field_selector);
        query.replace_first("labelSelector", self.info.label_selector.clone());
        query.replace_first("fieldSelector", self.info.field_selector.clone());
        Ok(())
    }
}

fn check_method(method: &Method) -> Result<(), TargetFault> {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE => Ok(()),
        _ => Err(TargetFault::Method {
            method: method.as_str().to_owned(),
        }),
    }
}

/// A `/watch/` path is a watch by every method upstream (K-1.4); only the honest ones pass.
fn check_legacy_verb(method: &Method, info: &RequestInfo) -> Result<(), TargetFault> {
    if info.verb == "watch" && info.legacy_verb && !matches!(*method, Method::GET | Method::HEAD) {
        return Err(TargetFault::LegacyVerbMethod {
            word: info.verb.clone(),
        });
    }
    Ok(())
}

/// Origin-form in visible ASCII: other bytes must be percent-encoded (RFC 3986, section 2).
fn check_bytes(target: &[u8]) -> Result<&str, TargetFault> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(TargetFault::TooLong);
    }
    if target.first() != Some(&b'/') {
        return Err(TargetFault::NotOriginForm);
    }
    if memchr::memchr(b'#', target).is_some() {
        return Err(TargetFault::Fragment);
    }
    if let Some(&byte) = target.iter().find(|byte| !byte.is_ascii_graphic()) {
        return Err(TargetFault::RawByte { byte });
    }
    std::str::from_utf8(target).map_err(|source| TargetFault::NotUtf8 { source })
}

/// `SplitSchemeNamePort` of apimachinery's `pkg/util/net`.
fn split_proxy_name(literal: &str) -> Result<ProxyName, TargetFault> {
    let parts: Vec<&str> = literal.split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] => (*scheme, *name, *port),
        _ => return Err(TargetFault::ProxyName),
    };
    if name.is_empty() || !matches!(scheme, "" | "http" | "https") {
        return Err(TargetFault::ProxyName);
    }
    Ok(ProxyName {
        scheme: scheme.to_owned(),
        name: name.to_owned(),
        port: port.to_owned(),
    })
}
