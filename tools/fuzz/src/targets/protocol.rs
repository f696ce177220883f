//! What the sync protocol reads from a link: frames and the records in them.

use std::collections::BTreeSet;

use sync_protocol::codec;
use sync_protocol::lane::{full, unfold};
use sync_protocol::message::{Frame, Full};
use sync_protocol::purge::PurgeReceipt;
use sync_protocol::ranges::Ranges;
use sync_protocol::signature::Signer;
use sync_protocol::{canonical, limits};
use transport::framing::{self, Decoder, put_frame};

/// Any bytes are a frame or none, and a frame has one form.
pub(crate) fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::decode(bytes) else { return };
    assert!(bytes.len() <= limits::FRAME_BYTES_MAX);
    if let Some(message) = &frame.message {
        assert_eq!(Frame::encode(frame.generation, frame.number, message), bytes);
    }
}

/// A lane's bytes fall into the same frames however they arrive, and those have one form.
pub(crate) fn framing(bytes: &[u8]) {
    let Some((&step, stream)) = bytes.split_first() else { return };
    let whole = frames(stream, stream.len().max(1));
    assert_eq!(whole, frames(stream, usize::from(step).max(1)), "in pieces it reads otherwise");
    let mut again = bytes::BytesMut::new();
    whole.0.iter().for_each(|frame| assert!(put_frame(&mut again, frame).is_ok()));
    assert!(stream.starts_with(&again), "a frame has two forms");
    if whole.1.is_none() {
        assert!(stream.len() - again.len() <= framing::FRAME_BYTES_MAX + framing::LENGTH_BYTES_MAX);
    }
}

type Framed = (Vec<Vec<u8>>, Option<framing::FramingError>);

fn frames(stream: &[u8], step: usize) -> Framed {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for piece in stream.chunks(step) {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Headers alone, and in the long form of an entry.
pub(crate) fn header(bytes: &[u8]) {
    if let Ok(header) = canonical::decode(bytes) {
        assert_eq!(canonical::encode(&header).as_slice(), bytes);
    }
    let Ok(said) = codec::decode::<Full>(bytes) else { return };
    assert_eq!(codec::encode(&said), bytes);
    let oseq = said.oseq;
    let Ok(expanded) = unfold(said.clone()) else { return };
    let entry = expanded.entry.unchecked().clone();
    assert_eq!(expanded.id, entry.id());
    let again = full(&entry, &expanded.key, oseq);
    if expanded.entry.verify(&expanded.key).is_ok() {
        assert_eq!(again, said, "two long forms of one authentic entry");
    }
}

/// Sets of numbers: what is well formed behaves as a set.
pub(crate) fn ranges(bytes: &[u8]) {
    let Some((&split, bytes)) = bytes.split_first() else { return };
    let (left, right) = bytes.split_at(usize::from(split).min(bytes.len()));
    let (Ok(left), Ok(right)) = (codec::decode::<Ranges>(left), codec::decode::<Ranges>(right))
    else {
        return;
    };
    if !left.is_well_formed() || !right.is_well_formed() {
        return;
    }
    let edges = |ranges: &Ranges| -> Vec<u64> {
        let near = |n: u64| [n.saturating_sub(1), n, n.saturating_add(1)];
        ranges.runs().flat_map(|(low, high)| [near(low), near(high)].concat()).collect()
    };
    let tried: BTreeSet<u64> = edges(&left).into_iter().chain(edges(&right)).collect();
    let mut both = left.clone();
    both.merge(&right);
    assert!(both.is_well_formed());
    for &number in &tried {
        let expected = left.contains(number) || right.contains(number);
        assert_eq!(both.contains(number), expected, "{number} in {left:?} and {right:?}");
        let mut more = left.clone();
        assert_eq!(more.insert(number), !left.contains(number));
        assert!(more.is_well_formed() && more.contains(number));
    }
}

/// Receipts of a purge: one form, and signed by who signed them.
pub(crate) fn purge_receipt(bytes: &[u8]) {
    let Ok(receipt) = codec::decode::<PurgeReceipt>(bytes) else { return };
    assert_eq!(codec::encode(&receipt), bytes);
    let signer = Signer::from_seed(&[7; 32]);
    let ours = PurgeReceipt::sign(receipt.purged, &signer);
    assert!(ours.is_signed_by(&signer.node()));
    let same = ours.signature == receipt.signature;
    assert_eq!(receipt.is_signed_by(&signer.node()), same, "a second signature holds");
    let dropped = receipt.purged.dropped();
    assert_eq!(dropped.count, receipt.purged.count);
}
