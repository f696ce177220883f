//! What a field holds.

use std::fmt;

use crate::ActorSeed;

/// One value of one field.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text, at most [`TEXT_BYTES_MAX`](crate::TEXT_BYTES_MAX) bytes.
    Text(String),
    /// A whole number.
    Int(i64),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Int(_) => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(_) => None,
        }
    }

    pub(crate) fn to_automerge(&self) -> automerge::ScalarValue {
        match self {
            Self::Text(text) => automerge::ScalarValue::Str(text.as_str().into()),
            Self::Int(number) => automerge::ScalarValue::Int(*number),
        }
    }

    /// `None` for a kind of value that did not come through the gate.
    pub(crate) fn from_automerge(value: &automerge::Value<'_>) -> Option<Self> {
        let scalar = value.as_scalar()?;
        if let automerge::ScalarValue::Str(text) = scalar {
            return Some(Self::Text(text.to_string()));
        }
        if let automerge::ScalarValue::Int(number) = scalar {
            Some(Self::Int(*number))
        } else {
            None
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl fmt::Debug for Value {
    /// Never the value: most fields are about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text([redacted])",
            Self::Int(_) => "Int([redacted])",
        })
    }
}

/// A value and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The value.
    pub value: Value,
    /// The author's actor id at that time.
    pub author: ActorSeed,
}

/// What a change does to one field, shown to the caller before it is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldChange<'a> {
    /// The field's name.
    pub field: &'a str,
    /// The new value; `None` when the field is cleared.
    pub value: Option<&'a Value>,
}
