//! Files that people bring: settings, tables of rows, recordings, rules.

use std::borrow::Cow;

use alerts::rules::RuleTable;
use device_sim::recording::COLUMNS;
use device_sim::{Keys, Recording};
use edge_node::commands::{ConsentRow, DeviceRow, PatientRow};
use edge_node::rows::read_rows;

/// Rows of devices, patients and consents.
pub(crate) fn rows(bytes: &[u8]) {
    if let Ok(rows) = read_rows::<DeviceRow>(bytes) {
        assert!(!rows.is_empty());
    }
    let _ = read_rows::<PatientRow>(bytes);
    let _ = read_rows::<ConsentRow>(bytes);
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

/// A recording that devices replay: packed or not, with the header line made good or not.
pub(crate) fn recording(bytes: &[u8]) {
    let _ = Recording::read(bytes);
    let named = [COLUMNS.join(",").as_bytes(), b"\n", bytes].concat();
    if let Ok(recording) = Recording::read(named.as_slice()) {
        assert!(recording.readings() <= bytes.len());
    }
}

/// The keys that devices are given.
pub(crate) fn keys(bytes: &[u8]) {
    let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
    let _ = Keys::parse(&text);
    if let Ok(keys) = Keys::parse(&format!("device_id,key\n{text}")) {
        let _ = keys.of("ward-01");
    }
}
