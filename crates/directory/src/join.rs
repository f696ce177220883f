//! The one question and the one answer by which a node joins.
//!
//! The node proves its signing key by a signature and its TLS key by the connection itself. What it
//! signs names both and the hub, so that a request overheard by one hub is of no use at another, nor
//! to anybody who connects with another key.

use sync_protocol::NodeId;
use sync_protocol::signature::{is_sound_key, node_id, sign_bytes, verify_bytes};

use crate::{NodeCertificate, Refusal, Token};

mod wire;

pub use wire::{BadMessage, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};

/// Set apart from other things that a node signs.
const PROOF_PREFIX: &[u8] = b"cairn join/1\0";

/// What a node asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// From the invitation.
    pub token: Token,
    /// The ed25519 key that the node will sign its entries with.
    pub node_key: [u8; 32],
    /// Its signature over the prefix `cairn join/1`, a zero byte, the token, the hub's TLS key and
    /// the node's own TLS key.
    pub signature: [u8; 64],
}

/// What the hub answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinResponse {
    /// The node stands for a site from now on.
    Accepted(Joined),
    /// It does not, and its site's person is told why.
    Refused(Refusal),
}

/// What a node knows once it has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The key that the hub signs its own entries with, certificates among them.
    pub hub_node_key: [u8; 32],
    /// The node's own certificate, with its site's id and name. It arrives once more as a signed
    /// entry.
    pub certificate: NodeCertificate,
}

/// The hub let in somebody else: the answer is not to this node's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub answered with a certificate for other keys")]
pub struct NotOurs;

impl JoinRequest {
    /// Makes the request of the node with this signing key, given as its secret seed.
    #[must_use]
    pub fn sign(
        token: Token,
        node_seed: &[u8; 32],
        hub_tls_key: &[u8; 32],
        own_tls_key: &[u8; 32],
    ) -> Self {
        let signature = sign_bytes(node_seed, &proved(&token, hub_tls_key, own_tls_key));
        Self { token, node_key: node_id(node_seed).0, signature }
    }

    /// Checks that the node owns the key it names, meant this hub, and made the connection that the
    /// request came over; `client_tls_key` is the key that the link proved.
    ///
    /// # Errors
    ///
    /// [`Refusal::BadProof`], also for a key with which anybody could sign, and for one key that
    /// serves both purposes.
    pub fn verify(&self, hub_tls_key: &[u8; 32], client_tls_key: &[u8; 32]) -> Result<(), Refusal> {
        let is_sound = |key: &[u8; 32]| is_sound_key(&NodeId(*key));
        let message = proved(&self.token, hub_tls_key, client_tls_key);
        let holds = self.node_key != *client_tls_key
            && is_sound(&self.node_key)
            && is_sound(client_tls_key)
            && verify_bytes(&self.node_key, &message, &self.signature);
        if holds { Ok(()) } else { Err(Refusal::BadProof) }
    }
}

fn proved(token: &Token, hub_tls_key: &[u8; 32], client_tls_key: &[u8; 32]) -> Vec<u8> {
    [PROOF_PREFIX, token.bytes(), hub_tls_key, client_tls_key].concat()
}

impl Joined {
    /// Checks that the certificate is for the node with these keys.
    ///
    /// # Errors
    ///
    /// [`NotOurs`].
    pub fn check(&self, node_key: &[u8; 32], tls_key: &[u8; 32]) -> Result<(), NotOurs> {
        let is_ours =
            self.certificate.node_key == *node_key && self.certificate.tls_key == *tls_key;
        if is_ours { Ok(()) } else { Err(NotOurs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: [u8; 32] = [1; 32];

    fn tls(seed: u8) -> [u8; 32] {
        node_id(&[seed; 32]).0
    }

    fn request() -> JoinRequest {
        JoinRequest::sign(Token::new([5; 16]), &NODE, &tls(2), &tls(3))
    }

    #[test]
    fn a_proof_holds_for_one_hub_and_one_connection() {
        check(&request(), tls(2), tls(3), Ok(()));
        check(&request(), tls(3), tls(2), Err(Refusal::BadProof));
        check(&request(), tls(4), tls(3), Err(Refusal::BadProof));
        check(&request(), tls(2), tls(4), Err(Refusal::BadProof));
    }

    #[test]
    fn a_proof_holds_for_one_token_and_one_key() {
        let token = Token::new([6; 16]);
        check(&JoinRequest { token, ..request() }, tls(2), tls(3), Err(Refusal::BadProof));
        let node_key = tls(9);
        check(&JoinRequest { node_key, ..request() }, tls(2), tls(3), Err(Refusal::BadProof));
        let mut signature = request().signature;
        signature[0] ^= 1;
        check(&JoinRequest { signature, ..request() }, tls(2), tls(3), Err(Refusal::BadProof));
    }

    #[test]
    fn a_key_that_proves_nothing_is_not_let_in() {
        // The neutral point: its all-zero signature verifies every message where rules are lax.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let weak = JoinRequest { node_key: neutral, signature, ..request() };
        check(&weak, tls(2), tls(3), Err(Refusal::BadProof));
        let token = Token::new([5; 16]);
        let weak = JoinRequest::sign(token.clone(), &NODE, &tls(2), &neutral);
        check(&weak, tls(2), neutral, Err(Refusal::BadProof));
        let one_key = JoinRequest::sign(token, &NODE, &tls(2), &node_id(&NODE).0);
        check(&one_key, tls(2), node_id(&NODE).0, Err(Refusal::BadProof));
    }

    #[track_caller]
    fn check(
        request: &JoinRequest,
        hub: [u8; 32],
        client: [u8; 32],
        expected: Result<(), Refusal>,
    ) {
        assert_eq!(request.verify(&hub, &client), expected);
    }

    #[test]
    fn an_answer_for_other_keys_is_noticed() {
        let certificate = NodeCertificate {
            site: vocab::SiteId::from_bytes([1; 16]),
            site_name: "north".parse().unwrap(),
            node_key: [2; 32],
            tls_key: [3; 32],
            issued_at: vocab::Timestamp::default(),
            succeeds: None,
        };
        let joined = Joined { hub_node_key: [4; 32], certificate };
        assert_eq!(joined.check(&[2; 32], &[3; 32]), Ok(()));
        assert_eq!(joined.check(&[2; 32], &[4; 32]), Err(NotOurs));
        assert_eq!(joined.check(&[4; 32], &[3; 32]), Err(NotOurs));
    }
}
