//! Whole numbers in as few bytes as they need, and a reader that never runs past its end.

/// Appends seven bits per byte, the lowest first; the top bit says that more follow (LEB128).
pub(crate) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

/// Appends a number that may be negative: 0, -1, 1, -2, … are written as 0, 1, 2, 3, ….
pub(crate) fn put_i64(out: &mut Vec<u8>, number: i64) {
    put_u64(out, zigzag(number));
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

const fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Reads what the functions above wrote; `None` wherever the bytes end too early or say nonsense.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.u64().map(unzigzag)
    }

    /// A count of things that take at least one byte each, so no more than there are bytes left.
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok().filter(|count| *count <= self.rest.len())
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A text with its length in front.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}

/// Appends a text with its length in front.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_u64(out, u64::try_from(text.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number in any::<i64>(), small in -70i64..70) {
            let mut bytes = Vec::new();
            put_i64(&mut bytes, number);
            put_u64(&mut bytes, number.cast_unsigned());
            put_i64(&mut bytes, small);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.i64(), Some(number));
            prop_assert_eq!(reader.u64(), Some(number.cast_unsigned()));
            prop_assert_eq!(reader.i64(), Some(small));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let mut reader = Reader::new(&bytes);
            while reader.u64().is_some() {}
            let mut reader = Reader::new(&bytes);
            while reader.text().is_some() {}
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_none() {
        let mut bytes = vec![0xff; 9];
        bytes.push(1);
        assert_eq!(Reader::new(&bytes).u64(), Some(u64::MAX));
        bytes[9] = 2;
        assert_eq!(Reader::new(&bytes).u64(), None);
        bytes[9] = 0x80;
        bytes.push(0);
        assert_eq!(Reader::new(&bytes).u64(), None);
    }
}
