//! One TLS connection as a link uses it: a task that reads records, one that writes them, and one
//! per window that puts frames together.
//!
//! The reader never waits for whoever takes frames, so what is urgent, a grant and the end are
//! always heard. The writer hands over one record at a time and looks again at what is most urgent.

use std::array;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Tls;
use super::counted::Passed;
use super::flow::Flow;
use super::record::{Group, PIECE_BYTES_MAX, Record, Records};
use crate::LinkProfile;
use crate::config::{IDLE_NARROW, IDLE_WIDE, KEEP_ALIVE_WIDE};
use crate::framing::Decoder;
use crate::lanes::{Inbox, Intake, inbox};
use crate::link::{CLASSES, FINISH_WAIT, LinkError, LinkStats, Misbehaviour};
use crate::outbox::{Burst, Outbox, TIERS};

/// What is read and thrown away of a peer that does not notice the end.
const LEFTOVER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Which end of the connection this is.
#[derive(Debug)]
pub(crate) enum Side {
    /// Keeps a wide link alive.
    Dialed,
    /// Holds on to this until the peer was told of the end.
    Accepted { _until: watch::Receiver<()> },
}

/// What the tasks of a connection share.
#[derive(Debug)]
pub(crate) struct Session {
    outbox: Arc<Outbox>,
    flow: Flow,
    pong_due: AtomicBool,
    /// The code that a finished link was closed with, before the peer has confirmed it.
    leaving: OnceLock<u32>,
    ended: watch::Sender<Option<LinkError>>,
    passed: Arc<Passed>,
}

impl Session {
    /// Starts the tasks on a connection that both sides have agreed to be a link.
    pub(crate) fn start(
        tls: Tls,
        outbox: Arc<Outbox>,
        profile: LinkProfile,
        side: Side,
    ) -> (Arc<Self>, Inbox, [Arc<Semaphore>; 2]) {
        let session = Arc::new(Self {
            outbox,
            flow: Flow::default(),
            pong_due: AtomicBool::new(false),
            leaving: OnceLock::new(),
            ended: watch::Sender::new(None),
            passed: Arc::clone(tls.get_ref().0.passed()),
        });
        let (idle, keep_alive) = match (profile, &side) {
            (LinkProfile::Wide, Side::Dialed) => (IDLE_WIDE, Some(KEEP_ALIVE_WIDE)),
            (LinkProfile::Wide, Side::Accepted { .. }) => (IDLE_WIDE, None),
            (LinkProfile::Narrow, _) => (IDLE_NARROW, None),
        };
        let (intake, inbox, rooms) = inbox();
        let (reading, writing) = tokio::io::split(tls);
        tokio::spawn(read(Arc::clone(&session), reading, intake, idle));
        tokio::spawn(write(Arc::clone(&session), writing, keep_alive, side));
        (session, inbox, rooms)
    }

    /// Closes with a reason of our own. Does nothing if the connection is closed already.
    pub(crate) fn close(&self, code: u32) {
        self.end(LinkError::ClosedHere { code });
    }

    pub(crate) async fn closed(&self) -> LinkError {
        let mut ended = self.ended.subscribe();
        let why = ended.wait_for(Option::is_some).await.map(|why| *why);
        // The sender is in `self`, and what was waited for is there.
        why.ok().flatten().unwrap_or(LinkError::Forgotten)
    }

    pub(crate) fn close_reason(&self) -> Option<LinkError> {
        *self.ended.borrow()
    }

    /// Bytes of TCP payload; the kernel does not tell the rest.
    pub(crate) fn stats(&self) -> LinkStats {
        LinkStats {
            sent_bytes: self.passed.sent.load(Ordering::Relaxed),
            received_bytes: self.passed.received.load(Ordering::Relaxed),
            ..LinkStats::default()
        }
    }

    /// Notes why the connection ended; the first reason stays.
    fn end(&self, why: LinkError) {
        let first = self.ended.send_if_modified(|noted| {
            let first = noted.is_none();
            if first {
                *noted = Some(why);
            }
            first
        });
        if first && let LinkError::Misbehaved(misbehaviour) = why {
            tracing::warn!(%misbehaviour, "closing a link");
        }
    }

    /// Whether this end has closed it: what the peer sent before that is of no interest.
    fn was_closed_here(&self) -> bool {
        matches!(self.close_reason(), Some(LinkError::ClosedHere { .. } | LinkError::Misbehaved(_)))
    }

    fn wake_writer(&self) {
        self.outbox.filled.notify_one();
    }

    /// What goes before any frame.
    fn next_control(&self) -> Option<Record> {
        let grant = |group| self.flow.grant(group).map(|bytes| Record::Grant(group, bytes));
        Group::ALL
            .into_iter()
            .find_map(grant)
            .or_else(|| self.pong_due.swap(false, Ordering::Relaxed).then_some(Record::Pong))
    }

    /// Cuts the next piece from the most urgent burst that the peer takes something of.
    fn next_piece(&self, in_hand: &mut [Option<Burst>; TIERS]) -> Option<(usize, Record)> {
        for (tier, slot) in in_hand.iter_mut().enumerate() {
            if slot.is_none() {
                *slot = self.outbox.take(tier);
            }
            let Some(burst) = slot else { continue };
            let wanted = burst.bytes.len().min(PIECE_BYTES_MAX);
            let taken = self.flow.take(Group::of(burst.class), wanted);
            if taken > 0 {
                return Some((tier, Record::Piece(burst.class, burst.bytes.split_to(taken))));
            }
        }
        None
    }
}

/// Reads records until the connection ends, then until the peer has noticed.
async fn read(session: Arc<Session>, mut tls: ReadHalf<Tls>, intake: Intake, idle: Duration) {
    let why = hear(&session, &mut tls, intake, idle).await;
    session.end(why);
    // A socket that is closed while something is unread resets the connection, and the peer might
    // never read why it ended.
    let _ = timeout(FINISH_WAIT, read_out(&mut tls)).await;
}

/// Reads and throws away until the peer ends.
pub(crate) async fn read_out(stream: &mut (impl AsyncRead + Unpin)) {
    let (mut nothing, mut rest) = ([0; 4_096], LEFTOVER_BYTES_MAX);
    while let Ok(read @ 1..) = stream.read(&mut nothing).await {
        rest = rest.saturating_sub(read);
        if rest == 0 {
            return;
        }
    }
}

async fn hear(
    session: &Arc<Session>,
    tls: &mut ReadHalf<Tls>,
    intake: Intake,
    idle: Duration,
) -> LinkError {
    let intake = Arc::new(intake);
    let [urgent, bulk] = Group::ALL.map(|group| {
        let (sender, pieces) = unbounded_channel();
        tokio::spawn(put_together(Arc::clone(session), group, pieces, Arc::clone(&intake)));
        sender
    });
    drop(intake);
    let mut records = Records::default();
    let mut ended = pin!(session.closed());
    loop {
        loop {
            match records.next() {
                Ok(Some(Record::Close(code))) => return LinkError::ClosedByPeer { code },
                Ok(Some(record)) => {
                    if let Err(misbehaviour) = sort(session, record, &urgent, &bulk) {
                        return LinkError::Misbehaved(misbehaviour);
                    }
                }
                Ok(None) => break,
                Err(misbehaviour) => return LinkError::Misbehaved(misbehaviour),
            }
        }
        let read = tokio::select! {
            biased;
            why = &mut ended => return why,
            read = timeout(idle, tls.read_buf(records.room())) => read,
        };
        match read {
            Ok(Ok(1..)) => {}
            // Who finished has closed, and this is the confirmation.
            Ok(Ok(0)) | Ok(Err(_)) if session.leaving.get().is_some() => {
                let code = session.leaving.get().copied().unwrap_or_default();
                return LinkError::ClosedHere { code };
            }
            Ok(Ok(0)) => return LinkError::Forgotten,
            Ok(Err(error)) => return explain(&error),
            Err(_silent) => return LinkError::TimedOut,
        }
    }
}

/// What a record asks for; never waits.
fn sort(
    session: &Session,
    record: Record,
    urgent: &UnboundedSender<(u8, Bytes)>,
    bulk: &UnboundedSender<(u8, Bytes)>,
) -> Result<(), Misbehaviour> {
    match record {
        Record::Piece(class, bytes) => {
            let group = Group::of(class);
            session.flow.arrived(group, bytes.len())?;
            let lane = match group {
                Group::Urgent => urgent,
                Group::Bulk => bulk,
            };
            // Nobody puts frames together any more once nobody takes them.
            let _ = lane.send((class, bytes));
        }
        Record::Grant(group, bytes) => {
            session.flow.granted(group, bytes)?;
            session.wake_writer();
        }
        Record::Ping => {
            session.pong_due.store(true, Ordering::Relaxed);
            session.wake_writer();
        }
        Record::Pong | Record::Close(_) => {}
    }
    Ok(())
}

/// Puts the frames of one window together and waits until there is room for them.
async fn put_together(
    session: Arc<Session>,
    group: Group,
    mut pieces: UnboundedReceiver<(u8, Bytes)>,
    intake: Arc<Intake>,
) {
    let mut lanes: [Decoder; CLASSES as usize] = array::from_fn(|_| Decoder::default());
    while let Some((class, bytes)) = pieces.recv().await {
        let Some(lane) = lanes.get_mut(usize::from(class)) else { return };
        lane.push(&bytes);
        loop {
            if session.was_closed_here() {
                return;
            }
            match lane.next_frame() {
                Ok(Some(frame)) => {
                    if intake.put(class, frame).await.is_none() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => return session.end(LinkError::Misbehaved(error.into())),
            }
        }
        if session.flow.read(group, bytes.len()) {
            session.wake_writer();
        }
    }
}

/// Writes what is handed over until the connection ends or the outbox is finished, and says why.
async fn write(
    session: Arc<Session>,
    mut tls: WriteHalf<Tls>,
    keep_alive: Option<Duration>,
    side: Side,
) {
    match send(&session, &mut tls, keep_alive).await {
        Ok(Some(code)) => {
            // Not ended before the peer has all of it; the reader hears that.
            let _ = session.leaving.set(code);
            let _ = timeout(FINISH_WAIT, leave(&mut tls, Some(code))).await;
            session.closed().await;
        }
        Ok(None) => {
            let told = match session.close_reason() {
                Some(LinkError::ClosedHere { code }) => Some(code),
                Some(LinkError::Misbehaved(misbehaviour)) => Some(misbehaviour.close_code()),
                _ => None,
            };
            session.outbox.close();
            let _ = timeout(FINISH_WAIT, leave(&mut tls, told)).await;
        }
        // The reader knows why, or will: perhaps the peer has said it before it went.
        Err(_) => drop(session.closed().await),
    }
    session.outbox.close();
    drop(side);
}

/// Says why the connection ends, if there is something to say, and ends it.
pub(crate) async fn leave(
    tls: &mut (impl AsyncWrite + Unpin),
    code: Option<u32>,
) -> io::Result<()> {
    if let Some(code) = code {
        tls.write_all(&Record::Close(code).to_bytes()).await?;
        tls.flush().await?;
    }
    tls.shutdown().await
}

/// Writes until the connection ends (`None`), or the outbox is finished and empty: the code to close
/// with.
async fn send(
    session: &Session,
    tls: &mut WriteHalf<Tls>,
    keep_alive: Option<Duration>,
) -> io::Result<Option<u32>> {
    let mut in_hand: [Option<Burst>; TIERS] = array::from_fn(|_| None);
    let mut quiet_since = Instant::now();
    let mut ping_due = false;
    loop {
        let finishing = session.outbox.finishing();
        let control = std::mem::take(&mut ping_due).then_some(Record::Ping);
        let next = match control.or_else(|| session.next_control()) {
            Some(control) => Some((None, control)),
            None => session.next_piece(&mut in_hand).map(|(tier, piece)| (Some(tier), piece)),
        };
        let Some((tier, record)) = next else {
            if let Some(code) = finishing
                && in_hand.iter().all(Option::is_none)
            {
                return Ok(Some(code));
            }
            let ping = keep_alive.map(|pause| quiet_since + pause);
            tokio::select! {
                biased;
                _ = session.closed() => return Ok(None),
                () = session.outbox.filled.notified() => {}
                () = sleep_until(ping.unwrap_or(quiet_since)), if ping.is_some() => {
                    ping_due = true;
                }
            }
            continue;
        };
        if !pass_on(session, tls, &record.to_bytes()).await? {
            return Ok(None);
        }
        quiet_since = Instant::now();
        if let Some(slot) = tier.and_then(|tier| in_hand.get_mut(tier))
            && let Some(burst) = slot.take_if(|burst| burst.bytes.is_empty())
        {
            session.outbox.written(&burst);
        }
    }
}

/// Gives one record to the kernel; `false` when the connection has ended meanwhile.
async fn pass_on(session: &Session, tls: &mut WriteHalf<Tls>, record: &[u8]) -> io::Result<bool> {
    // TLS holds nothing at this point, so it takes the whole of it without waiting, and a record is
    // never broken off. Flushed, it is the kernel's.
    tls.write_all(record).await?;
    tokio::select! {
        biased;
        _ = session.closed() => Ok(false),
        flushed = tls.flush() => flushed.map(|()| true),
    }
}

/// Why reading failed.
pub(crate) fn explain(error: &io::Error) -> LinkError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::AlertReceived(rustls::AlertDescription::AccessDenied)), _) => {
            LinkError::NotAdmitted
        }
        (Some(rustls::Error::AlertReceived(alert)), _) => {
            LinkError::Broken(0x100 + u64::from(u8::from(*alert)))
        }
        (Some(_), _) => LinkError::Broken(0),
        (None, io::ErrorKind::TimedOut) => LinkError::TimedOut,
        (None, _) => LinkError::Forgotten,
    }
}
