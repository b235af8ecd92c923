//! Bundles that use everything the language has, from a vocabulary so small that rules collide.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use gateway_kubeapi::{Attributes, Caller, CallerKind, Delegation, NameScope, NamespaceScope};
use gateway_kubeapi::{ResourceId, Target, UserInfo, Verb};
use jiff::Timestamp;
use jiff::civil::{Weekday, time};
use jiff::tz::TimeZone;

use super::{Draw, empty_bundle, nowhere, plain_rule, values};
use crate::model::{Bundle, ClusterSelector, Disclose, Effect, Group, Identity, Mode, Namespaces};
use crate::model::{Mask, MaskPart, MaskStrategy, MaskedPath, WriteBack};
use crate::model::{Obligation, On, RecordLevel, ResourcePattern, Rule, Schedule, Severity, Term};
use crate::model::{Terms, VerbTerm, Weekly, Who};
use crate::pattern::Pattern;

const NAMESPACES: &[&str] = &[
    "shop",
    "shop-a",
    "shop-z",
    "bank",
    "kube-system",
    "other",
    "shop-ab",
    "shoe",
];
const NAMESPACE_PATTERNS: &[&str] = &[
    "shop",
    "shop-a",
    "bank",
    "*",
    "shop-*",
    "*-a",
    "?ank",
    "{user.team}",
    "{user.team}-*",
    "re:shop-[a-z]+",
    "re:.*",
    "kube-system",
    "shop-a*",
    "sho*",
];
const NAMES: &[&str] = &["db", "web", "web-1", "shop-db", "x"];
const NAME_PREFIXES: &[&str] = &["web-", "w", "", "shop-"];
const NAME_PATTERNS: &[&str] = &[
    "db",
    "web",
    "*",
    "web-*",
    "w?b",
    "{user.team}-*",
    "re:web-[0-9]*",
    "re:web-.*",
    "?*",
];
const URLS: &[&str] = &["/metrics", "/api", "/api/v1", "/healthz", "/shop"];
const URL_PATTERNS: &[&str] = &["/metrics", "/api*", "*", "/{user.team}", "re:/[a-z]+"];
const RESOURCES: &[(&str, &str, &str)] = &[
    ("", "pods", ""),
    ("", "pods", "log"),
    ("", "pods", "exec"),
    ("apps", "deployments", ""),
    ("apps", "deployments", "scale"),
    ("", "secrets", ""),
    ("", "nodes", ""),
    ("", "nodes", "proxy"),
    ("", "events", ""),
    ("example.com", "widgets", ""),
    ("example.com", "gadgets", "status"),
];
/// Group (`-` for any), resource, subresource (`-` for none).
const RESOURCE_PATTERNS: &[(&str, &str, &str)] = &[
    ("", "pods", "-"),
    ("", "pods", "log"),
    ("", "pods", "*"),
    ("apps", "deployments", "-"),
    ("apps", "deployments", "scale"),
    ("", "secrets", "-"),
    ("", "nodes", "*"),
    ("", "nodes", "-"),
    ("events.k8s.io", "events", "-"),
    ("-", "*", "-"),
    ("-", "*", "*"),
    ("-", "*", "log"),
    ("apps", "*", "-"),
    ("*.com", "*", "-"),
    ("example.com", "wid*", "-"),
];
const USERS: &[&str] = &["ana", "agent:sre", "bot", "kim"];
const USER_PATTERNS: &[&str] = &["ana", "agent:*", "bot", "{user.team}", "*"];
const GROUPS: &[&str] = &["g1", "g2", "g3x", "g4"];
/// `sre` and `dev` are blocks.
const GROUP_PATTERNS: &[&str] = &["sre", "dev", "g4", "g*", "{user.team}", "none"];
const IDENTITIES: &[&str] = &["sre-agent", "either", "loop", "sre-*", "nobody"];
const ISSUERS: &[&str] = &["corp", "agents", "ci"];
const TEAMS: &[&str] = &["shop", "bank", ""];
const SOURCES: &[&str] = &[
    "203.0.113.9",
    "198.51.100.1",
    "2001:db8::5",
    "::ffff:203.0.113.9",
];
const NETWORKS: &[&str] = &[
    "203.0.113.0/24",
    "0.0.0.0/0",
    "2001:db8::/32",
    "203.0.113.9/32",
];
/// Two of the bundle's own, for different resources.
const MASKS: &[&str] = &["pods", "secrets"];
const MASK_NAMES: &[&str] = &["pods", "secrets", "@secret-like"];
const INSTANTS: &[&str] = &[
    "2026-11-18T10:00:00Z",
    "2026-11-18T23:30:00Z",
    "2026-11-21T03:00:00Z",
    "2026-12-24T09:00:00Z",
    "2027-03-28T01:30:00Z",
];

/// A bundle, with a caller and a request that are likely to meet its rules.
#[derive(Debug, Clone)]
pub struct Wild {
    /// The bundle.
    pub bundle: Bundle,
    /// The caller.
    pub caller: Caller,
    /// The request.
    pub attributes: Attributes,
    /// The instant.
    pub at: Timestamp,
}

impl Wild {
    /// All of it from one seed, with so many rules.
    #[must_use]
    pub fn new(seed: u64, rules: usize) -> Self {
        let mut draw = Draw::new(seed);
        Self {
            bundle: wild_bundle(&mut draw, rules),
            caller: wild_caller(&mut draw),
            attributes: wild_request(&mut draw),
            at: instant(&mut draw),
        }
    }

    /// Another caller, request and instant.
    pub fn redraw(&mut self, draw: &mut Draw) {
        self.caller = wild_caller(draw);
        self.attributes = wild_request(draw);
        self.at = instant(draw);
    }
}

/// A bundle with sets, groups and identities, some of them broken, and so many rules.
#[must_use]
pub fn wild_bundle(draw: &mut Draw, rules: usize) -> Bundle {
    let mut bundle = empty_bundle();
    bundle.groups = vec![group("sre", &["g1", "g2"]), group("dev", &["g3*"])];
    bundle.identities = vec![
        identity(
            "sre-agent",
            vec![
                Who::Issuer(vec!["agents".to_owned()]),
                Who::User(vec![pattern("agent:*")]),
            ],
        ),
        identity(
            "either",
            vec![Who::Any(vec![
                Who::Group(vec![pattern("sre")]),
                Who::Attribute("team".to_owned(), vec![pattern("bank")]),
            ])],
        ),
        identity("loop", vec![Who::Identity(vec![pattern("loop")])]),
    ];
    bundle.namespace_sets = namespace_sets();
    bundle.resource_sets = BTreeMap::from([(
        "things".to_owned(),
        Terms {
            include: vec![Term::Value(resource(&("-", "*", "-")))],
            exclude: vec![Term::Value(resource(&("", "pods", "-")))],
        },
    )]);
    bundle.verb_sets = BTreeMap::from([(
        "look".to_owned(),
        Terms {
            include: vec![Term::Value(VerbTerm::Read)],
            exclude: vec![Term::Value(VerbTerm::One(Verb::Watch))],
        },
    )]);
    bundle.cidr_sets = BTreeMap::from([(
        "offices".to_owned(),
        values(NETWORKS.iter().take(1).filter_map(net)),
    )]);
    bundle.schedules = BTreeMap::from([("work".to_owned(), work()), ("night".to_owned(), night())]);
    bundle.masks = MASKS
        .iter()
        .map(|name| ((*name).to_owned(), mask(name)))
        .collect();
    bundle.rules = (0..rules)
        .map(|number| wild_rule(draw, &format!("rule-{number:03}")))
        .collect();
    bundle
}

fn namespace_sets() -> BTreeMap<String, Terms<Pattern>> {
    BTreeMap::from([
        (
            "platform".to_owned(),
            values([pattern("kube-*"), pattern("bank")]),
        ),
        (
            "apps".to_owned(),
            Terms {
                include: vec![Term::Value(pattern("*"))],
                exclude: vec![Term::Set("platform".to_owned())],
            },
        ),
        (
            "empty".to_owned(),
            Terms {
                include: vec![Term::Value(pattern("shop"))],
                exclude: vec![Term::Value(pattern("*"))],
            },
        ),
        (
            "round".to_owned(),
            Terms {
                include: vec![Term::Set("round".to_owned())],
                exclude: Vec::new(),
            },
        ),
    ])
}

/// One rule. Allows are wider than chance would have it, or hardly anything were allowed.
#[must_use]
pub fn wild_rule(draw: &mut Draw, id: &str) -> Rule {
    let effect = match draw.below(10) {
        0..6 => Effect::Allow,
        6..8 => Effect::Deny,
        _ => Effect::Require,
    };
    let mut rule = plain_rule(id, effect);
    rule.severity = match draw.below(4) {
        0 => Severity::Low,
        1 => Severity::Medium,
        2 => Severity::High,
        _ => Severity::Critical,
    };
    rule.disclose = match draw.below(5) {
        0 => Disclose::None,
        1 => Disclose::Id,
        _ => Disclose::Message,
    };
    rule.message = draw.percent(50).then(|| format!("message of {id}"));
    let written = |draw: &mut Draw| draw.percent(50);
    rule.who = written(draw).then(|| who_lines(draw, 2));
    rule.can = written(draw).then(|| terms(draw, &["look", "gone"], verb_term));
    rule.on = wild_on(draw);
    rule.namespaces = written(draw).then(|| Namespaces {
        names: terms(
            draw,
            &["platform", "apps", "empty", "round", "gone"],
            |draw| pattern(draw.pick(NAMESPACE_PATTERNS)),
        ),
        cluster_scoped: draw.percent(40),
    });
    rule.named = draw
        .percent(25)
        .then(|| terms(draw, &[], |draw| pattern(draw.pick(NAME_PATTERNS))));
    limits(draw, &mut rule);
    rule.obligations = match effect {
        Effect::Deny => Vec::new(),
        Effect::Allow => {
            let count = draw.below(2);
            draw.several(count, obligation)
        }
        Effect::Require => {
            let count = 1 + draw.below(2);
            draw.several(count, obligation)
        }
    };
    rule
}

fn wild_on(draw: &mut Draw) -> On {
    match draw.below(10) {
        0..7 => On::Resources(terms(
            draw,
            &["things", "workloads", "node-level", "gone"],
            |draw| resource(&draw.pick(RESOURCE_PATTERNS)),
        )),
        7 => On::Urls(terms(draw, &["discovery", "gone"], |draw| {
            pattern(draw.pick(URL_PATTERNS))
        })),
        _ => On::Everything,
    }
}

fn limits(draw: &mut Draw, rule: &mut Rule) {
    if draw.percent(15) {
        rule.clusters = vec![match draw.below(4) {
            0 => ClusterSelector::Named(vec![pattern("prod-*")]),
            1 => ClusterSelector::Named(vec![pattern("{user.team}")]),
            2 => ClusterSelector::Labelled("env".to_owned(), pattern("prod")),
            _ => ClusterSelector::Labelled("region".to_owned(), pattern("eu")),
        }];
    }
    rule.from = draw.percent(15).then(|| {
        terms(draw, &["offices", "gone"], |draw| {
            net(&draw.pick(NETWORKS)).unwrap_or_default()
        })
    });
    let schedules = |draw: &mut Draw| vec![draw.pick(&["work", "night", "gone"]).to_owned()];
    rule.during = draw.percent(15).then(|| schedules(draw));
    rule.outside = draw.percent(15).then(|| schedules(draw));
    rule.expires = draw.percent(15).then(|| instant(draw));
    rule.mode = match draw.below(10) {
        0 => Mode::Shadow(instant(draw)),
        1 => Mode::Off(instant(draw)),
        _ => Mode::Enforce,
    };
}

fn who_lines(draw: &mut Draw, depth: usize) -> Vec<Who> {
    let count = 1 + draw.below(2);
    draw.several(count, |draw| who_line(draw, depth))
}

fn who_line(draw: &mut Draw, depth: usize) -> Who {
    let patterns = |draw: &mut Draw, texts: &[&'static str]| {
        let count = 1 + draw.below(2);
        draw.several(count, |draw| pattern(draw.pick(texts)))
    };
    match draw.below(if depth == 0 { 7 } else { 10 }) {
        0 => Who::Identity(patterns(draw, IDENTITIES)),
        1 => Who::Group(patterns(draw, GROUP_PATTERNS)),
        2 => Who::User(patterns(draw, USER_PATTERNS)),
        3 => Who::Kind(vec![kind(draw)]),
        4 => Who::Issuer(vec![draw.pick(ISSUERS).to_owned()]),
        5 => Who::Attribute(
            "team".to_owned(),
            patterns(draw, &["shop", "b*", "{user.team}"]),
        ),
        6 => Who::Anyone,
        7 => Who::Any(who_lines(draw, depth - 1)),
        8 => Who::Not(who_lines(draw, depth - 1)),
        _ => Who::ActingFor(who_lines(draw, depth - 1)),
    }
}

fn terms<T>(
    draw: &mut Draw,
    sets: &[&'static str],
    mut value: impl FnMut(&mut Draw) -> T,
) -> Terms<T> {
    let mut term = |draw: &mut Draw| {
        if !sets.is_empty() && draw.percent(25) {
            Term::Set(draw.pick(sets).to_owned())
        } else {
            Term::Value(value(draw))
        }
    };
    let (included, excluded) = (1 + draw.below(3), draw.below(6).saturating_sub(4));
    Terms {
        include: draw.several(included, &mut term),
        exclude: draw.several(excluded, &mut term),
    }
}

fn verb_term(draw: &mut Draw) -> VerbTerm {
    match draw.below(6) {
        0 => VerbTerm::Read,
        1 => VerbTerm::Write,
        2 => VerbTerm::All,
        _ => VerbTerm::One(verb(draw)),
    }
}

fn verb(draw: &mut Draw) -> Verb {
    Verb::ALL
        .get(draw.below(Verb::ALL.len()))
        .copied()
        .unwrap_or(Verb::Get)
}

fn kind(draw: &mut Draw) -> CallerKind {
    match draw.below(4) {
        0 => CallerKind::Human,
        1 => CallerKind::Service,
        2 => CallerKind::Agent,
        _ => CallerKind::Legacy,
    }
}

fn mask(resource_name: &str) -> Mask {
    let path = MaskedPath {
        path: gateway_masking::FieldPath::root(),
        strategy: MaskStrategy::Redact,
        location: nowhere(),
    };
    Mask {
        parts: vec![MaskPart {
            resources: values([resource(&("", resource_name, "-"))]),
            paths: vec![path],
            detections: Vec::new(),
            location: nowhere(),
        }],
        write_back: WriteBack::Refuse,
        location: nowhere(),
    }
}

fn obligation(draw: &mut Draw) -> Obligation {
    match draw.below(5) {
        0 => Obligation::Record(RecordLevel::Metadata),
        1 => Obligation::SessionLimit(60 * (1 + draw.below(4) as u64)),
        2 => Obligation::Reason {
            min: 0,
            ticket: None,
        },
        3 => {
            let count = 1 + draw.below(2);
            Obligation::Mask(draw.several(count, |draw| draw.pick(MASK_NAMES).to_owned()))
        }
        _ => Obligation::Reason {
            min: 10,
            ticket: Some(draw.pick(&["INC-[0-9]+", "CHG-[0-9]+"]).to_owned()),
        },
    }
}

/// A caller with any identity the vocabulary has, now and then acting for others.
#[must_use]
pub fn wild_caller(draw: &mut Draw) -> Caller {
    let mut caller = single_caller(draw);
    let mut behind = None;
    for _ in 0..draw.below(9).saturating_sub(4) {
        let principal = Caller {
            acting_for: behind.take(),
            ..single_caller(draw)
        };
        behind = Some(Box::new(principal));
    }
    caller.acting_for = behind;
    caller
}

fn single_caller(draw: &mut Draw) -> Caller {
    let groups = draw.below(3);
    let mut attributes = BTreeMap::new();
    if draw.percent(80) {
        let count = draw.below(3);
        let teams = draw.several(count, |draw| draw.pick(TEAMS).to_owned());
        attributes.insert("team".to_owned(), teams);
    }
    Caller {
        issuer: draw.pick(ISSUERS).to_owned(),
        user: UserInfo {
            username: draw.pick(USERS).to_owned(),
            groups: draw.several(groups, |draw| draw.pick(GROUPS).to_owned()),
            ..UserInfo::default()
        },
        kind: kind(draw),
        attributes,
        acting_for: None,
        delegation: if draw.percent(70) {
            Delegation::Both
        } else {
            Delegation::Agent
        },
        expires_at: None,
        credential_id: None,
    }
}

/// A request for any resource or path the vocabulary has.
#[must_use]
pub fn wild_request(draw: &mut Draw) -> Attributes {
    let verb = verb(draw);
    let source: Option<IpAddr> = draw
        .percent(80)
        .then(|| draw.pick(SOURCES).parse().ok())
        .flatten();
    if draw.percent(15) {
        return Attributes {
            verb,
            target: Target::Url(draw.pick(URLS).to_owned()),
            namespace: NamespaceScope::Cluster,
            name: NameScope::Any,
            label_selector: Vec::new(),
            source,
        };
    }
    let (group, resource, subresource) = draw.pick(RESOURCES);
    Attributes {
        verb,
        target: Target::Resource(ResourceId {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
        }),
        namespace: match draw.below(10) {
            0..6 => NamespaceScope::One(draw.pick(NAMESPACES).to_owned()),
            6 | 7 => NamespaceScope::Every,
            8 => NamespaceScope::Cluster,
            _ => NamespaceScope::EveryOrCluster,
        },
        name: match draw.below(5) {
            0..3 => NameScope::One(draw.pick(NAMES).to_owned()),
            3 => NameScope::Prefix(draw.pick(NAME_PREFIXES).to_owned()),
            _ => NameScope::Any,
        },
        label_selector: Vec::new(),
        source,
    }
}

fn instant(draw: &mut Draw) -> Timestamp {
    draw.pick(INSTANTS).parse().unwrap_or_default()
}

/// A pattern of the vocabulary; `re:` marks an expression. Expressions are compiled once: they are
/// by far the costliest part of a generated bundle.
fn pattern(text: &str) -> Pattern {
    let parsed = match text.strip_prefix("re:") {
        Some(expression) => EXPRESSIONS
            .iter()
            .find(|own| own.as_str() == expression)
            .map_or_else(|| Pattern::regex(expression), |own| Ok(own.clone())),
        None => Pattern::glob(text),
    };
    parsed.unwrap_or_else(|_fault| Pattern::literal(text))
}

static EXPRESSIONS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let vocabulary = NAMESPACE_PATTERNS
        .iter()
        .chain(NAME_PATTERNS)
        .chain(URL_PATTERNS);
    let written = vocabulary.filter_map(|text| text.strip_prefix("re:"));
    written
        .filter_map(|text| Pattern::regex(text).ok())
        .collect()
});

fn resource((group, name, subresource): &(&str, &str, &str)) -> ResourcePattern {
    ResourcePattern {
        group: (*group != "-").then(|| pattern(group)),
        resource: pattern(name),
        subresource: (*subresource != "-").then(|| pattern(subresource)),
    }
}

fn net(text: &&str) -> Option<ipnet::IpNet> {
    text.parse().ok()
}

fn group(name: &str, from: &[&str]) -> Group {
    Group {
        name: name.to_owned(),
        from: from.iter().map(|text| pattern(text)).collect(),
        location: nowhere(),
    }
}

fn identity(name: &str, who: Vec<Who>) -> Identity {
    Identity {
        name: name.to_owned(),
        owner: "platform".to_owned(),
        who,
        location: nowhere(),
    }
}

fn work() -> Schedule {
    let days = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
    ];
    Schedule {
        except_dates: vec![jiff::civil::date(2026, 12, 24)],
        ..schedule("Europe/Berlin", &days, time(8, 0, 0, 0), time(18, 0, 0, 0))
    }
}

fn night() -> Schedule {
    schedule(
        "UTC",
        &[Weekday::Wednesday, Weekday::Friday],
        time(22, 0, 0, 0),
        time(6, 0, 0, 0),
    )
}

fn schedule(
    zone: &str,
    days: &[Weekday],
    from: jiff::civil::Time,
    to: jiff::civil::Time,
) -> Schedule {
    Schedule {
        zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC),
        zone_name: zone.to_owned(),
        weekly: vec![Weekly {
            days: days.to_vec(),
            from,
            to,
        }],
        except_dates: Vec::new(),
        only_dates: Vec::new(),
    }
}
