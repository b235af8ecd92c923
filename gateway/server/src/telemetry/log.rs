//! The process log: `tracing` to standard error, with `log` (pingora's) bridged into it.

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Why the log cannot start.
#[derive(Debug, Error)]
pub enum LogFault {
    /// The filter cannot be read.
    #[error(
        "`{filter}` is not a log filter ({source}); write `info` or `info,gateway_server=debug`"
    )]
    Filter {
        /// As written.
        filter: String,
        /// What is wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// There is a log already.
    #[error("the log has been started before")]
    Started,
}

/// Starts the log of the process on standard error; standard output belongs to the audit log.
///
/// # Errors
///
/// If the filter cannot be read, or the log was started before.
pub fn start_log(format: LogFormat, filter: &str) -> Result<(), LogFault> {
    let subscriber = subscriber(format, filter, std::io::stderr)?;
    // The order matters: an event of `log` that comes before the subscriber is dropped.
    tracing::subscriber::set_global_default(subscriber).or(Err(LogFault::Started))?;
    tracing_log::LogTracer::init().or(Err(LogFault::Started))
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, LogFault>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let levels = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogFault::Filter {
            filter: filter.to_owned(),
            source,
        })?;
    // INVARIANT 7: below `info`, the HTTP libraries write bodies and header fields as they pass. No
    // filter of an operator's may bring secrets into the log that way.
    let discreet =
        filter_fn(|event| *event.level() <= tracing::Level::INFO || is_own(event.target()));
    let registry = tracing_subscriber::registry().with(levels).with(discreet);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    Ok(match format {
        LogFormat::Text => Box::new(registry.with(layer)),
        LogFormat::Json => {
            Box::new(registry.with(layer.json().flatten_event(true).with_current_span(true)))
        }
    })
}

/// Whether the gateway's own code speaks; what comes through `log` never is.
fn is_own(target: &str) -> bool {
    target.starts_with("gateway_") || target.starts_with("countersign")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;
    use crate::telemetry::field;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!({ field::CLUSTER_NAME } = "prod", "upstream is reachable");
            tracing::debug!("not written");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn writes_json_with_named_fields() {
        let text = written(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "upstream is reachable");
        assert_eq!(line[field::CLUSTER_NAME], "prod");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn writes_text_without_colours() {
        let text = written(LogFormat::Text, "info");
        assert!(
            text.contains("upstream is reachable k8s.cluster=\"prod\""),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }

    /// At `debug` the proxy library wrote every body of an answer, Secrets included, into the log.
    #[test]
    fn no_filter_makes_libraries_write_what_passes() {
        for filter in [
            "trace",
            "debug,pingora_proxy=trace",
            "off,h2=trace,log=trace",
        ] {
            let lines = Lines::default();
            let writer = lines.clone();
            let subscriber = subscriber(LogFormat::Text, filter, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::debug!(target: "pingora_proxy::proxy_h1", "upstream event: hunter2");
                tracing::trace!(target: "h2::codec", "frame: hunter2");
                tracing::debug!(target: "log", "hunter2");
                tracing::info!(target: "gateway_server::run", "ours");
                tracing::debug!("ours");
            });
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("hunter2"), "{filter}: {text}");
            assert_eq!(
                text.contains("ours"),
                !filter.starts_with("off"),
                "{filter}: {text}"
            );
        }
    }

    #[test]
    fn refuses_a_filter_it_cannot_read() {
        let fault = subscriber(LogFormat::Text, "info,=[", std::io::sink)
            .err()
            .unwrap();
        assert!(
            fault
                .to_string()
                .starts_with("`info,=[` is not a log filter"),
            "{fault}"
        );
    }
}
