//! Collects what a person changed, field by field.

use std::collections::BTreeMap;

use crate::gate::is_field_name;
use crate::{TEXT_BYTES_MAX, Value};

/// Why an edit was not made; the document is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Field names are 1 to [`FIELD_BYTES_MAX`](crate::FIELD_BYTES_MAX) of `a-z 0-9 / _ -`.
    #[error("a field's name is not one")]
    BadField,
    /// More than [`TEXT_BYTES_MAX`](crate::TEXT_BYTES_MAX) bytes.
    #[error("a text is longer than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// More than [`OPERATIONS_MAX`](crate::OPERATIONS_MAX) fields in one edit, or together too large.
    #[error("one edit changes too much")]
    TooLarge,
    /// automerge did not take the edit.
    #[error("the merge engine failed on an edit")]
    Engine,
}

/// The fields that one edit sets or clears. The last word on a field counts.
#[derive(Debug, Default)]
pub struct Edit {
    pub(crate) fields: BTreeMap<String, Option<Value>>,
}

impl Edit {
    /// Gives `field` the value. A field that holds just this value already stays untouched.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), Some(value.into()));
    }

    /// Empties `field`.
    pub fn clear(&mut self, field: &str) {
        self.fields.insert(field.to_owned(), None);
    }

    pub(crate) fn check(&self) -> Result<(), EditError> {
        if self.fields.len() > crate::OPERATIONS_MAX {
            return Err(EditError::TooLarge);
        }
        for (field, value) in &self.fields {
            if !is_field_name(field) {
                return Err(EditError::BadField);
            }
            if let Some(Value::Text(text)) = value
                && text.len() > TEXT_BYTES_MAX
            {
                return Err(EditError::TextTooLong);
            }
        }
        Ok(())
    }
}
