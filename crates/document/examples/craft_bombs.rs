//! Writes the part of `hostile/` that is made by hand: small inputs that claim to be enormous.
//!
//! ```text
//! cargo run -p document --example craft_bombs -- FOLDER
//! ```

#![expect(clippy::unwrap_used, reason = "a tool for developers")]

use std::path::Path;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, Automerge, ROOT, ReadDoc as _};
use document::payload;
use sha2::{Digest as _, Sha256};

const MIB: usize = 1024 * 1024;

/// 2³¹ as a signed run length.
const RUN: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x08];

/// 2⁴⁰ as an unsigned count.
const COUNT: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x80, 0x20];

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let write = |name: &str, payload: Vec<u8>| {
        std::fs::write(Path::new(&folder).join(format!("bomb-{name}.payload")), payload).unwrap();
    };

    let zeros = |length| zstd::bulk::compress(&vec![0; length], 19).unwrap();
    write("zstd-ratio", envelope(1, MIB, &zeros(MIB)));
    write("zstd-understated", envelope(1, 300, &zeros(24 * MIB)));
    write("zstd-overstated", envelope(1, 1 << 40, &zeros(MIB)));
    write("zstd-twice", envelope(1, 300, &[zeros(150), zeros(150)].concat()));

    let (change, document) = inflating();
    write("deflated-change", envelope(0, change.len(), &change));
    write("deflated-document", envelope(0, document.len(), &document));
    let bundle = bundle();
    write("bundle", envelope(0, bundle.len(), &bundle));

    // The first five bytes of a run claim 2³¹ rows.
    let field: &[u8] = &[0x7f, 1, b'a'];
    let one_row: [(u8, &[u8]); 5] = [
        (0x15, field),
        (0x34, &[1]),
        (0x42, &[0x7f, 1]),
        (0x56, &[0x7f, 0x14]),
        (0x70, &[0x7f, 0]),
    ];
    let with = |number: u8, bytes: Vec<u8>| {
        let mut columns = one_row.map(|(n, b)| (n, b.to_vec())).to_vec();
        columns.push((0x57, vec![1]));
        columns.retain(|(n, _)| *n != number);
        columns.push((number, bytes));
        columns.sort();
        raw(&change_chunk(&[0], &columns))
    };
    write("run-of-operations", with(0x42, [RUN, &[1]].concat()));
    write("run-of-fields", with(0x15, [RUN, &[1, b'a']].concat()));
    write("run-of-values", with(0x56, [RUN, &[0x14]].concat()));
    write("run-of-inserts", with(0x34, RUN.to_vec()));
    // The value column again, with the bit that makes automerge inflate it.
    write("deflated-column", with(0x5f, vec![0x03, 0x00]));
    write("count-of-replaced", with(0x70, [&[0x7f], COUNT].concat()));
    write("count-of-dependencies", raw(&change_chunk(COUNT, &[])));
    write("length-of-value", with(0x56, [&[0x7f], COUNT].concat()));
}

fn raw(chunk: &[u8]) -> Vec<u8> {
    envelope(0, chunk.len(), chunk)
}

fn envelope(form: u8, length: usize, body: &[u8]) -> Vec<u8> {
    let mut out = vec![1, form];
    number(length, &mut out);
    out.extend_from_slice(body);
    out
}

/// A change and a document whose compressed inside is 3 MiB of one letter.
fn inflating() -> (Vec<u8>, Vec<u8>) {
    let mut doc = Automerge::new().with_actor(ActorId::from([2; 16]));
    let mut transaction = doc.transaction();
    transaction.put(ROOT, "a", "x".repeat(3 * MIB)).unwrap();
    let hash = transaction.commit().0.unwrap();
    let change = doc.get_change_by_hash(&hash).unwrap().bytes().to_vec();
    (change, doc.save())
}

fn bundle() -> Vec<u8> {
    let mut doc = Automerge::new().with_actor(ActorId::from([2; 16]));
    let mut transaction = doc.transaction();
    transaction.put(ROOT, "a", 1).unwrap();
    let hash = transaction.commit().0.unwrap();
    doc.bundle([hash]).unwrap().bytes().to_vec()
}

/// A first change by actor 2 with these columns; `dependencies` is the count alone.
fn change_chunk(dependencies: &[u8], columns: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut body = dependencies.to_vec();
    body.push(16);
    body.extend([2; 16]);
    // Sequence 1, first operation 1, no time, no message, no other authors.
    body.extend([1, 1, 0, 0, 0]);
    number(columns.len(), &mut body);
    for (column, bytes) in columns {
        body.push(*column);
        number(bytes.len(), &mut body);
    }
    columns.iter().for_each(|(_, bytes)| body.extend_from_slice(bytes));
    let mut hashed = vec![1];
    number(body.len(), &mut hashed);
    hashed.extend(body);
    let hash = Sha256::digest(&hashed);
    let checksum: Vec<u8> = hash.iter().take(4).copied().collect();
    let chunk = [&[0x85, 0x6f, 0x4a, 0x83][..], &checksum, &hashed].concat();
    assert!(payload::unpack(&raw(&chunk)).is_ok());
    chunk
}

fn number(mut number: usize, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}
