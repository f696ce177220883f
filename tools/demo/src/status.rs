//! What the programs say about themselves with `status --json`; only what the demo looks at.

use serde::Deserialize;

/// A clinic's node.
#[derive(Debug, Deserialize)]
pub(crate) struct ClinicStatus {
    pub(crate) sentence: String,
    pub(crate) entries: Entries,
    pub(crate) readings: Readings,
    pub(crate) link: Link,
}

/// Entries that it authored; `authored = at_hub + pending + quarantined + refused + held`.
#[derive(Debug, Deserialize)]
pub(crate) struct Entries {
    pub(crate) authored: u64,
    pub(crate) at_hub: u64,
    pub(crate) pending: u64,
    pub(crate) quarantined: u64,
    pub(crate) refused: u64,
    pub(crate) held: u64,
}

/// Readings that devices sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Readings {
    /// Not in a sealed segment yet.
    pub(crate) open: u64,
}

/// The connection since its process started.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    /// Bytes, as UDP or TCP carried them.
    pub(crate) sent_bytes_total: u64,
    /// `udp` or `tcp`, while it is open.
    pub(crate) road: Option<String>,
}

/// A hub.
#[derive(Debug, Deserialize)]
pub(crate) struct HubStatus {
    pub(crate) sites: Vec<Site>,
}

/// How one clinic stands, seen from the hub.
#[derive(Debug, Deserialize)]
pub(crate) struct Site {
    pub(crate) site: String,
    /// Streams of which it has not acknowledged everything that it may have.
    pub(crate) behind: u64,
}

impl ClinicStatus {
    /// Whether the hub acknowledged everything that was written here.
    pub(crate) fn is_all_at_hub(&self) -> bool {
        self.readings.open == 0 && self.entries.authored == self.entries.at_hub
    }

    /// Entries that no waiting brings to the hub.
    pub(crate) fn stuck(&self) -> u64 {
        self.entries.quarantined + self.entries.refused + self.entries.held
    }
}

impl HubStatus {
    /// Streams in which `site` is behind; `None` if it is not enrolled.
    pub(crate) fn behind(&self, site: &str) -> Option<u64> {
        let mut of_site = self.sites.iter().filter(|one| one.site == site).peekable();
        of_site.peek()?;
        Some(of_site.map(|one| one.behind).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clinic(authored: u64, at_hub: u64, open: u64) -> ClinicStatus {
        let text = format!(
            r#"{{"site":"a","sentence":"s","more":1,"readings":{{"open":{open}}},
                "link":{{"sent_bytes_total":5}},
                "entries":{{"authored":{authored},"at_hub":{at_hub},"pending":0,
                            "quarantined":1,"refused":2,"held":3}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_clinic_is_done_when_all_is_acknowledged_and_nothing_open() {
        assert!(clinic(5, 5, 0).is_all_at_hub());
        assert!(!clinic(5, 4, 0).is_all_at_hub());
        assert!(!clinic(5, 5, 1).is_all_at_hub());
        assert_eq!(clinic(5, 5, 0).stuck(), 6);
    }

    #[test]
    fn a_site_is_behind_by_what_all_its_nodes_lack() {
        let text = r#"{"quarantined":0,"sites":[{"site":"a","behind":2},{"site":"b","behind":0},
                       {"site":"a","behind":1}]}"#;
        let hub: HubStatus = serde_json::from_str(text).unwrap();
        assert_eq!((hub.behind("a"), hub.behind("b"), hub.behind("c")), (Some(3), Some(0), None));
    }
}
