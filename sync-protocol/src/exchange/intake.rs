//! Runs of streams as the edge takes them from the lanes: put together, checked, held until the
//! comparison is over.

use std::collections::BTreeMap;

use super::ops::StoredRun;
use super::{Now, Violation};
use crate::lane::LaneDecoder;
use crate::message::{StreamData, StreamPosition};
use crate::{NodeId, StreamId, limits};

/// How long a stream whose run was refused must wait before its lane is started anew for it once
/// more (milliseconds): a run that is bad at the hub itself must not hold the others up.
const REFUSED_AGAIN_MS: Now = 60_000;

/// Streams of which it is remembered what was said about them lately; at 50 bytes, some 800 KiB.
const STREAMS_REMEMBERED_MAX: usize = limits::HELLO_ACKS_MAX;

/// Runs held at most before the comparison is over: the hub's window, and one frame over it.
const HELD_BYTES_MAX: usize = limits::FEED_WINDOW_BYTES + limits::FRAME_BYTES_MAX;

/// What became of a run.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is authentic.
    Run(StoredRun),
    /// It is not; the lane should be started anew so that it comes in full.
    Refused {
        /// Which generation of the lane brought it.
        generation: u32,
    },
    /// It is not, and was not the last time either.
    RefusedAgain,
}

#[derive(Debug, Default)]
pub(super) struct Intake {
    held: Vec<StoredRun>,
    held_bytes: usize,
    refused: BTreeMap<StreamId, Now>,
    behind: BTreeMap<StreamId, (u64, Now)>,
}

impl Intake {
    /// Puts a run together and checks every entry of it.
    pub(super) fn take(
        &mut self,
        now: Now,
        hub: NodeId,
        lane: &mut LaneDecoder,
        data: StreamData,
    ) -> Result<Taken, Violation> {
        if data.from_idx > data.to_idx {
            return Err(Violation::Contradiction);
        }
        if data.entries.len() > limits::FRAME_ENTRIES_MAX {
            return Err(Violation::Limit);
        }
        lane.define(hub, &data.chains).map_err(|_| Violation::Limit)?;
        let mut entries = Vec::with_capacity(data.entries.len());
        let mut authentic = true;
        for wire in data.entries {
            let chain = wire.chain;
            // After one that cannot be used the rest still passes over the lane's table.
            let Ok(expanded) = lane.expand(wire) else {
                authentic = false;
                continue;
            };
            match expanded.entry.verify(&expanded.key) {
                Ok(entry) if entry.get().header.stream == data.stream => {
                    entries.push((entry, expanded.key));
                }
                _ => {
                    authentic = false;
                    lane.cut_thread(chain);
                }
            }
        }
        if authentic {
            return Ok(Taken::Run(StoredRun {
                stream: data.stream,
                version: data.version,
                from_idx: data.from_idx,
                to_idx: data.to_idx,
                head_sum: data.head_sum,
                entries,
            }));
        }
        let before = self.refused.get(&data.stream).copied();
        if before.is_some_and(|at| now.saturating_sub(at) < REFUSED_AGAIN_MS) {
            return Ok(Taken::RefusedAgain);
        }
        // A hub that spoils ever new streams is asked again; a new start is not asked for each time.
        if self.refused.len() >= STREAMS_REMEMBERED_MAX {
            self.refused.clear();
        }
        self.refused.insert(data.stream, now);
        Ok(Taken::Refused { generation: lane.generation() })
    }

    /// Keeps a run until the comparison is over, so that the sum that is compared is the one of the
    /// greeting. Beyond the hub's window it is let go: it comes again.
    pub(super) fn hold(&mut self, run: StoredRun) {
        let payloads = run.entries.iter().map(|(entry, _)| entry.get().payload.bytes());
        let entries = payloads.map(|payload| payload.map_or(0, <[u8]>::len) + 128).sum::<usize>();
        // A run without entries takes memory too.
        let bytes = entries + 128;
        if self.held_bytes + bytes <= HELD_BYTES_MAX {
            self.held_bytes += bytes;
            self.held.push(run);
        }
    }

    /// Whether the hub should be told that a stream is held only up to here: not when it was, a
    /// moment ago.
    pub(super) fn is_news(&mut self, now: Now, position: StreamPosition) -> bool {
        if self.behind.len() >= STREAMS_REMEMBERED_MAX {
            self.behind.clear();
        }
        let said = self.behind.insert(position.stream, (position.to_idx, now));
        let Some((idx, at)) = said else { return true };
        let news = idx != position.to_idx || now.saturating_sub(at) >= limits::RESEND_AFTER_MS;
        if !news {
            self.behind.insert(position.stream, (idx, at));
        }
        news
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What was held, in order.
    pub(super) fn release(&mut self) -> Vec<StoredRun> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ever_new_streams_only_so_many_are_remembered() {
        let (mut intake, mut lane) = (Intake::default(), LaneDecoder::default());
        for number in 0..2 * STREAMS_REMEMBERED_MAX as u64 {
            let mut subject = [0; 16];
            subject[..8].copy_from_slice(&number.to_be_bytes());
            let stream = StreamId { scope: 1, subject, compartment: 1, generation: 0 };
            // Its one entry is of a chain that was never defined.
            let wire = crate::message::WireEntry {
                chain: 7,
                anchor: None,
                hlc_delta: 0,
                kind: 0,
                schema: 0,
                actor: None,
                flags: 0,
                signature: [0; 64],
                payload: crate::message::WirePayload::Present(Vec::new()),
            };
            let data = StreamData {
                stream,
                version: 1,
                from_idx: 0,
                to_idx: 1,
                head_sum: None,
                chains: Vec::new(),
                entries: vec![wire],
            };
            let taken = intake.take(0, NodeId([1; 32]), &mut lane, data);
            assert!(matches!(taken, Ok(Taken::Refused { .. })));
            assert!(intake.is_news(0, StreamPosition { stream, version: 1, to_idx: 1 }));
            assert!(intake.refused.len().max(intake.behind.len()) <= STREAMS_REMEMBERED_MAX);
        }
    }
}
