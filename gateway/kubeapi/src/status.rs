//! `Status` values that clients print well (K-9.1, K-9.2), and their JSON.

use http::StatusCode;

use crate::attributes::ResourceId;
use crate::body::write_json_string;

/// BOUND: clients print the message on one screen; longer texts are cut.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Why a request failed, in the API server's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusReason {
    /// 400.
    BadRequest,
    /// 401: the credential, never policy (K-8.10).
    Unauthorized,
    /// 403: policy.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 406.
    NotAcceptable,
    /// 409.
    Conflict,
    /// 413.
    RequestEntityTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 422. kubectl prints the causes and not the message (K-9.2).
    Invalid,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 502. The API machinery has no reason for it and clients fall back on the code.
    BadGateway,
    /// 503.
    ServiceUnavailable,
    /// 504.
    Timeout,
    /// 414 and 431, which have no reason either.
    RequestHeadTooLarge,
}

impl StatusReason {
    /// The code that goes with the reason.
    #[must_use]
    pub const fn code(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::RequestEntityTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestHeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// The `reason` text (`metav1.StatusReason`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::Conflict => "Conflict",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::BadGateway => "BadGateway",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
            Self::RequestHeadTooLarge => "RequestHeadTooLarge",
        }
    }
}

/// One cause in `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusCause {
    /// `FieldValueInvalid` and its like.
    pub reason: String,
    /// Text for people.
    pub message: String,
    /// The field at fault.
    pub field: String,
}

/// `details` of a `Status`; empty parts are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusDetails {
    /// The object's name.
    pub name: String,
    /// API group.
    pub group: String,
    /// The plural resource name, as the API server writes it here.
    pub kind: String,
    /// Causes.
    pub causes: Vec<StatusCause>,
    /// Seconds after which a repeat may pass. client-go repeats by itself if it is set (K-9.3).
    pub retry_after_seconds: Option<u32>,
}

/// A `v1` `Status` with `status: Failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    code: StatusCode,
    reason: StatusReason,
    message: String,
    details: StatusDetails,
}

impl Status {
    /// A failure with the code of its reason.
    #[must_use]
    pub fn new(reason: StatusReason, message: &str) -> Self {
        let details = StatusDetails::default();
        Self {
            code: reason.code(),
            reason,
            message: printable(message),
            details,
        }
    }

    /// 403, worded as the API server words it: ``pods.apps "p" is forbidden: WHY``.
    #[must_use]
    pub fn forbidden(resource: &ResourceId, name: &str, why: &str) -> Self {
        let quoted = if name.is_empty() {
            String::new()
        } else {
            format!(" {name:?}")
        };
        let message = format!("{resource}{quoted} is forbidden: {why}");
        Self::new(StatusReason::Forbidden, &message).about(resource, name)
    }

    /// 404, worded as the API server words it: ``pods.apps "p" not found``.
    #[must_use]
    pub fn not_found(resource: &ResourceId, name: &str) -> Self {
        let message = format!("{resource} {name:?} not found");
        Self::new(StatusReason::NotFound, &message).about(resource, name)
    }

    fn about(mut self, resource: &ResourceId, name: &str) -> Self {
        self.details.name = printable(name);
        self.details.group.clone_from(&resource.group);
        self.details.kind.clone_from(&resource.resource);
        self
    }

    /// 403 on a non-resource path.
    #[must_use]
    pub fn forbidden_path(why: &str) -> Self {
        Self::new(StatusReason::Forbidden, &format!("forbidden: {why}"))
    }

    /// 400.
    #[must_use]
    pub fn bad_request(message: &str) -> Self {
        Self::new(StatusReason::BadRequest, message)
    }

    /// 401. The message says nothing of why the credential failed.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusReason::Unauthorized, "Unauthorized")
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed(message: &str) -> Self {
        Self::new(StatusReason::MethodNotAllowed, message)
    }

    /// 415.
    #[must_use]
    pub fn unsupported_media_type(message: &str) -> Self {
        Self::new(StatusReason::UnsupportedMediaType, message)
    }

    /// 413.
    #[must_use]
    pub fn too_large(message: &str) -> Self {
        Self::new(
            StatusReason::RequestEntityTooLarge,
            &format!("Request entity too large: {message}"),
        )
    }

    /// 503. Say it only where nothing can have reached the upstream (K-9.12).
    #[must_use]
    pub fn service_unavailable(message: &str) -> Self {
        Self::new(StatusReason::ServiceUnavailable, message)
    }

    /// 502.
    #[must_use]
    pub fn bad_gateway(message: &str) -> Self {
        Self::new(StatusReason::BadGateway, message)
    }

    /// 504: the request may have reached the upstream (K-9.12).
    #[must_use]
    pub fn timeout(message: &str) -> Self {
        Self::new(StatusReason::Timeout, &format!("Timeout: {message}"))
    }

    /// 429.
    #[must_use]
    pub fn too_many_requests(message: &str) -> Self {
        Self::new(StatusReason::TooManyRequests, message)
    }

    /// 500. The message is fixed: what broke goes to the log, not to the caller.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusReason::InternalError,
            "Internal error occurred: the gateway failed",
        )
    }

    /// The answer to a fault that has only a code.
    #[must_use]
    pub fn of_code(code: StatusCode, message: &str) -> Self {
        let reason = match code {
            StatusCode::UNAUTHORIZED => StatusReason::Unauthorized,
            StatusCode::FORBIDDEN => StatusReason::Forbidden,
            StatusCode::METHOD_NOT_ALLOWED => StatusReason::MethodNotAllowed,
            StatusCode::NOT_ACCEPTABLE => StatusReason::NotAcceptable,
            StatusCode::CONFLICT => StatusReason::Conflict,
            StatusCode::PAYLOAD_TOO_LARGE => StatusReason::RequestEntityTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => StatusReason::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => StatusReason::Invalid,
            StatusCode::TOO_MANY_REQUESTS => StatusReason::TooManyRequests,
            StatusCode::BAD_GATEWAY => StatusReason::BadGateway,
            StatusCode::SERVICE_UNAVAILABLE => StatusReason::ServiceUnavailable,
            StatusCode::GATEWAY_TIMEOUT => StatusReason::Timeout,
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                StatusReason::RequestHeadTooLarge
            }
            code if code.is_server_error() => StatusReason::InternalError,
            _ => StatusReason::BadRequest,
        };
        Self {
            code,
            ..Self::new(reason, message)
        }
    }

    /// Sets the seconds after which a repeat may pass. The caller also sends `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.details.retry_after_seconds = Some(seconds);
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn with_cause(mut self, cause: StatusCause) -> Self {
        self.details.causes.push(cause);
        self
    }

    /// The code of the answer.
    #[must_use]
    pub const fn code(&self) -> StatusCode {
        self.code
    }

    /// The reason.
    #[must_use]
    pub const fn reason(&self) -> StatusReason {
        self.reason
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The details.
    #[must_use]
    pub const fn details(&self) -> &StatusDetails {
        &self.details
    }

    /// The JSON body, to be sent as `application/json`: every client reads it (K-2.7).
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = String::from(
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"#,
        );
        write_json_string(&mut json, &self.message);
        json.push_str(r#","reason":"#);
        write_json_string(&mut json, self.reason.as_str());
        self.write_details(&mut json);
        json.push_str(&format!(r#","code":{}}}"#, self.code.as_u16()));
        json.into_bytes()
    }

    fn write_details(&self, json: &mut String) {
        let StatusDetails {
            name,
            group,
            kind,
            causes,
            retry_after_seconds,
        } = &self.details;
        let mut fields = Vec::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            push_text(&mut fields, key, value);
        }
        if !causes.is_empty() {
            let causes: Vec<String> = causes.iter().map(cause_json).collect();
            fields.push(format!(r#""causes":[{}]"#, causes.join(",")));
        }
        if let Some(seconds) = retry_after_seconds {
            fields.push(format!(r#""retryAfterSeconds":{seconds}"#));
        }
        if !fields.is_empty() {
            json.push_str(&format!(r#","details":{{{}}}"#, fields.join(",")));
        }
    }
}

fn cause_json(cause: &StatusCause) -> String {
    let StatusCause {
        reason,
        message,
        field,
    } = cause;
    let mut fields = Vec::new();
    for (key, value) in [("reason", reason), ("message", message), ("field", field)] {
        push_text(&mut fields, key, value);
    }
    format!("{{{}}}", fields.join(","))
}

fn push_text(fields: &mut Vec<String>, key: &str, value: &str) {
    if !value.is_empty() {
        let mut field = format!("\"{key}\":");
        write_json_string(&mut field, &printable(value));
        fields.push(field);
    }
}

/// One line without control characters: the text is printed on terminals.
fn printable(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if out.len() + character.len_utf8() > MESSAGE_BYTES_MAX {
            break;
        }
        out.push(if character.is_control() {
            ' '
        } else {
            character
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(status: &Status) -> String {
        format!(
            "{} {}",
            status.code().as_u16(),
            String::from_utf8(status.to_json()).unwrap()
        )
    }

    fn resource(group: &str, resource: &str, subresource: &str) -> ResourceId {
        ResourceId {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
        }
    }

    #[test]
    fn status_bodies_are_as_the_api_server_writes_them() {
        let cause = StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: "masked value".to_owned(),
            field: "data.pw".to_owned(),
        };
        let all = [
            Status::forbidden(
                &resource("apps", "deployments", ""),
                "web",
                "no rule allows it (decision 1)",
            ),
            Status::forbidden(&resource("apps", "deployments", "scale"), "web", "no"),
            Status::forbidden(&resource("", "pods", "exec"), "p", "no"),
            Status::forbidden(&resource("", "secrets", ""), "", "no"),
            Status::forbidden_path("no rule allows get on /metrics"),
            Status::bad_request("a \"quoted\" \\ text\nwith \u{1}control and \u{fc}"),
            Status::unauthorized(),
            Status::method_not_allowed("no"),
            Status::unsupported_media_type("no"),
            Status::too_large("limit is 3145728"),
            Status::service_unavailable("no"),
            Status::bad_gateway("no"),
            Status::timeout("no"),
            Status::too_many_requests("pending").retry_after(15),
            Status::internal(),
            Status::new(StatusReason::Invalid, "no").with_cause(cause),
            Status::of_code(StatusCode::URI_TOO_LONG, "no"),
        ];
        let text: Vec<String> = all.iter().map(body).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn cuts_long_messages_at_a_character() {
        let status = Status::bad_request(&"\u{20ac}".repeat(5000));
        assert!(status.message().len() <= MESSAGE_BYTES_MAX);
        assert!(status.message().chars().all(|c| c == '\u{20ac}'));
    }
}
