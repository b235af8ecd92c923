//! `tests/**.kdl`: subjects and suites.

use std::collections::BTreeMap;

use gateway_kubeapi::{Caller, CallerKind, Delegation, UserInfo, Verb};
use gateway_masking::FieldPath;
use jiff::Timestamp;

use super::Draft;
use super::resolve::{Space, Target};
use crate::diagnostic::{Code, Finding};
use crate::model::{Expectation, Location, Subject, Suite, Test, TestRequest};
use crate::source::{Node, Value};

/// What the tests of a suite share.
struct Setting {
    at: Timestamp,
    cluster: String,
}

impl Draft<'_> {
    pub(super) fn subject(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Subject, node)?;
        let issuer = node.line("issuer")?.values.first()?;
        let user = node.line("user")?.text(0)?.to_owned();
        let groups = node
            .line("groups")
            .map(|line| line.texts(0))
            .unwrap_or_default();
        let mut caller = match node.line("kind") {
            None => self.caller(issuer, user, groups)?,
            Some(line) => self.configured_caller(issuer, line, user, groups)?,
        };
        for line in node.lines("attr") {
            caller
                .attributes
                .insert(line.text(0)?.to_owned(), line.texts(1));
        }
        if let Some(line) = node.line("acting-for") {
            let user = line.property_text("user")?.to_owned();
            let groups = line
                .property_text("groups")
                .map(str::to_owned)
                .into_iter()
                .collect();
            let principal = self.caller(line.property("issuer")?, user, groups)?;
            caller.acting_for = Some(Box::new(principal));
        }
        let subject = Subject {
            caller,
            location: node.location.clone(),
        };
        self.bundle.tests.subjects.insert(name, subject);
        Some(())
    }

    /// A caller as the issuer would prove it. Files are decoded in the order of their paths, so
    /// `identities…` comes before `tests…`; an issuer that is not there is reported as undefined.
    fn caller(&mut self, issuer: &Value, username: String, groups: Vec<String>) -> Option<Caller> {
        let name = issuer.text()?;
        self.refer(Target::Block(Space::Issuer), name, &issuer.location);
        let block = self.bundle.issuers.iter().find(|block| block.name == name);
        let kind = block.map_or(CallerKind::Agent, |block| block.kind);
        let rule = block
            .and_then(|block| block.delegation.as_ref())
            .map(|(_, rule)| *rule);
        let mut caller = plain_caller(name, kind, username, groups);
        caller.delegation = rule.unwrap_or(Delegation::Both);
        Some(caller)
    }

    /// A caller that a client certificate or a static token proves. Those stand in the gateway's
    /// configuration, so the bundle cannot know their names; an issuer block fixes its own kind.
    fn configured_caller(
        &mut self,
        issuer: &Value,
        kind: &Node,
        username: String,
        groups: Vec<String>,
    ) -> Option<Caller> {
        let name = issuer.text()?;
        if self.bundle.issuers.iter().any(|block| block.name == name) {
            let help = "its issuer block fixes the kind; remove the line";
            self.refuse(
                format!("`kind` beside the issuer `{name}`"),
                &kind.location,
                help,
            );
            return None;
        }
        let kind = CallerKind::parse(kind.text(0)?)?;
        Some(plain_caller(name, kind, username, groups))
    }

    pub(super) fn suite(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Suite, node)?;
        let cluster = node.property("cluster")?;
        self.refer(
            Target::Block(Space::Cluster),
            cluster.text()?,
            &cluster.location,
        );
        let setting = Setting {
            at: node.property("at")?.instant()?,
            cluster: cluster.text()?.to_owned(),
        };
        let mut tests: Vec<Test> = Vec::new();
        let mut names: BTreeMap<String, Location> = BTreeMap::new();
        let mut complete = true;
        for block in node.below() {
            if !self.unique_in_suite(block, &mut names) {
                complete = false;
                continue;
            }
            match block.word.as_str() {
                "test" => match self.test(block, &setting) {
                    Some(test) => tests.push(test),
                    None => complete = false,
                },
                "cases" => match self.cases(block, &setting) {
                    Some(cases) => tests.extend(cases),
                    None => complete = false,
                },
                _ => complete = false,
            }
        }
        if node.below().is_empty() {
            self.refuse(
                "suite without a test",
                &node.word_at,
                "add `test` or `cases`",
            );
        }
        complete.then(|| self.bundle.tests.suites.push(Suite { name, tests }))
    }

    fn unique_in_suite(&mut self, block: &Node, names: &mut BTreeMap<String, Location>) -> bool {
        let Some(value) = block.values.first() else {
            return false;
        };
        let Some(name) = value.text() else {
            return false;
        };
        if let Some(first) = names.get(name) {
            let message = format!("`{name}` is given twice in its suite");
            let finding = Finding::new(Code::GP301, message, value.location.clone());
            self.report.add(
                finding
                    .also(first.clone(), "first given here")
                    .help("rename one"),
            );
            return false;
        }
        names.insert(name.to_owned(), value.location.clone());
        true
    }

    fn test(&mut self, node: &Node, suite: &Setting) -> Option<Test> {
        let at = match node.property("at") {
            Some(value) => value.instant()?,
            None => suite.at,
        };
        let cluster = match node.property("cluster") {
            Some(value) => {
                self.refer(
                    Target::Block(Space::Cluster),
                    value.text()?,
                    &value.location,
                );
                value.text()?.to_owned()
            }
            None => suite.cluster.clone(),
        };
        let subject = self.subject_name(node);
        let request = self.request(node);
        let expect = self.expect(node.line("expect")?);
        self.reads_response(node, expect.as_ref());
        Some(Test {
            name: node.text(0)?.to_owned(),
            at,
            cluster,
            subject: subject?,
            request: request?,
            expect: expect?,
            location: node.location.clone(),
        })
    }

    fn cases(&mut self, node: &Node, suite: &Setting) -> Option<Vec<Test>> {
        let subject = self.subject_name(node)?;
        let name = node.text(0)?;
        let mut tests = Vec::new();
        for (number, case) in node.lines("case").enumerate() {
            let request = self.request(case);
            self.reads_response(case, None);
            let allow = case.text(0)? == "allow";
            tests.push(Test {
                name: format!("{name} #{}", number + 1),
                at: suite.at,
                cluster: suite.cluster.clone(),
                subject: subject.clone(),
                request: request?,
                expect: Expectation {
                    allow,
                    ..Expectation::default()
                },
                location: case.location.clone(),
            });
        }
        Some(tests)
    }

    fn subject_name(&mut self, node: &Node) -> Option<String> {
        let value = node.line("as")?.values.first()?;
        let name = value.text()?.to_owned();
        self.refer(Target::Block(Space::Subject), &name, &value.location);
        Some(name)
    }

    fn request(&mut self, node: &Node) -> Option<TestRequest> {
        match (node.line("http"), node.line("request")) {
            (Some(line), None) => self.http(line),
            (None, Some(line)) => self.facts(line),
            (Some(_), Some(line)) => {
                self.refuse(
                    "`http` and `request` in one test",
                    &line.location,
                    "keep one of them",
                );
                None
            }
            (None, None) => {
                let help = "add `http GET \"/api/v1/…\"` or `request get \"pods\" ns=\"shop\"`";
                self.refuse(
                    format!("`{}` without a request", node.word),
                    &node.word_at,
                    help,
                );
                None
            }
        }
    }

    fn http(&mut self, line: &Node) -> Option<TestRequest> {
        let target = line.text(1)?;
        if !target.starts_with('/') {
            self.refuse(
                "request target without a leading `/`",
                &line.location,
                "begin it with `/`",
            );
            return None;
        }
        Some(TestRequest::Http {
            method: line.text(0)?.to_owned(),
            target: target.to_owned(),
            content_type: line.property_text("type").map(media_type),
            body: self.fixture(line, "body")?,
            response: self.fixture(line, "response")?,
        })
    }

    /// The content of a file that a property names.
    #[expect(
        clippy::option_option,
        reason = "outer: the property can be read; inner: it is there, and so is its file"
    )]
    fn fixture(&mut self, line: &Node, property: &str) -> Option<Option<Vec<u8>>> {
        let Some(value) = line.property(property) else {
            return Some(None);
        };
        let path = format!("tests/{}", value.text()?);
        self.refer(Target::Fixture, &path, &value.location);
        Some(self.files.get(&path).cloned())
    }

    fn facts(&mut self, line: &Node) -> Option<TestRequest> {
        let namespace = line.property_text("ns").map(str::to_owned);
        let all_namespaces = line
            .property("all-namespaces")
            .and_then(Value::bool)
            .unwrap_or(false);
        if namespace.is_some() && all_namespaces {
            self.refuse(
                "`ns=` and `all-namespaces=` in one request",
                &line.location,
                "keep one",
            );
            return None;
        }
        let resource = line.text(1)?;
        if resource.contains(['*', '@', '!', ' ']) {
            let help =
                "a request names one resource: \"pods\", \"deployments.apps/scale\", \"/metrics\"";
            self.refuse(
                format!("`{resource}` is no single resource"),
                &line.location,
                help,
            );
            return None;
        }
        Some(TestRequest::Facts {
            verb: Verb::parse(line.text(0)?)?,
            resource: resource.to_owned(),
            namespace,
            name: line.property_text("name").map(str::to_owned),
            all_namespaces,
            source: match line.property("from") {
                Some(value) => Some(value.address()?),
                None => None,
            },
        })
    }

    fn expect(&mut self, line: &Node) -> Option<Expectation> {
        let by = line.line("by");
        for value in by.map_or(&[][..], |by| &by.values) {
            self.refer(Target::Block(Space::Rule), value.text()?, &value.location);
        }
        let near = match line.line("near") {
            Some(near) => {
                let value = near.values.first()?;
                self.refer(Target::Block(Space::Rule), value.text()?, &value.location);
                Some((
                    value.text()?.to_owned(),
                    near.property_text("line").map(str::to_owned),
                ))
            }
            None => None,
        };
        let masks = match line.line("masks") {
            Some(masks) => self.mask_names(masks)?,
            None => Vec::new(),
        };
        let allow = line.text(0)? == "allow";
        let masked = self.masked(line, allow)?;
        Some(Expectation {
            allow,
            masks,
            masked,
            by: by.map(|by| by.texts(0)).unwrap_or_default(),
            near,
            reason: line
                .line("reason")
                .and_then(|line| line.text(0))
                .map(str::to_owned),
        })
    }
}

impl Draft<'_> {
    /// An answer that nothing is expected of would be ignored.
    fn reads_response(&mut self, node: &Node, expect: Option<&Expectation>) {
        let response = node.line("http").and_then(|line| line.property("response"));
        if let Some(value) = response
            && expect.is_none_or(|expect| expect.masked.is_empty())
        {
            let help =
                "add `masked \"data.*\" redact` to the `expect` block of a test, or remove it";
            self.refuse("`response=` without `masked`", &value.location, help);
        }
    }

    fn masked(&mut self, expect: &Node, allow: bool) -> Option<Vec<(FieldPath, String)>> {
        let mut masked = Vec::new();
        for line in expect.lines("masked") {
            if !allow {
                let help = "a denial has no answer; remove the line";
                self.refuse("`masked` beside a denial", &line.location, help);
                return None;
            }
            let path = FieldPath::parse(line.text(0)?).ok()?;
            masked.push((path, line.text(1)?.to_owned()));
        }
        Some(masked)
    }
}

fn plain_caller(issuer: &str, kind: CallerKind, username: String, groups: Vec<String>) -> Caller {
    Caller {
        issuer: issuer.to_owned(),
        user: UserInfo {
            username,
            uid: None,
            groups,
            extra: BTreeMap::new(),
        },
        kind,
        attributes: BTreeMap::new(),
        acting_for: None,
        delegation: Delegation::Both,
        expires_at: None,
        credential_id: None,
    }
}

/// Short words for the media types of patches.
fn media_type(text: &str) -> String {
    match text {
        "strategic" => "application/strategic-merge-patch+json",
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        "apply" => "application/apply-patch+yaml",
        other => other,
    }
    .to_owned()
}
