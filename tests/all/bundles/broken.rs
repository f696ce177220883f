//! Bundles that are not what they should be: one sentence, and not a row is changed.

use std::io::{Read as _, Write as _};
use std::process::Command;

use envelope::{Identity, Opener, Recipient, Sealer};

use super::*;

/// A number that grows with every row that is inserted, changed or deleted, also in what was undone.
fn changes(conn: &store::Connection) -> u64 {
    conn.total_changes()
}

#[track_caller]
fn check_hub(hub: &mut BoxHub, file: &[u8], expected: &str) {
    let before = changes(&hub.conn);
    let said = hub.import_bundle(100, file, ALL).unwrap_err().to_string();
    assert!(said.contains(expected), "{said}");
    assert_eq!(changes(&hub.conn), before, "{said}");
}

#[track_caller]
fn check_clinic(clinic: &mut Clinic, file: &[u8], expected: &str) {
    let before = changes(&clinic.conn);
    let said = clinic.import_bundle(100, file, ALL).unwrap_err().to_string();
    assert!(said.contains(expected), "{said}");
    assert_eq!(changes(&clinic.conn), before, "{said}");
}

const ANOTHER: &str = "is for another node and cannot be opened here";
const DAMAGED: &str = "is damaged or was not copied whole, and nothing of it was used";
const NO_BUNDLE: &str = "this file is no Cairn bundle";
const STRANGER: &str = "comes from a node that does not belong to this network";

fn with_a_patient(seed: u64) -> (BoxHub, Vec<Clinic>) {
    let (hub, mut clinics) = network(2, seed);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    measure(&mut clinics[0], 0, 1, 1);
    (hub, clinics)
}

#[test]
fn a_bundle_for_another_node_is_not_opened() {
    let (mut hub, mut clinics) = with_a_patient(21);
    let up = clinics[0].export_bundle(1, &[]);
    check_clinic(&mut clinics[1], &up, ANOTHER);
    check_clinic(&mut clinics[0], &up, ANOTHER);
    hub.import_bundle(2, &up, ALL).unwrap();
    let down = hub.export_bundle(3, clinics[1].key);
    check_clinic(&mut clinics[0], &down, ANOTHER);
    check_hub(&mut hub, &down, ANOTHER);
    // Somebody who could open it seals it to another clinic: it still says for whom it is.
    let again = sealed_again(&down, &clinics[1].identity(), clinics[0].identity().recipient());
    check_clinic(&mut clinics[0], &again, ANOTHER);
    let (mut other_hub, _) = network(1, 22);
    check_hub(&mut other_hub, &up, ANOTHER);
    let again = sealed_again(&up, &hub.identity(), other_hub.identity().recipient());
    check_hub(&mut other_hub, &again, STRANGER);
}

#[test]
fn a_cut_or_changed_bundle_is_refused_whole() {
    let (mut hub, mut clinics) = with_a_patient(23);
    let up = clinics[0].export_bundle(1, &[]);
    for length in (0..up.len()).step_by(61).chain([up.len() - 1]) {
        let expected = if length < 184 { "" } else { DAMAGED };
        check_hub(&mut hub, &up[..length], expected);
    }
    for at in 0..up.len() {
        let mut flipped = up.clone();
        flipped[at] ^= 1 << (at % 8);
        let expected = if at < 184 { "bundle" } else { DAMAGED };
        check_hub(&mut hub, &flipped, expected);
    }
    check_hub(&mut hub, &[&up[..], &up[..]].concat(), DAMAGED);
    check_hub(&mut hub, b"", NO_BUNDLE);
    check_hub(&mut hub, b"a,csv,file\n", NO_BUNDLE);
    hub.import_bundle(2, &up, ALL).unwrap().unwrap();
    let down = hub.export_bundle(3, clinics[1].key);
    for at in (0..down.len()).step_by(7) {
        let mut flipped = down.clone();
        flipped[at] ^= 1 << (at % 8);
        check_clinic(&mut clinics[1], &flipped, "bundle");
        check_clinic(&mut clinics[1], &down[..at], "bundle");
    }
    clinics[1].import_bundle(4, &down, ALL).unwrap().unwrap();
}

#[test]
fn what_was_changed_inside_is_not_signed_any_more() {
    let (mut hub, mut clinics) = with_a_patient(24);
    let up = clinics[0].export_bundle(1, &[]);
    let me = hub.identity();
    let content = opened(&up, &me);
    // Whoever knows the hub can seal to it: the signature inside is what counts.
    for at in (4..content.len()).step_by(5) {
        let mut changed = content.clone();
        changed[at] ^= 1;
        check_hub(&mut hub, &sealed(&changed, me.recipient()), "bundle");
    }
    check_hub(&mut hub, &sealed(&content[..content.len() - 1], me.recipient()), DAMAGED);
    check_hub(&mut hub, &sealed(&[&content[..], b"more"].concat(), me.recipient()), DAMAGED);
    check_hub(&mut hub, &sealed(b"", me.recipient()), DAMAGED);
    hub.import_bundle(2, &sealed(&content, me.recipient()), ALL).unwrap().unwrap();
}

#[test]
fn a_bundle_that_was_imported_before_changes_nothing_not_even_a_row() {
    let (mut hub, mut clinics) = with_a_patient(25);
    let up = clinics[0].export_bundle(1, &[]);
    hub.import_bundle(2, &up, ALL).unwrap().unwrap();
    let down = hub.export_bundle(3, clinics[1].key);
    clinics[1].import_bundle(4, &down, ALL).unwrap().unwrap();
    // Much later, after others.
    for now in 5..8 {
        measure(&mut clinics[0], now, 1, now);
        round(&mut hub, &mut clinics[0], now);
        round(&mut hub, &mut clinics[1], now);
    }
    let before = (changes(&hub.conn), changes(&clinics[1].conn));
    assert!(hub.import_bundle(9, &up, ALL).unwrap().is_none());
    assert!(clinics[1].import_bundle(9, &down, ALL).unwrap().is_none());
    assert_eq!((changes(&hub.conn), changes(&clinics[1].conn)), before);
}

#[test]
fn a_bundle_of_another_life_of_the_hub_marks_nothing() {
    let (mut hub, mut clinics) = with_a_patient(26);
    let backup = hub.backup();
    let up = clinics[0].export_bundle(1, &[]);
    hub.import_bundle(2, &up, ALL).unwrap();
    let old = hub.export_bundle(3, clinics[0].key);
    hub.restore(4, &backup);
    // The clinic hears of the new life first; what the old one acknowledged is lost there.
    talk(&mut hub, &mut clinics[0], 5);
    talk(&mut hub, &mut clinics[0], 6);
    check_clinic(&mut clinics[0], &old, "is of another life of the hub");
}

#[test]
fn a_marker_in_a_payload_is_not_in_the_bytes_and_only_the_right_key_shows_it() {
    let (mut hub, mut clinics) = with_a_patient(27);
    let patient = clinics[0].own[0];
    clinics[0].edit(1, patient, 41_414_141);
    let recovery = Identity::of_signing_seed(&[77; 32]);
    let up = clinics[0].export_bundle(2, &[recovery.recipient()]);
    let marker = b"+919841414141";
    let has_marker = |bytes: &[u8]| bytes.windows(marker.len()).any(|part| part == marker);
    assert!(!has_marker(&up));
    // Nor do names of nodes, patients or streams stand in the open.
    for clear in [&clinics[0].key.0[..], &hub.key.0, &patient.bytes(), b"p-1"] {
        assert!(!up.windows(clear.len()).any(|part| part == clear));
    }
    assert!(has_marker(&unpacked(&opened(&up, &hub.identity()))));
    if Command::new("age").arg("--version").output().is_err() {
        // `cargo verify` installs it where it may.
        return println!("skipped: there is no age program");
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("bundle"), &up).unwrap();
    for (identity, opens) in
        [(&hub.identity(), true), (&recovery, true), (&clinics[0].identity(), false)]
    {
        std::fs::write(at("key"), identity.to_text().as_bytes()).unwrap();
        let done = Command::new("age")
            .args(["-d", "-i"])
            .args([at("key"), at("bundle")])
            .output()
            .unwrap();
        assert_eq!(done.status.success(), opens);
        assert_eq!(opens && has_marker(&unpacked(&done.stdout)), opens);
    }
    // What the hub gives on is closed to the hub's own key.
    hub.import_bundle(3, &up, ALL).unwrap();
    let down = hub.export_bundle(4, clinics[1].key);
    assert!(!has_marker(&down));
    assert!(has_marker(&unpacked(&opened(&down, &clinics[1].identity()))));
    assert!(Opener::new(&down[..], &hub.identity()).is_err());
}

#[test]
fn what_unpacks_without_end_is_left_alone() {
    let (mut hub, _) = network(1, 28);
    let me = hub.identity().recipient();
    // 64 MiB of zeros in a few KiB: the first length is zero, and nothing more is read.
    let zeros = zstd::encode_all(std::io::repeat(0).take(64 << 20), 3).unwrap();
    check_hub(&mut hub, &sealed(&zeros, me), DAMAGED);
    // A record that says that it is 4 GiB long.
    let long = zstd::encode_all(&[0xff; 64][..], 3).unwrap();
    check_hub(&mut hub, &sealed(&long, me), DAMAGED);
}

#[test]
fn a_bundle_costs_little_beside_what_is_in_it() {
    let (mut hub, mut clinics) = network(1, 29);
    let empty = clinics[0].export_bundle(1, &[]);
    // Envelope 200, signature 64, the two keys 64, numbers and the packer's own.
    assert!(empty.len() <= 400, "{}", empty.len());
    hub.import_bundle(2, &empty, ALL).unwrap().unwrap();
}

fn opened(file: &[u8], identity: &Identity) -> Vec<u8> {
    let mut content = Vec::new();
    Opener::new(file, identity).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn sealed(content: &[u8], to: Recipient) -> Vec<u8> {
    let mut next = 1_u8;
    let mut fill = |target: &mut [u8]| {
        for byte in target {
            next = next.wrapping_mul(37).wrapping_add(11);
            *byte = next;
        }
    };
    let mut sealer = Sealer::new(Vec::new(), &[to], &mut fill).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

fn sealed_again(file: &[u8], identity: &Identity, to: Recipient) -> Vec<u8> {
    sealed(&opened(file, identity), to)
}

fn unpacked(content: &[u8]) -> Vec<u8> {
    zstd::decode_all(content).unwrap()
}
