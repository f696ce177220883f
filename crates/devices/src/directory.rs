//! Who may send, held in memory for the door that devices knock at.
//!
//! An answer costs one look into a table in memory, one hash and one comparison, whether the device
//! is unknown, shut out, or shows a wrong key; a caller learns from neither the words nor the time
//! which it was.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use vocab::DeviceName;

use crate::device::DeviceNo;
use crate::key::{DeviceKey, KeyDigest};

/// A device that proved to be itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its number here.
    pub no: DeviceNo,
    /// Its name here.
    pub name: DeviceName,
}

/// The device is unknown, shut out, or its key is wrong; which of them is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no device with this name and key")]
pub struct Refused;

/// The devices that may send, as the registry had them at one moment. Never changes; made by
/// [`store::directory`](crate::store::directory).
#[derive(Debug, Default)]
pub struct DeviceDirectory {
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    admitted: Admitted,
    digest: KeyDigest,
}

/// Compared with where there is no digest to compare with: nobody knows a key that hashes to it.
const NOBODY: KeyDigest = KeyDigest::from_bytes([0; 32]);

impl DeviceDirectory {
    /// A directory of these devices.
    pub fn new(devices: impl IntoIterator<Item = (DeviceNo, DeviceName, KeyDigest)>) -> Self {
        let entries = devices.into_iter().map(|(no, name, digest)| {
            (name.as_str().to_owned(), Entry { admitted: Admitted { no, name }, digest })
        });
        Self { entries: entries.collect() }
    }

    /// How many devices may send.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no device may send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Checks the name and the key that a caller shows, both as they came.
    ///
    /// # Errors
    ///
    /// [`Refused`], the same for every cause.
    pub fn authenticate(&self, name: &str, key: &str) -> Result<Admitted, Refused> {
        // A text that is no key is hashed and compared like one, so that it takes as long.
        let parsed = DeviceKey::parse(key);
        let is_key = parsed.is_ok();
        let shown = parsed.unwrap_or_else(|_| DeviceKey::new([0; 32])).digest();
        let entry = self.entries.get(name);
        let kept = entry.map_or(NOBODY, |entry| entry.digest);
        let matches = bool::from(shown.matches(kept));
        match entry {
            Some(entry) if matches && is_key => Ok(entry.admitted.clone()),
            _ => Err(Refused),
        }
    }
}

/// The directory in use. Cheap to clone; every clone sees a replacement at once.
#[derive(Clone, Debug, Default)]
pub struct SharedDirectory(Arc<RwLock<Arc<DeviceDirectory>>>);

impl SharedDirectory {
    /// Starts with `directory`.
    #[must_use]
    pub fn new(directory: DeviceDirectory) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(directory))))
    }

    /// The directory as it is now.
    #[must_use]
    pub fn current(&self) -> Arc<DeviceDirectory> {
        // Only whole pointers are written under the lock, so a writer that panicked broke nothing.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts `directory` in place. Call it after the commit that changed the registry, so that a
    /// device that was shut out is refused from the next request on.
    pub fn replace(&self, directory: DeviceDirectory) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DeviceKey {
        DeviceKey::new([byte; 32])
    }

    fn directory(devices: &[(i64, &str, u8)]) -> DeviceDirectory {
        DeviceDirectory::new(devices.iter().map(|(no, name, byte)| {
            (DeviceNo::from_raw(*no), name.parse().unwrap(), key(*byte).digest())
        }))
    }

    #[test]
    fn a_device_is_admitted_with_its_own_key_only() {
        check("bed-4", &key(4).to_text(), Some(1));
        check("bed-5", &key(5).to_text(), Some(2));
        check("bed-4", &key(5).to_text(), None);
        check("bed-6", &key(4).to_text(), None);
        check("BED-4", &key(4).to_text(), None);
        check("", &key(4).to_text(), None);
        check("bed-4", "", None);
        check("bed-4", &key(4).to_text()[1..], None);
    }

    /// A text that is no key is hashed as the key of zeros; a device with that key stays its own.
    #[test]
    fn what_is_no_key_admits_nobody() {
        check("zero", &key(0).to_text(), Some(3));
        check("zero", "", None);
        check("zero", "cairn-dev-", None);
    }

    #[track_caller]
    fn check(name: &str, key: &str, expected: Option<i64>) {
        let directory = directory(&[(1, "bed-4", 4), (2, "bed-5", 5), (3, "zero", 0)]);
        let admitted = directory.authenticate(name, key);
        let expected = expected
            .map(|no| Admitted { no: DeviceNo::from_raw(no), name: name.parse().unwrap() })
            .ok_or(Refused);
        assert_eq!(admitted, expected, "{name:?}");
    }

    #[test]
    fn a_replacement_reaches_every_holder() {
        let shared = SharedDirectory::new(directory(&[(1, "bed-4", 4)]));
        let door = shared.clone();
        let text = key(4).to_text();
        assert!(door.current().authenticate("bed-4", &text).is_ok());
        shared.replace(directory(&[]));
        assert!(door.current().is_empty());
        assert_eq!(door.current().authenticate("bed-4", &text), Err(Refused));
    }
}
