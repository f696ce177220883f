//! What a bad day does to a link: cuts, other addresses, restarts, a backlog on a slow line.

use tests::programs::http::Device;
use tests::programs::network::{Clinic, number};
use tests::programs::readings::sorted;
use tests::programs::{Network, Reading, body, until};

/// Readings that do not compress: a backlog.
fn backlog(batch: usize, count: usize) -> Vec<Reading> {
    let mut dice = tests::network::Dice::new(batch as u64);
    (0..count)
        .map(|at| {
            let seconds = -30_000
                - i64::try_from(batch * count + at).unwrap() * 7
                - i64::try_from(dice.below(7)).unwrap();
            let value = format!("{}.{:06}", 60 + dice.below(40), dice.below(1_000_000));
            Reading::pulse("bed-4-mon", "p-1", seconds, &value)
        })
        .collect()
}

fn upload(clinic: &Clinic, monitor: &Device, batches: std::ops::Range<usize>) -> Vec<Reading> {
    let mut sent = Vec::new();
    for batch in batches {
        let readings = backlog(batch, 1_000);
        let receipt = monitor.deliver(clinic.http(), &body(&format!("b-{batch}"), &readings));
        assert_eq!(number(&receipt, &["accepted"]), 1_000);
        sent.extend(readings);
    }
    sent
}

fn begin() -> (Network, Device) {
    let network = Network::start();
    network.north.patient("p-1", "Somebody");
    network.north.allow("p-1", "south");
    let monitor = network.north.device("bed-4-mon");
    network.settle();
    (network, monitor)
}

#[track_caller]
fn check_everywhere(network: &Network, sent: Vec<Reading>) {
    network.north.home.tell(&["flush"]);
    network.settle();
    let sent = sorted(sent);
    // Compared as a whole, printed only as numbers: a difference has thousands of lines.
    for (place, held) in [
        ("north", network.north.vitals()),
        ("hub", network.at_hub()),
        ("south", network.south.vitals()),
    ] {
        assert!(held == sent, "{place} holds {} of {} readings", held.len(), sent.len());
    }
}

#[test]
fn a_link_that_was_cut_is_taken_up_again_and_nothing_is_lost() {
    let (network, monitor) = begin();
    let mut sent = upload(&network.north, &monitor, 0..3);
    network.north.wire.cut();
    sent.extend(upload(&network.north, &monitor, 3..6));
    let status = network.north.home.status();
    assert!(number(&status, &["entries", "pending"]) >= 3, "the clinic goes on alone: {status}");
    network.north.wire.restore();
    check_everywhere(&network, sent);
}

#[test]
fn a_clinic_on_a_narrow_line_gets_its_readings_through() {
    let (mut network, monitor) = begin();
    network.north.serving.stop();
    network.north.home.configure("[sync]\nlink = \"narrow\"");
    network.north.serving = network.north.home.serve();
    // 64 kbit/s.
    network.north.wire.slow_down(8_000);
    let mut sent = upload(&network.north, &monitor, 0..2);
    network.restart_hub();
    sent.extend(upload(&network.north, &monitor, 2..3));
    check_everywhere(&network, sent);
}

#[test]
fn a_conversation_survives_a_change_of_address_in_the_middle() {
    let (mut network, monitor) = begin();
    network.north.wire.slow_down(200_000);
    let sent = upload(&network.north, &monitor, 0..20);
    let mut moves = 0;
    while number(&network.north.home.status(), &["entries", "pending"]) > 0 {
        let passed = network.north.wire.passed_bytes();
        network.north.wire.change_address();
        moves += 1;
        until("the conversation goes on from the new address", || {
            network.north.wire.passed_bytes() > passed + 8_000
                || number(&network.north.home.status(), &["entries", "pending"]) == 0
        });
    }
    println!("{moves} other addresses");
    assert!(moves >= 2, "the backlog was gone before the address changed");
    network.north.wire.slow_down(0);
    check_everywhere(&network, sent);
    let said = network.north.serving.stop();
    let ended = said.matches("the conversation with the hub ended").count();
    assert!(ended <= 1, "only when the program stopped:\n{said}");
}

#[test]
fn restarts_of_hub_and_clinic_in_the_middle_lose_nothing() {
    let (mut network, monitor) = begin();
    let mut sent = upload(&network.north, &monitor, 0..3);
    network.restart_hub();
    sent.extend(upload(&network.north, &monitor, 3..6));
    network.north.restart();
    sent.extend(upload(&network.north, &monitor, 6..9));
    network.south.restart();
    network.hub.stop();
    sent.extend(upload(&network.north, &monitor, 9..11));
    network.north.serving.stop();
    network.north.serving = network.north.home.serve();
    network.start_hub();
    check_everywhere(&network, sent);
}

#[test]
fn an_urgent_alert_overtakes_a_backlog() {
    let (network, monitor) = begin();
    let Network { north, south, hub_home, .. } = &network;
    north.wire.slow_down(40_000);
    let mut sent = upload(north, &monitor, 0..80);
    let before = number(&north.home.status(), &["entries", "pending"]);
    let alarm = Reading::pulse("bed-4-mon", "p-1", -1, "84").of("59408-5", "%");
    monitor.deliver(north.http(), &body("b-alarm", std::slice::from_ref(&alarm)));
    until("the hub has the alert", || number(&hub_home.status(), &["alerts"]) == 1);
    let status = north.home.status();
    let waiting = number(&status, &["entries", "pending"]);
    println!("{waiting} of {before} entries still waited when the alert was at the hub");
    assert!(waiting * 2 > before, "the backlog of {before} was gone before: {status}");
    until("the other clinic has it", || number(&south.home.status(), &["alerts"]) == 1);
    assert!(number(&north.home.status(), &["entries", "pending"]) > 0, "before the backlog");
    north.wire.slow_down(0);
    sent.push(alarm);
    check_everywhere(&network, sent);
}
