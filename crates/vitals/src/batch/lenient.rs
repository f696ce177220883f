//! Values of any type where one type is hoped for, and values that are passed over.
//!
//! None of these fails on a valid value: a wrong one is remembered as wrong, and only nesting deeper
//! than [`JSON_DEPTH_MAX`] is an error.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::JSON_DEPTH_MAX;

/// A value that should be a text.
pub(super) enum Field<'de> {
    Absent,
    Text(Cow<'de, str>),
    Wrong,
}

/// The device's count of a reading.
pub(super) enum Count {
    Absent,
    Number(u64),
    Wrong,
}

/// The visits of values that are none of what a field takes; `$else` is the answer.
macro_rules! everything_else {
    ($else:expr, $depth:expr, $($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok($else)
        })*

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let depth = deeper($depth(&self))?;
            while seq.next_element_seed(Skip { depth })?.is_some() {}
            Ok($else)
        }
    };
}

pub(super) use everything_else;

/// Skips the members of an object.
fn skip_members<'de, A: MapAccess<'de>>(mut map: A, depth: usize) -> Result<(), A::Error> {
    let depth = deeper(depth)?;
    while map.next_key::<de::IgnoredAny>()?.is_some() {
        map.next_value_seed(Skip { depth })?;
    }
    Ok(())
}

/// One level further in, or an error when that is too deep.
pub(super) fn deeper<E: de::Error>(depth: usize) -> Result<usize, E> {
    if depth > JSON_DEPTH_MAX { Err(E::custom("nested too deeply")) } else { Ok(depth + 1) }
}

/// How deep the containers of a valid JSON value go; almost always there are none.
pub(super) fn nesting(value: &str) -> usize {
    if !value.starts_with(['[', '{']) {
        return 0;
    }
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Takes a text.
pub(super) struct TextSeed {
    /// The depth that a container here would have.
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Field<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field<'de>, A::Error> {
        skip_members(map, self.depth)?;
        Ok(Field::Wrong)
    }

    everything_else!(Field::Wrong, |seed: &Self| seed.depth,
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

/// Takes a count of a reading, four levels deep.
pub(super) struct CountSeed;

impl<'de> DeserializeSeed<'de> for CountSeed {
    type Value = Count;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Count, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CountSeed {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Count, E> {
        Ok(Count::Number(number))
    }

    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count::Absent)
    }

    fn visit_str<E>(self, _: &str) -> Result<Count, E> {
        Ok(Count::Wrong)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
        skip_members(map, 4)?;
        Ok(Count::Wrong)
    }

    everything_else!(Count::Wrong, |_: &Self| 4, visit_bool: bool, visit_i64: i64, visit_f64: f64);
}

/// Passes over a value of any kind, down to [`JSON_DEPTH_MAX`].
pub(super) struct Skip {
    /// The depth that a container here would have.
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        skip_members(map, self.depth)
    }

    everything_else!((), |seed: &Self| seed.depth,
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}
