//! Settings: one TOML file in the data folder, unknown keys refused by name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::folder::FolderError;

/// Longest settings file; the examples have a few kilobytes.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// Permission bits with which somebody else could change the settings.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or others may write it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It is larger than settings are.
    #[error("{} is too large for settings", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A key or value is wrong; the cause names the line.
    #[error("{} cannot be used", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// Reads the settings at `path`.
///
/// # Errors
///
/// [`ConfigError`]; a missing file is an error, because `init` makes one.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let found = fs::metadata(path).map_err(FolderError::io("reading", path))?;
    if found.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(FolderError::TooOpen { path: path.to_owned(), chmod: "600" }.into());
    }
    if found.len() > CONFIG_BYTES_MAX {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(FolderError::io("reading", path))?;
    toml::from_str(&text)
        .map_err(|source| ConfigError::Invalid { path: path.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        port: u16,
    }

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn settings_are_read() {
        let (_folder, path) = file("port = 5", 0o600);
        assert_eq!(load::<Settings>(&path).unwrap(), Settings { port: 5 });
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let (_folder, path) = file("port = 5\nprot = 6", 0o600);
        let error = load::<Settings>(&path).unwrap_err();
        let ConfigError::Invalid { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("prot") && source.to_string().contains("line 2"));
    }

    #[test]
    fn settings_that_others_may_write_are_refused() {
        let (_folder, path) = file("port = 5", 0o622);
        assert!(matches!(
            load::<Settings>(&path),
            Err(ConfigError::Folder(FolderError::TooOpen { .. }))
        ));
    }
}
