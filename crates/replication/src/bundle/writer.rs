//! Writing a bundle.

use std::fmt;
use std::io::{self, Write};

use envelope::{Recipient, Sealer};
use sync_protocol::lane::LaneEncoder;
use sync_protocol::message::Message;
use sync_protocol::signature::Signer;
use sync_protocol::{Class, codec};

use super::{BundleError, CONTENT_BYTES_TARGET, FRAMES_MAX, Header, Lanes, SIGNING_PREFIX};

/// As segments are compressed: more effort gains nothing on what is mostly signatures.
const ZSTD_LEVEL: i32 = 3;

/// For whom a bundle is sealed, and who signs it.
pub struct Seal<'a> {
    /// The key of the node that it is for.
    pub to: Recipient,
    /// Keys that open it as well, so that it can be recovered without that node.
    pub also: &'a [Recipient],
    /// The node that writes it.
    pub me: &'a Signer,
    /// Gives random bytes.
    pub fill: &'a mut dyn FnMut(&mut [u8]),
}

impl fmt::Debug for Seal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// A bundle under way. Without [`finish`](Self::finish) nobody can use it.
pub struct Writer<W: Write> {
    out: zstd::stream::write::Encoder<'static, Sealer<W>>,
    hasher: blake3::Hasher,
    lanes: Lanes<LaneEncoder>,
    frames: usize,
    bytes: u64,
}

impl<W: Write> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Frames in it.
    pub frames: usize,
    /// Bytes of its content, before they were compressed.
    pub content_bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a bundle on `out`.
    ///
    /// # Errors
    ///
    /// [`BundleError::Write`].
    pub fn new(out: W, header: &Header, seal: &mut Seal<'_>) -> Result<Self, BundleError> {
        let recipients: Vec<Recipient> =
            std::iter::once(seal.to).chain(seal.also.iter().copied()).collect();
        let sealer = Sealer::new(out, &recipients, seal.fill).map_err(BundleError::Write)?;
        let packer =
            zstd::stream::write::Encoder::new(sealer, ZSTD_LEVEL).map_err(BundleError::Write)?;
        let mut writer = Self {
            out: packer,
            hasher: blake3::Hasher::new(),
            lanes: Lanes::default(),
            frames: 0,
            bytes: 0,
        };
        let header = codec::encode(header);
        writer.record(&[&header])?;
        Ok(writer)
    }

    /// The end that shortens entries of `class`, with room for one more frame.
    pub(crate) fn lane(&mut self, class: Class) -> &mut LaneEncoder {
        let lane = self.lanes.of(class);
        lane.make_room();
        lane
    }

    /// As [`lane`](Self::lane), within a frame: names that were given for it stay.
    pub(crate) const fn same_lane(&mut self, class: Class) -> &mut LaneEncoder {
        self.lanes.of(class)
    }

    /// Writes `message` as the next frame of the lane of `class`.
    pub(crate) fn send(&mut self, class: Class, message: &Message) -> Result<(), BundleError> {
        let frame = self.lanes.of(class).frame(message);
        self.frames += 1;
        self.record(&[&[class.number()], &frame])
    }

    /// Whether as much is in it as should be.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes >= CONTENT_BYTES_TARGET || self.frames >= FRAMES_MAX / 2
    }

    /// Frames so far.
    #[must_use]
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Signs it and writes it out; gives back what was written to, which is not synced.
    ///
    /// # Errors
    ///
    /// [`BundleError::Write`].
    pub fn finish(mut self, me: &Signer) -> Result<(W, Written), BundleError> {
        self.hashed(&0_u32.to_be_bytes()).map_err(BundleError::Write)?;
        let message = [SIGNING_PREFIX, self.hasher.finalize().as_bytes()].concat();
        self.out.write_all(&me.sign_message(&message)).map_err(BundleError::Write)?;
        let written = Written { frames: self.frames, content_bytes: self.bytes };
        let sealer = self.out.finish().map_err(BundleError::Write)?;
        Ok((sealer.finish().map_err(BundleError::Write)?, written))
    }

    fn record(&mut self, parts: &[&[u8]]) -> Result<(), BundleError> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // A frame is far below 4 GiB; one that is not could not be read.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.hashed(&length.to_be_bytes()).map_err(BundleError::Write)?;
        parts.iter().try_for_each(|part| self.hashed(part)).map_err(BundleError::Write)
    }

    fn hashed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.out.write_all(bytes)
    }
}
