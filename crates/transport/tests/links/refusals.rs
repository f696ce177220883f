//! Who is not let in, and what both sides are told.

use std::net::Ipv4Addr;

use tokio::net::UdpSocket;
use transport::close_code;
use transport::dialer::DialError;
use transport::link::LinkError;

use crate::world::{
    ENROLLED, HUB, Hub, ROADS, STRANGER, Shown, bare, connect, dialer, enrolled_rogue, key, listen,
    pair, pair_by, within,
};

const SYNC: &[u8] = b"cairn-sync/1";
const JOIN: &[u8] = b"cairn-join/1";

#[tokio::test]
async fn a_server_with_another_key_is_not_trusted() {
    let hub = Hub::start();
    let dialer = dialer(ENROLLED);
    for attempt in [
        within(dialer.connect(hub.address(), &key(STRANGER))).await.map(|_| ()),
        within(dialer.join(hub.address(), &key(STRANGER), b"secret token")).await.map(|_| ()),
    ] {
        let error = attempt.unwrap_err();
        assert!(matches!(error, DialError::WrongServerKey(_)), "{error:?}");
        assert!(error.to_string().contains("another key than the one"), "{error}");
    }
    hub.has_refused(2).await;
}

#[tokio::test]
async fn a_key_that_is_not_enrolled_fails_in_the_handshake() {
    for road in ROADS {
        let hub = Hub::start();
        let dialer = dialer(STRANGER);
        let link = connect(&dialer, hub.address(), &key(HUB), road).await.unwrap();
        assert_eq!(within(link.closed()).await, LinkError::NotAdmitted);
        assert!(within(link.recv()).await.is_none());
        assert_eq!(link.send(0, vec![1]).await, Err(LinkError::NotAdmitted));
        hub.has_refused(1).await;
        assert_eq!((hub.listener.links(), hub.listener.counts().admitted), (0, 0));
    }
}

#[tokio::test]
async fn only_an_enrolled_raw_key_with_the_protocol_gets_in() {
    check(Shown::RawKey(ENROLLED), &[SYNC], true).await;
    check(Shown::RawKey(STRANGER), &[SYNC], false).await;
    check(Shown::Nothing, &[SYNC], false).await;
    check(Shown::Nothing, &[JOIN], false).await;
    check(Shown::X509, &[SYNC], false).await;
    check(Shown::X509, &[JOIN], false).await;
    check(Shown::X509AsRawKey, &[SYNC], false).await;
    check(Shown::X509AsRawKey, &[JOIN], false).await;
    check(Shown::RawKey(ENROLLED), &[], false).await;
    check(Shown::RawKey(ENROLLED), &[b"h3"], false).await;
}

#[tokio::test]
async fn asking_for_both_protocols_does_not_get_a_stranger_in() {
    check(Shown::RawKey(STRANGER), &[SYNC, JOIN], false).await;
    check(Shown::RawKey(STRANGER), &[JOIN, SYNC], false).await;
    check(Shown::RawKey(STRANGER), &[JOIN, b"h3"], false).await;
    check(Shown::RawKey(STRANGER), &[JOIN, JOIN], false).await;
    check(Shown::RawKey(ENROLLED), &[JOIN, SYNC], true).await;
}

#[track_caller]
fn check(shown: Shown, protocols: &[&[u8]], gets_in: bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let protocols: Vec<Vec<u8>> = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    async move {
        let hub = Hub::start();
        let protocols: Vec<&[u8]> = protocols.iter().map(Vec::as_slice).collect();
        let connection = bare(hub.address(), shown, &protocols).await;
        if gets_in {
            let (_endpoint, connection) = connection.unwrap();
            hub.link().await;
            drop(connection);
            return;
        }
        // The refusal comes with the handshake or right after it.
        if let Ok((_endpoint, connection)) = connection {
            let reason = within(connection.closed()).await;
            let by_tls = matches!(reason, quinn::ConnectionError::ConnectionClosed(_));
            assert!(by_tls, "{caller}: {reason}");
        }
        hub.has_refused(1).await;
        assert_eq!(hub.listener.counts().admitted, 0, "{caller}");
        pair(&hub).await;
    }
}

#[tokio::test]
async fn a_revoked_key_is_cut_off_and_does_not_come_back() {
    for road in ROADS {
        let hub = Hub::start();
        let (dialer, link, accepted) = pair_by(&hub, road).await;
        let (_other, second, _second_accepted) = pair_by(&hub, road).await;
        hub.book.enrol(key(STRANGER));
        let (_endpoint, bystander) =
            bare(hub.address(), Shown::RawKey(STRANGER), &[SYNC]).await.unwrap();
        let bystander_accepted = hub.link().await;

        hub.book.revoke(&key(ENROLLED));
        assert_eq!(hub.listener.cut(&key(ENROLLED)), 2);
        // Told so; a link that only falls silent would be given up as timed out.
        let code = close_code::REVOKED;
        for link in [link, second] {
            assert_eq!(within(link.closed()).await, LinkError::ClosedByPeer { code });
        }
        assert_eq!(within(accepted.closed()).await, LinkError::ClosedHere { code });

        let again = connect(&dialer, hub.address(), &key(HUB), road).await.unwrap();
        assert_eq!(within(again.closed()).await, LinkError::NotAdmitted);

        bystander_accepted.send(0, vec![1]).await.unwrap();
        within(bystander.accept_uni()).await.unwrap();
        assert_eq!(hub.listener.cut(&key(ENROLLED)), 0);
    }
}

#[tokio::test]
async fn a_link_works_again_after_the_key_is_enrolled_again() {
    let hub = Hub::start();
    hub.book.revoke(&key(ENROLLED));
    let (_endpoint, refused) = enrolled_rogue(&hub).await;
    within(refused.closed()).await;
    hub.book.enrol(key(ENROLLED));
    pair(&hub).await;
}

/// Knows every key when first asked and none later: revoked in the middle of the handshake.
#[derive(Default)]
struct Fickle(std::sync::atomic::AtomicBool);

impl transport::Admission for Fickle {
    fn is_enrolled(&self, _key: &[u8; 32]) -> bool {
        !self.0.swap(true, std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_key_revoked_during_the_handshake_gets_no_link() {
    for road in ROADS {
        let listener = listen(std::sync::Arc::new(Fickle::default()));
        let dialer = dialer(ENROLLED);
        let link = connect(&dialer, listener.local_addr(), &key(HUB), road).await.unwrap();
        let code = close_code::REVOKED;
        assert_eq!(within(link.closed()).await, LinkError::ClosedByPeer { code });
        within(async {
            while listener.counts().refused < 1 || listener.links() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_can_be_sent_before_the_keys_are_proved_anew() {
    let hub = Hub::start();
    let (endpoint, connection) = enrolled_rogue(&hub).await;
    let accepted = hub.link().await;
    accepted.send(0, vec![1]).await.unwrap();
    within(connection.accept_uni()).await.unwrap();
    drop(connection);
    let again = endpoint.connect(hub.address(), "hub").unwrap();
    assert!(again.into_0rtt().is_err(), "0-RTT was offered");
}

#[tokio::test]
async fn garbage_and_silence_do_not_stop_the_listener() {
    let hub = Hub::start();
    let noise = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    for seed in 0..=255 {
        let mut datagram = vec![seed; 1_200];
        noise.send_to(&datagram, hub.address()).await.unwrap();
        // The header of a first packet, then nothing that can be decrypted.
        datagram[..7].copy_from_slice(&[0xc0 | seed, 0, 0, 0, 1, 8, seed]);
        noise.send_to(&datagram, hub.address()).await.unwrap();
    }
    pair(&hub).await;
}

/// First packets from an address that receives nothing, as a forged one would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_that_never_answer_leave_room_for_honest_ones() {
    const SILENT: usize = 150;
    let hub = Hub::start();
    let hole = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (hole_address, hub_address) = (hole.local_addr().unwrap(), hub.address());
    let onward = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let passed = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&passed);
    tokio::spawn(async move {
        let mut datagram = [0; 2_048];
        while let Ok((length, _)) = hole.recv_from(&mut datagram).await {
            onward.send_to(&datagram[..length], hub_address).await.unwrap();
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let silent = std::sync::Arc::new(dialer(ENROLLED));
    for _ in 0..SILENT {
        let silent = std::sync::Arc::clone(&silent);
        tokio::spawn(async move { silent.connect(hole_address, &key(HUB)).await });
    }
    within(async {
        while passed.load(std::sync::atomic::Ordering::Relaxed) < SILENT {
            tokio::task::yield_now().await;
        }
    })
    .await;
    pair(&hub).await;
    assert_eq!(hub.listener.counts().busy, 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_unreachable() {
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let error = dialer(ENROLLED).connect(nobody, &key(HUB)).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable(address) if address == nobody), "{error:?}");
    let nowhere = (Ipv4Addr::LOCALHOST, 0).into();
    let error = dialer(ENROLLED).connect(nowhere, &key(HUB)).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable(_)), "{error:?}");
}
