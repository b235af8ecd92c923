//! Rows of the masking bench as tables.

use anyhow::{Context as _, Result};
use serde_json::Value;

const CORPORA: [&str; 4] = ["secrets", "pods", "watch", "configmap"];
const DENSITIES: [&str; 5] = ["none", "sparse", "dense", "dense+", "anywhere"];
const THROUGHPUT: &str = "masking.throughput";

/// What a bench printed.
#[derive(Debug)]
pub struct Rows(Vec<Value>);

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Found {
    value: f64,
    peer: f64,
}

impl Rows {
    /// One JSON object a line.
    ///
    /// # Errors
    /// A line is none.
    pub fn read(text: &str) -> Result<Self> {
        let rows: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        Ok(Self(rows.context("a row")?))
    }

    fn of<'a>(&'a self, bench: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |row| text(row, "bench") == bench)
    }

    fn find(&self, bench: &str, case: &str, peer: &str) -> Option<Found> {
        let row = self
            .of(bench)
            .find(|row| text(row, "case") == case && text(row, "peer").starts_with(peer))?;
        Some(Found {
            value: number(row, "value")?,
            peer: number(row, "peer_value").unwrap_or_default(),
        })
    }

    fn kernels(&self) -> Vec<&str> {
        let mut kernels = Vec::new();
        for row in self.of(THROUGHPUT) {
            let kernel = text(row, "case").split(' ').nth(1).unwrap_or_default();
            if !kernels.contains(&kernel) {
                kernels.push(kernel);
            }
        }
        kernels
    }

    fn peers(&self, case: &str) -> Vec<&str> {
        let rows = self.of(THROUGHPUT).filter(|row| text(row, "case") == case);
        let peers = rows.map(|row| text(row, "peer"));
        peers.filter(|peer| *peer != "memcpy").collect()
    }
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Value, field: &str) -> Option<f64> {
    row.get(field)?.as_f64()
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        0.0..0.1 => format!("{value:.3}"),
        0.1..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn line<T: AsRef<str>>(table: &mut String, cells: impl IntoIterator<Item = T>) {
    table.push('|');
    for cell in cells {
        table.extend([" ", cell.as_ref(), " |"]);
    }
    table.push('\n');
}

fn head(table: &mut String, cells: &[&str]) {
    line(table, cells);
    table.push_str(&"|---".repeat(cells.len()));
    table.push_str("|\n");
}

/// Every kernel and density, hot and cold, beside memcpy.
#[must_use]
pub fn kernels(rows: &Rows) -> String {
    let kernels = rows.kernels();
    let mut table =
        "`masking.throughput`, hot (cold), in GB/s; of memcpy: the share of the first kernel.\n\n"
            .to_owned();
    let mut cells = vec!["corpus, density"];
    cells.extend(&kernels);
    cells.extend(["memcpy", "of memcpy"]);
    head(&mut table, &cells);
    for corpus in CORPORA {
        for density in DENSITIES {
            let find = |kernel: &str, heat: &str| {
                let case = format!("{corpus} {kernel} {density}{heat}");
                rows.find(THROUGHPUT, &case, "memcpy")
            };
            let both = |kernel: &str, of: fn(Found) -> f64| {
                let [hot, cold] = ["", " cold"].map(|heat| {
                    find(kernel, heat).map_or_else(|| "–".to_owned(), |found| short(of(found)))
                });
                format!("{hot} ({cold})")
            };
            let mut cells = vec![format!("{corpus} {density}")];
            cells.extend(
                kernels
                    .iter()
                    .map(|kernel| both(kernel, |found| found.value)),
            );
            let first = kernels.first().copied().unwrap_or_default();
            cells.push(both(first, |found| found.peer));
            cells.push(both(first, |found| found.value / found.peer));
            line(&mut table, cells);
        }
    }
    let pieces: Vec<String> = rows
        .of(THROUGHPUT)
        .filter(|row| text(row, "case").ends_with(" 16KiB"))
        .filter_map(|row| {
            Some(format!(
                "{} {}",
                text(row, "case").split(' ').next()?,
                short(number(row, "value")?)
            ))
        })
        .collect();
    let pieces = pieces.join(", ");
    table + &format!("\nIn chunks of 16 KiB, `dense+`, the first kernel: {pieces}.\n")
}

/// Every peer at the same job, and how many times its rate the masker has.
#[must_use]
pub fn peers(rows: &Rows) -> String {
    let kernels = rows.kernels();
    let kernel = kernels.iter().find(|kernel| **kernel == "avx2");
    let kernel = kernel.or(kernels.first()).copied().unwrap_or_default();
    let mut all = String::new();
    for (case, words) in [
        ("dense+", "hot, two paths (`dense+`)"),
        ("dense", "hot, one path (`dense`)"),
        ("dense+ cold", "cold, two paths"),
    ] {
        let peers = rows.peers(&format!("secrets {kernel} {case}"));
        all += &format!(
            "\nPeers at the same job, {words}: GB/s, and in brackets how many times that the masker does with {kernel}.\n\n"
        );
        let mut cells = vec!["tool"];
        cells.extend(CORPORA);
        head(&mut all, &cells);
        for peer in peers {
            let mut cells = vec![peer.to_owned()];
            for corpus in CORPORA {
                let case = format!("{corpus} {kernel} {case}");
                let found = rows.find(THROUGHPUT, &case, peer);
                cells.push(found.map_or_else(
                    || "–".to_owned(),
                    |found| {
                        format!(
                            "{} (x{})",
                            short(found.peer),
                            short(found.value / found.peer)
                        )
                    },
                ));
            }
            line(&mut all, cells);
        }
    }
    all
}

/// Which of them is exact.
#[must_use]
pub fn exactness(rows: &Rows) -> String {
    let mut table = "Exact: `masking.exact`, traps passed (escaped keys, repeated keys, broken text refused, the whole grammar taken, bytes \
        outside masks kept, any cut).\n\n"
        .to_owned();
    head(&mut table, &["tool", "exact", "passed", "why not"]);
    for row in rows.of("masking.exact") {
        let is_exact = row.get("exact").and_then(Value::as_bool);
        let passed = number(row, "value").unwrap_or_default();
        line(
            &mut table,
            [
                text(row, "case"),
                if is_exact == Some(true) { "yes" } else { "no" },
                &format!("{passed} {}", text(row, "unit")),
                text(row, "why"),
            ],
        );
    }
    table
}

/// Everything else, as it was printed.
#[must_use]
pub fn streams(rows: &Rows) -> String {
    let mut table = STREAMS.to_owned();
    head(
        &mut table,
        &[
            "bench",
            "case",
            "unit",
            "value",
            "peer",
            "its value",
            "ratio",
        ],
    );
    for row in &rows.0 {
        let bench = text(row, "bench");
        if bench == THROUGHPUT || bench == "masking.exact" {
            continue;
        }
        let cell = |field: &str| number(row, field).map_or_else(|| "–".to_owned(), short);
        let peer = Some(text(row, "peer")).filter(|peer| !peer.is_empty());
        line(
            &mut table,
            [
                bench,
                text(row, "case"),
                text(row, "unit"),
                &cell("value"),
                peer.unwrap_or("–"),
                &cell("peer_value"),
                &cell("ratio"),
            ],
        );
    }
    table
}

const STREAMS: &str = "One push for each event (`event_…`): copied a moment before, as decryption leaves it, or `cold`, one of 50 000 in main memory; the time
of reading the clock, some 20 ns, is within. And the whole gateway with everything on (TLS on both sides, ES256, 100 rules, audit into a file), alone on one core; upstream and clients share the other and a clock. `list_…`: 150 000 Pods of 10 KB made while they are sent,
twelve values masked in each, every byte compared with what must come; memory is the peak above idle. `first_byte_added`: from the
first byte of the body leaving upstream until it is here, less the same without the gateway. `slow_reader_…`: small requests and a list
beside eight clients that take 64 KiB a second of the long list. `watch_delay_added`: from an event of 3 KB leaving upstream until its
end is here, less the same without the gateway.

";

/// What the design asks for, and whether this run has it.
#[must_use]
pub fn floors(rows: &Rows) -> String {
    let mut table = "Floors and aims:\n\n".to_owned();
    head(&mut table, &["what", "wanted", "this run", "held"]);
    let mut floors = Vec::new();
    for density in ["dense", "dense+"] {
        floors.extend(throughput_floors(rows, density));
    }
    for case in [
        "watch avx512",
        "watch avx2",
        "watch avx512 cold",
        "watch avx2 cold",
    ] {
        let event = rows.find("masking.event_p50", case, "serde_json");
        let what = format!("aim: event of 2.8 KB, {case}, p50, us");
        floors.push(Floor::most(what, 1.0, event.map(|event| event.value)));
    }
    for protocol in ["tls-h1", "tls-h2"] {
        let find = |bench| rows.find(bench, protocol, "gateway without masks");
        let value = |bench| find(bench).map(|found| found.value);
        let memory = value("masking.list_peak_memory");
        let what = format!("1.5 GB list, {protocol}, memory above idle, MiB");
        floors.push(Floor::most(what, 32.0, memory));
        let first = value("masking.first_byte_added");
        let what = format!("first byte, {protocol}, added, ms");
        floors.push(Floor::most(what, 2.0, first));
    }
    for floor in floors {
        line(&mut table, floor.cells());
    }
    table
}

/// One of them.
struct Floor {
    what: String,
    wanted: String,
    value: Option<f64>,
    is_held: bool,
}

impl Floor {
    fn least(what: String, least: f64, value: Option<f64>) -> Self {
        Self {
            what,
            wanted: format!("≥ {least}"),
            value,
            is_held: value.is_some_and(|value| value >= least),
        }
    }

    fn most(what: String, most: f64, value: Option<f64>) -> Self {
        Self {
            what,
            wanted: format!("≤ {most}"),
            value,
            is_held: value.is_some_and(|value| value <= most),
        }
    }

    fn cells(self) -> [String; 4] {
        let value = self.value.map_or_else(|| "–".to_owned(), short);
        let held = match (self.value, self.is_held) {
            (None, _) => "not measured",
            (Some(_), true) => "yes",
            (Some(_), false) => "**no**",
        };
        [self.what, self.wanted, value, held.to_owned()]
    }
}

fn throughput_floors(rows: &Rows, density: &str) -> Vec<Floor> {
    let find = |corpus: &str, kernel: &str, peer: &str| {
        rows.find(THROUGHPUT, &format!("{corpus} {kernel} {density}"), peer)
    };
    let rate = |corpus: &str, kernel: &str| Some(find(corpus, kernel, "memcpy")?.value);
    let mut floors = Vec::new();
    for (corpus, kernel, least, aim) in [
        ("secrets", "avx2", 2.5, ""),
        ("pods", "avx2", 2.0, ""),
        ("secrets", "avx2", 4.0, "aim: "),
        ("secrets", "avx512", 6.0, "aim: "),
    ] {
        let what = format!("{aim}{corpus} {density}, {kernel}, GB/s");
        floors.push(Floor::least(what, least, rate(corpus, kernel)));
    }
    for corpus in ["secrets", "pods", "watch"] {
        let found = find(corpus, "avx2", "serde_json Value");
        let what = format!("{corpus} {density}, avx2, times serde_json Value");
        let ratio = found.map(|found| found.value / found.peer);
        floors.push(Floor::least(what, 10.0, ratio));
    }
    floors
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = r#"{"bench":"masking.throughput","case":"secrets avx2 dense","unit":"GB/s","value":3.0,"peer":"memcpy","peer_value":30.0,"ratio":0.1}
{"bench":"masking.throughput","case":"secrets avx2 dense","unit":"GB/s","value":3.0,"peer":"serde_json Value","peer_value":0.5,"ratio":6.0}
{"bench":"masking.exact","case":"jq","unit":"of 6","value":3,"exact":false,"why":"takes broken text"}
{"bench":"masking.list_peak_memory","case":"tls-h1","unit":"MiB","value":40.0,"peer":"gateway without masks","peer_value":9.0,"ratio":0.225}"#;

    #[test]
    fn rows_become_tables() {
        let rows = Rows::read(ROWS).unwrap();
        assert!(kernels(&rows).contains("| secrets dense | 3.00 (–) | 30.0 (–) | 0.10 (–) |"));
        assert!(peers(&rows).contains("| serde_json Value | 0.50 (x6.00) | – | – | – |"));
        assert!(exactness(&rows).contains("| jq | no | 3 of 6 | takes broken text |"));
        assert!(streams(&rows).contains("| masking.list_peak_memory | tls-h1 | MiB | 40.0 |"));
    }

    #[test]
    fn a_missed_floor_is_said() {
        let floors = floors(&Rows::read(ROWS).unwrap());
        assert!(floors.contains("| secrets dense, avx2, GB/s | ≥ 2.5 | 3.00 | yes |"));
        assert!(floors.contains("times serde_json Value | ≥ 10 | 6.00 | **no** |"));
        let memory = "| 1.5 GB list, tls-h1, memory above idle, MiB | ≤ 32 | 40.0 | **no** |";
        assert!(floors.contains(memory), "{floors}");
    }
}
