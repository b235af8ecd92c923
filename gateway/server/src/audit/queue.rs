//! The handle: takes events, bounds how many wait, and says when they are stored.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use gateway_audit::Event;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::file::{FileFault, FileSink};
use super::sink::Sink;
use super::stdout::StreamSink;
use super::writer::{Control, Entry, Pace, Writer};
use super::{AuditConfig, OnFailure, SinkConfig};
use crate::telemetry::{AuditMetrics, Metrics, Readiness};

/// BOUND: events that wait for the writer. At about 1.5 KiB each this is some 12 MiB. Beyond it a
/// terminal event is lost and counted.
pub(super) const QUEUE_COUNT_MAX: usize = 8 * 1024;
/// BOUND: waiting events that begin an exchange. The other half of the queue is kept for terminal
/// events, which cannot wait: a full queue slows new exchanges down before old ones lose their end.
pub(super) const ADMITTED_COUNT_MAX: usize = QUEUE_COUNT_MAX / 2;
/// BOUND: how long an event waits for room in the queue.
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// BOUND: how long a durable event waits for its sync. A disk slower than this is a failed one.
const SYNC_WAIT: Duration = Duration::from_secs(10);
/// BOUND: how long the end of the process waits for the last events.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Why an event is not stored. Every text begins with the words callers and operators look for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuditFault {
    /// The sink fails.
    #[error("audit log cannot be written: {why}")]
    Unwritable {
        /// What the sink says.
        why: String,
    },
    /// The queue stays full.
    #[error("audit log cannot be written: too many events are waiting")]
    Busy,
    /// The sink does not answer.
    #[error("audit log cannot be written: the disk takes too long")]
    Slow,
    /// The writer has ended.
    #[error("audit log cannot be written: its writer has ended")]
    Stopped,
}

/// Why the audit log cannot start.
#[derive(Debug, Error)]
pub enum StartFault {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileFault),
    /// No thread can be made.
    #[error("the audit writer cannot be started: {0}")]
    Thread(#[source] io::Error),
}

/// The handle through which the whole server writes audit events.
#[derive(Debug, Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    entries: SyncSender<Entry>,
    controls: mpsc::Sender<Control>,
    /// The writer lets events gather for a while; whoever waits for one wakes it.
    writer: Thread,
    room: Arc<Semaphore>,
    failed: Arc<Failed>,
    on_failure: OnFailure,
    metrics: AuditMetrics,
}

/// Why the sink fails, if it does. Written by the writer alone.
pub(super) type Failed = ArcSwapOption<String>;

/// The owner of the writer thread: closes it at the end of the process.
#[derive(Debug)]
pub struct AuditWriter {
    log: AuditLog,
    thread: JoinHandle<()>,
}

impl AuditLog {
    /// Opens the sink and starts the writer.
    ///
    /// # Errors
    ///
    /// If the sink cannot be opened: a gateway that cannot audit does not start.
    pub fn start(
        config: AuditConfig,
        metrics: &Metrics,
        readiness: Arc<Readiness>,
    ) -> Result<(Self, AuditWriter), StartFault> {
        let sink: Box<dyn Sink> = match config.sink {
            SinkConfig::Stdout => Box::new(StreamSink::new(Box::new(io::stdout()))),
            SinkConfig::File(file) => Box::new(FileSink::open(file)?),
        };
        let settings = Settings {
            on_failure: config.on_failure,
            pace: Pace::default(),
        };
        Self::start_with(sink, settings, metrics, readiness)
    }

    pub(super) fn start_with(
        sink: Box<dyn Sink>,
        settings: Settings,
        metrics: &Metrics,
        readiness: Arc<Readiness>,
    ) -> Result<(Self, AuditWriter), StartFault> {
        let (entries, queue) = mpsc::sync_channel(QUEUE_COUNT_MAX);
        let (controls, orders) = mpsc::channel();
        let metrics = metrics.audit().clone();
        let failed = Arc::new(Failed::empty());
        let writer = Writer::new(sink, (queue, orders), settings.pace, {
            super::writer::Report::new(Arc::clone(&failed), metrics.clone(), readiness)
        });
        let thread = thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(StartFault::Thread)?;
        let shared = Shared {
            entries,
            controls,
            writer: thread.thread().clone(),
            room: Arc::new(Semaphore::new(ADMITTED_COUNT_MAX)),
            failed,
            on_failure: settings.on_failure,
            metrics,
        };
        let log = Self {
            shared: Arc::new(shared),
        };
        Ok((log.clone(), AuditWriter { log, thread }))
    }

    /// Stores the event of a write or a session; returns when it is on disk, so that the request
    /// may be forwarded.
    ///
    /// Dropping the future gives up waiting, not the event.
    ///
    /// # Errors
    ///
    /// If it is not known to be on disk. The request must be refused with 503.
    pub async fn submit_durable(&self, event: &Event) -> Result<(), AuditFault> {
        self.check()?;
        let permit = self.wait_for_room().await?;
        let (stored, outcome) = oneshot::channel();
        self.put(Entry::durable(event.encode(), permit, stored))?;
        self.shared.writer.unpark();
        match tokio::time::timeout(SYNC_WAIT, outcome).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(why))) => Err(AuditFault::Unwritable {
                why: why.as_ref().clone(),
            }),
            Ok(Err(_)) => Err(AuditFault::Stopped),
            Err(_) => Err(AuditFault::Slow),
        }
    }

    /// Takes the event of a read; returns when there is room for it, not when it is on disk.
    ///
    /// While the sink fails events are kept as far as there is room.
    ///
    /// # Errors
    ///
    /// Under [`OnFailure::DenyAll`], if the event cannot be stored: the request must be refused.
    /// Under [`OnFailure::DenyWrites`] such an event is counted as lost.
    pub async fn submit(&self, event: &Event) -> Result<(), AuditFault> {
        match (self.take(event).await, self.shared.on_failure) {
            (Ok(()), _) => Ok(()),
            (Err(fault), OnFailure::DenyAll) => Err(fault),
            (Err(_), OnFailure::DenyWrites) => {
                self.shared.metrics.lost.inc();
                Ok(())
            }
        }
    }

    /// Takes the event of a later stage. It never waits, so that it can be called while an exchange
    /// is dropped (T7), and has nothing left to refuse: an event for which there is no room is
    /// counted as lost.
    pub fn submit_terminal(&self, event: &Event) {
        if let Err(fault) = self.put(Entry::written(event.encode(), None)) {
            self.shared.metrics.lost.inc();
            tracing::error!({ crate::telemetry::field::FAULT } = %fault, "audit event lost");
        }
    }

    /// Looks the file up anew, for `logrotate`; also tries at once to write what waits.
    ///
    /// # Errors
    ///
    /// If there is no file to be had; events go on to the old one.
    pub async fn reopen(&self) -> Result<(), AuditFault> {
        self.order(Control::Reopen, SYNC_WAIT).await
    }

    /// Why events cannot be stored at present.
    #[must_use]
    pub fn fault(&self) -> Option<AuditFault> {
        self.check().err()
    }

    async fn take(&self, event: &Event) -> Result<(), AuditFault> {
        let permit = match (self.check(), self.shared.on_failure) {
            (Ok(()), _) => self.wait_for_room().await?,
            (Err(fault), OnFailure::DenyAll) => return Err(fault),
            (Err(_), OnFailure::DenyWrites) => Arc::clone(&self.shared.room)
                .try_acquire_owned()
                .or(Err(AuditFault::Busy))?,
        };
        self.put(Entry::written(event.encode(), Some(permit)))
    }

    fn check(&self) -> Result<(), AuditFault> {
        match self.shared.failed.load().as_deref() {
            None => Ok(()),
            Some(why) => Err(AuditFault::Unwritable { why: why.clone() }),
        }
    }

    async fn wait_for_room(&self) -> Result<OwnedSemaphorePermit, AuditFault> {
        if let Ok(permit) = Arc::clone(&self.shared.room).try_acquire_owned() {
            return Ok(permit);
        }
        let room = Arc::clone(&self.shared.room).acquire_owned();
        match tokio::time::timeout(ROOM_WAIT, room).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(AuditFault::Stopped),
            Err(_) => Err(AuditFault::Busy),
        }
    }

    fn put(&self, entry: Entry) -> Result<(), AuditFault> {
        // Counted first: the writer may take the entry out before this thread goes on.
        self.shared.metrics.queue_length.inc();
        self.shared.entries.try_send(entry).map_err(|refused| {
            self.shared.metrics.queue_length.dec();
            match refused {
                TrySendError::Full(_) => AuditFault::Busy,
                TrySendError::Disconnected(_) => AuditFault::Stopped,
            }
        })
    }

    async fn order(
        &self,
        control: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Control,
        wait: Duration,
    ) -> Result<(), AuditFault> {
        let (done, outcome) = oneshot::channel();
        self.shared
            .controls
            .send(control(done))
            .or(Err(AuditFault::Stopped))?;
        match self.put(Entry::Wake) {
            // At a full queue the writer is awake.
            Ok(()) | Err(AuditFault::Busy) => {}
            Err(fault) => return Err(fault),
        }
        self.shared.writer.unpark();
        match tokio::time::timeout(wait, outcome).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(fault))) => Err(AuditFault::Unwritable {
                why: fault.to_string(),
            }),
            Ok(Err(_)) => Err(AuditFault::Stopped),
            Err(_) => Err(AuditFault::Slow),
        }
    }
}

impl AuditWriter {
    /// Stores what waits, syncs, and ends the writer. Events that come later are lost: the audit log
    /// closes after everything that writes to it.
    ///
    /// # Errors
    ///
    /// If not everything could be stored.
    pub async fn close(self) -> Result<(), AuditFault> {
        let outcome = self.log.order(Control::Close, CLOSE_WAIT).await;
        if outcome != Err(AuditFault::Slow) {
            // It has answered, so it is about to end.
            let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                return Err(AuditFault::Stopped);
            }
        }
        outcome
    }
}

/// What tests set differently.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) on_failure: OnFailure,
    pub(super) pace: Pace,
}
