//! Prints what a link on loopback carries and what it costs: megabytes per second of 64 KiB frames
//! on one lane and on four, the round trip of a small frame, and the bytes of a connection that
//! says one thing each way.
//!
//! `cargo run --release -p transport --example throughput`, and with `-- tcp` over TLS on TCP.

#![expect(clippy::print_stdout, reason = "it prints its findings")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use transport::dialer::DialError;
use transport::{Admission, Dialer, Incoming, Link, LinkProfile, Listener, TcpDoor, TlsIdentity};

struct Everybody;

impl Admission for Everybody {
    fn is_enrolled(&self, _key: &[u8; 32]) -> bool {
        true
    }
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    for run in 1..=3 {
        println!("run {run}");
        carry(&[5], 64 * 1024, 4_000).await?;
        carry(&[3, 4, 5, 6], 64 * 1024, 4_000).await?;
        carry(&[4], 2 * 1024, 100_000).await?;
        carry(&[4], 100, 500_000).await?;
    }
    round_trips(2_000).await?;
    for profile in [LinkProfile::Wide, LinkProfile::Narrow] {
        visit(profile).await?;
    }
    connects(1_000).await
}

async fn pair(profile: LinkProfile) -> Result<(Listener, Dialer, Link, Link), Failure> {
    let hub = TlsIdentity::from_seed(&[1; 32])?;
    let edge = TlsIdentity::from_seed(&[2; 32])?;
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let (everybody, wide) = (Arc::new(Everybody), LinkProfile::Wide);
    let listener = Listener::bind_both(address, TcpDoor::Same, &hub, everybody, wide)?;
    let dialer = Dialer::new(&edge, profile)?;
    let link = connect(&dialer, &listener, hub.public_key()).await?;
    match listener.accept().await {
        Some(Incoming::Sync(accepted)) => Ok((listener, dialer, link, accepted)),
        Some(Incoming::Join(_)) | None => Err("no link".into()),
    }
}

async fn connect(dialer: &Dialer, listener: &Listener, hub: &[u8; 32]) -> Result<Link, DialError> {
    if std::env::args().any(|word| word == "tcp") {
        dialer.connect_over_tcp(listener.local_addr(), hub).await
    } else {
        dialer.connect(listener.local_addr(), hub).await
    }
}

async fn carry(classes: &'static [u8], frame: usize, count: usize) -> Result<(), Failure> {
    let (_listener, _dialer, link, accepted) = pair(LinkProfile::Wide).await?;
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        let frame = Bytes::from(vec![7; frame]);
        for &class in classes.iter().cycle().take(count) {
            link.send(class, frame.clone()).await?;
        }
        Ok::<_, transport::link::LinkError>(link)
    });
    let mut received = 0;
    for _ in 0..count {
        received += accepted.recv().await.ok_or("closed")?.1.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    let link = sender.await??;
    let wire = link.stats().sent_bytes;
    println!(
        "  {count} frames of {frame} B on {} lane(s): {:.0} MB/s, {:.0} k frames/s, {:.2} B on the \
         wire per byte, {} B back, {} lost",
        classes.len(),
        received as f64 / seconds / 1e6,
        count as f64 / seconds / 1e3,
        wire as f64 / received as f64,
        link.stats().received_bytes,
        link.stats().lost_packets,
    );
    Ok(())
}

async fn round_trips(count: u32) -> Result<(), Failure> {
    let (_listener, _dialer, link, accepted) = pair(LinkProfile::Wide).await?;
    tokio::spawn(async move {
        while let Some((class, frame)) = accepted.recv().await {
            if accepted.send(class, frame).await.is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    for _ in 0..count {
        link.send(1, vec![7; 90]).await?;
        link.recv().await.ok_or("closed")?;
    }
    println!("round trip of a 90-byte frame: {:?}", start.elapsed() / count);
    Ok(())
}

async fn visit(profile: LinkProfile) -> Result<(), Failure> {
    let (_listener, dialer, link, accepted) = pair(profile).await?;
    link.send(0, vec![7; 90]).await?;
    accepted.recv().await.ok_or("closed")?;
    accepted.send(0, vec![7; 90]).await?;
    link.recv().await.ok_or("closed")?;
    link.close(0, "");
    accepted.closed().await;
    dialer.close().await;
    let stats = link.stats();
    println!(
        "{profile:?} visit, 90 B each way: {} B up in {}, {} B down in {}",
        stats.sent_bytes, stats.sent_datagrams, stats.received_bytes, stats.received_datagrams
    );
    Ok(())
}

async fn connects(count: u32) -> Result<(), Failure> {
    let (listener, dialer, _link, _accepted) = pair(LinkProfile::Narrow).await?;
    let hub = *TlsIdentity::from_seed(&[1; 32])?.public_key();
    let start = Instant::now();
    for _ in 0..count {
        let (link, accepted) = tokio::join!(connect(&dialer, &listener, &hub), listener.accept());
        drop((link?, accepted));
    }
    println!(
        "{:.0} connects/s one after another",
        f64::from(count) / start.elapsed().as_secs_f64()
    );
    Ok(())
}
