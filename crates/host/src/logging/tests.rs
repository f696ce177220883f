//! What reaches the log and what does not.

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

/// The lines, those for people without their times.
fn logged(level: Level, format: Format, events: impl FnOnce()) -> String {
    let caught = Caught::default();
    let writer = caught.clone();
    let subscriber = subscriber(level, format, move || writer.clone());
    tracing::subscriber::with_default(subscriber, events);
    let text = String::from_utf8(caught.0.lock().unwrap().clone()).unwrap();
    if format == Format::Json {
        return text;
    }
    text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned() + "\n").collect()
}

#[test]
fn a_line_holds_the_spans_the_sentence_and_the_values() {
    let text = logged(Level::INFO, Format::Text, || {
        let span = tracing::info_span!("sync", peer = "ab12", received = tracing::field::Empty);
        let _inside = span.enter();
        span.record("received", 7);
        tracing::info!(count = 3, reason = "no such device", "set aside");
    });
    assert_eq!(
        text,
        "INFO host::logging::tests sync{peer=ab12 received=7} set aside \
         count=3 reason=\"no such device\"\n"
    );
}

#[test]
fn a_field_outside_the_list_is_redacted_in_events_and_spans() {
    for format in [Format::Text, Format::Json] {
        let text = logged(Level::TRACE, format, || {
            let _inside = tracing::info_span!("visit", patient_name = "Asha Devi").entered();
            tracing::trace!(count = 3, patient_name = "Asha Devi", "a batch was stored");
        });
        assert!(text.contains("a batch was stored"), "{text}");
        assert!(text.contains("[redacted]") && !text.contains("Asha"), "{text}");
    }
}

#[test]
fn a_library_is_heard_from_a_warning_on_and_never_quoted() {
    let text = logged(Level::TRACE, Format::Text, || {
        tracing::info!(target: "quinn_proto::connection", "Asha Devi");
        tracing::warn!(target: "automerge", error = "Asha Devi", "Asha Devi");
    });
    assert_eq!(text, "WARN automerge a library reports something\n");
}

#[test]
fn a_value_cannot_forge_a_line() {
    let text = logged(Level::INFO, Format::Text, || {
        tracing::info!(reason = "x\n2026-06-12T17:22:00Z ERROR host all is lost", "refused");
    });
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn json_lines_are_json() {
    let text = logged(Level::INFO, Format::Json, || {
        tracing::warn!(count = 3, reason = "a \"quote\"", "set aside");
        tracing::debug!("below the level");
    });
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "set aside");
    assert_eq!(line["fields"], serde_json::json!({"count": 3, "reason": "a \"quote\""}));
}

#[test]
fn a_panic_is_logged_by_its_place_without_its_words() {
    let text = logged(Level::INFO, Format::Text, || {
        let before = std::panic::take_hook();
        log_panics_by_place();
        let _ = std::panic::catch_unwind(|| panic!("Asha Devi"));
        std::panic::set_hook(before);
    });
    assert!(text.contains("a defect was hit place=crates/host/src/logging/tests.rs:"), "{text}");
    assert!(!text.contains("Asha"), "{text}");
}

#[test]
fn the_level_is_the_named_one_or_info() {
    check_level(None, Level::INFO);
    check_level(Some("trace"), Level::TRACE);
    check_level(Some("WARN"), Level::WARN);
    check_level(Some(""), Level::INFO);
    check_level(Some("loud"), Level::INFO);
}

#[track_caller]
fn check_level(name: Option<&str>, expected: Level) {
    assert_eq!(level(name), expected, "{name:?}");
}
