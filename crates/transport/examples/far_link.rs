//! Prints how long an urgent frame takes to be answered behind a backlog, over UDP and over TCP, on a
//! network that somebody else makes slow: one process listens, the other dials.
//!
//! `far_link serve 10.9.0.2:443`, then `far_link dial 10.9.0.2:443 tcp narrow`

#![expect(clippy::print_stdout, reason = "it prints its findings")]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use transport::{Admission, Dialer, Incoming, Link, LinkProfile, Listener, TcpDoor, TlsIdentity};

const BACKLOG_FRAME_BYTES: usize = 4 * 1024;

/// Answers of which the median is told.
const ANSWERS: usize = 5;

struct Everybody;

impl Admission for Everybody {
    fn is_enrolled(&self, _key: &[u8; 32]) -> bool {
        true
    }
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", address] => serve(address.parse()?).await,
        ["dial", address, road, profile] => {
            let profile =
                if *profile == "narrow" { LinkProfile::Narrow } else { LinkProfile::Wide };
            dial(address.parse()?, *road == "tcp", profile).await
        }
        _ => Err("far_link serve ADDRESS | far_link dial ADDRESS udp|tcp narrow|wide".into()),
    }
}

/// Answers urgent frames with how many bytes of the backlog have come.
async fn serve(address: std::net::SocketAddr) -> Result<(), Failure> {
    let hub = TlsIdentity::from_seed(&[1; 32])?;
    let (everybody, wide) = (Arc::new(Everybody), LinkProfile::Wide);
    let listener = Listener::bind_both(address, TcpDoor::Same, &hub, everybody, wide)?;
    println!("listening");
    while let Some(incoming) = listener.accept().await {
        let Incoming::Sync(link) = incoming else { continue };
        tokio::spawn(async move {
            let mut bytes: u64 = 0;
            while let Some((class, frame)) = link.recv().await {
                if class == 1 {
                    let _ = link.send(1, bytes.to_be_bytes().to_vec()).await;
                } else {
                    bytes += frame.len() as u64;
                }
            }
        });
    }
    Ok(())
}

async fn dial(
    address: std::net::SocketAddr,
    over_tcp: bool,
    profile: LinkProfile,
) -> Result<(), Failure> {
    let hub = TlsIdentity::from_seed(&[1; 32])?;
    let dialer = Dialer::new(&TlsIdentity::from_seed(&[2; 32])?, profile)?;
    let began = Instant::now();
    let link = if over_tcp {
        dialer.connect_over_tcp(address, hub.public_key()).await?
    } else {
        dialer.connect(address, hub.public_key()).await?
    };
    let connected = began.elapsed();
    let link = Arc::new(link);
    let idle = answered(&link).await?.0;
    let from = Instant::now();
    let backlog = tokio::spawn(push_backlog(Arc::clone(&link)));
    sleep_until(from + Duration::from_secs(15)).await;
    let (mut waits, mut bytes) = (Vec::new(), 0);
    for _ in 0..ANSWERS {
        let (wait, came) = answered(&link).await?;
        (bytes, _) = (came, waits.push(wait));
        sleep_until(Instant::now() + Duration::from_secs(3)).await;
    }
    let rate = bytes as f64 * 8.0 / from.elapsed().as_secs_f64() / 1e3;
    backlog.abort();
    waits.sort();
    println!(
        "{} {profile:?}: connected in {connected:.1?}; answered in {idle:.1?} without a backlog, \
         behind one in {:.1?} median, {:.1?} longest; backlog at {rate:.0} kbit/s",
        link.road().word(),
        waits.get(waits.len() / 2).copied().unwrap_or_default(),
        waits.last().copied().unwrap_or_default(),
    );
    Ok(())
}

/// Sends an urgent frame; how long its answer took, and what it says.
async fn answered(link: &Link) -> Result<(Duration, u64), Failure> {
    let sent = Instant::now();
    link.send(1, vec![1; 95]).await?;
    let Some((_, frame)) = link.recv().await else { return Err(link.closed().await.into()) };
    let said = frame.first_chunk().copied().ok_or("no answer of ours")?;
    Ok((sent.elapsed(), u64::from_be_bytes(said)))
}

async fn push_backlog(link: Arc<Link>) {
    while link.send(5, vec![5; BACKLOG_FRAME_BYTES]).await.is_ok() {}
}
