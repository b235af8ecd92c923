//! An event as one line of JSON, and back.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::event::{Event, ObjectRef, ResponseStatus, User};

impl Event {
    /// The event as one line: keys in the order of Kubernetes' own types, annotations by name, one
    /// newline at the end and none before it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut line = Line(Vec::with_capacity(LINE_BYTES_USUAL));
        line.event(self);
        line.0.push(b'\n');
        line.0
    }

    /// The event of a line, with or without its newline.
    ///
    /// # Errors
    ///
    /// If the line is not one event of this shape; unknown fields count.
    pub fn decode(line: &[u8]) -> Result<Self, DecodeFault> {
        Ok(serde_json::from_slice(line)?)
    }
}

/// Room for an ordinary line, so that encoding seldom grows its buffer.
const LINE_BYTES_USUAL: usize = 1536;

/// Writes JSON by hand: two events are made for every request, and a general serializer, which writes
/// a piece at a time, takes four times as long. Its twin is `serde_json` on the same types.
struct Line(Vec<u8>);

impl Line {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'"');
        // Without an early exit, so that it is done many bytes at once.
        let needs_escape = |found: bool, byte: &u8| found | is_escaped(*byte);
        if text.as_bytes().iter().fold(false, needs_escape) {
            self.escaped(text);
        } else {
            self.raw(text);
        }
        self.0.push(b'"');
    }

    fn escaped(&mut self, text: &str) {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        for byte in text.bytes() {
            let short = match byte {
                b'"' | b'\\' => byte,
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0C => b'f',
                b'\r' => b'r',
                0..0x20 => {
                    self.raw("\\u00");
                    let digits = [byte >> 4, byte & 15].map(|digit| HEX.get(usize::from(digit)));
                    self.0.extend(digits.into_iter().flatten());
                    continue;
                }
                _ => {
                    self.0.push(byte);
                    continue;
                }
            };
            self.0.extend_from_slice(&[b'\\', short]);
        }
    }

    /// `key` is a whole member start, such as `,"verb":`.
    fn member(&mut self, key: &str, value: &str) {
        self.raw(key);
        self.text(value);
    }

    fn member_some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.member(key, value);
        }
    }

    /// Members that may all be absent: the comma before the first of them is taken back.
    fn object(&mut self, key: &str, members: impl FnOnce(&mut Self)) {
        self.raw(key);
        self.0.push(b'{');
        let start = self.0.len();
        members(self);
        if self.0.get(start) == Some(&b',') {
            self.0.remove(start);
        }
        self.0.push(b'}');
    }

    fn list<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>) {
        self.raw(key);
        self.0.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            self.text(value);
        }
        self.0.push(b']');
    }

    fn user(&mut self, key: &str, user: &User) {
        self.object(key, |line| {
            let name = (!user.username.is_empty()).then_some(user.username.as_str());
            line.member_some(",\"username\":", name);
            line.member_some(",\"uid\":", user.uid.as_deref());
            if !user.groups.is_empty() {
                line.list(",\"groups\":", user.groups.iter().map(String::as_str));
            }
            if !user.extra.is_empty() {
                line.object(",\"extra\":", |line| line.extra(&user.extra));
            }
        });
    }

    fn extra(&mut self, extra: &BTreeMap<String, Vec<String>>) {
        for (key, values) in extra {
            self.0.push(b',');
            self.text(key);
            self.list(":", values.iter().map(String::as_str));
        }
    }

    fn event(&mut self, event: &Event) {
        self.raw(r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata""#);
        self.member(r#","auditID":"#, &event.audit_id);
        self.member(r#","stage":"#, event.stage.as_str());
        self.member(r#","requestURI":"#, &event.request_uri);
        self.member(r#","verb":"#, &event.verb);
        self.user(r#","user":"#, &event.user);
        if let Some(user) = &event.impersonated_user {
            self.user(r#","impersonatedUser":"#, user);
        }
        if !event.source_ips.is_empty() {
            let texts: Vec<String> = event.source_ips.iter().map(ToString::to_string).collect();
            self.list(r#","sourceIPs":"#, texts.iter().map(String::as_str));
        }
        self.member_some(r#","userAgent":"#, event.user_agent.as_deref());
        if let Some(object) = &event.object_ref {
            self.object(r#","objectRef":"#, |line| line.object_ref(object));
        }
        if let Some(status) = &event.response_status {
            self.response_status(status);
        }
        let received = event.request_received_timestamp.to_string();
        self.member(r#","requestReceivedTimestamp":"#, &received);
        self.member(r#","stageTimestamp":"#, &event.stage_timestamp.to_string());
        self.object(r#","annotations":"#, |line| {
            for (name, value) in &event.annotations {
                line.0.push(b',');
                line.text(name);
                line.member(":", value);
            }
        });
        self.0.push(b'}');
    }

    fn object_ref(&mut self, object: &ObjectRef) {
        self.member_some(r#","resource":"#, object.resource.as_deref());
        self.member_some(r#","namespace":"#, object.namespace.as_deref());
        self.member_some(r#","name":"#, object.name.as_deref());
        self.member_some(r#","uid":"#, object.uid.as_deref());
        self.member_some(r#","apiGroup":"#, object.api_group.as_deref());
        self.member_some(r#","apiVersion":"#, object.api_version.as_deref());
        self.member_some(r#","resourceVersion":"#, object.resource_version.as_deref());
        self.member_some(r#","subresource":"#, object.subresource.as_deref());
    }

    fn response_status(&mut self, status: &ResponseStatus) {
        self.raw(r#","responseStatus":{"metadata":{}"#);
        self.member_some(r#","status":"#, status.status());
        self.member_some(r#","message":"#, status.message());
        self.member_some(r#","reason":"#, status.reason());
        self.raw(r#","code":"#);
        self.raw(&status.code().to_string());
        self.0.push(b'}');
    }
}

const fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Why a line is not an event.
#[derive(Debug, Error)]
#[error("the line is not an audit event: {0}")]
pub struct DecodeFault(#[from] serde_json::Error);
