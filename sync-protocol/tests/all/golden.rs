//! Bytes that never change: what was signed or sent once must be read for ever.
//!
//! `tests/golden/v1.json` holds them as hex by name. A run with `GOLDEN_ADD=1` adds vectors that are
//! new; none that is there is ever written again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use sync_protocol::message::{Frame, Message};
use sync_protocol::signature::Signer;
use sync_protocol::{Flags, Header, SetDigest, canonical, codec, commitment};

use crate::samples;

fn vectors() -> BTreeMap<String, Vec<u8>> {
    let mut vectors = BTreeMap::new();
    let mut put = |name: &str, bytes: &[u8]| {
        assert_eq!(vectors.insert(name.to_owned(), bytes.to_vec()), None, "{name} twice");
    };
    let signer = Signer::from_seed(&samples::SEED);
    put("node", &signer.node().0);
    let (salted, key) = samples::entry();
    put("stream", &salted.header.stream.bytes());
    put("entry/own-salt/header", &canonical::encode(&salted.header));
    put("entry/own-salt/id", &salted.id().0);
    put("entry/own-salt/signature", &salted.signature);
    put("entry/own-salt/commitment", &salted.header.commitment);
    let derived = Header { flags: Flags::default(), ..salted.header };
    let commit = |payload| commitment::commit(&derived, &key, payload).unwrap();
    put("entry/derived-salt/commitment", &commit(b"what happened"));
    put("entry/derived-salt/commitment-of-nothing", &commit(b""));
    let mut digest = SetDigest::EMPTY;
    for (number, entry) in samples::chain().iter().enumerate() {
        put(&format!("chain/{}/header", number + 1), &canonical::encode(&entry.header));
        put(&format!("chain/{}/id", number + 1), &entry.id().0);
        put(&format!("chain/{}/signature", number + 1), &entry.signature);
        digest.insert(&entry.id());
    }
    put("digest/sum", &digest.sum_bytes());
    put("digest/short", &digest.short());
    for (name, message) in samples::messages() {
        put(&format!("frame/{name}"), &Frame::encode(2, 300, &message));
        match message {
            Message::Push(push) => {
                for (number, (_, entry)) in push.entries.iter().enumerate() {
                    put(&format!("short/own/{}", number + 1), &codec::encode(entry));
                }
                put("short/own/chain", &codec::encode(&push.chains[0]));
            }
            Message::StreamData(data) => {
                put("short/foreign/chain", &codec::encode(&data.chains[0]));
            }
            _ => {}
        }
    }
    vectors
}

#[test]
fn bytes_are_as_they_were() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let mut golden: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    let adding = std::env::var_os("GOLDEN_ADD").is_some();
    let vectors = vectors();
    for (name, bytes) in &vectors {
        let hex = HEXLOWER.encode(bytes);
        match golden.get(name) {
            Some(known) => assert_eq!(&hex, known, "{name} changed"),
            None if adding => drop(golden.insert(name.clone(), hex)),
            None => panic!("{name} is new: run once with GOLDEN_ADD=1 and check it in"),
        }
    }
    for name in golden.keys() {
        assert!(vectors.contains_key(name), "{name} is no longer made");
    }
    if adding {
        let mut text = serde_json::to_string_pretty(&golden).unwrap();
        text.push('\n');
        std::fs::write(&path, text).unwrap();
    }
}

/// What ever shipped stays readable: a type without a vector would not be noticed to change.
#[test]
fn every_type_of_message_has_a_vector() {
    let kind_of = |message: &Message| {
        let bytes = Frame::encode(0, 0, message);
        let ((_, _, kind), _) = postcard::take_from_bytes::<(u32, u32, u16)>(&bytes).unwrap();
        kind
    };
    let with_vector: BTreeSet<u16> =
        samples::messages().iter().map(|(_, message)| kind_of(message)).collect();
    // A type that is not known is skipped, whatever its body; one that is known is read.
    let is_known = |kind: u16| {
        let mut bytes = codec::encode(&(0_u32, 0_u32, kind));
        bytes.extend([0xff; 3]);
        !matches!(Frame::decode(&bytes), Ok(Frame { message: None, .. }))
    };
    let known: BTreeSet<u16> = (0..1_000).filter(|kind| is_known(*kind)).collect();
    assert_eq!(known, with_vector);
}

#[test]
fn golden_frames_read_back_as_what_was_said() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.json");
    let text = std::fs::read_to_string(path).unwrap();
    let golden: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    for (name, message) in samples::messages() {
        let bytes = HEXLOWER.decode(golden[&format!("frame/{name}")].as_bytes()).unwrap();
        let expected = Frame { generation: 2, number: 300, message: Some(message) };
        assert_eq!(Frame::decode(&bytes), Ok(expected), "{name}");
    }
}
