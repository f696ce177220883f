//! Records: what a TLS connection carries, one in each TLS record.
//!
//! One byte says what it is, two (big endian) how many bytes follow. The numbers of the classes say
//! that what follows is the next piece of that class's lane; frames lie on a lane as on QUIC's.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::link::{CLASSES, Misbehaviour};

/// Longest record: what an urgent frame may have to wait for, and what fits a packet.
pub(crate) const RECORD_BYTES_MAX: usize = 1_200;

const HEAD_BYTES: usize = 3;

/// Longest piece of a lane.
pub(crate) const PIECE_BYTES_MAX: usize = RECORD_BYTES_MAX - HEAD_BYTES;

const GRANT_URGENT: u8 = 0x10;
const GRANT_BULK: u8 = 0x11;
const CLOSE: u8 = 0x12;
const PING: u8 = 0x13;
const PONG: u8 = 0x14;

const _: () = assert!(CLASSES <= GRANT_URGENT);

/// Classes that share a window: the urgent ones, or those from 3 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Urgent,
    Bulk,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The next bytes of a class's lane, never none.
    Piece(u8, Bytes),
    /// So many more bytes may be sent.
    Grant(Group, u32),
    /// The connection ends, and why; nothing follows.
    Close(u32),
    /// Are you there? Answered by a `Pong`.
    Ping,
    Pong,
}

impl Record {
    pub(crate) fn to_bytes(&self) -> BytesMut {
        match self {
            Self::Piece(class, bytes) => put(*class, bytes),
            Self::Grant(Group::Urgent, bytes) => put(GRANT_URGENT, &bytes.to_be_bytes()),
            Self::Grant(Group::Bulk, bytes) => put(GRANT_BULK, &bytes.to_be_bytes()),
            Self::Close(code) => put(CLOSE, &code.to_be_bytes()),
            Self::Ping => put(PING, &[]),
            Self::Pong => put(PONG, &[]),
        }
    }
}

fn put(kind: u8, body: &[u8]) -> BytesMut {
    debug_assert!(body.len() <= PIECE_BYTES_MAX, "who cuts a lane keeps to the limit");
    let mut out = BytesMut::with_capacity(HEAD_BYTES + body.len());
    out.put_u8(kind);
    out.put_u16(u16::try_from(body.len()).unwrap_or(u16::MAX));
    out.put_slice(body);
    out
}

/// Takes bytes as they arrive and gives records back. Holds no more than one unfinished record and
/// what was read last.
#[derive(Debug, Default)]
pub(crate) struct Records {
    buffer: BytesMut,
}

impl Records {
    /// Where to read into.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        // Some records at once, so that a fast link is read in few calls.
        self.buffer.reserve(8 * RECORD_BYTES_MAX);
        &mut self.buffer
    }

    /// Whether the bytes so far end with a whole record.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole record; `None` until more bytes are read. The length is judged before
    /// anything waits for its bytes.
    ///
    /// # Errors
    ///
    /// [`Misbehaviour::UnknownClass`] and [`Misbehaviour::Record`]; nothing can be read on then.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Misbehaviour> {
        let Some(&[kind, high, low]) = self.buffer.first_chunk() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let fits = match kind {
            ..CLASSES => (1..=PIECE_BYTES_MAX).contains(&len),
            GRANT_URGENT | GRANT_BULK | CLOSE => len == 4,
            PING | PONG => len == 0,
            unknown => return Err(Misbehaviour::UnknownClass(unknown)),
        };
        if !fits {
            return Err(Misbehaviour::Record);
        }
        if self.buffer.len() < HEAD_BYTES + len {
            return Ok(None);
        }
        self.buffer.advance(HEAD_BYTES);
        let body = self.buffer.split_to(len).freeze();
        let number = body.first_chunk().copied().map_or(0, u32::from_be_bytes);
        Ok(Some(match kind {
            GRANT_URGENT => Record::Grant(Group::Urgent, number),
            GRANT_BULK => Record::Grant(Group::Bulk, number),
            CLOSE => Record::Close(number),
            PING => Record::Ping,
            PONG => Record::Pong,
            class => Record::Piece(class, body),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Record>, Misbehaviour> {
        let mut records = Records::default();
        records.room().extend_from_slice(bytes);
        records.next()
    }

    #[test]
    fn a_record_outside_the_bounds_is_refused_at_its_head() {
        assert_eq!(read(&[6, 0x04, 0xad]), Ok(None), "1,197 bytes may come");
        assert_eq!(read(&[6, 0x04, 0xae]), Err(Misbehaviour::Record));
        assert_eq!(read(&[0, 0xff, 0xff]), Err(Misbehaviour::Record));
        assert_eq!(read(&[0, 0, 0]), Err(Misbehaviour::Record));
        assert_eq!(read(&[CLOSE, 0, 3]), Err(Misbehaviour::Record));
        assert_eq!(read(&[PING, 0, 1]), Err(Misbehaviour::Record));
        assert_eq!(read(&[7, 0, 1]), Err(Misbehaviour::UnknownClass(7)));
        assert_eq!(read(&[0x15, 0, 0]), Err(Misbehaviour::UnknownClass(0x15)));
        assert_eq!(read(&[7]), Ok(None));
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let piece = (0..CLASSES, prop::collection::vec(any::<u8>(), 1..=PIECE_BYTES_MAX));
        let group = prop_oneof![Just(Group::Urgent), Just(Group::Bulk)];
        prop_oneof![
            piece.prop_map(|(class, bytes)| Record::Piece(class, bytes.into())),
            (group, any::<u32>()).prop_map(|(group, bytes)| Record::Grant(group, bytes)),
            any::<u32>().prop_map(Record::Close),
            Just(Record::Ping),
            Just(Record::Pong),
        ]
    }

    proptest! {
        /// What was sent arrives, however the bytes are cut on the way.
        #[test]
        fn records_survive_any_cutting(
            sent in prop::collection::vec(any_record(), 0..12),
            cut in 1_usize..3_000,
        ) {
            let wire: Vec<u8> = sent.iter().flat_map(Record::to_bytes).collect();
            let (mut records, mut received) = (Records::default(), Vec::new());
            for piece in wire.chunks(cut) {
                records.room().extend_from_slice(piece);
                while let Some(record) = records.next().unwrap() {
                    prop_assert!(record.to_bytes().len() <= RECORD_BYTES_MAX);
                    received.push(record);
                }
            }
            prop_assert_eq!(received, sent);
            prop_assert!(records.is_empty());
        }

        /// Any bytes give records, an error, or a wait.
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..5_000)) {
            let mut records = Records::default();
            records.room().extend_from_slice(&bytes);
            while let Ok(Some(_)) = records.next() {}
        }
    }
}
