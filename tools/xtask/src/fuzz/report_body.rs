//! What was tried, as a table with one line for machines below it.

use std::io::{self, Write};

use serde::Serialize;

/// One target after its run.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Outcome {
    target: String,
    executions: u64,
    executions_per_second: u64,
    seconds: u64,
    /// Edges of the program that some input reached.
    edges: u64,
    corpus_files: usize,
    corpus_bytes: u64,
    memory_mib: u64,
    /// Files with the inputs that broke it.
    pub(super) crashes: Vec<String>,
}

impl Outcome {
    /// Reads what libFuzzer said at the end.
    pub(super) fn read(target: &str, said: &str, corpus_files: usize, corpus_bytes: u64) -> Self {
        let figure = |name: &str| {
            let line = said.lines().rev().find_map(|line| line.trim().strip_prefix(name));
            line.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        let done = said.lines().rev().find_map(|line| line.strip_prefix("Done "));
        let seconds = done.and_then(|line| line.split(' ').nth(3)?.parse().ok()).unwrap_or(0);
        let executions = figure("stat::number_of_executed_units:");
        Self {
            target: target.to_owned(),
            executions,
            executions_per_second: executions / seconds.max(1),
            seconds,
            edges: edges(said),
            corpus_files,
            corpus_bytes,
            memory_mib: figure("stat::peak_rss_mb:"),
            crashes: Vec::new(),
        }
    }
}

/// `#1234 NEW cov: 567 ft: …`
fn edges(said: &str) -> u64 {
    let counts = said.lines().filter_map(|line| line.split_once(" cov: ")?.1.split(' ').next());
    counts.filter_map(|count| count.parse().ok()).next_back().unwrap_or(0)
}

/// All targets so far.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    targets: Vec<Outcome>,
}

impl Report {
    pub(super) fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{:<17} {:>11} {:>9} {:>7} {:>6} {:>7} {:>6} {:>7}",
            "target", "executions", "per s", "edges", "files", "kB", "MiB", "crashes"
        )?;
        out.flush()
    }

    pub(super) fn add(&mut self, out: &mut dyn Write, outcome: Outcome) -> io::Result<()> {
        writeln!(
            out,
            "{:<17} {:>11} {:>9} {:>7} {:>6} {:>7.1} {:>6} {:>7}",
            outcome.target,
            outcome.executions,
            outcome.executions_per_second,
            outcome.edges,
            outcome.corpus_files,
            outcome.corpus_bytes as f64 / 1_000.0,
            outcome.memory_mib,
            outcome.crashes.len()
        )?;
        for crash in &outcome.crashes {
            writeln!(out, "    {crash}")?;
        }
        out.flush()?;
        self.targets.push(outcome);
        Ok(())
    }

    pub(super) fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", serde_json::to_string(self).map_err(io::Error::other)?)
    }

    pub(super) fn is_clean(&self) -> bool {
        self.targets.iter().all(|outcome| outcome.crashes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
#2	INITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 26Mb
#300	NEW    cov: 345 ft: 400 corp: 9/80b lim: 4 exec/s: 150 rss: 27Mb L: 3/4 MS: 1
Done 300000 runs in 2 second(s)
stat::number_of_executed_units: 300000
stat::average_exec_per_sec:     150000
stat::peak_rss_mb:              29
";

    #[test]
    fn the_figures_are_those_that_libfuzzer_gave() {
        let outcome = Outcome::read("ranges", SAID, 3, 90);
        assert_eq!((outcome.executions, outcome.executions_per_second), (300_000, 150_000));
        assert_eq!((outcome.edges, outcome.seconds, outcome.memory_mib), (345, 2, 29));
    }

    #[test]
    fn a_crash_is_listed_and_no_clean_run() {
        let (mut out, mut report) = (Vec::new(), Report::default());
        report.add(&mut out, Outcome::read("ranges", SAID, 3, 90)).unwrap();
        assert!(report.is_clean());
        let mut broken = Outcome::read("frame", "", 0, 0);
        broken.crashes.push("crash-1".to_owned());
        report.add(&mut out, broken).unwrap();
        report.end(&mut out).unwrap();
        assert!(!report.is_clean());
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("    crash-1\n"), "{text}");
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["targets"][0]["executions"], 300_000);
    }
}
