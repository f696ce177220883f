//! Signed entries of two nodes, made once: signing takes longer than most inputs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sync_protocol::entry::WithheldReason;
use sync_protocol::hlc::Hlc;
use sync_protocol::purge::{PurgeReceipt, Purged};
use sync_protocol::signature::{Signer, node_id};
use sync_protocol::{
    ChainKey, Entry, EntryId, Epoch, Flags, Header, NodeId, Payload, SeqNo, SetDigest, StreamId,
};

use crate::script::Script;

const EDGE_SEED: [u8; 32] = [1; 32];
const OTHER_SEED: [u8; 32] = [2; 32];

/// The edge of the conversation.
pub(crate) static EDGE: LazyLock<NodeId> = LazyLock::new(|| node_id(&EDGE_SEED));

/// The hub of the conversation; it writes nothing here.
pub(crate) const HUB: NodeId = NodeId([9; 32]);

/// Entries in each chain.
const CHAIN_LEN: u32 = 4;

/// Chains by author and stream, made when first asked for.
static CHAINS: LazyLock<BTreeMap<(bool, StreamId), Vec<Entry>>> = LazyLock::new(|| {
    let streams: Vec<StreamId> = (0..=u8::MAX).map(|byte| Script::new(&[byte]).stream()).collect();
    let mut chains = BTreeMap::new();
    for stream in streams.into_iter().filter(|stream| stream.compartment == 0) {
        for own in [true, false] {
            chains.entry((own, stream)).or_insert_with(|| chain(own, stream));
        }
    }
    chains
});

fn chain(own: bool, stream: StreamId) -> Vec<Entry> {
    let signer = Signer::from_seed(if own { &EDGE_SEED } else { &OTHER_SEED });
    let mut sprev = EntryId::NONE;
    let sign = |sseq: u32| {
        let header = Header {
            origin: signer.node(),
            epoch: Epoch(u64::from(sseq / 4)),
            stream,
            sseq: SeqNo(sseq),
            sprev,
            hlc: Hlc(u64::from(sseq) << 16),
            kind: 7,
            schema: 1,
            actor: [0; 16],
            flags: Flags::default(),
            payload_len: 0,
            commitment: [0; 32],
        };
        let payload = vec![7; usize::try_from(sseq * sseq).unwrap_or_default()];
        let entry = signer.sign(header, &key(&stream), payload)?.into_inner();
        sprev = entry.id();
        Some(entry)
    };
    (1..=CHAIN_LEN).map_while(sign).collect()
}

/// The chain key of a stream.
pub(crate) fn key(stream: &StreamId) -> ChainKey {
    ChainKey([stream.scope; 32])
}

/// Some entries of the chain of `stream`, of the edge's or of another node's: from any place on, as
/// they are, without their payloads, or with something in them that was not signed.
pub(crate) fn some(script: &mut Script<'_>, own: bool, stream: StreamId) -> Vec<Entry> {
    let stream = StreamId { compartment: 0, ..stream };
    let (from, len, change) = (script.below(4), script.below(5), script.byte());
    let all = CHAINS.get(&(own, stream)).map(Vec::as_slice).unwrap_or_default();
    let mut taken: Vec<Entry> = all.iter().skip(from).take(len).cloned().collect();
    let place = usize::from(change >> 4);
    let Some(entry) = taken.get_mut(place) else { return taken };
    match change & 0xf {
        0 => entry.signature[0] ^= 1,
        1 => entry.payload = Payload::Present(vec![8; 3]),
        2 => entry.payload = Payload::Withheld(WithheldReason::NoAccess),
        3 => entry.payload = Payload::Erased,
        4 => entry.header.epoch = script.epoch(),
        5 => entry.header.sseq = SeqNo(u32::from_le_bytes(script.array())),
        6 => entry.header.origin = HUB,
        7 => entry.header.hlc = Hlc(script.long()),
        8 => entry.header.flags = Flags(u16::from_le_bytes(script.array())),
        9 => drop(taken.remove(place)),
        _ => {}
    }
    taken
}

/// What the edge signed for a stream it let go.
pub(crate) static RECEIPT: LazyLock<PurgeReceipt> = LazyLock::new(|| {
    let stream = Script::new(&[3]).stream();
    let purged = Purged::new(stream, 2, &SetDigest::EMPTY);
    PurgeReceipt::sign(purged, &Signer::from_seed(&EDGE_SEED))
});
