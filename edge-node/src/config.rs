//! The settings of a clinic's node. `config.toml` in the data folder; every key has a default.

use std::net::SocketAddr;

use serde::Deserialize;
use transport::LinkProfile;

/// All settings. An unknown key is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP door.
    pub http: Http,
    /// What one device may send.
    pub devices: Devices,
    /// The way to the hub.
    pub sync: Sync,
    /// Copies on another medium.
    pub backup: host::backup::Settings,
}

/// The HTTP door.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address to listen on. The default is this machine only; devices on the clinic's network need
    /// the machine's address there. The status pages answer this machine only, whatever this says.
    pub listen: SocketAddr,
}

/// What one device may send.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Devices {
    /// Batches a second, sustained.
    pub batches_per_second: u32,
    /// Batches at once, after a time of silence.
    pub batches_burst: u32,
}

/// The way to the hub.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// `wide` for anything from DSL up, `narrow` for 2G and satellite links.
    #[serde(with = "link_profile")]
    pub link: LinkProfile,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)) }
    }
}

impl Default for Devices {
    fn default() -> Self {
        // A monitor sends a batch a second at most; ten times that for what was held back, and
        // twenty times more for gateways that speak for a ward. The burst empties a device that
        // was out of reach for days within minutes.
        Self { batches_per_second: 200, batches_burst: 1_000 }
    }
}

impl Default for Sync {
    fn default() -> Self {
        Self { link: LinkProfile::Wide }
    }
}

mod link_profile {
    use serde::{Deserialize as _, Deserializer, de};
    use transport::LinkProfile;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<LinkProfile, D::Error> {
        match String::deserialize(from)?.as_str() {
            "wide" => Ok(LinkProfile::Wide),
            "narrow" => Ok(LinkProfile::Narrow),
            other => Err(de::Error::unknown_variant(other, &["wide", "narrow"])),
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
        let uncommented: String = EXAMPLE
            .lines()
            .map(|l| l.strip_prefix("#! ").unwrap_or(l))
            .fold(String::new(), |text, line| text + line + "\n");
        let explicit: Config = toml::from_str(&uncommented).unwrap();
        assert_eq!(explicit, Config::default());
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(toml::from_str::<Config>("[http]\nlisten_on = \"127.0.0.1:1\"").is_err());
        assert!(toml::from_str::<Config>("[sync]\nlink = \"wireless\"").is_err());
    }
}
