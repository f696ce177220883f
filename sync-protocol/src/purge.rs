//! The end of a subscription: the order to let a stream go, and the signed receipt for it.
//!
//! The order names the version of the subscription that it ends. Whatever was sent under an older
//! version is refused from then on, so an old order and old data, on a stick or on a slow wire, do
//! nothing.

use serde::{Deserialize, Serialize};

use crate::signature::{Signer, verify_bytes};
use crate::{NodeId, SetDigest, StreamId};

/// In front of what a receipt's signature is over.
const PREFIX: &[u8] = b"purge/1\0";

/// What a node says of a stream it let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Which stream.
    pub stream: StreamId,
    /// Version of the subscription that ended.
    pub version: u32,
    /// How many entries of others it held, and let go.
    pub count: u64,
    /// The sum of their ids.
    #[serde(with = "serde_bytes")]
    pub sum: [u8; 32],
}

impl Purged {
    /// What `dropped` was let go of `stream`.
    #[must_use]
    pub fn new(stream: StreamId, version: u32, dropped: &SetDigest) -> Self {
        Self { stream, version, count: dropped.count, sum: dropped.sum_bytes() }
    }

    /// What was let go.
    #[must_use]
    pub fn dropped(&self) -> SetDigest {
        SetDigest::from_parts(self.count, &self.sum)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = PREFIX.to_vec();
        message.extend_from_slice(&self.stream.bytes());
        message.extend_from_slice(&self.version.to_be_bytes());
        message.extend_from_slice(&self.count.to_be_bytes());
        message.extend_from_slice(&self.sum);
        message
    }
}

/// What a node said, with its signature: evidence for whoever asks where copies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeReceipt {
    /// What was said.
    pub purged: Purged,
    /// ed25519 by the node's signing key.
    #[serde(with = "serde_bytes")]
    pub signature: [u8; 64],
}

impl PurgeReceipt {
    /// Signs for what was let go.
    #[must_use]
    pub fn sign(purged: Purged, signer: &Signer) -> Self {
        Self { purged, signature: signer.sign_message(&purged.message()) }
    }

    /// Whether `node` signed it.
    #[must_use]
    pub fn is_signed_by(&self, node: &NodeId) -> bool {
        verify_bytes(&node.0, &self.purged.message(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purged() -> Purged {
        let stream = StreamId { scope: 1, subject: [7; 16], compartment: 3, generation: 0 };
        let mut dropped = SetDigest::EMPTY;
        dropped.insert(&crate::EntryId([9; 32]));
        Purged::new(stream, 2, &dropped)
    }

    #[test]
    fn a_receipt_says_what_its_node_said_and_nothing_else() {
        let signer = Signer::from_seed(&[1; 32]);
        let receipt = PurgeReceipt::sign(purged(), &signer);
        assert!(receipt.is_signed_by(&signer.node()));
        assert!(!receipt.is_signed_by(&crate::signature::node_id(&[2; 32])));
        assert_eq!(receipt.purged.dropped().count, 1);
        let mut stream = purged().stream;
        stream.compartment += 1;
        for other in [
            Purged { stream, ..purged() },
            Purged { version: 3, ..purged() },
            Purged { count: 2, ..purged() },
            Purged { sum: [0; 32], ..purged() },
        ] {
            let forged = PurgeReceipt { purged: other, ..receipt };
            assert!(!forged.is_signed_by(&signer.node()), "{other:?}");
        }
    }
}
