//! Frames on a lane: a length, then that many bytes.
//!
//! The length is a variable-length number of at most three bytes, seven bits each, lowest first, the
//! top bit set on all but the last. It must be the shortest form, so one frame has one encoding. A
//! length beyond [`FRAME_BYTES_MAX`] is refused before anything is allocated for it.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Longest frame: a payload of 1 MiB, the most that one entry carries, with 4 KiB for what wraps it.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024 + 4 * 1024;

/// Bytes of the longest length.
pub const LENGTH_BYTES_MAX: usize = 3;

const _: () = assert!(FRAME_BYTES_MAX < 1 << (7 * LENGTH_BYTES_MAX));

/// Why bytes are not frames. After any of these the lane cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("a frame is longer than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    /// An empty frame says nothing, so nobody sends one.
    #[error("a frame is empty")]
    Empty,
    /// A length with needless bytes.
    #[error("the length of a frame is not in its shortest form")]
    Length,
}

/// Appends `frame` with its length to `out`.
///
/// # Errors
///
/// [`FramingError::TooLong`] and [`FramingError::Empty`]; `out` is unchanged then.
pub fn put_frame(out: &mut BytesMut, frame: &[u8]) -> Result<(), FramingError> {
    check_length(frame.len())?;
    out.reserve(LENGTH_BYTES_MAX + frame.len());
    let mut rest = u32::try_from(frame.len()).map_err(|_| FramingError::TooLong)?;
    while rest > 0x7f {
        let [low, ..] = rest.to_le_bytes();
        out.put_u8(low | 0x80);
        rest >>= 7;
    }
    let [last, ..] = rest.to_le_bytes();
    out.put_u8(last);
    out.put_slice(frame);
    Ok(())
}

/// Whether a frame of `len` bytes may be sent.
///
/// # Errors
///
/// [`FramingError::TooLong`] and [`FramingError::Empty`].
pub const fn check_length(len: usize) -> Result<(), FramingError> {
    match len {
        0 => Err(FramingError::Empty),
        1..=FRAME_BYTES_MAX => Ok(()),
        _ => Err(FramingError::TooLong),
    }
}

/// Takes bytes as they arrive and gives frames back.
///
/// Holds at most one unfinished frame and what was pushed last, if every frame is taken between two
/// pushes.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Appends what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` until more bytes are pushed.
    ///
    /// # Errors
    ///
    /// Any [`FramingError`]; the decoder is of no use then.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FramingError> {
        let Some((len, head)) = read_length(&self.buffer)? else {
            return Ok(None);
        };
        if self.buffer.len() < head + len {
            return Ok(None);
        }
        self.buffer.advance(head);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }

    /// Whether the bytes so far end with a whole frame.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// The frame length at the start of `bytes` and how many bytes it takes.
fn read_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, FramingError> {
    let mut len = 0;
    for (at, &byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if byte == 0 && at > 0 {
                return Err(FramingError::Length);
            }
            check_length(len)?;
            return Ok(Some((len, at + 1)));
        }
    }
    if bytes.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(FramingError::TooLong) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_takes_as_few_bytes_as_it_can() {
        check(1, 1);
        check(127, 1);
        check(128, 2);
        check(16_383, 2);
        check(16_384, 3);
        check(FRAME_BYTES_MAX, 3);
    }

    #[track_caller]
    fn check(len: usize, head: usize) {
        let mut out = BytesMut::new();
        put_frame(&mut out, &vec![7; len]).unwrap();
        assert_eq!(out.len(), head + len);
        let mut decoder = Decoder::default();
        decoder.push(&out);
        assert_eq!(decoder.next_frame().unwrap().unwrap().len(), len);
        assert!(decoder.is_between_frames());
    }

    #[test]
    fn a_frame_outside_the_bounds_is_neither_sent_nor_read() {
        let mut out = BytesMut::new();
        assert_eq!(put_frame(&mut out, &[]), Err(FramingError::Empty));
        assert_eq!(put_frame(&mut out, &vec![0; FRAME_BYTES_MAX + 1]), Err(FramingError::TooLong));
        assert!(out.is_empty());

        refuse(&[0], FramingError::Empty);
        refuse(&[0x80, 0x00], FramingError::Length);
        refuse(&[0x81, 0x80, 0x00], FramingError::Length);
        refuse(&[0xff, 0xff, 0x7f], FramingError::TooLong);
        refuse(&[0xff, 0xff, 0xff], FramingError::TooLong);
        // FRAME_BYTES_MAX + 1 = 0x10_1001
        refuse(&[0x81, 0xa0, 0x40], FramingError::TooLong);
    }

    #[track_caller]
    fn refuse(bytes: &[u8], expected: FramingError) {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        assert_eq!(decoder.next_frame(), Err(expected));
    }

    proptest! {
        /// What was sent arrives, however the bytes are cut on the way.
        #[test]
        fn frames_survive_any_cutting(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            cut in 1_usize..400,
        ) {
            let mut wire = BytesMut::new();
            for frame in &frames {
                put_frame(&mut wire, frame).unwrap();
            }
            let (mut decoder, mut read) = (Decoder::default(), Vec::new());
            for piece in wire.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    read.push(frame.to_vec());
                }
                prop_assert!(decoder.buffer.len() < 300 + LENGTH_BYTES_MAX);
            }
            prop_assert_eq!(read, frames);
            prop_assert!(decoder.is_between_frames());
        }

        /// Any bytes give frames within bounds, or an error, or a wait; what was read encodes back
        /// to the same bytes.
        #[test]
        fn any_bytes_are_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let mut again = BytesMut::new();
            while let Ok(Some(frame)) = decoder.next_frame() {
                prop_assert!((1..=FRAME_BYTES_MAX).contains(&frame.len()));
                put_frame(&mut again, &frame).unwrap();
            }
            prop_assert_eq!(&bytes[..again.len()], &again[..]);
        }
    }
}
