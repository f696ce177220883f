//! What was set aside gets out again, with the real programs.

use std::os::unix::fs::PermissionsExt as _;

use replication::streams::patient_stream;
use sync_protocol::entry::WithheldReason;
use sync_protocol::message::Verdict;
use tests::programs::network::number;
use tests::programs::until;
use vocab::{Compartment, FactKind};

use super::World;
use super::access::patient;
use super::payloads::segment;
use super::peer::Fate;

fn counts(world: &World) -> [u64; 3] {
    let status = world.hub_home.status();
    ["quarantined", "taken_again", "discarded"].map(|name| number(&status, &[name]))
}

/// A clinic writes into another's patient before it may, and again something that nobody can read.
#[test]
fn what_was_set_aside_is_looked_at_taken_again_or_given_up() {
    let mut world = World::start();
    until("the patient is at the hub", || world.honest.is_in_step());
    let stream = patient_stream(patient(&world), Compartment::Vitals);
    let mut peer = world.dial();
    let kind = FactKind::Segment.number();
    let early = world.author.write(stream, kind, segment("61.5"));
    let unreadable = world.author.write(stream, kind, vec![0xff; 40]);
    let fate = Fate::Refused(Verdict::Quarantined(WithheldReason::NoAccess));
    assert_eq!(peer.push(&[early]), [fate]);
    assert_eq!(peer.push(&[unreadable]), [fate]);
    until("the honest clinic has acknowledged both places", || {
        let status = world.hub_home.status();
        let sites = status["sites"].as_array().unwrap();
        let honest = sites.iter().find(|site| site["site"] == "honest").unwrap();
        number(honest, &["behind"]) == 0 && number(honest, &["delivered"]) >= 2
    });
    assert_eq!(counts(&world), [2, 0, 0]);
    let hub = &world.hub_home;
    check_list_and_show(hub);

    let said = hub.refused(&["quarantine", "retry", "1"]);
    assert!(said.contains("may still not write"), "{said}");
    until("the directory names the site", || {
        world.honest.home.tell(&["sites"]).contains("hostile")
    });
    world.honest.home.tell(&["consent", "grant", "p-1", "--site", "hostile"]);
    until("the grant is at the hub", || world.honest.is_in_step());
    let said = hub.tell(&["quarantine", "retry", "--all"]);
    assert!(said.starts_with("1 taken, 1 stay set aside\n"), "{said}");
    assert!(said.contains("number 2 stays set aside: the payload cannot be read"), "{said}");
    until("the clinic that had it without has it now", || {
        world.honest.home.tell(&["export", "vitals"]).contains(",61.5")
    });
    assert!(hub.tell(&["export", "vitals"]).contains(",61.5"));
    assert_eq!(counts(&world), [1, 1, 0]);

    check_broken_input(hub);
    hub.tell(&[
        "quarantine",
        "discard",
        "2",
        "--reason",
        "test traffic of a vendor",
        "--by",
        "ana",
    ]);
    assert_eq!(counts(&world), [0, 1, 1]);
    assert_eq!(hub.tell(&["quarantine"]).lines().count(), 1, "nothing is open");
    let all = hub.tell(&["quarantine", "list", "--all"]);
    assert!(all.contains(",discarded,") && all.contains(",ana,test traffic of a vendor"), "{all}");
    let shown = hub.tell(&["quarantine", "show", "2"]);
    assert!(shown.contains("test traffic of a vendor") && !shown.contains("ffff"), "{shown}");
    for settled in ["1", "2"] {
        let said = hub.refused(&["quarantine", "retry", settled]);
        assert!(said.contains("already"), "{said}");
        let said = hub.refused(&["quarantine", "discard", settled, "--reason", "again"]);
        assert!(said.contains("already"), "{said}");
    }
    for home in [hub, &world.honest.home] {
        assert!(home.tell(&["verify"]).contains("everything holds"));
    }
    drop(peer);
    world.check_hub_serves();
}

fn check_list_and_show(hub: &tests::programs::Home) {
    let listed = hub.tell(&["quarantine", "list"]);
    assert_eq!(listed, hub.tell(&["quarantine"]));
    assert!(listed.contains(",no-access,") && listed.contains(",2,open,"), "{listed}");
    let shown = hub.tell(&["quarantine", "show", "2"]);
    let hash = blake3::hash(&[0xff; 40]).to_hex();
    for part in ["was not allowed to write", "40 bytes", "readings (1)", &hash, "ffffffff"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let file = hub.path().join("payload-2");
    let path = file.to_str().unwrap();
    hub.tell(&["quarantine", "show", "2", "--payload", path]);
    assert_eq!(std::fs::read(&file).unwrap(), [0xff; 40]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let said = hub.refused(&["quarantine", "show", "2", "--payload", path]);
    assert!(said.contains("must be a new file"), "{said}");
}

fn check_broken_input(hub: &tests::programs::Home) {
    let unknown: [&[&str]; 3] =
        [&["show", "99"], &["retry", "99"], &["discard", "99", "--reason", "none"]];
    for command in unknown {
        let said = hub.refused(&[&["quarantine"], command].concat());
        assert!(said.contains("nothing that was set aside has the number 99"), "{said}");
    }
    assert!(
        hub.refused(&["quarantine", "discard", "2", "--reason", " "])
            .contains("a reason is needed")
    );
    for command in [&["discard", "2"][..], &["retry"], &["retry", "2", "--all"], &["show", "x"]] {
        let said = hub.refused(&[&["quarantine"], command].concat());
        assert!(said.contains("Usage") || said.contains("--help"), "{said}");
    }
}
