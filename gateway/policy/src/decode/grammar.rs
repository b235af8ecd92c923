//! The bundle language as shape tables: format 1, stage core.
//!
//! Words of the whole language are known here. Those that this version does not implement are
//! `planned`: they are refused with a code of their own and never ignored.

use crate::shape::{Kind, PropertyShape, Shape};

/// Verbs and verb sets of `can` and `verb-set`.
pub(crate) const VERB_WORDS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "connect",
    "impersonate",
    "read",
    "write",
    "all",
];
const REQUEST_VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "connect",
    "impersonate",
];
const KINDS: &[&str] = &["human", "service", "agent", "legacy"];
/// Asymmetric only: with HMAC the verifier could forge tokens, and `none` is no signature.
const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
];
const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const COUNT: Kind = Kind::Integer { min: 1, max: 1_000 };
const OUTCOME: Kind = Kind::WordOrPlanned {
    known: &["allow", "deny"],
    planned: &["hold", "filter"],
};

/// `bundle.kdl`.
pub(crate) static BUNDLE_FILE: &[Shape] =
    &[
        Shape::block("bundle", "the bundle's name and its ground rules", BUNDLE)
            .value(Kind::Name)
            .tall(),
    ];

static BUNDLE: &[Shape] = &[
    Shape::line("format", "version of the language, 1").value(Kind::Integer { min: 1, max: 1_000 }),
    Shape::line(
        "requires-gateway",
        "oldest gateway that may load it, \">=0.1\"",
    )
    .value(Kind::Text)
    .optional(),
    Shape::line("cluster", "a cluster the bundle speaks for, with labels")
        .value(Kind::Name)
        .free_properties(Kind::Text)
        .some(),
    Shape::planned("schemas", "pinned OpenAPI schemas"),
    Shape::line("owners", "whose signatures a change below a path needs")
        .value(Kind::Text)
        .values(Kind::Name, 1)
        .properties(&[PropertyShape::optional("min", "distinct signers", COUNT)])
        .some(),
    Shape::block("lint", "what `policy check` lets pass", LINT).optional(),
    Shape::planned("rollout", "gradual rollout"),
];

static LINT: &[Shape] = &[
    Shape::line("fail-on", "the least level that fails the check")
        .value(Kind::Word(&["error", "warning"]))
        .optional(),
    Shape::line("allow-code", "codes that pass everywhere")
        .values(Kind::Text, 1)
        .optional(),
];

/// `identities.kdl`, `identities/*.kdl`.
pub(crate) static IDENTITY_FILE: &[Shape] = &[
    Shape::block(
        "issuer",
        "who signs tokens, and what their claims mean",
        ISSUER,
    )
    .value(Kind::Name)
    .any()
    .tall(),
    Shape::block("group", "a name for groups of callers", GROUP)
        .value(Kind::Name)
        .any(),
    Shape::block(
        "identity",
        "a name for a workload; all lines must hold",
        WHO,
    )
    .value(Kind::Name)
    .properties(&[PropertyShape::required("owner", "team", Kind::Name)])
    .any(),
];

static ISSUER: &[Shape] = &[
    Shape::line("url", "`iss`, compared exactly").value(Kind::Text),
    Shape::line("audiences", "accepted `aud`; one suffices").values(Kind::Text, 1),
    Shape::line("algorithms", "accepted signatures").values(Kind::Choice(ALGORITHMS), 1),
    Shape::line("max-token-age", "longest life and age of a token").value(Kind::Duration),
    Shape::line("kind", "what stands behind its tokens").value(Kind::Word(KINDS)),
    Shape::line("username", "where the user name comes from").properties(&[
        PropertyShape::optional("claim", "claim that holds it", Kind::Text),
        PropertyShape::optional("template", "text with `{claim.x}`", Kind::Text),
        PropertyShape::optional("prefix", "put before it", Kind::Text),
        PropertyShape::optional("verified-by", "boolean claim that must be true", Kind::Text),
    ]),
    Shape::line("groups", "where groups come from")
        .properties(&[
            PropertyShape::required("claim", "claim that holds them", Kind::Text),
            PropertyShape::optional("prefix", "put before each", Kind::Text),
        ])
        .optional(),
    Shape::line("uid", "where the uid comes from")
        .properties(&[PropertyShape::required(
            "claim",
            "claim that holds it",
            Kind::Text,
        )])
        .optional(),
    Shape::line("extra", "an extra attribute sent upstream")
        .value(Kind::Text)
        .properties(&[PropertyShape::required(
            "claim",
            "claim that holds it",
            Kind::Text,
        )])
        .any(),
    Shape::line("attr", "an attribute for rules")
        .value(Kind::Name)
        .properties(&[
            PropertyShape::required("claim", "claim that holds it", Kind::Text),
            PropertyShape::optional("matching", "expression each value must match", Kind::Text),
        ])
        .any(),
    Shape::line("expect", "a claim that must have this value")
        .value(Kind::Text)
        .value(Kind::Text)
        .any(),
    Shape::line(
        "delegation",
        "a claim that names the principal behind an agent",
    )
    .properties(&[
        PropertyShape::required("claim", "claim that holds the principal", Kind::Text),
        PropertyShape::optional(
            "rule",
            "decide for both and keep the stricter, or for the agent",
            Kind::Word(&["both", "agent"]),
        ),
    ])
    .optional(),
    Shape::line(
        "service-accounts",
        "its tokens are Kubernetes ServiceAccount tokens and may name system:serviceaccount: users",
    )
    .optional(),
];

static GROUP: &[Shape] = &[Shape::line("from", "patterns over a caller's groups")
    .values(Kind::Pattern, 1)
    .some()];

/// Lines of `who`, `identity`, `any`, `not` and `acting-for`.
pub(crate) static WHO: &[Shape] = &WHO_LINES;

/// A static of its own, because it names itself by its address.
static WHO_LINES: [Shape; 10] = [
    Shape::line("identity", "names of identity blocks")
        .values(Kind::Pattern, 1)
        .any(),
    Shape::line("group", "names of group blocks, or groups")
        .values(Kind::Pattern, 1)
        .any(),
    Shape::line("user", "user names")
        .values(Kind::Pattern, 1)
        .any(),
    Shape::line("kind", "what stands behind the credential")
        .values(Kind::Word(KINDS), 1)
        .any(),
    Shape::line("issuer", "names of issuer blocks")
        .values(Kind::Name, 1)
        .any(),
    Shape::line("attr", "an attribute and its values")
        .value(Kind::Name)
        .values(Kind::Pattern, 1)
        .any(),
    Shape::block(
        "acting-for",
        "must hold for the principal behind the caller",
        &WHO_LINES,
    )
    .any(),
    Shape::block("any", "one line must hold", &WHO_LINES).any(),
    Shape::block("not", "the lines must not all hold", &WHO_LINES).any(),
    Shape::line("anyone", "every caller").optional(),
];

/// `sets.kdl`.
pub(crate) static SET_FILE: &[Shape] = &[
    Shape::block("namespace-set", "a name for namespaces", PATTERN_SET)
        .value(Kind::Name)
        .any(),
    Shape::block("resource-set", "a name for resources", RESOURCE_SET)
        .value(Kind::Name)
        .any(),
    Shape::block("verb-set", "a name for verbs", VERB_SET)
        .value(Kind::Name)
        .any(),
    Shape::block("cidr-set", "a name for networks", CIDR_SET)
        .value(Kind::Name)
        .any(),
    Shape::block("schedule", "a name for times of the week", SCHEDULE)
        .value(Kind::Name)
        .properties(&[PropertyShape::required("tz", "IANA time zone", Kind::Text)])
        .any(),
];

static PATTERN_SET: &[Shape] = &[
    Shape::line("include", "what is in")
        .values(Kind::Pattern, 1)
        .some(),
    Shape::line("exclude", "what is taken out again")
        .values(Kind::Pattern, 1)
        .any(),
];
static RESOURCE_SET: &[Shape] = &[
    Shape::line("include", "what is in")
        .values(Kind::Resource, 1)
        .some(),
    Shape::line("exclude", "what is taken out again")
        .values(Kind::Resource, 1)
        .any(),
];
static VERB_SET: &[Shape] = &[
    Shape::line("include", "what is in")
        .values(Kind::WordOrSet(VERB_WORDS), 1)
        .some(),
    Shape::line("exclude", "what is taken out again")
        .values(Kind::WordOrSet(VERB_WORDS), 1)
        .any(),
];
static CIDR_SET: &[Shape] = &[
    Shape::line("include", "what is in")
        .values(Kind::Network, 1)
        .some(),
    Shape::line("exclude", "what is taken out again")
        .values(Kind::Network, 1)
        .any(),
];
static SCHEDULE: &[Shape] = &[
    Shape::line("weekly", "days and a window of local time")
        .values(Kind::Word(DAYS), 1)
        .properties(&[
            PropertyShape::required("from", "first instant", Kind::Time),
            PropertyShape::required("to", "end, not included", Kind::Time),
        ])
        .some(),
    Shape::line("except-dates", "local dates on which it never holds")
        .values(Kind::Date, 1)
        .optional(),
    Shape::line("only-dates", "the only local dates on which it may hold")
        .values(Kind::Date, 1)
        .optional(),
];

/// The lines every kind of rule has, and then those of one kind.
macro_rules! rule_lines {
    ($($own:expr),* $(,)?) => {
        &[
            Shape::line("why", "why the rule exists").value(Kind::Text),
            Shape::line("owner", "owning team, if not from `defaults`").value(Kind::Name).optional(),
            Shape::line("severity", "how grave a denial is").value(Kind::Word(SEVERITIES)).optional(),
            Shape::line("ticket", "change ticket").value(Kind::Text).optional(),
            Shape::line("review-by", "when to look at it again").value(Kind::Date).optional(),
            Shape::line("expires", "last day of an allow").value(Kind::Date).optional(),
            Shape::line("mode", "whether it counts")
                .value(Kind::Word(&["enforce", "shadow", "off"]))
                .properties(&[PropertyShape::optional("until", "end of shadow or off", Kind::Instant)])
                .optional(),
            Shape::line("message", "told to a denied caller").value(Kind::Text).optional(),
            Shape::line("disclose", "how much a denied caller is told")
                .value(Kind::Word(&["message", "id", "none"]))
                .optional(),
            Shape::block("who", "who; all lines must hold", WHO).optional(),
            Shape::line("can", "verbs").values(Kind::WordOrSet(VERB_WORDS), 1).optional(),
            Shape::line("on", "resources").values(Kind::Resource, 1).optional(),
            Shape::line("urls", "paths that are no resources").values(Kind::Pattern, 1).optional(),
            Shape::line("in", "namespaces, \"@cluster\" for objects without one")
                .values(Kind::Pattern, 1)
                .optional(),
            Shape::line("named", "object names").values(Kind::Pattern, 1).optional(),
            Shape::line("clusters", "clusters by name or label")
                .values(Kind::Pattern, 0)
                .free_properties(Kind::Pattern)
                .optional(),
            Shape::line("from", "caller addresses").values(Kind::Network, 1).optional(),
            Shape::line("during", "schedules, one of which must hold")
                .values(Kind::SetName, 1)
                .optional(),
            Shape::line("outside", "schedules, none of which may hold")
                .values(Kind::SetName, 1)
                .optional(),
            Shape::planned("when", "conditions on bodies"),
            Shape::planned("lists", "filtering of lists"),
            Shape::planned("cel", "conditions are written in KDL"),
            $($own),*
        ]
    };
}

const SEVERITIES: &[&str] = &["low", "medium", "high", "critical"];

const RECORD: Shape = Shape::line("record", "how much is recorded")
    .value(Kind::WordElsePlanned {
        known: &["metadata"],
        planned: &["none", "request", "response", "full"],
    })
    .optional();
const REASON: Shape = Shape::line("reason", "the request must carry `Countersign-Reason`")
    .properties(&[
        PropertyShape::optional("min", "fewest characters", COUNT),
        PropertyShape::optional("ticket", "expression for a ticket in it", Kind::Text),
    ])
    .optional();
const SESSION_LIMIT: Shape =
    Shape::line("session-limit", "watches, logs and sessions end after it")
        .value(Kind::Duration)
        .optional();
const APPROVAL: Shape = Shape::planned("approval", "approval by people");
const MASK: Shape = Shape::line("mask", "answers are masked by all of these")
    .values(Kind::NameOrSet, 1)
    .optional();
const BUDGET: Shape = Shape::planned("budget", "rate limits");

pub(crate) static ALLOW: &[Shape] =
    rule_lines![RECORD, REASON, SESSION_LIMIT, APPROVAL, MASK, BUDGET];
static DENY: &[Shape] = rule_lines![Shape::planned("breakable", "break-glass through a deny")];
const ALLOW_BLOCK: Shape = Shape::block("allow", "grants what it covers", ALLOW)
    .value(Kind::Name)
    .any()
    .tall();
const DENY_BLOCK: Shape = Shape::block("deny", "refuses what it touches", DENY)
    .value(Kind::Name)
    .any()
    .tall();
const REQUIRE_BLOCK: Shape = Shape::block("require", "adds obligations to what it touches", ALLOW)
    .value(Kind::Name)
    .any()
    .tall();
const DEFAULTS_BLOCK: Shape = Shape::block(
    "defaults",
    "owner and severity of this file's rules",
    DEFAULTS,
)
.optional();

static DEFAULTS: &[Shape] = &[
    Shape::line("owner", "owning team")
        .value(Kind::Name)
        .optional(),
    Shape::line("severity", "how grave a denial is")
        .value(Kind::Word(SEVERITIES))
        .optional(),
];

/// `guardrails/**.kdl`: no allow, so that a signature of the security owners cannot grant.
pub(crate) static GUARDRAIL_FILE: &[Shape] = &[
    DENY_BLOCK,
    REQUIRE_BLOCK,
    DEFAULTS_BLOCK,
    Shape::planned("invariant", "statements proved for all requests"),
];

/// `rules/**.kdl`.
pub(crate) static RULE_FILE: &[Shape] = &[
    ALLOW_BLOCK,
    DENY_BLOCK,
    REQUIRE_BLOCK,
    DEFAULTS_BLOCK,
    Shape::planned("template", "rules with parameters"),
    Shape::planned("use", "rules from a template"),
];

/// `tests/**.kdl`.
pub(crate) static TEST_FILE: &[Shape] = &[
    Shape::block("subject", "a caller for tests", SUBJECT)
        .value(Kind::Name)
        .any(),
    Shape::block("suite", "tests at one instant against one cluster", SUITE)
        .value(Kind::Name)
        .properties(&[
            PropertyShape::required("at", "instant of the decisions", Kind::Instant),
            PropertyShape::required("cluster", "cluster of the decisions", Kind::Name),
        ])
        .any()
        .tall(),
];

static SUBJECT: &[Shape] = &[
    Shape::line("issuer", "name of the issuer block").value(Kind::Name),
    Shape::line(
        "kind",
        "for a caller of the gateway's own configuration, which has no issuer block",
    )
    .value(Kind::Word(KINDS))
    .optional(),
    Shape::line("user", "user name, prefix included").value(Kind::Text),
    Shape::line("groups", "groups, prefixes included")
        .values(Kind::Text, 1)
        .optional(),
    Shape::line("attr", "an attribute and its values")
        .value(Kind::Name)
        .values(Kind::Text, 1)
        .any(),
    Shape::line("acting-for", "the principal behind the caller")
        .properties(&[
            PropertyShape::required("issuer", "name of the issuer block", Kind::Name),
            PropertyShape::required("user", "user name", Kind::Text),
            PropertyShape::optional("groups", "one group", Kind::Text),
        ])
        .optional(),
];

static SUITE: &[Shape] = &[
    Shape::block("test", "one expectation", TEST)
        .value(Kind::Text)
        .properties(&[
            PropertyShape::optional("at", "instant of the decision", Kind::Instant),
            PropertyShape::optional("cluster", "cluster of the decision", Kind::Name),
        ])
        .any()
        .tall(),
    Shape::block("cases", "short expectations of one subject", CASES)
        .value(Kind::Text)
        .any()
        .tall(),
];

const HTTP: Shape = Shape::line("http", "a request as it stands on the wire")
    .value(Kind::Word(METHODS))
    .value(Kind::Text)
    .properties(&[
        PropertyShape::optional(
            "type",
            "media type of the body; strategic, merge, json and apply for patches",
            Kind::Text,
        ),
        PropertyShape::optional("body", "file below tests/", Kind::Text),
        PropertyShape::optional(
            "response",
            "file below tests/: what is answered",
            Kind::Text,
        ),
    ])
    .optional();
const REQUEST: Shape = Shape::line("request", "a request by its facts")
    .value(Kind::Word(REQUEST_VERBS))
    .value(Kind::Text)
    .properties(&[
        PropertyShape::optional("ns", "namespace", Kind::Text),
        PropertyShape::optional("name", "object name", Kind::Text),
        PropertyShape::optional("all-namespaces", "every namespace", Kind::Bool),
        PropertyShape::optional("from", "caller address", Kind::Address),
        PropertyShape::planned("body", "conditions on bodies"),
    ])
    .optional();

static TEST: &[Shape] = &[
    Shape::line("as", "name of the subject").value(Kind::Name),
    HTTP,
    REQUEST,
    Shape::block("expect", "what must come out", EXPECT)
        .value(OUTCOME)
        .optional_block(),
];

static EXPECT: &[Shape] = &[
    Shape::line("by", "rules that must be among the deciding ones")
        .values(Kind::Name, 1)
        .optional(),
    Shape::line("near", "a rule that nearly matched")
        .value(Kind::Name)
        .properties(&[PropertyShape::optional(
            "line",
            "the line that kept it from it",
            Kind::Text,
        )])
        .optional(),
    Shape::line("reason", "reason code")
        .value(Kind::Word(REASONS))
        .optional(),
    Shape::line("masks", "masks that must be demanded")
        .values(Kind::NameOrSet, 1)
        .optional(),
    Shape::line("masked", "a value that must be masked, and how")
        .value(Kind::FieldPath)
        .value(Kind::Word(STRATEGIES))
        .any(),
    Shape::planned("records", "recordings"),
    Shape::planned("approval", "approval by people"),
    Shape::planned("not-approver", "approval by people"),
];

/// Reason codes of a decision.
pub(crate) const REASONS: &[&str] = &["no-allow", "denied-by-rule", "obligation-failed"];

static CASES: &[Shape] = &[
    Shape::line("as", "name of the subject").value(Kind::Name),
    Shape::block(
        "case",
        "one request and what must come out",
        &[HTTP, REQUEST],
    )
    .value(OUTCOME)
    .some(),
];

/// `approvers.kdl`.
pub(crate) static APPROVER_FILE: &[Shape] = &[
    Shape::planned("approvers", "approval by people"),
    Shape::planned("channel", "approval by people"),
    Shape::planned("approval", "approval by people"),
    Shape::planned("break-glass", "emergency access"),
];

/// `masks.kdl`.
pub(crate) static MASK_FILE: &[Shape] = &[
    Shape::line("hmac-key", "where the gateway finds a key; env or file")
        .value(Kind::Name)
        .properties(&[
            PropertyShape::optional("env", "variable of its environment", Kind::Text),
            PropertyShape::optional("file", "absolute path on its machine", Kind::Text),
        ])
        .any(),
    Shape::block("mask", "what is hidden in answers", MASK_LINES)
        .value(Kind::Name)
        .any()
        .tall(),
    Shape::planned("record", "recordings"),
    Shape::planned("budget", "rate limits"),
];

/// What becomes of a value, the strongest first.
pub(crate) const STRATEGIES: &[&str] = &[
    "drop", "redact", "hash", "fpe", "partial", "json", "base64", "yaml",
];
/// What can be looked for in strings.
pub(crate) const DETECTORS: &[&str] = &[
    "jwt",
    "pem",
    "aws-key",
    "github-token",
    "slack-token",
    "email",
    "iban",
    "card",
];
/// What becomes of what is found, the strongest first.
pub(crate) const DETECT_STRATEGIES: &[&str] = &["redact", "hash", "fpe", "partial"];
const DETECTION: Kind = Kind::ChoiceOrWord {
    texts: DETECTORS,
    known: DETECT_STRATEGIES,
    planned: &["drop"],
};
/// BOUND: characters `partial` leaves; of more, too much is told.
const KEEP_LAST: Kind = Kind::Integer { min: 1, max: 16 };

static MASK_LINES: &[Shape] = &[
    Shape::block("for", "on which resources, and where", FOR_LINES)
        .values(Kind::Resource, 1)
        .some(),
    Shape::line("write-back", "what happens to a write that carries markers")
        .value(Kind::Word(&["refuse", "restore"]))
        .optional(),
];

static FOR_LINES: &[Shape] = &[
    at(&AT_LINES),
    Shape::line(
        "detect",
        "what is looked for in strings, and what becomes of it",
    )
    .values(DETECTION, 2)
    .properties(&[
        PropertyShape::optional("in", "only at and below it", Kind::FieldPath),
        KEY_PROPERTY,
        KEEP_LAST_PROPERTY,
    ])
    .any(),
];

const KEY_PROPERTY: PropertyShape =
    PropertyShape::optional("key", "for hash and fpe: name of an hmac-key", Kind::Name);
const KEEP_LAST_PROPERTY: PropertyShape =
    PropertyShape::optional("keep-last", "for partial: characters that stay", KEEP_LAST);

static AT_PROPERTIES: &[PropertyShape] = &[KEY_PROPERTY, KEEP_LAST_PROPERTY];

/// A static of its own, because it names itself by its address.
static AT_LINES: [Shape; 1] = [at(&AT_LINES)];

const fn at(lines: &'static [Shape]) -> Shape {
    Shape::block("at", "which values, and what becomes of them", lines)
        .value(Kind::FieldPath)
        .value(Kind::Word(STRATEGIES))
        .properties(AT_PROPERTIES)
        .optional_block()
        .any()
}

/// `revocations.kdl`.
pub(crate) static REVOCATION_FILE: &[Shape] = &[Shape::planned("revoke", "revocation by Git")];

/// `trust.kdl`.
pub(crate) static TRUST_FILE: &[Shape] = &[
    Shape::planned("signer", "signed policy"),
    Shape::planned("root", "signed policy"),
];
