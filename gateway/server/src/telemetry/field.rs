//! Names of the fields of log events (house rule 26).
//!
//! They are used as `tracing::info!({ field::EXCHANGE_ID } = …, "…")`. Values are never bodies,
//! tokens, masked values or raw URIs (house rule 27).

/// Id of the exchange, the `auditID` of its audit events.
pub const EXCHANGE_ID: &str = "exchange.id";
/// Id of the decision.
pub const DECISION_ID: &str = "decision.id";
/// `allow`, `deny`, `refuse`.
pub const DECISION_EFFECT: &str = "decision.effect";
/// Reason word.
pub const DECISION_REASON: &str = "decision.reason";
/// User name.
pub const USER_NAME: &str = "user.name";
/// What stands behind the credential.
pub const USER_KIND: &str = "user.kind";
/// Name of an issuer block.
pub const ISSUER_NAME: &str = "issuer.name";
/// Name of a cluster.
pub const CLUSTER_NAME: &str = "k8s.cluster";
/// Kubernetes verb.
pub const K8S_VERB: &str = "k8s.verb";
/// Group, resource and subresource.
pub const K8S_RESOURCE: &str = "k8s.resource";
/// Namespace.
pub const K8S_NAMESPACE: &str = "k8s.namespace";
/// Object name.
pub const K8S_NAME: &str = "k8s.name";
/// Status code of the answer.
pub const RESPONSE_CODE: &str = "response.code";
/// Digest of the bundle.
pub const POLICY_DIGEST: &str = "policy.digest";
/// Ids of the deciding rules.
pub const POLICY_RULE: &str = "policy.rule";
/// Address of the peer.
pub const PEER_ADDRESS: &str = "peer.address";
/// Address a listener is bound to.
pub const LISTEN_ADDRESS: &str = "listen.address";
/// A file or folder of the gateway.
pub const FILE_PATH: &str = "file.path";
/// A fault, with its sources.
pub const FAULT: &str = "fault";
/// A number of bytes.
pub const BYTES: &str = "bytes";
/// A number of events.
pub const EVENT_COUNT: &str = "event.count";
/// A duration.
pub const SECONDS: &str = "seconds";
