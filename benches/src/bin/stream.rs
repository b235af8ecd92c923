//! Masked answers through the whole gateway: a list that nobody can hold, readers that are slow, the
//! delay of watch events.
//!
//!   bench-stream COUNTERSIGN
//!
//! The gateway is alone on core 1; upstream and clients are in this process, which is to run on core
//! 0, so that both ends share a clock. Every byte of a list is compared with what must come.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gateway_benches::load::Protocol;
use gateway_benches::process::Process;
use gateway_benches::row::Row;
use gateway_benches::sample::Sample;
use gateway_benches::stage::{OBJECT, Proxy, Stage};
use gateway_benches::stream::client::{Appetite, Connection};
use gateway_benches::stream::list::{ITEM_BYTES, Shapes};
use gateway_benches::stream::upstream::{EVENT_COUNT, Upstream};
use gateway_benches::stream::{client_config, server_config};
use rustls::ClientConfig;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// 1.5 GB.
const LIST_ITEMS: usize = 150_000;
/// A list of which only the beginning is timed.
const SHORT_ITEMS: usize = 100;
const FIRST_BYTE_ROUNDS: usize = 41;
const SLOW_READERS: usize = 8;
const SLOW_BYTES_PER_SECOND: f64 = 65_536.0;
const PROBE_SECONDS: u64 = 6;
const PROBE_PAUSE: Duration = Duration::from_millis(5);
const WATCH_ROUNDS: usize = 3;
/// BOUND: nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a masked Secret value becomes begins so: `countersign-masked` in base64.
const MARKER: &[u8] = b"Y291bnRlcnNpZ24tbWFza2Vk";

/// What thousands of rules took while they were compiled would hide what a list takes.
const RULES_BESIDE: usize = 100;

const RULES: &str = r#"allow "streams" {
    why "The same objects with masks and without"
    owner "platform"
    who { group "group-0" }
    can read
    on "pods" "secrets"
    in "plain" "masked"
}
require "streams-are-masked" {
    why "Values of one namespace are masked"
    owner "platform"
    severity low
    can read
    on "pods" "secrets"
    in "masked"
    mask "pods"
}
"#;
const MASKS: &str = r#"mask "pods" {
    for "pods" { at "spec.containers[*].env[*].value" redact }
    for "secrets" { at "data.*" redact }
}
"#;

/// By which way an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Plain,
    Masked,
}

impl Way {
    const ALL: [Self; 3] = [Self::Direct, Self::Plain, Self::Masked];

    fn target(self, rest: &str) -> String {
        let namespace = match self {
            Self::Direct | Self::Plain => "plain",
            Self::Masked => "masked",
        };
        format!("/api/v1/namespaces/{namespace}/{rest}")
    }
}

struct Scene {
    runtime: Runtime,
    stage: Stage,
    upstream: Upstream,
    gateway: Process,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    protocol: Protocol,
    shapes: Shapes,
}

fn main() -> Result<()> {
    let countersign = std::env::args_os().nth(1).map(PathBuf::from);
    let countersign = countersign.context("usage: bench-stream COUNTERSIGN")?;
    for protocol in Protocol::ALL {
        let scene = Scene::set(countersign.clone(), protocol)?;
        scene.first_byte()?;
        scene.long_list()?;
        scene.slow_readers()?;
        scene.watch_delay()?;
    }
    Ok(())
}

impl Scene {
    fn set(countersign: PathBuf, protocol: Protocol) -> Result<Self> {
        let stage = Stage::with_rules(countersign, PathBuf::new(), RULES_BESIDE)?;
        stage.add_to_bundle("rules/streams.kdl", RULES)?;
        stage.add_to_bundle("masks.kdl", MASKS)?;
        let runtime = Runtime::new()?;
        let tls = server_config(
            &stage.path("upstream.crt"),
            &stage.path("upstream.key"),
            protocol,
        )?;
        let shapes = Shapes::new()?;
        let upstream = runtime.block_on(Upstream::start(
            stage.upstream_address(),
            tls,
            protocol,
            Stage::object(),
            shapes.clone(),
        ))?;
        let (gateway, address) = stage.start(Proxy::Gateway)?;
        let tls = client_config(&stage.path("ca.crt"), protocol)?;
        Ok(Self {
            runtime,
            stage,
            upstream,
            gateway,
            address,
            tls,
            protocol,
            shapes,
        })
    }

    async fn open(&self, way: Way, appetite: Appetite) -> Result<Connection> {
        let address = match way {
            Way::Direct => self.stage.upstream_address(),
            Way::Plain | Way::Masked => self.address,
        };
        Connection::open(address, Arc::clone(&self.tls), self.protocol, appetite).await
    }

    fn headers(&self) -> &[String] {
        self.stage.headers(Proxy::Gateway)
    }

    fn row(&self, bench: &str, unit: &str, value: f64, peer: Option<(&str, f64)>) -> Result<()> {
        let case = self.protocol.case();
        Row {
            bench,
            case,
            unit,
            value,
            peer,
        }
        .print()?;
        Ok(())
    }

    /// From the first byte of the body leaving upstream until it is here: by the gateway, less
    /// without it.
    fn first_byte(&self) -> Result<()> {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        self.runtime.block_on(async {
            let mut connections = Vec::new();
            for way in Way::ALL {
                connections.push(self.open(way, Appetite::Large).await?);
            }
            for _ in 0..FIRST_BYTE_ROUNDS {
                let ways = Way::ALL.into_iter().zip(&mut connections).zip(&mut times);
                for ((way, connection), times) in ways {
                    let time = timeout(PATIENCE, self.one_first_byte(way, connection));
                    times.push(time.await??.as_secs_f64() * 1e3);
                }
            }
            anyhow::Ok(())
        })?;
        let [direct, plain, masked] = times.map(|times| Sample::of_values(&times));
        for (percent, bench) in [
            (50, "masking.first_byte_added"),
            (90, "masking.first_byte_added_p90"),
        ] {
            let added = |sample: &Sample| sample.percentile(percent) - direct.percentile(percent);
            let peer = ("gateway without masks", added(&plain));
            self.row(bench, "ms", added(&masked), Some(peer))?;
        }
        Ok(())
    }

    async fn one_first_byte(&self, way: Way, connection: &mut Connection) -> Result<Duration> {
        let target = way.target(&format!("pods?limit={SHORT_ITEMS}"));
        let mut body = connection.get(&target, self.headers()).await?;
        let piece = body.next().await?;
        let here = Instant::now();
        ensure!(piece.is_some(), "an empty list");
        let left = self
            .upstream
            .first_byte()
            .context("the list was asked for")?;
        while body.next().await?.is_some() {}
        Ok(here.saturating_duration_since(left))
    }

    async fn whole_list(&self, way: Way, items: usize) -> Result<f64> {
        let mut connection = self.open(way, Appetite::Large).await?;
        let mut expected = self.shapes.expected(items, way == Way::Masked);
        let target = way.target(&format!("pods?limit={items}"));
        let begin = Instant::now();
        let mut body = connection.get(&target, self.headers()).await?;
        while let Some(piece) = body.next().await? {
            expected.take(&piece)?;
        }
        let seconds = begin.elapsed().as_secs_f64();
        expected.end()?;
        Ok(gigabytes(items * ITEM_BYTES) / seconds)
    }

    fn list(&self, way: Way, items: usize) -> Result<f64> {
        self.runtime
            .block_on(async { timeout(PATIENCE, self.whole_list(way, items)).await? })
            .with_context(|| format!("{way:?} {}", self.protocol.case()))
    }

    /// Memory and rate while 1.5 GB pass.
    fn long_list(&self) -> Result<()> {
        // What is made once, with the first requests, is not the list's.
        self.list(Way::Plain, SHORT_ITEMS)?;
        self.list(Way::Masked, SHORT_ITEMS)?;
        std::thread::sleep(Duration::from_secs(1));
        let idle = self.gateway.resident_kb()?;
        let mut peaks = Vec::new();
        let mut rates = Vec::new();
        for way in [Way::Masked, Way::Plain] {
            self.gateway.forget_peak()?;
            let before = self.gateway.cpu_seconds()?;
            let rate = self.list(way, LIST_ITEMS)?;
            let spent = self.gateway.cpu_seconds()? - before;
            rates.push((rate, gigabytes(LIST_ITEMS * ITEM_BYTES) / spent));
            peaks.push((self.gateway.peak_kb()? - idle) / 1024.0);
        }
        let direct = self.list(Way::Direct, LIST_ITEMS)?;
        let ([masked, plain], [masked_peak, plain_peak]) = (rates.as_slice(), peaks.as_slice())
        else {
            bail!("two lists were read");
        };
        let peer = "gateway without masks";
        self.row("masking.list_idle_memory", "MiB", idle / 1024.0, None)?;
        self.row(
            "masking.list_peak_memory",
            "MiB",
            *masked_peak,
            Some((peer, *plain_peak)),
        )?;
        self.row("masking.list_rate", "GB/s", masked.0, Some((peer, plain.0)))?;
        self.row(
            "masking.list_rate",
            "GB/s",
            masked.0,
            Some(("direct", direct)),
        )?;
        self.row(
            "masking.list_core_rate",
            "GB/s",
            masked.1,
            Some((peer, plain.1)),
        )
    }

    /// What others feel of readers that hardly read, and what those hold.
    fn slow_readers(&self) -> Result<()> {
        let alone = self.probe()?;
        let list_alone = self.list(Way::Masked, LIST_ITEMS / 10)?;
        let before = self.gateway.resident_kb()?;
        let mut readers = Vec::new();
        for _ in 0..SLOW_READERS {
            readers.push(self.slow_reader()?);
        }
        // Until everything is full that fills.
        std::thread::sleep(Duration::from_secs(2));
        let beside = self.probe()?;
        let list_beside = self.list(Way::Masked, LIST_ITEMS / 10)?;
        let held = (self.gateway.resident_kb()? - before) / 1024.0;
        for reader in readers {
            ensure!(!reader.is_finished(), "a slow reader was cut");
            reader.abort();
        }
        let peer = "without slow readers";
        for (bench, percent) in [
            ("masking.slow_reader_p50", 50),
            ("masking.slow_reader_p99", 99),
        ] {
            let value = beside.percentile(percent);
            self.row(bench, "us", value, Some((peer, alone.percentile(percent))))?;
        }
        self.row(
            "masking.slow_reader_list",
            "GB/s",
            list_beside,
            Some((peer, list_alone)),
        )?;
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let each = held / SLOW_READERS as f64;
        self.row("masking.slow_reader_memory", "MiB", each, None)
    }

    /// Small requests, one after the other, on a connection of their own.
    fn probe(&self) -> Result<Sample> {
        let end = Instant::now() + Duration::from_secs(PROBE_SECONDS);
        let times: Result<Vec<f64>> = self.runtime.block_on(async {
            let mut connection = self.open(Way::Plain, Appetite::Large).await?;
            let mut times = Vec::new();
            while Instant::now() < end {
                let begin = Instant::now();
                let answer = timeout(PATIENCE, connection.read(OBJECT, self.headers()));
                answer.await??;
                times.push(begin.elapsed().as_secs_f64() * 1e6);
                sleep(PROBE_PAUSE).await;
            }
            Ok(times)
        });
        Ok(Sample::of_values(&times?))
    }

    fn slow_reader(&self) -> Result<JoinHandle<Result<()>>> {
        let connection = self.open(Way::Masked, Appetite::Small);
        let mut connection = self.runtime.block_on(connection)?;
        let headers = self.headers().to_vec();
        let target = Way::Masked.target(&format!("pods?limit={LIST_ITEMS}"));
        Ok(self.runtime.spawn(async move {
            let mut body = connection.get(&target, &headers).await?;
            while let Some(piece) = body.next().await? {
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let seconds = piece.len() as f64 / SLOW_BYTES_PER_SECOND;
                sleep(Duration::from_secs_f64(seconds)).await;
            }
            Ok(())
        }))
    }

    /// From an event leaving upstream until its end is here.
    fn watch_delay(&self) -> Result<()> {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..WATCH_ROUNDS {
            for (way, times) in Way::ALL.into_iter().zip(&mut times) {
                let watch = async { timeout(PATIENCE, self.one_watch(way)).await? };
                let watch = self.runtime.block_on(watch);
                times.extend(watch.with_context(|| format!("{way:?}"))?);
            }
        }
        let [direct, plain, masked] = times.map(|times| Sample::of_values(&times));
        for (bench, percent) in [
            ("masking.watch_delay_added", 50),
            ("masking.watch_delay_added_p99", 99),
        ] {
            let added = |sample: &Sample| sample.percentile(percent) - direct.percentile(percent);
            let peer = ("gateway without masks", added(&plain));
            self.row(bench, "us", added(&masked), Some(peer))?;
        }
        let peer = Some(("direct", direct.percentile(50)));
        self.row("masking.watch_delay", "us", masked.percentile(50), peer)
    }

    async fn one_watch(&self, way: Way) -> Result<Vec<f64>> {
        let mut connection = self.open(way, Appetite::Large).await?;
        let target = way.target("secrets?watch=true");
        let mut body = connection.get(&target, self.headers()).await?;
        let mut arrived = Vec::new();
        let mut marked = 0;
        while let Some(piece) = body.next().await? {
            let now = Instant::now();
            let ends = piece.iter().filter(|byte| **byte == b'\n').count();
            arrived.extend(std::iter::repeat_n(now, ends));
            marked += piece
                .windows(MARKER.len())
                .filter(|part| *part == MARKER)
                .count();
        }
        ensure!(arrived.len() == EVENT_COUNT, "{} events", arrived.len());
        ensure!(
            (marked > EVENT_COUNT) == (way == Way::Masked),
            "{marked} marks"
        );
        let left = self.upstream.take_events();
        let pairs = arrived.iter().zip(&left);
        Ok(pairs
            .map(|(here, left)| here.saturating_duration_since(*left).as_secs_f64() * 1e6)
            .collect())
    }
}

fn gigabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e9
}
