//! A relay between a clinic and its hub that can be cut: one that passes UDP, or one that passes TCP
//! alone.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Tries to find a port that is free for both.
const PORT_TRIES: usize = 16;

/// What a network lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    Udp,
    /// UDP falls away without a word, as in the networks of some hospitals.
    TcpOnly,
}

/// Passes on what comes, both ways, while it is not cut. Ends when dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    passing: JoinHandle<()>,
}

impl Relay {
    /// Starts a relay to `hub` on a port that the system chooses.
    pub(crate) async fn start(hub: SocketAddr, passes: Passes) -> io::Result<Self> {
        let (is_cut, cut) = watch::channel(false);
        let (address, passing) = match passes {
            Passes::Udp => {
                let front = Arc::new(UdpSocket::bind(("127.0.0.1", 0)).await?);
                (front.local_addr()?, tokio::spawn(pass_up(front, hub, cut)))
            }
            Passes::TcpOnly => {
                let (hole, listener) = fronts().await?;
                let address = hole.local_addr()?;
                let passing = tokio::spawn(async move {
                    pass_connections(listener, hub, cut).await;
                    // Until here datagrams have somewhere to fall.
                    drop(hole);
                });
                (address, passing)
            }
        };
        Ok(Self { address, is_cut, passing })
    }

    /// Where the clinic finds the hub.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops everything from now on.
    pub(crate) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Passes everything on again.
    pub(crate) fn restore(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

/// From clinics to the hub; each client has a socket of its own on the hub's side, so that the hub
/// tells them apart as it would without a relay.
async fn pass_up(front: Arc<UdpSocket>, hub: SocketAddr, is_cut: watch::Receiver<bool>) {
    let mut clients: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut answers = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // An error here is an earlier datagram that nobody took: the peer's concern, as on any wire.
        let Ok((length, client)) = front.recv_from(&mut datagram).await else { continue };
        if *is_cut.borrow() {
            continue;
        }
        let back = match clients.get(&client) {
            Some(back) => Arc::clone(back),
            None => {
                let Ok(back) = open(hub).await else { continue };
                clients.insert(client, Arc::clone(&back));
                let (back_up, front, is_cut) =
                    (Arc::clone(&back), Arc::clone(&front), is_cut.clone());
                answers.spawn(pass_down(back_up, front, client, is_cut));
                back
            }
        };
        let _ = back.send(datagram.get(..length).unwrap_or_default()).await;
    }
}

async fn open(hub: SocketAddr) -> io::Result<Arc<UdpSocket>> {
    let back = UdpSocket::bind(("127.0.0.1", 0)).await?;
    back.connect(hub).await?;
    Ok(Arc::new(back))
}

/// From the hub to one client.
async fn pass_down(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    is_cut: watch::Receiver<bool>,
) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok(length) = back.recv(&mut datagram).await else { continue };
        if !*is_cut.borrow() {
            let _ = front.send_to(datagram.get(..length).unwrap_or_default(), client).await;
        }
    }
}

/// One port, for datagrams that nobody reads and for connections.
async fn fronts() -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 1;
    loop {
        let hole = UdpSocket::bind(("127.0.0.1", 0)).await?;
        match TcpListener::bind(hole.local_addr()?).await {
            Ok(listener) => return Ok((hole, listener)),
            Err(error) if tries >= PORT_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

/// Passes connections on; a cut ends them.
async fn pass_connections(listener: TcpListener, hub: SocketAddr, is_cut: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut client, _)) = listener.accept().await else { continue };
        if *is_cut.borrow() {
            continue;
        }
        let mut is_cut = is_cut.clone();
        connections.spawn(async move {
            let Ok(mut back) = TcpStream::connect(hub).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut back) => {}
                _ = is_cut.wait_for(|is_cut| *is_cut) => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Sends back what it gets, with the sender's port in front.
    async fn echo() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let answer = [&from.port().to_be_bytes()[..], &buffer[..length]].concat();
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        address
    }

    async fn ask(relay: &Relay, client: &UdpSocket, text: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut buffer = [0; 64];
        client.send_to(text, relay.address()).await.unwrap();
        // Loopback answers within a millisecond or not at all.
        let answer = timeout(Duration::from_millis(300), client.recv_from(&mut buffer)).await;
        let (length, _) = answer.ok()?.unwrap();
        Some((u16::from_be_bytes([buffer[0], buffer[1]]), buffer[2..length].to_vec()))
    }

    #[tokio::test]
    async fn datagrams_pass_until_the_cut_and_after_it() {
        let relay = Relay::start(echo().await, Passes::Udp).await.unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (port, text) = ask(&relay, &client, b"one").await.unwrap();
        assert_eq!(text, b"one");
        relay.cut();
        assert_eq!(ask(&relay, &client, b"two").await, None);
        relay.restore();
        assert_eq!(ask(&relay, &client, b"three").await, Some((port, b"three".to_vec())));
    }

    #[tokio::test]
    async fn each_client_has_its_own_way() {
        let relay = Relay::start(echo().await, Passes::Udp).await.unwrap();
        let (one, two) = (
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        );
        let (first, _) = ask(&relay, &one, b"a").await.unwrap();
        let (second, text) = ask(&relay, &two, b"b").await.unwrap();
        assert_ne!(first, second);
        assert_eq!(text, b"b");
    }
}
