//! A wire with a length: datagrams arrive a fixed time after they were sent, in their order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::error::BenchError;
use crate::fleet::{ANY, now};

/// Longer than any datagram that is sent.
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// Datagrams on the wire at once; more are lost, as on a real one.
const ON_WIRE_MAX: usize = 1_024;

/// A wire between one client and a server; it is gone when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    /// What the client takes for the server.
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// A wire to `server` that takes `delay` one way.
    pub(crate) async fn start(server: SocketAddr, delay: Duration) -> Result<Self, BenchError> {
        let front = Arc::new(UdpSocket::bind(ANY).await?);
        let back = Arc::new(UdpSocket::bind(ANY).await?);
        back.connect(server).await?;
        let address = front.local_addr()?;
        let (said, client) = watch::channel(None);
        let mut tasks = JoinSet::new();
        let (up, arriving) = mpsc::channel(ON_WIRE_MAX);
        tasks.spawn(take(Arc::clone(&front), up, delay, Some(said)));
        let to_server = Arc::clone(&back);
        tasks.spawn(deliver(arriving, async move |bytes: &[u8]| {
            let _ = to_server.send(bytes).await;
        }));
        let (down, arriving) = mpsc::channel(ON_WIRE_MAX);
        tasks.spawn(take(back, down, delay, None));
        tasks.spawn(deliver(arriving, async move |bytes: &[u8]| {
            let to = *client.borrow();
            if let Some(to) = to {
                let _ = front.send_to(bytes, to).await;
            }
        }));
        Ok(Self { address, _tasks: tasks })
    }
}

type OnWire = (std::time::Instant, Vec<u8>);

/// Puts what arrives at `socket` on the wire, and says who sent it.
async fn take(
    socket: Arc<UdpSocket>,
    wire: mpsc::Sender<OnWire>,
    delay: Duration,
    said: Option<watch::Sender<Option<SocketAddr>>>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if let Some(said) = &said {
            said.send_replace(Some(from));
        }
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        let _ = wire.try_send((now() + delay, bytes));
    }
}

/// Hands over what is on the wire when its time has come.
async fn deliver(mut wire: mpsc::Receiver<OnWire>, hand_over: impl AsyncFn(&[u8])) {
    while let Some((at, bytes)) = wire.recv().await {
        tokio::time::sleep_until(at.into()).await;
        hand_over(&bytes).await;
    }
}
