//! Every code of the bundle language: level, title, explanation. The reference in `docs/policy.md`
//! prints this table.

use super::{Code, Level};

/// What is said about one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeEntry {
    /// The code.
    pub code: Code,
    /// Level of its findings.
    pub level: Level,
    /// A few words.
    pub title: &'static str,
    /// One or two sentences.
    pub explanation: &'static str,
}

impl Code {
    /// File outside the limits.
    pub const GP101: Self = Self::new("GP101");
    /// Syntax.
    pub const GP102: Self = Self::new("GP102");
    /// File or block in an unknown place.
    pub const GP103: Self = Self::new("GP103");
    /// Value without quotes.
    pub const GP104: Self = Self::new("GP104");
    /// Keyword without `#`.
    pub const GP105: Self = Self::new("GP105");
    /// Forbidden character.
    pub const GP106: Self = Self::new("GP106");
    /// KDL outside the profile.
    pub const GP107: Self = Self::new("GP107");
    /// Bundle needs a newer gateway.
    pub const GP108: Self = Self::new("GP108");
    /// Known, not implemented yet.
    pub const GP109: Self = Self::new("GP109");
    /// Unknown line.
    pub const GP201: Self = Self::new("GP201");
    /// Unknown property.
    pub const GP202: Self = Self::new("GP202");
    /// Wrong number of values.
    pub const GP203: Self = Self::new("GP203");
    /// Wrong kind of value.
    pub const GP204: Self = Self::new("GP204");
    /// Line given twice.
    pub const GP205: Self = Self::new("GP205");
    /// Line or property missing.
    pub const GP206: Self = Self::new("GP206");
    /// Value that looks like the next line.
    pub const GP207: Self = Self::new("GP207");
    /// Block where none belongs, or missing.
    pub const GP208: Self = Self::new("GP208");
    /// Not allowed here.
    pub const GP209: Self = Self::new("GP209");
    /// Name given twice.
    pub const GP301: Self = Self::new("GP301");
    /// Undefined set or schedule.
    pub const GP302: Self = Self::new("GP302");
    /// User, group or attribute that nobody gives.
    pub const GP303: Self = Self::new("GP303");
    /// Undefined identity.
    pub const GP304: Self = Self::new("GP304");
    /// Undefined team.
    pub const GP305: Self = Self::new("GP305");
    /// Undefined cluster.
    pub const GP306: Self = Self::new("GP306");
    /// Sets that include one another.
    pub const GP307: Self = Self::new("GP307");
    /// Undefined issuer.
    pub const GP308: Self = Self::new("GP308");
    /// Undefined subject, rule, fixture, mask or key.
    pub const GP309: Self = Self::new("GP309");
    /// Two issuers can produce one user or group.
    pub const GP311: Self = Self::new("GP311");
    /// Rule can never match.
    pub const GP401: Self = Self::new("GP401");
    /// Resource is not known.
    pub const GP402: Self = Self::new("GP402");
    /// Allow without effect.
    pub const GP403: Self = Self::new("GP403");
    /// Mask path that cannot exist.
    pub const GP406: Self = Self::new("GP406");
    /// Mask that cannot do what it says.
    pub const GP408: Self = Self::new("GP408");
    /// Very wide allow.
    pub const GP501: Self = Self::new("GP501");
    /// Allow touches escalation, nodes or exec.
    pub const GP502: Self = Self::new("GP502");
    /// Allow gives secrets in clear.
    pub const GP503: Self = Self::new("GP503");
    /// Expired or about to expire.
    pub const GP504: Self = Self::new("GP504");
    /// Review overdue.
    pub const GP505: Self = Self::new("GP505");
    /// Look-alike name.
    pub const GP507: Self = Self::new("GP507");
    /// Silencer without effect.
    pub const GP508: Self = Self::new("GP508");
    /// Rule not proved by a test.
    pub const GP601: Self = Self::new("GP601");
    /// Failing test.
    pub const GP602: Self = Self::new("GP602");
}

const fn entry(
    code: Code,
    level: Level,
    title: &'static str,
    explanation: &'static str,
) -> CodeEntry {
    CodeEntry {
        code,
        level,
        title,
        explanation,
    }
}

/// All codes, in order.
pub static CATALOGUE: &[CodeEntry] = &[
    entry(
        Code::GP101,
        Level::Error,
        "File outside the limits",
        "Not UTF-8, a byte order mark, more than 256 KiB, a line above 4 KiB, blocks nested deeper than 8, more than 2 000 files.",
    ),
    entry(
        Code::GP102,
        Level::Error,
        "Syntax",
        "A text, comment or block that is never closed, a surplus brace, anything the KDL parser refuses.",
    ),
    entry(
        Code::GP103,
        Level::Error,
        "File or block in an unknown place",
        "The layout is fixed: a file stands where the language reference says, and holds only the blocks of that place.",
    ),
    entry(
        Code::GP104,
        Level::Error,
        "Value without quotes",
        "`pods/exec`, `5m`, `{user.team}` and bare words outside ASCII are written in quotes.",
    ),
    entry(
        Code::GP105,
        Level::Error,
        "Keyword without `#`",
        "`true`, `false` and `null` are written `#true`, `#false`, `#null`.",
    ),
    entry(
        Code::GP106,
        Level::Error,
        "Forbidden character",
        "Brackets and backslashes outside strings, type marks other than (re) and (quantity), control, bidirectional and invisible characters anywhere.",
    ),
    entry(
        Code::GP107,
        Level::Error,
        "KDL outside the profile",
        "Floating point numbers, nested comments, misplaced `/-`, a property given twice.",
    ),
    entry(
        Code::GP108,
        Level::Error,
        "Bundle needs a newer gateway",
        "`format` or `requires-gateway` ask for more than this version has. Nothing else is reported, because everything else would follow from it.",
    ),
    entry(
        Code::GP109,
        Level::Error,
        "Known, not implemented yet",
        "A word of the language that this version of countersign does not implement. It is refused, never ignored.",
    ),
    entry(
        Code::GP201,
        Level::Error,
        "Unknown line",
        "A word that does not belong here, with the nearest word that does.",
    ),
    entry(
        Code::GP202,
        Level::Error,
        "Unknown property",
        "A property that does not belong on this line.",
    ),
    entry(
        Code::GP203,
        Level::Error,
        "Wrong number of values",
        "A value is missing or too many stand on the line.",
    ),
    entry(
        Code::GP204,
        Level::Error,
        "Wrong kind of value",
        "A value that is not of the form the line needs.",
    ),
    entry(
        Code::GP205,
        Level::Error,
        "Line given twice",
        "The line may occur once in its block.",
    ),
    entry(
        Code::GP206,
        Level::Error,
        "Line or property missing",
        "The block is not complete without it.",
    ),
    entry(
        Code::GP207,
        Level::Error,
        "Value that looks like the next line",
        "Two lines stand on one line without `;` between them.",
    ),
    entry(
        Code::GP208,
        Level::Error,
        "Block where none belongs, or missing",
        "The line has no block, or needs one.",
    ),
    entry(
        Code::GP209,
        Level::Error,
        "Not allowed here",
        "The line contradicts its rule: `expires` on a deny, shadow without `until`, `in` beside `urls`, a value out of range.",
    ),
    entry(
        Code::GP301,
        Level::Error,
        "Name given twice",
        "Two rules, issuers, groups, identities, sets, clusters, masks, keys, subjects or suites have the same name.",
    ),
    entry(
        Code::GP302,
        Level::Error,
        "Undefined set or schedule",
        "`\"@name\"` without a set of that kind.",
    ),
    entry(
        Code::GP303,
        Level::Warning,
        "User, group or attribute that nobody gives",
        "No issuer of the bundle can give such a user, group or attribute, and no `group` block has the name. A client certificate or static token of the gateway's configuration may.",
    ),
    entry(
        Code::GP304,
        Level::Error,
        "Undefined identity",
        "No `identity` block has the name.",
    ),
    entry(
        Code::GP305,
        Level::Error,
        "Undefined team",
        "Reserved: teams are defined by `trust.kdl`, which is not implemented yet, so this version never reports it.",
    ),
    entry(
        Code::GP306,
        Level::Error,
        "Undefined cluster",
        "No `cluster` line of `bundle.kdl` has the name.",
    ),
    entry(
        Code::GP307,
        Level::Error,
        "Sets that include one another",
        "A set reaches itself through `\"@…\"`, or more than seven sets stand inside one another.",
    ),
    entry(
        Code::GP308,
        Level::Error,
        "Undefined issuer",
        "No `issuer` block has the name.",
    ),
    entry(
        Code::GP309,
        Level::Error,
        "Undefined subject, rule, fixture, mask or key",
        "A test names a subject, a rule or a file that does not exist; a rule or test a mask, or a mask an `hmac-key`, that is not defined.",
    ),
    entry(
        Code::GP311,
        Level::Error,
        "Two issuers can produce one user or group",
        "Prefixes do not keep the issuers apart, or one token could match two issuer blocks.",
    ),
    entry(
        Code::GP401,
        Level::Error,
        "Rule can never match",
        "No cluster has the name or label, no issuer gives the user or group, the verb does not exist for the resource, a line selects nothing.",
    ),
    entry(
        Code::GP402,
        Level::Warning,
        "Resource is not known",
        "No built-in resource has this name and it has no API group; likely a typo. No schema is pinned in this version.",
    ),
    entry(
        Code::GP403,
        Level::Warning,
        "Allow without effect",
        "An unconditional deny covers everything the allow grants.",
    ),
    entry(
        Code::GP406,
        Level::Error,
        "Mask path that cannot exist",
        "None of the built-in kinds its `for` names has such a field, or a list or value stands where the path goes on. Custom kinds are not judged.",
    ),
    entry(
        Code::GP408,
        Level::Warning,
        "Mask that cannot do what it says",
        "A mask with paths alone on a log or session, a detector on a field that holds no text or on a port or proxy, whose bytes nobody can read, a mask for other resources than its rule's, `hash` shown to callers who may write the kind and so can guess values.",
    ),
    entry(
        Code::GP501,
        Level::Warning,
        "Very wide allow",
        "`on \"*\"` or `\"*/*\"`, `can all`, or `in \"*\"` with a write.",
    ),
    entry(
        Code::GP502,
        Level::Warning,
        "Allow touches escalation, nodes or exec",
        "A write, connect or impersonate on `@escalation`, `@node-level` or `@exec-like`. Approvals are not implemented yet, so nobody is asked.",
    ),
    entry(
        Code::GP503,
        Level::Warning,
        "Allow gives secrets in clear",
        "A read on `@secret-like`, or a write, which answers with the whole object, without a mask on it in the rule or in a `require` that always matches with it.",
    ),
    entry(
        Code::GP504,
        Level::Warning,
        "Expired or about to expire",
        "An `expires` that has passed or lies less than 14 days ahead, a shadow or off whose `until` has passed, a silencer that has expired.",
    ),
    entry(
        Code::GP505,
        Level::Warning,
        "Review overdue",
        "`review-by` has passed. Enforcement does not change.",
    ),
    entry(
        Code::GP507,
        Level::Warning,
        "Look-alike name",
        "A name mixes scripts, or reads like another one.",
    ),
    entry(
        Code::GP508,
        Level::Warning,
        "Silencer without effect",
        "A `// countersign: allow` comment that silences nothing, or that cannot be read.",
    ),
    entry(
        Code::GP601,
        Level::Warning,
        "Rule not proved by a test",
        "No test would fail without the rule.",
    ),
    entry(
        Code::GP602,
        Level::Error,
        "Failing test",
        "A test of the bundle does not give what it expects.",
    ),
];
