//! The events of a watch under masks. Objects go through the masker as they stream; an ERROR event
//! holds a `Status` whose words may quote what is masked, and is made anew (K-3.3, K-4.16). A BOOKMARK
//! of an empty object passes: a mask of all annotations would take the one by which clients know that
//! the initial events have ended, and they would wait for it for ever (K-3.4).

use bytes::{Bytes, BytesMut};
use gateway_kubeapi::{JsonValue, ResourceId};
use gateway_masking::Masker;
use http::StatusCode;
use memchr::memchr;
use serde_json::{Value, json};

use crate::unmaskable::{Unmaskable, UnmaskableCause};
use crate::withheld::withheld;

/// How the API server begins each event: one line, written by one encoder
/// (apimachinery: `pkg/apis/meta/v1/watch.go`). What begins in another way is not understood.
const EVENT: &[u8] = br#"{"type":""#;
/// BOUND: an ERROR event that is read whole, to be made anew; of a longer one nothing but the fact is
/// kept.
const ERROR_BYTES_MAX: usize = 1024 * 1024;
/// BOUND: a BOOKMARK that is read whole, to see whether its object is empty; that of an empty object of
/// the largest kinds has some hundred bytes. A longer one is masked like an object.
const BOOKMARK_BYTES_MAX: usize = 16 * 1024;
/// The annotation that ends the initial events of a watch (apimachinery: `pkg/apis/meta/v1/types.go`).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Where in the stream of events the next byte stands.
#[derive(Debug)]
enum Place {
    /// So many bytes of [`EVENT`] were seen and not handed on.
    Begin(usize),
    /// Within an event that the masker reads.
    Object,
    /// Within a BOOKMARK.
    Bookmark(BytesMut),
    /// Within an ERROR event.
    Error(BytesMut),
}

/// What the first bytes of an event say.
enum Begun {
    /// A blank line.
    Blank,
    /// More bytes are needed.
    Undecided,
    Bookmark,
    Error,
    Object,
}

/// Reads on in the head of an event of which `seen` bytes came before: how many bytes of `rest` belong
/// to it, and what it is.
fn begin(seen: usize, rest: &[u8]) -> Result<(usize, Begun), Unmaskable> {
    let due = EVENT.get(seen..).unwrap_or_default();
    let same = due.iter().zip(rest).take_while(|(a, b)| a == b).count();
    let is_whole = same == due.len();
    match rest.get(same) {
        None => Ok((same, Begun::Undecided)),
        Some(b'E') if is_whole => Ok((same, Begun::Error)),
        Some(b'B') if is_whole => Ok((same, Begun::Bookmark)),
        // ADDED, DELETED, MODIFIED.
        Some(b'A' | b'D' | b'M') if is_whole => Ok((same, Begun::Object)),
        Some(b'\n') if seen + same == 0 => Ok((1, Begun::Blank)),
        Some(_) => Err(Unmaskable::new(
            UnmaskableCause::WatchEvent,
            "an event of a watch does not begin with its type",
        )),
    }
}

/// A watch's answer, event by event.
#[derive(Debug)]
pub(crate) struct WatchEvents {
    pub(crate) masker: Masker,
    resource: ResourceId,
    place: Place,
}

impl WatchEvents {
    pub(crate) const fn new(masker: Masker, resource: ResourceId) -> Self {
        Self {
            masker,
            resource,
            place: Place::Begin(0),
        }
    }

    /// Takes the next piece. One without an ERROR event goes to the masker as it is.
    pub(crate) fn push(&mut self, chunk: &Bytes, out: &mut Vec<Bytes>) -> Result<(), Unmaskable> {
        // From here to where the walk stands the masker has not read yet.
        let mut from = 0;
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            let line = memchr(b'\n', rest).map(|end| end + 1);
            match &mut self.place {
                Place::Object => {
                    at += line.unwrap_or(rest.len());
                    if line.is_some() {
                        self.place = Place::Begin(0);
                    }
                }
                Place::Begin(seen) => {
                    let seen = *seen;
                    let (length, begun) = begin(seen, rest)?;
                    match begun {
                        Begun::Blank => {}
                        Begun::Undecided => {
                            self.place = Place::Begin(seen + length);
                            return self.mask(chunk, from..at, out);
                        }
                        Begun::Bookmark => {
                            self.mask(chunk, from..at, out)?;
                            self.place = Place::Bookmark(BytesMut::from(EVENT));
                        }
                        Begun::Error => {
                            self.mask(chunk, from..at, out)?;
                            self.place = Place::Error(BytesMut::from(EVENT));
                        }
                        Begun::Object => {
                            let head = EVENT.get(..seen).unwrap_or_default();
                            self.mask(&Bytes::from_static(head), 0..seen, out)?;
                            self.place = Place::Object;
                        }
                    }
                    at += length;
                }
                Place::Bookmark(event) => {
                    let part = rest.get(..line.unwrap_or(rest.len())).unwrap_or_default();
                    event.extend_from_slice(part);
                    at += part.len();
                    from = at;
                    self.end_bookmark(line.is_some(), out)?;
                }
                Place::Error(event) => {
                    let part = rest.get(..line.unwrap_or(rest.len())).unwrap_or_default();
                    if event.len() + part.len() <= ERROR_BYTES_MAX {
                        event.extend_from_slice(part);
                    }
                    at += part.len();
                    from = at;
                    if line.is_some() {
                        out.push(made_anew(event, &self.resource));
                        self.place = Place::Begin(0);
                    }
                }
            }
        }
        self.mask(chunk, from..at, out)
    }

    /// Hands on a bookmark that has ended, or is too long to be one.
    fn end_bookmark(&mut self, is_whole: bool, out: &mut Vec<Bytes>) -> Result<(), Unmaskable> {
        let Place::Bookmark(event) = &mut self.place else {
            return Ok(());
        };
        if !is_whole && event.len() <= BOOKMARK_BYTES_MAX {
            return Ok(());
        }
        let event = std::mem::take(event).freeze();
        self.place = if is_whole {
            Place::Begin(0)
        } else {
            Place::Object
        };
        if is_whole && is_empty_bookmark(&event) {
            out.push(event);
            return Ok(());
        }
        Ok(self.masker.push(&event, out)?)
    }

    fn mask(
        &mut self,
        chunk: &Bytes,
        range: std::ops::Range<usize>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Unmaskable> {
        if range.is_empty() {
            return Ok(());
        }
        Ok(self.masker.push(&chunk.slice(range), out)?)
    }

    /// The watch is over.
    pub(crate) fn finish(&mut self) -> Result<(), Unmaskable> {
        match self.place {
            Place::Begin(0) | Place::Object => Ok(self.masker.finish().map(drop)?),
            Place::Begin(_) | Place::Bookmark(_) | Place::Error(_) => {
                let why = "the watch ends within an event";
                Err(Unmaskable::new(UnmaskableCause::Truncated, why))
            }
        }
    }
}

/// The object has its kind, its version and the annotation that ends the initial events; all else is
/// as in an object that was never filled.
fn is_empty_bookmark(event: &[u8]) -> bool {
    // A repeated key is refused: it could hide what the other holds.
    let event = JsonValue::parse(event.trim_ascii_end());
    let event = event.unwrap_or(JsonValue::Null);
    let Some(JsonValue::Object(object)) = event.get("object") else {
        return false;
    };
    object.iter().all(|(key, value)| match key.as_str() {
        "kind" | "apiVersion" => value.as_str().is_some(),
        "metadata" => is_empty_metadata(value),
        _ => is_zero(value),
    })
}

fn is_empty_metadata(metadata: &JsonValue) -> bool {
    let JsonValue::Object(metadata) = metadata else {
        return false;
    };
    metadata
        .iter()
        .all(|(key, value)| match (key.as_str(), value) {
            ("resourceVersion", JsonValue::String(_)) => true,
            ("annotations", JsonValue::Object(annotations)) => annotations
                .iter()
                .all(|(key, value)| key == INITIAL_EVENTS_END && value.as_str() == Some("true")),
            (_, value) => is_zero(value),
        })
}

/// As in an object that was never filled.
fn is_zero(value: &JsonValue) -> bool {
    match value {
        JsonValue::Null => true,
        JsonValue::Bool(value) => !value,
        JsonValue::Number(value) => value == "0",
        JsonValue::String(value) => value.is_empty(),
        JsonValue::Array(values) => values.is_empty(),
        JsonValue::Object(members) => members.iter().all(|(_, value)| is_zero(value)),
    }
}

/// The event in place of one that could not be read is an internal error: clients list anew.
fn made_anew(event: &[u8], resource: &ResourceId) -> Bytes {
    let event: Value = serde_json::from_slice(event).unwrap_or_default();
    let said = event.get("object").unwrap_or(&Value::Null);
    let code = said.get("code").and_then(Value::as_u64);
    let code = code
        .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let status = withheld(code, said.to_string().as_bytes(), resource, "");
    let status: Value = serde_json::from_slice(&status).unwrap_or_default();
    let mut line = json!({"type": "ERROR", "object": status}).to_string();
    line.push('\n');
    Bytes::from(line)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gateway_masking::{Encoding, FieldPath, Kernel, MaskProgram, MaskRule, MaskSpec};
    use gateway_masking::{Mount, Strategy};

    use super::*;

    const ADDED: &str =
        "{\"type\":\"ADDED\",\"object\":{\"data\":{\"a\":\"CANARY\"},\"note\":\"\\n\"}}\n";
    const BOOKMARK: &str =
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}\n";
    const GONE: &str = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"CANARY\",\"code\":410}}\n";

    fn watch() -> WatchEvents {
        let rule = MaskRule {
            mask: "m".into(),
            path: FieldPath::parse("data.*").expect("a path"),
            strategy: Strategy::Redact,
            encoding: Encoding::Plain,
        };
        let spec = MaskSpec {
            rules: vec![rule],
            mounts: vec![Mount::WatchObject],
            ..MaskSpec::default()
        };
        let program = Arc::new(MaskProgram::compile(&spec).unwrap());
        let resource = ResourceId {
            group: String::new(),
            resource: "secrets".to_owned(),
            subresource: String::new(),
        };
        WatchEvents::new(Masker::new(program, Kernel::best()), resource)
    }

    fn run(text: &str, step: usize) -> Result<String, Unmaskable> {
        let mut events = watch();
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            events.push(&Bytes::copy_from_slice(piece), &mut out)?;
        }
        events.finish()?;
        Ok(String::from_utf8_lossy(&out.concat()).into_owned())
    }

    #[test]
    fn the_words_of_an_error_event_are_withheld_at_any_split() {
        let text = [ADDED, BOOKMARK, GONE, ADDED].concat();
        let whole = run(&text, text.len()).unwrap();
        assert!(!whole.contains("CANARY"), "{whole}");
        let lines: Vec<Value> = whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["object"]["data"]["a"], "countersign-masked:m");
        assert_eq!(lines[1]["object"]["metadata"]["resourceVersion"], "7");
        assert_eq!(lines[2]["object"]["reason"], "Expired");
        assert_eq!(lines[2]["object"]["code"], 410);
        assert_eq!(lines.len(), 4);
        for step in 1..60 {
            assert_eq!(run(&text, step).unwrap(), whole, "in pieces of {step}");
        }
    }

    /// A mask of all annotations took the one that clients wait for.
    #[test]
    fn a_bookmark_of_an_empty_object_passes_and_any_other_is_masked() {
        let end = "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"resourceVersion\":\"7\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}},\"spec\":{\"selector\":null,\"template\":{\"spec\":{\"containers\":[]}}},\"status\":{},\"data\":{}}}\n";
        let full = "{\"type\":\"BOOKMARK\",\"object\":{\"data\":{\"a\":\"CANARY\"}}}\n";
        let long = format!(
            "{{\"type\":\"BOOKMARK\",\"object\":{{\"x\":\"{}\",\"data\":{{\"a\":\"CANARY\"}}}}}}\n",
            " ".repeat(2 * BOOKMARK_BYTES_MAX)
        );
        for step in [1, 30, 100_000] {
            assert_eq!(run(end, step).unwrap(), end);
            for text in [full, &long] {
                let out = run(text, step).unwrap();
                assert!(!out.contains("CANARY"), "in pieces of {step}");
                assert!(out.contains("countersign-masked:m"), "in pieces of {step}");
            }
        }
        for hidden in [
            r#"{"kind":"X","metadata":{"annotations":{"k8s.io/initial-events-end":"x"}}}"#,
            r#"{"kind":"X","metadata":{"name":"x"}}"#,
            r#"{"kind":"X","spec":{"replicas":3}}"#,
            r#"{"kind":{"a":"x"}}"#,
            r#"{"data":{"a":"x"},"data":{}}"#,
            r#"["x"]"#,
        ] {
            let event = format!(r#"{{"type":"BOOKMARK","object":{hidden}}}"#);
            assert!(!is_empty_bookmark(event.as_bytes()), "{hidden}");
        }
    }

    #[test]
    fn an_event_that_hides_its_type_ends_the_watch() {
        for text in [
            "{\"object\":{\"message\":\"CANARY\"},\"type\":\"ERROR\"}\n",
            "{ \"type\":\"ERROR\"}\n",
            "{\"type\":\"\\u0045RROR\",\"object\":{\"message\":\"CANARY\"}}\n",
            "[]\n",
            "  \n",
        ] {
            for step in [1, 5, text.len()] {
                let fault = run(text, step).unwrap_err();
                assert_eq!(fault.cause, UnmaskableCause::WatchEvent, "{text}");
            }
        }
        for (text, length) in [(GONE, 40), (GONE, 5), (ADDED, 40)] {
            let (half, _) = text.split_at(length);
            let fault = run(half, 7).unwrap_err();
            assert_eq!(fault.cause, UnmaskableCause::Truncated, "{half}");
        }
    }

    #[test]
    fn an_error_event_nobody_can_read_is_an_error_still() {
        let long = format!(
            "{{\"type\":\"ERROR\",\"object\":{{\"message\":\"{}\"}}}}\n",
            "CANARY".repeat(ERROR_BYTES_MAX / 6)
        );
        for text in ["{\"type\":\"ERROR\",\"object\":CANARY}\n", &long] {
            let out = run(text, 8192).unwrap();
            assert!(!out.contains("CANARY"));
            let event: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(event["type"], "ERROR");
            assert_eq!(event["object"]["code"], 500);
        }
    }

    /// Nothing is copied where nothing is to be done.
    #[test]
    fn a_piece_of_whole_events_goes_on_as_it_is() {
        let event = "{\"type\":\"ADDED\",\"object\":{}}\n";
        let chunk = Bytes::from([event, event].concat());
        let mut out = Vec::new();
        watch().push(&chunk, &mut out).unwrap();
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].as_ptr(), chunk.as_ptr());
    }
}
