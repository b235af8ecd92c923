//! The queue and the writer, on a sink the test steers.

mod crash;

use std::io;
use std::sync::Arc;
use std::sync::mpsc as steps;
use std::time::{Duration, Instant};

use gateway_audit::{Event, Facts, Stage};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::queue::{ADMITTED_COUNT_MAX, QUEUE_COUNT_MAX, Settings};
use super::sink::{Durability, Sink};
use super::writer::Pace;
use super::{AuditFault, AuditLog, AuditWriter, OnFailure};
use crate::telemetry::{Check, Metrics, Readiness};

/// Never comes in a test: what is to happen must be caused by something else.
const NEVER: Duration = Duration::from_secs(3600);

/// Tells the test of every call and waits for its word.
struct SteeredSink {
    calls: mpsc::UnboundedSender<Call>,
    words: steps::Receiver<io::Result<()>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Call {
    ids: Vec<String>,
    durability: Durability,
}

impl Sink for SteeredSink {
    fn store(&mut self, lines: &[u8], durability: Durability) -> io::Result<()> {
        let ids = lines
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| Event::decode(line).map(|event| event.audit_id().to_owned()))
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?;
        self.calls
            .send(Call { ids, durability })
            .map_err(io::Error::other)?;
        self.words
            .recv()
            .unwrap_or_else(|closed| Err(io::Error::other(closed)))
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    log: AuditLog,
    writer: AuditWriter,
    metrics: Metrics,
    readiness: Arc<Readiness>,
    calls: mpsc::UnboundedReceiver<Call>,
    words: steps::Sender<io::Result<()>>,
}

fn start(on_failure: OnFailure, pace: Pace) -> Fixture {
    let (calls_in, calls) = mpsc::unbounded_channel();
    let (words, words_out) = steps::channel();
    let metrics = Metrics::new(Instant::now()).unwrap();
    let readiness = Arc::new(Readiness::new());
    readiness.set(&Check::Policy, Ok(()));
    readiness.set(&Check::Serving, Ok(()));
    let sink = Box::new(SteeredSink {
        calls: calls_in,
        words: words_out,
    });
    let settings = Settings { on_failure, pace };
    let (log, writer) =
        AuditLog::start_with(sink, settings, &metrics, Arc::clone(&readiness)).unwrap();
    Fixture {
        log,
        writer,
        metrics,
        readiness,
        calls,
        words,
    }
}

fn start_patient() -> Fixture {
    start(
        OnFailure::DenyWrites,
        Pace {
            retry: NEVER,
            sync: NEVER,
            gather: Duration::ZERO,
        },
    )
}

impl Fixture {
    fn durable(&self, id: &str) -> JoinHandle<Result<(), AuditFault>> {
        let (log, event) = (self.log.clone(), event(id));
        tokio::spawn(async move { log.submit_durable(&event).await })
    }

    async fn call(&mut self) -> Call {
        self.calls.recv().await.unwrap()
    }

    fn say(&self, word: io::Result<()>) {
        self.words.send(word).unwrap();
    }

    async fn wait_for_queue(&self, length: usize) {
        let length = i64::try_from(length).unwrap();
        until(|| self.metrics.audit().queue_length.get() == length).await;
    }

    /// Makes the first event fail, so that the log is in its failed state.
    async fn fail(&mut self) {
        let first = self.durable("first");
        assert_eq!(self.call().await, synced(&["first"]));
        self.say(Err(full()));
        let fault = first.await.unwrap().unwrap_err();
        assert_eq!(
            fault.to_string(),
            "audit log cannot be written: no storage space"
        );
    }

    fn lost(&self) -> u64 {
        self.metrics.audit().lost.get()
    }
}

/// Lets others run until something holds; a test that waits in vain fails.
async fn until(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited in vain"
        );
        tokio::task::yield_now().await;
    }
}

fn event(id: &str) -> Event {
    let facts = Facts {
        audit_id: id,
        request_uri: "/api",
        verb: "get",
        ..Facts::default()
    };
    Event::new(Stage::RequestReceived, 0, &facts)
}

fn synced(ids: &[&str]) -> Call {
    Call {
        ids: ids.iter().map(ToString::to_string).collect(),
        durability: Durability::Synced,
    }
}

fn written(ids: &[&str]) -> Call {
    Call {
        durability: Durability::Written,
        ..synced(ids)
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[tokio::test]
async fn acknowledges_a_write_only_after_its_sync() {
    let mut fixture = start_patient();
    let waiting = fixture.durable("a");
    assert_eq!(fixture.call().await, synced(&["a"]));
    assert!(!waiting.is_finished());
    fixture.say(Ok(()));
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!(fixture.metrics.audit().events.get(), 1);
    assert_eq!(fixture.metrics.audit().write_seconds.get_sample_count(), 1);
}

#[tokio::test]
async fn many_waiters_share_one_sync() {
    let mut fixture = start_patient();
    let first = fixture.durable("first");
    fixture.call().await;
    let others: Vec<_> = (0..100)
        .map(|number| fixture.durable(&number.to_string()))
        .collect();
    fixture.wait_for_queue(100).await;
    fixture.say(Ok(()));
    let call = fixture.call().await;
    assert_eq!((call.ids.len(), call.durability), (100, Durability::Synced));
    assert!(others.iter().all(|waiting| !waiting.is_finished()));
    fixture.say(Ok(()));
    assert_eq!(first.await.unwrap(), Ok(()));
    for other in others {
        assert_eq!(other.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_read_waits_for_no_disk_but_is_synced_soon() {
    let mut fixture = start(
        OnFailure::DenyWrites,
        Pace {
            retry: NEVER,
            sync: Duration::ZERO,
            gather: Duration::ZERO,
        },
    );
    fixture.log.submit(&event("read")).await.unwrap();
    assert_eq!(fixture.call().await, written(&["read"]));
    fixture.say(Ok(()));
    assert_eq!(fixture.call().await, synced(&[]));
    fixture.say(Ok(()));
    let waiting = fixture.durable("write");
    assert_eq!(fixture.call().await, synced(&["write"]));
    fixture.say(Ok(()));
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn reads_gather_until_a_write_comes() {
    let mut fixture = start(
        OnFailure::DenyWrites,
        Pace {
            retry: NEVER,
            sync: NEVER,
            gather: NEVER,
        },
    );
    fixture.log.submit(&event("read")).await.unwrap();
    fixture.log.submit_terminal(&event("end"));
    let waiting = fixture.durable("write");
    assert_eq!(fixture.call().await, synced(&["read", "end", "write"]));
    fixture.say(Ok(()));
    assert_eq!(waiting.await.unwrap(), Ok(()));
    // Nor does an order wait for more.
    fixture.log.submit(&event("late")).await.unwrap();
    let closing = tokio::spawn(fixture.writer.close());
    for expected in [written(&["late"]), synced(&[])] {
        assert_eq!(fixture.calls.recv().await, Some(expected));
        fixture.words.send(Ok(())).unwrap();
    }
    assert_eq!(closing.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn refuses_writes_while_the_sink_fails_and_stores_what_it_kept_after() {
    let mut fixture = start_patient();
    assert!(fixture.readiness.is_ready());
    fixture.fail().await;
    assert_eq!(
        fixture.readiness.failures(),
        ["audit: audit log cannot be written: no storage space"]
    );
    assert_eq!(fixture.metrics.audit().writable.get(), 0);
    assert_eq!(fixture.metrics.audit().failures.get(), 1);
    // Not one of these reaches the sink.
    assert!(fixture.log.fault().is_some());
    assert!(fixture.log.submit_durable(&event("write")).await.is_err());
    fixture.log.submit(&event("read")).await.unwrap();
    fixture.log.submit_terminal(&event("end"));

    let reopened = tokio::spawn({
        let log = fixture.log.clone();
        async move { log.reopen().await }
    });
    assert_eq!(fixture.call().await, synced(&["first", "read", "end"]));
    fixture.say(Ok(()));
    assert_eq!(reopened.await.unwrap(), Ok(()));
    assert!(fixture.readiness.is_ready());
    assert_eq!(fixture.metrics.audit().writable.get(), 1);
    assert_eq!(fixture.lost(), 0);
    let waiting = fixture.durable("write");
    assert_eq!(fixture.call().await, synced(&["write"]));
    fixture.say(Ok(()));
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn tries_again_by_itself() {
    let mut fixture = start(
        OnFailure::DenyWrites,
        Pace {
            retry: Duration::ZERO,
            sync: NEVER,
            gather: Duration::ZERO,
        },
    );
    fixture.fail().await;
    assert_eq!(fixture.call().await, synced(&["first"]));
    fixture.say(Err(full()));
    assert_eq!(fixture.call().await, synced(&["first"]));
    fixture.say(Ok(()));
    until(|| fixture.readiness.is_ready()).await;
    assert_eq!(fixture.metrics.audit().failures.get(), 2);
    assert_eq!(fixture.metrics.audit().events.get(), 1);
}

#[tokio::test]
async fn answers_every_waiter_of_a_failed_batch_and_of_the_queue_behind_it() {
    let mut fixture = start_patient();
    let first = fixture.durable("first");
    fixture.call().await;
    let behind: Vec<_> = (0..50)
        .map(|number| fixture.durable(&number.to_string()))
        .collect();
    fixture.wait_for_queue(50).await;
    fixture.say(Err(full()));
    for waiting in std::iter::once(first).chain(behind) {
        let fault = waiting.await.unwrap().unwrap_err();
        assert!(matches!(fault, AuditFault::Unwritable { .. }), "{fault}");
    }
}

#[tokio::test]
async fn refuses_reads_too_if_told_so() {
    let mut fixture = start(
        OnFailure::DenyAll,
        Pace {
            retry: NEVER,
            sync: NEVER,
            gather: Duration::ZERO,
        },
    );
    fixture.fail().await;
    let fault = fixture.log.submit(&event("read")).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "audit log cannot be written: no storage space"
    );
    assert_eq!(fixture.lost(), 0);
}

#[tokio::test]
async fn every_event_of_a_long_failure_is_kept_or_counted() {
    let mut fixture = start_patient();
    fixture.fail().await;
    let uri = format!("/{}", "a".repeat(7000));
    let facts = Facts {
        audit_id: "big",
        request_uri: &uri,
        verb: "get",
        ..Facts::default()
    };
    let big = Event::new(Stage::RequestReceived, 0, &facts);
    for _ in 0..4000 {
        fixture.log.submit(&big).await.unwrap();
        fixture.wait_for_queue(0).await;
    }
    let reopen = fixture.log.clone();
    let reopened = tokio::spawn(async move { reopen.reopen().await });
    let kept = fixture.call().await.ids.len();
    fixture.say(Ok(()));
    reopened.await.unwrap().unwrap();
    assert!((2000..3000).contains(&kept), "{kept}");
    assert_eq!(fixture.lost(), 4001 - u64::try_from(kept).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_slows_new_exchanges_down_before_it_loses_the_end_of_old_ones() {
    let mut fixture = start_patient();
    let _first = fixture.durable("first");
    fixture.call().await;
    // The permit of the first event is in the sink's hands.
    for _ in 1..ADMITTED_COUNT_MAX {
        fixture.log.submit(&event("read")).await.unwrap();
    }
    assert_eq!(
        fixture.log.submit_durable(&event("write")).await,
        Err(AuditFault::Busy)
    );
    for _ in ADMITTED_COUNT_MAX - 1..QUEUE_COUNT_MAX {
        fixture.log.submit_terminal(&event("end"));
    }
    assert_eq!(fixture.lost(), 0);
    fixture.log.submit_terminal(&event("end"));
    assert_eq!(fixture.lost(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_refuses_the_write() {
    let mut fixture = start_patient();
    let waiting = fixture.durable("a");
    fixture.call().await;
    assert_eq!(waiting.await.unwrap(), Err(AuditFault::Slow));
}

#[tokio::test]
async fn an_event_whose_waiter_went_away_is_stored_nevertheless() {
    let mut fixture = start_patient();
    let first = fixture.durable("first");
    fixture.call().await;
    let gone = fixture.durable("gone");
    fixture.wait_for_queue(1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    fixture.say(Ok(()));
    assert_eq!(fixture.call().await, synced(&["gone"]));
    fixture.say(Ok(()));
    assert_eq!(first.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn stores_what_waits_before_it_closes() {
    let mut fixture = start_patient();
    let first = fixture.durable("first");
    fixture.call().await;
    fixture.log.submit(&event("read")).await.unwrap();
    fixture.log.submit_terminal(&event("end"));
    let closing = tokio::spawn(fixture.writer.close());
    fixture.words.send(Ok(())).unwrap();
    assert_eq!(fixture.calls.recv().await.unwrap().ids, ["read", "end"]);
    fixture.words.send(Ok(())).unwrap();
    assert_eq!(fixture.calls.recv().await.unwrap(), synced(&[]));
    fixture.words.send(Ok(())).unwrap();
    assert_eq!(closing.await.unwrap(), Ok(()));
    assert_eq!(first.await.unwrap(), Ok(()));
    assert!(fixture.log.submit_durable(&event("late")).await.is_err());
    assert_eq!(
        fixture.readiness.failures(),
        ["audit: audit log cannot be written: its writer has ended"]
    );
}

#[tokio::test]
async fn says_what_is_lost_when_it_cannot_store_the_last_events() {
    let mut fixture = start_patient();
    fixture.fail().await;
    // One attempt or two: the order may find the writer awake.
    fixture.say(Err(full()));
    fixture.say(Err(full()));
    let closing = tokio::spawn(fixture.writer.close());
    let fault = closing.await.unwrap().unwrap_err();
    assert_eq!(
        fault.to_string(),
        "audit log cannot be written: 1 events are lost: no storage space"
    );
    assert_eq!(fixture.metrics.audit().lost.get(), 1);
}

#[tokio::test]
async fn notices_a_writer_that_died() {
    let mut fixture = start_patient();
    let waiting = fixture.durable("a");
    fixture.call().await;
    let Fixture {
        log,
        readiness,
        words,
        writer,
        ..
    } = fixture;
    drop(words.send(Ok(())));
    assert_eq!(waiting.await.unwrap(), Ok(()));
    // Without its test the sink fails for good; without its handles the writer ends.
    drop((log, writer, words));
    until(|| readiness.failures() == ["audit: audit log cannot be written: its writer has ended"])
        .await;
}
