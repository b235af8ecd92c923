//! `allow`, `deny`, `require`, `defaults`.

use std::collections::BTreeMap;

use super::Draft;
use super::resolve::{Space, Target};
use crate::diagnostic::{Code, Finding};
use crate::model::{
    ClusterSelector, Disclose, Effect, Location, Mode, Namespaces, Obligation, On, RecordLevel,
    Rule, Severity,
};
use crate::source::{Node, Value};

/// Lines that demand something; those of later versions count too, so that a rule that uses one is
/// not also said to have none.
const OBLIGATION_LINES: &[&str] = &[
    "record",
    "reason",
    "session-limit",
    "approval",
    "mask",
    "budget",
];

/// Lines whose places are kept for explain and findings.
const KEPT_LINES: &[&str] = &[
    "who",
    "can",
    "on",
    "urls",
    "in",
    "named",
    "clusters",
    "from",
    "during",
    "outside",
    "mode",
    "expires",
    "review-by",
    "record",
    "reason",
    "session-limit",
    "mask",
    "owner",
];

/// BOUND: a session limit; a longer one is none.
const SESSION_SECONDS_MAX: u64 = 7 * 86_400;

/// The `defaults` block of a file.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    owner: Option<String>,
    severity: Option<Severity>,
}

impl Defaults {
    pub(super) fn of(nodes: &[Node]) -> Self {
        let Some(node) = nodes.iter().find(|node| node.word == "defaults") else {
            return Self::default();
        };
        let text = |word: &str| node.line(word).and_then(|line| line.text(0));
        Self {
            owner: text("owner").map(str::to_owned),
            severity: text("severity").and_then(severity),
        }
    }
}

impl Draft<'_> {
    pub(super) fn rule(&mut self, node: &Node, defaults: &Defaults) -> Option<()> {
        let id = self.define(Space::Rule, node)?;
        let effect = match node.word.as_str() {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            "require" => Effect::Require,
            _ => return None,
        };
        self.check_lines(node, effect);
        let text = |word: &str| node.line(word).and_then(|line| line.text(0));
        let owner = self.owner(node, defaults);
        let limits = self.limits(node);
        let on = self.on(node);
        let who = node.line("who").map(|block| self.who(block));
        let obligations = self.obligations(node);
        let mode = self.mode(node);
        let limits = limits?;
        self.bundle.rules.push(Rule {
            id,
            effect,
            why: text("why")?.to_owned(),
            owner: owner?,
            severity: text("severity")
                .and_then(severity)
                .or(defaults.severity)
                .unwrap_or(Severity::Medium),
            ticket: text("ticket").map(str::to_owned),
            review_by: date(node, "review-by"),
            expires: date(node, "expires"),
            mode: mode?,
            message: text("message").map(str::to_owned),
            disclose: disclose(text("disclose")),
            who: present(who)?,
            can: limits.can,
            on: on?,
            namespaces: limits.namespaces,
            named: limits.named,
            clusters: limits.clusters,
            from: limits.from,
            during: limits.during,
            outside: limits.outside,
            obligations: obligations?,
            location: node.location.clone(),
            lines: places(node),
        });
        Some(())
    }

    fn check_lines(&mut self, node: &Node, effect: Effect) {
        let has = |word: &str| node.line(word).is_some();
        let at = |word: &str| {
            node.line(word)
                .map_or(&node.word_at, |line| &line.word_at)
                .clone()
        };
        if has("on") && has("urls") {
            let help = "write two rules: one for resources, one for urls";
            self.refuse("`on` and `urls` in one rule", &at("urls"), help);
        }
        if has("urls") && has("in") {
            let help = "urls have no namespace; remove `in`";
            self.refuse("`in` beside `urls`", &at("in"), help);
        }
        if has("urls") && has("mask") {
            let help = "masks are for resources; remove `mask`";
            self.refuse("`mask` beside `urls`", &at("mask"), help);
        }
        if has("urls") && has("named") {
            self.refuse(
                "`named` beside `urls`",
                &at("named"),
                "urls have no object name; remove it",
            );
        }
        if effect != Effect::Allow && has("expires") {
            let help = "a deny or require must not vanish because a date passed; use `review-by`";
            self.refuse("`expires` outside an `allow`", &at("expires"), help);
        }
        match effect {
            Effect::Allow => self.check_allow(node),
            Effect::Deny => {}
            Effect::Require => {
                if !OBLIGATION_LINES.iter().any(|word| has(word)) {
                    self.missing(
                        node,
                        "obligation",
                        "add `mask`, `record`, `reason` or `session-limit`",
                    );
                }
            }
        }
    }

    /// An allow says everything it grants: a line left out would mean "everything".
    fn check_allow(&mut self, node: &Node) {
        let has = |word: &str| node.line(word).is_some();
        if !has("who") {
            self.missing(
                node,
                "line `who`",
                "add `who { … }`; write `who { anyone }` if you mean it",
            );
        }
        if !has("can") {
            self.missing(node, "line `can`", "add `can read` or the verbs it grants");
        }
        if !has("on") && !has("urls") {
            self.missing(
                node,
                "line `on`",
                "add `on \"pods\"` or `urls \"/metrics\"`",
            );
        }
        if has("on") && !has("in") {
            let help =
                "add `in \"shop\"`; \"*\" is every namespace, \"@cluster\" objects without one";
            self.missing(node, "line `in`", help);
        }
    }

    fn missing(&mut self, node: &Node, what: &str, help: &str) {
        let name = node.text(0).unwrap_or_default();
        let message = format!("{} `{name}` has no {what}", node.word);
        self.report
            .add(Finding::new(Code::GP206, message, node.word_at.clone()).help(help));
    }

    fn owner(&mut self, node: &Node, defaults: &Defaults) -> Option<String> {
        let own = node
            .line("owner")
            .and_then(|line| line.text(0))
            .map(str::to_owned);
        let owner = own.or_else(|| defaults.owner.clone());
        if owner.is_none() && node.line("owner").is_none() {
            let help = "add `owner \"team\"`, or `defaults { owner \"team\" }` to the file";
            self.missing(node, "line `owner`", help);
        }
        owner
    }

    fn mode(&mut self, node: &Node) -> Option<Mode> {
        let Some(line) = node.line("mode") else {
            return Some(Mode::Enforce);
        };
        let until = line.property("until");
        let word = line.text(0)?;
        match (word, until) {
            ("enforce", None) => Some(Mode::Enforce),
            ("enforce", Some(_)) => {
                let help = "a rule is enforced without end; remove `until=`";
                self.refuse("`mode enforce` with `until=`", &line.location, help);
                None
            }
            ("shadow", Some(until)) => until.instant().map(Mode::Shadow),
            ("off", Some(until)) => until.instant().map(Mode::Off),
            (_, None) => {
                let help = format!("add `until=\"2027-01-31\"`, the day on which `{word}` ends");
                self.refuse(
                    format!("`mode {word}` without `until=`"),
                    &line.location,
                    &help,
                );
                None
            }
            (_, Some(_)) => None,
        }
    }

    fn on(&mut self, node: &Node) -> Option<On> {
        match (node.line("on"), node.line("urls")) {
            (Some(line), _) => {
                let terms = self.resource_terms(&line.values)?;
                self.has_include(terms.include.is_empty(), line)?;
                Some(On::Resources(terms))
            }
            (None, Some(line)) => {
                let terms = self.pattern_terms(&line.values, Target::UrlSet)?;
                self.has_include(terms.include.is_empty(), line)?;
                Some(On::Urls(terms))
            }
            (None, None) => Some(On::Everything),
        }
    }

    pub(super) fn has_include(&mut self, empty: bool, line: &Node) -> Option<()> {
        if empty && line.values.is_empty() {
            return None;
        }
        if empty {
            let help = "write what it is taken out of first, such as \"*\" \"!x\"";
            self.refuse(
                format!("`{}` only takes out", line.word),
                &line.location,
                help,
            );
            return None;
        }
        Some(())
    }

    fn namespaces(&mut self, line: &Node) -> Option<Namespaces> {
        let is_cluster = |value: &&Value| value.text() == Some("@cluster");
        let cluster_scoped = line.values.iter().any(|value| is_cluster(&value));
        if let Some(value) = line
            .values
            .iter()
            .find(|value| value.text() == Some("!@cluster"))
        {
            let help = "leave \"@cluster\" out instead";
            self.refuse("`!@cluster`", &value.location, help);
            return None;
        }
        let rest: Vec<Value> = line
            .values
            .iter()
            .filter(|value| !is_cluster(value))
            .cloned()
            .collect();
        let names = self.pattern_terms(&rest, Target::NamespaceSet)?;
        if !cluster_scoped || !names.exclude.is_empty() {
            self.has_include(names.include.is_empty(), line)?;
        }
        Some(Namespaces {
            names,
            cluster_scoped,
        })
    }

    fn limits(&mut self, node: &Node) -> Option<Limits> {
        let can = node.line("can").map(|line| {
            let terms = self.verb_terms(&line.values)?;
            self.has_include(terms.include.is_empty(), line)?;
            Some(terms)
        });
        let namespaces = node.line("in").map(|line| self.namespaces(line));
        let named = node.line("named").map(|line| {
            let terms = self.pattern_terms(&line.values, Target::NameSet)?;
            self.has_include(terms.include.is_empty(), line)?;
            Some(terms)
        });
        let from = node.line("from").map(|line| {
            let terms = self.network_terms(&line.values)?;
            self.has_include(terms.include.is_empty(), line)?;
            Some(terms)
        });
        let clusters = node.line("clusters").map(|line| self.clusters(line));
        let during = node.line("during").map(|line| self.schedules(line));
        let outside = node.line("outside").map(|line| self.schedules(line));
        Some(Limits {
            can: present(can)?,
            namespaces: present(namespaces)?,
            named: present(named)?,
            from: present(from)?,
            clusters: present(clusters)?.unwrap_or_default(),
            during: present(during)?,
            outside: present(outside)?,
        })
    }

    fn clusters(&mut self, line: &Node) -> Option<Vec<ClusterSelector>> {
        if line.values.is_empty() && line.properties.is_empty() {
            let help = "write names or labels: `clusters \"prod-*\" env=\"prod\"`";
            self.refuse("`clusters` without values", &line.location, help);
            return None;
        }
        let mut selectors = Vec::new();
        if !line.values.is_empty() {
            selectors.push(ClusterSelector::Named(self.plain_patterns(&line.values)?));
        }
        for label in &line.properties {
            let pattern = self.pattern(&label.value)?;
            selectors.push(ClusterSelector::Labelled(label.name.clone(), pattern));
        }
        Some(selectors)
    }

    fn schedules(&mut self, line: &Node) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for value in &line.values {
            let name = value.text()?.strip_prefix('@')?;
            self.refer(Target::Schedule, name, &value.location);
            names.push(name.to_owned());
        }
        Some(names)
    }

    fn obligations(&mut self, node: &Node) -> Option<Vec<Obligation>> {
        let mut obligations = Vec::new();
        if node.line("record").and_then(|line| line.text(0)) == Some("metadata") {
            obligations.push(Obligation::Record(RecordLevel::Metadata));
        }
        if let Some(line) = node.line("reason") {
            let min = line.property("min").and_then(Value::integer).unwrap_or(1);
            if let Some(ticket) = line.property("ticket") {
                self.expression(ticket)?;
            }
            obligations.push(Obligation::Reason {
                min: u32::try_from(min).ok()?,
                ticket: line.property_text("ticket").map(str::to_owned),
            });
        }
        if let Some(line) = node.line("session-limit") {
            let seconds = line.duration(0)?.as_secs();
            if seconds == 0 || seconds > SESSION_SECONDS_MAX {
                self.refuse(
                    "session limit out of range",
                    &line.location,
                    "write \"1s\" to \"7d\"",
                );
                return None;
            }
            obligations.push(Obligation::SessionLimit(seconds));
        }
        if let Some(line) = node.line("mask") {
            obligations.push(Obligation::Mask(self.mask_names(line)?));
        }
        Some(obligations)
    }
}

/// Lines that narrow a rule.
struct Limits {
    can: Option<crate::model::Terms<crate::model::VerbTerm>>,
    namespaces: Option<Namespaces>,
    named: Option<crate::model::Terms<crate::pattern::Pattern>>,
    from: Option<crate::model::Terms<ipnet::IpNet>>,
    clusters: Vec<ClusterSelector>,
    during: Option<Vec<String>>,
    outside: Option<Vec<String>>,
}

/// A line that is there must be readable; one that is not there is no fault.
#[expect(
    clippy::option_option,
    reason = "outer: the line is there; inner: it can be read"
)]
fn present<T>(line: Option<Option<T>>) -> Option<Option<T>> {
    match line {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn severity(text: &str) -> Option<Severity> {
    match text {
        "low" => Some(Severity::Low),
        "medium" => Some(Severity::Medium),
        "high" => Some(Severity::High),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}

fn disclose(text: Option<&str>) -> Disclose {
    match text {
        Some("id") => Disclose::Id,
        Some("none") => Disclose::None,
        // Any other word is already an error.
        Some(_) | None => Disclose::Message,
    }
}

fn date(node: &Node, word: &str) -> Option<jiff::Timestamp> {
    node.line(word)?.values.first()?.date_end()
}

fn places(node: &Node) -> BTreeMap<&'static str, Location> {
    let kept = KEPT_LINES.iter().copied();
    kept.filter_map(|word| Some((word, node.line(word)?.location.clone())))
        .collect()
}
