//! Names of the annotations an event carries. `docs/audit.md` says what each one means.

/// `allow`, `deny` (policy said no) or `refuse` (the gateway answered itself).
pub const DECISION: &str = "countersign/decision";
/// The id every answer carries in `Countersign-Decision-Id`.
pub const DECISION_ID: &str = "countersign/decision-id";
/// Ids of the deciding rules, comma separated.
pub const RULE: &str = "countersign/rule";
/// The reason word, from a closed set.
pub const REASON: &str = "countersign/reason";
/// The reason in prose, for operators; the caller may have been told less.
pub const DETAIL: &str = "countersign/detail";
/// Digest of the bundle that decided.
pub const BUNDLE: &str = "countersign/bundle";
/// Name of the cluster the request was for.
pub const CLUSTER: &str = "countersign/cluster";
/// `JTI=…`, `X509SHA256=…`.
pub const CREDENTIAL_ID: &str = "countersign/credential-id";
/// Name of the issuer block that proved the credential.
pub const ISSUER: &str = "countersign/issuer";
/// `human`, `service`, `agent` or `legacy`.
pub const KIND: &str = "countersign/kind";
/// User names of the principals behind the caller, nearest first, comma separated.
pub const ACTING_FOR: &str = "countersign/acting-for";
/// User names of earlier actors of a delegated token, the latest first, comma separated.
pub const PRIOR_ACTORS: &str = "countersign/prior-actors";
/// Ids of shadow rules that matched and did not count, comma separated.
pub const SHADOW: &str = "countersign/shadow";
/// What the caller gave as its reason (`Countersign-Reason`).
pub const STATED_REASON: &str = "countersign/stated-reason";
/// How many parts of the request URI were masked; absent if none.
pub const MASKED_URI: &str = "countersign/masked-uri";
/// How many values of the answer were masked so far.
pub const MASKED: &str = "countersign/masked";
/// The paths of masks that met a value so far.
pub const MASKED_PATHS: &str = "countersign/masked-paths";
/// How many live values were put back for masked ones in the request; absent if none.
pub const RESTORED: &str = "countersign/restored";
/// The masks under which the answer was given, comma separated.
pub const MASKS: &str = "countersign/masks";
/// Why the response ended, on the terminal event.
pub const ENDED_BY: &str = "countersign/ended-by";

/// Every annotation, in the order of a line.
pub const ALL: [&str; 20] = [
    ACTING_FOR,
    BUNDLE,
    CLUSTER,
    CREDENTIAL_ID,
    DECISION,
    DECISION_ID,
    DETAIL,
    ENDED_BY,
    ISSUER,
    KIND,
    MASKED,
    MASKED_PATHS,
    MASKED_URI,
    MASKS,
    PRIOR_ACTORS,
    REASON,
    RESTORED,
    RULE,
    SHADOW,
    STATED_REASON,
];
