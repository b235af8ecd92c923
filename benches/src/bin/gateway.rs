//! The whole gateway beside raw Pingora and nginx: the same upstream, the same load, in turns.
//!
//!   bench-gateway COUNTERSIGN PASSTHROUGH CLUSTER
//!
//! First before a real API server, which CLUSTER is the program of: what a user gets. Then before a
//! static upstream that costs next to nothing: what the proxies themselves cost.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use gateway_benches::load::{Load, Pressure, Protocol, hold};
use gateway_benches::process::Process;
use gateway_benches::row::Row;
use gateway_benches::sample::Sample;
use gateway_benches::stage::{ApiServer, OBJECT, Proxy, Stage, WATCH};

/// Each takes its turn in each round, so that noise meets all alike; the median of the rounds counts.
const ROUNDS: usize = 5;
const ROUND_SECONDS: u32 = 3;
const PROXIES: [Proxy; 3] = [Proxy::Gateway, Proxy::Pingora, Proxy::Nginx];
/// Requests a second on each of 16 connections while latency is taken: far from what any can do.
const LATENCY_RATE: u32 = 50;
/// Connections whose memory is taken.
const CONNECTIONS: usize = 400;
const STARTS: usize = 5;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [countersign, passthrough, cluster] = arguments.as_slice() else {
        bail!("usage: bench-gateway COUNTERSIGN PASSTHROUGH CLUSTER");
    };
    let mut stage = Stage::new(countersign.clone(), passthrough.clone())?;
    before_api_server(&mut stage, cluster)?;
    let stage = Stage::new(countersign.clone(), passthrough.clone())?;
    let upstream = stage.start_upstream()?;
    for protocol in Protocol::ALL {
        throughput_and_latency(&stage, protocol, &format!("{}-static", protocol.case()))?;
    }
    for protocol in Protocol::ALL {
        memory(&stage, protocol)?;
    }
    cold_start(&stage)?;
    drop(upstream);
    Ok(())
}

fn before_api_server(stage: &mut Stage, cluster: &Path) -> Result<()> {
    let server = ApiServer::start(cluster, stage.directory())?;
    stage.stand_before(server.behind()?)?;
    for protocol in Protocol::ALL {
        throughput_and_latency(stage, protocol, protocol.case())?;
    }
    Ok(())
}

/// What the rounds gave for one proxy.
#[derive(Debug, Default)]
struct Rounds {
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
    core_percent: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Bench, unit and where its values are.
type Column = (&'static str, &'static str, fn(&Rounds) -> &[f64]);

struct Runner {
    proxy: Proxy,
    process: Process,
    url: String,
    rounds: Rounds,
}

fn throughput_and_latency(stage: &Stage, protocol: Protocol, case: &str) -> Result<()> {
    let mut runners = Vec::new();
    for proxy in PROXIES {
        let (process, address) = stage.start(proxy)?;
        runners.push(Runner {
            proxy,
            process,
            url: url(address, OBJECT),
            rounds: Rounds::default(),
        });
    }
    for round in 0..=ROUNDS {
        for runner in &mut runners {
            let name = runner.proxy.name();
            runner.round(stage, protocol).context(name)?;
            if round == 0 {
                // Only to warm up: connections, caches, the decision about the token.
                runner.rounds = Rounds::default();
            }
        }
    }
    let columns: [Column; 5] = [
        ("gateway.requests_per_second", "1/s", |rounds| {
            &rounds.per_second
        }),
        ("gateway.core_used", "%", |rounds| &rounds.core_percent),
        ("gateway.cpu_per_request", "us", |rounds| &rounds.cpu_micros),
        ("gateway.latency_p50", "us", |rounds| &rounds.p50),
        ("gateway.latency_p99", "us", |rounds| &rounds.p99),
    ];
    for (bench, unit, column) in columns {
        let values = runners.iter().map(|runner| median(column(&runner.rounds)));
        rows(bench, case, unit, values.collect())?;
    }
    Ok(())
}

impl Runner {
    fn round(&mut self, stage: &Stage, protocol: Protocol) -> Result<()> {
        let mut load = Load {
            url: &self.url,
            headers: stage.headers(self.proxy),
            protocol,
            pressure: Pressure::Full,
            seconds: ROUND_SECONDS,
        };
        let before = self.process.cpu_seconds()?;
        let full = load.run(stage.directory())?;
        let spent = self.process.cpu_seconds()? - before;
        self.rounds.per_second.push(full.per_second);
        self.rounds.cpu_micros.push(spent * 1e6 / full.requests);
        let core = spent * 100.0 / f64::from(ROUND_SECONDS);
        self.rounds.core_percent.push(core);
        load.pressure = Pressure::PerConnection(LATENCY_RATE);
        let calm = load.run(stage.directory())?;
        self.rounds.p50.push(calm.latency.percentile(50));
        self.rounds.p99.push(calm.latency.percentile(99));
        Ok(())
    }
}

/// What each idle connection and each watch holds, beyond the memory before them.
fn memory(stage: &Stage, protocol: Protocol) -> Result<()> {
    for (kind, path) in [("idle", OBJECT), ("watch", WATCH)] {
        let mut values = Vec::new();
        for proxy in PROXIES {
            let each = memory_of(stage, proxy, protocol, path);
            values.push(each.with_context(|| format!("{} {kind}", proxy.name()))?);
        }
        let case = format!("{kind}-{}", protocol.case());
        rows("gateway.memory_per_watch", &case, "kB", values)?;
    }
    Ok(())
}

fn memory_of(stage: &Stage, proxy: Proxy, protocol: Protocol, path: &str) -> Result<f64> {
    let (mut process, address) = stage.start(proxy)?;
    // What is made once, with the first request, is not the connections'.
    let warm = Load {
        url: &url(address, OBJECT),
        headers: stage.headers(proxy),
        protocol,
        pressure: Pressure::Full,
        seconds: ROUND_SECONDS,
    };
    warm.run(stage.directory())?;
    let before = process.resident_kb()?;
    let already = stage
        .open_requests()
        .context("the upstream says what it has open")?;
    let log = stage.path("hold.log");
    let held = hold(
        &url(address, path),
        stage.headers(proxy),
        protocol,
        CONNECTIONS,
        &log,
    )?;
    process.wait_until("connections", |process| {
        let connected = process.descriptors() >= CONNECTIONS;
        let watched = path != WATCH
            || stage
                .open_requests()
                .is_some_and(|open| open >= already + CONNECTIONS);
        (connected && watched).then_some(())
    })?;
    // The last ones have only just begun.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let after = process.resident_kb()?;
    drop(held);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let connections = CONNECTIONS as f64;
    Ok((after - before) / connections)
}

/// From the start of the program until it accepts.
fn cold_start(stage: &Stage) -> Result<()> {
    let mut values = Vec::new();
    for proxy in PROXIES {
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let begin = Instant::now();
            let started = stage.start(proxy)?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            drop(started);
        }
        values.push(median(&times));
    }
    rows("gateway.cold_start", "10000-rules", "ms", values)
}

/// One row for each peer; `values` are in the order of [`PROXIES`].
fn rows(bench: &str, case: &str, unit: &str, values: Vec<f64>) -> Result<()> {
    let mut named = PROXIES.into_iter().zip(values);
    let (_, value) = named
        .next()
        .context("the gateway's own value comes first")?;
    for (peer, peer_value) in named {
        let peer = Some((peer.name(), peer_value));
        Row {
            bench,
            case,
            unit,
            value,
            peer,
        }
        .print()?;
    }
    std::io::stdout().flush()?;
    Ok(())
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("https://{address}{path}")
}

fn median(values: &[f64]) -> f64 {
    Sample::of_values(values).percentile(50)
}
