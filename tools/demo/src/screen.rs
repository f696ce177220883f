//! What the person at the terminal sees: sentences on standard output, a bar on standard error.

use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Sentences above a bar that may or may not be there. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    /// No bar.
    pub(crate) fn new() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// A screen with a bar for `readings`, drawn only where standard error is a terminal.
    pub(crate) fn with_bar(readings: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(readings).unwrap_or(u64::MAX));
        let shape = "  replay {bar:32} {pos}/{len} readings  {per_sec}  {msg}";
        Self { bar: bar.with_style(style(shape)) }
    }

    /// A screen with something that turns while the programs work by themselves.
    pub(crate) fn with_spinner(message: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_style(style("  {spinner} {msg}"));
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Moves the bar.
    pub(crate) fn advance(&self, readings: usize) {
        self.bar.inc(u64::try_from(readings).unwrap_or(0));
    }

    /// Says what goes on, beside the bar.
    pub(crate) fn note(&self, message: String) {
        self.bar.set_message(message);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes a line above the bar. A terminal that is gone is no reason to fail.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| {
            let mut out = io::stdout().lock();
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        });
    }
}

/// A shape that cannot be read becomes the library's own.
fn style(shape: &str) -> ProgressStyle {
    ProgressStyle::with_template(shape).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_can_be_read() {
        let shape = "  replay {bar:32} {pos}/{len} readings  {per_sec}  {msg}";
        assert!(ProgressStyle::with_template(shape).is_ok());
        assert!(ProgressStyle::with_template("  {spinner} {msg}").is_ok());
    }
}
