//! Whose account a command was typed in.

use std::os::unix::fs::MetadataExt as _;

/// The name of the account of who typed a command, for what keeps who decided: of the one behind `sudo`
/// if there is one, and else the account's number. The environment says it, so it is no proof.
#[must_use]
pub fn of_caller() -> String {
    let named = ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
    named.unwrap_or_else(|| match std::fs::metadata("/proc/self") {
        Ok(process) => format!("account {}", process.uid()),
        Err(_) => "unknown account".to_owned(),
    })
}
