//! Writes the section of one bench into `BASELINE.md`: rows in, tables out.
//!
//!   bench-baseline BASELINE ROWS
//!
//! ROWS is a file of what `benches/run masking` printed, one JSON object a line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use gateway_benches::tables::{Rows, exactness, floors, kernels, peers, streams};

const HEADING: &str = "## masking";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [baseline, rows] = arguments.as_slice() else {
        bail!("usage: bench-baseline BASELINE ROWS");
    };
    let rows = Rows::read(&fs::read_to_string(rows).context("ROWS")?)?;
    let text = fs::read_to_string(baseline).context("BASELINE")?;
    let section = section(&rows, &machine()?)?;
    fs::write(baseline, replaced(&text, &section))?;
    Ok(())
}

/// The section from its heading to the next one, or at the end.
fn replaced(text: &str, section: &str) -> String {
    let (before, rest) = text.split_once(HEADING).unwrap_or((text, ""));
    let after = rest.find("\n## ").and_then(|at| rest.get(at..));
    format!(
        "{}\n\n{section}{}",
        before.trim_end(),
        after.unwrap_or_default()
    )
}

fn section(rows: &Rows, machine: &str) -> Result<String> {
    let mut text = format!("{HEADING}\n\n`make bench WHAT=masking`\n\n{machine}\n\n{METHOD}\n");
    for part in [
        floors(rows),
        kernels(rows),
        peers(rows),
        exactness(rows),
        streams(rows),
    ] {
        writeln!(text, "\n{}", part.trim())?;
    }
    Ok(text)
}

const METHOD: &str = "Single thread, rates in GB/s, the best of the passes in a quarter of a second: `hot` is 1 MiB in chunks of 64 KiB, `cold`
48 MiB (`watch`: 50 000 events, 236 MiB; jq and gojq: 4 MiB) once through. Corpora are made up with a fixed seed: `secrets` of 3 KB
(managedFields, last-applied on 30 %, Helm releases 2 %), `pods` of 9 KB, `watch` (events of Secrets, Pods, Leases and Helm releases,
median 2.8 KB), `configmap` (texts of 1 MiB, an escape in 14 bytes). Densities: `none` is a path that leads nowhere, `sparse` about one
value in 10 KB (the last-applied annotation; `status.podIP`), `dense` is `data.*` (pods: `spec.containers[*].env[*].value`), `dense+`
the annotation (pods: `status.podIP`) besides, `anywhere` is `**.password`. The masker checks the whole grammar in every row.
A ratio above 1 is better than the peer.";

/// What was measured on, in words.
fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or("?", |(_, value)| value.trim())
    };
    let flags: Vec<&str> = field("flags").split(' ').collect();
    let sets = [
        "sse4_2",
        "pclmulqdq",
        "avx2",
        "bmi2",
        "avx512bw",
        "avx512vl",
        "avx512_vbmi2",
        "vpclmulqdq",
    ];
    let sets: Vec<&str> = sets.into_iter().filter(|set| flags.contains(set)).collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel: Vec<&str> = kernel.split('.').take(2).collect();
    let load = fs::read_to_string("/proc/loadavg")?;
    let date = Command::new("date").arg("+%Y-%m-%d").output()?;
    Ok(format!(
        "Machine: {} cores of an {} (family {}, model {}; {}), Linux {}, {}; load average at the end {}.",
        std::thread::available_parallelism()?,
        field("model name"),
        field("cpu family"),
        field("model\t"),
        sets.join(" "),
        kernel.join("."),
        String::from_utf8_lossy(&date.stdout).trim(),
        load.split(' ').next().unwrap_or_default(),
    ) + &versions(Path::new("Cargo.lock")))
}

/// Versions of the peers.
fn versions(lock: &Path) -> String {
    let lock = fs::read_to_string(lock).unwrap_or_default();
    let version = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", rest.split('"').next()?))
    };
    let crates = [
        "serde_json",
        "simd-json",
        "sonic-rs",
        "rsonpath-lib",
        "jiter",
        "jaq-core",
    ];
    let mut all: Vec<String> = crates.into_iter().filter_map(version).collect();
    for program in ["jq", "gojq"] {
        let said = Command::new(program).arg("--version").output();
        if let Ok(said) = said {
            let said = String::from_utf8_lossy(&said.stdout).replace('-', " ");
            all.extend(said.split(" (").next().map(|said| said.trim().to_owned()));
        }
    }
    format!(" Peers: {}.", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let text = "# B\n\n## a\n\nx\n\n## masking\n\nold\n\n## z\n\ny\n";
        let new = replaced(text, "## masking\n\nnew\n");
        assert_eq!(new, "# B\n\n## a\n\nx\n\n## masking\n\nnew\n\n## z\n\ny\n");
        assert_eq!(replaced(&new, "## masking\n\nnew\n"), new);
        assert_eq!(replaced("# B\n", "## masking\n"), "# B\n\n## masking\n");
    }
}
