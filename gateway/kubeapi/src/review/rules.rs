//! `SelfSubjectRulesReview`: `kubectl auth can-i --list`.

use super::{Document, ReviewFault, object, set, text};
use crate::body::{JsonValue, Message, Wire, write_field, write_text};

const KIND: &str = "SelfSubjectRulesReview";
const SPEC: u32 = 2;
const STATUS: u32 = 3;

/// One rule on resources; the lists are combined freely.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceRule {
    /// Verbs.
    pub verbs: Vec<String>,
    /// API groups.
    pub api_groups: Vec<String>,
    /// Resources, `pods/exec` with subresource.
    pub resources: Vec<String>,
    /// Names; empty means all.
    pub resource_names: Vec<String>,
}

/// One rule on paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NonResourceRule {
    /// Verbs.
    pub verbs: Vec<String>,
    /// Paths, with `*` at the end.
    pub paths: Vec<String>,
}

/// `status` of the review.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubjectRules {
    /// Rules on resources.
    pub resource_rules: Vec<ResourceRule>,
    /// Rules on paths.
    pub non_resource_rules: Vec<NonResourceRule>,
    /// Whether rules may be missing.
    pub incomplete: bool,
    /// Why.
    pub evaluation_error: String,
}

/// Reads the namespace that a `SelfSubjectRulesReview` asks about.
///
/// # Errors
/// [`ReviewFault`] if the body is something else.
pub fn rules_question(body: &[u8]) -> Result<String, ReviewFault> {
    match Document::read(body, KIND)? {
        Document::Json(value) => object(&value, "spec")?
            .map_or_else(|| Ok(String::new()), |spec| text(spec, "namespace")),
        Document::Protobuf(envelope) => {
            let review = Message::parse(envelope.raw)?;
            review.check_known(STATUS)?;
            let spec = Message::parse(review.bytes(SPEC)?.unwrap_or_default())?;
            spec.check_known(1)?;
            Ok(spec.text(1)?.unwrap_or("").to_owned())
        }
    }
}

/// Reads the rules of the API server's answer.
///
/// # Errors
/// [`ReviewFault`] if the answer is something else.
pub fn read_rules(answer: &[u8]) -> Result<SubjectRules, ReviewFault> {
    match Document::read(answer, KIND)? {
        Document::Json(value) => {
            object(&value, "status")?.map_or_else(|| Ok(SubjectRules::default()), of_json)
        }
        Document::Protobuf(envelope) => {
            let review = Message::parse(envelope.raw)?;
            of_protobuf(review.bytes(STATUS)?.unwrap_or_default())
        }
    }
}

/// The API server's answer with other rules. The encoding stays.
///
/// # Errors
/// [`ReviewFault`] if the answer cannot be read.
pub fn replace_rules(answer: &[u8], rules: &SubjectRules) -> Result<Vec<u8>, ReviewFault> {
    match Document::read(answer, KIND)? {
        Document::Json(mut value) => {
            set(&mut value, "status", to_json(rules));
            Ok(value.to_json().into_bytes())
        }
        Document::Protobuf(envelope) => {
            let raw = Message::parse(envelope.raw)?.with_bytes(STATUS, &to_protobuf(rules));
            Ok(envelope.print_with(&raw))
        }
    }
}

fn of_json(status: &JsonValue) -> Result<SubjectRules, ReviewFault> {
    let mut rules = SubjectRules {
        incomplete: match status.get("incomplete") {
            None | Some(JsonValue::Null) => false,
            Some(value) => value.as_bool().ok_or(ReviewFault::FieldType {
                field: "incomplete",
            })?,
        },
        evaluation_error: text(status, "evaluationError")?,
        ..SubjectRules::default()
    };
    for rule in items(status, "resourceRules")? {
        rules.resource_rules.push(ResourceRule {
            verbs: texts(rule, "verbs")?,
            api_groups: texts(rule, "apiGroups")?,
            resources: texts(rule, "resources")?,
            resource_names: texts(rule, "resourceNames")?,
        });
    }
    for rule in items(status, "nonResourceRules")? {
        rules.non_resource_rules.push(NonResourceRule {
            verbs: texts(rule, "verbs")?,
            paths: texts(rule, "nonResourceURLs")?,
        });
    }
    Ok(rules)
}

fn of_protobuf(status: &[u8]) -> Result<SubjectRules, ReviewFault> {
    let status = Message::parse(status)?;
    let mut rules = SubjectRules {
        incomplete: status.boolean(3)?.unwrap_or(false),
        evaluation_error: status.text(4)?.unwrap_or("").to_owned(),
        ..SubjectRules::default()
    };
    for bytes in status.repeated(1)? {
        let rule = Message::parse(bytes)?;
        rules.resource_rules.push(ResourceRule {
            verbs: rule.texts(1)?,
            api_groups: rule.texts(2)?,
            resources: rule.texts(3)?,
            resource_names: rule.texts(4)?,
        });
    }
    for bytes in status.repeated(2)? {
        let rule = Message::parse(bytes)?;
        let rule = NonResourceRule {
            verbs: rule.texts(1)?,
            paths: rule.texts(2)?,
        };
        rules.non_resource_rules.push(rule);
    }
    Ok(rules)
}

fn to_json(rules: &SubjectRules) -> JsonValue {
    let SubjectRules {
        resource_rules,
        non_resource_rules,
        incomplete,
        evaluation_error,
    } = rules;
    let resource_rules = resource_rules.iter().map(|rule| {
        let mut members = vec![
            ("verbs".to_owned(), list(&rule.verbs)),
            ("apiGroups".to_owned(), list(&rule.api_groups)),
            ("resources".to_owned(), list(&rule.resources)),
        ];
        if !rule.resource_names.is_empty() {
            members.push(("resourceNames".to_owned(), list(&rule.resource_names)));
        }
        JsonValue::Object(members)
    });
    let non_resource_rules = non_resource_rules.iter().map(|rule| {
        JsonValue::Object(vec![
            ("verbs".to_owned(), list(&rule.verbs)),
            ("nonResourceURLs".to_owned(), list(&rule.paths)),
        ])
    });
    let mut status = vec![
        (
            "resourceRules".to_owned(),
            JsonValue::Array(resource_rules.collect()),
        ),
        (
            "nonResourceRules".to_owned(),
            JsonValue::Array(non_resource_rules.collect()),
        ),
        ("incomplete".to_owned(), JsonValue::Bool(*incomplete)),
    ];
    if !evaluation_error.is_empty() {
        let text = JsonValue::String(evaluation_error.clone());
        status.push(("evaluationError".to_owned(), text));
    }
    JsonValue::Object(status)
}

fn to_protobuf(rules: &SubjectRules) -> Vec<u8> {
    let SubjectRules {
        resource_rules,
        non_resource_rules,
        incomplete,
        evaluation_error,
    } = rules;
    let mut status = Vec::new();
    for rule in resource_rules {
        let lists = [
            &rule.verbs,
            &rule.api_groups,
            &rule.resources,
            &rule.resource_names,
        ];
        write_field(&mut status, 1, Wire::Bytes(&lists_message(&lists)));
    }
    for rule in non_resource_rules {
        write_field(
            &mut status,
            2,
            Wire::Bytes(&lists_message(&[&rule.verbs, &rule.paths])),
        );
    }
    write_field(&mut status, 3, Wire::Varint(u64::from(*incomplete)));
    write_text(&mut status, 4, evaluation_error);
    status
}

/// A message whose fields 1, 2, … are lists of texts. Empty texts count: the core group is one.
fn lists_message(lists: &[&Vec<String>]) -> Vec<u8> {
    let mut message = Vec::new();
    for (field, list) in (1..).zip(lists) {
        for text in *list {
            write_field(&mut message, field, Wire::Bytes(text.as_bytes()));
        }
    }
    message
}

fn list(texts: &[String]) -> JsonValue {
    JsonValue::Array(texts.iter().cloned().map(JsonValue::String).collect())
}

fn items<'a>(object: &'a JsonValue, field: &'static str) -> Result<&'a [JsonValue], ReviewFault> {
    match object.get(field) {
        None | Some(JsonValue::Null) => Ok(&[]),
        Some(value) => value.items().ok_or(ReviewFault::FieldType { field }),
    }
}

fn texts(object: &JsonValue, field: &'static str) -> Result<Vec<String>, ReviewFault> {
    let fault = || ReviewFault::FieldType { field };
    let items = items(object, field)?;
    items
        .iter()
        .map(|item| item.as_str().map(ToOwned::to_owned).ok_or_else(fault))
        .collect()
}
