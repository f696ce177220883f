//! The table that is printed.

use std::io::Write as _;
use std::time::Duration;

/// Lines of figures, printed as they come.
#[derive(Debug)]
pub(crate) struct Report;

impl Report {
    /// Prints the machine and the head of the table.
    pub(crate) fn begin() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = model.lines().find_map(|line| line.strip_prefix("model name\t: "));
        let report = Self;
        report.line(&format!(
            "{cpus} processors, {}, load {}; medians (min to max) of all runs",
            model.unwrap_or("unknown"),
            load.split_whitespace().next().unwrap_or("?")
        ));
        report
    }

    /// Prints a line.
    pub(crate) fn line(&self, text: &str) {
        // Nobody reads the figures if this fails.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Prints a rate in units a second from the times of runs over `count` units; answers the
    /// median rate.
    pub(crate) fn rate(&self, name: &str, unit: &str, count: usize, times: &[Duration]) -> f64 {
        let rates: Vec<f64> =
            times.iter().map(|time| as_f64(count) / time.as_secs_f64().max(1e-9)).collect();
        let (low, median, high) = spread(&rates);
        self.line(&format!(
            "{name:<44} {:>12} {unit}/s ({} to {})",
            thousands(median),
            thousands(low),
            thousands(high)
        ));
        median
    }

    /// Prints a duration in milliseconds; answers the median.
    pub(crate) fn millis(&self, name: &str, times: &[Duration]) -> f64 {
        let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1_000.0).collect();
        let (low, median, high) = spread(&times);
        self.line(&format!("{name:<44} {median:>12.2} ms ({low:.2} to {high:.2})"));
        median
    }

    /// Prints how one figure relates to another.
    pub(crate) fn ratio(&self, name: &str, of: f64, to: f64) {
        self.line(&format!("{name:<44} {:>12.0} %", 100.0 * of / to.max(1e-9)));
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
pub(crate) const fn as_f64(count: usize) -> f64 {
    count as f64
}

/// Minimum, median, maximum.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

fn thousands(value: f64) -> String {
    format!("{:.0} k", value / 1_000.0)
}
