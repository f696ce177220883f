//! What TLS over TCP refuses and bounds by itself, shown by clients that keep no rule, and how a road
//! is chosen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::rustls;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transport::close_code;
use transport::dialer::DialError;
use transport::framing::FramingError;
use transport::link::{LinkError, Misbehaviour};
use transport::{LinkProfile, Listener, Road, Roads, TcpDoor};

use crate::world::{
    Book, ENROLLED, HUB, Hub, STRANGER, Shown, bare_config, bare_tcp, dialer, identity, key, pair,
    pair_by, within,
};

const SYNC: &[u8] = b"cairn-sync/1";
const JOIN: &[u8] = b"cairn-join/1";

/// A record that says why the connection ends.
fn close_record(code: u32) -> Vec<u8> {
    [&[0x12, 0, 4][..], &code.to_be_bytes()].concat()
}

/// A piece of a class's lane.
fn piece(class: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&[class][..], &length.to_be_bytes(), bytes].concat()
}

/// A client that keeps no rule but knows the enrolled key.
async fn rogue(hub: &Hub) -> TlsStream<TcpStream> {
    bare_tcp(hub.address(), Shown::RawKey(ENROLLED), &[SYNC]).await.unwrap()
}

#[tokio::test]
async fn only_an_enrolled_raw_key_with_the_protocol_gets_in_over_tcp() {
    check(Shown::RawKey(ENROLLED), &[SYNC], true).await;
    check(Shown::RawKey(STRANGER), &[SYNC], false).await;
    check(Shown::Nothing, &[SYNC], false).await;
    check(Shown::Nothing, &[JOIN], false).await;
    check(Shown::X509, &[SYNC], false).await;
    check(Shown::X509, &[JOIN], false).await;
    check(Shown::X509AsRawKey, &[SYNC], false).await;
    check(Shown::X509AsRawKey, &[JOIN], false).await;
    check(Shown::RawKey(ENROLLED), &[], false).await;
    check(Shown::RawKey(ENROLLED), &[b"h2"], false).await;
    check(Shown::RawKey(STRANGER), &[SYNC, JOIN], false).await;
    check(Shown::RawKey(STRANGER), &[JOIN, SYNC], false).await;
    check(Shown::RawKey(STRANGER), &[JOIN, JOIN], false).await;
}

#[track_caller]
fn check(shown: Shown, protocols: &[&[u8]], gets_in: bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let protocols: Vec<Vec<u8>> = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    async move {
        let hub = Hub::start();
        let protocols: Vec<&[u8]> = protocols.iter().map(Vec::as_slice).collect();
        let connected = bare_tcp(hub.address(), shown, &protocols).await;
        if gets_in {
            let _open = connected.unwrap();
            hub.link().await;
            return;
        }
        // The refusal comes with the handshake or right after it, and nothing else does.
        if let Ok(mut tls) = connected {
            let mut received = Vec::new();
            let _ = within(tls.read_to_end(&mut received)).await;
            assert!(received.is_empty(), "{caller}: {received:?}");
        }
        hub.has_refused(1).await;
        assert_eq!(hub.listener.counts().admitted, 0, "{caller}");
        pair_by(&hub, Road::Tcp).await;
    }
}

#[tokio::test]
async fn a_server_with_another_key_or_none_of_ours_is_not_trusted_over_tcp() {
    let hub = Hub::start();
    let dialer = dialer(ENROLLED);
    for attempt in [
        within(dialer.connect_over_tcp(hub.address(), &key(STRANGER))).await.map(drop),
        within(dialer.join_over_tcp(hub.address(), &key(STRANGER), b"token")).await.map(drop),
    ] {
        let error = attempt.unwrap_err();
        assert!(matches!(error, DialError::WrongServerKey(_)), "{error:?}");
    }
    hub.has_refused(2).await;

    // A page that asks for a password, as networks of hotels put in between.
    let portal = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = portal.local_addr().unwrap();
    let answering = async {
        let (mut stream, _) = portal.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n").await.unwrap();
        let mut asked = Vec::new();
        let _ = stream.read_buf(&mut asked).await;
        asked
    };
    let (answer, asked) = tokio::join!(dialer.connect_over_tcp(address, &hub.key), answering);
    assert!(matches!(answer, Err(DialError::Incompatible(_))), "{answer:?}");
    assert_eq!(asked.first(), Some(&0x16), "nothing but a handshake was sent");
}

#[tokio::test]
async fn a_stranger_that_talks_at_once_still_learns_why_it_is_refused() {
    for _ in 0..20 {
        let hub = Hub::start();
        let dialer = dialer(STRANGER);
        let link = within(dialer.connect_over_tcp(hub.address(), &hub.key)).await.unwrap();
        while link.send(5, vec![5; 32 * 1024]).await.is_ok() {}
        assert_eq!(within(link.closed()).await, LinkError::NotAdmitted);
    }
}

#[tokio::test]
async fn an_older_tls_is_refused_over_tcp() {
    let hub = Hub::start();
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    // A ClientHello of TLS 1.2: no extension names a newer version.
    let mut hello = vec![0x03, 0x03];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 0x01, 1, 0, 0, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 0x03, 0x01, 0, length + 4, 0x01, 0, 0, length];
    record.extend(hello);
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    // An alert, fatal, and nothing else.
    assert_eq!((answer.len(), answer[0], answer[5]), (7, 0x15, 2), "{answer:?}");
    drop(stream);
    hub.has_refused(1).await;
}

#[tokio::test]
async fn every_connection_over_tcp_proves_the_keys_anew() {
    let hub = Hub::start();
    let config = Arc::new(bare_config(Shown::RawKey(ENROLLED), &[SYNC]));
    for _ in 0..2 {
        let stream = TcpStream::connect(hub.address()).await.unwrap();
        let mut offered =
            rustls::ClientConnection::new(Arc::clone(&config), "hub".try_into().unwrap()).unwrap();
        assert!(offered.early_data().is_none(), "0-RTT was offered");
        let connecting = TlsConnector::from(Arc::clone(&config));
        let mut tls = within(connecting.connect("hub".try_into().unwrap(), stream)).await.unwrap();
        let accepted = hub.link().await;
        accepted.send(0, vec![1]).await.unwrap();
        // A ticket would come before this.
        let mut frame = [0; 5];
        within(tls.read_exact(&mut frame)).await.unwrap();
        assert_eq!(frame.as_slice(), piece(0, &[1, 1]));
        let kind = tls.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn whoever_breaks_the_rules_over_tcp_loses_that_link_only() {
    let framing = Misbehaviour::Framing;
    breaks(&[5, 0x04, 0xae], Misbehaviour::Record, 1).await;
    breaks(&[5, 0, 0], Misbehaviour::Record, 1).await;
    breaks(&[0x12, 0, 5], Misbehaviour::Record, 1).await;
    breaks(&[7, 0, 1, 1], Misbehaviour::UnknownClass(7), 1).await;
    breaks(&[0x15, 0, 0], Misbehaviour::UnknownClass(0x15), 1).await;
    let too_long = piece(5, &[0x81, 0xa0, 0x40]);
    breaks(&too_long, framing(FramingError::TooLong), close_code::FRAME_TOO_LONG).await;
    breaks(&piece(5, &[0]), framing(FramingError::Empty), 1).await;
    breaks(&piece(5, &[0x80, 0]), framing(FramingError::Length), 1).await;
    // Grants what nobody used.
    breaks(&[0x11, 0, 4, 0, 0, 0, 1], Misbehaviour::Window, 1).await;
}

async fn breaks(bytes: &[u8], misbehaviour: Misbehaviour, code: u32) {
    let hub = Hub::start();
    let (_dialer, honest, honest_accepted) = pair_by(&hub, Road::Tcp).await;
    let mut rogue = rogue(&hub).await;
    let accepted = hub.link().await;
    rogue.write_all(bytes).await.unwrap();
    rogue.flush().await.unwrap();
    assert_eq!(within(accepted.closed()).await, LinkError::Misbehaved(misbehaviour));
    let mut said = Vec::new();
    within(rogue.read_to_end(&mut said)).await.unwrap();
    assert_eq!(said, close_record(code));

    honest.send(5, vec![1]).await.unwrap();
    within(honest_accepted.recv()).await.unwrap();
}

#[tokio::test]
async fn whoever_sends_more_than_was_granted_is_cut_off() {
    let hub = Hub::start();
    let rogue = rogue(&hub).await;
    let accepted = hub.link().await;
    // Nobody takes the frames, so after a mebibyte nothing more is granted.
    let (_reading, mut writing) = tokio::io::split(rogue);
    let frame = piece(5, &[&[0xa8, 0x09][..], &[5; 1_192]].concat());
    let flooding = async {
        loop {
            if writing.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    let ended = within(async {
        tokio::select! {
            ended = accepted.closed() => ended,
            () = flooding => accepted.closed().await,
        }
    });
    assert_eq!(ended.await, LinkError::Misbehaved(Misbehaviour::Window));
}

#[tokio::test]
async fn a_frame_that_was_broken_off_is_not_delivered() {
    let hub = Hub::start();
    let mut rogue = rogue(&hub).await;
    let accepted = hub.link().await;
    rogue.write_all(&piece(1, &[1, 9])).await.unwrap();
    rogue.write_all(&piece(1, &[5, 1, 2, 3, 4])).await.unwrap();
    rogue.flush().await.unwrap();
    drop(rogue);
    assert_eq!(within(accepted.recv()).await.unwrap().1.as_ref(), [9]);
    assert!(within(accepted.recv()).await.is_none());
    assert_eq!(within(accepted.closed()).await, LinkError::Forgotten);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off_at_once_when_it_is_revoked() {
    let hub = Hub::start();
    let _deaf = rogue(&hub).await;
    let accepted = hub.link().await;
    while accepted.try_send(5, vec![5; 32 * 1024]).is_ok() {
        tokio::task::yield_now().await;
    }
    hub.book.revoke(&key(ENROLLED));
    // Time passes only where everybody waits for it: no time-out is needed.
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    assert_eq!(hub.listener.cut(&key(ENROLLED)), 1);
    let code = close_code::REVOKED;
    assert_eq!(accepted.closed().await, LinkError::ClosedHere { code });
    assert_eq!(before.elapsed(), Duration::ZERO);
    tokio::time::resume();
    assert!(within(accepted.recv()).await.is_none());
    assert!(accepted.try_send(1, vec![1]).is_err());
}

/// What a slow line holds is the peer's receive buffer here: it reads nothing until the alert is
/// handed over.
#[tokio::test]
async fn an_urgent_frame_overtakes_a_backlog_that_a_slow_line_holds_up() {
    const FRAME: usize = 16 * 1024;
    let hub = Hub::start();
    let socket = TcpSocket::new_v4().unwrap();
    SockRef::from(&socket).set_recv_buffer_size(4 * 1024).unwrap();
    let stream = socket.connect(hub.address()).await.unwrap();
    let config = Arc::new(bare_config(Shown::RawKey(ENROLLED), &[SYNC]));
    let name = "hub".try_into().unwrap();
    let mut slow = within(TlsConnector::from(config).connect(name, stream)).await.unwrap();
    let accepted = hub.link().await;
    let mut backlog = 0;
    // Until nothing more is taken, by the kernel either.
    let mut still = 0;
    while still < 1_000 {
        still += 1;
        if accepted.try_send(5, vec![5; FRAME]).is_ok() {
            (backlog, still) = (backlog + 1, 0);
        }
        tokio::task::yield_now().await;
    }
    assert!(backlog * FRAME >= 256 * 1024, "{backlog} frames");
    accepted.try_send(1, vec![9; 100]).unwrap();
    let (mut before, mut after) = (0, 0);
    let mut alert_came = false;
    let enough = 200 * 1024;
    while before + after < enough {
        let mut head = [0; 3];
        within(slow.read_exact(&mut head)).await.unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        within(slow.read_exact(&mut body)).await.unwrap();
        assert!(head.len() + body.len() <= 1_200);
        match head[0] {
            1 => alert_came = true,
            5 if alert_came => after += body.len(),
            5 => before += body.len(),
            other => panic!("a record of kind {other}"),
        }
    }
    println!("{before} bytes of the backlog came before the alert");
    // The peer's buffer, 16 KiB unsent, one record.
    assert!(alert_came && before <= 48 * 1024, "{before} bytes came before the alert");
}

#[tokio::test]
async fn clients_that_never_finish_their_handshake_keep_nobody_out_for_long() {
    let hub = Hub::start();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(hub.address()).await.unwrap());
    }
    // One address has 32 places.
    within(async {
        while hub.listener.counts().busy < 8 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Over UDP there is room all the time.
    pair(&hub).await;
    let dialer = dialer(ENROLLED);
    let refused = within(dialer.connect_over_tcp(hub.address(), &hub.key)).await;
    assert!(matches!(refused, Err(DialError::Ended(_))), "{refused:?}");
    // From here on time passes as soon as there is nothing else to do.
    tokio::time::pause();
    for stream in &mut silent {
        let _ = stream.read(&mut [0; 1]).await;
    }
    tokio::time::resume();
    hub.has_refused(32).await;
    pair_by(&hub, Road::Tcp).await;
}

#[tokio::test]
async fn a_silent_peer_is_given_up_and_a_quiet_link_is_not() {
    let hub = Hub::start();
    let (_dialer, quiet, quiet_accepted) = pair_by(&hub, Road::Tcp).await;
    let _silent = rogue(&hub).await;
    let accepted = hub.link().await;
    tokio::time::pause();
    assert_eq!(accepted.closed().await, LinkError::TimedOut);
    tokio::time::sleep(Duration::from_secs(600)).await;
    tokio::time::resume();
    quiet.send(1, vec![1]).await.unwrap();
    within(quiet_accepted.recv()).await.unwrap();
}

#[tokio::test]
async fn a_joining_node_over_tcp_asks_once_and_in_time() {
    let join = |hub: &Hub| {
        let address = hub.address();
        async move { bare_tcp(address, Shown::RawKey(STRANGER), &[JOIN]).await.unwrap() }
    };
    let hub = Hub::start();
    for bytes in [
        &[1, 0, 2, 1, 1][..],
        &piece(0, &[0]),
        &piece(0, &[0x81, 0xa0, 0x40]),
        // Longer than a request may be: 5,000 bytes announced, and sent.
        &[piece(0, &[0x88, 0x27]), (0..5).flat_map(|_| piece(0, &[1; 1_000])).collect()].concat(),
        &[piece(0, &[2, 0, 1]), piece(0, &[2, 0, 1])].concat(),
        // Empty, and without the byte that goes ahead.
        &piece(0, &[1, 0]),
        &piece(0, &[2, 1, 1]),
    ] {
        let mut rogue = join(&hub).await;
        rogue.write_all(bytes).await.unwrap();
        rogue.flush().await.unwrap();
        let mut said = Vec::new();
        within(rogue.read_to_end(&mut said)).await.unwrap();
        assert_eq!(said, close_record(close_code::JOIN_REFUSED), "{bytes:?}");
    }

    // A second request takes back the first.
    let mut twice = join(&hub).await;
    twice.write_all(&piece(0, &[2, 0, 1])).await.unwrap();
    twice.flush().await.unwrap();
    let request = hub.request().await;
    assert_eq!(request.request(), [1]);
    twice.write_all(&piece(0, &[2, 0, 1])).await.unwrap();
    twice.flush().await.unwrap();
    let mut said = Vec::new();
    within(twice.read_to_end(&mut said)).await.unwrap();
    assert_eq!(said, close_record(close_code::JOIN_REFUSED));
    assert!(within(request.answer(b"certificate")).await.is_err());

    let (mut silent, mut unanswered) = (join(&hub).await, join(&hub).await);
    unanswered.write_all(&piece(0, &[2, 0, 1])).await.unwrap();
    unanswered.flush().await.unwrap();
    let request = hub.request().await;
    tokio::time::pause();
    for stream in [&mut silent, &mut unanswered] {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, close_record(close_code::JOIN_LATE));
    }
    drop(request);
    tokio::time::resume();
    pair_by(&hub, Road::Tcp).await;
}

/// A hub that hears over TCP only where its clients look for it.
fn without_udp() -> (Listener, Arc<Book>, SocketAddr) {
    let book = Arc::new(Book::default());
    book.enrol(key(ENROLLED));
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let (identity, admission) = (identity(HUB), Arc::clone(&book) as _);
    let door = TcpDoor::At(any);
    let hub = Listener::bind_both(any, door, &identity, admission, LinkProfile::Wide).unwrap();
    let address = hub.tcp_addr().unwrap();
    (hub, book, address)
}

#[tokio::test]
async fn where_udp_gets_no_answer_tcp_is_taken_until_udp_is_back() {
    let (hub, book, address) = without_udp();
    let (roads, dialer) = (Roads::default(), dialer(ENROLLED));
    let link = within(roads.connect(&dialer, address, &key(HUB))).await.unwrap();
    assert_eq!(link.road(), Road::Tcp);
    assert_eq!(link.road().to_string(), "over TCP, because UDP got no answer");
    drop(link);
    // Joining has the same choice, and knows already.
    let hub_key = key(HUB);
    let join = within(roads.join(&dialer, address, &hub_key, b"token"));
    let answer = async {
        loop {
            if let Some(transport::Incoming::Join(request)) = within(hub.accept()).await {
                return request.answer(b"certificate").await;
            }
        }
    };
    let (joined, answered) = tokio::join!(join, answer);
    assert_eq!(joined.unwrap(), b"certificate");
    answered.unwrap();

    let identity = identity(HUB);
    let _udp = Listener::bind(address, &identity, book as _, LinkProfile::Wide).unwrap();
    roads.ask_again();
    let link = within(roads.udp_is_back(&dialer, address, &key(HUB))).await;
    assert_eq!(link.road(), Road::Udp);
    let link = within(roads.connect(&dialer, address, &key(HUB))).await.unwrap();
    assert_eq!(link.road(), Road::Udp);
}

#[tokio::test]
async fn what_was_refused_over_udp_is_not_asked_over_tcp() {
    let hub = Hub::start();
    let (roads, dialer) = (Roads::default(), dialer(ENROLLED));
    let refused = within(roads.connect(&dialer, hub.address(), &key(STRANGER))).await;
    assert!(matches!(refused, Err(DialError::WrongServerKey(_))), "{refused:?}");
    hub.has_refused(1).await;
    let refused = within(roads.join(&dialer, hub.address(), &key(STRANGER), b"token")).await;
    assert!(matches!(refused, Err(DialError::WrongServerKey(_))), "{refused:?}");
    hub.has_refused(2).await;
    assert_eq!(hub.listener.counts().refused, 2);
}
