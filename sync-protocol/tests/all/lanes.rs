//! What goes into a lane comes out of it, or does not come out at all.

use sync_protocol::entry::WithheldReason;
use sync_protocol::hlc::Hlc;
use sync_protocol::lane::{LaneDecoder, LaneEncoder, LaneError, full, unfold};
use sync_protocol::limits::{FRAME_ENTRIES_MAX, LANE_CHAINS_MAX, PAYLOAD_BYTES_MAX};
use sync_protocol::message::{ChainDef, Frame, Message, Push, WirePayload};
use sync_protocol::signature::{Signer, node_id};
use sync_protocol::{
    ChainKey, Entry, EntryId, Epoch, Flags, Header, NodeId, Payload, SeqNo, StreamId, commitment,
};

use crate::dice::Dice;
use crate::samples;

/// Entries of random chains that are well formed but for the signature, which a lane never looks at.
struct Authors {
    heads: Vec<(NodeId, StreamId, ChainKey, u32, EntryId)>,
}

impl Authors {
    fn new(dice: &mut Dice, chains: usize) -> Self {
        let chain = |_| {
            let stream = StreamId::from_bytes(&dice.bytes());
            // Few authors, so that the sender itself is one of them and most write several chains.
            let origin = NodeId([u8::try_from(dice.below(3)).unwrap(); 32]);
            (origin, stream, ChainKey(dice.bytes()), 0, EntryId::NONE)
        };
        Self { heads: (0..chains).map(chain).collect() }
    }

    fn write(&mut self, dice: &mut Dice) -> (Entry, ChainKey) {
        let at = dice.index(self.heads.len());
        let (origin, stream, key, sseq, sprev) = self.heads[at];
        let flags = if dice.percent(50) { Flags::OWN_SALT } else { Flags::default() };
        let len = 16 + dice.index(30);
        let bytes = dice.vec(len);
        let mut header = Header {
            origin,
            epoch: Epoch(dice.below(2)),
            stream,
            sseq: SeqNo(sseq + 1),
            sprev,
            hlc: Hlc(dice.any_size()),
            kind: dice.next() as u16,
            schema: dice.next() as u16,
            actor: if dice.percent(50) { [0; 16] } else { dice.bytes() },
            flags: flags.with(Flags((dice.next() as u16) & !1)),
            payload_len: u32::try_from(len).unwrap(),
            commitment: [0; 32],
        };
        header.commitment = commitment::commit(&header, &key, &bytes).unwrap();
        let payload = match dice.below(6) {
            0 => Payload::Withheld(WithheldReason::NoAccess),
            1 => Payload::Erased,
            _ => Payload::Present(bytes),
        };
        let entry = Entry { header, signature: dice.bytes(), payload };
        // Now and then the lane does not get to see an entry in between.
        let skipped = if dice.percent(10) { 5 } else { 0 };
        let last = if skipped > 0 { EntryId(dice.bytes()) } else { entry.id() };
        self.heads[at] = (origin, stream, key, sseq + 1 + skipped, last);
        (entry, key)
    }
}

const SENDER: NodeId = NodeId([1; 32]);

/// The next frame of `lane`, with these entries.
fn frame(lane: &mut LaneEncoder, entries: &[(Entry, ChainKey)]) -> Vec<u8> {
    lane.make_room();
    let mut chains = Vec::new();
    let entries = (0..)
        .zip(entries)
        .map(|(at, (entry, key))| (at, lane.shorten(entry, entry.id(), key, SENDER, &mut chains)))
        .collect();
    lane.frame(&Push { epoch: Epoch(0), chains, entries }.into())
}

/// What the frame brings, or why it cannot be used.
fn read(lane: &mut LaneDecoder, bytes: &[u8]) -> Result<Vec<(Entry, ChainKey)>, LaneError> {
    let frame = Frame::decode(bytes).unwrap();
    lane.place(&frame)?;
    let Some(Message::Push(push)) = frame.message else { panic!("a push") };
    lane.define(SENDER, &push.chains)?;
    let expand = |(_, wire)| {
        let expanded = lane.expand(wire)?;
        let entry = expanded.entry.unchecked().clone();
        assert_eq!(expanded.id, entry.id());
        Ok((entry, expanded.key))
    };
    push.entries.into_iter().map(expand).collect()
}

#[test]
fn entries_come_out_of_a_lane_as_they_went_in() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let chains = 1 + dice.index(12);
        let mut authors = Authors::new(&mut dice, chains);
        let (mut sender, mut receiver) = (LaneEncoder::default(), LaneDecoder::default());
        let mut unsent: Vec<(Entry, ChainKey)> = Vec::new();
        for _ in 0..60 {
            unsent.extend((0..dice.below(6)).map(|_| authors.write(&mut dice)));
            if dice.percent(10) {
                let (entry, key) = authors.write(&mut dice);
                sender.cut_thread(entry.header.origin, entry.header.stream, key);
            }
            let bytes = frame(&mut sender, &unsent);
            if dice.percent(20) {
                // Lost: the next one shows it, and the lane starts anew with what was on it.
                let next = frame(&mut sender, &[]);
                let Err(LaneError::Gap { generation }) = read(&mut receiver, &next) else {
                    panic!("seed {seed}: a lost frame is seen")
                };
                assert!(sender.resync(generation));
                assert!(!sender.resync(generation), "asked twice, done once");
                continue;
            }
            let out = read(&mut receiver, &bytes).unwrap();
            for (out, sent) in out.iter().zip(&unsent) {
                assert_eq!(out, sent, "seed {seed}");
            }
            assert_eq!(out.len(), unsent.len());
            assert_eq!(read(&mut receiver, &bytes), Err(LaneError::Repeated), "seed {seed}");
            unsent.clear();
        }
    }
}

#[test]
fn the_long_form_needs_no_lane() {
    let mut dice = Dice::new(1);
    let mut authors = Authors::new(&mut dice, 5);
    for oseq in 0..1_000 {
        let (entry, key) = authors.write(&mut dice);
        let expanded = unfold(full(&entry, &key, oseq)).unwrap();
        assert_eq!(expanded.entry.unchecked(), &entry);
        assert_eq!((expanded.id, expanded.key), (entry.id(), key));
    }
}

#[test]
fn a_table_of_chains_that_is_full_starts_anew_before_it_overflows() {
    let mut dice = Dice::new(2);
    let (mut sender, mut receiver) = (LaneEncoder::default(), LaneDecoder::default());
    let mut restarts = 0;
    for _ in 0..2 * LANE_CHAINS_MAX / FRAME_ENTRIES_MAX + 2 {
        // Every entry is the first of a chain of its own.
        let mut authors = Authors::new(&mut dice, 4 * FRAME_ENTRIES_MAX);
        let entries: Vec<_> = (0..FRAME_ENTRIES_MAX).map(|_| authors.write(&mut dice)).collect();
        let before = receiver.generation();
        let bytes = frame(&mut sender, &entries);
        assert_eq!(read(&mut receiver, &bytes).unwrap(), entries);
        restarts += receiver.generation() - before;
    }
    assert!(restarts >= 1);
}

#[test]
fn a_lane_learns_as_many_chains_as_its_limit() {
    let definition = ChainDef { origin: None, stream: samples::STREAM, key: samples::KEY };
    let mut lane = LaneDecoder::default();
    let almost = vec![definition; LANE_CHAINS_MAX - 1];
    assert_eq!(lane.define(SENDER, &almost), Ok(()));
    assert_eq!(lane.define(SENDER, &[definition; 2]), Err(LaneError::TooManyChains));
    assert_eq!(lane.define(SENDER, &[definition]), Ok(()));
    assert_eq!(lane.define(SENDER, &[definition]), Err(LaneError::TooManyChains));
}

#[test]
fn a_payload_is_not_longer_than_its_limit() {
    for (len, good) in [(PAYLOAD_BYTES_MAX, true), (PAYLOAD_BYTES_MAX + 1, false)] {
        let (entry, key) = samples::entry();
        let claimed = u32::try_from(len).unwrap();
        let commitment = [7; 32];
        for payload in [
            WirePayload::Present(vec![0; len]),
            WirePayload::Erased { len: claimed, commitment },
            WirePayload::Withheld { reason: WithheldReason::NoAccess, len: claimed, commitment },
        ] {
            let long = sync_protocol::message::Full { payload, ..full(&entry, &key, 1) };
            assert_eq!(unfold(long).is_ok(), good, "{len} bytes");
        }
    }
    let (entry, key) = samples::entry();
    let payload = WirePayload::Present(vec![0; 15]);
    let unsalted = sync_protocol::message::Full { payload, ..full(&entry, &key, 1) };
    assert_eq!(unfold(unsalted).err(), Some(LaneError::Payload), "shorter than its salt");
}

#[test]
fn an_entry_that_follows_from_nothing_is_not_guessed() {
    let mut sender = LaneEncoder::default();
    let mut lane = LaneDecoder::default();
    let chain = samples::chain();
    let entries: Vec<_> = chain.iter().map(|entry| (entry.clone(), samples::KEY)).collect();
    let Some(Message::Push(push)) = Frame::decode(&frame(&mut sender, &entries)).unwrap().message
    else {
        panic!("a push")
    };
    let mut wires = push.entries.into_iter().map(|(_, wire)| wire);
    let first = wires.next().unwrap();
    assert_eq!(lane.expand(first.clone()).err(), Some(LaneError::UnknownChain), "no chains yet");
    lane.define(SENDER, &push.chains).unwrap();
    let second = wires.next().unwrap();
    assert_eq!(lane.expand(second.clone()).err(), Some(LaneError::UnknownChain), "no first yet");
    assert!(lane.expand(first).is_ok());
    lane.cut_thread(0);
    assert_eq!(lane.expand(second).err(), Some(LaneError::UnknownChain), "the thread was cut");
}

/// Two authors' signed chains in frames of a few entries.
fn signed_frames(dice: &mut Dice) -> (Vec<Vec<u8>>, Vec<Entry>) {
    let mut lane = LaneEncoder::default();
    let (mut frames, mut all) = (Vec::new(), Vec::new());
    let seeds = [[1; 32], [2; 32]];
    let mut heads = [(SeqNo(0), EntryId::NONE); 2];
    for _ in 0..4 {
        let entries: Vec<_> = (0..3)
            .map(|_| {
                let at = dice.index(2);
                let (sseq, sprev) = heads[at];
                let stream = StreamId { generation: at as u16, ..samples::STREAM };
                let sseq = sseq.next().unwrap();
                let header = Header { sseq, sprev, stream, ..samples::header() };
                let payload = dice.vec(24);
                let signer = Signer::from_seed(&seeds[at]);
                let entry = signer.sign(header, &samples::KEY, payload).unwrap().into_inner();
                heads[at] = (sseq, entry.id());
                (entry, samples::KEY)
            })
            .collect();
        frames.push(frame(&mut lane, &entries));
        all.extend(entries.into_iter().map(|(entry, _)| entry));
    }
    (frames, all)
}

#[test]
fn a_flipped_bit_never_makes_another_authentic_entry() {
    let mut dice = Dice::new(3);
    let (frames, originals) = signed_frames(&mut dice);
    let (mut survivors, mut flips) = (0, 0);
    for (at, good) in frames.iter().enumerate() {
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            flips += 1;
            let mut lane = LaneDecoder::default();
            let stream = frames.iter().enumerate();
            for bytes in stream.map(|(other, frame)| if other == at { &bad } else { frame }) {
                survivors += authentic(&mut lane, bytes, &originals);
            }
        }
    }
    assert!(survivors > flips * 3, "valid neighbours are not affected: {survivors} of {flips}");
}

/// Reads a frame as a careful receiver does; checks that whatever is authentic was written.
fn authentic(lane: &mut LaneDecoder, bytes: &[u8], originals: &[Entry]) -> usize {
    let Ok(frame) = Frame::decode(bytes) else { return 0 };
    if lane.place(&frame).is_err() {
        return 0;
    }
    let Some(Message::Push(push)) = frame.message else { return 0 };
    if lane.define(node_id(&[1; 32]), &push.chains).is_err() {
        return 0;
    }
    let mut seen = 0;
    for (_, wire) in push.entries {
        let chain = wire.chain;
        let Ok(expanded) = lane.expand(wire) else { continue };
        if originals.contains(expanded.entry.unchecked()) {
            seen += 1;
            continue;
        }
        let verdict = expanded.entry.verify(&expanded.key);
        assert!(verdict.is_err(), "nobody wrote {verdict:?}");
        lane.cut_thread(chain);
    }
    seen
}

#[test]
fn no_bytes_make_a_lane_panic() {
    let mut dice = Dice::new(4);
    let (frames, originals) = signed_frames(&mut dice);
    let mut lane = LaneDecoder::default();
    for number in 0..30_000 {
        let mut bytes = if dice.percent(30) {
            let len = dice.index(200);
            dice.vec(len)
        } else {
            frames[dice.index(frames.len())].clone()
        };
        for _ in 0..dice.below(4) {
            if !bytes.is_empty() {
                let at = dice.index(bytes.len());
                bytes[at] = dice.next() as u8;
            }
        }
        if number % 20 == 0 {
            lane = LaneDecoder::default();
        }
        authentic(&mut lane, &bytes, &originals);
    }
}
