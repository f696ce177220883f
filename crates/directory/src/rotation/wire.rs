//! The question as bytes. One meaning has one form; anything else is refused.

use serde::{Deserialize, Serialize};

use super::RotateRequest;
use crate::join::BadMessage;

/// The written form of this version, the first byte; a request to join begins with another.
const VERSION: u8 = 2;

/// Length of a request in bytes, exactly: version 1, two keys of 32, two signatures of 64.
pub const ROTATION_BYTES_MAX: usize = 1 + 2 * 32 + 2 * 64;

#[derive(Serialize, Deserialize)]
struct RotateWire {
    old_node_key: [u8; 32],
    new_node_key: [u8; 32],
    by_old: [[u8; 32]; 2],
    by_new: [[u8; 32]; 2],
}

impl RotateRequest {
    /// Whether bytes at the door are meant as one, and not as a request to join.
    #[must_use]
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.first() == Some(&VERSION)
    }

    /// Its canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = RotateWire {
            old_node_key: self.old_node_key,
            new_node_key: self.new_node_key,
            by_old: halves(&self.by_old),
            by_new: halves(&self.by_new),
        };
        let written = postcard::to_extend(&wire, vec![VERSION]);
        debug_assert!(written.is_ok(), "writing into memory failed");
        written.unwrap_or_default()
    }

    /// Reads what came to the door.
    ///
    /// # Errors
    ///
    /// [`BadMessage`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadMessage> {
        if bytes.len() > ROTATION_BYTES_MAX {
            return Err(BadMessage::TooLong);
        }
        let (version, body) = bytes.split_first().ok_or(BadMessage::Malformed)?;
        if *version != VERSION {
            return Err(BadMessage::Version(*version));
        }
        let wire: RotateWire = postcard::from_bytes(body).map_err(|_| BadMessage::Malformed)?;
        let (mut by_old, mut by_new) = ([0; 64], [0; 64]);
        by_old.copy_from_slice(wire.by_old.as_flattened());
        by_new.copy_from_slice(wire.by_new.as_flattened());
        let request = Self {
            old_node_key: wire.old_node_key,
            new_node_key: wire.new_node_key,
            by_old,
            by_new,
        };
        if request.to_bytes() == bytes { Ok(request) } else { Err(BadMessage::Malformed) }
    }
}

fn halves(signature: &[u8; 64]) -> [[u8; 32]; 2] {
    let (first, second) = signature.split_at(32);
    let half = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).unwrap_or_default();
    [half(first), half(second)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request() -> RotateRequest {
        RotateRequest::sign(&[1; 32], &[2; 32], &[3; 32], &[4; 32])
    }

    #[test]
    fn a_request_reads_back_as_itself_and_no_other_length_is_one() {
        let bytes = request().to_bytes();
        assert_eq!(bytes.len(), ROTATION_BYTES_MAX);
        assert!(RotateRequest::is_meant(&bytes));
        assert_eq!(RotateRequest::from_bytes(&bytes), Ok(request()));
        assert_eq!(RotateRequest::from_bytes(&bytes[..9]), Err(BadMessage::Malformed));
        assert_eq!(RotateRequest::from_bytes(&[1; 113]), Err(BadMessage::Version(1)));
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(RotateRequest::from_bytes(&longer), Err(BadMessage::TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = RotateRequest::from_bytes(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let _ = RotateRequest::from_bytes(&bytes);
        }
    }
}
