//! Where a hub is reached.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Longest address in bytes: leaves 122 for a host name, three times the longest that clinics use,
/// and keeps the invitation's QR code readable for a phone.
pub const ADDRESS_BYTES_MAX: usize = 128;

/// Longest part of a host name between two dots. Source: RFC 1035, 2.3.4.
const LABEL_BYTES_MAX: usize = 63;

/// A host and a UDP port: `192.0.2.7:4433`, `[2001:db8::7]:4433` or `hub.example.org:4433`.
///
/// There is one text for each: numbers as the standard library prints them, names in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubAddress(String);

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// More than [`ADDRESS_BYTES_MAX`].
    #[error("an address has at most {ADDRESS_BYTES_MAX} characters")]
    Length,
    /// No port, or one outside 1 to 65535.
    #[error("an address ends with a port from 1 to 65535, such as :4433")]
    Port,
    /// Neither an IP address nor a host name.
    #[error("an address begins with a host name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    /// An IP address that names no machine, or names one only on the machine it was written on:
    /// `0.0.0.0`, multicast, a zone such as `%eth0`.
    #[error("no other machine can reach this IP address")]
    Unreachable,
}

impl HubAddress {
    /// The text, which the standard library resolves as it is.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only programs on the hub's own machine can reach it there.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.0.parse::<SocketAddr>().is_ok_and(|socket| socket.ip().to_canonical().is_loopback())
            || self.0.starts_with("localhost:")
    }
}

impl FromStr for HubAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(BadAddress::Length);
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return from_socket(socket);
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadAddress::Port)?;
        let port = port_number(port).ok_or(BadAddress::Port)?;
        if host.contains('%') {
            return Err(BadAddress::Unreachable);
        }
        if !is_host_name(host) {
            return Err(BadAddress::Host);
        }
        within_bounds(format!("{}:{port}", host.to_ascii_lowercase()))
    }
}

impl TryFrom<SocketAddr> for HubAddress {
    type Error = BadAddress;

    fn try_from(socket: SocketAddr) -> Result<Self, BadAddress> {
        from_socket(socket)
    }
}

fn from_socket(socket: SocketAddr) -> Result<HubAddress, BadAddress> {
    if socket.port() == 0 {
        return Err(BadAddress::Port);
    }
    let has_zone = matches!(socket, SocketAddr::V6(v6) if v6.scope_id() != 0);
    if has_zone || is_nowhere(socket.ip()) {
        return Err(BadAddress::Unreachable);
    }
    // Made anew, so that the flow label of an IPv6 address, which a socket may hold, is left out.
    within_bounds(SocketAddr::new(socket.ip(), socket.port()).to_string())
}

fn is_nowhere(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::from([255, 255, 255, 255])
}

/// A text of the greatest length may grow when it is put into its one form.
fn within_bounds(text: String) -> Result<HubAddress, BadAddress> {
    if text.len() > ADDRESS_BYTES_MAX { Err(BadAddress::Length) } else { Ok(HubAddress(text)) }
}

fn port_number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 5;
    text.parse().ok().filter(|port| is_plain && *port != 0)
}

/// Letters, digits and inner hyphens between dots. The last part is not a number, so that a mistyped
/// IPv4 address is not looked up as a name. Source: RFC 1123, 2.1.
fn is_host_name(text: &str) -> bool {
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').all(is_label) && text.rsplit('.').next().is_some_and(|last| !is_number(last))
}

fn is_label(label: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(is_plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HubAddress({})", self.0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::ToSocketAddrs as _;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn address() -> impl Strategy<Value = HubAddress> {
        let name = "[a-z][a-z0-9]{0,20}(-[a-z0-9]{1,5})?(\\.[a-z][a-z0-9]{0,20}){0,3}";
        prop_oneof![
            (name, 1..=u16::MAX).prop_map(|(name, port)| format!("{name}:{port}")),
            (any::<std::net::Ipv4Addr>(), 1..=u16::MAX)
                .prop_map(|(ip, port)| SocketAddr::from((ip, port)).to_string()),
            (any::<std::net::Ipv6Addr>(), 1..=u16::MAX)
                .prop_map(|(ip, port)| SocketAddr::from((ip, port)).to_string()),
        ]
        .prop_filter_map("no machine", |text| text.parse().ok())
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        check("192.0.2.7:4433", Ok("192.0.2.7:4433"));
        check("127.0.0.1:1", Ok("127.0.0.1:1"));
        check("[2001:DB8:0::7]:4433", Ok("[2001:db8::7]:4433"));
        check("hub.example.org:65535", Ok("hub.example.org:65535"));
        check("HUB-2.Example.Org:4433", Ok("hub-2.example.org:4433"));
        check("localhost:4433", Ok("localhost:4433"));
        check("hub.example.org:04433", Ok("hub.example.org:4433"));
    }

    #[test]
    fn what_only_this_machine_reaches_is_told_apart() {
        for (text, here) in [
            ("127.0.0.1:4433", true),
            ("[::1]:4433", true),
            ("[::ffff:127.0.0.1]:4433", true),
            ("localhost:4433", true),
            ("192.0.2.7:4433", false),
            ("localhost.example.org:4433", false),
        ] {
            assert_eq!(text.parse::<HubAddress>().unwrap().is_loopback(), here, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_cause() {
        check("", Err(BadAddress::Port));
        check("hub.example.org", Err(BadAddress::Port));
        check("hub.example.org:", Err(BadAddress::Port));
        check("hub.example.org:0", Err(BadAddress::Port));
        check("hub.example.org:65536", Err(BadAddress::Port));
        check("hub.example.org:+443", Err(BadAddress::Port));
        check("192.0.2.7:0", Err(BadAddress::Port));
        check(":4433", Err(BadAddress::Host));
        check("2001:db8::7:4433", Err(BadAddress::Host));
        check("[2001:db8::7:4433", Err(BadAddress::Host));
        check("192.0.2:4433", Err(BadAddress::Host));
        check("192.0.2.256:4433", Err(BadAddress::Host));
        check("hub..org:4433", Err(BadAddress::Host));
        check("hub.org.:4433", Err(BadAddress::Host));
        check("-hub.org:4433", Err(BadAddress::Host));
        check("hub-.org:4433", Err(BadAddress::Host));
        check("hub org:4433", Err(BadAddress::Host));
        check("hüb.org:4433", Err(BadAddress::Host));
        check("https://hub.org:4433", Err(BadAddress::Host));
        check("0.0.0.0:4433", Err(BadAddress::Unreachable));
        check("[::]:4433", Err(BadAddress::Unreachable));
        check("224.0.0.1:4433", Err(BadAddress::Unreachable));
        check("[fe80::1%3]:4433", Err(BadAddress::Unreachable));
        check("[fe80::1%eth0]:4433", Err(BadAddress::Unreachable));
    }

    #[test]
    fn the_length_has_a_bound() {
        let label = "a".repeat(LABEL_BYTES_MAX);
        let name = |rest: usize| format!("{label}.{}:4433", "b".repeat(rest));
        let most = ADDRESS_BYTES_MAX - LABEL_BYTES_MAX - ".:4433".len();
        check(&name(most), Ok(&name(most)));
        check(&name(most + 1), Err(BadAddress::Length));
        check(&format!("{label}a:4433"), Err(BadAddress::Host));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, BadAddress>) {
        let read = text.parse::<HubAddress>();
        assert_eq!(read.as_ref().map(HubAddress::as_str).map_err(|bad| *bad), expected, "{text}");
    }

    #[test]
    fn the_standard_library_takes_the_text_of_a_number() {
        for text in ["192.0.2.7:4433", "[2001:db8::7]:4433"] {
            let address: HubAddress = text.parse().unwrap();
            let resolved: Vec<SocketAddr> = address.as_str().to_socket_addrs().unwrap().collect();
            assert_eq!(resolved, [text.parse().unwrap()]);
            assert_eq!(HubAddress::try_from(resolved[0]), Ok(address));
        }
    }

    proptest! {
        #[test]
        fn an_address_has_one_text(address in address()) {
            prop_assert_eq!(address.as_str().parse::<HubAddress>(), Ok(address));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Ok(address) = text.parse::<HubAddress>() {
                prop_assert_eq!(address.as_str().parse::<HubAddress>(), Ok(address));
            }
        }
    }
}
