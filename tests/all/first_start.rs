//! What a fresh folder holds, who can get at it, and what a program refuses to start with.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::programs::Home;
use tests::programs::binaries::{Binary, workspace};
use tests::programs::network::folder;

const BOTH: [Binary; 2] = [Binary::Hub, Binary::EdgeNode];
const KEYS: [&str; 3] = ["database.key", "node.key", "tls.key"];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn nothing_in_a_data_folder_is_for_others_even_where_the_system_would_allow_it() {
    for binary in BOTH {
        let parent = folder();
        let home = Home::new(binary, parent.path(), "data");
        // As generous as a machine can be set up.
        let made = Command::new("sh")
            .args(["-c", "umask 000; exec \"$0\" --data \"$1\" init"])
            .args([binary.path().as_os_str(), home.path().as_os_str()])
            .status();
        assert!(made.unwrap().success());
        assert_eq!(mode(home.path()), 0o700);
        for key in KEYS {
            assert_eq!(mode(&home.path().join(key)), 0o600, "{key}");
        }
        let serving = home.serve();
        home.tell(&["status"]);
        assert!(files(home.path()).len() >= 8, "{:?}", files(home.path()));
        for file in files(home.path()) {
            assert_eq!(mode(&file) & 0o077, 0, "{}", file.display());
        }
        drop(serving);
    }
}

#[test]
fn no_secret_is_the_same_twice() {
    let parent = folder();
    for binary in BOTH {
        let homes = ["one", "two"].map(|name| {
            let home = Home::new(binary, parent.path(), &format!("{name}-{}", binary.name()));
            home.tell(&["init"]);
            home
        });
        let mut seen = Vec::new();
        for home in &homes {
            for key in KEYS {
                let text = fs::read_to_string(home.path().join(key)).unwrap();
                let (digits, _) = text.split_once(' ').unwrap();
                assert_eq!(digits.len(), 64);
                assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
                seen.push(digits.to_owned());
            }
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "every key of every folder is its own");
    }
}

#[test]
fn what_others_could_have_read_or_changed_is_refused_with_the_command_that_mends_it() {
    let parent = folder();
    for binary in BOTH {
        let home = Home::new(binary, parent.path(), binary.name());
        home.tell(&["init"]);
        for (file, good, wide, mends) in [
            ("database.key", 0o600, 0o640, "chmod 600"),
            ("node.key", 0o600, 0o604, "chmod 600"),
            ("tls.key", 0o600, 0o620, "chmod 600"),
            ("config.toml", 0o600, 0o622, "chmod 600"),
            (".", 0o700, 0o750, "chmod 700"),
            (".", 0o700, 0o711, "chmod 700"),
        ] {
            let path = home.path().join(file);
            set_mode(&path, wide);
            for command in [["status"].as_slice(), &["serve", "--listen", "127.0.0.1:0"]] {
                let said = home.refused(command);
                assert!(said.contains(mends), "{file} {wide:o}: {said}");
            }
            set_mode(&path, good);
        }
        home.tell(&["status"]);
    }
}

#[test]
fn a_damaged_key_or_a_wrong_setting_stops_the_start_and_is_named() {
    let parent = folder();
    for binary in BOTH {
        let home = Home::new(binary, parent.path(), binary.name());
        home.tell(&["init"]);
        let settings = home.path().join("config.toml");
        let before = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, "[http]\nlisten_on = \"127.0.0.1:1\"\n").unwrap();
        let said = home.refused(&["status"]);
        assert!(said.contains("listen_on") && said.contains("line 2"), "{said}");
        fs::write(&settings, before).unwrap();

        // Another key opens nothing, and the database is unharmed.
        let path = home.path().join("database.key");
        let right = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{}\n", "5a".repeat(32))).unwrap();
        let said = home.refused(&["status"]);
        assert!(said.contains("opening the database"), "{said}");
        fs::write(&path, "not a key\n").unwrap();
        assert!(home.refused(&["status"]).contains("holds no key"));
        fs::write(&path, right).unwrap();
        home.tell(&["status"]);
    }
}

#[test]
fn a_program_that_nobody_told_otherwise_listens_on_this_machine_only() {
    for binary in BOTH {
        // That these are the defaults is tested beside the settings themselves.
        let example = workspace().join(binary.name()).join("config.example.toml");
        let text = fs::read_to_string(example).unwrap();
        let addresses: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("#! listen = \"")).collect();
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|line| line.starts_with("127.0.0.1:")), "{addresses:?}");
    }
}
