//! How a site gets in: the invitation, the question and its answer, a peer's key.

use directory::{HubAddress, Invitation, JoinRequest, JoinResponse, RotateRequest};
use transport::identity::{decode_spki, encode_spki};

/// The line that a person pastes, and the address in it.
pub(crate) fn invitation(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(invitation) = text.parse::<Invitation>() {
        assert_eq!(invitation.to_string().parse(), Ok(invitation));
    }
    if let Ok(address) = text.parse::<HubAddress>() {
        assert_eq!(address.as_str().parse(), Ok(address.clone()));
        let _ = address.is_loopback();
    }
}

/// The question of a node that wants in, or goes over to new keys, the hub's answer, and keys as TLS shows them.
pub(crate) fn join(bytes: &[u8]) {
    if let Ok(request) = JoinRequest::from_bytes(bytes) {
        assert_eq!(request.to_bytes().as_slice(), bytes);
        let _ = request.verify(&[1; 32], &[2; 32]);
    }
    if let Ok(request) = RotateRequest::from_bytes(bytes) {
        assert_eq!(request.to_bytes().as_slice(), bytes);
        let _ = request.verify(&[1; 32], &[2; 32]);
    }
    if let Ok(response) = JoinResponse::from_bytes(bytes) {
        assert_eq!(response.to_bytes(), bytes);
    }
    if let Ok(key) = decode_spki(bytes) {
        assert_eq!(encode_spki(&key).as_slice(), bytes);
    }
}
