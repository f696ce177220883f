//! A wire between a clinic and its hub, UDP and TCP on one port, that can be cut, moved, slowed down and
//! listened to, and that can let UDP fall away alone, as the networks of some hospitals do.

mod over_tcp;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// How often a waiting thread looks whether it is still needed.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Tries to find a port that is free for both.
const PORT_TRIES: usize = 16;

/// Passes datagrams and connections on, both ways. Ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    front: UdpSocket,
    hub: Mutex<SocketAddr>,
    /// One socket to the hub per client, so that the hub tells them apart; thrown away when the
    /// address is to change.
    clients: Mutex<BTreeMap<SocketAddr, Arc<UdpSocket>>>,
    captured: Mutex<Vec<Vec<u8>>>,
    passed_bytes: AtomicU64,
    /// What goes up in a second; 0 is any number.
    bytes_per_second: AtomicU64,
    is_recording: AtomicBool,
    is_cut: AtomicBool,
    is_udp_blocked: AtomicBool,
    is_over: AtomicBool,
}

impl Relay {
    /// A wire to `hub`.
    ///
    /// # Panics
    ///
    /// When the system gives no socket.
    #[must_use]
    pub fn to(hub: SocketAddr) -> Self {
        let (front, listener) = fronts();
        front.set_read_timeout(Some(LOOK_UP)).expect("a socket takes a timeout");
        let address = front.local_addr().expect("a bound socket has an address");
        let inner = Arc::new(Inner {
            front,
            hub: Mutex::new(hub),
            clients: Mutex::default(),
            captured: Mutex::default(),
            passed_bytes: AtomicU64::new(0),
            bytes_per_second: AtomicU64::new(0),
            is_recording: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            is_udp_blocked: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let up = Arc::clone(&inner);
        std::thread::spawn(move || up.pass_up());
        let beside = Arc::clone(&inner);
        std::thread::spawn(move || over_tcp::accept(&beside, &listener));
        Self { address, inner }
    }

    /// Where the clinic finds the hub.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops everything from now on.
    pub fn cut(&self) {
        self.inner.is_cut.store(true, Ordering::SeqCst);
    }

    /// Passes everything on again.
    pub fn restore(&self) {
        self.inner.is_cut.store(false, Ordering::SeqCst);
    }

    /// Lets nothing but TCP through from now on.
    pub fn block_udp(&self) {
        self.inner.is_udp_blocked.store(true, Ordering::SeqCst);
    }

    /// Lets UDP through again.
    pub fn unblock_udp(&self) {
        self.inner.is_udp_blocked.store(false, Ordering::SeqCst);
    }

    /// Carries no more than this to the hub; what does not fit into its short queue is lost.
    pub fn slow_down(&self, bytes_per_second: u64) {
        self.inner.bytes_per_second.store(bytes_per_second, Ordering::SeqCst);
    }

    /// From now on the hub sees every clinic come from another address, as when a router gives out
    /// a new one in the middle of a conversation.
    pub fn change_address(&self) {
        lock(&self.inner.clients).clear();
    }

    /// The hub is somewhere else now.
    pub fn lead_to(&self, hub: SocketAddr) {
        *lock(&self.inner.hub) = hub;
        self.change_address();
    }

    /// Bytes passed on so far, both ways.
    #[must_use]
    pub fn passed_bytes(&self) -> u64 {
        self.inner.passed_bytes.load(Ordering::SeqCst)
    }

    /// Keeps everything that passes from now on.
    pub fn record(&self) {
        self.inner.is_recording.store(true, Ordering::SeqCst);
    }

    /// Every datagram, and every piece of a connection, that passed since [`record`](Self::record), both ways.
    #[must_use]
    pub fn captured(&self) -> Vec<Vec<u8>> {
        lock(&self.inner.captured).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::SeqCst);
        over_tcp::wake(self.address);
    }
}

impl Inner {
    fn pass_up(self: Arc<Self>) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        while !self.is_over.load(Ordering::SeqCst) {
            // An error is the timeout, or an earlier datagram that nobody took.
            let Ok((length, client)) = self.front.recv_from(&mut datagram) else { continue };
            let bytes = datagram.get(..length).unwrap_or_default();
            if self.takes_datagram(bytes)
                && let Ok(back) = self.back(client)
            {
                let _ = back.send(bytes);
                self.transmit(bytes.len());
            }
        }
    }

    /// Takes as long as a line of this speed does.
    #[expect(clippy::disallowed_methods, reason = "this is what makes the line slow")]
    fn transmit(&self, bytes: usize) {
        let speed = self.bytes_per_second.load(Ordering::SeqCst);
        if let Some(micros) = (bytes as u64 * 1_000_000).checked_div(speed) {
            std::thread::sleep(Duration::from_micros(micros));
        }
    }

    fn pass_down(&self, back: &Arc<UdpSocket>, client: SocketAddr) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        while !self.is_over.load(Ordering::SeqCst) && self.is_current(back, client) {
            let Ok(length) = back.recv(&mut datagram) else { continue };
            let bytes = datagram.get(..length).unwrap_or_default();
            if self.takes_datagram(bytes) {
                let _ = self.front.send_to(bytes, client);
            }
        }
    }

    fn takes_datagram(&self, bytes: &[u8]) -> bool {
        !self.is_udp_blocked.load(Ordering::SeqCst) && self.takes(bytes)
    }

    /// Notes what came; answers whether it is passed on.
    fn takes(&self, bytes: &[u8]) -> bool {
        if self.is_cut.load(Ordering::SeqCst) {
            return false;
        }
        self.passed_bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        if self.is_recording.load(Ordering::SeqCst) {
            lock(&self.captured).push(bytes.to_vec());
        }
        true
    }

    /// The socket on the hub's side for a client.
    fn back(self: &Arc<Self>, client: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        let mut clients = lock(&self.clients);
        if let Some(back) = clients.get(&client) {
            return Ok(Arc::clone(back));
        }
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0")?);
        back.connect(*lock(&self.hub))?;
        back.set_read_timeout(Some(LOOK_UP))?;
        clients.insert(client, Arc::clone(&back));
        let (inner, down) = (Arc::clone(self), Arc::clone(&back));
        std::thread::spawn(move || inner.pass_down(&down, client));
        Ok(back)
    }

    fn is_current(&self, back: &Arc<UdpSocket>, client: SocketAddr) -> bool {
        lock(&self.clients).get(&client).is_some_and(|current| Arc::ptr_eq(current, back))
    }
}

fn fronts() -> (UdpSocket, TcpListener) {
    for _ in 0..PORT_TRIES {
        let front = UdpSocket::bind("127.0.0.1:0").expect("loopback gives a port");
        let address = front.local_addr().expect("a bound socket has an address");
        if let Ok(listener) = TcpListener::bind(address) {
            return (front, listener);
        }
    }
    panic!("no port is free for both UDP and TCP")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
