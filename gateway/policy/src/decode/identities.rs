//! `identities.kdl`: issuers, groups, identities.

use std::collections::BTreeMap;

use gateway_kubeapi::{CallerKind, Delegation};

use super::Draft;
use super::resolve::Space;
use crate::diagnostic::{Code, Finding};
use crate::model::{AttributeMapping, ClaimText, Group, Identity, Issuer};
use crate::pattern::Pattern;
use crate::source::{Node, Value};

/// BOUND: longest life of a token an issuer may be given. A token cannot be called back before its
/// end, so a day is the most.
const TOKEN_AGE_SECONDS_MAX: u64 = 86_400;

impl Draft<'_> {
    pub(super) fn issuer(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Issuer, node)?;
        let username = node.line("username")?;
        let service_accounts = node.line("service-accounts").is_some();
        self.check_prefixes(node, service_accounts);
        let issuer = Issuer {
            name,
            url: self.issuer_url(node)?,
            audiences: node.line("audiences")?.texts(0),
            algorithms: node.line("algorithms")?.texts(0),
            max_token_age_seconds: self.token_age(node.line("max-token-age")?)?,
            kind: CallerKind::parse(node.line("kind")?.text(0)?)?,
            username: self.username(username)?,
            username_verified_by: owned(username, "verified-by"),
            username_prefix: owned(username, "prefix").unwrap_or_default(),
            groups: node.line("groups").and_then(groups),
            uid_claim: node.line("uid").and_then(|line| owned(line, "claim")),
            extra: self.extra(node)?,
            attributes: self.attributes(node)?,
            expect: node
                .lines("expect")
                .map(|line| Some((line.text(0)?.to_owned(), line.text(1)?.to_owned())))
                .collect::<Option<Vec<_>>>()?,
            delegation: delegation(node),
            service_accounts,
            location: node.location.clone(),
        };
        self.bundle.issuers.push(issuer);
        Some(())
    }

    /// The issuer's text is compared with `iss` byte by byte, so only its form is looked at.
    fn issuer_url(&mut self, node: &Node) -> Option<String> {
        let value = node.line("url")?.values.first()?;
        let text = value.text()?;
        let host = text.strip_prefix("https://").unwrap_or_default();
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '\\');
        if host.is_empty() || host.starts_with('/') || !text.chars().all(plain) {
            let finding =
                Finding::new(Code::GP204, "this is no issuer URL", value.location.clone());
            let help = "write the `iss` of its tokens: https, without query and fragment";
            self.report.add(finding.help(help));
            return None;
        }
        Some(text.to_owned())
    }

    fn token_age(&mut self, line: &Node) -> Option<i64> {
        let seconds = line.duration(0)?.as_secs();
        if seconds == 0 || seconds > TOKEN_AGE_SECONDS_MAX {
            self.refuse(
                "token age out of range",
                &line.location,
                "write \"1s\" to \"24h\"",
            );
            return None;
        }
        i64::try_from(seconds).ok()
    }

    fn username(&mut self, line: &Node) -> Option<ClaimText> {
        let (claim, template) = (owned(line, "claim"), owned(line, "template"));
        match (claim, template) {
            (Some(claim), None) => {
                if claim == "email" && line.property("verified-by").is_none() {
                    let help = "add `verified-by=\"email_verified\"`: an unverified address is \
                                whatever its owner typed";
                    self.refuse("`email` without `verified-by=`", &line.location, help);
                }
                Some(ClaimText::Claim(claim))
            }
            (None, Some(template)) => {
                if !is_template(&template) {
                    let help = "write \"gha:{claim.repository}\"";
                    self.refuse(
                        "template without a claim, or with a stray brace",
                        &line.location,
                        help,
                    );
                    return None;
                }
                Some(ClaimText::Template(template))
            }
            (None, None) | (Some(_), Some(_)) => {
                let help = "write either `claim=` or `template=`";
                self.refuse("`username` needs one source", &line.location, help);
                None
            }
        }
    }

    /// `system:` is the API server's own; a caller that could take such a name or group could be
    /// `system:masters` (K-7.2).
    fn check_prefixes(&mut self, node: &Node, service_accounts: bool) {
        if service_accounts {
            return;
        }
        for word in ["username", "groups"] {
            let Some(line) = node.line(word) else {
                continue;
            };
            for source in ["prefix", "template"] {
                let text = line.property_text(source).unwrap_or_default();
                if text.starts_with("system:") {
                    let help = "choose another prefix; `service-accounts` is for Kubernetes tokens";
                    self.refuse("names that begin with `system:`", &line.location, help);
                }
            }
        }
    }

    fn extra(&mut self, node: &Node) -> Option<BTreeMap<String, String>> {
        let mut extra = BTreeMap::new();
        for line in node.lines("extra") {
            let key = line.text(0)?;
            let plain = |c: char| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '/')
            };
            if !key.chars().all(plain) || !key.contains('/') {
                let help = "write a lower-case key below a domain: \"example.com/team\"";
                self.refuse(
                    format!("`{key}` is no key of an extra attribute"),
                    &line.location,
                    help,
                );
                return None;
            }
            if extra
                .insert(key.to_owned(), owned(line, "claim")?)
                .is_some()
            {
                self.refuse(
                    format!("extra `{key}` is given twice"),
                    &line.location,
                    "keep one",
                );
                return None;
            }
        }
        Some(extra)
    }

    fn attributes(&mut self, node: &Node) -> Option<Vec<AttributeMapping>> {
        let mut attributes: Vec<AttributeMapping> = Vec::new();
        for line in node.lines("attr") {
            let name = line.text(0)?.to_owned();
            if attributes.iter().any(|one| one.name == name) {
                self.refuse(
                    format!("attribute `{name}` is given twice"),
                    &line.location,
                    "keep one",
                );
                return None;
            }
            if let Some(value) = line.property("matching") {
                self.expression(value)?;
            }
            let claim = owned(line, "claim")?;
            attributes.push(AttributeMapping {
                name,
                claim,
                matching: owned(line, "matching"),
            });
        }
        Some(attributes)
    }

    /// Makes sure that a text is an expression of the linear-time engine.
    pub(super) fn expression(&mut self, value: &Value) -> Option<()> {
        match Pattern::regex(value.text()?) {
            Ok(_) => Some(()),
            Err(fault) => {
                let finding = Finding::new(Code::GP204, fault.to_string(), value.location.clone());
                self.report.add(finding);
                None
            }
        }
    }

    pub(super) fn group(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Group, node)?;
        let mut from = Vec::new();
        for line in node.lines("from") {
            from.extend(self.plain_patterns(&line.values)?);
        }
        self.bundle.groups.push(Group {
            name,
            from,
            location: node.location.clone(),
        });
        Some(())
    }

    pub(super) fn identity(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Identity, node)?;
        if let Some(line) = find_identity(node) {
            let help = "say who it is by issuer, user, group or attr";
            self.refuse("an identity cannot be made of identities", &line, help);
            return None;
        }
        let owner = node.property_text("owner")?.to_owned();
        let who = self.who(node)?;
        self.bundle.identities.push(Identity {
            name,
            owner,
            who,
            location: node.location.clone(),
        });
        Some(())
    }
}

/// An `identity` line anywhere below.
fn find_identity(node: &Node) -> Option<crate::model::Location> {
    node.below().iter().find_map(|line| {
        if line.word == "identity" {
            Some(line.location.clone())
        } else {
            find_identity(line)
        }
    })
}

fn owned(line: &Node, property: &str) -> Option<String> {
    line.property_text(property).map(str::to_owned)
}

fn groups(line: &Node) -> Option<(String, String)> {
    Some((
        owned(line, "claim")?,
        owned(line, "prefix").unwrap_or_default(),
    ))
}

fn delegation(node: &Node) -> Option<(String, Delegation)> {
    let line = node.line("delegation")?;
    let rule = match line.property_text("rule") {
        Some("agent") => Delegation::Agent,
        Some(_) | None => Delegation::Both,
    };
    Some((owned(line, "claim")?, rule))
}

/// At least one `{claim.x}`, and no other brace.
fn is_template(text: &str) -> bool {
    let mut rest = text;
    let mut claims = 0;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, behind)) = after.split_once('}') else {
            return false;
        };
        let sound = inside
            .strip_prefix("claim.")
            .is_some_and(|claim| !claim.is_empty() && !claim.contains(['{', '.']));
        if !sound || before.contains('}') {
            return false;
        }
        claims += 1;
        rest = behind;
    }
    claims > 0 && !rest.contains('}')
}
