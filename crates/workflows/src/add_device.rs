//! A device becomes known at this clinic.

use devices::{DeviceKind, KeyDigest};
use store::Connection;
use vocab::{DeviceName, Timestamp};

use crate::WorkflowError;

/// Registers a device under the hash of a key that the caller drew; the key itself is not kept.
///
/// # Errors
///
/// [`WorkflowError::Devices`] when the name is taken.
pub fn add_device(
    conn: &Connection,
    now: Timestamp,
    name: &DeviceName,
    kind: DeviceKind,
    key: KeyDigest,
) -> Result<(), WorkflowError> {
    devices::store::add(conn, name, kind, key, now)?;
    Ok(())
}
