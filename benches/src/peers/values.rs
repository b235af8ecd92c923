//! Read into a value, changed, written.

use anyhow::Result;
use gateway_masking::Step;
use serde_json::Value;
use simd_json::BorrowedValue;
use sonic_rs::{JsonValueMutTrait as _, JsonValueTrait as _};

use super::{Job, MARKER, Peer};

/// `serde_json::Value`, members in their order.
#[derive(Debug)]
pub struct SerdeValue(Job);

/// `simd_json::BorrowedValue`.
pub struct SimdValue {
    job: Job,
    buffers: simd_json::Buffers,
    copy: Vec<u8>,
}

/// `sonic_rs::Value`.
#[derive(Debug)]
pub struct SonicValue(Job);

impl SerdeValue {
    /// For this job.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        Self(job.clone())
    }
}

impl Peer for SerdeValue {
    fn name(&self) -> &'static str {
        "serde_json Value"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut value: Value = serde_json::from_slice(document)?;
        for path in &self.0.paths {
            mask_serde(&mut value, path);
        }
        serde_json::to_writer(out, &value)?;
        Ok(())
    }
}

fn mask_serde(value: &mut Value, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else {
        *value = Value::String(MARKER.to_owned());
        return;
    };
    match (step, value) {
        (Step::Key(name), Value::Object(members)) => {
            if let Some(member) = members.get_mut(&**name) {
                mask_serde(member, rest);
            }
        }
        (Step::AnyKey, Value::Object(members)) => {
            members
                .values_mut()
                .for_each(|member| mask_serde(member, rest));
        }
        (Step::AnyElement, Value::Array(elements)) => {
            elements
                .iter_mut()
                .for_each(|element| mask_serde(element, rest));
        }
        _ => {}
    }
}

impl std::fmt::Debug for SimdValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimdValue({:?})", self.job)
    }
}

impl SimdValue {
    /// For this job.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        Self {
            job: job.clone(),
            buffers: simd_json::Buffers::default(),
            copy: Vec::new(),
        }
    }
}

impl Peer for SimdValue {
    fn name(&self) -> &'static str {
        "simd-json Value"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        use simd_json::prelude::Writable as _;
        // It rewrites its input, so that a copy belongs to the job.
        self.copy.clear();
        self.copy.extend_from_slice(document);
        let mut value =
            simd_json::to_borrowed_value_with_buffers(&mut self.copy, &mut self.buffers)?;
        for path in &self.job.paths {
            mask_simd(&mut value, path);
        }
        value.write(out)?;
        Ok(())
    }
}

fn mask_simd(value: &mut BorrowedValue<'_>, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else {
        *value = BorrowedValue::String(MARKER.into());
        return;
    };
    match (step, value) {
        (Step::Key(name), BorrowedValue::Object(members)) => {
            if let Some(member) = members.get_mut(&**name) {
                mask_simd(member, rest);
            }
        }
        (Step::AnyKey, BorrowedValue::Object(members)) => {
            members
                .values_mut()
                .for_each(|member| mask_simd(member, rest));
        }
        (Step::AnyElement, BorrowedValue::Array(elements)) => {
            elements
                .iter_mut()
                .for_each(|element| mask_simd(element, rest));
        }
        _ => {}
    }
}

impl SonicValue {
    /// For this job.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        Self(job.clone())
    }
}

impl Peer for SonicValue {
    fn name(&self) -> &'static str {
        "sonic-rs Value"
    }

    fn mask(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut value: sonic_rs::Value = sonic_rs::from_slice(document)?;
        for path in &self.0.paths {
            mask_sonic(&mut value, path);
        }
        sonic_rs::to_writer(out, &value)?;
        Ok(())
    }
}

fn mask_sonic(value: &mut sonic_rs::Value, steps: &[Step]) {
    let Some((step, rest)) = steps.split_first() else {
        *value = sonic_rs::Value::from(MARKER);
        return;
    };
    match step {
        // To ask for a member or for members changes what is none.
        Step::Key(_) | Step::AnyKey if !value.is_object() => {}
        Step::Key(name) => {
            let member = value
                .as_object_mut()
                .and_then(|members| members.get_mut(name));
            if let Some(member) = member {
                mask_sonic(member, rest);
            }
        }
        Step::AnyKey => {
            if let Some(members) = value.as_object_mut() {
                members
                    .iter_mut()
                    .for_each(|(_, member)| mask_sonic(member, rest));
            }
        }
        Step::AnyElement => {
            if let Some(elements) = value.as_array_mut() {
                elements
                    .iter_mut()
                    .for_each(|element| mask_sonic(element, rest));
            }
        }
        Step::Element { .. } | Step::AnyDepth => {}
    }
}
