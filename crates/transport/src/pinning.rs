//! Who may be at the other end: the checks inside the TLS handshake.
//!
//! A server lets an enrolled key in for [`Purpose::Sync`] and any key for [`Purpose::Join`]. The
//! verifier that rustls calls is not told what the connection is for, so every incoming connection
//! gets a `Gate` of its own: as certificate resolver it sees the protocols the client offers, and
//! as verifier it remembers them. A key that is not enrolled thus fails inside the handshake, before
//! a byte of its data is read. Only an offer of exactly the join protocol counts as joining; anything
//! else needs an enrolled key. The listener compares the purpose with the protocol that was agreed
//! and asks the [`Admission`] once more after the connection can be cut.
//!
//! The client accepts exactly one server key.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};
use subtle::ConstantTimeEq;

use crate::config::provider;
use crate::identity::{KEY_BYTES, SPKI_BYTES, decode_spki, encode_spki};

/// Knows the keys that may synchronise.
///
/// Called inside the handshake and once more after it, so it answers from memory, and from what is
/// true now: a key revoked a moment ago is not enrolled.
pub trait Admission: Send + Sync {
    /// Whether `key` is enrolled and not revoked.
    fn is_enrolled(&self, key: &[u8; KEY_BYTES]) -> bool;
}

/// What a connection is for; told by its application protocol (ALPN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Frames on lanes between nodes that know each other.
    Sync,
    /// One request and one answer, from a key that need not be known.
    Join,
}

impl Purpose {
    /// The protocol's name; its number rises with an incompatible change.
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Sync => b"cairn-sync/1",
            Self::Join => b"cairn-join/1",
        }
    }

    /// The purpose of a protocol name.
    #[must_use]
    pub fn from_alpn(alpn: &[u8]) -> Option<Self> {
        [Self::Sync, Self::Join].into_iter().find(|purpose| purpose.alpn() == alpn)
    }
}

/// Offered beside [`Purpose::Sync`] by a client whose link is narrow; never agreed on. It costs no
/// byte, for the first packet is filled up anyway, and the server needs to know before it sends.
pub(crate) const NARROW_HINT: &[u8] = b"narrow";

/// The server's checks for one incoming connection.
pub(crate) struct Gate {
    identity: Arc<CertifiedKey>,
    admission: Arc<dyn Admission>,
    purpose: OnceLock<Purpose>,
    narrow: Arc<AtomicBool>,
}

impl Gate {
    /// A gate for one connection; a second connection needs a second gate.
    pub(crate) fn new(identity: Arc<CertifiedKey>, admission: Arc<dyn Admission>) -> Self {
        Self { identity, admission, purpose: OnceLock::new(), narrow: Arc::default() }
    }

    /// What the client asked for in its first message; `None` before that arrived.
    pub(crate) fn purpose(&self) -> Option<Purpose> {
        self.purpose.get().copied()
    }

    /// Set once the client has said that its link is narrow.
    pub(crate) fn narrow(&self) -> &Arc<AtomicBool> {
        &self.narrow
    }

    fn verify(&self, spki: &[u8]) -> Result<(), Error> {
        let key = decode_spki(spki)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.purpose() == Some(Purpose::Join) || self.admission.is_enrolled(&key) {
            Ok(())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }
}

impl ResolvesServerCert for Gate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let joins = hello.alpn().is_some_and(|offered| offered.eq([Purpose::Join.alpn()]));
        let purpose = if joins { Purpose::Join } else { Purpose::Sync };
        if hello.alpn().is_some_and(|mut offered| offered.any(|name| name == NARROW_HINT)) {
            self.narrow.store(true, Ordering::Relaxed);
        }
        // A client that is asked to begin again may not change its mind about what it wants.
        (*self.purpose.get_or_init(|| purpose) == purpose).then(|| Arc::clone(&self.identity))
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Gate {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        refuse_chain(intermediates)?;
        self.verify(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// The client's check: the server holds exactly this key.
#[derive(Debug)]
pub(crate) struct PinnedServer {
    spki: [u8; SPKI_BYTES],
    refused: AtomicBool,
}

impl PinnedServer {
    /// Accepts the server that proves `key`, for one connection.
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self { spki: encode_spki(key), refused: AtomicBool::new(false) }
    }

    /// Whether a server showed another key.
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        refuse_chain(intermediates)?;
        if bool::from(self.spki.ct_eq(end_entity)) {
            return Ok(ServerCertVerified::assertion());
        }
        self.refused.store(true, Ordering::Relaxed);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// A raw key stands alone; anything beside it is somebody trying something.
fn refuse_chain(intermediates: &[CertificateDer<'_>]) -> Result<(), Error> {
    if intermediates.is_empty() {
        Ok(())
    } else {
        Err(Error::InvalidCertificate(CertificateError::BadEncoding))
    }
}

fn verify_signature(
    message: &[u8],
    cert: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
    let algorithms = &provider().signature_verification_algorithms;
    verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TlsIdentity;

    struct Only([u8; 32]);

    impl Admission for Only {
        fn is_enrolled(&self, key: &[u8; 32]) -> bool {
            *key == self.0
        }
    }

    fn identity(seed: u8) -> TlsIdentity {
        TlsIdentity::from_seed(&[seed; 32]).unwrap()
    }

    #[test]
    fn a_sync_connection_needs_an_enrolled_key_and_a_join_connection_any_key() {
        check(Some(Purpose::Sync), 2, true);
        check(Some(Purpose::Sync), 3, false);
        check(None, 3, false);
        check(Some(Purpose::Join), 3, true);
    }

    #[track_caller]
    fn check(purpose: Option<Purpose>, client: u8, expected: bool) {
        let admission = Arc::new(Only(*identity(2).public_key()));
        let gate = Gate::new(identity(1).certified(), admission);
        if let Some(purpose) = purpose {
            gate.purpose.set(purpose).unwrap();
        }
        let spki = encode_spki(identity(client).public_key());
        assert_eq!(gate.verify(&spki).is_ok(), expected);
    }

    #[test]
    fn joining_does_not_excuse_a_key_that_proves_nothing() {
        let gate = Gate::new(identity(1).certified(), Arc::new(Only([0; 32])));
        gate.purpose.set(Purpose::Join).unwrap();
        assert!(gate.verify(&encode_spki(&[0; 32])).is_err());
        assert!(gate.verify(&[0; 44]).is_err());
    }

    #[test]
    fn a_client_knows_one_server() {
        let pinned = PinnedServer::new(identity(1).public_key());
        let name = ServerName::try_from("hub").unwrap();
        let show = |spki: &[u8]| {
            let cert = CertificateDer::from(spki.to_vec());
            pinned.verify_server_cert(
                &cert,
                &[],
                &name,
                &[],
                UnixTime::since_unix_epoch(std::time::Duration::ZERO),
            )
        };
        assert!(show(&encode_spki(identity(1).public_key())).is_ok());
        assert!(!pinned.refused());
        assert!(show(&encode_spki(identity(2).public_key())).is_err());
        assert!(pinned.refused());
        assert!(show(&[]).is_err());
    }

    #[test]
    fn the_two_protocols_are_told_apart() {
        for purpose in [Purpose::Sync, Purpose::Join] {
            assert_eq!(Purpose::from_alpn(purpose.alpn()), Some(purpose));
        }
        assert_eq!(Purpose::from_alpn(b"h3"), None);
    }
}
