//! A link with nothing behind it: what the network part of everything costs at least.

use std::sync::Arc;
use std::time::Duration;

use transport::link::LinkStats;

use transport::{Admission, Dialer, Incoming, LinkProfile, Listener, TlsIdentity};

use crate::error::BenchError;
use crate::fleet::{ANY, now};

/// Lets everybody in.
pub(crate) struct Everybody;

impl Admission for Everybody {
    fn is_enrolled(&self, _: &[u8; 32]) -> bool {
        true
    }
}

/// A handshake, `pings` frames of one byte there and back, and the end; answers the bytes of all of
/// it and the time of each ping.
pub(crate) async fn ping(pings: usize) -> Result<(LinkStats, Vec<Duration>), BenchError> {
    let (server, client) = (TlsIdentity::from_seed(&[1; 32])?, TlsIdentity::from_seed(&[2; 32])?);
    let listener = Listener::bind(ANY, &server, Arc::new(Everybody), LinkProfile::Wide)?;
    let address = listener.local_addr();
    let serving = tokio::spawn(async move {
        let Some(Incoming::Sync(link)) = listener.accept().await else { return };
        while let Some((class, frame)) = link.recv().await {
            if link.send(class, frame).await.is_err() {
                break;
            }
        }
    });
    let dialer = Dialer::new(&client, LinkProfile::Wide)?;
    let link = dialer.connect(address, server.public_key()).await?;
    let mut times = Vec::with_capacity(pings);
    for _ in 0..pings {
        let started = now();
        link.send(0, vec![1]).await?;
        link.recv().await.ok_or(BenchError::Unexpected("no answer"))?;
        times.push(started.elapsed());
    }
    let stats = link.stats();
    dialer.close().await;
    let _ = serving.await;
    Ok((stats, times))
}
