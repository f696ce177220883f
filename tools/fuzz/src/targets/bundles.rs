//! What somebody brings on a stick: the envelope, and the records in it.

use std::io::{Read as _, Write as _};

use envelope::{Identity, Opener, Recipient, Sealer};
use replication::bundle::{FORMAT, Header, Reader, Way, check};
use replication::{edge, hub};
use sync_protocol::codec;
use sync_protocol::hlc::Hlc;
use sync_protocol::signature::Signer;

const WRITER: [u8; 32] = [1; 32];
const READER: [u8; 32] = [2; 32];

/// What a file begins with that was sealed, and what follows: opened, or refused.
pub(crate) fn envelope(bytes: &[u8]) {
    let identity = Identity::of_signing_seed(&READER);
    if let Ok(opener) = Opener::new(bytes, &identity) {
        let mut content = Vec::new();
        let _ = opener.take(1 << 20).read_to_end(&mut content);
        assert!(content.len() < bytes.len(), "sealing adds bytes");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(recipient) = text.parse::<Recipient>() {
        assert!(text.eq_ignore_ascii_case(&recipient.to_string()));
    }
}

/// The records of a bundle, each behind two bytes of length. The first byte says which way it goes; the
/// header, the signature and what is around them are made good.
pub(crate) fn records(bytes: &[u8]) {
    let Some((way, mut rest)) = bytes.split_first() else { return };
    let way = if way % 2 == 0 { Way::Up } else { Way::Down };
    let mut records = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(more.len());
        let (record, after) = more.split_at(length);
        if record.is_empty() {
            break;
        }
        records.push(record);
        rest = after;
    }
    let Some(file) = file(&records) else { return };
    let identity = Identity::of_signing_seed(&READER);
    let Ok(checked) = check(file.as_slice(), &identity, way, |_| Ok(()), |_| {}) else { return };
    assert_eq!(checked.frames(), records.len());
    let Ok(mut reader) = Reader::again(file.as_slice(), &identity, &checked) else {
        panic!("what was checked is not read again")
    };
    let header = &checked.header;
    let mut up = hub::bundle::Unpacker::new(header.from.into(), header.life == Some(7));
    let mut down = edge::bundle::Unpacker::new(checked.header.from);
    let mut frames = 0;
    while let Ok(Some((class, frame))) = reader.next_frame() {
        frames += 1;
        let goes_on = match way {
            Way::Up => up.step(class, frame).is_ok(),
            Way::Down => down.step(class, frame).is_ok(),
        };
        if !goes_on {
            return;
        }
    }
    assert_eq!(frames, records.len(), "frames got lost between the first look and the second");
}

/// A bundle with these records, as its writer would sign and seal it.
fn file(records: &[&[u8]]) -> Option<Vec<u8>> {
    let signer = Signer::from_seed(&WRITER);
    let to = Signer::from_seed(&READER).node();
    let header = codec::encode(&Header {
        format: FORMAT,
        from: signer.node(),
        to,
        number: 1,
        created: Hlc(0),
        life: Some(7),
        policy: 0,
    });
    let mut content = Vec::new();
    for record in std::iter::once(&header.as_slice()).chain(records) {
        content.extend_from_slice(&u32::try_from(record.len()).ok()?.to_be_bytes());
        content.extend_from_slice(record);
    }
    content.extend_from_slice(&[0; 4]);
    let hash = blake3::hash(&content);
    let message = [&b"cairn/bundle/1\0"[..], hash.as_bytes()].concat();
    content.extend_from_slice(&signer.sign_message(&message));
    let packed = zstd::encode_all(content.as_slice(), 1).ok()?;
    let recipient = Recipient::of_signing_key(&to.0)?;
    let mut sealer = Sealer::new(Vec::new(), &[recipient], &mut |bytes| bytes.fill(9)).ok()?;
    sealer.write_all(&packed).ok()?;
    sealer.finish().ok()
}
