//! Clinics whose network lets no UDP through.

use serde_json::Value;
use tests::programs::http::get;
use tests::programs::network::{Clinic, number};
use tests::programs::readings::sorted;
use tests::programs::{Network, Reading, body, until};

fn road(clinic: &Clinic) -> Value {
    clinic.home.status()["link"]["road"].clone()
}

/// What the hub's list says of how a clinic is connected.
fn contact(network: &Network, site: &str) -> String {
    let status = network.hub_home.tell(&["status"]);
    let start = format!("site        {site}: ");
    let line = status.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[track_caller]
fn check_everywhere(network: &Network, sent: &[Reading]) {
    network.north.home.tell(&["flush"]);
    network.settle();
    let sent = sorted(sent.to_vec());
    assert_eq!(network.north.vitals(), sent, "north");
    assert_eq!(network.at_hub(), sent, "the hub");
    assert_eq!(network.south.vitals(), sent, "south");
}

#[test]
fn where_no_udp_passes_a_clinic_joins_and_sends_over_tcp_until_udp_is_back() {
    let mut network = Network::start_without_udp();
    network.north.patient("p-1", "Somebody");
    network.north.allow("p-1", "south");
    let monitor = network.north.device("bed-4-mon");
    network.settle();
    let mut sent = Vec::new();
    let mut deliver = |network: &Network, seconds: i64, value: &str| {
        let reading = Reading::pulse("bed-4-mon", "p-1", seconds, value);
        let text = body(&format!("b{seconds}"), std::slice::from_ref(&reading));
        let receipt = monitor.deliver(network.north.http(), &text);
        assert_eq!(number(&receipt, &["accepted"]), 1);
        sent.push(reading);
        check_everywhere(network, &sent);
    };
    deliver(&network, -50, "71");

    // Whoever looks is told, wherever they look.
    for clinic in [&network.north, &network.south] {
        assert_eq!(road(clinic), "tcp");
        let text = clinic.home.tell(&["status"]);
        assert!(text.contains("connected over TCP, because UDP got no answer"), "{text}");
        let page = get(clinic.http(), "/").text();
        assert!(page.contains("connected over TCP, because UDP got no answer"), "{page}");
        let metrics = get(clinic.http(), "/metrics").text();
        assert!(metrics.contains("edge_link_road{of=\"tcp\"} 1"), "{metrics}");
        assert!(metrics.contains("edge_link_road{of=\"udp\"} 0"), "{metrics}");
    }
    assert_eq!(contact(&network, "north"), "connected over TCP, because UDP got no answer");
    let metrics = get(network.hub.http, "/metrics").text();
    assert!(metrics.contains("hub_edges_connected{of=\"tcp\"} 2"), "{metrics}");

    // A hub that is killed is noticed at once, and found again by the same road.
    network.restart_hub();
    deliver(&network, -40, "72");
    assert_eq!(road(&network.north), "tcp");

    // Whoever asks does not wait until UDP is tried anew. The conversation moves.
    network.north.wire.unblock_udp();
    network.north.home.tell(&["sync"]);
    until("the clinic has moved to UDP", || road(&network.north) == "udp");
    deliver(&network, -30, "73");
    assert_eq!(contact(&network, "north"), "connected over UDP");
    assert_eq!(contact(&network, "south"), "connected over TCP, because UDP got no answer");

    // A program that starts anew knows nothing of that and tries both.
    network.north.wire.block_udp();
    network.north.restart();
    deliver(&network, -20, "74");
    assert_eq!(road(&network.north), "tcp");
}

#[test]
fn a_site_that_is_shut_out_is_cut_at_once_over_tcp_as_well() {
    let network = Network::start_without_udp();
    network.settle();
    network.hub_home.tell(&["shut-out", "--site", "south"]);
    until("the clinic knows", || network.south.home.status()["state"] == "shut_out");
    assert_eq!(road(&network.south), Value::Null);
    assert_eq!(contact(&network, "north"), "connected over TCP, because UDP got no answer");
}

#[test]
fn where_udp_passes_it_is_taken() {
    let network = Network::start();
    network.settle();
    for clinic in [&network.north, &network.south] {
        assert_eq!(road(clinic), "udp");
    }
    let page = get(network.hub.http, "/").text();
    assert!(page.contains("connected over UDP"), "{page}");
}
