//! A link: frames in seven classes, both ways, with a peer whose key is proved.
//!
//! Class 0 is the most urgent. Within a class frames arrive in the order sent; between classes
//! there is no order, which is the point. [`send`](Link::send) waits when its class has no room, so
//! a fast sender is slowed to what the link and the peer take; a caller with a scheduler of its own
//! asks [`has_room`](Link::has_room) before it chooses a frame.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, ConnectionError};
use tokio::sync::{Mutex, Semaphore};

use crate::LinkProfile;
use crate::carrier::{Carrier, Road};
use crate::close_code;
use crate::config::SEND_WINDOW_NARROW_BYTES;
use crate::framing::FramingError;
use crate::identity::{KEY_BYTES, short};
use crate::lanes::{self, Inbox, code};
use crate::outbox::{Outbox, Rejected};
use crate::tcp::{Session, Side, Tls};

/// How many classes, and so lanes in each direction, there are.
pub const CLASSES: u8 = 7;

/// Bytes of the classes from 3 on that wait here for the transport, wide. What is handed over
/// cannot be overtaken by the caller's own scheduler any more; at 10 MB/s this is 25 ms.
const BULK_ROOM_WIDE_BYTES: usize = 256 * 1024;

/// The same on a narrow link: with the transport's own 16 KiB it is 2.5 s at 64 kbit/s.
const BULK_ROOM_NARROW_BYTES: usize = 4 * 1024;

/// A link that is finished is closed after this even if the peer does not confirm: three round
/// trips of the slowest link, with losses.
pub(crate) const FINISH_WAIT: Duration = Duration::from_secs(10);

/// What a peer did that no well-behaved peer does. The link is closed; nothing else is affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// A lane carries what are no frames, or one that is too long.
    #[error("{0}")]
    Framing(FramingError),
    /// A lane of a class that does not exist.
    #[error("a lane has the unknown class {0}")]
    UnknownClass(u8),
    /// Two lanes of the same class.
    #[error("a second lane has the class {0}")]
    SecondLane(u8),
    /// A stream that is no lane.
    #[error("the peer opened a stream that is no lane")]
    ForeignStream,
    /// A lane ended within a frame, or was abandoned at either end.
    #[error("a lane was broken off")]
    BrokenLane,
    /// Over TCP: a record is longer than it may be, or not as long as its kind is.
    #[error("a record has a wrong length")]
    Record,
    /// Over TCP: more was sent, or granted, than a window holds.
    #[error("a window was exceeded")]
    Window,
}

impl From<FramingError> for Misbehaviour {
    fn from(error: FramingError) -> Self {
        Self::Framing(error)
    }
}

impl Misbehaviour {
    pub(crate) const fn close_code(self) -> u32 {
        match self {
            Self::Framing(FramingError::TooLong) => close_code::FRAME_TOO_LONG,
            Self::Framing(FramingError::Empty | FramingError::Length)
            | Self::UnknownClass(_)
            | Self::SecondLane(_)
            | Self::ForeignStream
            | Self::BrokenLane
            | Self::Record
            | Self::Window => close_code::MISBEHAVED,
        }
    }
}

/// Why a link ended, or cannot do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The peer does not accept our key: it was never enrolled there, or was revoked.
    #[error("the peer does not accept this node's key; it is not enrolled there or was revoked")]
    NotAdmitted,
    /// The peer closed the link; see [`close_code`] and the caller's own numbers.
    #[error("the peer closed the link with code {code}")]
    ClosedByPeer {
        /// The peer's reason.
        code: u32,
    },
    /// This end closed the link.
    #[error("the link was closed at this end with code {code}")]
    ClosedHere {
        /// Our reason; [`close_code::REVOKED`] after a cut.
        code: u32,
    },
    /// This end closed the link because of what the peer did.
    #[error("the peer misbehaved: {0}")]
    Misbehaved(Misbehaviour),
    /// Nothing was heard for too long.
    #[error("the peer has not answered for too long")]
    TimedOut,
    /// The peer has forgotten the link, most likely because it was restarted.
    #[error("the peer no longer knows the link")]
    Forgotten,
    /// The two ends do not understand each other below the level of frames.
    #[error("the connection failed (error {0:#x})")]
    Broken(u64),
    /// The frame cannot be sent; the link is unharmed.
    #[error("the frame cannot be sent: {0}")]
    Frame(FramingError),
    /// There is no such class; the link is unharmed.
    #[error("there is no class {0}")]
    Class(u8),
}

/// A frame was not taken by [`Link::try_send`].
#[derive(Debug, thiserror::Error)]
pub enum TrySendError {
    /// No room in its class now; here is the frame.
    #[error("the class has no room now")]
    Full(Bytes),
    /// It will not be taken later either.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// What passed over the wire so far, everything included: handshake, acknowledgements, repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Bytes of UDP payload sent; over TCP, of TCP payload without what the kernel sent again.
    pub sent_bytes: u64,
    /// The same, received.
    pub received_bytes: u64,
    /// UDP datagrams sent; 0 over TCP, as are all from here on.
    pub sent_datagrams: u64,
    /// UDP datagrams received.
    pub received_datagrams: u64,
    /// Packets believed lost.
    pub lost_packets: u64,
    /// The smoothed round trip.
    pub round_trip: Duration,
}

/// Why this end closed the connection, if it did. Shared by the tasks of a link.
#[derive(Debug, Default)]
pub(crate) struct Verdict(OnceLock<LinkError>);

impl Verdict {
    /// Closes because of what the peer did.
    pub(crate) fn condemn(&self, connection: &Connection, misbehaviour: Misbehaviour) {
        if connection.close_reason().is_none()
            && self.0.set(LinkError::Misbehaved(misbehaviour)).is_ok()
        {
            tracing::warn!(%misbehaviour, "closing a link");
            connection.close(code(misbehaviour.close_code()), b"");
        }
    }

    /// Closes with a reason of our own. Does nothing if the connection is closed already.
    pub(crate) fn close(&self, connection: &Connection, number: u32, reason: &[u8]) {
        if connection.close_reason().is_none()
            && self.0.set(LinkError::ClosedHere { code: number }).is_ok()
        {
            connection.close(code(number), reason);
        }
    }

    pub(crate) fn explain(&self, reason: ConnectionError) -> LinkError {
        match (reason, self.0.get()) {
            (ConnectionError::LocallyClosed, Some(verdict)) => *verdict,
            (reason, _) => reason.into(),
        }
    }
}

impl From<ConnectionError> for LinkError {
    fn from(reason: ConnectionError) -> Self {
        match reason {
            ConnectionError::ApplicationClosed(close) => {
                let code = u64::from(close.error_code);
                Self::ClosedByPeer { code: u32::try_from(code).unwrap_or(u32::MAX) }
            }
            ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
                ACCESS_DENIED => Self::NotAdmitted,
                code => Self::Broken(code),
            },
            ConnectionError::TransportError(error) => Self::Broken(error.code.into()),
            ConnectionError::Reset => Self::Forgotten,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::ClosedHere { code: close_code::DONE },
            // Neither can happen once a connection exists.
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => Self::Broken(0),
        }
    }
}

/// The TLS alert `access_denied` as a QUIC error: what a [`Gate`](crate::pinning::Gate) refuses a
/// key with.
const ACCESS_DENIED: u64 = 0x100 + 49;

/// Frames to and from one peer. Closed when dropped.
pub struct Link {
    carrier: Carrier,
    peer_key: [u8; KEY_BYTES],
    outbox: Arc<Outbox>,
    inbox: Mutex<Inbox>,
    rooms: [Arc<Semaphore>; 2],
}

impl Link {
    /// Starts the tasks of a link on a connection that both sides have agreed to be one.
    pub(crate) fn start(
        connection: Connection,
        peer_key: [u8; KEY_BYTES],
        profile: LinkProfile,
        verdict: Arc<Verdict>,
    ) -> Self {
        let outbox = outbox(profile);
        if profile == LinkProfile::Narrow {
            connection.set_send_window(SEND_WINDOW_NARROW_BYTES);
        }
        let (intake, inbox, rooms) = lanes::inbox();
        tokio::spawn(lanes::accept(connection.clone(), intake, Arc::clone(&verdict)));
        tokio::spawn(lanes::write(connection.clone(), Arc::clone(&outbox), Arc::clone(&verdict)));
        let carrier = Carrier::Quic(connection, verdict);
        Self { carrier, peer_key, outbox, inbox: Mutex::new(inbox), rooms }
    }

    /// The same on a TLS connection over TCP.
    pub(crate) fn start_over_tcp(
        tls: Tls,
        peer_key: [u8; KEY_BYTES],
        profile: LinkProfile,
        side: Side,
    ) -> Self {
        let outbox = outbox(profile);
        let (session, inbox, rooms) = Session::start(tls, Arc::clone(&outbox), profile, side);
        let carrier = Carrier::Tcp(session);
        Self { carrier, peer_key, outbox, inbox: Mutex::new(inbox), rooms }
    }

    /// The road it takes.
    #[must_use]
    pub const fn road(&self) -> Road {
        self.carrier.road()
    }

    pub(crate) const fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// The key the peer proved.
    #[must_use]
    pub const fn peer_key(&self) -> &[u8; KEY_BYTES] {
        &self.peer_key
    }

    /// Hands over a frame; waits while its class has no room. Done means that the frame will be
    /// sent if the link lives, not that the peer has it.
    ///
    /// A call that is dropped before it ends has not handed the frame over.
    ///
    /// # Errors
    ///
    /// [`LinkError::Class`] and [`LinkError::Frame`] leave the link as it was; any other says why
    /// it ended.
    pub async fn send(&self, class: u8, frame: impl Into<Bytes>) -> Result<(), LinkError> {
        check_class(class)?;
        self.outbox.push(class, frame.into()).await.map_err(|rejected| self.explain(rejected))
    }

    /// Hands over a frame if its class has room now.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] gives the frame back; otherwise as [`send`](Self::send).
    pub fn try_send(&self, class: u8, frame: impl Into<Bytes>) -> Result<(), TrySendError> {
        check_class(class)?;
        self.outbox.try_push(class, frame.into()).map_err(|rejected| match rejected {
            Rejected::Full(frame) => TrySendError::Full(frame),
            rejected @ (Rejected::Framing(_) | Rejected::Closed) => {
                TrySendError::Link(self.explain(rejected))
            }
        })
    }

    /// Whether [`try_send`](Self::try_send) would take a frame of `class` now. The classes 0, 1 and
    /// 2 have room of their own, the others share theirs.
    #[must_use]
    pub fn has_room(&self, class: u8) -> bool {
        class < CLASSES && self.outbox.has_room(class)
    }

    /// Waits until [`has_room`](Self::has_room) may have changed: a frame was passed on, or the
    /// link ended. Take it before asking, so that no change is missed between the two:
    /// `let changed = link.room_changed(); if !link.has_room(5) { changed.await }`.
    pub fn room_changed(&self) -> impl Future<Output = ()> + '_ {
        self.outbox.room_changed()
    }

    /// The next frame with its class; urgent classes first. `None` once the link has ended and
    /// everything that arrived was taken; [`closed`](Self::closed) says why.
    ///
    /// A call that is dropped before it ends has not taken a frame.
    pub async fn recv(&self) -> Option<(u8, Bytes)> {
        let delivered = self.inbox.lock().await.next().await?;
        Some((delivered.class, delivered.frame))
    }

    /// Closes at once; frames not yet sent are dropped. `code` tells the peer why (own numbers from
    /// [`close_code::FIRST_FREE`]), `reason` helps whoever reads a capture.
    pub fn close(&self, code: u32, reason: &'static str) {
        self.carrier.close(code, reason);
    }

    /// Sends what was handed over, waits until the peer's transport has it, then closes. Gives up
    /// waiting after ten seconds.
    pub async fn finish(&self, code: u32) {
        self.outbox.finish(code);
        if tokio::time::timeout(FINISH_WAIT, self.carrier.closed()).await.is_err() {
            self.close(code, "");
        }
    }

    /// Waits until the link has ended and says why.
    pub async fn closed(&self) -> LinkError {
        self.carrier.closed().await
    }

    /// What passed over the wire. Still true after the link has ended.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        self.carrier.stats()
    }

    fn explain(&self, rejected: Rejected) -> LinkError {
        match rejected {
            Rejected::Framing(error) => LinkError::Frame(error),
            // Finishing: closed as far as the caller is concerned.
            Rejected::Full(_) | Rejected::Closed => self
                .carrier
                .close_reason()
                .unwrap_or(LinkError::ClosedHere { code: close_code::DONE }),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close(close_code::DONE, "");
        // Readers that wait for room would wait for ever.
        for room in &self.rooms {
            room.close();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", short(&self.peer_key))
    }
}

fn outbox(profile: LinkProfile) -> Arc<Outbox> {
    Arc::new(Outbox::new(match profile {
        LinkProfile::Wide => BULK_ROOM_WIDE_BYTES,
        LinkProfile::Narrow => BULK_ROOM_NARROW_BYTES,
    }))
}

const fn check_class(class: u8) -> Result<(), LinkError> {
    if class < CLASSES { Ok(()) } else { Err(LinkError::Class(class)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whose_doing_it_was() {
        let said = |error: LinkError| error.to_string();
        assert!(said(LinkError::NotAdmitted).contains("not enrolled there or was revoked"));
        assert!(said(LinkError::ClosedByPeer { code: 3 }).contains("peer closed the link"));
        assert!(said(LinkError::ClosedHere { code: 3 }).contains("at this end"));
        assert!(
            said(LinkError::Misbehaved(Misbehaviour::Framing(FramingError::TooLong)))
                .contains("peer misbehaved: a frame is longer")
        );
    }
}
