//! Signing and checking. What was not checked cannot reach storage: the types say so.
//!
//! Only strict verification is used, everywhere: a signature that one node takes and another
//! refuses would make them disagree about which entries exist.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::canonical::{self, HEADER_BYTES, SIGNING_PREFIX};
use crate::{ChainKey, Entry, EntryId, Header, NodeId, Payload, commitment, limits};

/// Why an entry is not what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    /// The header contradicts itself.
    #[error("the header is malformed: {0}")]
    Header(#[from] canonical::HeaderError),
    /// The signature is not the author's.
    #[error("the entry is not signed by its author")]
    Signature,
    /// The payload is not what the author committed to.
    #[error("the payload is not the one its author committed to")]
    Commitment,
}

/// Something as it came from outside, its signature unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T>(T);

/// Something whose author is who it says. Made by [`Signed::verify`] and, for what we wrote
/// ourselves, by [`sign`].
///
/// ```compile_fail,E0423
/// // The field is private: nobody can call an entry verified without verifying it.
/// fn invent(entry: sync_protocol::Entry) -> sync_protocol::Verified<sync_protocol::Entry> {
///     sync_protocol::Verified(entry)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// What was verified.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was verified, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Signed<Entry> {
    /// Takes an entry from outside.
    #[must_use]
    pub const fn new(entry: Entry) -> Self {
        Self(entry)
    }

    /// The unchecked entry, for looking up whether it is known before paying for the check.
    #[must_use]
    pub const fn unchecked(&self) -> &Entry {
        &self.0
    }

    /// Checks the header, the payload's commitment and the author's signature.
    ///
    /// # Errors
    ///
    /// [`NotAuthentic`] naming what does not hold.
    pub fn verify(self, chain_key: &ChainKey) -> Result<Verified<Entry>, NotAuthentic> {
        let Self(entry) = self;
        canonical::check_link(&entry.header)?;
        if let Payload::Present(bytes) = &entry.payload
            && !commitment::holds(&entry.header, chain_key, bytes)
        {
            return Err(NotAuthentic::Commitment);
        }
        let message = signed_message(&entry.header);
        if !verify_bytes(&entry.header.origin.0, &message, &entry.signature) {
            return Err(NotAuthentic::Signature);
        }
        Ok(Verified(entry))
    }
}

/// Whether `signature` over `message` is `public_key`'s, strictly: no weak keys, no second form.
/// A wrong length is a no.
#[must_use]
pub fn verify_bytes(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = <&[u8; 32]>::try_from(public_key) else { return false };
    let Ok(signature) = Signature::from_slice(signature) else { return false };
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Whether this key may be enrolled: a point of full order, so that no message verifies by itself.
#[must_use]
pub fn is_sound_key(node: &NodeId) -> bool {
    VerifyingKey::from_bytes(&node.0).is_ok_and(|key| !key.is_weak())
}

/// The name that goes with a secret seed.
#[must_use]
pub fn node_id(seed: &[u8; 32]) -> NodeId {
    NodeId(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

/// Signs `message` with the key of `seed`, for statements that are not entries. The caller puts a
/// prefix of its own in front, other than [`SIGNING_PREFIX`].
#[must_use]
pub fn sign_bytes(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

/// A node's own signing key.
pub struct Signer {
    key: SigningKey,
    node: NodeId,
}

impl Signer {
    /// From 32 secret random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let node = NodeId(key.verifying_key().to_bytes());
        Self { key, node }
    }

    /// The name under which entries are signed.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Signs a statement that is no entry. The caller puts a prefix of its own in front, other than
    /// [`SIGNING_PREFIX`].
    #[must_use]
    pub fn sign_message(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// Signs our own entry: fills in length and commitment, and takes origin from the key.
    ///
    /// `None` when the payload is longer than [`PAYLOAD_BYTES_MAX`](limits::PAYLOAD_BYTES_MAX) or
    /// shorter than the salt it should begin with, or when position and link contradict each other:
    /// nobody would take such an entry.
    #[must_use]
    pub fn sign(
        &self,
        header: Header,
        chain_key: &ChainKey,
        payload: Vec<u8>,
    ) -> Option<Verified<Entry>> {
        let mut header = Header { origin: self.node, ..header };
        canonical::check_link(&header).ok()?;
        if payload.len() > limits::PAYLOAD_BYTES_MAX {
            return None;
        }
        header.payload_len = u32::try_from(payload.len()).ok()?;
        header.commitment = commitment::commit(&header, chain_key, &payload)?;
        let signature = self.key.sign(&signed_message(&header)).to_bytes();
        Some(Verified(Entry { header, signature, payload: Payload::Present(payload) }))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.node.short())
    }
}

fn signed_message(header: &Header) -> [u8; SIGNING_PREFIX.len() + HEADER_BYTES] {
    let mut message = [0; SIGNING_PREFIX.len() + HEADER_BYTES];
    let (prefix, body) = message.split_at_mut(SIGNING_PREFIX.len());
    prefix.copy_from_slice(SIGNING_PREFIX);
    body.copy_from_slice(&canonical::encode(header));
    message
}

impl Verified<Entry> {
    /// The entry without its payload: its author still said what the header says.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        self.0.payload = Payload::Erased;
        self
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.0.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::WithheldReason;
    use crate::hlc::Hlc;
    use crate::{Epoch, Flags, SeqNo, StreamId};

    const KEY: ChainKey = ChainKey([3; 32]);

    fn entry() -> Entry {
        let header = Header {
            origin: NodeId([0; 32]),
            epoch: Epoch(1),
            stream: StreamId { scope: 1, subject: [2; 16], compartment: 1, generation: 0 },
            sseq: SeqNo(1),
            sprev: EntryId::NONE,
            hlc: Hlc(0),
            kind: 1,
            schema: 1,
            actor: [0; 16],
            flags: Flags::default(),
            payload_len: 0,
            commitment: [0; 32],
        };
        let signer = Signer::from_seed(&[1; 32]);
        signer.sign(header, &KEY, b"content".to_vec()).unwrap().into_inner()
    }

    #[track_caller]
    fn check(entry: Entry, expected: Result<(), NotAuthentic>) {
        let verdict = Signed::new(entry.clone()).verify(&KEY);
        assert_eq!(verdict.as_ref().map(|_| ()).map_err(|why| *why), expected);
        if let Ok(verified) = verdict {
            assert_eq!((verified.get(), verified.id()), (&entry, entry.id()));
        }
    }

    #[test]
    fn what_its_author_signed_is_verified() {
        assert_eq!(entry().header.origin, node_id(&[1; 32]), "the signer fills in who it is");
        check(entry(), Ok(()));
    }

    #[test]
    fn an_entry_whose_payload_is_kept_back_is_still_its_authors() {
        check(Entry { payload: Payload::Erased, ..entry() }, Ok(()));
        let withheld = Payload::Withheld(WithheldReason::NoAccess);
        check(Entry { payload: withheld, ..entry() }, Ok(()));
        let mut forged = Entry { payload: Payload::Erased, ..entry() };
        forged.header.commitment[0] ^= 1;
        check(forged, Err(NotAuthentic::Signature));
    }

    #[test]
    fn each_defect_has_its_name() {
        let mut unlinked = entry();
        unlinked.header.sseq = SeqNo(2);
        check(unlinked, Err(NotAuthentic::Header(canonical::HeaderError::Link)));
        let other = Payload::Present(b"Content".to_vec());
        check(Entry { payload: other, ..entry() }, Err(NotAuthentic::Commitment));
        check(Entry { signature: [0; 64], ..entry() }, Err(NotAuthentic::Signature));
    }

    #[test]
    fn a_signer_does_not_show_its_key() {
        let text = format!("{:?}", Signer::from_seed(&[1; 32]));
        assert_eq!(text, format!("Signer({})", node_id(&[1; 32]).short()));
    }
}
