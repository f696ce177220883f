//! A hub's listener, nodes with keys, and clients that do not keep to the rules.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::rustls;
use quinn::{Connection, Endpoint};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transport::dialer::DialError;
use transport::{
    Admission, Dialer, Incoming, JoinRequest, Link, LinkProfile, Listener, Road, TcpDoor,
    TlsIdentity,
};

/// What must hold over QUIC must hold over TCP.
pub(crate) const ROADS: [Road; 2] = [Road::Udp, Road::Tcp];

/// Ten times what a loaded machine of two cores needs; a test that waits so long has failed. Only whether
/// something happens is judged by it, never how soon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const HUB: u8 = 1;
pub(crate) const ENROLLED: u8 = 2;
pub(crate) const STRANGER: u8 = 3;

/// Waits for `future`, not for ever.
#[track_caller]
pub(crate) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("nothing happened at {caller}"),
        }
    }
}

pub(crate) fn identity(seed: u8) -> TlsIdentity {
    TlsIdentity::from_seed(&[seed; 32]).unwrap()
}

pub(crate) fn key(seed: u8) -> [u8; 32] {
    *identity(seed).public_key()
}

/// The keys a hub knows.
#[derive(Default)]
pub(crate) struct Book(Mutex<BTreeSet<[u8; 32]>>);

impl Book {
    pub(crate) fn enrol(&self, key: [u8; 32]) {
        self.0.lock().unwrap().insert(key);
    }

    pub(crate) fn revoke(&self, key: &[u8; 32]) {
        self.0.lock().unwrap().remove(key);
    }
}

impl Admission for Book {
    fn is_enrolled(&self, key: &[u8; 32]) -> bool {
        self.0.lock().unwrap().contains(key)
    }
}

/// A hub that knows [`ENROLLED`].
pub(crate) struct Hub {
    pub(crate) listener: Listener,
    pub(crate) key: [u8; 32],
    pub(crate) book: Arc<Book>,
}

impl Hub {
    pub(crate) fn start() -> Self {
        let book = Arc::new(Book::default());
        book.enrol(key(ENROLLED));
        let listener = listen(Arc::clone(&book) as _);
        Self { listener, key: key(HUB), book }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    pub(crate) async fn link(&self) -> Link {
        match within(self.listener.accept()).await {
            Some(Incoming::Sync(link)) => link,
            other => panic!("not a link: {other:?}"),
        }
    }

    pub(crate) async fn request(&self) -> JoinRequest {
        match within(self.listener.accept()).await {
            Some(Incoming::Join(request)) => request,
            other => panic!("not a request to join: {other:?}"),
        }
    }

    /// Waits until the listener has refused `count` newcomers.
    pub(crate) async fn has_refused(&self, count: u64) {
        within(async {
            while self.listener.counts().refused < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// The hub's listener with any admission.
pub(crate) fn listen(admission: Arc<dyn Admission>) -> Listener {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let identity = identity(HUB);
    Listener::bind_both(address, TcpDoor::Same, &identity, admission, LinkProfile::Wide).unwrap()
}

pub(crate) fn dialer(seed: u8) -> Dialer {
    Dialer::new(&identity(seed), LinkProfile::Wide).unwrap()
}

/// A link by one road, whatever the other one does.
pub(crate) async fn connect(
    dialer: &Dialer,
    address: SocketAddr,
    server_key: &[u8; 32],
    road: Road,
) -> Result<Link, DialError> {
    match road {
        Road::Udp => within(dialer.connect(address, server_key)).await,
        Road::Tcp => within(dialer.connect_over_tcp(address, server_key)).await,
    }
}

/// A request to join by one road.
pub(crate) async fn join(
    dialer: &Dialer,
    address: SocketAddr,
    server_key: &[u8; 32],
    request: &[u8],
    road: Road,
) -> Result<Vec<u8>, DialError> {
    match road {
        Road::Udp => within(dialer.join(address, server_key, request)).await,
        Road::Tcp => within(dialer.join_over_tcp(address, server_key, request)).await,
    }
}

/// A dialer, its link, and the hub's end of it.
pub(crate) async fn pair(hub: &Hub) -> (Dialer, Link, Link) {
    pair_by(hub, Road::Udp).await
}

/// The same by either road.
pub(crate) async fn pair_by(hub: &Hub, road: Road) -> (Dialer, Link, Link) {
    let dialer = dialer(ENROLLED);
    let (link, accepted) =
        tokio::join!(connect(&dialer, hub.address(), &hub.key, road), hub.link());
    let link = link.unwrap();
    assert_eq!((link.road(), accepted.road()), (road, road));
    (dialer, link, accepted)
}

/// What a client that is not ours shows of itself.
pub(crate) enum Shown {
    Nothing,
    RawKey(u8),
    /// An X.509 certificate, declared as one.
    X509,
    /// An X.509 certificate where a raw key was agreed.
    X509AsRawKey,
}

/// Connects with a bare QUIC client; the connection may still be refused afterwards.
pub(crate) async fn bare(
    hub: SocketAddr,
    shown: Shown,
    protocols: &[&[u8]],
) -> Result<(Endpoint, Connection), quinn::ConnectionError> {
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let tls = QuicClientConfig::try_from(bare_config(shown, protocols)).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
    let connection = within(endpoint.connect(hub, "hub").unwrap()).await?;
    Ok((endpoint, connection))
}

/// Connects with a bare TLS client over TCP; the connection may still be refused afterwards.
pub(crate) async fn bare_tcp(
    hub: SocketAddr,
    shown: Shown,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = Arc::new(bare_config(shown, protocols));
    let stream = TcpStream::connect(hub).await.unwrap();
    let name = "hub".try_into().unwrap();
    within(TlsConnector::from(config).connect(name, stream)).await
}

/// Settings that take every shortcut the server allows.
pub(crate) fn bare_config(shown: Shown, protocols: &[&[u8]]) -> rustls::ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let mut tls = match shown {
        Shown::Nothing => builder.with_client_cert_resolver(Arc::new(Shows(None, true))),
        Shown::RawKey(seed) => {
            let spki = transport::identity::encode_spki(&key(seed)).to_vec();
            builder.with_client_cert_resolver(Arc::new(Shows(Some(certified(spki, seed)), true)))
        }
        Shown::X509 => {
            let shows = Shows(Some(certified(x509(), STRANGER)), false);
            builder.with_client_cert_resolver(Arc::new(shows))
        }
        Shown::X509AsRawKey => {
            let shows = Shows(Some(certified(x509(), STRANGER)), true);
            builder.with_client_cert_resolver(Arc::new(shows))
        }
    };
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    tls.enable_early_data = true;
    tls
}

/// A client that keeps no rule but knows the enrolled key.
pub(crate) async fn enrolled_rogue(hub: &Hub) -> (Endpoint, Connection) {
    bare(hub.address(), Shown::RawKey(ENROLLED), &[b"cairn-sync/1"]).await.unwrap()
}

/// The number the hub closed `connection` with.
pub(crate) async fn closed_with(connection: &Connection) -> u32 {
    match within(connection.closed()).await {
        quinn::ConnectionError::ApplicationClosed(close) => {
            u32::try_from(u64::from(close.error_code)).unwrap()
        }
        other => panic!("{other}"),
    }
}

/// A self-signed certificate of the key that the seed of [`STRANGER`] gives.
fn x509() -> Vec<u8> {
    include_bytes!("stranger.der").to_vec()
}

fn certified(shown: Vec<u8>, seed: u8) -> Arc<rustls::sign::CertifiedKey> {
    let pkcs8 = [
        &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..],
        &[seed; 32],
    ]
    .concat();
    let signing = ring::sign::any_eddsa_type(&pkcs8.as_slice().into()).unwrap();
    Arc::new(rustls::sign::CertifiedKey::new(vec![CertificateDer::from(shown)], signing))
}

/// What to show, and whether to call it a raw key.
#[derive(Debug)]
struct Shows(Option<Arc<rustls::sign::CertifiedKey>>, bool);

impl rustls::client::ResolvesClientCert for Shows {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }

    fn only_raw_public_keys(&self) -> bool {
        self.1
    }
}

#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
