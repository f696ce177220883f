//! The devices of a clinic: what they are, and how each proves that it is itself.
//!
//! A device is a principal like a person. It has a name, and a key that is shown once, when it is
//! made, and kept as a hash. The registry is a table; the door that hears thousands of batches a
//! second asks a [`DeviceDirectory`], a copy in memory that is replaced when the registry changes.

pub mod device;
pub mod directory;
pub mod key;
pub mod store;

pub use device::{Device, DeviceKind, DeviceNo};
pub use directory::{Admitted, DeviceDirectory, Refused, SharedDirectory};
pub use key::{DeviceKey, KeyDigest};
