//! The process log: one line per event on standard error, with field names from one list.
//!
//! Only events of our own crates are written below a warning, and only fields whose names are on
//! the list [`FIELDS`]: a value about a person that slips into an event does not reach the log.
//! Panics are logged by place only, never with their text, which may quote a value.

mod fields;
mod lines;

use std::fmt::Write as _;
use std::io::{self, Write as _};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use fields::FIELDS;
pub use lines::Format;

use crate::Clock;

/// Our crates, whose events hold to the rules of this log. Of all others only warnings and errors
/// are written, and of those only the place: their sentences may quote what they were given.
const OURS: [&str; 22] = [
    "alerts",
    "api",
    "bench",
    "consent",
    "demo",
    "device_sim",
    "devices",
    "directory",
    "document",
    "edge_node",
    "export",
    "host",
    "hub",
    "pages",
    "patients",
    "replication",
    "store",
    "transport",
    "vitals",
    "web",
    "workflows",
    "tests",
];

/// The environment variable that names another level than INFO, for whoever looks for the cause of
/// a trouble: `CAIRN_LOG=debug`. No level lets a person's data into the log.
const LEVEL_VARIABLE: &str = "CAIRN_LOG";

/// Starts logging as text, at INFO unless `CAIRN_LOG` names another level, and keeps the text of
/// panics out of the log.
pub fn start() {
    start_with(level(std::env::var(LEVEL_VARIABLE).ok().as_deref()), Format::Text);
}

/// The level with this name; INFO for none, and for one that does not exist.
fn level(name: Option<&str>) -> Level {
    name.and_then(|name| name.parse().ok()).unwrap_or(Level::INFO)
}

/// Starts logging at `level` in `format`. A second start in one process changes nothing.
pub fn start_with(level: Level, format: Format) {
    if subscriber(level, format, io::stderr).try_init().is_ok() {
        log_panics_by_place();
    }
}

/// What [`start_with`] installs, writing to `writer`: for a test that looks for what must not be
/// in the log.
pub fn subscriber<W>(level: Level, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let foreign = LevelFilter::from_level(level).min(LevelFilter::WARN);
    let filter = OURS
        .iter()
        .fold(Targets::new().with_default(foreign), |all, name| all.with_target(*name, level));
    let lines = lines::Lines::new(format, Clock::system(), is_ours, writer);
    tracing_subscriber::registry().with(lines.with_filter(filter))
}

/// Whether the event's own sentence and values may be written.
fn is_ours(target: &str) -> bool {
    OURS.contains(&target.split("::").next().unwrap_or_default())
}

/// Replaces the words of a panic by its place, for every thread of this process.
pub fn log_panics_by_place() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a defect was hit");
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
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests;
