//! One meaning, one byte string, for every message.

use sync_protocol::codec::CodecError;
use sync_protocol::limits::FRAME_BYTES_MAX;
use sync_protocol::message::Frame;

use crate::dice::Dice;
use crate::random::{TYPES, message};
use crate::samples;

/// Each is written and read; of each, one changed form is read and written.
const VALUES: u64 = 1_000_000;

#[test]
fn a_million_values_survive_both_ways() {
    let mut dice = Dice::new(5);
    let (mut refused, mut other) = (0_u64, 0_u64);
    for number in 0..VALUES {
        let kind = 1 + number % TYPES;
        let said = message(&mut dice, kind);
        let (generation, place) = (dice.any_size() as u32, dice.any_size() as u32);
        let bytes = Frame::encode(generation, place, &said);
        let frame = Frame { generation, number: place, message: Some(said) };
        assert_eq!(Frame::decode(&bytes).as_ref(), Ok(&frame));
        let changed = changed(&mut dice, bytes);
        match Frame::decode(&changed) {
            Ok(Frame { generation, number, message: Some(read) }) => {
                assert_eq!(Frame::encode(generation, number, &read), changed, "{read:?}");
                other += 1;
            }
            // A type that is not known has no form of its own to keep.
            Ok(Frame { message: None, .. }) => other += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > VALUES / 10 && other > VALUES / 10, "both happen: {refused}, {other}");
}

/// A byte turned, put in, taken out, or the end moved.
fn changed(dice: &mut Dice, mut bytes: Vec<u8>) -> Vec<u8> {
    let at = dice.index(bytes.len());
    match dice.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.push(dice.next() as u8),
        2 => bytes.insert(at, dice.next() as u8),
        3 => drop(bytes.remove(at)),
        4 => {
            // The longer form of a number, if a number ends here.
            bytes[at] |= 0x80;
            bytes.insert(at + 1, 0);
        }
        _ => bytes[at] ^= 1 << dice.below(8),
    }
    bytes
}

#[test]
fn nothing_may_follow_nothing_may_miss_and_numbers_are_short() {
    for (name, said) in samples::messages() {
        let bytes = Frame::encode(2, 300, &said);
        let frame = Frame { generation: 2, number: 300, message: Some(said) };
        for more in [0, 1, 0x80] {
            let longer = [&bytes[..], &[more]].concat();
            assert_eq!(Frame::decode(&longer), Err(CodecError::NotCanonical), "{name} + {more}");
        }
        for len in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..len]).is_err(), "{name} cut to {len}");
        }
        for at in 0..bytes.len() {
            let mut longer = bytes.clone();
            longer[at] |= 0x80;
            longer.insert(at + 1, 0);
            assert_ne!(
                Frame::decode(&longer).as_ref(),
                Ok(&frame),
                "{name}, longer number at {at}"
            );
        }
    }
}

#[test]
fn numbers_of_a_frame_are_short_too() {
    let bytes = Frame::encode(2, 3, &samples::messages().remove(6).1);
    assert_eq!(bytes, [2, 3, 7, 1]);
    check(&[0x82, 0, 3, 7, 1], Err(CodecError::NotCanonical));
    check(&[2, 0x83, 0, 7, 1], Err(CodecError::NotCanonical));
    check(&[2, 3, 0x87, 0, 1], Err(CodecError::NotCanonical));
    check(&[2, 3, 7, 0x81, 0], Err(CodecError::NotCanonical));
    check(&[2, 3, 7], Err(CodecError::Malformed));
    check(&[], Err(CodecError::Malformed));
}

#[test]
fn values_that_no_type_has_are_refused() {
    // Bye: reason, retry-after.
    check_body(13, &[4, 0], true);
    check_body(13, &[5, 0], false);
    check_body(13, &[4, 2], false);
    // Compare: no streams, then whether more follow.
    check_body(11, &[0, 1], true);
    check_body(11, &[0, 2], false);
    // PushAck: nothing received, durable or grown; one verdict on epoch 1, position 1.
    check_body(4, &[0, 0, 0, 1, 1, 1, 4], true);
    check_body(4, &[0, 0, 0, 1, 1, 1, 5], false);
    check_body(4, &[0, 0, 0, 1, 1, 1, 0, 1], true);
    check_body(4, &[0, 0, 0, 1, 1, 1, 0, 2], false);
    // Full: position, empty header, signature, key, then the kind of payload.
    let front = [&[1, 0, 64][..], &[0; 64 + 32]].concat();
    check_body(9, &[&front[..], &[0, 0]].concat(), true);
    check_body(9, &[&front[..], &[1, 1, 0], &[0; 32]].concat(), true);
    check_body(9, &[&front[..], &[1, 2, 0], &[0; 32]].concat(), false);
    check_body(9, &[&front[..], &[2, 0], &[0; 32]].concat(), true);
    check_body(9, &[&front[..], &[3, 0], &[0; 32]].concat(), false);
}

#[test]
fn a_type_that_is_not_known_is_skipped_whatever_its_body() {
    for kind in [0, 15, 40, 99, 16_000] {
        let mut bytes = sync_protocol::codec::encode(&(0_u32, 5_u32, kind as u16));
        bytes.extend([0xff; 40]);
        let frame = Frame { generation: 0, number: 5, message: None };
        check(&bytes, Ok(frame));
    }
}

#[test]
fn a_frame_is_not_longer_than_its_limit() {
    let longest = |len: usize| [&[0, 0, 99][..], &vec![0; len - 3]].concat();
    check(&longest(FRAME_BYTES_MAX), Ok(Frame { generation: 0, number: 0, message: None }));
    check(&longest(FRAME_BYTES_MAX + 1), Err(CodecError::TooLong));
}

#[test]
fn a_count_that_the_bytes_cannot_hold_allocates_nothing() {
    // StreamAck number 1 with 2^63 positions.
    let count = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    check_body(6, &[&[1][..], &count].concat(), false);
}

#[track_caller]
fn check(bytes: &[u8], expected: Result<Frame, CodecError>) {
    assert_eq!(Frame::decode(bytes), expected, "{bytes:02x?}");
}

#[track_caller]
fn check_body(kind: u8, body: &[u8], good: bool) {
    let bytes = [&[0, 0, kind], body].concat();
    let read = Frame::decode(&bytes);
    assert_eq!(read.is_ok(), good, "type {kind}, {body:02x?}: {read:?}");
}
