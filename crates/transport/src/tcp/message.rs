//! One message each way, as joining needs: a frame on the lane of class 0, and a record that ends.
//!
//! A message may be empty and a frame may not, so a zero byte goes ahead of it.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Tls;
use super::record::{PIECE_BYTES_MAX, Record, Records};
use super::session::explain;
use crate::framing::{Decoder, LENGTH_BYTES_MAX, put_frame};
use crate::link::LinkError;

/// Why there is no message.
#[derive(Debug)]
pub(crate) enum NoMessage {
    /// What came is none, or a longer one than may come.
    Unfit,
    /// The connection ended.
    Ended(LinkError),
}

/// Sends `message`, of which the length was checked.
pub(crate) async fn send(tls: &mut Tls, message: &[u8]) -> io::Result<()> {
    let mut lane = bytes::BytesMut::new();
    put_frame(&mut lane, &[&[0], message].concat()).map_err(|_| io::ErrorKind::InvalidInput)?;
    for piece in lane.chunks(PIECE_BYTES_MAX) {
        let piece = Record::Piece(0, bytes::Bytes::copy_from_slice(piece));
        tls.write_all(&piece.to_bytes()).await?;
    }
    tls.flush().await
}

/// Reads one message of at most `bytes_max`, and nothing beside it.
pub(crate) async fn receive(tls: &mut Tls, bytes_max: usize) -> Result<Vec<u8>, NoMessage> {
    let (mut records, mut lane, mut received) = (Records::default(), Decoder::default(), 0);
    let frame_bytes_max = bytes_max + 1;
    loop {
        while let Some(record) = records.next().map_err(|_| NoMessage::Unfit)? {
            let bytes = match record {
                Record::Piece(0, bytes) => bytes,
                Record::Close(code) => {
                    return Err(NoMessage::Ended(LinkError::ClosedByPeer { code }));
                }
                Record::Piece(..) | Record::Grant(..) | Record::Ping | Record::Pong => {
                    return Err(NoMessage::Unfit);
                }
            };
            received += bytes.len();
            if received > frame_bytes_max + LENGTH_BYTES_MAX {
                return Err(NoMessage::Unfit);
            }
            lane.push(&bytes);
        }
        match lane.next_frame() {
            Ok(Some(frame)) if frame.len() <= frame_bytes_max => {
                let alone = lane.is_between_frames() && records.is_empty();
                let message = frame.strip_prefix(&[0]).filter(|_| alone);
                return message.map(<[u8]>::to_vec).ok_or(NoMessage::Unfit);
            }
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return Err(NoMessage::Unfit),
        }
        match tls.read_buf(records.room()).await {
            Ok(1..) => {}
            Ok(0) => return Err(NoMessage::Ended(LinkError::Forgotten)),
            Err(error) => return Err(NoMessage::Ended(explain(&error))),
        }
    }
}

/// Waits until the peer ends the connection; `None` if it says anything else.
pub(crate) async fn ended(tls: &mut Tls) -> Option<LinkError> {
    let mut records = Records::default();
    loop {
        match records.next() {
            Ok(Some(Record::Close(code))) => return Some(LinkError::ClosedByPeer { code }),
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return None,
        }
        match tls.read_buf(records.room()).await {
            Ok(1..) => {}
            Ok(0) => return Some(LinkError::Forgotten),
            Err(error) => return Some(explain(&error)),
        }
    }
}
