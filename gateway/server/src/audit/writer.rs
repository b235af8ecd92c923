//! The thread that owns the sink.
//!
//! It takes everything that waits as one batch, stores it, syncs if one event of it demands that,
//! and only then answers the waiters. While it syncs, the next batch gathers: the slower the disk,
//! the larger the batches (group commit).

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::queue::{Failed, QUEUE_COUNT_MAX};
use super::sink::{Durability, Sink};
use crate::telemetry::{AuditMetrics, Check, Readiness, field};

/// BOUND: bytes of one batch, so that the first waiter of a long queue is answered soon. One event
/// more may stand in it.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// BOUND: bytes kept while the sink fails; events beyond it are lost and counted.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// BOUND: batches stored after the order to close. A full queue of the longest lines needs fewer;
/// whoever still writes after that does not keep the process alive.
const LAST_BATCH_COUNT_MAX: usize = 256;

/// What a waiter is told.
pub(super) type Stored = Result<(), Arc<String>>;

/// What the queue holds.
#[derive(Debug)]
pub(super) enum Entry {
    /// An event.
    Line {
        /// Its line, newline included.
        line: Vec<u8>,
        /// Who waits for the sync.
        waiter: Option<oneshot::Sender<Stored>>,
        /// Its place in the queue, given back when it is stored.
        permit: Option<OwnedSemaphorePermit>,
    },
    /// An order waits beside the queue.
    Wake,
}

impl Entry {
    pub(super) fn durable(
        line: Vec<u8>,
        permit: OwnedSemaphorePermit,
        waiter: oneshot::Sender<Stored>,
    ) -> Self {
        Self::Line {
            line,
            waiter: Some(waiter),
            permit: Some(permit),
        }
    }

    pub(super) const fn written(line: Vec<u8>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self::Line {
            line,
            waiter: None,
            permit,
        }
    }
}

/// Orders to the writer.
#[derive(Debug)]
pub(super) enum Control {
    /// Look the sink up anew and try again.
    Reopen(oneshot::Sender<io::Result<()>>),
    /// Store what waits and end.
    Close(oneshot::Sender<io::Result<()>>),
}

/// How long the writer waits for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between two attempts while the sink fails.
    pub(super) retry: Duration,
    /// Until events nobody waits for are synced too.
    pub(super) sync: Duration,
    /// How long events nobody waits for gather before they are written. A wake-up for each costs
    /// more than everything else that is done for it; an event somebody waits for ends the wait.
    pub(super) gather: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            retry: Duration::from_secs(1),
            sync: Duration::from_secs(1),
            gather: Duration::from_millis(5),
        }
    }
}

/// The thread's state.
pub(super) struct Writer {
    sink: Box<dyn Sink>,
    queue: Receiver<Entry>,
    orders: Receiver<Control>,
    pace: Pace,
    report: Report,
    batch: Batch,
    /// Events written since the last sync.
    unsynced_count: u64,
}

/// What is to be stored next.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    count: u64,
    waiters: Vec<oneshot::Sender<Stored>>,
    permits: Vec<OwnedSemaphorePermit>,
    /// Somebody waits for an event of it, or for an order.
    is_urgent: bool,
}

impl Writer {
    pub(super) fn new(
        sink: Box<dyn Sink>,
        (queue, orders): (Receiver<Entry>, Receiver<Control>),
        pace: Pace,
        mut report: Report,
    ) -> Self {
        report.works();
        Self {
            sink,
            queue,
            orders,
            pace,
            report,
            batch: Batch::default(),
            unsynced_count: 0,
        }
    }

    /// Works until it is closed or every handle is gone.
    pub(super) fn run(mut self) {
        loop {
            let is_connected = self.gather();
            self.store();
            while let Ok(order) = self.orders.try_recv() {
                match order {
                    Control::Reopen(done) => answer(done, self.reopen()),
                    Control::Close(done) => {
                        answer(done, self.finish());
                        return;
                    }
                }
            }
            if !is_connected {
                answer_nobody(self.finish());
                return;
            }
        }
    }

    /// Waits for the first entry, then takes what is there. False if nobody can send any more.
    fn gather(&mut self) -> bool {
        let deadline = self.deadline();
        loop {
            let received = match deadline {
                Some(deadline) => self
                    .queue
                    .recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => self.queue.recv().or(Err(RecvTimeoutError::Disconnected)),
            };
            match received {
                Ok(entry) => self.take(entry),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            if self.batch.is_urgent || !self.report.has_failed() {
                break;
            }
        }
        self.take_waiting();
        let has_time = self.batch.count > 0 && !self.batch.is_urgent;
        if has_time && !self.report.has_failed() {
            // Ended early by `unpark`, when an event that somebody waits for is in the queue.
            std::thread::park_timeout(self.pace.gather);
            self.take_waiting();
        }
        self.batch.is_urgent = false;
        true
    }

    /// When to act even if nothing comes.
    fn deadline(&self) -> Option<Instant> {
        if self.report.has_failed() {
            Some(Instant::now() + self.pace.retry)
        } else if self.unsynced_count > 0 {
            Some(Instant::now() + self.pace.sync)
        } else {
            None
        }
    }

    fn take_waiting(&mut self) {
        // BOUND: what the queue can hold; what comes meanwhile is for the next turn.
        for _ in 0..QUEUE_COUNT_MAX {
            if self.batch.lines.len() >= BATCH_BYTES_MAX && !self.report.has_failed() {
                return;
            }
            match self.queue.try_recv() {
                Ok(entry) => self.take(entry),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, entry: Entry) {
        self.report.metrics.queue_length.dec();
        let Entry::Line {
            line,
            waiter,
            permit,
        } = entry
        else {
            self.batch.is_urgent = true;
            return;
        };
        self.batch.is_urgent |= waiter.is_some();
        if self.report.has_failed() && self.batch.lines.len() + line.len() > KEPT_BYTES_MAX {
            self.report.metrics.lost.inc();
            refuse(waiter, &self.report);
            return;
        }
        self.batch.lines.extend_from_slice(&line);
        self.batch.count += 1;
        if self.report.has_failed() {
            // It passed the check before the sink failed. It is kept, but its request is refused.
            refuse(waiter, &self.report);
        } else {
            self.batch.waiters.extend(waiter);
            self.batch.permits.extend(permit);
        }
    }

    /// Stores the batch and answers its waiters; a batch that fails is kept for the next attempt.
    fn store(&mut self) {
        let is_idle = self.batch.count == 0;
        let has_nothing_to_sync = self.unsynced_count == 0 && !self.report.has_failed();
        if is_idle && has_nothing_to_sync {
            return;
        }
        let durability = if is_idle || self.report.has_failed() || !self.batch.waiters.is_empty() {
            Durability::Synced
        } else {
            Durability::Written
        };
        let started = Instant::now();
        match self.sink.store(&self.batch.lines, durability) {
            Ok(()) => {
                self.report
                    .metrics
                    .write_seconds
                    .observe(started.elapsed().as_secs_f64());
                self.stored(durability);
            }
            Err(fault) => self.failed(&fault),
        }
    }

    fn stored(&mut self, durability: Durability) {
        self.report.metrics.events.inc_by(self.batch.count);
        self.unsynced_count = match durability {
            Durability::Synced => 0,
            Durability::Written => self.unsynced_count + self.batch.count,
        };
        self.report.works();
        for waiter in self.batch.waiters.drain(..) {
            // A waiter that has gone needs no answer.
            drop(waiter.send(Ok(())));
        }
        self.batch.permits.clear();
        self.batch.lines.clear();
        self.batch.lines.shrink_to(BATCH_BYTES_MAX);
        self.batch.count = 0;
    }

    fn failed(&mut self, fault: &io::Error) {
        // The state first: whoever is refused finds the log failed.
        self.report.fails(fault);
        for waiter in self.batch.waiters.drain(..) {
            refuse(Some(waiter), &self.report);
        }
        self.batch.permits.clear();
        self.take_waiting();
    }

    fn reopen(&mut self) -> io::Result<()> {
        let outcome = self.sink.reopen();
        if self.report.has_failed() {
            self.store();
        }
        outcome
    }

    /// Stores and syncs everything that waits, and says whether that went well.
    fn finish(&mut self) -> io::Result<()> {
        for _ in 0..LAST_BATCH_COUNT_MAX {
            self.take_waiting();
            let is_done = self.batch.count == 0 && self.unsynced_count == 0;
            if is_done && !self.report.has_failed() {
                return Ok(());
            }
            self.store();
            if self.report.has_failed() {
                break;
            }
        }
        self.report.metrics.lost.inc_by(self.batch.count);
        let why = self.report.why();
        Err(io::Error::other(format!(
            "{} events are lost: {why}",
            self.batch.count
        )))
    }
}

fn refuse(waiter: Option<oneshot::Sender<Stored>>, report: &Report) {
    if let Some(waiter) = waiter {
        drop(waiter.send(Err(report.why())));
    }
}

fn answer(done: oneshot::Sender<io::Result<()>>, outcome: io::Result<()>) {
    drop(done.send(outcome));
}

fn answer_nobody(outcome: io::Result<()>) {
    if let Err(fault) = outcome {
        tracing::error!({ field::FAULT } = %fault, "audit log was not stored to its end");
    }
}

/// Where the writer tells how it fares. When it is dropped, the writer has ended, however it did.
pub(super) struct Report {
    failed: Arc<Failed>,
    metrics: AuditMetrics,
    readiness: Arc<Readiness>,
    /// What was reported last; nothing yet counts as not working.
    is_working: bool,
}

impl Report {
    pub(super) const fn new(
        failed: Arc<Failed>,
        metrics: AuditMetrics,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self {
            failed,
            metrics,
            readiness,
            is_working: false,
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load().is_some()
    }

    fn why(&self) -> Arc<String> {
        self.failed.load_full().unwrap_or_default()
    }

    fn works(&mut self) {
        if self.is_working {
            return;
        }
        self.is_working = true;
        if self.has_failed() {
            tracing::warn!("audit log can be written again");
        }
        self.failed.store(None);
        self.metrics.writable.set(1);
        self.readiness.set(&Check::Audit, Ok(()));
    }

    fn fails(&mut self, fault: &io::Error) {
        self.metrics.failures.inc();
        if self.why().as_str() != fault.to_string() {
            tracing::error!({ field::FAULT } = %fault, "audit log cannot be written");
        }
        self.set_failed(fault.to_string());
    }

    fn set_failed(&mut self, why: String) {
        self.is_working = false;
        self.metrics.writable.set(0);
        self.readiness.set(
            &Check::Audit,
            Err(format!("audit log cannot be written: {why}")),
        );
        self.failed.store(Some(Arc::new(why)));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.set_failed("its writer has ended".to_owned());
    }
}
