//! The bytes that travel: one change in a small envelope, compressed when that makes it smaller.
//!
//! ```text
//! 1   format, 1
//! 1   0 as it is, 1 zstd
//! 1–3 length of the raw change, LEB128
//! n   the change chunk, or one zstd frame that holds it
//! ```
//!
//! automerge's own compression is never used: it inflates without a limit.

use std::borrow::Cow;

use crate::Refused;
use crate::limits::{COMPRESSION_RATIO_MAX, ENVELOPE_BYTES_MAX, RAW_BYTES_MAX};
use crate::reader::Reader;

const FORMAT: u8 = 1;
const AS_IT_IS: u8 = 0;
const ZSTD: u8 = 1;

/// zstd's default. Changes are small; higher levels gain nothing measurable.
const LEVEL: i32 = 3;

/// Puts a change chunk into its envelope.
#[must_use]
pub fn pack(chunk: &[u8]) -> Vec<u8> {
    let compressed = zstd::bulk::compress(chunk, LEVEL).ok().filter(|bytes| {
        bytes.len() < chunk.len() && chunk.len() <= bytes.len() * COMPRESSION_RATIO_MAX
    });
    let (form, body) = match &compressed {
        Some(bytes) => (ZSTD, bytes.as_slice()),
        None => (AS_IT_IS, chunk),
    };
    let mut out = Vec::with_capacity(body.len() + ENVELOPE_BYTES_MAX);
    out.extend([FORMAT, form]);
    write_length(chunk.len(), &mut out);
    out.extend_from_slice(body);
    out
}

/// The change chunk in an envelope.
///
/// Takes no more memory than the length it declares, and that is at most
/// [`RAW_BYTES_MAX`](crate::RAW_BYTES_MAX).
///
/// # Errors
///
/// [`Refused`] for another format, a declared length over the limit or over what so few bytes may
/// stand for, and anything that does not give exactly the declared length.
pub fn unpack(payload: &[u8]) -> Result<Cow<'_, [u8]>, Refused> {
    if payload.len() > RAW_BYTES_MAX + ENVELOPE_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let mut reader = Reader::new(payload);
    match reader.byte()? {
        FORMAT => {}
        newer @ 2.. => return Err(Refused::NewerFormat(newer)),
        0 => return Err(Refused::Malformed("its format is 0")),
    }
    let form = reader.byte()?;
    let length = usize::try_from(reader.unsigned()?).map_err(|_| Refused::TooLarge)?;
    if length > RAW_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let body = reader.rest();
    match form {
        AS_IT_IS if body.len() == length => Ok(Cow::Borrowed(body)),
        AS_IT_IS => Err(Refused::Malformed("its length is not the declared one")),
        ZSTD => decompress(body, length).map(Cow::Owned),
        _ => Err(Refused::Malformed("its compression is unknown")),
    }
}

/// zstd writes into a buffer of the declared length and fails where it would need one byte more, so
/// the output is capped whatever the frame says about itself.
fn decompress(body: &[u8], length: usize) -> Result<Vec<u8>, Refused> {
    if length > body.len().saturating_mul(COMPRESSION_RATIO_MAX) {
        return Err(Refused::BadCompression);
    }
    let one_frame = zstd::zstd_safe::find_frame_compressed_size(body) == Ok(body.len());
    if !one_frame {
        return Err(Refused::BadCompression);
    }
    let raw = zstd::bulk::decompress(body, length).map_err(|_| Refused::BadCompression)?;
    if raw.len() == length { Ok(raw) } else { Err(Refused::BadCompression) }
}

fn write_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        #[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
        let low = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_wrapped_comes_back(chunk in prop::collection::vec(any::<u8>(), 0..600), repeat in 1_usize..40) {
            let chunk = chunk.repeat(repeat);
            let payload = pack(&chunk);
            prop_assert!(payload.len() <= chunk.len() + ENVELOPE_BYTES_MAX);
            prop_assert_eq!(unpack(&payload).unwrap().into_owned(), chunk);
        }

        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), form in 0_u8..3) {
            let _ = unpack(&bytes);
            let mut near = vec![FORMAT, form];
            near.extend(bytes);
            let _ = unpack(&near);
        }
    }

    #[test]
    fn the_size_limit_is_met_and_not_passed() {
        // Bytes that do not compress, so that both go as they are.
        let noise: Vec<u8> = (0..RAW_BYTES_MAX as u64 + 1)
            .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
            .collect();
        assert!(unpack(&pack(&noise[..RAW_BYTES_MAX])).is_ok());
        assert_eq!(unpack(&pack(&noise)), Err(Refused::TooLarge));
    }

    #[test]
    fn a_frame_that_is_a_bomb_is_refused() {
        let bomb = vec![0_u8; RAW_BYTES_MAX];
        let frame = zstd::bulk::compress(&bomb, LEVEL).unwrap();
        check(&frame, RAW_BYTES_MAX, Err(Refused::BadCompression));
        // Declared small, it stops at the declared length.
        check(&frame, 100, Err(Refused::BadCompression));
        assert_eq!(unpack(&pack(&bomb)).unwrap().len(), RAW_BYTES_MAX);
    }

    #[test]
    fn the_compression_ratio_is_met_and_not_passed() {
        let frame_of = |length: usize| zstd::bulk::compress(&vec![7_u8; length], LEVEL).unwrap();
        let length = frame_of(3_000).len() * COMPRESSION_RATIO_MAX;
        let frame = frame_of(length);
        let most = frame.len() * COMPRESSION_RATIO_MAX;
        check(&frame_of(most), most, Ok(most));
        check(&frame_of(most + 1), most + 1, Err(Refused::BadCompression));
    }

    #[test]
    fn trailing_bytes_and_second_frames_are_refused() {
        let text = b"a change ".repeat(20);
        let frame = zstd::bulk::compress(&text, LEVEL).unwrap();
        check(&frame, text.len(), Ok(text.len()));
        let mut longer = frame.clone();
        longer.push(0);
        check(&longer, text.len(), Err(Refused::BadCompression));
        check(&[frame.as_slice(), &frame].concat(), text.len() * 2, Err(Refused::BadCompression));
    }

    #[track_caller]
    fn check(frame: &[u8], declared: usize, expected: Result<usize, Refused>) {
        let mut payload = vec![FORMAT, ZSTD];
        write_length(declared, &mut payload);
        payload.extend_from_slice(frame);
        assert_eq!(unpack(&payload).map(|raw| raw.len()), expected);
    }

    #[test]
    fn another_format_is_kept_apart_from_damage() {
        assert_eq!(unpack(&[2, 0, 0]), Err(Refused::NewerFormat(2)));
        assert!(matches!(unpack(&[0, 0, 0]), Err(Refused::Malformed(_))));
        assert!(matches!(unpack(&[1, 2, 0]), Err(Refused::Malformed(_))));
        assert!(matches!(unpack(&[]), Err(Refused::Malformed(_))));
    }
}
