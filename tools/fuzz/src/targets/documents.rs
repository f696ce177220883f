//! Changes of a document: payload, chunk, run lengths, gate, judge, and automerge behind them.

use std::cell::LazyCell;

use document::{ActorSeed, Applied, Document, Refused, payload};
use sha2::{Digest as _, Sha256};

const BASE_AUTHOR: ActorSeed = ActorSeed::new([1; 16]);
const OTHER_AUTHOR: ActorSeed = ActorSeed::new([3; 16]);
/// Who signed the change under test; the seeds name the same.
const AUTHOR: ActorSeed = ActorSeed::new([2; 16]);

/// The first byte chooses the document and how far the rest is made good: as it is, as the raw form
/// of a payload, or as the body of a change chunk with its length and checksum.
pub(crate) fn change(bytes: &[u8]) {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let payload = match choice >> 2 & 3 {
        0 => rest.to_vec(),
        1 => as_it_is(rest),
        2 => payload::pack(&chunk(1, rest)),
        _ => as_it_is(&chunk(1, rest)),
    };
    DOCUMENTS.with(|documents| {
        let place = usize::from(choice & 3) % documents.len();
        if let Some(before) = documents.get(place) {
            apply(before, &payload);
        }
    });
}

fn apply(before: &Document, payload: &[u8]) {
    let mut doc = before.clone();
    match doc.apply(payload, AUTHOR, |_| true) {
        Ok(Applied::Fresh(id)) => {
            let Ok(saved) = Document::load(&doc.save(), AUTHOR) else {
                panic!("a document does not load after a change")
            };
            assert_eq!(saved.heads(), doc.heads());
            assert!(saved.fields().eq(doc.fields()));
            let known = Ok(Applied::AlreadyKnown(id));
            assert_eq!(doc.apply(payload, AUTHOR, |_| true), known, "a repeat is not known");
            let edited = doc.edit(|edit| edit.set("name", "after"));
            assert!(edited.is_ok_and(|change| change.is_some()), "no edit after a change");
        }
        Ok(Applied::AlreadyKnown(_)) => assert_eq!(doc.heads(), before.heads()),
        Err(refused) => {
            assert_eq!(doc.heads(), before.heads(), "a refused change left a trace");
            assert_ne!(refused, Refused::Panicked, "a panic passed the gate");
        }
    }
}

thread_local! {
    /// An empty one, one that somebody wrote, and one with a conflict in it.
    static DOCUMENTS: LazyCell<[Document; 3]> = LazyCell::new(|| {
        let mut base = Document::new(BASE_AUTHOR);
        let first = base.edit(|edit| {
            edit.set("name", "base");
            edit.set("count", 7);
        });
        let mut other = Document::new(OTHER_AUTHOR);
        let mut forked = base.clone();
        if let Ok(Some(first)) = first
            && other.apply(&first.payload, BASE_AUTHOR, |_| true).is_ok()
            && let Ok(Some(theirs)) = other.edit(|edit| edit.set("name", "theirs"))
            && forked.edit(|edit| edit.set("name", "ours")).is_ok()
        {
            let merged = forked.apply(&theirs.payload, OTHER_AUTHOR, |_| true);
            assert!(merged.is_ok() && forked.conflicts("name").len() == 2);
        }
        [Document::new(OTHER_AUTHOR), base, forked]
    });
}

/// The payload that carries `raw` without compression.
fn as_it_is(raw: &[u8]) -> Vec<u8> {
    let mut payload = vec![1, 0];
    put_length(raw.len(), &mut payload);
    payload.extend_from_slice(raw);
    payload
}

/// The chunk with this body, its length and checksum right.
fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    put_length(body.len(), &mut hashed);
    hashed.extend_from_slice(body);
    let hash = Sha256::digest(&hashed);
    let checksum = hash.first_chunk::<4>().copied().unwrap_or_default();
    [&[0x85, 0x6f, 0x4a, 0x83][..], &checksum, &hashed].concat()
}

fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
}
