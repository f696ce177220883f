//! Fixed examples: one entry, and one message of every type with every field in use.

use sync_protocol::entry::WithheldReason;
use sync_protocol::hlc::Hlc;
use sync_protocol::lane::{LaneEncoder, full};
use sync_protocol::lease::{Grant, Granted, Grants, LeaseTerms};
use sync_protocol::mending::{
    Reconcile, ReconcileStep, Resupplied, ResuppliedStep, Resupply, ResupplyStep,
};
use sync_protocol::message::{
    AcksStored, Behind, Bye, ByeReason, Compare, Compared, EpochClaim, Hello, HelloAck, Live,
    Message, NeedFull, Purge, PurgeDone, Push, PushAck, Resync, StreamAck, StreamData,
    StreamPosition, StreamState, Verdict,
};
use sync_protocol::purge::{PurgeReceipt, Purged};
use sync_protocol::ranges::Ranges;
use sync_protocol::reconcile::{Asker, Holdings, Piece, Question, reply};
use sync_protocol::signature::Signer;
use sync_protocol::standing::{
    Opening, OwnEntries, OwnHoldings, OwnStored, Placed, Reported, StartRecord,
};
use sync_protocol::{
    ChainKey, Entry, EntryId, Epoch, Flags, Header, NodeId, Payload, SeqNo, SetDigest, StreamId,
};

pub(crate) const SEED: [u8; 32] = [0x11; 32];
pub(crate) const KEY: ChainKey = ChainKey([0x33; 32]);

pub(crate) const STREAM: StreamId =
    StreamId { scope: 1, subject: [0x22; 16], compartment: 3, generation: 0x0102 };

/// A header with every field in use, as its author fills it in.
pub(crate) fn header() -> Header {
    Header {
        origin: NodeId([0; 32]),
        epoch: Epoch(0x0102_0304_0506_0708),
        stream: STREAM,
        sseq: SeqNo(2),
        sprev: EntryId([0x44; 32]),
        hlc: Hlc(0x0197_0000_0000_0005),
        kind: 0x0203,
        schema: 1,
        actor: [0x55; 16],
        flags: Flags::OWN_SALT.with(Flags::URGENT),
        payload_len: 0,
        commitment: [0; 32],
    }
}

/// A signed entry whose payload begins with its own salt.
pub(crate) fn entry() -> (Entry, ChainKey) {
    (signed(header(), b"0123456789abcdefwhat happened"), KEY)
}

pub(crate) fn signed(header: Header, payload: &[u8]) -> Entry {
    Signer::from_seed(&SEED).sign(header, &KEY, payload.to_vec()).unwrap().into_inner()
}

/// Three entries of one chain whose payload is salted by position: given, withheld and erased.
pub(crate) fn chain() -> Vec<Entry> {
    let first = Header {
        sseq: SeqNo(1),
        sprev: EntryId::NONE,
        flags: Flags::CLOCK_SYNCED,
        actor: [0; 16],
        ..header()
    };
    let one = signed(first, b"first");
    let second = Header { sseq: SeqNo(2), sprev: one.id(), hlc: Hlc(first.hlc.0 + 9), ..first };
    let mut two = signed(second, b"second");
    let third = Header { sseq: SeqNo(3), sprev: two.id(), hlc: Hlc(first.hlc.0 + 4), ..first };
    let mut three = signed(third, b"third");
    two.payload = Payload::Withheld(WithheldReason::Quarantined);
    three.payload = Payload::Erased;
    vec![one, two, three]
}

fn shortened(
    sender: NodeId,
) -> (Vec<sync_protocol::message::ChainDef>, Vec<sync_protocol::message::WireEntry>) {
    let mut lane = LaneEncoder::default();
    let mut chains = Vec::new();
    let entries = chain();
    let wire = entries
        .iter()
        .map(|entry| lane.shorten(entry, entry.id(), &KEY, sender, &mut chains))
        .collect();
    (chains, wire)
}

/// What a node signs for a stream it let go.
fn receipt() -> PurgeReceipt {
    let mut dropped = SetDigest::EMPTY;
    dropped.insert(&EntryId([0xaa; 32]));
    PurgeReceipt::sign(Purged::new(STREAM, 4, &dropped), &Signer::from_seed(&SEED))
}

const EPOCH: Epoch = Epoch(0x0102_0304_0506_0708);

fn hello(position: StreamPosition) -> Hello {
    Hello {
        versions: (1, 1),
        epoch: EPOCH,
        parent: Some(Epoch(9)),
        claims: vec![EpochClaim { epoch: EPOCH, head: 1_000 }],
        incarnation: Some(0x0a0b),
        unconfirmed: vec![position],
        wall_ms: 1_750_000_000_000,
    }
}

fn hello_ack(ranges: Ranges) -> HelloAck {
    HelloAck {
        version: 1,
        incarnation: 0x0a0b,
        received: vec![(EPOCH, ranges)],
        durable: vec![(EPOCH, 3)],
        feed: (5, [0x88; 16]),
        wall_ms: 1_750_000_000_123,
    }
}

fn start_record() -> StartRecord {
    StartRecord { epoch: EPOCH, head: 1_000, sum: [0x55; 16] }
}

fn placed(second_copy: bool, ranges: &Ranges) -> Placed {
    Placed {
        answer: hello_ack(ranges.clone()),
        second_copy,
        own_entries: 1_234,
        wants_report: true,
    }
}

fn reconcile(step: ReconcileStep) -> Message {
    Reconcile { number: 3, step }.into()
}

/// What two sides hold that have forty streams in common and differ in one.
fn sides() -> (Holdings, Holdings) {
    let state = |number: u8| StreamState {
        stream: StreamId { subject: [number; 16], ..STREAM },
        count: u64::from(number),
        sum: [number; 16],
    };
    let all: Vec<StreamState> = (1..=40).map(state).collect();
    (Holdings::new(&all), Holdings::new(&all[1..]))
}

fn exchanged() -> (Vec<Vec<Piece>>, Vec<Vec<Piece>>) {
    let (ours, theirs) = sides();
    let mut asker = Asker::new(ours);
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    while let Some((number, pieces)) = asker.ask() {
        let question = Question::read(&pieces).unwrap();
        let lists = question.lists().map(|(span, list)| theirs.differing(&span, list)).collect();
        let answer = reply(&question, &theirs, lists);
        asker.answered(number, &answer).unwrap();
        asked.push(pieces);
        answered.push(answer);
    }
    (asked, answered)
}

fn questions() -> Vec<Vec<Piece>> {
    exchanged().0
}

fn answers() -> Vec<Vec<Piece>> {
    exchanged().1
}

/// One message of every type, by name.
pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let author = Signer::from_seed(&SEED).node();
    let hub = NodeId([0x66; 32]);
    let position = StreamPosition { stream: STREAM, version: 3, to_idx: 300 };
    let state = StreamState { stream: STREAM, count: 300, sum: [0x77; 16] };
    let (push_chains, push_entries) = shortened(author);
    let (data_chains, data_entries) = shortened(hub);
    let ranges = [1, 2, 3, 7, 200].into_iter().collect::<Ranges>();
    let epoch = EPOCH;
    let (salted, _) = entry();
    let unlimited = Grant { stream: STREAM, version: 3, lease: LeaseTerms::UNLIMITED };
    let lease = LeaseTerms { offline_s: Some(259_200), until_ms: Some(1_800_000_000_000) };
    let limited = Grant { lease, ..unlimited };
    vec![
        ("hello", hello(position).into()),
        ("hello-ack", hello_ack(ranges.clone()).into()),
        (
            "push",
            Push { epoch, chains: push_chains, entries: (1_u64..).zip(push_entries).collect() }
                .into(),
        ),
        (
            "push-ack",
            PushAck {
                received: vec![(epoch, ranges.clone())],
                durable: vec![(epoch, 2)],
                streams: vec![state],
                verdicts: vec![
                    (epoch, 4, Verdict::Quarantined(WithheldReason::NoAccess)),
                    (epoch, 5, Verdict::Gap(SeqNo(1))),
                    (epoch, 6, Verdict::Fork),
                    (epoch, 8, Verdict::NotAuthentic),
                    (epoch, 9, Verdict::Foreign),
                ],
            }
            .into(),
        ),
        (
            "stream-data",
            StreamData {
                stream: STREAM,
                version: 3,
                from_idx: 297,
                to_idx: 300,
                head_sum: Some([0x99; 16]),
                chains: data_chains,
                entries: data_entries,
            }
            .into(),
        ),
        ("stream-ack", StreamAck { number: 1, positions: vec![position] }.into()),
        ("acks-stored", AcksStored { number: 1 }.into()),
        ("need-full", NeedFull { epoch, oseq: 7 }.into()),
        ("full", full(&salted, &KEY, 7).into()),
        ("live", Live { stream: STREAM, values: b"values".to_vec() }.into()),
        ("compare", Compare { streams: vec![state], more: true }.into()),
        ("compared", Compared { restarted: 2 }.into()),
        ("resync", Resync { class: 3, generation: 4 }.into()),
        ("behind", Behind { position }.into()),
        ("purge", Purge { stream: STREAM, version: 4 }.into()),
        ("opening", Opening { hello: hello(position), starts: vec![start_record()] }.into()),
        ("placed", placed(false, &ranges).into()),
        ("placed/second-copy", placed(true, &ranges).into()),
        ("own-holdings", OwnHoldings { streams: vec![state], more: false }.into()),
        ("own-entries", OwnEntries { number: 2, entries: vec![full(&salted, &KEY, 0)] }.into()),
        ("reported", Reported { incarnation: 0x0a0b }.into()),
        ("grants", Grants { number: 1, grants: vec![unlimited, limited] }.into()),
        ("granted", Granted { number: 1 }.into()),
        ("own-stored", OwnStored { number: 2 }.into()),
        ("purge-done", PurgeDone { receipt: receipt() }.into()),
        ("reconcile/ask", reconcile(ReconcileStep::Ask(questions()[0].clone()))),
        ("reconcile/list", reconcile(ReconcileStep::Ask(questions()[1].clone()))),
        ("reconcile/answer", reconcile(ReconcileStep::Answer(answers()[0].clone()))),
        ("reconcile/differ", reconcile(ReconcileStep::Answer(answers()[1].clone()))),
        ("reconcile/busy", reconcile(ReconcileStep::Busy { retry_after_ms: 5_020 })),
        ("reconcile/done", reconcile(ReconcileStep::Done)),
        (
            "resupply/offer",
            Resupply { number: 4, step: ResupplyStep::Offer(vec![[0xbb; 16], [0xcc; 16]]) }.into(),
        ),
        (
            "resupply/entries",
            Resupply { number: 5, step: ResupplyStep::Entries(vec![full(&salted, &KEY, 0)]) }
                .into(),
        ),
        (
            "resupplied/wanted",
            Resupplied { number: 4, step: ResuppliedStep::Wanted(vec![1]) }.into(),
        ),
        (
            "resupplied/stored",
            Resupplied { number: 5, step: ResuppliedStep::Stored { put_off: 1 } }.into(),
        ),
        ("bye", Bye { reason: ByeReason::Busy, retry_after_ms: Some(1_500) }.into()),
    ]
}
