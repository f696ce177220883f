//! Input bytes read as a script: small choices, numbers and pieces, until they run out.

use sync_protocol::{Epoch, StreamId};

/// What is left of an input.
#[derive(Clone, Debug)]
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// Reads `bytes` from the front.
    #[must_use]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether there is nothing left.
    #[must_use]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`, which is at most 256 and not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// True for half of all bytes.
    pub(crate) fn flip(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Eight bytes as a number; at the end of the input, fewer.
    pub(crate) fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number that is mostly small and sometimes at the end of its range.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=0xf7 => u64::from(small),
            0xf8 => u64::MAX,
            0xf9 => u64::MAX - 1,
            0xfa => i64::MAX.cast_unsigned(),
            0xfb => u64::from(u32::MAX),
            0xfc..=0xfd => u64::from(u16::from_le_bytes(self.array())),
            0xfe..=0xff => self.long(),
        }
    }

    /// The next `N` bytes, filled up with zeros.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        out.iter_mut().for_each(|byte| *byte = self.byte());
        out
    }

    /// A piece with its length in front: one byte, or two for the longer half.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let first = usize::from(self.byte());
        let len = if first < 0x80 { first } else { (first & 0x7f) << 8 | usize::from(self.byte()) };
        let (piece, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// One of a few streams, in the class of its scope.
    pub(crate) fn stream(&mut self) -> StreamId {
        let choice = self.byte();
        StreamId {
            scope: choice & 7,
            subject: [choice >> 6; 16],
            compartment: choice >> 3 & 3,
            generation: 0,
        }
    }

    /// One of a few epochs.
    pub(crate) fn epoch(&mut self) -> Epoch {
        Epoch(u64::from(self.byte() & 3))
    }
}
