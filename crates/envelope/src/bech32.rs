//! The text form of keys: base 32 with a checksum that finds every mistake of up to four characters.
//!
//! Source: BIP 173. Only whole keys of 32 bytes are read and written.

/// Digits, by their value.
const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Digits of the checksum.
const CHECK_DIGITS: usize = 6;

/// Digits of 32 bytes: 256 bits by five, rounded up.
const KEY_DIGITS: usize = 52;

/// `prefix`, a `1`, and the key with its checksum, in small letters.
pub(crate) fn write(prefix: &str, key: &[u8; 32]) -> String {
    let mut values = to_values(key);
    values.extend(check(prefix, &values));
    let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('?', |digit| char::from(*digit));
    format!("{prefix}1{}", values.into_iter().map(digit).collect::<String>())
}

/// Reads what [`write`] wrote, in small or in capital letters, not in both.
pub(crate) fn read(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let small = text.to_ascii_lowercase();
    if text != small && text != text.to_ascii_uppercase() {
        return None;
    }
    let digits = small.strip_prefix(prefix)?.strip_prefix('1')?;
    if digits.len() != KEY_DIGITS + CHECK_DIGITS {
        return None;
    }
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit);
    let values: Vec<u8> = digits
        .bytes()
        .map(|digit| value(digit).and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<_>>()?;
    let (key, sum) = values.split_at_checked(KEY_DIGITS)?;
    if sum != check(prefix, key) {
        return None;
    }
    let key: [u8; 32] = from_values(key).try_into().ok()?;
    // The four bits that are left over are zero in the one written form.
    (write(prefix, &key) == small).then_some(key)
}

fn to_values(bytes: &[u8]) -> Vec<u8> {
    let mut values = Vec::with_capacity(KEY_DIGITS + CHECK_DIGITS);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push(low_five(held >> bits));
        }
    }
    if bits > 0 {
        values.push(low_five(held << (5 - bits)));
    }
    values
}

fn from_values(values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    let (mut held, mut bits) = (0_u32, 0);
    for value in values {
        held = (held << 5) | u32::from(*value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            let [.., low] = (held >> bits).to_be_bytes();
            bytes.push(low);
        }
    }
    bytes
}

fn low_five(value: u32) -> u8 {
    let [.., low] = value.to_be_bytes();
    low & 31
}

fn check(prefix: &str, values: &[u8]) -> [u8; CHECK_DIGITS] {
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied()).chain([0; CHECK_DIGITS]);
    let sum = all.fold(1_u32, |sum, value| {
        const GENERATOR: [u32; 5] =
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let top = sum >> 25;
        let next = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        let terms = (0..).zip(GENERATOR).filter(|(bit, _)| (top >> bit) & 1 == 1);
        terms.fold(next, |next, (_, term)| next ^ term)
    }) ^ 1;
    [25, 20, 15, 10, 5, 0].map(|shift| low_five(sum >> shift))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_reads_back_and_one_changed_character_is_found(
            key in any::<[u8; 32]>(),
            at in 4_usize..62,
            other in 0_usize..32,
        ) {
            let text = write("age", &key);
            prop_assert_eq!(read("age", &text), Some(key));
            prop_assert_eq!(read("age", &text.to_uppercase()), Some(key));
            let mut changed = text.clone().into_bytes();
            changed[at] = DIGITS[other];
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_eq!(read("age", &changed).is_some(), changed == text);
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        let text = write("age", &[7; 32]);
        for other in
            ["", "age1", "age", "é", &text[..61], &format!("{text}q"), &text.replacen('a', "A", 1)]
        {
            assert_eq!(read("age", other), None, "{other}");
        }
        assert_eq!(read("other", &text), None);
    }
}
