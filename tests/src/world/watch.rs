//! What is watched while it happens, because it could not be seen afterwards.

use std::collections::BTreeSet;

use replication::ledger::inspect::walk;
use replication::streams::{Topic, topic};
use sync_protocol::exchange::{HubReply, Run};
use sync_protocol::{EntryId, NodeId, StreamId};

use super::{Broken, World};

impl World {
    /// Which decisions of patients the hub has by now.
    pub(super) fn note_decisions(&mut self) {
        let conn = &self.hub.conn;
        self.decisions.note_at_hub(|event| consent::store::has(conn, event).unwrap_or(false));
    }

    /// What the hub is about to say, before it is said.
    pub(super) fn check_reply(&mut self, key: NodeId, reply: Option<&HubReply>) {
        match reply {
            Some(HubReply::Runs(runs)) => {
                self.check_released(key, runs);
                let said = runs.iter().map(|run| (run.stream, run.version));
                self.check_versions(key, said);
            }
            Some(HubReply::Purges { orders, .. }) => {
                let said = orders.iter().map(|order| (order.stream, order.version));
                self.check_versions(key, said);
            }
            _ => {}
        }
    }

    /// 9: the version of a subscription never decreases, whatever is brought back from where.
    fn check_versions(&mut self, key: NodeId, said: impl Iterator<Item = (StreamId, u32)>) {
        for (stream, version) in said {
            let highest = self.versions.entry((key, stream)).or_default();
            if version < *highest {
                let what = format!("version {version} was said after version {highest}");
                self.broken.push(Broken { invariant: 9, what });
            }
            *highest = version.max(*highest);
        }
    }

    /// What a clinic wrote itself in a stream.
    pub(super) fn own_in(&self, at: usize, stream: &StreamId) -> BTreeSet<EntryId> {
        let Some(clinic) = self.clinics.get(at) else { return BTreeSet::new() };
        let walks = walk(&clinic.conn).unwrap_or_default();
        let entries = walks.iter().filter(|walk| walk.stream == *stream).flat_map(|w| &w.entries);
        entries.filter(|(_, origin)| *origin == clinic.key).map(|(id, _)| *id).collect()
    }

    /// 11: letting a stream go takes nothing that this node wrote.
    pub(super) fn check_own_stays(
        &mut self,
        at: usize,
        stream: &StreamId,
        before: &BTreeSet<EntryId>,
    ) {
        let lost = before.difference(&self.own_in(at, stream)).count();
        if lost > 0 {
            self.break_(11, format!("{lost} own entries went when a stream was let go"));
        }
    }

    /// 7: nothing of a patient is released to a clinic that the patient did not allow it, judged by a
    /// model of its own.
    fn check_released(&mut self, key: NodeId, runs: &[Run]) {
        let Some(site) = self.hub.nodes.get(&key).map(|node| node.site) else { return };
        let safe_mode = replication::hub::is_in_safe_mode(&self.hub.conn).unwrap_or(true);
        for run in runs {
            let Topic::Patient(patient, compartment) = topic(&run.stream) else { continue };
            let home = self.clinics.iter().any(|c| c.site == site && c.own.contains(&patient));
            let allowed = self.decisions.allowed_at_hub(patient, site);
            let released = allowed && compartment != vocab::Compartment::Consent;
            if safe_mode && !home {
                self.break_(27, format!("{compartment:?} was released in safe mode"));
            }
            if !home && !released {
                self.break_(7, format!("{compartment:?} was released without permission"));
            }
        }
    }
}
