//! Reading a bundle: once to check all of it, once to use it.

use std::fmt;
use std::io::{BufReader, Read};

use envelope::{Identity, Opener};
use sync_protocol::message::Frame;
use sync_protocol::signature::verify_bytes;
use sync_protocol::{Class, codec, limits};

use super::{
    BundleError, CONTENT_BYTES_MAX, FORMAT, FRAMES_MAX, HEADER_BYTES_MAX, Header, SIGNING_PREFIX,
    Way,
};

/// Bytes that the unpacker looks back over, as a power of two: what is written needs 2 MiB.
const WINDOW_LOG_MAX: u32 = 23;

type Content<R> = zstd::stream::read::Decoder<'static, BufReader<Opener<R>>>;

/// A bundle of which every byte was checked.
#[derive(Debug)]
pub struct Checked {
    /// What it says of itself.
    pub header: Header,
    /// The hash of its content, by which it is known when it comes again.
    pub digest: [u8; 32],
    /// The start of each frame's hash: when it is read again it must be the same.
    frames: Vec<[u8; 16]>,
}

impl Checked {
    /// How many frames it has.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }
}

/// Reads all of `input`, and uses nothing. `is_expected` looks at the header before anything else;
/// `seen` hears how many frames were read.
///
/// # Errors
///
/// [`BundleError`]: nothing of such a bundle is to be used.
pub fn check(
    input: impl Read,
    identity: &Identity,
    way: Way,
    is_expected: impl FnOnce(&Header) -> Result<(), BundleError>,
    mut seen: impl FnMut(usize),
) -> Result<Checked, BundleError> {
    let (mut content, header) = Unpacked::open(input, identity)?;
    is_expected(&header)?;
    let mut frames = Vec::new();
    while let Some(record) = content.record(limits::FRAME_BYTES_MAX + 1)? {
        if frames.len() == FRAMES_MAX {
            return Err(BundleError::TooLong);
        }
        let (class, frame) = parse(&record)?;
        // A newer writer may say more than is understood here; that is skipped, as on a link.
        if let Some(message) = &frame.message
            && !way.carries(class, message)
        {
            return Err(BundleError::OutOfTurn);
        }
        frames.push(short_hash(&record));
        seen(frames.len());
    }
    let digest = content.end(&header)?;
    Ok(Checked { header, digest, frames })
}

/// A checked bundle that is read again, frame by frame.
pub struct Reader<'a, R: Read> {
    content: Unpacked<R>,
    checked: &'a Checked,
    next: usize,
}

impl<R: Read> fmt::Debug for Reader<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("next", &self.next).finish_non_exhaustive()
    }
}

impl<'a, R: Read> Reader<'a, R> {
    /// Reads `input`, which [`check`] found to be `checked`, from the start.
    ///
    /// # Errors
    ///
    /// [`BundleError`]; [`BundleError::Damaged`] when it is another bundle than before.
    pub fn again(input: R, identity: &Identity, checked: &'a Checked) -> Result<Self, BundleError> {
        let (content, header) = Unpacked::open(input, identity)?;
        if header != checked.header {
            return Err(BundleError::Damaged);
        }
        Ok(Self { content, checked, next: 0 })
    }

    /// The next message with its lane and its place there; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`BundleError::Damaged`] when the file is not what it was when it was checked.
    pub fn next_frame(&mut self) -> Result<Option<(Class, Frame)>, BundleError> {
        let record = self.content.record(limits::FRAME_BYTES_MAX + 1)?;
        let known = self.checked.frames.get(self.next);
        match (record, known) {
            (None, None) => Ok(None),
            (Some(record), Some(hash)) if short_hash(&record) == *hash => {
                self.next += 1;
                parse(&record).map(Some)
            }
            _ => Err(BundleError::Damaged),
        }
    }
}

/// What is in the envelope, unpacked.
struct Unpacked<R: Read> {
    content: Content<R>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<R: Read> Unpacked<R> {
    fn open(input: R, identity: &Identity) -> Result<(Self, Header), BundleError> {
        let opener = Opener::new(input, identity)?;
        let mut content =
            zstd::stream::read::Decoder::new(opener).map_err(BundleError::reading)?.single_frame();
        content.window_log_max(WINDOW_LOG_MAX).map_err(BundleError::reading)?;
        let mut unpacked = Self { content, hasher: blake3::Hasher::new(), bytes: 0 };
        let record = unpacked.record(HEADER_BYTES_MAX)?.ok_or(BundleError::Damaged)?;
        let (format, _) = postcard_u16(&record).ok_or(BundleError::Damaged)?;
        if format != FORMAT {
            return Err(BundleError::Format(format));
        }
        let header = codec::decode(&record).map_err(|_| BundleError::Damaged)?;
        Ok((unpacked, header))
    }

    /// The next record; `None` at the end of records.
    fn record(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, BundleError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(None);
        }
        if length > bytes_max {
            return Err(BundleError::Damaged);
        }
        let mut record = vec![0; length];
        self.fill(&mut record)?;
        Ok(Some(record))
    }

    fn fill(&mut self, target: &mut [u8]) -> Result<(), BundleError> {
        self.bytes += u64::try_from(target.len()).unwrap_or(u64::MAX);
        if self.bytes > CONTENT_BYTES_MAX {
            return Err(BundleError::TooLong);
        }
        self.content.read_exact(target).map_err(BundleError::reading)?;
        self.hasher.update(target);
        Ok(())
    }

    /// Checks the signature and that nothing follows; answers the hash of the content.
    fn end(mut self, header: &Header) -> Result<[u8; 32], BundleError> {
        let digest = *self.hasher.finalize().as_bytes();
        let mut signature = [0; 64];
        self.content.read_exact(&mut signature).map_err(BundleError::reading)?;
        let message = [SIGNING_PREFIX, &digest].concat();
        if !verify_bytes(&header.from.0, &message, &signature) {
            return Err(BundleError::Stranger);
        }
        let mut more = [0];
        let unpacked = self.content.read(&mut more).map_err(BundleError::reading)?;
        // The envelope says only at its end that it is whole.
        let sealed = self.content.finish().read(&mut more).map_err(BundleError::reading)?;
        if unpacked + sealed > 0 { Err(BundleError::Damaged) } else { Ok(digest) }
    }
}

/// The number that every header begins with, whatever its format.
fn postcard_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    match bytes {
        [low, rest @ ..] if *low < 0x80 => Some((u16::from(*low), rest)),
        [low, high, rest @ ..] if *high < 0x80 => {
            Some((u16::from(*low & 0x7f) | (u16::from(*high) << 7), rest))
        }
        _ => None,
    }
}

fn parse(record: &[u8]) -> Result<(Class, Frame), BundleError> {
    let (class, frame) = record.split_first().ok_or(BundleError::Damaged)?;
    let class = Class::from_number(*class).ok_or(BundleError::Damaged)?;
    Ok((class, Frame::decode(frame).map_err(|_| BundleError::Damaged)?))
}

fn short_hash(record: &[u8]) -> [u8; 16] {
    blake3::hash(record).as_bytes().first_chunk::<16>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use sync_protocol::message::{AcksStored, Message};

    use super::*;

    #[test]
    fn each_way_has_its_messages_and_lanes() {
        let stored = Message::AcksStored(AcksStored { number: 1 });
        for (way, class, expected) in [
            (Way::Down, Class::Control, true),
            (Way::Down, Class::Fresh, false),
            (Way::Up, Class::Control, false),
        ] {
            assert_eq!(way.carries(class, &stored), expected, "{way:?} {class:?}");
        }
    }

    #[test]
    fn the_format_is_read_before_anything_else() {
        for format in [0_u16, 1, 127, 128, 16_383] {
            let bytes = codec::encode(&(format, 7_u8));
            assert_eq!(postcard_u16(&bytes), Some((format, &[7][..])), "{format}");
        }
    }
}
