//! Entries that are signed and chained as they should be, with payloads made to hurt whoever reads
//! them.

use replication::streams::patient_stream;
use sync_protocol::entry::WithheldReason;
use sync_protocol::message::Verdict;
use tests::programs::binaries::workspace;
use tests::programs::{Reading, body, until};
use vitals::reading::SealedReading;
use vitals::unit_text::UnitText;
use vitals::value::SentValue;
use vocab::{Compartment, FactKind, PatientId, Timestamp};

use super::World;
use super::peer::{Fate, Own};

const QUARANTINED: Fate = Fate::Refused(Verdict::Quarantined(WithheldReason::Quarantined));

/// Memory that all of it together may cost the hub. Source: acceptance criteria, Poison.
const GROWTH_KIB_MAX: u64 = 128 * 1024;

/// A hub on a busy machine answers within this for one payload, its commit included.
const EACH_NS_MAX: u64 = 1_000_000_000;

/// The documents that made the pinned library panic or eat memory, found by a fuzz run.
fn hostile_documents() -> Vec<(String, Vec<u8>)> {
    let folder = workspace().join("crates/document/hostile");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "payload"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 20, "the corpus is there");
    files
}

/// What hurts a decoder that believes what it reads.
fn hostile_records(valid: &[u8]) -> Vec<Vec<u8>> {
    let huge_length = [&[1][..], &[0xff; 9], &[0x01]].concat();
    let mut all = vec![
        Vec::new(),
        vec![0],
        vec![0xff; 64],
        huge_length,
        vec![1; 80_000],
        vec![0; 1024 * 1024],
        [valid, &[0]].concat(),
        valid.get(..valid.len().saturating_sub(1)).unwrap_or_default().to_vec(),
        [&[250], valid.get(1..).unwrap_or_default()].concat(),
    ];
    let mut dice = tests::network::Dice::new(7);
    for length in [1, 2, 3, 8, 40, 300, 4_000] {
        // The right version in front, so that the rest is looked at.
        let noise = (1..length).map(|_| u8::try_from(dice.below(256)).unwrap());
        all.push(std::iter::once(1).chain(noise).collect());
    }
    all
}

fn reading(value: &str) -> SealedReading {
    SealedReading {
        code: "8867-4".parse().unwrap(),
        unit: UnitText::new("/min").unwrap(),
        time: Timestamp::from_millis(1_767_225_600_000),
        value: SentValue::parse(value).unwrap(),
        sequence: None,
        received: Timestamp::from_millis(1_767_225_601_000),
    }
}

pub(super) fn segment(value: &str) -> Vec<u8> {
    vitals::segment::encode(&"hostile-mon".parse().unwrap(), &[reading(value)]).unwrap()
}

fn patient(number: u8) -> PatientId {
    PatientId::from_bytes([0xd0 + number; 16])
}

#[test]
fn hostile_payloads_are_set_aside_and_everything_goes_on() {
    let mut world = World::start();
    let mut peer = world.dial();
    let resident = world.hub.resident_kib();
    let clock = host::Clock::system();
    let mut slowest = 0;
    let mut count = 0;
    let mut check = |world: &mut World, name: &str, own: Own, expected: Fate| {
        let before = clock.monotonic_nanos();
        assert_eq!(peer.push(&[own]), [expected], "{name}");
        slowest = slowest.max(clock.monotonic_nanos() - before);
        count += u64::from(expected == QUARANTINED);
        assert!(world.hub.is_up(), "{name} ended the hub: {}", world.hub.said());
    };

    let identity = patient_stream(patient(0), Compartment::Identity);
    let change = FactKind::DocumentChange.number();
    for (name, payload) in hostile_documents() {
        let own = world.author.write(identity, change, payload);
        check(&mut world, &name, own, QUARANTINED);
    }
    let kinds = [
        (FactKind::DocumentChange, Compartment::Identity),
        (FactKind::Segment, Compartment::Vitals),
        (FactKind::Alerts, Compartment::Alerts),
        (FactKind::ConsentGrant, Compartment::Consent),
        (FactKind::ConsentRevoke, Compartment::Consent),
    ];
    for (kind, compartment) in kinds {
        let stream = patient_stream(patient(1), compartment);
        // A segment's bytes, cut and lengthened, are no other kind's either.
        for (at, payload) in hostile_records(&segment("72")).into_iter().enumerate() {
            let own = world.author.write(stream, kind.number(), payload);
            check(&mut world, &format!("{kind:?} {at}"), own, QUARANTINED);
        }
    }
    // What only the hub's authority may say, and a kind where it has no business.
    for (kind, compartment) in [
        (FactKind::NodeCertificate, Compartment::Vitals),
        (FactKind::Segment, Compartment::Consent),
    ] {
        let stream = patient_stream(patient(2), compartment);
        let own = world.author.write(stream, kind.number(), segment("72"));
        check(&mut world, "misplaced", own, QUARANTINED);
    }
    // A kind that a newer program knows is kept and passed on.
    let stream = patient_stream(patient(2), Compartment::Vitals);
    let own = world.author.write(stream, 999, vec![0xff; 100]);
    check(&mut world, "unknown kind", own, Fate::Stored);

    // Good entries behind the bad ones of the same chains are taken.
    let stream = patient_stream(patient(1), Compartment::Vitals);
    let own = world.author.write(stream, FactKind::Segment.number(), segment("61.5"));
    check(&mut world, "a good segment", own, Fate::Stored);

    let growth = world.hub.peak_kib().zip(resident).map(|(peak, before)| peak - before);
    println!("{count} set aside; the slowest took {} ms, {growth:?} KiB", slowest / 1_000_000);
    assert!(slowest < EACH_NS_MAX, "one payload took {slowest} ns");
    assert!(growth.is_none_or(|kib| kib < GROWTH_KIB_MAX), "{growth:?} KiB");
    assert!(world.hub_home.tell(&["export", "vitals"]).contains(",61.5"));
    assert_eq!(world.set_aside(), count);
    world.check_hub_serves();
    check_after_restart(world, count);
}

/// The hub is killed and starts again with everything it set aside; the same node, with the real
/// program now, is served on.
fn check_after_restart(mut world: World, count: u64) {
    world.restart_hub();
    assert_eq!(world.set_aside(), count);
    let listed = world.hub_home.tell(&["quarantine"]);
    assert_eq!(listed.lines().count() as u64, 1 + count, "listed to the operator:\n{listed}");
    let reformed = world.home.serve();
    world.home.tell(&["patient", "add", "p-7", "--name", "Somebody Else"]);
    let monitor = tests::programs::network::device(&world.home, "mon-7");
    let reading = Reading::pulse("mon-7", "p-7", -1, "72");
    monitor.deliver(reformed.http, &body("b-1", &[reading]));
    world.home.tell(&["flush"]);
    until("a good reading of the same node is at the hub", || {
        world.hub_home.tell(&["export", "vitals"]).contains("mon-7,p-7,8867-4")
    });
    world.check_hub_serves();
    let said = world.hub.stop();
    assert!(!said.contains("a defect was hit"), "nothing panicked: {said}");
}

#[test]
fn hostile_payloads_do_not_hurt_a_clinic_that_may_have_the_stream() {
    let mut world = World::start();
    let patient = patient(3);
    // The patient of the hostile clinic allows the honest one everything.
    let honest = site_of(&world, "honest");
    let mut peer = world.dial();
    let grant = consent_to(honest, patient);
    let consent = patient_stream(patient, Compartment::Consent);
    let own = world.author.write(consent, FactKind::ConsentGrant.number(), grant);
    assert_eq!(peer.push(&[own]), [Fate::Stored]);
    let identity = patient_stream(patient, Compartment::Identity);
    let change = FactKind::DocumentChange.number();
    let own: Vec<Own> = hostile_documents()
        .into_iter()
        .map(|(_, payload)| world.author.write(identity, change, payload))
        .collect();
    assert!(peer.push(&own).iter().all(|fate| *fate == QUARANTINED));
    let vitals = patient_stream(patient, Compartment::Vitals);
    let good = world.author.write(vitals, FactKind::Segment.number(), segment("61.25"));
    assert_eq!(peer.push(&[good]), [Fate::Stored]);
    until("the honest clinic has what came after", || {
        world.honest.home.tell(&["export", "vitals"]).contains(",61.25")
    });
    assert!(world.honest.serving.is_up(), "{}", world.honest.serving.said());
    until("the honest clinic is in step", || world.honest.is_in_step());
    world.check_hub_serves();
}

/// The id of a site, as the hub's directory has it: read from a copy of the hostile node's own.
fn site_of(world: &World, name: &str) -> vocab::SiteId {
    let serving = world.home.serve();
    until("the directory has come", || world.home.tell(&["sites"]).contains(name));
    drop(serving);
    let folder = host::DataFolder::open(world.home.path()).unwrap();
    let key = folder.database_key().unwrap();
    let conn = store::open(&folder.database(), &key, store::Access::Read).unwrap();
    directory::store::sites::find_site(&conn, &name.parse().unwrap()).unwrap().unwrap()
}

fn consent_to(site: vocab::SiteId, patient: PatientId) -> Vec<u8> {
    use consent::notice::{Capture, Evidence, Language, Notice};
    use consent::scope::{Action, Recipient, SetOf};
    let terms = consent::GrantTerms {
        draw: [5; 16],
        patient,
        recipient: Recipient::Site(site),
        compartments: SetOf::of(&[Compartment::Identity, Compartment::Vitals]),
        purposes: SetOf::of(&[vocab::Purpose::Treatment]),
        actions: SetOf::of(&[Action::View, Action::Replicate, Action::Write]),
        granted_at: Timestamp::from_millis(1_767_225_600_000),
        valid_from: Timestamp::from_millis(1_767_225_600_000),
        valid_to: None,
        notice: Notice { version: 1, language: Language::from_letters(*b"eng").unwrap() },
        evidence: Evidence { capture: Capture::OnScreen, witness: None },
        acks: std::collections::BTreeSet::new(),
        grantor: consent::Grantor::Patient,
        offline: None,
    };
    consent::fact::ConsentEvent::Grant(consent::Grant::new(terms).unwrap()).to_bytes()
}
