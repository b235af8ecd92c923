//! `masks.kdl`: `hmac-key`, `mask`.

use gateway_masking::{Detector, FieldPath, GuardRule, GuardScope, GuardStrategy, MaskProgram};
use gateway_masking::{MaskSpec, Step};

use super::Draft;
use super::grammar::{DETECT_STRATEGIES, STRATEGIES};
use super::resolve::{Space, Target};
use crate::diagnostic::{Code, Finding};
use crate::masks::{
    DEEP_PATHS_MAX, EMBEDDED_DEPTH_MAX, EXPRESSIONS_MAX, MASK_LINES_MAX, MASKS_MAX,
};
use crate::model::{Detection, Embedding, Mask, MaskKeyOrigin, MaskKeySource, MaskPart};
use crate::model::{MaskStrategy, MaskedPath, WriteBack};
use crate::source::{Mark, Node, Scalar, Value};

impl Draft<'_> {
    pub(super) fn mask_key(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::MaskKey, node)?;
        let origin = match (node.property("env"), node.property("file")) {
            (Some(value), None) => {
                let name = value.text()?;
                let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
                    let message = format!("`{name}` is no name of a variable");
                    let help = "use `A-Z`, `0-9` and `_`, such as COUNTERSIGN_MASK_KEY";
                    self.refuse(message, &value.location, help);
                    return None;
                }
                MaskKeyOrigin::Environment(name.to_owned())
            }
            (None, Some(value)) => {
                let path = value.text()?;
                if !path.starts_with('/') {
                    let message = format!("`{path}` is no absolute path");
                    let help = "begin it with `/`: what it is relative to would be open";
                    self.refuse(message, &value.location, help);
                    return None;
                }
                MaskKeyOrigin::File(path.to_owned())
            }
            (None, None) | (Some(_), Some(_)) => {
                let message =
                    format!("hmac-key `{name}` has not exactly one of `env=` and `file=`");
                let help =
                    "say where the gateway finds the key; the key itself is never in a bundle";
                self.refuse(message, &node.location, help);
                return None;
            }
        };
        let location = node.location.clone();
        let source = MaskKeySource { origin, location };
        self.bundle.mask_keys.insert(name, source);
        Some(())
    }

    pub(super) fn mask(&mut self, node: &Node) -> Option<()> {
        let name = self.define(Space::Mask, node)?;
        // One place is for the mask that comes with the language.
        if self.bundle.masks.len() + 1 >= MASKS_MAX {
            let message = format!("the bundle has more than {} masks", MASKS_MAX - 1);
            let help =
                "a mask may have many `for` blocks; join masks that are always used together";
            self.refuse(message, &node.word_at, help);
            return None;
        }
        let mut parts = Vec::new();
        let mut complete = true;
        for block in node.lines("for") {
            match self.mask_part(block) {
                Some(part) => parts.push(part),
                None => complete = false,
            }
        }
        let write_back = match node.line("write-back").and_then(|line| line.text(0)) {
            Some("restore") => WriteBack::Restore,
            // Any other word is already an error.
            Some(_) | None => WriteBack::Refuse,
        };
        if !complete {
            return None;
        }
        let location = node.location.clone();
        let mask = Mask {
            parts,
            write_back,
            location,
        };
        self.bundle.masks.insert(name, mask);
        self.is_affordable(node)
    }

    /// Each mask is compiled whenever the bundle is, so all of them together are bounded.
    fn is_affordable(&mut self, node: &Node) -> Option<()> {
        let mut weight = Weight::default();
        for part in self.bundle.masks.values().flat_map(|mask| &mask.parts) {
            weight.add_paths(&part.paths);
            part.detections.iter().for_each(|own| weight.add(own));
        }
        let bounds = [
            ("lines `at` and `detect`", weight.lines, MASK_LINES_MAX),
            ("paths with `**`", weight.deep, DEEP_PATHS_MAX),
            (
                "own expressions in `detect`",
                weight.expressions,
                EXPRESSIONS_MAX,
            ),
        ];
        let found = bounds.into_iter().find(|(_, count, most)| count > most);
        let Some((what, _, most)) = found else {
            return Some(());
        };
        let message = format!("the masks of the bundle have more than {most} {what}");
        let help = "join masks and paths that say the same";
        self.refuse(message, &node.word_at, help);
        None
    }

    fn mask_part(&mut self, node: &Node) -> Option<MaskPart> {
        let resources = self.resource_terms(&node.values)?;
        self.has_include(resources.include.is_empty(), node)?;
        if node.below().is_empty() {
            let help = "add `at \"data.*\" redact` or `detect \"jwt\" redact`";
            self.refuse("`for` without a line", &node.word_at, help);
            return None;
        }
        let paths = self.masked_paths(node, 0);
        let mut detections = Vec::new();
        let mut complete = true;
        for line in node.lines("detect") {
            match self.detection(line) {
                Some(detection) => detections.push(detection),
                None => complete = false,
            }
        }
        Some(MaskPart {
            resources,
            paths: paths?,
            detections,
            location: node.location.clone(),
        })
        .filter(|_| complete)
    }

    /// The `at` lines of a block, `depth` documents within one another.
    fn masked_paths(&mut self, node: &Node, depth: usize) -> Option<Vec<MaskedPath>> {
        let mut paths = Vec::new();
        let mut complete = true;
        for line in node.lines("at") {
            match self.masked_path(line, depth) {
                Some(path) => paths.push(path),
                None => complete = false,
            }
        }
        complete.then_some(paths)
    }

    fn masked_path(&mut self, line: &Node, depth: usize) -> Option<MaskedPath> {
        let path = FieldPath::parse(line.text(0)?).ok()?;
        let word = line.text(1)?;
        let strategy = match word {
            "drop" => MaskStrategy::Drop,
            "json" => MaskStrategy::Embedded(Embedding::Json, self.embedded(line, depth)?),
            "base64" => MaskStrategy::Embedded(Embedding::Base64, self.embedded(line, depth)?),
            "yaml" => MaskStrategy::Embedded(Embedding::Yaml, self.embedded(line, depth)?),
            _ => self.text_strategy(line, word)?,
        };
        self.has_only_what_fits(line, word)?;
        Some(MaskedPath {
            path,
            strategy,
            location: line.location.clone(),
        })
    }

    /// What may become of a text as well as of what is found in one.
    fn text_strategy(&mut self, line: &Node, word: &str) -> Option<MaskStrategy> {
        Some(match word {
            "redact" => MaskStrategy::Redact,
            "hash" | "fpe" => {
                let Some(value) = line.property("key") else {
                    let help = format!("write `{word} key=\"NAME\"` and an `hmac-key` of the name");
                    self.refuse(format!("`{word}` without `key=`"), &line.location, &help);
                    return None;
                };
                let key = value.text()?.to_owned();
                self.refer(Target::Block(Space::MaskKey), &key, &value.location);
                if word == "hash" {
                    MaskStrategy::Hash { key }
                } else {
                    MaskStrategy::Fpe { key }
                }
            }
            "partial" => {
                let Some(keep) = line.property("keep-last") else {
                    let help = "write `partial keep-last=4`";
                    self.refuse("`partial` without `keep-last=`", &line.location, help);
                    return None;
                };
                let keep_last = u8::try_from(keep.integer()?).ok()?;
                MaskStrategy::Partial { keep_last }
            }
            _ => return None,
        })
    }

    fn embedded(&mut self, line: &Node, depth: usize) -> Option<Vec<MaskedPath>> {
        if line.below().is_empty() {
            let help = "say what is masked in the document: `json { at \"data.*\" redact }`";
            self.refuse("embedded document without `at`", &line.location, help);
            return None;
        }
        if depth >= EMBEDDED_DEPTH_MAX {
            let message =
                format!("documents within documents, more than {EMBEDDED_DEPTH_MAX} deep");
            self.refuse(message, &line.word_at, "redact the outer one whole");
            return None;
        }
        self.masked_paths(line, depth + 1)
    }

    /// A property or block that its strategy does not read would be ignored.
    fn has_only_what_fits(&mut self, line: &Node, word: &str) -> Option<()> {
        let keyed = matches!(word, "hash" | "fpe");
        let opened = matches!(word, "json" | "base64" | "yaml");
        let surplus = [
            ("`key=`", !keyed && line.property("key").is_some()),
            (
                "`keep-last=`",
                word != "partial" && line.property("keep-last").is_some(),
            ),
            ("a block", !opened && line.children.is_some()),
        ];
        let found = surplus.into_iter().find(|(_, surplus)| *surplus);
        let Some((what, _)) = found else {
            return Some(());
        };
        self.refuse(
            format!("`{word}` takes no {what}").replace("no a ", "no "),
            &line.location,
            "remove it",
        );
        None
    }

    fn detection(&mut self, line: &Node) -> Option<Detection> {
        let word_in = |words: &[&str], value: &Value| {
            value.mark.is_none() && value.text().is_some_and(|text| words.contains(&text))
        };
        let is_word = |value: &&Value| word_in(DETECT_STRATEGIES, value);
        // Words of later versions are already reported.
        let is_later = |value: &Value| word_in(STRATEGIES, value) && !is_word(&value);
        if line.values.iter().any(is_later) {
            return None;
        }
        let count = line.values.len().checked_sub(1)?;
        let words = line.values.iter().filter(is_word).count();
        let last = line.values.get(count).filter(is_word);
        let Some(word) = last.and_then(Value::text).filter(|_| words == 1) else {
            let help = "write `detect \"jwt\" \"email\" redact`";
            let message = format!("`detect` ends with one of {}", DETECT_STRATEGIES.join(", "));
            self.refuse(message, &line.location, help);
            return None;
        };
        let mut detectors = Vec::new();
        for value in line.values.iter().take(count) {
            detectors.push(self.detector(value)?);
        }
        let within = match line.property_text("in") {
            Some(path) => Some(FieldPath::parse(path).ok()?),
            None => None,
        };
        let strategy = self.text_strategy(line, word)?;
        self.has_only_what_fits(line, word)?;
        Some(Detection {
            detectors,
            strategy,
            within,
            location: line.location.clone(),
        })
    }

    fn detector(&mut self, value: &Value) -> Option<Detector> {
        let Scalar::Text(text) = &value.scalar else {
            return None;
        };
        if value.mark == Some(Mark::Regex) {
            // Of the two that read it, the patterns' parser says better what is wrong.
            self.pattern(value)?;
            let detector = Detector::Pattern(text.as_str().into());
            // The masker has the last word on what it can look for.
            let spec = MaskSpec {
                guards: vec![GuardRule {
                    mask: "probe".into(),
                    detectors: vec![detector.clone()],
                    scope: GuardScope::Found,
                    strategy: GuardStrategy::Redact,
                    within: None,
                }],
                ..MaskSpec::default()
            };
            if let Err(fault) = MaskProgram::compile(&spec) {
                let finding = Finding::new(Code::GP204, fault.to_string(), value.location.clone());
                self.report.add(finding);
                return None;
            }
            return Some(detector);
        }
        match text.as_str() {
            "jwt" => Some(Detector::Jwt),
            "pem" => Some(Detector::Pem),
            "aws-key" => Some(Detector::AwsKey),
            "github-token" => Some(Detector::GithubToken),
            "slack-token" => Some(Detector::SlackToken),
            "email" => Some(Detector::Email),
            "iban" => Some(Detector::Iban),
            "card" => Some(Detector::Card),
            _ => None,
        }
    }

    /// Names of masks that must be defined.
    pub(super) fn mask_names(&mut self, line: &Node) -> Option<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for value in &line.values {
            let name = value.text()?.to_owned();
            self.refer(Target::Block(Space::Mask), &name, &value.location);
            if names.contains(&name) {
                let message = format!("mask `{name}` is given twice");
                self.refuse(message, &value.location, "remove one");
                return None;
            }
            names.push(name);
        }
        Some(names)
    }
}

/// What compiling masks costs.
#[derive(Debug, Default)]
struct Weight {
    lines: usize,
    deep: usize,
    expressions: usize,
}

impl Weight {
    fn add_paths(&mut self, paths: &[MaskedPath]) {
        for own in paths {
            self.lines += 1;
            self.add_path(&own.path);
            if let MaskStrategy::Embedded(_, inner) = &own.strategy {
                self.add_paths(inner);
            }
        }
    }

    fn add(&mut self, detection: &Detection) {
        self.lines += 1;
        detection.within.iter().for_each(|path| self.add_path(path));
        let own = detection.detectors.iter().filter(|own| match own {
            Detector::Pattern(_) => true,
            Detector::Jwt
            | Detector::Pem
            | Detector::AwsKey
            | Detector::GithubToken
            | Detector::SlackToken
            | Detector::Email
            | Detector::Iban
            | Detector::Card => false,
        });
        self.expressions += own.count();
    }

    fn add_path(&mut self, path: &FieldPath) {
        self.deep += usize::from(path.steps().contains(&Step::AnyDepth));
    }
}
