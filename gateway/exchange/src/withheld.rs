//! A refusal of the API server, made anew where answers are masked (K-4.16): its code, its reason and
//! the fields it names stay; its prose may quote values and goes. `kubeapi::Status` is for the gateway's
//! own refusals and knows their reasons alone; here the API server's word is kept whatever it is.

use bytes::Bytes;
use gateway_kubeapi::ResourceId;
use http::StatusCode;
use serde_json::{Map, Value, json};

/// BOUND: causes that are kept; more are left out.
const CAUSE_COUNT_MAX: usize = 32;
/// BOUND: a reason is a word, a field a path. What is longer is neither, and is left out.
const WORD_BYTES_MAX: usize = 64;
const FIELD_BYTES_MAX: usize = 256;

/// The `Status` that the caller gets in place of `body`.
pub(crate) fn withheld(
    status: StatusCode,
    body: &[u8],
    resource: &ResourceId,
    name: &str,
) -> Bytes {
    // What is no Status has nothing to keep but its code.
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = (said.get("kind").and_then(Value::as_str) == Some("Status")).then_some(&said);
    let text = |value: Option<&Value>, bytes_max: usize| {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        (text.len() <= bytes_max).then(|| text.to_owned())
    };
    let reason = said
        .and_then(|said| text(said.get("reason"), WORD_BYTES_MAX))
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .unwrap_or_default();
    let details = said.and_then(|said| said.get("details"));
    let mut kept = Map::new();
    for (key, value) in [
        ("name", name),
        ("group", &resource.group),
        ("kind", &resource.resource),
    ] {
        if !value.is_empty() {
            kept.insert(key.to_owned(), value.into());
        }
    }
    let seconds = details.and_then(|details| details.get("retryAfterSeconds")?.as_u64());
    if let Some(seconds) = seconds {
        kept.insert("retryAfterSeconds".to_owned(), seconds.into());
    }
    let causes: Vec<Value> = details
        .and_then(|details| details.get("causes")?.as_array())
        .into_iter()
        .flatten()
        .take(CAUSE_COUNT_MAX)
        .map(|cause| {
            json!({
                "reason": text(cause.get("reason"), WORD_BYTES_MAX).unwrap_or_default(),
                "message": "the API server's words are withheld",
                "field": text(cause.get("field"), FIELD_BYTES_MAX).unwrap_or_default(),
            })
        })
        .collect();
    if !causes.is_empty() {
        kept.insert("causes".to_owned(), causes.into());
    }
    let answer = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message(&reason, status, resource, name),
        "reason": reason, "details": kept, "code": status.as_u16(),
    });
    Bytes::from(answer.to_string())
}

fn message(reason: &str, status: StatusCode, resource: &ResourceId, name: &str) -> String {
    let object = format!("{resource} {name:?}");
    match reason {
        "NotFound" => format!("{object} not found"),
        "AlreadyExists" => format!("{object} already exists"),
        "Conflict" => format!(
            "{object} was changed by somebody else, or a field of it belongs to another manager; read it again and repeat"
        ),
        _ => format!(
            "the API server refused with {} {reason}; its words are withheld because they may quote masked values",
            status.as_u16()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> ResourceId {
        ResourceId {
            group: String::new(),
            resource: "secrets".to_owned(),
            subresource: String::new(),
        }
    }

    fn check(code: u16, body: &str) -> Value {
        let status = StatusCode::from_u16(code).unwrap();
        let answer = withheld(status, body.as_bytes(), &secrets(), "db");
        assert!(
            !answer.windows(6).any(|part| part == b"CANARY"),
            "{answer:?}"
        );
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["code"], code);
        assert_eq!(answer["status"], "Failure");
        answer
    }

    #[test]
    fn keeps_code_reason_and_fields_and_no_prose() {
        let answer = check(
            422,
            r#"{"kind":"Status","status":"Failure","reason":"Invalid","message":"Invalid value: CANARY",
                "details":{"name":"CANARY","causes":[{"reason":"FieldValueInvalid","message":"CANARY","field":"data"}]},"code":422}"#,
        );
        assert_eq!(answer["reason"], "Invalid");
        assert_eq!(answer["details"]["name"], "db");
        assert_eq!(answer["details"]["causes"][0]["field"], "data");
    }

    #[test]
    fn says_in_its_own_words_what_clients_act_on() {
        let answer = check(
            404,
            r#"{"kind":"Status","reason":"NotFound","message":"CANARY"}"#,
        );
        assert_eq!(answer["message"], "secrets \"db\" not found");
        let answer = check(
            429,
            r#"{"kind":"Status","reason":"TooManyRequests","details":{"retryAfterSeconds":3}}"#,
        );
        assert_eq!(answer["details"]["retryAfterSeconds"], 3);
    }

    #[test]
    fn what_is_no_status_leaves_only_its_code() {
        for body in ["CANARY", "", r#"{"kind":"Secret","data":"CANARY"}"#, "[1"] {
            let answer = check(500, body);
            assert_eq!(answer["reason"], "");
        }
    }
}
