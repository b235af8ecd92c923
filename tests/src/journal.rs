//! A file of audit events that somebody else writes: the API server's or the gateway's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::wait::eventually;

/// One audit event, as written.
#[derive(Debug, Clone)]
pub struct Event(pub Value);

/// The events of one file, read as far as they are whole.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    read: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    offset: u64,
    rest: Vec<u8>,
    events: Vec<Arc<Event>>,
}

impl Journal {
    /// The file need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            read: Mutex::default(),
        }
    }

    /// Every event written until now.
    #[must_use]
    pub fn events(&self) -> Vec<Arc<Event>> {
        self.since(0)
    }

    /// Events after the first `count`.
    #[must_use]
    pub fn since(&self, count: usize) -> Vec<Arc<Event>> {
        let mut read = self.read.lock().expect("no reader panicked");
        read.go_on(&self.path);
        read.events.get(count..).unwrap_or_default().to_vec()
    }

    /// How many events there are now.
    #[must_use]
    pub fn count(&self) -> usize {
        let mut read = self.read.lock().expect("no reader panicked");
        read.go_on(&self.path);
        read.events.len()
    }

    /// Events with exactly this user agent.
    #[must_use]
    pub fn by_agent(&self, agent: &str) -> Vec<Arc<Event>> {
        self.matching(|event| event.text("/userAgent") == agent)
    }

    /// Events of this exchange.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Vec<Arc<Event>> {
        self.matching(|event| event.text("/auditID") == id)
    }

    /// Events for which `wanted` holds.
    #[must_use]
    pub fn matching(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Arc<Event>> {
        let mut events = self.events();
        events.retain(|event| wanted(event));
        events
    }

    /// The event of that id and stage, waited for.
    pub fn await_stage(&self, id: &str, stage: &str) -> Arc<Event> {
        let what = format!("stage {stage} of {id} in {}", self.path.display());
        eventually(&what, || {
            self.by_id(id)
                .into_iter()
                .find(|event| event.text("/stage") == stage)
        })
    }

    /// The first event of that user agent at the stage, waited for.
    pub fn await_agent(&self, agent: &str, stage: &str) -> Arc<Event> {
        let what = format!("stage {stage} of agent {agent} in {}", self.path.display());
        eventually(&what, || {
            self.by_agent(agent)
                .into_iter()
                .find(|event| event.text("/stage") == stage)
        })
    }
}

impl Progress {
    fn go_on(&mut self, path: &Path) {
        let Ok(mut file) = File::open(path) else {
            return;
        };
        file.seek(SeekFrom::Start(self.offset))
            .expect("seek in an audit log");
        let read = file.read_to_end(&mut self.rest).expect("read an audit log");
        self.offset += read as u64;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        for line in whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let value = serde_json::from_slice(line).expect("an audit event is a JSON line");
            self.events.push(Arc::new(Event(value)));
        }
    }
}

impl Event {
    /// The text at a JSON pointer, `""` if there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The annotation of that name, `""` if there is none.
    #[must_use]
    pub fn annotation(&self, name: &str) -> &str {
        self.0
            .get("annotations")
            .and_then(|all| all.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The answered status code.
    #[must_use]
    pub fn code(&self) -> u64 {
        self.0
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// Texts of an array at a JSON pointer.
    #[must_use]
    pub fn texts(&self, pointer: &str) -> Vec<&str> {
        let list = self.0.pointer(pointer).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// `verb|group|resource/subresource|namespace|name`, the notation of the vectors.
    #[must_use]
    pub fn vector(&self) -> String {
        let sub = self.text("/objectRef/subresource");
        let slash = if sub.is_empty() { "" } else { "/" };
        format!(
            "{}|{}|{}{slash}{sub}|{}|{}",
            self.text("/verb"),
            self.text("/objectRef/apiGroup"),
            self.text("/objectRef/resource"),
            self.text("/objectRef/namespace"),
            self.text("/objectRef/name")
        )
    }

    /// Every annotation.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<&str, &str> {
        let all = self.0.get("annotations").and_then(Value::as_object);
        all.map(|all| {
            all.iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
                .collect()
        })
        .unwrap_or_default()
    }
}
