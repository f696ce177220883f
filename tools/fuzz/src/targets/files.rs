//! Files that people bring: settings, tables of rows, recordings, rules.

use std::borrow::Cow;

use alerts::rules::RuleTable;
use device_sim::recording::COLUMNS;
use device_sim::{Keys, Recording};
use edge_node::commands::{ConsentRow, DeviceRow, PatientRow};
use edge_node::rows::read_rows;

/// Rows of devices, patients or consents: the first byte says which.
pub(crate) fn rows(bytes: &[u8]) {
    let Some((kind, table)) = bytes.split_first() else { return };
    let rows = match kind {
        b'd' => read_rows::<DeviceRow>(table).map(|rows| rows.len()),
        b'p' => read_rows::<PatientRow>(table).map(|rows| rows.len()),
        _ => read_rows::<ConsentRow>(table).map(|rows| rows.len()),
    };
    assert_ne!(rows, Ok(0), "no rows are no table");
}

/// The settings of both programs.
pub(crate) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = toml::from_str::<edge_node::config::Config>(text);
    let _ = toml::from_str::<hub::config::Config>(text);
}

/// A table of alert rules.
pub(crate) fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = RuleTable::parse(text);
}

/// A recording that devices replay: packed or not, and otherwise with the header line made good.
pub(crate) fn recording(bytes: &[u8]) {
    if bytes.starts_with(&[0x1f]) {
        let _ = Recording::read(bytes);
        return;
    }
    let named = [COLUMNS.join(",").as_bytes(), b"\n", bytes].concat();
    if let Ok(recording) = Recording::read(named.as_slice()) {
        assert!(recording.readings() <= bytes.len());
    }
}

/// The keys that devices are given.
pub(crate) fn keys(bytes: &[u8]) {
    let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
    if let Ok(keys) = Keys::parse(&format!("device_id,key\n{text}")) {
        let _ = keys.of("ward-01");
    }
}
