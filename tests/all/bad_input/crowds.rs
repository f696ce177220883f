//! More connections than a clinic has devices.

use std::net::{IpAddr, Ipv4Addr};

use tests::programs::http::Connection;
use tests::programs::{Reading, body};
use web::limits::{CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX};

use super::Door;

/// Part of a request that never ends.
const DRIP: &[u8] = b"POST /api/v1/devices/bed-4-mon/batches HTTP/1.1\r\nhost: a\r\n";

/// Memory that a crowd may cost. Source: fault plan, F-DEV-1.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

impl Door {
    /// Opens a connection from `from` and begins a request on it.
    fn dawdle(&self, from: IpAddr) -> Connection {
        let mut connection = Connection::open_from(from, self.clinic.serving.http).unwrap();
        // One that found no place may be closed already.
        let _ = connection.send(DRIP);
        connection
    }
}

#[test]
fn five_hundred_slow_connections_do_not_stop_a_healthy_device() {
    let door = Door::open("");
    let mut number = 0;
    let mut upload = || {
        let clock = host::Clock::system();
        number += 1;
        let reading = Reading::pulse("bed-4-mon", "p-1", -number, "72");
        let answer = door.send(&body(&format!("b-{number}"), &[reading]));
        assert_eq!(answer.status, 200, "{}", answer.text());
        clock.monotonic_nanos() / 1_000
    };
    let mut slowest = |times: usize| (0..times).map(|_| upload()).max().unwrap();
    let before = slowest(50);
    let grown_from = door.clinic.serving.resident_kib();
    let crowd: Vec<Connection> = (0..500).map(|_| door.dawdle(address(2))).collect();
    let during = slowest(50);
    let growth = door.clinic.serving.peak_kib().zip(grown_from).map(|(peak, from)| peak - from);
    println!("slowest of 50 uploads: {before} us, in the crowd {during} us; {growth:?} KiB more");
    assert!(growth.is_none_or(|kib| kib <= GROWTH_KIB_MAX), "{growth:?} KiB");
    drop(crowd);
}

#[test]
fn an_address_and_all_together_have_their_number_of_places() {
    let door = Door::open("");
    let place = |from| {
        let mut connection = Connection::open_from(from, door.clinic.serving.http).unwrap();
        let answer = connection.ask(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        (answer.status, connection)
    };
    let mut taken = Vec::new();
    let addresses = u8::try_from(CONNECTIONS_MAX / CONNECTIONS_PER_ADDRESS_MAX).unwrap();
    for from in (0..addresses).map(|at| address(2 + at)) {
        for _ in 0..CONNECTIONS_PER_ADDRESS_MAX {
            let (status, connection) = place(from);
            assert_eq!(status, 200);
            taken.push(connection);
        }
        assert_eq!(place(from).0, 503, "one more from {from}");
    }
    let (status, _) = place(address(99));
    assert_eq!(status, 503, "one more from anywhere");
    taken.pop();
    tests::programs::until("a place that was left is free", || place(address(99)).0 == 200);
}
