//! A UDP relay between a clinic and its hub that can be cut.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet};

/// Largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Passes datagrams on, both ways, while it is not cut. Ends when dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    passing: JoinHandle<()>,
}

impl Relay {
    /// Starts a relay to `hub` on a port that the system chooses.
    pub(crate) async fn start(hub: SocketAddr) -> io::Result<Self> {
        let front = Arc::new(UdpSocket::bind(("127.0.0.1", 0)).await?);
        let address = front.local_addr()?;
        let is_cut = Arc::new(AtomicBool::new(false));
        let passing = tokio::spawn(pass_up(front, hub, Arc::clone(&is_cut)));
        Ok(Self { address, is_cut, passing })
    }

    /// Where the clinic finds the hub.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops everything from now on.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// Passes everything on again.
    pub(crate) fn restore(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

/// From clinics to the hub; each client has a socket of its own on the hub's side, so that the hub
/// tells them apart as it would without a relay.
async fn pass_up(front: Arc<UdpSocket>, hub: SocketAddr, is_cut: Arc<AtomicBool>) {
    let mut clients: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut answers = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // An error here is an earlier datagram that nobody took: the peer's concern, as on any wire.
        let Ok((length, client)) = front.recv_from(&mut datagram).await else { continue };
        if is_cut.load(Ordering::Relaxed) {
            continue;
        }
        let back = match clients.get(&client) {
            Some(back) => Arc::clone(back),
            None => {
                let Ok(back) = open(hub).await else { continue };
                clients.insert(client, Arc::clone(&back));
                let (back_up, front, is_cut) =
                    (Arc::clone(&back), Arc::clone(&front), Arc::clone(&is_cut));
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
    is_cut: Arc<AtomicBool>,
) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok(length) = back.recv(&mut datagram).await else { continue };
        if !is_cut.load(Ordering::Relaxed) {
            let _ = front.send_to(datagram.get(..length).unwrap_or_default(), client).await;
        }
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
        let relay = Relay::start(echo().await).await.unwrap();
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
        let relay = Relay::start(echo().await).await.unwrap();
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
