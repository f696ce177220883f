//! Bundles: what a link would carry, as a file that somebody carries.
//!
//! A bundle is sealed to the node that it is for ([`envelope`]), compressed, and signed by the node that
//! wrote it. Inside stand the frames of the protocol, each with its lane's class, as a conversation
//! sends them; they go through the same desks. Nothing in it answers anything: a bundle holds all that
//! the writer has not heard to be received, so any of them can get lost, come twice or in another order.
//!
//! ```text
//! age( zstd( length ‖ header, (length ‖ class ‖ frame)*, 0, signature ) )
//! ```
//!
//! It is read twice: first everything is checked and nothing used, then it is stored in bounded
//! transactions. An import that was broken off is continued by importing again.

mod lanes;
mod reader;
mod wire;
mod writer;

use std::io;

use envelope::OpenError;
use sync_protocol::Class;
use sync_protocol::exchange::PUSH_CLASSES;
use sync_protocol::message::Message;

use crate::LedgerError;

pub(crate) use lanes::Lanes;
pub use reader::{Checked, Reader, check};
pub use wire::Header;
pub use writer::{Seal, Writer, Written};

/// The form that is written, and the only one that is read.
pub const FORMAT: u16 = 1;

/// Longest file that is read: what fits on any stick, and in FAT.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Most that a file may hold when it is unpacked. Signatures and readings hardly shrink; what grows to
/// more was made to fill the disk.
pub const CONTENT_BYTES_MAX: u64 = 2 * FILE_BYTES_MAX;

/// A writer stops here, below what is read: what is left goes into the next bundle. It is carried in
/// a pocket, not streamed, so a clinic's first day with 10,000 patients fits many times over.
pub const CONTENT_BYTES_TARGET: u64 = 1024 * 1024 * 1024;

/// Frames in one bundle. At 16 KiB each the target above has 65,536; frames of acknowledgements and
/// of many small streams are shorter.
pub const FRAMES_MAX: usize = 2 * 1024 * 1024;

/// Longest header: six numbers and two keys.
const HEADER_BYTES_MAX: usize = 256;

/// What the writer's signature is over: this and the hash of everything before the signature.
const SIGNING_PREFIX: &[u8] = b"cairn/bundle/1\0";

const _: () = assert!(CONTENT_BYTES_TARGET < FILE_BYTES_MAX);

/// Which way a bundle goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a clinic to the hub.
    Up,
    /// From the hub to a clinic.
    Down,
}

impl Way {
    /// Whether a message belongs on this lane of a bundle that goes this way.
    pub(crate) fn carries(self, class: Class, message: &Message) -> bool {
        if class != Class::Control {
            return match self {
                Self::Up => matches!(message, Message::Push(_)) && PUSH_CLASSES.contains(&class),
                Self::Down => matches!(message, Message::StreamData(_)),
            };
        }
        match self {
            Self::Up => matches!(
                message,
                Message::StreamAck(_) | Message::Compare(_) | Message::PurgeDone(_)
            ),
            Self::Down => matches!(
                message,
                Message::PushAck(_)
                    | Message::AcksStored(_)
                    | Message::Purge(_)
                    | Message::Grants(_)
            ),
        }
    }
}

/// Why a bundle is not used, or not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It is something else.
    #[error("this file is no Cairn bundle")]
    NotABundle,
    /// It is sealed to another key, or says that it is for another node.
    #[error("this bundle is for another node and cannot be opened here")]
    ForAnother,
    /// A byte was changed, or its end is missing.
    #[error(
        "this bundle is damaged or was not copied whole, and nothing of it was used; copy it again, \
         or export a new one"
    )]
    Damaged,
    /// Longer than [`FILE_BYTES_MAX`], or than [`CONTENT_BYTES_MAX`] when it is unpacked.
    #[error("this bundle is longer than a bundle may be, and nothing of it was used")]
    TooLong,
    /// A form that this program does not know.
    #[error("this bundle has format {0}, which a newer version writes; update this program first")]
    Format(u16),
    /// Signed by nobody who belongs here.
    #[error(
        "this bundle comes from a node that does not belong to this network, and nothing of it was used"
    )]
    Stranger,
    /// A message that has no place in it.
    #[error("this bundle holds what does not belong in one, and nothing of it was used")]
    OutOfTurn,
    /// The hub that wrote it is not in the life that this clinic knows.
    #[error(
        "this bundle is of another life of the hub, which came back from a backup before or after it, \
         and nothing of it was used; let this clinic connect to the hub once"
    )]
    OtherLife,
    /// The database.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The system refused to read the file.
    #[error("reading the bundle")]
    Read(#[source] io::Error),
    /// The system refused to write it.
    #[error("writing the bundle")]
    Write(#[source] io::Error),
}

impl From<store::StoreError> for BundleError {
    fn from(error: store::StoreError) -> Self {
        Self::Ledger(error.into())
    }
}

impl From<OpenError> for BundleError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotSealed => Self::NotABundle,
            OpenError::NotForUs => Self::ForAnother,
            OpenError::Read(error) => Self::Read(error),
            OpenError::Damaged | _ => Self::Damaged,
        }
    }
}

impl BundleError {
    /// What a failed read of the unpacked content means.
    fn reading(error: io::Error) -> Self {
        // The envelope and the unpacker make their own errors; the system's have a number.
        if error.raw_os_error().is_some() { Self::Read(error) } else { Self::Damaged }
    }
}
