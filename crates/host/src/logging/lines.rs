//! One line per event, for people or for programs.

use std::fmt::Write as _;
use std::io::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Recorded;
use crate::Clock;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `2026-06-12T17:22:00Z INFO transport sync{peer=ab12} the link is up attempt=3`
    #[default]
    Text,
    /// One JSON object: `time`, `level`, `target`, `message`, `spans` and `fields`.
    Json,
}

/// Writes the lines.
pub(super) struct Lines<W> {
    format: Format,
    clock: Clock,
    is_ours: fn(&str) -> bool,
    writer: W,
}

impl<W> Lines<W> {
    pub(super) fn new(format: Format, clock: Clock, is_ours: fn(&str) -> bool, writer: W) -> Self {
        Self { format, clock, is_ours, writer }
    }

    fn line(
        &self,
        about: &Metadata<'_>,
        event: &Recorded,
        spans: &[(&str, String, Value)],
    ) -> String {
        let (time, level, target) = (self.clock.now(), about.level(), about.target());
        match self.format {
            Format::Text => {
                let mut line = format!("{time} {level} {target} ");
                for (name, values, _) in spans {
                    // Writing into a String does not fail.
                    let _ = write!(line, "{name}{{{values}}} ");
                }
                let values = text(&event.values);
                let gap = if values.is_empty() { "" } else { " " };
                let _ = write!(line, "{}{gap}{values}", event.message.escape_debug());
                line
            }
            Format::Json => {
                let spans: Vec<&Value> = spans.iter().map(|(_, _, value)| value).collect();
                json!({
                    "time": time.to_string(),
                    "level": level.as_str(),
                    "target": target,
                    "message": event.message,
                    "spans": spans,
                    "fields": object(&event.values),
                })
                .to_string()
            }
        }
    }
}

/// `count=3 reason="no such device"`; a value cannot end the line or look like another field.
fn text(values: &[(&'static str, Value)]) -> String {
    let mut text = String::new();
    for (name, value) in values {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = match value.as_str().filter(|value| value.bytes().all(is_plain)) {
            Some(plain) => write!(text, "{gap}{name}={plain}"),
            None => write!(text, "{gap}{name}={value}"),
        };
    }
    text
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-:/[]".contains(&byte)
}

fn object(values: &[(&'static str, Value)]) -> Map<String, Value> {
    values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut recorded = Recorded::default();
        attributes.record(&mut recorded);
        span.extensions_mut().insert(recorded);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(recorded) = span.extensions_mut().get_mut::<Recorded>() {
            values.record(recorded);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let about = event.metadata();
        let mut recorded = Recorded::default();
        if (self.is_ours)(about.target()) {
            event.record(&mut recorded);
        } else {
            "a library reports something".clone_into(&mut recorded.message);
        }
        let mut spans = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Recorded>() {
                let mut value = object(&of_span.values);
                value.insert("name".to_owned(), Value::from(span.name()));
                spans.push((span.name(), text(&of_span.values), Value::Object(value)));
            }
        }
        let mut line = self.line(about, &recorded, &spans);
        line.push('\n');
        // There is nobody to tell when the log itself cannot be written.
        let _ = self.writer.make_writer_for(about).write_all(line.as_bytes());
    }
}
