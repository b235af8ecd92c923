//! The masker beside what else could be done with the same bytes, single thread.
//!
//!   bench-masking [secrets|pods|watch|configmap]...
//!
//! Without an argument all corpora, and first which of the tools is exact.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use gateway_benches::corpus::Corpus;
use gateway_benches::peers::{self, Countersign, Job, Peer, SerdeValue, compile};
use gateway_benches::row::Row;
use gateway_benches::sample::Sample;
use gateway_benches::traps;
use gateway_masking::{Kernel, MaskProgram, Masker, Mount};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a gateway sees: bytes just decrypted, within the second-level cache.
const HOT_BYTES: usize = 1 << 20;
/// Once through: more than the second-level cache by far.
const COLD_BYTES: usize = 48 << 20;
/// 50 000 events.
const COLD_WATCH_BYTES: usize = 236 << 20;
/// Of programs that do a few megabytes a second.
const COLD_PROGRAM_BYTES: usize = 4 << 20;
const CHUNK_BYTES: usize = 64 * 1024;
/// What TLS and HTTP/2 give at once.
const RECORD_BYTES: usize = 16 * 1024;
/// The best of the passes counts: neighbours on the machine only ever add time.
const PASSES_TIME: Duration = Duration::from_millis(250);
const PASSES_MIN: usize = 3;
const EVENTS: usize = 50_000;
const SLOW_EVENTS: usize = 5_000;

const ANNOTATION: &str = "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']";

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted =
        |corpus: &Corpus| wanted.is_empty() || wanted.iter().any(|name| name == corpus.name());
    ensure!(
        wanted.len()
            <= Corpus::ALL
                .iter()
                .filter(|corpus| is_wanted(corpus))
                .count(),
        "usage: bench-masking [secrets|pods|watch|configmap]..."
    );
    if wanted.is_empty() {
        exactness()?;
    }
    for corpus in Corpus::ALL.into_iter().filter(is_wanted) {
        Bench::of(corpus).run()?;
    }
    Ok(())
}

fn exactness() -> Result<()> {
    let job = traps::job()?;
    let program = compile(&["data.*"], Mount::Items)?;
    let mut tools: Vec<Box<dyn Peer>> = vec![Box::new(Countersign::new(program, Kernel::best()))];
    tools.extend(peers::libraries(&job)?);
    tools.extend(peers::programs(&job));
    for tool in &mut tools {
        traps::judge(tool.as_mut()).print()?;
    }
    Ok(())
}

/// How much of a corpus is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Density {
    /// The path leads nowhere.
    None,
    /// About one value in 10 KB.
    Sparse,
    /// The values of every object.
    Dense,
    /// And one place more.
    DenseAndMore,
    /// A name at any depth.
    Anywhere,
}

impl Density {
    const ALL: [Self; 5] = [
        Self::None,
        Self::Sparse,
        Self::Dense,
        Self::DenseAndMore,
        Self::Anywhere,
    ];
    /// What peers are asked for.
    const PEERS: [Self; 2] = [Self::Dense, Self::DenseAndMore];

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sparse => "sparse",
            Self::Dense => "dense",
            Self::DenseAndMore => "dense+",
            Self::Anywhere => "anywhere",
        }
    }

    const fn paths(self, corpus: Corpus) -> &'static [&'static str] {
        const ENV: &str = "spec.containers[*].env[*].value";
        match (self, corpus) {
            (Self::None, _) => &["spec.nowhere.*"],
            (Self::Sparse, Corpus::Secrets) => &[ANNOTATION],
            (Self::Sparse, Corpus::Pods | Corpus::Watch) => &["status.podIP"],
            (Self::Sparse, Corpus::ConfigMaps) => &["metadata.name"],
            (Self::Dense, Corpus::Pods) => &[ENV],
            (Self::Dense, Corpus::Secrets | Corpus::Watch | Corpus::ConfigMaps) => &["data.*"],
            (Self::DenseAndMore, Corpus::Pods) => &[ENV, "status.podIP"],
            (Self::DenseAndMore, Corpus::Secrets | Corpus::Watch | Corpus::ConfigMaps) => {
                &["data.*", ANNOTATION]
            }
            (Self::Anywhere, _) => &["**.password"],
        }
    }
}

/// Documents and where they are cut.
struct Body {
    documents: Vec<Vec<u8>>,
    whole: Bytes,
}

impl Body {
    fn of(corpus: Corpus, bytes: usize) -> Self {
        let documents = corpus.documents(bytes);
        let whole = documents.concat().into();
        Self { documents, whole }
    }

    fn chunks(&self, bytes: usize) -> Vec<Bytes> {
        let starts = (0..self.whole.len()).step_by(bytes);
        starts
            .map(|start| self.whole.slice(start..self.whole.len().min(start + bytes)))
            .collect()
    }

    /// The best rate of the passes, in GB/s.
    fn rate(&self, mut pass: impl FnMut()) -> f64 {
        let mut best = f64::MAX;
        let begin = Instant::now();
        let mut passes = 0;
        while passes < PASSES_MIN || begin.elapsed() < PASSES_TIME {
            let start = Instant::now();
            pass();
            best = best.min(start.elapsed().as_secs_f64());
            passes += 1;
        }
        f64::from(u32::try_from(self.whole.len()).unwrap_or(u32::MAX)) / best / 1e9
    }

    fn copied(&self) -> f64 {
        let mut buffer = vec![0; CHUNK_BYTES];
        self.rate(|| {
            for chunk in self.whole.chunks(CHUNK_BYTES) {
                if let Some(to) = buffer.get_mut(..chunk.len()) {
                    to.copy_from_slice(chunk);
                }
                black_box(&buffer);
            }
        })
    }

    fn masked(&self, program: &Arc<MaskProgram>, kernel: Kernel, chunk: usize) -> Result<f64> {
        let chunks = self.chunks(chunk);
        let mut out = Vec::new();
        let mut fault = None;
        let rate = self.rate(|| {
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

    fn by(&self, peer: &mut dyn Peer) -> Result<f64> {
        let mut out = Vec::new();
        let mut fault = None;
        let rate = self.rate(|| {
            for document in &self.documents {
                out.clear();
                fault = fault.take().or(peer.mask(document, &mut out).err());
                black_box(&out);
            }
        });
        match fault {
            Some(fault) => Err(fault.context(peer.name())),
            None => Ok(rate),
        }
    }

    /// All documents in one call, for programs that are started once for many.
    fn by_program(&self, peer: &mut dyn Peer) -> Result<f64> {
        let mut out = Vec::new();
        peer.mask(&self.whole, &mut out)?;
        let rate = self.rate(|| {
            out.clear();
            black_box(peer.mask(&self.whole, &mut out).is_ok());
        });
        Ok(rate)
    }

    fn checked(&self) -> f64 {
        self.rate(|| {
            for document in &self.documents {
                black_box(serde_json::from_slice::<serde::de::IgnoredAny>(document).is_ok());
            }
        })
    }
}

/// Where a peer's documents come from and how they are called in cases.
struct Heat<'a> {
    body: &'a Body,
    program_body: &'a Body,
    suffix: &'static str,
}

struct Bench {
    corpus: Corpus,
    mount: Mount,
    hot: Body,
    cold: Body,
    cold_for_programs: Body,
}

impl Bench {
    fn of(corpus: Corpus) -> Self {
        let (mount, cold_bytes) = match corpus {
            Corpus::Watch => (Mount::WatchObject, COLD_WATCH_BYTES),
            Corpus::Secrets | Corpus::Pods | Corpus::ConfigMaps => (Mount::Items, COLD_BYTES),
        };
        Self {
            corpus,
            mount,
            hot: Body::of(corpus, HOT_BYTES),
            cold: Body::of(corpus, cold_bytes),
            cold_for_programs: Body::of(corpus, COLD_PROGRAM_BYTES),
        }
    }

    fn run(&self) -> Result<()> {
        self.kernels()?;
        for density in Density::PEERS {
            self.peers(
                density,
                &Heat {
                    body: &self.hot,
                    program_body: &self.hot,
                    suffix: "",
                },
            )?;
        }
        self.peers(
            Density::DenseAndMore,
            &Heat {
                body: &self.cold,
                program_body: &self.cold_for_programs,
                suffix: " cold",
            },
        )?;
        if self.corpus != Corpus::ConfigMaps {
            self.events()?;
        }
        Ok(())
    }

    fn program(&self, density: Density) -> Result<Arc<MaskProgram>> {
        compile(density.paths(self.corpus), self.mount)
    }

    fn row(&self, case: &str, value: f64, peer: (&str, f64)) -> Result<()> {
        Row {
            bench: "masking.throughput",
            case: &format!("{} {case}", self.corpus.name()),
            unit: "GB/s",
            value,
            peer: Some(peer),
        }
        .print()?;
        Ok(())
    }

    /// Every kernel at every density, beside a copy of the same bytes.
    fn kernels(&self) -> Result<()> {
        let copies = [self.hot.copied(), self.cold.copied()];
        for kernel in Kernel::available() {
            for density in Density::ALL {
                let program = self.program(density)?;
                let bodies = [(&self.hot, ""), (&self.cold, " cold")];
                for ((body, suffix), copy) in bodies.into_iter().zip(copies) {
                    let value = body.masked(&program, kernel, CHUNK_BYTES)?;
                    let case = format!("{} {}{suffix}", kernel.name(), density.name());
                    self.row(&case, value, ("memcpy", copy))?;
                }
            }
        }
        let (kernel, density) = (Kernel::best(), Density::DenseAndMore);
        let program = self.program(density)?;
        let value = self.hot.masked(&program, kernel, RECORD_BYTES)?;
        let case = format!("{} {} 16KiB", kernel.name(), density.name());
        let [copy, _] = copies;
        self.row(&case, value, ("memcpy", copy))
    }

    fn peers(&self, density: Density, heat: &Heat<'_>) -> Result<()> {
        let place = match self.corpus {
            Corpus::Watch => "object",
            Corpus::Secrets | Corpus::Pods | Corpus::ConfigMaps => "items[*]",
        };
        let job = Job::new(place, density.paths(self.corpus))?;
        let mut rates = vec![("serde_json IgnoredAny, checked only", heat.body.checked())];
        for mut peer in peers::libraries(&job)? {
            rates.push((peer.name(), heat.body.by(peer.as_mut())?));
        }
        if density == Density::DenseAndMore {
            for mut peer in peers::programs(&job) {
                rates.push((peer.name(), heat.program_body.by_program(peer.as_mut())?));
            }
        }
        let program = self.program(density)?;
        for kernel in compared() {
            let value = heat.body.masked(&program, kernel, CHUNK_BYTES)?;
            let case = format!("{} {}{}", kernel.name(), density.name(), heat.suffix);
            for peer in &rates {
                self.row(&case, value, *peer)?;
            }
        }
        Ok(())
    }

    /// One push for each event of a watch.
    ///
    /// Hot: what the gateway sees, an event that was decrypted a moment ago into memory of its own.
    /// Cold: one that lies in main memory.
    fn events(&self) -> Result<()> {
        let events: Vec<Bytes> = self
            .corpus
            .events(EVENTS)
            .into_iter()
            .map(Bytes::from)
            .collect();
        let paths = Density::DenseAndMore.paths(self.corpus);
        let program = compile(paths, Mount::WatchObject)?;
        let slow_events = events.get(..SLOW_EVENTS).unwrap_or_default();
        for suffix in ["", " cold"] {
            let copies = |event: &Bytes| match suffix {
                "" => Bytes::copy_from_slice(event),
                _ => event.clone(),
            };
            let mut peer = SerdeValue::new(&Job::new("object", paths)?);
            let mut out = Vec::new();
            let slow = Sample::of_calls(slow_events.iter().map(copies), |event| {
                out.clear();
                peer.mask(&event, &mut out).is_ok()
            });
            for kernel in Kernel::available() {
                let mut masker = Masker::new(Arc::clone(&program), kernel);
                let mut out = Vec::new();
                let sample = Sample::of_calls(events.iter().map(copies), |event| {
                    out.clear();
                    masker.push(&event, &mut out).is_ok()
                });
                let case = format!("{} {}{suffix}", self.corpus.name(), kernel.name());
                for (bench, percent) in [("masking.event_p50", 50), ("masking.event_p99", 99)] {
                    Row {
                        bench,
                        case: &case,
                        unit: "us",
                        value: sample.percentile(percent),
                        peer: Some(("serde_json Value", slow.percentile(percent))),
                    }
                    .print()?;
                }
            }
        }
        Ok(())
    }
}

/// The kernel that floors speak of, and the best one.
fn compared() -> Vec<Kernel> {
    let best = Kernel::best();
    Kernel::available()
        .into_iter()
        .filter(|kernel| *kernel == best || kernel.name() == "avx2")
        .collect()
}
