//! The masker beside what else could be done with the same bytes, single thread.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use gateway_benches::corpus::Corpus;
use gateway_benches::row::Row;
use gateway_benches::sample::Sample;
use gateway_masking::{Encoding, FieldPath, Kernel, MaskProgram, MaskRule, MaskSpec, Masker};
use gateway_masking::{Mount, Strategy};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a gateway sees: bytes just decrypted, within the second-level cache.
const HOT_BYTES: usize = 1 << 20;
/// More than any cache.
const COLD_BYTES: usize = 48 << 20;
const CHUNK_BYTES: usize = 64 * 1024;
/// The best of so many passes counts: neighbours on the machine only ever add time.
const PASSES: usize = 60;
const COLD_PASSES: usize = 4;
const SLOW_PASSES: usize = 8;
const EVENTS: usize = 2_000;

const ANNOTATION: &str = "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']";

fn main() -> Result<()> {
    for corpus in [Corpus::Secrets, Corpus::Pods] {
        let hot = corpus.list(HOT_BYTES);
        let peers = Peers::measure(&hot, dense(corpus))?;
        for kernel in Kernel::available() {
            for (density, paths) in densities(corpus) {
                let program = compile(paths, Mount::Items)?;
                let value = masked(&program, kernel, &hot, PASSES)?;
                let case = format!("{} {} {density}", corpus.name(), kernel.name());
                throughput(&case, value, Some(("serde_json Value", peers.value)))?;
            }
        }
        let program = compile(dense(corpus), Mount::Items)?;
        let best = Kernel::best();
        let value = masked(&program, best, &hot, PASSES)?;
        for (peer, rate) in peers.rows() {
            let case = format!("{} {} dense, {peer}", corpus.name(), best.name());
            throughput(&case, value, Some((peer, rate)))?;
        }
        let cold = corpus.list(COLD_BYTES);
        let value = masked(&program, best, &cold, COLD_PASSES)?;
        let copy = copied(&cold, COLD_PASSES);
        let case = format!("{} {} dense cold", corpus.name(), best.name());
        throughput(&case, value, Some(("memcpy", copy)))?;
        events(corpus)?;
    }
    Ok(())
}

const fn dense(corpus: Corpus) -> &'static [&'static str] {
    match corpus {
        Corpus::Secrets => &["data.*"],
        Corpus::Pods => &["spec.containers[*].env[*].value"],
    }
}

const fn densities(corpus: Corpus) -> [(&'static str, &'static [&'static str]); 4] {
    let more: &[&str] = match corpus {
        Corpus::Secrets => &["data.*", ANNOTATION],
        Corpus::Pods => &["spec.containers[*].env[*].value", "status.podIP"],
    };
    [
        ("none", &[]),
        ("dense", dense(corpus)),
        ("dense+", more),
        ("anywhere", &["**.password"]),
    ]
}

fn compile(paths: &[&str], mount: Mount) -> Result<Arc<MaskProgram>> {
    let mut rules = Vec::new();
    for path in paths {
        rules.push(MaskRule {
            mask: "bench".into(),
            path: FieldPath::parse(path)?,
            strategy: Strategy::Redact,
            encoding: Encoding::Base64,
        });
    }
    let spec = MaskSpec {
        rules,
        guards: Vec::new(),
        mounts: vec![mount],
    };
    Ok(Arc::new(MaskProgram::compile(&spec)?))
}

fn throughput(case: &str, value: f64, peer: Option<(&str, f64)>) -> Result<()> {
    Row {
        bench: "masking.throughput",
        case,
        unit: "GB/s",
        value,
        peer,
    }
    .print()?;
    Ok(())
}

/// The best rate of so many passes, in GB/s.
fn rate(bytes: usize, passes: usize, mut pass: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..passes {
        let start = Instant::now();
        pass();
        best = best.min(start.elapsed().as_secs_f64());
    }
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / best / 1e9
}

fn masked(program: &Arc<MaskProgram>, kernel: Kernel, body: &[u8], passes: usize) -> Result<f64> {
    let body = Bytes::copy_from_slice(body);
    let starts = (0..body.len()).step_by(CHUNK_BYTES);
    let chunks: Vec<Bytes> = starts
        .map(|start| body.slice(start..body.len().min(start + CHUNK_BYTES)))
        .collect();
    let mut out = Vec::new();
    let mut fault = None;
    let rate = rate(body.len(), passes, || {
        let mut masker = Masker::new(Arc::clone(program), kernel);
        for chunk in &chunks {
            out.clear();
            fault = fault.or(masker.push(chunk, &mut out).err());
            black_box(&out);
        }
        fault = fault.or(masker.finish().err());
    });
    ensure!(fault.is_none(), "the corpus is masked whole");
    Ok(rate)
}

fn copied(body: &[u8], passes: usize) -> f64 {
    let mut buffer = vec![0; CHUNK_BYTES];
    rate(body.len(), passes, || {
        for chunk in body.chunks(CHUNK_BYTES) {
            if let Some(to) = buffer.get_mut(..chunk.len()) {
                to.copy_from_slice(chunk);
            }
            black_box(&buffer);
        }
    })
}

/// Rates of other ways, in GB/s. Each does less than the masker, or the same.
struct Peers {
    copy: f64,
    /// Read, mask, write.
    value: f64,
    /// Only checked.
    ignored: f64,
    /// Only read.
    tape: f64,
    /// Read, mask, write.
    sonic: f64,
}

impl Peers {
    fn measure(body: &[u8], paths: &[&str]) -> Result<Self> {
        let steps = FieldPath::parse(paths.first().context("a path")?)?;
        let value = rate(body.len(), SLOW_PASSES, || {
            if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
                mask_items(&mut value, &steps);
                black_box(serde_json::to_vec(&value).is_ok());
            }
        });
        let ignored = rate(body.len(), PASSES, || {
            black_box(serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok());
        });
        // It rewrites its input, so that a copy belongs to the job.
        let mut buffers = simd_json::Buffers::new(body.len());
        let mut copy = Vec::with_capacity(body.len());
        let tape = rate(body.len(), PASSES, || {
            copy.clear();
            copy.extend_from_slice(body);
            black_box(simd_json::to_tape_with_buffers(&mut copy, &mut buffers).is_ok());
        });
        let sonic = rate(body.len(), SLOW_PASSES, || {
            if let Ok(value) = sonic_rs::from_slice::<sonic_rs::Value>(body) {
                black_box(sonic_rs::to_vec(&value).is_ok());
            }
        });
        Ok(Self {
            copy: copied(body, PASSES),
            value,
            ignored,
            tape,
            sonic,
        })
    }

    const fn rows(&self) -> [(&'static str, f64); 5] {
        [
            ("memcpy", self.copy),
            ("serde_json Value, masked and written", self.value),
            ("serde_json IgnoredAny, checked only", self.ignored),
            ("simd-json tape, read only", self.tape),
            ("sonic-rs Value, read and written", self.sonic),
        ]
    }
}

fn mask_items(list: &mut Value, path: &FieldPath) {
    if let Some(items) = list.get_mut("items").and_then(Value::as_array_mut) {
        for item in items {
            mask_steps(item, path.steps());
        }
    }
}

fn mask_steps(value: &mut Value, steps: &[gateway_masking::Step]) {
    use gateway_masking::Step;
    let Some((step, rest)) = steps.split_first() else {
        *value = Value::String("Y291bnRlcnNpZ24tbWFza2VkOmJlbmNo".to_owned());
        return;
    };
    match (step, value) {
        (Step::Key(name), Value::Object(members)) => {
            if let Some(member) = members.get_mut(&**name) {
                mask_steps(member, rest);
            }
        }
        (Step::AnyKey, Value::Object(members)) => {
            members
                .values_mut()
                .for_each(|member| mask_steps(member, rest));
        }
        (Step::AnyElement, Value::Array(elements)) => {
            elements
                .iter_mut()
                .for_each(|element| mask_steps(element, rest));
        }
        _ => {}
    }
}

/// One push for each event of a watch.
fn events(corpus: Corpus) -> Result<()> {
    let events = corpus.events(EVENTS);
    let steps = FieldPath::parse(dense(corpus).first().context("a path")?)?;
    let slow = Sample::of_calls(&events, |event| {
        let mut value: Value = serde_json::from_slice(event).unwrap_or_default();
        if let Some(object) = value.get_mut("object") {
            mask_steps(object, steps.steps());
        }
        serde_json::to_vec(&value).unwrap_or_default()
    });
    let program = compile(dense(corpus), Mount::WatchObject)?;
    let chunks: Vec<Bytes> = events.into_iter().map(Bytes::from).collect();
    for kernel in Kernel::available() {
        let mut masker = Masker::new(Arc::clone(&program), kernel);
        let mut out = Vec::new();
        let sample = Sample::of_calls(&chunks, |event| {
            out.clear();
            masker.push(event, &mut out).is_ok()
        });
        let case = format!("{} {}", corpus.name(), kernel.name());
        for (bench, percent) in [("masking.event_p50", 50), ("masking.event_p99", 99)] {
            let value = sample.percentile(percent);
            let peer = Some(("serde_json Value", slow.percentile(percent)));
            Row {
                bench,
                case: &case,
                unit: "us",
                value,
                peer,
            }
            .print()?;
        }
    }
    Ok(())
}
