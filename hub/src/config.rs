//! The settings of a hub. `config.toml` in the data folder; every key has a default.

use std::net::SocketAddr;

use serde::Deserialize;
use transport::TcpDoor;

/// All settings. An unknown key is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP door: status page, health, metrics.
    pub http: Http,
    /// The door of clinics.
    pub sync: Sync,
    /// Copies on another medium.
    pub backup: host::backup::Settings,
}

/// The HTTP door.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address to listen on. The status page answers this machine only, whatever this says.
    pub listen: SocketAddr,
}

/// The door of clinics.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// UDP address to listen on. The default is this machine only.
    pub listen: SocketAddr,
    /// Where to listen over TCP, for clinics whose network lets no UDP through: `same` for the same
    /// address and port, an address, or `off`.
    #[serde(with = "tcp_door")]
    pub listen_tcp: TcpDoor,
    /// Where clinics reach it, `host:port`, as invitations say; empty for the address it listens on.
    pub advertise: String,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8090)) }
    }
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4433)),
            listen_tcp: TcpDoor::Same,
            advertise: String::new(),
        }
    }
}

mod tcp_door {
    use serde::{Deserialize as _, Deserializer, de};
    use transport::TcpDoor;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TcpDoor, D::Error> {
        let text = String::deserialize(from)?;
        match text.as_str() {
            "same" => Ok(TcpDoor::Same),
            "off" => Ok(TcpDoor::Off),
            address => address.parse().map(TcpDoor::At).map_err(|_| {
                de::Error::custom("listen_tcp is \"same\", \"off\" or an address with its port")
            }),
        }
    }
}

/// What `init` writes: every key with its meaning and default.
pub const EXAMPLE: &str = include_str!("../config.example.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_says_the_defaults() {
        let read: Config = toml::from_str(EXAMPLE).unwrap();
        assert_eq!(read, Config::default());
        let lines = EXAMPLE.lines().map(|line| line.strip_prefix("#! ").unwrap_or(line));
        let explicit: Config = toml::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
        assert_eq!(explicit, Config::default());
    }

    #[test]
    fn the_tcp_door_is_the_same_off_or_somewhere() {
        let read = |text: &str| {
            let text = format!("[sync]\nlisten_tcp = \"{text}\"");
            toml::from_str::<Config>(&text).map(|config| config.sync.listen_tcp)
        };
        assert_eq!(read("same"), Ok(TcpDoor::Same));
        assert_eq!(read("off"), Ok(TcpDoor::Off));
        assert_eq!(read("[::]:443"), Ok(TcpDoor::At("[::]:443".parse().unwrap())));
        assert!(read("443").is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(toml::from_str::<Config>("[sync]\nlisten_on = \"127.0.0.1:1\"").is_err());
    }
}
