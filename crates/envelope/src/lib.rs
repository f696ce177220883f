//! Files that only certain keys open, in the format of the `age` program (age-encryption.org/v1).
//!
//! Whoever carries such a file learns its size and nothing else, and cannot change it unnoticed. Only
//! X25519 keys are known here: no passphrases, no plug-ins. [`Sealer`] writes, [`Opener`] reads, both
//! piece by piece, so that a file of any length needs the memory of one piece.
//!
//! The format is written out here on the primitives that the programs have anyway. The crate of the
//! same name brings a hundred others, and second versions of those that must be there once.

mod bech32;
mod header;
mod keys;
mod open;
mod seal;
mod stream;

pub use keys::{BadKey, Identity, Recipient};
pub use open::{OpenError, Opener};
pub use seal::Sealer;

/// How many keys a file may be sealed to: the receiver's, and some to recover it with.
pub const RECIPIENTS_MAX: usize = 16;
