//! The tasks of a QUIC link: one that writes all lanes, one that accepts the peer's, one per lane read.
//!
//! A lane is a unidirectional stream that lives as long as the link. It is opened with its first
//! frame; its first byte is its class. Two lanes of one class, or a class that does not exist, end
//! the link.

use std::array;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use quinn::{Connection, RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::framing::Decoder;
use crate::link::{CLASSES, Misbehaviour, Verdict};
use crate::outbox::{Burst, FIRST_BULK_CLASS, Outbox, TIERS};

/// Frames received and not yet taken, urgent classes: 600 alerts.
const URGENT_ROOM_BYTES: usize = 64 * 1024;

/// The same for the classes from 3 on: one frame of the longest kind, so that the network works
/// while the previous one is being stored.
const BULK_ROOM_BYTES: usize = 1024 * 1024;

/// Counted for each frame on top of its bytes, so that many tiny ones are bounded as well.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// Pieces taken from a lane at once; each is a packet's worth.
const PIECES: usize = 32;

/// A received frame and the room it occupies until it is taken.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) class: u8,
    pub(crate) frame: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The end from which frames are taken.
#[derive(Debug)]
pub(crate) struct Inbox {
    urgent: UnboundedReceiver<Delivered>,
    bulk: UnboundedReceiver<Delivered>,
}

impl Inbox {
    /// The next frame, urgent ones first; `None` when the link is closed and all were taken.
    pub(crate) async fn next(&mut self) -> Option<Delivered> {
        tokio::select! {
            biased;
            Some(delivered) = self.urgent.recv() => Some(delivered),
            Some(delivered) = self.bulk.recv() => Some(delivered),
            else => None,
        }
    }
}

/// The end into which the lane readers put frames.
#[derive(Debug)]
pub(crate) struct Intake {
    urgent: (UnboundedSender<Delivered>, Arc<Semaphore>),
    bulk: (UnboundedSender<Delivered>, Arc<Semaphore>),
    /// A bit per class whose lane was opened.
    opened: AtomicU8,
}

/// Where received frames wait: the two ends, and what frees the readers when nobody takes any more.
pub(crate) fn inbox() -> (Intake, Inbox, [Arc<Semaphore>; 2]) {
    let rooms = [URGENT_ROOM_BYTES, BULK_ROOM_BYTES].map(|room| Arc::new(Semaphore::new(room)));
    let [urgent_room, bulk_room] = rooms.clone();
    let (urgent_in, urgent) = unbounded_channel();
    let (bulk_in, bulk) = unbounded_channel();
    let intake = Intake {
        urgent: (urgent_in, urgent_room),
        bulk: (bulk_in, bulk_room),
        opened: AtomicU8::new(0),
    };
    (intake, Inbox { urgent, bulk }, rooms)
}

impl Intake {
    /// Waits for room; `None` when nobody takes frames any more.
    pub(crate) async fn put(&self, class: u8, frame: Bytes) -> Option<()> {
        let urgent = class < FIRST_BULK_CLASS;
        let (queue, room) = if urgent { &self.urgent } else { &self.bulk };
        let all = if urgent { URGENT_ROOM_BYTES } else { BULK_ROOM_BYTES };
        let charge = u32::try_from((frame.len() + FRAME_OVERHEAD_BYTES).min(all)).ok()?;
        let room = Arc::clone(room).acquire_many_owned(charge).await.ok()?;
        queue.send(Delivered { class, frame, _room: room }).ok()
    }
}

/// Accepts the peer's lanes until the connection ends.
pub(crate) async fn accept(connection: Connection, intake: Intake, verdict: Arc<Verdict>) {
    let intake = Arc::new(intake);
    loop {
        let lane = tokio::select! {
            lane = connection.accept_uni() => lane,
            both_ways = connection.accept_bi() => {
                if both_ways.is_ok() {
                    verdict.condemn(&connection, Misbehaviour::ForeignStream);
                }
                return;
            }
        };
        let Ok(lane) = lane else { return };
        let (connection, intake) = (connection.clone(), Arc::clone(&intake));
        let verdict = Arc::clone(&verdict);
        tokio::spawn(async move {
            if let Err(misbehaviour) = read(lane, &intake).await {
                verdict.condemn(&connection, misbehaviour);
            }
        });
    }
}

/// Reads one lane to its end. A connection that ends is not the lane's fault.
async fn read(mut lane: RecvStream, intake: &Intake) -> Result<(), Misbehaviour> {
    let mut pieces: [Bytes; PIECES] = array::from_fn(|_| Bytes::new());
    let mut class = None;
    let mut decoder = Decoder::default();
    loop {
        let count = match lane.read_chunks(&mut pieces).await {
            Ok(Some(count)) => count,
            Ok(None) if class.is_some() && decoder.is_between_frames() => return Ok(()),
            Ok(None) | Err(quinn::ReadError::Reset(_)) => return Err(Misbehaviour::BrokenLane),
            Err(
                quinn::ReadError::ConnectionLost(_)
                | quinn::ReadError::ClosedStream
                | quinn::ReadError::IllegalOrderedRead
                | quinn::ReadError::ZeroRttRejected,
            ) => return Ok(()),
        };
        for piece in pieces.iter_mut().take(count) {
            let mut piece = std::mem::take(piece);
            let class = match class {
                Some(class) => class,
                None if piece.is_empty() => continue,
                None => *class.insert(intake.open(piece.split_to(1).first().copied())?),
            };
            decoder.push(&piece);
            while let Some(frame) = decoder.next_frame().map_err(Misbehaviour::Framing)? {
                if intake.put(class, frame).await.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

impl Intake {
    /// Notes that the lane of a class is open.
    fn open(&self, first_byte: Option<u8>) -> Result<u8, Misbehaviour> {
        let class = first_byte.unwrap_or(u8::MAX);
        if class >= CLASSES {
            return Err(Misbehaviour::UnknownClass(class));
        }
        let bit = 1 << class;
        if self.opened.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return Err(Misbehaviour::SecondLane(class));
        }
        Ok(class)
    }
}

/// Writes what is handed over until the connection ends or the outbox is finished.
pub(crate) async fn write(connection: Connection, outbox: Arc<Outbox>, verdict: Arc<Verdict>) {
    let mut lanes = Lanes { connection: &connection, lanes: array::from_fn(|_| None) };
    let ended = lanes.write_all(&outbox).await;
    outbox.close();
    match ended {
        Ok(code) => {
            lanes.finish().await;
            verdict.close(&connection, code, b"");
        }
        Err(WriteError::Stopped(_)) => verdict.condemn(&connection, Misbehaviour::BrokenLane),
        // The connection ended; who waits for it knows why.
        Err(
            WriteError::ConnectionLost(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected,
        ) => {}
    }
}

struct Lanes<'a> {
    connection: &'a Connection,
    lanes: [Option<SendStream>; CLASSES as usize],
}

impl Lanes<'_> {
    /// Writes until the outbox is finished and empty; answers the code to close with.
    async fn write_all(&mut self, outbox: &Outbox) -> Result<u32, WriteError> {
        let mut in_hand: [Option<Burst>; TIERS] = array::from_fn(|_| None);
        loop {
            let finishing = outbox.finishing();
            let first = in_hand.iter_mut().enumerate().find_map(|(tier, burst)| {
                if burst.is_none() {
                    *burst = outbox.take(tier);
                }
                burst.is_some().then_some(burst)
            });
            let Some(slot) = first else {
                if let Some(code) = finishing {
                    return Ok(code);
                }
                tokio::select! {
                    () = outbox.filled.notified() => continue,
                    ended = self.connection.closed() => return Err(ended.into()),
                }
            };
            let Some(burst) = slot.as_mut() else { continue };
            let lane = self.open(burst).await?;
            tokio::select! {
                biased;
                written = lane.write_chunks(slice::from_mut(&mut burst.bytes)) => { written?; }
                // Something was handed over while this lane is blocked; it may be more urgent.
                () = outbox.filled.notified() => continue,
            }
            if burst.bytes.is_empty() {
                outbox.written(burst);
                *slot = None;
            }
        }
    }

    /// The lane of a burst, opened if it is the class's first.
    async fn open(&mut self, burst: &mut Burst) -> Result<&mut SendStream, WriteError> {
        let Some(slot) = self.lanes.get_mut(usize::from(burst.class)) else {
            return Err(WriteError::ClosedStream);
        };
        match slot {
            Some(lane) => Ok(lane),
            None => {
                let lane = self.connection.open_uni().await?;
                // Only what quinn holds and has not sent is reordered by this; a higher number
                // goes first.
                lane.set_priority(-i32::from(burst.class)).map_err(|_| WriteError::ClosedStream)?;
                let mut opening = BytesMut::with_capacity(1 + burst.bytes.len());
                opening.put_u8(burst.class);
                opening.put_slice(&burst.bytes);
                burst.bytes = opening.freeze();
                Ok(slot.insert(lane))
            }
        }
    }

    /// Ends every lane and waits until the peer has all of it, or the connection ends.
    async fn finish(&mut self) {
        for lane in self.lanes.iter_mut().flatten() {
            if lane.finish().is_err() {
                return;
            }
        }
        for lane in self.lanes.iter().flatten() {
            if lane.stopped().await.is_err() {
                return;
            }
        }
    }
}

/// `code` as QUIC writes it.
pub(crate) fn code(code: u32) -> VarInt {
    VarInt::from_u32(code)
}
