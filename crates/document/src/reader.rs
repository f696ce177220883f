//! A cursor over untrusted bytes: every read is checked, every number has one spelling.

use crate::Refused;

const TRUNCATED: Refused = Refused::Malformed("it ends too early");
const BAD_NUMBER: Refused = Refused::Malformed("a number is not written in its shortest form");

/// What is left to read.
#[derive(Clone, Copy, Debug)]
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

    /// Everything that is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Refused> {
        let (first, rest) = self.rest.split_first().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn bytes(&mut self, count: u64) -> Result<&'a [u8], Refused> {
        let count = usize::try_from(count).map_err(|_| TRUNCATED)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// An unsigned LEB128 number in its shortest form.
    pub(crate) fn unsigned(&mut self) -> Result<u64, Refused> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(BAD_NUMBER);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(BAD_NUMBER) } else { Ok(number) };
            }
        }
        Err(BAD_NUMBER)
    }

    /// A signed LEB128 number in its shortest form.
    pub(crate) fn signed(&mut self) -> Result<i64, Refused> {
        let mut number = 0_i64;
        let mut before = 0_u8;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 != 0 {
                before = byte;
                continue;
            }
            let negative = byte & 0x40 != 0;
            // The last byte may not merely repeat the sign that the one before it shows already.
            let needless = shift > 0
                && ((byte == 0 && before & 0x40 == 0) || (byte == 0x7f && before & 0x40 != 0));
            if needless || (shift == 63 && byte != 0 && byte != 0x7f) {
                return Err(BAD_NUMBER);
            }
            if negative && shift < 57 {
                number |= -1_i64 << (shift + 7);
            }
            return Ok(number);
        }
        Err(BAD_NUMBER)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spell_unsigned(mut number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let low = u8::try_from(number & 0x7f).unwrap();
            number >>= 7;
            if number == 0 {
                out.push(low);
                return out;
            }
            out.push(low | 0x80);
        }
    }

    fn spell_signed(mut number: i64) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let low = u8::try_from(number & 0x7f).unwrap();
            number >>= 7;
            let done = (number == 0 && low & 0x40 == 0) || (number == -1 && low & 0x40 != 0);
            if done {
                out.push(low);
                return out;
            }
            out.push(low | 0x80);
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(u in any::<u64>(), i in any::<i64>(), narrow in 0_u32..64) {
            for u in [u, u >> narrow] {
                let bytes = spell_unsigned(u);
                prop_assert_eq!(Reader::new(&bytes).unsigned(), Ok(u));
            }
            for i in [i, i >> narrow] {
                let bytes = spell_signed(i);
                prop_assert_eq!(Reader::new(&bytes).signed(), Ok(i));
            }
        }

        /// Whatever is accepted is spelled the one way we would spell it.
        #[test]
        fn a_number_has_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(number) = reader.unsigned() {
                let used = bytes.len() - reader.rest().len();
                prop_assert_eq!(spell_unsigned(number), &bytes[..used]);
            }
            let mut reader = Reader::new(&bytes);
            if let Ok(number) = reader.signed() {
                let used = bytes.len() - reader.rest().len();
                prop_assert_eq!(spell_signed(number), &bytes[..used]);
            }
        }
    }

    #[test]
    fn lengths_beyond_the_input_are_refused() {
        assert!(Reader::new(&[1, 2, 3]).bytes(4).is_err());
        assert!(Reader::new(&[1, 2, 3]).bytes(u64::MAX).is_err());
        assert!(Reader::new(&[1, 2, 3]).array::<4>().is_err());
        assert_eq!(Reader::new(&[1, 2, 3]).bytes(3), Ok(&[1, 2, 3][..]));
    }
}
