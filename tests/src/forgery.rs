//! A signature that a check of one refuses and a check of many at once takes.
//!
//! Whoever has the key may add a point of small order to one half of a signature. A check that first
//! multiplies by eight, as checks of many signatures at once do, does not see it; one that compares as
//! it stands does. Nodes that checked differently would disagree about which entries exist.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha512};
use sync_protocol::message::{Frame, Full, WirePayload};
use sync_protocol::{
    ChainKey, EntryId, Epoch, Flags, Header, NodeId, SeqNo, StreamId, canonical, commitment,
};

/// Where in the order of its epoch the entry is said to stand: far behind everything.
const OSEQ: u64 = 1_000_000;

/// A frame with one such entry of the node whose secret `seed` is, the first of a new stream.
pub(crate) fn frame(seed: &[u8; 32], node: NodeId, epoch: Epoch, stream: StreamId) -> Vec<u8> {
    let key = ChainKey([1; 32]);
    let payload = vec![0; 40];
    let mut header = Header {
        origin: node,
        epoch,
        stream,
        sseq: SeqNo(1),
        sprev: EntryId::NONE,
        hlc: sync_protocol::hlc::Hlc::default(),
        kind: 900,
        schema: 1,
        actor: [0; 16],
        flags: Flags::default(),
        payload_len: 40,
        commitment: [0; 32],
    };
    header.commitment = commitment::commit(&header, &key, &payload).unwrap_or_default();
    let bytes = canonical::encode(&header);
    let message = [canonical::SIGNING_PREFIX.as_slice(), &bytes].concat();
    let full = Full {
        oseq: OSEQ,
        header: bytes.to_vec(),
        signature: sign(seed, &node, &message),
        key,
        payload: WirePayload::Present(payload),
    };
    Frame::encode(0, 0, &full.into())
}

fn sign(seed: &[u8; 32], node: &NodeId, message: &[u8]) -> [u8; 64] {
    let hash: [u8; 64] = Sha512::digest(seed).into();
    let (mut low, mut high) = ([0; 32], [0; 32]);
    low.copy_from_slice(&hash[..32]);
    high.copy_from_slice(&hash[32..]);
    let secret = Scalar::from_bytes_mod_order(curve25519_dalek::scalar::clamp_integer(low));
    let scalar = |digest: Sha512| Scalar::from_bytes_mod_order_wide(&digest.finalize().into());
    let nonce = scalar(Sha512::new().chain_update(high).chain_update(message));
    let point = EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[1];
    let r = point.compress().to_bytes();
    let hash = Sha512::new().chain_update(r).chain_update(node.0).chain_update(message);
    let s = nonce + scalar(hash) * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s.to_bytes());
    signature
}

#[cfg(test)]
mod tests {
    use sync_protocol::signature::{node_id, verify_bytes};

    use super::*;

    #[test]
    fn it_is_refused_as_it_stands_and_only_for_its_small_part() {
        let (seed, message) = ([5; 32], b"what is signed");
        let node = node_id(&seed);
        let signature = sign(&seed, &node, message);
        assert!(!verify_bytes(&node.0, message, &signature));
        let read = |bytes: &[u8]| {
            let bytes = bytes.try_into().unwrap();
            curve25519_dalek::edwards::CompressedEdwardsY(bytes).decompress().unwrap()
        };
        let hash =
            Sha512::new().chain_update(&signature[..32]).chain_update(node.0).chain_update(message);
        let hash = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let s = Scalar::from_bytes_mod_order(signature[32..].try_into().unwrap());
        let rest = EdwardsPoint::mul_base(&s) - hash * read(&node.0) - read(&signature[..32]);
        assert_ne!(rest, EdwardsPoint::default());
        assert_eq!(rest.mul_by_cofactor(), EdwardsPoint::default());
    }
}
