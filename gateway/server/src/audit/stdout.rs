//! Standard output as a sink.

use std::fmt;
use std::io::{self, Write};

use super::sink::{Durability, Sink};

/// Lines on a stream. A stream cannot be synced or taken back.
pub(super) struct StreamSink {
    stream: Box<dyn Write + Send>,
    /// The last write failed, so a part of a line may stand at the end.
    is_torn: bool,
}

impl StreamSink {
    pub(super) fn new(stream: Box<dyn Write + Send>) -> Self {
        Self {
            stream,
            is_torn: false,
        }
    }
}

impl Sink for StreamSink {
    fn store(&mut self, lines: &[u8], _: Durability) -> io::Result<()> {
        // The torn line gets its newline first: a reader loses that line and no other.
        let start: &[u8] = if self.is_torn { b"\n" } else { b"" };
        self.is_torn = true;
        self.stream.write_all(start)?;
        self.stream.write_all(lines)?;
        self.stream.flush()?;
        self.is_torn = false;
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for StreamSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSink")
            .field("is_torn", &self.is_torn)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    /// Takes as many bytes at a time as told, then fails once for each `None`.
    #[derive(Clone, Default)]
    struct Scripted(Arc<Mutex<Script>>);

    #[derive(Default)]
    struct Script {
        steps: VecDeque<Option<usize>>,
        taken: Vec<u8>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = match inner.steps.pop_front() {
                Some(None) => return Err(io::ErrorKind::StorageFull.into()),
                Some(Some(count)) => count.min(bytes.len()),
                None => bytes.len(),
            };
            inner.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_torn_line_spoils_no_other() {
        let stream = Scripted::default();
        let mut sink = StreamSink::new(Box::new(stream.clone()));
        sink.store(b"{1}\n", Durability::Synced).unwrap();
        stream.0.lock().unwrap().steps.extend([Some(2), None]);
        assert!(sink.store(b"{2}\n", Durability::Synced).is_err());
        sink.store(b"{2}\n", Durability::Written).unwrap();
        sink.store(b"{3}\n", Durability::Written).unwrap();
        assert_eq!(stream.0.lock().unwrap().taken, b"{1}\n{2\n{2}\n{3}\n");
    }
}
