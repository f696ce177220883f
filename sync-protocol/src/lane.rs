//! One direction of one class: frames in order, and short names for chains.
//!
//! A lane's two ends build the same table of chains from what passes over it, so an entry says only
//! what its predecessor on the lane does not already tell. A lane that loses a frame says so and is
//! started anew; nothing depends on what either end stored.

use std::collections::BTreeMap;

use crate::canonical;
use crate::entry::{Entry, EntryId, Payload};
use crate::hlc::Hlc;
use crate::message::{Anchor, ChainDef, Frame, Full, Message, WireEntry, WirePayload};
use crate::{ChainKey, Epoch, Flags, Header, NodeId, SeqNo, Signed, StreamId, commitment, limits};

/// Where the next entry of a chain on this lane is expected to stand.
#[derive(Clone, Copy, Debug)]
struct Thread {
    sseq: SeqNo,
    id: EntryId,
    epoch: Epoch,
    hlc: Hlc,
}

/// The sending end.
#[derive(Debug, Default)]
pub struct LaneEncoder {
    generation: u32,
    number: u32,
    chains: BTreeMap<(NodeId, StreamId, ChainKey), (u32, Option<Thread>)>,
}

impl LaneEncoder {
    /// The bytes of `message` as the lane's next frame.
    pub fn frame(&mut self, message: &Message) -> Vec<u8> {
        let bytes = Frame::encode(self.generation, self.number, message);
        self.number = self.number.wrapping_add(1);
        bytes
    }

    /// Starts the lane anew if `generation` is the current one; answers whether it did.
    pub fn resync(&mut self, generation: u32) -> bool {
        if generation != self.generation {
            return false;
        }
        self.restart();
        true
    }

    fn restart(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.number = 0;
        self.chains.clear();
    }

    /// Whether a frame full of new chains still fits the table. If not, call
    /// [`make_room`](Self::make_room) before the next frame.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.chains.len() + limits::FRAME_ENTRIES_MAX <= limits::LANE_CHAINS_MAX
    }

    /// Starts the lane and its table of chains anew when the table is full. Call it between frames
    /// only: names given for a frame must travel in that frame.
    pub fn make_room(&mut self) {
        if !self.has_room() {
            self.restart();
        }
    }

    /// Forgets where a chain stands: its next entry says so itself.
    pub fn cut_thread(&mut self, origin: NodeId, stream: StreamId, key: ChainKey) {
        if let Some((_, thread)) = self.chains.get_mut(&(origin, stream, key)) {
            *thread = None;
        }
    }

    /// The short form of `entry`. `id` is its name, known from storage. A chain without a short
    /// name gets one, pushed to `definitions`; `sender` is left out of definitions as the default.
    pub fn shorten(
        &mut self,
        entry: &Entry,
        id: EntryId,
        key: &ChainKey,
        sender: NodeId,
        definitions: &mut Vec<ChainDef>,
    ) -> WireEntry {
        let header = &entry.header;
        // At most LANE_CHAINS_MAX, which fits.
        let next_handle = u32::try_from(self.chains.len()).unwrap_or(u32::MAX);
        let (chain, thread) =
            self.chains.entry((header.origin, header.stream, *key)).or_insert_with(|| {
                let origin = (header.origin != sender).then_some(header.origin);
                definitions.push(ChainDef { origin, stream: header.stream, key: *key });
                (next_handle, None)
            });
        let continues = thread.is_some_and(|thread| {
            thread.sseq.next() == Some(header.sseq)
                && thread.id == header.sprev
                && thread.epoch == header.epoch
        });
        let anchor = (!continues).then_some(Anchor {
            sseq: header.sseq,
            sprev: header.sprev.0,
            epoch: header.epoch,
        });
        // An anchored entry stands alone: its time counts from zero too.
        let last_hlc = thread.filter(|_| continues).map_or(Hlc::default(), |thread| thread.hlc);
        *thread = Some(Thread { sseq: header.sseq, id, epoch: header.epoch, hlc: header.hlc });
        WireEntry {
            chain: *chain,
            anchor,
            hlc_delta: header.hlc.0.wrapping_sub(last_hlc.0).cast_signed(),
            kind: header.kind,
            schema: header.schema,
            actor: (header.actor != [0; 16]).then_some(header.actor),
            flags: header.flags.0,
            signature: entry.signature,
            payload: wire_payload(header, &entry.payload),
        }
    }
}

/// Why a frame or an entry on a lane cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// A frame is missing before this one: ask for [`Resync`](crate::message::Resync).
    #[error("a frame of this lane is missing")]
    Gap {
        /// Which generation to name in the request.
        generation: u32,
    },
    /// Seen before.
    #[error("a frame of this lane was repeated")]
    Repeated,
    /// An entry names a chain that was not introduced, or has no place to follow from.
    #[error("an entry refers to a chain this lane does not know")]
    UnknownChain,
    /// More chains than a lane may have.
    #[error("a lane introduced more than {} chains", limits::LANE_CHAINS_MAX)]
    TooManyChains,
    /// A payload that cannot be one: longer than allowed, or shorter than its salt.
    #[error("an entry's payload has an impossible length")]
    Payload,
}

/// The receiving end.
#[derive(Debug, Default)]
pub struct LaneDecoder {
    generation: u32,
    number: u32,
    chains: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    origin: NodeId,
    stream: StreamId,
    key: ChainKey,
    thread: Option<Thread>,
}

/// An entry put together again.
#[derive(Debug)]
pub struct Expanded {
    /// The entry, unchecked.
    pub entry: Signed<Entry>,
    /// Its name, if it is what it seems.
    pub id: EntryId,
    /// The key of its chain.
    pub key: ChainKey,
}

impl LaneDecoder {
    /// Takes the next frame's place; call it before using what the frame says.
    ///
    /// # Errors
    ///
    /// [`LaneError::Repeated`] and [`LaneError::Gap`].
    pub fn place(&mut self, frame: &Frame) -> Result<(), LaneError> {
        if frame.generation > self.generation && frame.number == 0 {
            self.generation = frame.generation;
            self.number = 0;
            self.chains.clear();
        }
        if frame.generation < self.generation
            || (frame.generation == self.generation && frame.number < self.number)
        {
            return Err(LaneError::Repeated);
        }
        if frame.generation != self.generation || frame.number != self.number {
            return Err(LaneError::Gap { generation: frame.generation });
        }
        self.number = self.number.wrapping_add(1);
        Ok(())
    }

    /// Which generation the lane is in, to be named when asking for a new one.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Learns short names, in the order they were given.
    ///
    /// # Errors
    ///
    /// [`LaneError::TooManyChains`].
    pub fn define(&mut self, sender: NodeId, definitions: &[ChainDef]) -> Result<(), LaneError> {
        if self.chains.len() + definitions.len() > limits::LANE_CHAINS_MAX {
            return Err(LaneError::TooManyChains);
        }
        self.chains.extend(definitions.iter().map(|definition| Known {
            origin: definition.origin.unwrap_or(sender),
            stream: definition.stream,
            key: definition.key,
            thread: None,
        }));
        Ok(())
    }

    /// Puts an entry together again and remembers where its chain stands.
    ///
    /// # Errors
    ///
    /// [`LaneError::UnknownChain`] and [`LaneError::Payload`].
    pub fn expand(&mut self, wire: WireEntry) -> Result<Expanded, LaneError> {
        let known = usize::try_from(wire.chain)
            .ok()
            .and_then(|at| self.chains.get_mut(at))
            .ok_or(LaneError::UnknownChain)?;
        let (anchor, last_hlc) = match (wire.anchor, known.thread) {
            (Some(anchor), _) => (anchor, Hlc::default()),
            (None, Some(thread)) => {
                let sseq = thread.sseq.next().ok_or(LaneError::UnknownChain)?;
                (Anchor { sseq, sprev: thread.id.0, epoch: thread.epoch }, thread.hlc)
            }
            (None, None) => return Err(LaneError::UnknownChain),
        };
        let mut header = Header {
            origin: known.origin,
            epoch: anchor.epoch,
            stream: known.stream,
            sseq: anchor.sseq,
            sprev: EntryId(anchor.sprev),
            hlc: Hlc(last_hlc.0.wrapping_add(wire.hlc_delta.cast_unsigned())),
            kind: wire.kind,
            schema: wire.schema,
            actor: wire.actor.unwrap_or_default(),
            flags: Flags(wire.flags),
            payload_len: 0,
            commitment: [0; 32],
        };
        let payload = unwire_payload(&mut header, &known.key, wire.payload)?;
        let id = EntryId::of(&header);
        known.thread = Some(Thread { sseq: header.sseq, id, epoch: header.epoch, hlc: header.hlc });
        let entry = Signed::new(Entry { header, signature: wire.signature, payload });
        Ok(Expanded { entry, id, key: known.key })
    }

    /// Forgets where the chain with this short name stands, because its last entry was not what it
    /// seemed: what follows needs an anchor of its own.
    pub fn cut_thread(&mut self, chain: u32) {
        let known = usize::try_from(chain).ok().and_then(|at| self.chains.get_mut(at));
        if let Some(known) = known {
            known.thread = None;
        }
    }
}

/// The long form of `entry`, which needs no lane to be understood.
#[must_use]
pub fn full(entry: &Entry, key: &ChainKey, oseq: u64) -> Full {
    Full {
        oseq,
        header: canonical::encode(&entry.header).to_vec(),
        signature: entry.signature,
        key: *key,
        payload: wire_payload(&entry.header, &entry.payload),
    }
}

/// Reads the long form.
///
/// # Errors
///
/// [`LaneError::Payload`] for a payload of an impossible length, [`LaneError::UnknownChain`] for a
/// header that is none.
pub fn unfold(full: Full) -> Result<Expanded, LaneError> {
    let header = canonical::decode(&full.header).map_err(|_| LaneError::UnknownChain)?;
    let mut rebuilt = header;
    let payload = unwire_payload(&mut rebuilt, &full.key, full.payload)?;
    let entry = Signed::new(Entry { header, signature: full.signature, payload });
    Ok(Expanded { entry, id: EntryId::of(&header), key: full.key })
}

fn wire_payload(header: &Header, payload: &Payload) -> WirePayload {
    let (len, commitment) = (header.payload_len, header.commitment);
    match payload {
        Payload::Present(bytes) => WirePayload::Present(bytes.clone()),
        Payload::Withheld(reason) => WirePayload::Withheld { reason: *reason, len, commitment },
        Payload::Erased => WirePayload::Erased { len, commitment },
    }
}

/// Sets length and commitment of `header` from what was sent.
fn unwire_payload(
    header: &mut Header,
    key: &ChainKey,
    payload: WirePayload,
) -> Result<Payload, LaneError> {
    let (payload, len, commitment) = match payload {
        WirePayload::Present(bytes) => {
            let len = u32::try_from(bytes.len()).map_err(|_| LaneError::Payload)?;
            let commitment = commitment::commit(header, key, &bytes).ok_or(LaneError::Payload)?;
            (Payload::Present(bytes), len, commitment)
        }
        WirePayload::Withheld { reason, len, commitment } => {
            (Payload::Withheld(reason), len, commitment)
        }
        WirePayload::Erased { len, commitment } => (Payload::Erased, len, commitment),
    };
    if usize::try_from(len).map_or(true, |len| len > limits::PAYLOAD_BYTES_MAX) {
        return Err(LaneError::Payload);
    }
    header.payload_len = len;
    header.commitment = commitment;
    Ok(payload)
}
