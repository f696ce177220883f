//! Devices from the command line.

use devices::{DeviceKey, DeviceKind};
use host::control::{Answer, Refusal};
use serde::{Deserialize, Serialize};
use vocab::DeviceName;
use workflows::add_device::add_device;

use crate::node::Node;

/// A device to be registered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceRow {
    /// Its name at this clinic.
    pub device_id: String,
    /// One of the device types, such as `pulse_oximeter`; `other` if empty.
    #[serde(default)]
    pub kind: String,
}

/// Registers devices, all or none; the keys are in the answer and nowhere else.
pub(super) async fn add(node: &Node, rows: Vec<DeviceRow>) -> Result<Answer, Refusal> {
    let mut fresh = Vec::with_capacity(rows.len());
    let mut answer = "device_id,key\n".to_owned();
    for row in &rows {
        let name: DeviceName = row.device_id.parse().map_err(Refusal::because)?;
        let kind = match row.kind.as_str() {
            "" => DeviceKind::Other,
            text => DeviceKind::from_name(text).ok_or_else(|| unknown_kind(text))?,
        };
        let key = DeviceKey::new(node.random.bytes());
        answer.push_str(&format!("{name},{}\n", key.to_text().as_str()));
        fresh.push((name, kind, key.digest()));
    }
    let now = node.clock.now();
    node.writer
        .write(move |conn, _| {
            fresh
                .iter()
                .try_for_each(|(name, kind, digest)| add_device(conn, now, name, *kind, *digest))
        })
        .await
        .map_err(Refusal::because)?;
    reload(node).await?;
    Ok(Answer::from(answer))
}

fn unknown_kind(text: &str) -> Refusal {
    let known: Vec<&str> = DeviceKind::ALL.iter().map(|kind| kind.name()).collect();
    Refusal::new(format!("there is no device type {text:?}; there are {}", known.join(", ")))
}

/// Gives a device another key; the old one stops working with this command.
pub(super) async fn rotate(node: &Node, device: &str) -> Result<Answer, Refusal> {
    let name: DeviceName = device.parse().map_err(Refusal::because)?;
    let key = DeviceKey::new(node.random.bytes());
    let answer = format!("device_id,key\n{name},{}\n", key.to_text().as_str());
    let now = node.clock.now();
    node.writer
        .write(move |conn, _| devices::store::rotate(conn, &name, key.digest(), now))
        .await
        .map_err(Refusal::because)?;
    reload(node).await?;
    Ok(Answer::from(answer))
}

/// Refuses a device from now on. What it sent stays.
pub(super) async fn revoke(node: &Node, device: &str) -> Result<Answer, Refusal> {
    let name: DeviceName = device.parse().map_err(Refusal::because)?;
    let answer = format!("{name} is refused from now on\n");
    let now = node.clock.now();
    node.writer
        .write(move |conn, _| devices::store::revoke(conn, &name, now))
        .await
        .map_err(Refusal::because)?;
    reload(node).await?;
    Ok(Answer::from(answer))
}

/// The devices as CSV.
pub(super) async fn list(node: &Node) -> Result<Answer, Refusal> {
    let all = node.readers.read(devices::store::list).await.map_err(Refusal::because)?;
    let mut text = "device_id,kind,state,last_seen\n".to_owned();
    for device in all {
        let state = if device.revoked_at.is_some() { "revoked" } else { "active" };
        let seen = device.seen_at.map(|at| at.to_string()).unwrap_or_default();
        text.push_str(&format!("{},{},{state},{seen}\n", device.name, device.kind.name()));
    }
    Ok(Answer::from(text))
}

/// Puts the registry as it is now before the HTTP door.
async fn reload(node: &Node) -> Result<(), Refusal> {
    let directory = node.readers.read(devices::store::directory).await.map_err(Refusal::because)?;
    node.devices.replace(directory);
    Ok(())
}
