//! The process log: plain lines on standard error, with field names from one list.
//!
//! What is logged is decided by an allow-list: a field whose name is not on it is written as
//! `[redacted]`, so a value about a person that slips into an event does not reach the log. Panics
//! are logged by place only, never with their text, which may quote a value.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock;

/// Fields that may be written. `message` is the event's own fixed sentence; `error` and `reason`
/// are texts of our own error types, which hold nothing about a person.
pub const FIELDS: [&str; 22] = [
    "message",
    "error",
    "reason",
    "origin",
    "peer",
    "kind",
    "site",
    "device",
    "address",
    "count",
    "status",
    "wait_ms",
    "elapsed_ms",
    "granted_bytes",
    "wanted_bytes",
    "class",
    "code",
    "seq",
    "misbehaviour",
    "method",
    "route",
    "version",
];

/// Crates of others whose events are not ours to vouch for.
const FOREIGN_SILENT: [&str; 6] = ["automerge", "quinn", "quinn_proto", "rustls", "hyper", "mio"];

/// Starts logging at INFO, and silences panics to their place.
pub fn start() {
    start_at(Level::INFO);
}

/// Starts logging at `level`. A second start in one process changes nothing.
pub fn start_at(level: Level) {
    let filter = FOREIGN_SILENT.iter().fold(Targets::new().with_default(level), |filter, name| {
        filter.with_target(*name, tracing::level_filters::LevelFilter::OFF)
    });
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines)
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let _ = tracing_subscriber::registry().with(lines).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(code = place, "a defect was hit");
    }));
}

/// Writes an error and its causes to standard error, for a command that failed.
pub fn say_error(error: &dyn std::error::Error) {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Writing into a String does not fail.
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// One line per event: time, level, sentence, fields.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = AllowedFields::default();
        event.record(&mut line);
        let meta = event.metadata();
        let now = clock::Clock::system().now();
        writeln!(writer, "{now} {:>5} {}{}", meta.level(), line.message, line.fields)
    }
}

/// Gathers the allowed fields of an event.
#[derive(Default)]
struct AllowedFields {
    message: String,
    fields: String,
}

impl Visit for AllowedFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        // Writing into a String does not fail.
        let _ = if name == "message" {
            write!(self.message, "{value:?}")
        } else if FIELDS.contains(&name) {
            write!(self.fields, " {name}={value:?}")
        } else {
            write!(self.fields, " {name}=[redacted]")
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Caught(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Caught {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_field_outside_the_list_is_redacted() {
        let caught = Caught::default();
        let writer = caught.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Lines)
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(count = 3, patient_name = "Asha Devi", "a batch was stored");
        });
        let text = String::from_utf8(caught.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("a batch was stored") && text.contains("count=3"), "{text}");
        assert!(text.contains("patient_name=[redacted]") && !text.contains("Asha"), "{text}");
    }
}
