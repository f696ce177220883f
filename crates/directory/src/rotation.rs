//! The question by which a node that is in goes over to new keys and stays who it is.
//!
//! It is asked through the same door as a request to join, over a connection made with the new
//! connection key, and signed by the old signing key and the new one: the old one gives itself up, the
//! new one is somebody's. Asked again it says the same and is answered the same, so a lost answer or a
//! crash costs nothing. The answer is a [`JoinResponse`](crate::JoinResponse) with a certificate that
//! names the key it succeeds.

use sync_protocol::NodeId;
use sync_protocol::signature::{is_sound_key, node_id, sign_bytes, verify_bytes};

use crate::Refusal;

mod wire;

pub use wire::ROTATION_BYTES_MAX;

/// Set apart from other things that a node signs.
const PROOF_PREFIX: &[u8] = b"cairn rotate/1\0";

/// What a node asks that has new keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateRequest {
    /// The ed25519 key that the node signed with so far.
    pub old_node_key: [u8; 32],
    /// The one it will sign with.
    pub new_node_key: [u8; 32],
    /// The old key's signature over the prefix `cairn rotate/1`, a zero byte, the hub's TLS key, both
    /// node keys and the new TLS key.
    pub by_old: [u8; 64],
    /// The new key's signature over the same.
    pub by_new: [u8; 64],
}

impl RotateRequest {
    /// Makes the request of the node with the secret seeds `old` and `new`.
    #[must_use]
    pub fn sign(
        old: &[u8; 32],
        new: &[u8; 32],
        hub_tls_key: &[u8; 32],
        new_tls_key: &[u8; 32],
    ) -> Self {
        let (old_node_key, new_node_key) = (node_id(old).0, node_id(new).0);
        let message = proved(hub_tls_key, &old_node_key, &new_node_key, new_tls_key);
        Self {
            old_node_key,
            new_node_key,
            by_old: sign_bytes(old, &message),
            by_new: sign_bytes(new, &message),
        }
    }

    /// Checks that both keys agreed to this hub and to the connection that the request came over;
    /// `client_tls_key` is the key that the link proved.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadProof`], also for a key with which anybody could sign, and where one key would
    /// serve two purposes or take the place of itself.
    pub fn verify(&self, hub_tls_key: &[u8; 32], client_tls_key: &[u8; 32]) -> Result<(), Refusal> {
        let Self { old_node_key, new_node_key, by_old, by_new } = self;
        let keys = [old_node_key, new_node_key, client_tls_key];
        let sound = keys.iter().all(|key| is_sound_key(&NodeId(**key)));
        let distinct = old_node_key != new_node_key
            && new_node_key != client_tls_key
            && old_node_key != client_tls_key;
        let message = proved(hub_tls_key, old_node_key, new_node_key, client_tls_key);
        let holds = sound
            && distinct
            && verify_bytes(old_node_key, &message, by_old)
            && verify_bytes(new_node_key, &message, by_new);
        if holds { Ok(()) } else { Err(Refusal::BadProof) }
    }
}

fn proved(hub_tls: &[u8; 32], old: &[u8; 32], new: &[u8; 32], new_tls: &[u8; 32]) -> Vec<u8> {
    [PROOF_PREFIX, hub_tls, old, new, new_tls].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];

    fn tls(seed: u8) -> [u8; 32] {
        node_id(&[seed; 32]).0
    }

    fn request() -> RotateRequest {
        RotateRequest::sign(&OLD, &NEW, &tls(3), &tls(4))
    }

    #[test]
    fn a_rotation_holds_for_one_hub_and_one_connection_and_needs_both_keys() {
        check(&request(), tls(3), tls(4), Ok(()));
        check(&request(), tls(5), tls(4), Err(Refusal::BadProof));
        check(&request(), tls(3), tls(5), Err(Refusal::BadProof));
        let thief = RotateRequest::sign(&[9; 32], &NEW, &tls(3), &tls(4));
        let of_another = RotateRequest { old_node_key: node_id(&OLD).0, ..thief };
        check(&of_another, tls(3), tls(4), Err(Refusal::BadProof));
        let unasked = RotateRequest { new_node_key: tls(7), ..request() };
        check(&unasked, tls(3), tls(4), Err(Refusal::BadProof));
        let swapped =
            RotateRequest { by_old: request().by_new, by_new: request().by_old, ..request() };
        check(&swapped, tls(3), tls(4), Err(Refusal::BadProof));
    }

    #[test]
    fn a_key_takes_no_place_but_another_ones() {
        let itself = RotateRequest::sign(&OLD, &OLD, &tls(3), &tls(4));
        check(&itself, tls(3), tls(4), Err(Refusal::BadProof));
        let one_key = RotateRequest::sign(&OLD, &NEW, &tls(3), &node_id(&NEW).0);
        check(&one_key, tls(3), node_id(&NEW).0, Err(Refusal::BadProof));
        let weak = {
            let mut neutral = [0; 32];
            neutral[0] = 1;
            let mut signature = [0; 64];
            signature[0] = 1;
            RotateRequest { new_node_key: neutral, by_new: signature, ..request() }
        };
        check(&weak, tls(3), tls(4), Err(Refusal::BadProof));
    }

    #[track_caller]
    fn check(
        request: &RotateRequest,
        hub: [u8; 32],
        client: [u8; 32],
        expected: Result<(), Refusal>,
    ) {
        assert_eq!(request.verify(&hub, &client), expected);
    }
}
