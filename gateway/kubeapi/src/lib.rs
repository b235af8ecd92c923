//! What the Kubernetes API server will understand of a request.
//!
//! This crate turns bytes into judged values: a request target into a [`RequestInfo`], headers into
//! an allow-list, a body into kind, namespace and name, a session into the output of its channels. It refuses every input on which two honest
//! parsers could disagree. It knows nothing of policy, of identity providers or of sockets; it does
//! no IO and reads no clock.
//!
//! Invariants:
//! - What is printed for the upstream ([`RequestTarget::upstream_target`], [`RequestBody::bytes`],
//!   [`RequestHeaders::upstream`]) has one meaning, the judged one.
//! - No credential and no identity header of the client is in an upstream head;
//!   [`ImpersonationHeaders`] name exactly one user.
//! - Each reader has a bound, and input never panics.
//!
//! Laws, each a property test here and a fuzz target: `parse ∘ print = id` on accepted targets,
//! selectors and JSON; the readers of JSON and of sessions equal slow twins, sessions at any split; no
//! header of the client reaches the identity. `RequestInfo` equals Kubernetes' own resolver on every accepted target: the tests
//! package asks that resolver.
//!
//! ```
//! use gateway_kubeapi::{Connection, RequestFacts, RequestTarget, Scope, Verb, judge};
//!
//! let raw = b"/api/v1/namespaces/shop/pods/web-0/exec?command=id";
//! let target = RequestTarget::parse(&http::Method::GET, raw)?;
//! let judged = judge(&RequestFacts {
//!     target: &target,
//!     scope: Scope::Unknown,
//!     connection: Connection::Plain,
//!     body: None,
//!     patch: None,
//!     source: None,
//! })?;
//! // Over WebSocket an exec is a GET; it is never judged as a read.
//! assert_eq!(judged.attributes.verb, Verb::Connect);
//! assert!(RequestTarget::parse(&http::Method::GET, b"/api/v1/namespaces//secrets").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod attributes;
mod body;
mod caller;
#[cfg(test)]
mod fixtures;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod headers;
mod judge;
mod negotiate;
mod pointer;
mod review;
mod scope;
mod selector;
mod session;
mod status;
mod target;
#[cfg(any(test, feature = "test-support"))]
pub mod testing;

pub use attributes::{Attributes, NameScope, NamespaceScope, Requirement, RequirementOperator};
pub use attributes::{ResourceId, Target, Verb};
pub use body::{BODY_BYTES_MAX, BodyContent, BodyFault, BodyFormat, BodyIdentity, RequestBody};
pub use body::{DeleteOptions, PatchForm, PatchOperation, PatchOperator, patch_form};
pub use body::{JSON_DEPTH_MAX, JSON_VALUE_COUNT_MAX, JsonFault, JsonValue, WireFault, YamlFault};
pub use caller::{Caller, CallerKind, Delegation, UserInfo};
pub use headers::{Framing, HeaderFault, Impersonation, RequestHeaders, Upgrade, WebSocketBearer};
pub use headers::{HEADER_BYTES_MAX, HEADER_COUNT_MAX, response_headers};
pub use headers::{IdentityFault, ImpersonationHeaders, SystemNames, check_before_send};
pub use judge::{Connection, JudgeFault, Judged, RequestFacts, judge};
pub use negotiate::{AcceptClause, AcceptPlan, forward_accept, may_rewrite_accept};
pub use negotiate::{parse_accept, rewrite_accept, rewrite_accept_to_objects};
pub use pointer::{pointer_of, pointer_segments};
pub use review::{AccessQuestion, ResourceQuestion, ReviewFault, access_question, deny_access};
pub use review::{NonResourceRule, ResourceRule, SubjectRules};
pub use review::{read_rules, replace_rules, rules_question};
pub use scope::{Scope, builtin_resources, builtin_scope};
pub use selector::{FieldOperator, FieldRequirement, SelectorFault, exact_name};
pub use selector::{parse_field_selector, parse_label_selector};
pub use selector::{print_field_selector, print_label_selector};
pub use session::{CONTROL_BYTES_MAX, ControlKind, FRAME_BYTES_MAX, FrameFault};
pub use session::{
    Channel, ChannelProtocol, SessionFault, SessionPart, SessionReader, SessionWriter,
};
pub use status::{Status, StatusCause, StatusDetails, StatusReason};
pub use target::{PropagationPolicy, ProxyName, Query, RequestInfo, RequestTarget, TargetFault};
pub use target::{SINGLE_KEYS, TARGET_BYTES_MAX};
