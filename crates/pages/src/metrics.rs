//! Figures for a monitoring system, as OpenMetrics text.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// One label. Values come from small closed sets: outcomes, severities, sites.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Label {
    of: String,
}

/// A text being gathered.
#[derive(Debug, Default)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Adds a figure without a label.
    pub fn figure(&mut self, name: &str, help: &str, value: u64) {
        let gauge: Gauge = Gauge::default();
        gauge.set(value.cast_signed());
        self.registry.register(name, help, gauge);
    }

    /// Adds a figure with one value per member of a small set.
    pub fn figures<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let family = Family::<Label, Gauge>::default();
        for (of, value) in values {
            family.get_or_create(&Label { of: of.to_owned() }).set(value.cast_signed());
        }
        self.registry.register(name, help, family);
    }

    /// The text; `None` when it cannot be written.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_openmetrics() {
        let mut metrics = Metrics::default();
        metrics.figure("edge_pending_entries", "Entries that wait", 3);
        metrics.figures("edge_readings", "Readings by outcome", [("accepted", 5)]);
        insta::assert_snapshot!(metrics.finish().unwrap(), @r#"
        # HELP edge_pending_entries Entries that wait.
        # TYPE edge_pending_entries gauge
        edge_pending_entries 3
        # HELP edge_readings Readings by outcome.
        # TYPE edge_readings gauge
        edge_readings{of="accepted"} 5
        # EOF
        "#);
    }
}
