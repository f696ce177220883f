//! The names of consent events: hashes of what they say.
//!
//! An id that is a hash cannot be given to two different events, an event that arrives twice is
//! recognised, and an event can only name events that existed when it was made.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// The text is not the 64 hexadecimal digits of an event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the 64 hexadecimal digits of a consent event")]
pub struct BadId;

/// Hashes `bytes` under `domain`, so that a grant and a revocation never share an id.
fn hash(domain: &str, bytes: &[u8]) -> [u8; 32] {
    blake3::Hasher::new().update(domain.as_bytes()).update(bytes).finalize().into()
}

fn from_hex(text: &str) -> Result<[u8; 32], BadId> {
    let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| BadId)?;
    bytes.try_into().map_err(|_| BadId)
}

macro_rules! event_id {
    ($(#[$doc:meta])* $name:ident, $domain:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id of the event with these canonical bytes.
            #[must_use]
            pub(crate) fn of(bytes: &[u8]) -> Self {
                Self(hash($domain, bytes))
            }

            /// Takes an id that was read from an event or a table.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the hash.
            #[must_use]
            pub const fn bytes(self) -> [u8; 32] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:.8})"), HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                from_hex(text).map(Self)
            }
        }
    };
}

event_id! {
    /// Names a [`Grant`](crate::Grant).
    GrantId, "consent grant/1\0"
}

event_id! {
    /// Names a [`Revoke`](crate::Revoke).
    RevokeId, "consent revoke/1\0"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_id_leads_back_to_it() {
        let id = GrantId::of(b"terms");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(GrantId::from_bytes(id.bytes()), id);
        for text in ["", "00", &id.to_string()[1..], &id.to_string().replace(char::is_numeric, "g")]
        {
            assert_eq!(text.parse::<GrantId>(), Err(BadId), "{text:?}");
        }
    }

    #[test]
    fn a_grant_and_a_revocation_with_the_same_bytes_differ() {
        assert_ne!(GrantId::of(b"same").bytes(), RevokeId::of(b"same").bytes());
    }
}
