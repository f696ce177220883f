//! Prints how long an urgent frame takes behind a backlog on a slow link: 64 kbit/s, 600 ms there
//! and back, a modem that queues without end.
//!
//! `cargo run --release -p transport --example narrow_link`

#![expect(clippy::print_stdout, reason = "it prints its findings")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use transport::{Admission, Dialer, Incoming, Link, LinkProfile, Listener, TlsIdentity};

const BITS_PER_SECOND: u64 = 64_000;
const ONE_WAY: Duration = Duration::from_millis(300);
const BACKLOG_FRAME_BYTES: usize = 4 * 1024;

struct Everybody;

impl Admission for Everybody {
    fn is_enrolled(&self, _key: &[u8; 32]) -> bool {
        true
    }
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    for (profile, lost_percent) in
        [(LinkProfile::Narrow, 0), (LinkProfile::Narrow, 5), (LinkProfile::Wide, 0)]
    {
        let (up, down) = tokio::join!(
            measure(profile, lost_percent, Way::Up),
            measure(profile, lost_percent, Way::Down)
        );
        up?;
        down?;
    }
    Ok(())
}

/// Which way the backlog and the urgent frames go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Up,
    Down,
}

async fn measure(profile: LinkProfile, lost_percent: u64, way: Way) -> Result<(), Failure> {
    let hub = TlsIdentity::from_seed(&[1; 32])?;
    let edge = TlsIdentity::from_seed(&[2; 32])?;
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let listener = Listener::bind(address, &hub, Arc::new(Everybody), LinkProfile::Wide)?;
    let modem = modem(listener.local_addr(), lost_percent).await?;
    let dialer = Dialer::new(&edge, profile)?;
    let began = Instant::now();
    let dialed = dialer.connect(modem, hub.public_key()).await?;
    let connected = began.elapsed();
    let Some(Incoming::Sync(accepted)) = listener.accept().await else {
        return Err("no link".into());
    };
    let (from, to) = if way == Way::Up { (dialed, accepted) } else { (accepted, dialed) };

    let from = Arc::new(from);
    let backlog = tokio::spawn(push_backlog(Arc::clone(&from)));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((class, frame)) = to.recv().await {
            let _ = arrived.send((class, frame.len(), Instant::now()));
        }
    });
    let (mut sent, mut waits, mut bulk_bytes) = (Instant::now(), Vec::new(), 0);
    let mut next = began + Duration::from_secs(15);
    while waits.len() < 5 {
        tokio::select! {
            () = sleep_until(next) => {
                sent = Instant::now();
                from.send(1, vec![1; 95]).await?;
                next = sent + Duration::from_secs(3_600);
            }
            Some((class, len, at)) = arrivals.recv() => {
                if class == 1 {
                    waits.push(at - sent);
                    next = at + Duration::from_secs(3);
                } else {
                    bulk_bytes += len;
                }
            }
        }
    }
    backlog.abort();
    waits.sort();
    let rate = bulk_bytes as f64 * 8.0 / began.elapsed().as_secs_f64() / 1e3;
    println!(
        "{profile:?} {way:?}, {lost_percent} % lost: connected in {connected:.1?}; urgent frame \
         behind a backlog {:.1?} median, {:.1?} longest; backlog at {rate:.0} kbit/s",
        waits.get(waits.len() / 2).copied().unwrap_or_default(),
        waits.last().copied().unwrap_or_default(),
    );
    Ok(())
}

async fn push_backlog(link: Arc<Link>) {
    while link.send(5, vec![5; BACKLOG_FRAME_BYTES]).await.is_ok() {}
}

/// A slow way to `server`; answers the address to send to.
async fn modem(server: SocketAddr, lost_percent: u64) -> Result<SocketAddr, Failure> {
    let near = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let far = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let address = near.local_addr()?;
    far.connect(server).await?;
    let mut first = [0; 2_048];
    tokio::spawn(async move {
        let Ok((_, client)) = near.peek_from(&mut first).await else { return };
        if near.connect(client).await.is_err() {
            return;
        }
        tokio::join!(
            carry(Arc::clone(&near), Arc::clone(&far), lost_percent),
            carry(far, near, lost_percent)
        );
    });
    Ok(address)
}

async fn carry(from: Arc<UdpSocket>, to: Arc<UdpSocket>, lost_percent: u64) {
    let (queue, mut queued) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, datagram)) = queued.recv().await {
            sleep_until(due).await;
            let _ = to.send(&datagram).await;
        }
    });
    let (mut free, mut count, mut buffer) = (Instant::now(), 0_u64, [0; 2_048]);
    while let Ok(len) = from.recv(&mut buffer).await {
        count += 1;
        // Spread evenly, but not in step with anything.
        if count * 37 % 100 < lost_percent {
            continue;
        }
        let nanos = (len as u64 + 28) * 8 * 1_000_000_000 / BITS_PER_SECOND;
        free = free.max(Instant::now()) + Duration::from_nanos(nanos);
        let datagram = buffer.get(..len).unwrap_or_default().to_vec();
        if queue.send((free + ONE_WAY, datagram)).is_err() {
            return;
        }
    }
}
