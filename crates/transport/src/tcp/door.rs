//! The listener's door for TCP: who comes, how many at once, and the handshake.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::counted::Counted;
use super::session::{Side, read_out};
use super::{Tls, join, socket};
use crate::LinkProfile;
use crate::close_code;
use crate::identity::{KEY_BYTES, decode_spki};
use crate::link::{FINISH_WAIT, Link};
use crate::listener::{Door, HANDSHAKE_TIME, Incoming, PENDING_MAX, Refused};
use crate::pinning::{Gate, Purpose};

/// Of [`PENDING_MAX`], how many may come from one address. Clinics of a region can share one behind a
/// provider's translator; a handshake takes a second of a place.
const PENDING_PER_ADDRESS_MAX: usize = 32;

/// A machine that has no socket left for another connection waits this long for one.
const NO_SOCKET_WAIT: Duration = Duration::from_millis(100);

/// Those whose handshake or request is under way, apart from those who come over UDP: whoever fills
/// this keeps nobody out there.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<BTreeMap<IpAddr, usize>>);

/// A place among them, free again when dropped.
#[derive(Debug)]
struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut places = self.places();
        let all: usize = places.values().sum();
        let same = places.entry(address).or_default();
        if all >= PENDING_MAX || *same >= PENDING_PER_ADDRESS_MAX {
            if *same == 0 {
                places.remove(&address);
            }
            return None;
        }
        *same += 1;
        drop(places);
        Some(Place { crowd: Arc::clone(self), address })
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        // Nothing panics while holding it; if something did, the counts are still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.crowd.places();
        if let Some(count) = places.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                places.remove(&self.address);
            }
        }
    }
}

/// The accept loop. Nothing a client does ends it; it ends with `stopped`.
pub(crate) async fn run(
    listener: TcpListener,
    door: Arc<Door>,
    arrivals: mpsc::Sender<Incoming>,
    mut stopped: watch::Receiver<bool>,
) {
    let crowd = Arc::new(Crowd::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a TCP connection was not accepted");
                sleep(NO_SOCKET_WAIT).await;
                continue;
            }
        };
        let Some(place) = crowd.enter(remote.ip().to_canonical()) else {
            door.counters.busy.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (door, arrivals) = (Arc::clone(&door), arrivals.clone());
        tokio::spawn(async move {
            let welcomed = welcome(&door, stream, remote, &arrivals).await;
            door.note(welcomed);
            drop(place);
        });
    }
}

/// Brings one connection through its handshake and hands it over.
async fn welcome(
    door: &Door,
    stream: TcpStream,
    remote: SocketAddr,
    arrivals: &mpsc::Sender<Incoming>,
) -> Result<(), Refused> {
    let (config, gate) = door.server.fresh_tls()?;
    socket::keep_little(&stream, door.profile);
    let accepting = TlsAcceptor::from(config).accept(Counted::new(stream)).into_fallible();
    let tls = match timeout(HANDSHAKE_TIME, accepting).await {
        Ok(Ok(tls)) => TlsStream::Server(tls),
        Ok(Err((error, stream))) => {
            part(stream).await;
            return Err(Refused::Tls(error));
        }
        Err(_late) => return Err(Refused::Late),
    };
    let who = match &tls {
        TlsStream::Server(tls) => who(tls.get_ref().1),
        TlsStream::Client(_) => None,
    };
    // The gate judged the key by what the client asked for; what was agreed must be that.
    let Some((key, purpose)) = who.filter(|(_, purpose)| gate.purpose() == Some(*purpose)) else {
        return Err(Refused::Unreadable);
    };
    let arrival = match purpose {
        Purpose::Sync => Incoming::Sync(link(door, tls, key, &gate)?),
        Purpose::Join => Incoming::Join(join::read(tls, remote, key).await?),
    };
    door.hand_over(arrival, arrivals).await
}

fn link(door: &Door, tls: Tls, key: [u8; KEY_BYTES], gate: &Gate) -> Result<Link, Refused> {
    let narrow = gate.narrow().load(Ordering::Relaxed);
    let profile = if narrow { LinkProfile::Narrow } else { door.profile };
    socket::keep_little(tls.get_ref().0.stream(), profile);
    let link = Link::start_over_tcp(
        tls,
        key,
        profile,
        Side::Accepted { _until: door.telling.subscribe() },
    );
    door.registry.insert(key, link.carrier().clone());
    // As over QUIC: either the cut finds this link, or the key is already forgotten here.
    if !door.server.admission().is_enrolled(&key) {
        link.close(close_code::REVOKED, "revoked");
        return Err(Refused::Revoked);
    }
    Ok(link)
}

/// The key the client proved and the protocol that was agreed.
fn who(tls: &ServerConnection) -> Option<([u8; KEY_BYTES], Purpose)> {
    let key = decode_spki(tls.peer_certificates()?.first()?).ok()?;
    Some((key, Purpose::from_alpn(tls.alpn_protocol()?)?))
}

/// Lets a client that was refused read why: closed with something unread, the connection would be
/// reset before it could.
async fn part(mut stream: Counted<TcpStream>) {
    use tokio::io::AsyncWriteExt as _;

    let _: Result<io::Result<()>, _> = timeout(FINISH_WAIT, async {
        stream.shutdown().await?;
        read_out(&mut stream).await;
        Ok(())
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_every_place() {
        let crowd = Arc::new(Crowd::default());
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut places = Vec::new();
        for last in 0..4 {
            let before = places.len();
            places.extend(std::iter::from_fn(|| crowd.enter(address(last))));
            assert_eq!(places.len() - before, PENDING_PER_ADDRESS_MAX);
        }
        assert_eq!(places.len(), PENDING_MAX);
        assert!(crowd.enter(address(9)).is_none(), "all are taken");
        places.pop();
        assert!(crowd.enter(address(9)).is_some());
        places.clear();
        assert!(crowd.places().is_empty());
    }
}
