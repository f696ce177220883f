//! The settings of every connection, written out; nothing is left to a library's default that a
//! peer could use against us.
//!
//! TLS 1.3 only, one key exchange, no session tickets, no resumption, no 0-RTT on either side: every
//! connection proves both keys anew. The limits are those of the threat analysis; the library's own
//! would let a peer buffer a hundred times as much.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;

use crate::TlsIdentity;
use crate::delay_target::DelayTargetConfig;
use crate::either_way::EitherWayConfig;
use crate::identity::AfterRestart;
use crate::pinning::{Admission, Gate, NARROW_HINT, PinnedServer, Purpose};
use crate::tcp::RECORD_BYTES_MAX;

/// Bytes a peer may send on one lane before it is read. The ceiling is 256 KiB; a little less, so
/// that the four classes that carry bulk cannot fill [`CONNECTION_WINDOW_BYTES`] and an alert has
/// room when whoever reads the bulk is slow. On loopback a lane is no faster with four times as much
/// (`examples/throughput.rs`); at a round trip of 100 ms it is 2.4 MB/s.
const STREAM_WINDOW_BYTES: u32 = 240 * 1024;

/// What the urgent classes always find free.
const URGENT_WINDOW_BYTES: u32 = 64 * 1024;

const _: () = assert!(4 * STREAM_WINDOW_BYTES + URGENT_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES);

/// Bytes a peer may send on all lanes together before they are read: 1 GiB for 1,000 links.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes sent and not yet acknowledged, wide: what the peer's connection window can hold.
const SEND_WINDOW_WIDE_BYTES: u64 = 1024 * 1024;

/// The same on a narrow link: 2 s at 64 kbit/s. An urgent frame waits for no more than the first
/// acknowledgement among these.
pub(crate) const SEND_WINDOW_NARROW_BYTES: u64 = 16 * 1024;

/// Bidirectional streams a client may have open; joining needs one, a link none.
const BIDIRECTIONAL_STREAMS_MAX: u32 = 4;

/// Unidirectional streams a peer may have open; a link needs one per class.
const UNIDIRECTIONAL_STREAMS_MAX: u32 = 16;

/// A wide link without a sign of life is given up after this.
pub(crate) const IDLE_WIDE: Duration = Duration::from_secs(60);

/// Keeps a wide link's addresses known to routers in between; a quarter of [`IDLE_WIDE`], so that
/// three may be lost. 73 bytes each, both directions together.
pub(crate) const KEEP_ALIVE_WIDE: Duration = Duration::from_secs(15);

/// A narrow link costs money by the byte, so it may be silent for long. The server allows every
/// client this much; the shorter of the two sides' values holds, so the client decides.
pub(crate) const IDLE_NARROW: Duration = Duration::from_secs(600);

/// The round trip assumed before the first is measured: a satellite or a 2G modem. With the usual
/// third of a second the first packets would be sent two or three times.
const FIRST_RTT_NARROW: Duration = Duration::from_secs(1);

/// Largest datagram on any link, the least that QUIC allows. Looking for more costs 11 kB a
/// connection, which is three visits with nothing to say; with 1,450 bytes the headers of a packet
/// would be 4 % of it instead of 5 %.
const DATAGRAM_BYTES: u16 = 1_200;

/// Bytes held for a connection that was not accepted or refused yet: some packets more than the
/// first one.
const INCOMING_BUFFER_BYTES: u64 = 16 * 1024;

/// How many may wait to be accepted or refused. The accept loop decides within microseconds.
const INCOMING_MAX: usize = 256;

/// A name is needed to make a connection; it is neither sent nor checked.
pub(crate) const SERVER_NAME: &str = "cairn";

/// What kind of network lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkProfile {
    /// A line or a good mobile network: long-lived links, kept alive.
    Wide,
    /// A slow or costly link: every byte counts, silence is normal, short queues.
    Narrow,
}

/// The library cannot do what every connection needs.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The TLS library refused the settings.
    #[error("the TLS library refuses our settings")]
    Tls(#[from] rustls::Error),
    /// The TLS library lacks AES-128-GCM, which QUIC's first packets need.
    #[error("the TLS library lacks a cipher")]
    Cipher(#[from] NoInitialCipherSuite),
}

/// The one cryptography provider: TLS 1.3 ciphers and X25519.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = ring::default_provider();
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.kx_groups = vec![ring::kx_group::X25519];
        Arc::new(provider)
    });
    &PROVIDER
}

/// Makes the settings of each incoming connection.
pub(crate) struct Server {
    identity: TlsIdentity,
    admission: Arc<dyn Admission>,
    profile: LinkProfile,
    base: quinn::ServerConfig,
}

impl Server {
    pub(crate) fn new(
        identity: &TlsIdentity,
        admission: Arc<dyn Admission>,
        profile: LinkProfile,
    ) -> Result<Self, ConfigError> {
        let gate = Arc::new(Gate::new(identity.certified(), Arc::clone(&admission)));
        let crypto = QuicServerConfig::try_from(server_tls(&gate)?)?;
        let mut base = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        base.transport_config(Arc::new(server_transport(profile)))
            .migration(true)
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BUFFER_BYTES)
            .incoming_buffer_size_total(INCOMING_BUFFER_BYTES * INCOMING_MAX as u64);
        Ok(Self { identity: identity.clone(), admission, profile, base })
    }

    /// What the endpoint answers first packets with; connections themselves are accepted with
    /// [`fresh`](Self::fresh).
    pub(crate) fn base(&self) -> quinn::ServerConfig {
        self.base.clone()
    }

    /// The settings of one connection, with a gate of its own.
    pub(crate) fn fresh(&self) -> Result<(Arc<quinn::ServerConfig>, Arc<Gate>), ConfigError> {
        let gate = Arc::new(Gate::new(self.identity.certified(), Arc::clone(&self.admission)));
        let mut config = self.base.clone();
        config.crypto = Arc::new(QuicServerConfig::try_from(server_tls(&gate)?)?);
        if self.profile == LinkProfile::Wide {
            let either_way = EitherWayConfig { narrow: Arc::clone(gate.narrow()) };
            let mut transport = server_transport(self.profile);
            transport.congestion_controller_factory(Arc::new(either_way));
            config.transport_config(Arc::new(transport));
        }
        Ok((Arc::new(config), gate))
    }

    /// The same for a connection over TCP.
    pub(crate) fn fresh_tls(&self) -> Result<(Arc<rustls::ServerConfig>, Arc<Gate>), ConfigError> {
        let gate = Arc::new(Gate::new(self.identity.certified(), Arc::clone(&self.admission)));
        let mut config = server_tls(&gate)?;
        config.max_fragment_size = Some(RECORD_BYTES_MAX);
        Ok((Arc::new(config), gate))
    }

    pub(crate) fn admission(&self) -> &dyn Admission {
        self.admission.as_ref()
    }
}

/// The settings of one outgoing connection.
pub(crate) fn client(
    identity: &TlsIdentity,
    server: Arc<PinnedServer>,
    purpose: Purpose,
    profile: LinkProfile,
    transport: Arc<TransportConfig>,
) -> Result<quinn::ClientConfig, ConfigError> {
    let crypto = QuicClientConfig::try_from(client_tls(identity, server, purpose, profile)?)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport);
    Ok(config)
}

/// The settings of one outgoing connection over TCP.
pub(crate) fn client_over_tcp(
    identity: &TlsIdentity,
    server: Arc<PinnedServer>,
    purpose: Purpose,
    profile: LinkProfile,
) -> Result<rustls::ClientConfig, ConfigError> {
    let mut config = client_tls(identity, server, purpose, profile)?;
    config.max_fragment_size = Some(RECORD_BYTES_MAX);
    Ok(config)
}

fn server_tls(gate: &Arc<Gate>) -> Result<rustls::ServerConfig, ConfigError> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::clone(gate) as _)
        .with_cert_resolver(Arc::clone(gate) as _);
    config.alpn_protocols = [Purpose::Sync, Purpose::Join].map(|it| it.alpn().to_vec()).to_vec();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

fn client_tls(
    identity: &TlsIdentity,
    server: Arc<PinnedServer>,
    purpose: Purpose,
    profile: LinkProfile,
) -> Result<rustls::ClientConfig, ConfigError> {
    let resolver = AlwaysResolvesClientRawPublicKeys::new(identity.certified());
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(server)
        .with_client_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![purpose.alpn().to_vec()];
    if (purpose, profile) == (Purpose::Sync, LinkProfile::Narrow) {
        config.alpn_protocols.push(NARROW_HINT.to_vec());
    }
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    Ok(config)
}

/// Settings of an endpoint that dials: it draws what it needs anew at every start.
pub(crate) fn dialing_endpoint() -> EndpointConfig {
    endpoint(EndpointConfig::default())
}

/// Settings of an endpoint that listens. One that was killed and started again answers packets of
/// the connections it lost with a reset that their clients believe: they dial again at once. Without
/// it a clinic would notice after its idle time, and an alert would wait for a minute, on a narrow
/// link for ten.
pub(crate) fn listening_endpoint(identity: &TlsIdentity) -> EndpointConfig {
    let AfterRestart { reset_key, connection_ids } = identity.after_restart().clone();
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(connection_ids)));
    endpoint(config)
}

fn endpoint(mut config: EndpointConfig) -> EndpointConfig {
    // Tells the other side not to look for more either.
    let accepted = config.max_udp_payload_size(DATAGRAM_BYTES);
    debug_assert!(accepted.is_ok(), "1,200 is the least that QUIC allows");
    config
}

pub(crate) fn server_transport(profile: LinkProfile) -> TransportConfig {
    let mut config = transport(profile);
    config
        .max_concurrent_bidi_streams(BIDIRECTIONAL_STREAMS_MAX.into())
        .max_idle_timeout(Some(idle(IDLE_NARROW)));
    config
}

pub(crate) fn client_transport(profile: LinkProfile) -> TransportConfig {
    let mut config = transport(profile);
    config.max_concurrent_bidi_streams(0_u32.into());
    match profile {
        LinkProfile::Wide => config
            .max_idle_timeout(Some(idle(IDLE_WIDE)))
            .keep_alive_interval(Some(KEEP_ALIVE_WIDE)),
        LinkProfile::Narrow => {
            config.max_idle_timeout(Some(idle(IDLE_NARROW))).keep_alive_interval(None)
        }
    };
    config
}

fn transport(profile: LinkProfile) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_uni_streams(UNIDIRECTIONAL_STREAMS_MAX.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(CONNECTION_WINDOW_BYTES.into())
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None)
        .allow_spin(false);
    match profile {
        LinkProfile::Wide => config.send_window(SEND_WINDOW_WIDE_BYTES),
        LinkProfile::Narrow => config
            .send_window(SEND_WINDOW_NARROW_BYTES)
            .initial_rtt(FIRST_RTT_NARROW)
            .congestion_controller_factory(Arc::new(DelayTargetConfig)),
    };
    config
}

/// Milliseconds in 32 bits hold 49 days.
fn idle(time: Duration) -> IdleTimeout {
    VarInt::from_u32(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Admission for Nobody {
        fn is_enrolled(&self, _key: &[u8; 32]) -> bool {
            false
        }
    }

    fn gate(identity: &TlsIdentity) -> Arc<Gate> {
        Arc::new(Gate::new(identity.certified(), Arc::new(Nobody)))
    }

    #[test]
    fn invariant_22_nothing_is_sent_or_taken_before_both_keys_are_proved() {
        let identity = TlsIdentity::from_seed(&[1; 32]).unwrap();
        let server = server_tls(&gate(&identity)).unwrap();
        assert_eq!(server.max_early_data_size, 0);
        assert_eq!(server.send_tls13_tickets, 0);
        assert!(!server.send_half_rtt_data);
        assert!(!server.session_storage.can_cache());
        assert!(!server.ticketer.enabled());

        let pinned = Arc::new(PinnedServer::new(identity.public_key()));
        let client = client_tls(&identity, pinned, Purpose::Sync, LinkProfile::Wide).unwrap();
        assert!(!client.enable_early_data);
        assert!(!client.enable_sni);
        assert_eq!(client.alpn_protocols, [Purpose::Sync.alpn().to_vec()]);
    }

    #[test]
    fn an_older_tls_is_refused() {
        let identity = TlsIdentity::from_seed(&[1; 32]).unwrap();
        let config = Arc::new(server_tls(&gate(&identity)).unwrap());
        let mut server = rustls::ServerConnection::new(config).unwrap();
        // A ClientHello of TLS 1.2: no extension names a newer version.
        let mut hello = vec![0x03, 0x03];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0x13, 0x01, 1, 0, 0, 0]);
        let length = u8::try_from(hello.len()).unwrap();
        let mut record = vec![0x16, 0x03, 0x01, 0, length + 4, 0x01, 0, 0, length];
        record.extend(hello);
        server.read_tls(&mut record.as_slice()).unwrap();
        let error = server.process_new_packets().unwrap_err();
        assert!(matches!(error, rustls::Error::PeerIncompatible(_)), "{error:?}");
    }

    #[test]
    fn the_limits_are_those_of_the_threat_analysis() {
        for profile in [LinkProfile::Wide, LinkProfile::Narrow] {
            let server = format!("{:?}", server_transport(profile));
            expect(&server, "max_concurrent_bidi_streams: 4,");
            expect(&server, "max_concurrent_uni_streams: 16,");
            expect(&server, "stream_receive_window: 245760,");
            expect(&server, " receive_window: 1048576,");
            expect(&server, "datagram_receive_buffer_size: None,");
            expect(&server, "keep_alive_interval: None,");
            let client = format!("{:?}", client_transport(profile));
            expect(&client, "max_concurrent_bidi_streams: 0,");
            expect(&client, "stream_receive_window: 245760,");
            expect(&client, " receive_window: 1048576,");
            expect(&server, "mtu_discovery_config: None,");
            expect(&client, "mtu_discovery_config: None,");
        }
        let wide = format!("{:?}", client_transport(LinkProfile::Wide));
        expect(&wide, "max_idle_timeout: Some(60000),");
        expect(&wide, "keep_alive_interval: Some(15s),");
        let narrow = format!("{:?}", client_transport(LinkProfile::Narrow));
        expect(&narrow, "max_idle_timeout: Some(600000),");
        expect(&narrow, "keep_alive_interval: None,");
        expect(&narrow, "initial_rtt: 1s,");
        expect(&narrow, "send_window: 16384,");
        assert_eq!(dialing_endpoint().get_max_udp_payload_size(), 1_200);
    }

    #[track_caller]
    fn expect(settings: &str, setting: &str) {
        assert!(settings.contains(setting), "{setting} not in {settings}");
    }
}
