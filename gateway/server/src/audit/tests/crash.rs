//! Real files, real processes, real ends: the test binary starts itself as a child.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use gateway_audit::Event;
use tempfile::TempDir;

use super::event;
use crate::audit::{AuditConfig, AuditLog, AuditWriter, FileConfig, OnFailure, SinkConfig};
use crate::telemetry::{Metrics, Readiness};

/// Names the audit file to a child; without it the children's parts do nothing.
const CHILD_FILE: &str = "COUNTERSIGN_TEST_AUDIT_FILE";
/// Before an id that was acknowledged, on the child's standard output.
const ACKNOWLEDGED: &str = "acknowledged ";
/// Tasks that write at the same time in a child.
const TASK_COUNT: usize = 16;
/// Acknowledgements after which a child is killed.
const KILL_AFTER: usize = 200;

fn open(path: &Path) -> (AuditLog, AuditWriter) {
    let file = FileConfig {
        path: path.to_owned(),
        rotation: None,
    };
    let config = AuditConfig {
        sink: SinkConfig::File(file),
        on_failure: OnFailure::DenyWrites,
    };
    let metrics = Metrics::new(Instant::now()).unwrap();
    AuditLog::start(config, &metrics, Arc::new(Readiness::new())).unwrap()
}

fn child_file() -> Option<PathBuf> {
    std::env::var_os(CHILD_FILE).map(PathBuf::from)
}

/// Runs one test of this binary in a process of its own.
fn child(program: &OsStr, arguments: &[&OsStr], test: &str, path: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args([
            &format!("audit::tests::crash::{test}"),
            "--exact",
            "--nocapture",
        ])
        .env(CHILD_FILE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn ids_of(path: &Path) -> Vec<String> {
    let content = std::fs::read(path).unwrap();
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| Event::decode(line).unwrap().audit_id().to_owned())
        .collect()
}

#[test]
fn kill_loses_no_acknowledged_event() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let binary = std::env::current_exe().unwrap();
    let mut acknowledged = BTreeSet::new();
    // Several ends on one file: each start repairs what the end before it left.
    for _ in 0..4 {
        let mut child = child(
            binary.as_os_str(),
            &[],
            "child_writes_until_it_is_killed",
            &path,
        )
        .spawn()
        .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ids = |line: Result<String, _>| {
            let line: String = line.unwrap();
            line.split_once(ACKNOWLEDGED).map(|(_, id)| id.to_owned())
        };
        acknowledged.extend(lines.by_ref().filter_map(ids).take(KILL_AFTER));
        child.kill().unwrap();
        // What it said before its end counts too.
        acknowledged.extend(lines.filter_map(ids));
        child.wait().unwrap();
    }
    assert!(
        acknowledged.len() >= 4 * KILL_AFTER,
        "{}",
        acknowledged.len()
    );
    // Opening repairs, so that every line decodes.
    drop(open(&path));
    let stored: BTreeSet<String> = ids_of(&path).into_iter().collect();
    let missing: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let Some(path) = child_file() else { return };
    let (log, _writer) = open(&path);
    let process = std::process::id();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASK_COUNT {
        let log = log.clone();
        tasks.spawn(async move {
            for number in 0_u64.. {
                let id = format!("{process}-{task}-{number}");
                log.submit_durable(&event(&id)).await.unwrap();
                let line = format!("{ACKNOWLEDGED}{id}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// The process may write 32 or 64 KiB to a file, by the shell's unit; a write beyond it stores a part
/// and then fails, as on a full disk.
#[test]
fn a_full_disk_refuses_writes_and_tears_no_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let binary = std::env::current_exe().unwrap();
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let arguments = [OsStr::new("-c"), OsStr::new(script), binary.as_os_str()];
    let output = child(OsStr::new("sh"), &arguments, "child_fills_its_disk", &path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("recovered"), "{said}");
    let acknowledged: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_once(ACKNOWLEDGED))
        .map(|(_, id)| id)
        .collect();
    assert!(acknowledged.len() > 10, "{said}");
    assert_eq!(ids_of(&folder.path().join("full")), acknowledged);
    // The refused event was kept and stored; it is evidence too.
    let refused = acknowledged.len().to_string();
    assert_eq!(ids_of(&path), [refused.as_str(), "recovered"]);
}

#[tokio::test]
async fn child_fills_its_disk() {
    let Some(path) = child_file() else { return };
    let (log, writer) = open(&path);
    let fault = loop_until_full(&log).await;
    assert!(
        fault.starts_with("audit log cannot be written: File too large"),
        "{fault}"
    );
    // Somebody makes room.
    std::fs::rename(&path, path.with_file_name("full")).unwrap();
    log.reopen().await.unwrap();
    log.submit_durable(&event("recovered")).await.unwrap();
    println!("recovered");
    writer.close().await.unwrap();
}

async fn loop_until_full(log: &AuditLog) -> String {
    for number in 0_u64.. {
        match log.submit_durable(&event(&number.to_string())).await {
            Ok(()) => println!("{ACKNOWLEDGED}{number}"),
            Err(fault) => return fault.to_string(),
        }
    }
    String::new()
}
