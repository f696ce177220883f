//! The names of the values that may stand in the log, and what was recorded under them.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};

/// Fields that may be written. None of them is about a person: `error`, `reason`, `refused` and
/// `misbehaviour` are texts of our own error types, `device` and `site` are names of machines and
/// places, `origin` and `peer` are shortened keys of nodes.
pub const FIELDS: [&str; 34] = [
    "accepted",
    "address",
    "alerts",
    "attempt",
    "bytes",
    "class",
    "code",
    "count",
    "device",
    "duplicate",
    "elapsed_ms",
    "error",
    "granted_bytes",
    "kind",
    "method",
    "misbehaviour",
    "origin",
    "peer",
    "place",
    "quarantined",
    "reason",
    "received",
    "refused",
    "rejected",
    "request_id",
    "road",
    "room",
    "route",
    "seq",
    "site",
    "status",
    "version",
    "wait_ms",
    "wanted_bytes",
];

/// What stands in place of a value that may not be written.
const REDACTED: &str = "[redacted]";

/// The sentence and the values of an event or a span.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) message: String,
    pub(super) values: Vec<(&'static str, Value)>,
}

impl Recorded {
    fn keep(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let value = if FIELDS.contains(&name) { value } else { Value::from(REDACTED) };
        // A span may record a value again.
        self.values.retain(|(known, _)| *known != name);
        self.values.push((name, value));
    }
}

impl Visit for Recorded {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.keep(field, Value::from(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.keep(field, Value::from(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, Value::from(value));
    }
}
