//! A bundle as meant: decoded and checked, with sets still named, before it is compiled.
//!
//! `decode` makes these values from KDL; `compile` turns them into the indexed form; the naive
//! interpreter reads them as they are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use gateway_kubeapi::{CallerKind, Delegation, Verb};

use crate::pattern::Pattern;

mod masks;

pub use masks::{Detection, Embedding, Mask, MaskKeyOrigin, MaskKeySource, MaskPart, MaskStrategy};
pub use masks::{MaskedPath, Masks, SECRET_LIKE, WriteBack};

/// A name with the place it was written at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Path inside the bundle, `/` separated.
    pub file: Arc<str>,
    /// Byte offset of the first byte.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
    /// 1-based line of `offset`.
    pub line: usize,
}

/// All files of one revision, decoded.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// From `bundle "NAME"`.
    pub name: String,
    /// SHA-256 over the sorted (path, length, content) list, lower-case hex.
    pub digest: String,
    /// Clusters this bundle speaks for.
    pub clusters: Vec<Cluster>,
    /// Whose signature a path needs.
    pub owners: Vec<Owner>,
    /// What `policy check` lets pass.
    pub lint: Lint,
    /// Token issuers, by block.
    pub issuers: Vec<Issuer>,
    /// Named groups.
    pub groups: Vec<Group>,
    /// Named workloads.
    pub identities: Vec<Identity>,
    /// `namespace-set`.
    pub namespace_sets: BTreeMap<String, Terms<Pattern>>,
    /// `resource-set`.
    pub resource_sets: BTreeMap<String, Terms<ResourcePattern>>,
    /// `verb-set`.
    pub verb_sets: BTreeMap<String, Terms<VerbTerm>>,
    /// `cidr-set`.
    pub cidr_sets: BTreeMap<String, Terms<ipnet::IpNet>>,
    /// `schedule`.
    pub schedules: BTreeMap<String, Schedule>,
    /// `hmac-key`.
    pub mask_keys: BTreeMap<String, MaskKeySource>,
    /// `mask`.
    pub masks: Masks,
    /// Every allow, deny and require, in no meaningful order.
    pub rules: Vec<Rule>,
    /// Subjects and suites below `tests/`.
    pub tests: Tests,
}

/// `cluster NAME KEY=VALUE…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// `owners PATHGLOB TEAM… min=N`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Path glob.
    pub paths: String,
    /// Teams.
    pub teams: Vec<String>,
    /// Distinct signers needed.
    pub min: u32,
}

/// `lint { … }`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lint {
    /// Warnings fail the check too.
    pub fail_on_warning: bool,
    /// Codes that are let pass everywhere.
    pub allowed_codes: Vec<String>,
}

/// One value of a line: written out, removed (`"!x"`), or the name of a set (`"@x"`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term<T> {
    /// A value.
    Value(T),
    /// `"@name"`, built-in sets included.
    Set(String),
}

/// Alternatives of one line: `include` minus `exclude`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms<T> {
    /// What is in.
    pub include: Vec<Term<T>>,
    /// What is taken out again.
    pub exclude: Vec<Term<T>>,
}

/// A resource as rules name it: `"pods"`, `"deployments.apps/scale"`, `"*"`, `"*/*"`, `"nodes/*"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourcePattern {
    /// API group; `None` matches every group (only for `"*"` and `"*/…"`).
    pub group: Option<Pattern>,
    /// Plural name.
    pub resource: Pattern,
    /// Subresource; `None` matches only requests without one.
    pub subresource: Option<Pattern>,
}

/// One value of a `can` line or a `verb-set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerbTerm {
    /// One verb.
    One(Verb),
    /// `read`: get, list, watch.
    Read,
    /// `write`: create, update, patch, delete, deletecollection.
    Write,
    /// `all`: every verb.
    All,
}

/// `issuer NAME { … }`. The identity crate is given these values by the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Block name.
    pub name: String,
    /// `iss`, compared exactly.
    pub url: String,
    /// Accepted `aud` values; one match suffices.
    pub audiences: Vec<String>,
    /// Accepted `alg` values.
    pub algorithms: Vec<String>,
    /// Longest `exp - iat` and longest age, in seconds.
    pub max_token_age_seconds: i64,
    /// What stands behind tokens of this issuer.
    pub kind: CallerKind,
    /// User name mapping.
    pub username: ClaimText,
    /// A boolean claim that must be true for the user name to count (`verified-by`).
    pub username_verified_by: Option<String>,
    /// Put before every user name.
    pub username_prefix: String,
    /// Groups mapping: claim and prefix.
    pub groups: Option<(String, String)>,
    /// `uid` claim.
    pub uid_claim: Option<String>,
    /// Extra attributes sent upstream: key to claim.
    pub extra: BTreeMap<String, String>,
    /// Attributes for rules.
    pub attributes: Vec<AttributeMapping>,
    /// Claims that must have exactly this value.
    pub expect: Vec<(String, String)>,
    /// `delegation claim= rule=`.
    pub delegation: Option<(String, Delegation)>,
    /// Its tokens are Kubernetes `ServiceAccount` tokens: user names below
    /// `system:serviceaccount:` are accepted from it, and from no other issuer.
    pub service_accounts: bool,
    /// Where the block stands.
    pub location: Location,
}

/// Where a text comes from in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimText {
    /// The value of one claim.
    Claim(String),
    /// `gha:{claim.repository}`.
    Template(String),
}

/// `attr NAME claim=C matching=RE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeMapping {
    /// Attribute name.
    pub name: String,
    /// Claim.
    pub claim: String,
    /// Anchored expression every value must match; a value that fails makes the attribute missing.
    pub matching: Option<String>,
}

/// `group NAME { from P… }`.
#[derive(Debug, Clone)]
pub struct Group {
    /// Name used by `who { group … }`.
    pub name: String,
    /// Patterns over the caller's groups.
    pub from: Vec<Pattern>,
    /// Where it stands.
    pub location: Location,
}

/// `identity NAME owner=TEAM { … }`.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Name used by `who { identity … }`.
    pub name: String,
    /// Owning team.
    pub owner: String,
    /// All must hold.
    pub who: Vec<Who>,
    /// Where it stands.
    pub location: Location,
}

/// One line of a `who` block. Lines are ANDed, values on a line are ORed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// `identity P…`: names of `identity` blocks.
    Identity(Vec<Pattern>),
    /// `group P…`: names of `group` blocks, or patterns over the caller's groups where no block
    /// has that name.
    Group(Vec<Pattern>),
    /// `user P…`.
    User(Vec<Pattern>),
    /// `kind …`.
    Kind(Vec<CallerKind>),
    /// `issuer NAME…`.
    Issuer(Vec<String>),
    /// `attr NAME P…`.
    Attribute(String, Vec<Pattern>),
    /// `acting-for { … }`: all must hold for the principal behind the caller.
    ActingFor(Vec<Self>),
    /// `any { … }`.
    Any(Vec<Self>),
    /// `not { … }`: true if the conjunction of the lines is false.
    Not(Vec<Self>),
    /// `anyone`.
    Anyone,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Refuses.
    Deny,
    /// Grants nothing, adds obligations.
    Require,
}

/// Whether a rule counts. When the instant of shadow or off passes, a deny or require begins to
/// count, for it must not stay away because nobody looked; an allow does not, for access is given
/// by a reviewed change and not by the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// It counts.
    Enforce,
    /// It is evaluated and logged, never counted.
    Shadow(jiff::Timestamp),
    /// It is not evaluated.
    Off(jiff::Timestamp),
}

/// How grave a denial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// low
    Low,
    /// medium
    Medium,
    /// high
    High,
    /// critical
    Critical,
}

/// What a denied caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disclose {
    /// Rule id and message.
    Message,
    /// Rule id only.
    Id,
    /// Neither.
    None,
}

/// One allow, deny or require.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique id.
    pub id: String,
    /// Effect.
    pub effect: Effect,
    /// Why it exists.
    pub why: String,
    /// Owning team.
    pub owner: String,
    /// Severity of a denial.
    pub severity: Severity,
    /// Change ticket.
    pub ticket: Option<String>,
    /// End of the day by which it is to be reviewed; never changes enforcement.
    pub review_by: Option<jiff::Timestamp>,
    /// From this instant an allow no longer matches.
    pub expires: Option<jiff::Timestamp>,
    /// Enforced, shadow or off.
    pub mode: Mode,
    /// Told to a denied caller.
    pub message: Option<String>,
    /// How much is told.
    pub disclose: Disclose,
    /// Who; `None` = everyone.
    pub who: Option<Vec<Who>>,
    /// Verbs; `None` = every verb.
    pub can: Option<Terms<VerbTerm>>,
    /// Resources or urls.
    pub on: On,
    /// Namespaces; `None` = everything.
    pub namespaces: Option<Namespaces>,
    /// Names; `None` = every name.
    pub named: Option<Terms<Pattern>>,
    /// Clusters: each line must hold; `None` = every cluster.
    pub clusters: Vec<ClusterSelector>,
    /// Caller addresses.
    pub from: Option<Terms<ipnet::IpNet>>,
    /// Schedules, one of which must hold.
    pub during: Option<Vec<String>>,
    /// Schedules, none of which may hold.
    pub outside: Option<Vec<String>>,
    /// Obligations of allow and require.
    pub obligations: Vec<Obligation>,
    /// Where the rule stands.
    pub location: Location,
    /// Where each line stands, by its name (`who`, `can`, `in`, …), for explain and findings.
    pub lines: BTreeMap<&'static str, Location>,
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// `on`.
    Resources(Terms<ResourcePattern>),
    /// `urls`.
    Urls(Terms<Pattern>),
    /// Neither line: everything.
    Everything,
}

/// `in …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// Namespaces; empty `include` when the line holds only `"@cluster"`.
    pub names: Terms<Pattern>,
    /// `"@cluster"` is on the line: cluster-scoped objects.
    pub cluster_scoped: bool,
}

/// `clusters P… KEY=P`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterSelector {
    /// By name.
    Named(Vec<Pattern>),
    /// By label.
    Labelled(String, Pattern),
}

/// How much is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordLevel {
    /// Facts and decision.
    Metadata,
}

/// What an allow demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// `record metadata`.
    Record(RecordLevel),
    /// `reason min=N ticket=RE`: the request carries `Countersign-Reason`.
    Reason {
        /// Fewest characters.
        min: u32,
        /// Anchored expression for a ticket that must occur in the reason.
        ticket: Option<String>,
    },
    /// `session-limit DUR`: watches, logs and sessions end after this many seconds.
    SessionLimit(u64),
    /// `mask NAME…`: answers are masked by all of these.
    Mask(Vec<String>),
}

/// `schedule NAME tz=ZONE { … }`.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// IANA zone.
    pub zone: jiff::tz::TimeZone,
    /// Name of the zone as written.
    pub zone_name: String,
    /// Weekly windows.
    pub weekly: Vec<Weekly>,
    /// Local dates on which it never holds.
    pub except_dates: Vec<jiff::civil::Date>,
    /// If not empty: the only local dates on which it may hold.
    pub only_dates: Vec<jiff::civil::Date>,
}

/// `weekly DAY… from= to=`: `[from, to)`; `to <= from` runs past midnight and belongs to the
/// starting day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weekly {
    /// Days on which the window starts.
    pub days: Vec<jiff::civil::Weekday>,
    /// Start, local wall time.
    pub from: jiff::civil::Time,
    /// End, local wall time.
    pub to: jiff::civil::Time,
}

/// Everything below `tests/`.
#[derive(Debug, Clone, Default)]
pub struct Tests {
    /// Named callers.
    pub subjects: BTreeMap<String, Subject>,
    /// Suites.
    pub suites: Vec<Suite>,
}

/// `subject NAME { issuer user groups attr acting-for }`.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The caller it stands for; `expires_at` and `credential_id` are empty.
    pub caller: gateway_kubeapi::Caller,
    /// Where it stands.
    pub location: Location,
}

/// `suite NAME at=INSTANT cluster=NAME { … }`.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Name.
    pub name: String,
    /// Its tests; `cases` are tests without a name of their own.
    pub tests: Vec<Test>,
}

/// One expectation.
#[derive(Debug, Clone)]
pub struct Test {
    /// Name, for a case: suite of cases and its number.
    pub name: String,
    /// Instant of the decision.
    pub at: jiff::Timestamp,
    /// Cluster of the decision.
    pub cluster: String,
    /// Name of the subject.
    pub subject: String,
    /// What is asked.
    pub request: TestRequest,
    /// What must come out.
    pub expect: Expectation,
    /// Where it stands.
    pub location: Location,
}

/// The request of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestRequest {
    /// `http METHOD TARGET`; the test runner parses it as the gateway would.
    Http {
        /// HTTP method.
        method: String,
        /// Request target.
        target: String,
        /// Media type of the body.
        content_type: Option<String>,
        /// Content of the fixture file.
        body: Option<Vec<u8>>,
        /// What upstream is supposed to answer.
        response: Option<Vec<u8>>,
    },
    /// `request VERB RESOURCE ns= name= all-namespaces=`.
    Facts {
        /// Verb.
        verb: Verb,
        /// `pods`, `deployments.apps/scale`, or a path beginning with `/`.
        resource: String,
        /// Namespace.
        namespace: Option<String>,
        /// Name.
        name: Option<String>,
        /// Every namespace.
        all_namespaces: bool,
        /// Caller address.
        source: Option<IpAddr>,
    },
}

/// `expect …`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    /// Allow or deny.
    pub allow: bool,
    /// Rules that must be among the deciding ones.
    pub by: Vec<String>,
    /// A rule that nearly matched, with the line that kept it from matching.
    pub near: Option<(String, Option<String>)>,
    /// Reason code (`no-allow`, `denied-by-rule`, `obligation-failed`).
    pub reason: Option<String>,
    /// Masks that must be demanded.
    pub masks: Vec<String>,
    /// Values that must be masked: where, and by the word of which strategy.
    pub masked: Vec<(gateway_masking::FieldPath, String)>,
}
