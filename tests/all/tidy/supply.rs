//! What may be in the lock file: floors below which a known hole is open, and what must not be.

use super::house::House;

/// The lowest version without the named hole. The advisory database that can be had offline is
/// older than some of these.
const FLOORS: [(&str, [u64; 3], &str); 5] = [
    ("quinn-proto", [0, 11, 15], "remote panic and memory: RUSTSEC-2026-0037, -0185 and older"),
    ("rustls", [0, 23, 18], "RUSTSEC-2024-0336, -0399"),
    ("rustls-webpki", [0, 103, 12], "RUSTSEC-2026-0098, -0099"),
    ("rusqlite", [0, 41, 0], "bundles a SQLite of 3.51.3 or newer (the WAL-reset bug)"),
    ("automerge", [0, 12, 0], "the version whose hostile inputs the quarantine was tested with"),
];

const ABSENT: [(&str, &str); 6] = [
    ("aws-lc-rs", "with two providers rustls panics at first use; ours is ring"),
    ("aws-lc-sys", "with two providers rustls panics at first use; ours is ring"),
    ("bincode", "its development ended; postcard is our encoding"),
    ("native-tls", "TLS is rustls"),
    ("openssl", "TLS is rustls; openssl-sys is there for SQLCipher alone"),
    ("chrono", "jiff is our calendar"),
];

/// Libraries whose types or keys cross between crates: two versions would not fit each other.
const ONE_VERSION: [&str; 9] = [
    "automerge",
    "axum",
    "curve25519-dalek",
    "ed25519-dalek",
    "ring",
    "rusqlite",
    "rustls",
    "sha2",
    "tokio",
];

fn rule(house: &House) -> Vec<String> {
    let versions = |name: &str| -> Vec<&str> {
        let same = house.locked.iter().filter(|(found, _)| found == name);
        same.map(|(_, version)| version.as_str()).collect()
    };
    let mut said = Vec::new();
    for (name, floor, hole) in FLOORS {
        let low = versions(name).into_iter().filter(|version| parts(version) < floor);
        said.extend(low.map(|version| {
            format!("Cargo.lock: {name} {version} is older than {floor:?}: {hole}")
        }));
    }
    for (name, reason) in ABSENT {
        if !versions(name).is_empty() {
            said.push(format!("Cargo.lock: {name} must not be there: {reason}"));
        }
    }
    for name in ONE_VERSION {
        let found = versions(name);
        if found.len() > 1 {
            said.push(format!("Cargo.lock: {name} is there {} times: {found:?}", found.len()));
        }
    }
    said
}

/// Major, minor, patch; what follows a `-` or `+` does not count.
fn parts(version: &str) -> [u64; 3] {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = core.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    fn locked(packages: &[(&str, &str)]) -> House {
        let own = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
        House { locked: packages.iter().map(own).collect(), ..House::default() }
    }

    #[test]
    fn the_lock_file_holds_nothing_with_a_known_hole() {
        assert!(House::read().locked.len() > 50, "the lock file was not read");
        check(rule);
    }

    #[test]
    fn an_old_a_banned_and_a_second_version_are_found() {
        check_allows(rule, &locked(&[("quinn-proto", "0.11.15"), ("sha2", "0.11.1")]));
        check_finds(rule, &locked(&[("quinn-proto", "0.11.9")]), "0.11.9 is older");
        check_finds(rule, &locked(&[("rustls-webpki", "0.102.8")]), "RUSTSEC-2026-0098");
        check_finds(rule, &locked(&[("aws-lc-sys", "1.0.0")]), "must not be there");
        check_finds(rule, &locked(&[("sha2", "0.10.9"), ("sha2", "0.11.1")]), "2 times");
    }
}
