//! The settings of a hub. `config.toml` in the data folder; every key has a default.

use std::net::SocketAddr;

use serde::Deserialize;

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
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 4433)), advertise: String::new() }
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
    fn an_unknown_key_is_an_error() {
        assert!(toml::from_str::<Config>("[sync]\nlisten_on = \"127.0.0.1:1\"").is_err());
    }
}
