//! What a link does for those who keep to the rules.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use transport::close_code;
use transport::framing::FRAME_BYTES_MAX;
use transport::link::{CLASSES, LinkError, TrySendError};
use transport::{Link, LinkProfile};

use crate::world::{ENROLLED, Hub, ROADS, connect, dialer, identity, key, pair, pair_by, within};

#[tokio::test]
async fn frames_of_every_class_travel_both_ways_in_order() {
    for road in ROADS {
        let hub = Hub::start();
        let (_dialer, link, accepted) = pair_by(&hub, road).await;
        assert_eq!((link.peer_key(), accepted.peer_key()), (&hub.key, &key(ENROLLED)));
        for (from, to) in [(&link, &accepted), (&accepted, &link)] {
            let lengths = [1, 127, 128, 16_384, FRAME_BYTES_MAX, 7];
            let sending = async {
                for class in 0..CLASSES {
                    for length in lengths {
                        from.send(class, vec![class; length]).await.unwrap();
                    }
                }
            };
            let receiving = async {
                let mut received: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
                for _ in 0..usize::from(CLASSES) * lengths.len() {
                    let (class, frame) = within(to.recv()).await.unwrap();
                    assert!(frame.iter().all(|&byte| byte == class));
                    received.entry(class).or_default().push(frame.len());
                }
                received
            };
            let ((), received) = tokio::join!(sending, receiving);
            assert_eq!(received, (0..CLASSES).map(|class| (class, lengths.to_vec())).collect());
        }
    }
}

#[tokio::test]
async fn an_urgent_frame_overtakes_a_backlog_that_nobody_reads() {
    for road in ROADS {
        let hub = Hub::start();
        let (_dialer, link, accepted) = pair_by(&hub, road).await;
        let backlog = fill(&link, &accepted, &[3, 4, 5, 6]).await;
        assert!(backlog > 30, "{backlog} frames");
        for class in 0..=2 {
            assert!(link.has_room(class));
            link.try_send(class, vec![9]).unwrap();
        }
        // Each has arrived before a frame of the backlog is taken.
        some_round_trips(&link, &accepted).await;
        let mut places = Vec::new();
        for place in 0..backlog + 3 {
            let (class, _) = within(accepted.recv()).await.unwrap();
            if class <= 2 {
                places.push(place);
            }
        }
        assert_eq!(places, [0, 1, 2]);
    }
}

#[tokio::test]
async fn a_sender_is_slowed_to_what_is_read() {
    for road in ROADS {
        let hub = Hub::start();
        let (_dialer, link, accepted) = pair_by(&hub, road).await;
        let taken = fill(&link, &accepted, &[5]).await;
        assert!(taken * FRAME < 4 * 1024 * 1024, "{taken} frames wait");
        let waiting = link.send(5, vec![1; FRAME]);
        let reading = async {
            for _ in 0..=taken {
                within(accepted.recv()).await.unwrap();
            }
        };
        let (sent, ()) = tokio::join!(within(waiting), reading);
        sent.unwrap();
    }
}

const FRAME: usize = 32 * 1024;

/// Sends frames that nobody takes until no more is accepted, and nothing moves any more.
async fn fill(link: &Link, accepted: &Link, classes: &[u8]) -> usize {
    let mut taken = 0;
    loop {
        let before = taken;
        for &class in classes {
            match link.try_send(class, vec![class; FRAME]) {
                Ok(()) => taken += 1,
                Err(TrySendError::Full(frame)) => assert_eq!(frame.len(), FRAME),
                Err(TrySendError::Link(error)) => panic!("{error}"),
            }
        }
        some_round_trips(link, accepted).await;
        if taken == before {
            return taken;
        }
    }
}

/// Frames the other way. When they have come and gone, whatever could be sent has been.
async fn some_round_trips(link: &Link, accepted: &Link) {
    for _ in 0..20 {
        accepted.send(0, vec![0]).await.unwrap();
        within(link.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn a_finished_link_has_delivered_everything() {
    for road in ROADS {
        let hub = Hub::start();
        let (_dialer, link, accepted) = pair_by(&hub, road).await;
        for _ in 0..20 {
            link.send(4, vec![4; 10_000]).await.unwrap();
        }
        link.send(0, vec![0]).await.unwrap();
        tokio::join!(link.finish(close_code::FIRST_FREE + 7), async {
            let mut count = 0;
            while within(accepted.recv()).await.is_some() {
                count += 1;
            }
            assert_eq!(count, 21);
        });
        let code = close_code::FIRST_FREE + 7;
        assert_eq!(within(accepted.closed()).await, LinkError::ClosedByPeer { code });
        assert_eq!(within(link.closed()).await, LinkError::ClosedHere { code });
        assert_eq!(link.send(0, vec![1]).await, Err(LinkError::ClosedHere { code }));
    }
}

#[tokio::test]
async fn both_ends_learn_why_a_link_was_closed() {
    for road in ROADS {
        let hub = Hub::start();
        let (_dialer, link, accepted) = pair_by(&hub, road).await;
        let code = close_code::FIRST_FREE;
        accepted.close(code, "enough");
        assert_eq!(within(link.closed()).await, LinkError::ClosedByPeer { code });
        assert_eq!(within(accepted.closed()).await, LinkError::ClosedHere { code });
        assert!(within(link.recv()).await.is_none());
        assert!(within(accepted.recv()).await.is_none());

        let (_dialer, link, accepted) = pair_by(&hub, road).await;
        drop(accepted);
        let code = close_code::DONE;
        assert_eq!(within(link.closed()).await, LinkError::ClosedByPeer { code });
    }
}

#[tokio::test]
async fn a_frame_that_cannot_be_sent_leaves_the_link_alone() {
    for road in ROADS {
        let hub = Hub::start();
        let (_dialer, link, accepted) = pair_by(&hub, road).await;
        let too_long = link.send(3, vec![0; FRAME_BYTES_MAX + 1]).await;
        assert!(matches!(too_long, Err(LinkError::Frame(_))), "{too_long:?}");
        assert!(matches!(link.send(3, Bytes::new()).await, Err(LinkError::Frame(_))));
        assert_eq!(link.send(CLASSES, vec![1]).await, Err(LinkError::Class(CLASSES)));
        link.send(3, vec![1]).await.unwrap();
        assert_eq!(within(accepted.recv()).await, Some((3, Bytes::from_static(&[1]))));
    }
}

#[tokio::test]
async fn a_link_survives_a_change_of_address() {
    let hub = Hub::start();
    let (dialer, link, accepted) = pair(&hub).await;
    link.send(1, vec![1]).await.unwrap();
    within(accepted.recv()).await.unwrap();
    for round in 0..3 {
        let before = dialer.local_addr().unwrap();
        dialer.rebind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert_ne!(dialer.local_addr().unwrap(), before);
        link.send(1, vec![round]).await.unwrap();
        assert_eq!(within(accepted.recv()).await, Some((1, vec![round].into())));
        accepted.send(1, vec![round]).await.unwrap();
        assert_eq!(within(link.recv()).await, Some((1, vec![round].into())));
    }
}

#[tokio::test]
async fn two_nodes_with_one_key_have_a_link_each() {
    for road in ROADS {
        let hub = Hub::start();
        let (_one, first, first_accepted) = pair_by(&hub, road).await;
        let (_other, second, second_accepted) = pair_by(&hub, road).await;
        assert_eq!(hub.listener.links(), 2);
        for (from, to) in [(&first, &first_accepted), (&second_accepted, &second)] {
            from.send(2, vec![2]).await.unwrap();
            within(to.recv()).await.unwrap();
        }
        drop(first);
        within(first_accepted.closed()).await;
        second.send(2, vec![3]).await.unwrap();
        within(second_accepted.recv()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_nodes_come_at_once() {
    const COUNT: usize = 100;
    let hub = std::sync::Arc::new(Hub::start());
    let dialer = std::sync::Arc::new(dialer(ENROLLED));
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..COUNT {
        let (hub, dialer) = (std::sync::Arc::clone(&hub), std::sync::Arc::clone(&dialer));
        nodes.spawn(async move {
            let link = within(dialer.connect(hub.address(), &hub.key)).await.unwrap();
            link.send(1, vec![1]).await.unwrap();
            assert_eq!(within(link.recv()).await, Some((1, vec![2].into())));
        });
    }
    for _ in 0..COUNT {
        let accepted = hub.link().await;
        tokio::spawn(async move {
            within(accepted.recv()).await.unwrap();
            accepted.send(1, vec![2]).await.unwrap();
            within(accepted.closed()).await;
        });
    }
    while let Some(node) = within(nodes.join_next()).await {
        node.unwrap();
    }
    assert_eq!(hub.listener.counts().admitted, 100);
    within(async {
        while hub.listener.links() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stopping_hub_tells_its_nodes() {
    for road in ROADS {
        let hub = Hub::start();
        let (_dialer, link, _accepted) = pair_by(&hub, road).await;
        within(hub.listener.close()).await;
        let code = close_code::STOPPING;
        assert_eq!(within(link.closed()).await, LinkError::ClosedByPeer { code });
        assert!(within(hub.listener.accept()).await.is_none());
    }
}

#[tokio::test]
async fn the_server_learns_that_a_link_is_narrow() {
    for (profile, one_frame_fills_it) in [(LinkProfile::Narrow, true), (LinkProfile::Wide, false)] {
        for road in ROADS {
            let hub = Hub::start();
            let dialer = transport::Dialer::new(&identity(ENROLLED), profile).unwrap();
            let (link, accepted) =
                tokio::join!(connect(&dialer, hub.address(), &hub.key, road), hub.link());
            for end in [&link.unwrap(), &accepted] {
                end.try_send(5, vec![5; 4 * 1024]).unwrap();
                assert_eq!(!end.has_room(5), one_frame_fills_it, "{profile:?}");
                assert!(end.has_room(1));
            }
        }
    }
}

#[tokio::test]
async fn invariant_21_a_narrow_link_stays_below_its_budget() {
    let hub = Hub::start();
    let dialer = transport::Dialer::new(&identity(ENROLLED), LinkProfile::Narrow).unwrap();
    let (link, accepted) =
        tokio::join!(within(dialer.connect(hub.address(), &hub.key)), hub.link());
    let link = link.unwrap();
    link.send(0, vec![7; 90]).await.unwrap();
    within(accepted.recv()).await.unwrap();
    accepted.send(0, vec![7; 90]).await.unwrap();
    within(link.recv()).await.unwrap();
    link.close(close_code::DONE, "");
    within(accepted.closed()).await;
    let stats = link.stats();
    assert!(stats.sent_bytes <= 3_300, "{stats:?}");
    assert!(stats.received_bytes <= 2_100, "{stats:?}");
}

/// A way to one of two servers at a time, as to one that is killed and started again.
async fn detour(
    first: std::net::SocketAddr,
) -> (std::net::SocketAddr, watch::Sender<std::net::SocketAddr>) {
    let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = front.local_addr().unwrap();
    let (leads_to, to) = watch::channel(first);
    tokio::spawn(async move {
        let (mut up, mut down) = ([0; 2_048], [0; 2_048]);
        let mut client = address;
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut up) => {
                    client = from;
                    let server = *to.borrow();
                    back.send_to(up.get(..length).unwrap(), server).await.unwrap();
                }
                Ok((length, from)) = back.recv_from(&mut down) => {
                    if from == *to.borrow() {
                        front.send_to(down.get(..length).unwrap(), client).await.unwrap();
                    }
                }
            }
        }
    });
    (address, leads_to)
}

#[tokio::test]
async fn a_server_that_was_killed_and_started_again_says_that_it_has_forgotten_the_link() {
    let (killed, started) = (Hub::start(), Hub::start());
    let (address, leads_to) = detour(killed.address()).await;
    let dialer = dialer(ENROLLED);
    let (link, accepted) =
        tokio::join!(within(dialer.connect(address, &killed.key)), killed.link());
    let link = link.unwrap();
    // Behind this the handshake is confirmed; before, what the dialer sends is no reason for a reset.
    accepted.send(1, vec![1]).await.unwrap();
    within(link.recv()).await.unwrap();
    leads_to.send_replace(started.address());
    link.send(1, vec![1]).await.unwrap();
    // At once, long before the idle time.
    assert_eq!(within(link.closed()).await, LinkError::Forgotten);
    let (again, accepted) =
        tokio::join!(within(dialer.connect(address, &started.key)), started.link());
    let again = again.unwrap();
    again.send(1, vec![2]).await.unwrap();
    assert_eq!(within(accepted.recv()).await.unwrap().1, Bytes::from_static(&[2]));
}
