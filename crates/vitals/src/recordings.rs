//! The recordings that tests read: real readings of wards, devices and laboratories. They lie
//! beside the workspace and not in it; a test says so and passes where they are absent.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

/// One row of a recording.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Row {
    pub(crate) device_id: String,
    pub(crate) patient_ref: String,
    pub(crate) code: String,
    pub(crate) unit: String,
    pub(crate) time: String,
    pub(crate) value: String,
}

/// Every recording of readings, by file name.
pub(crate) const ALL: [&str; 6] = [
    "clinic-visits.csv.gz",
    "glucose-5min.csv.gz",
    "icu-irregular.csv.gz",
    "monitor-minute.csv.gz",
    "ward-hourly.csv.gz",
    "wrist-heart-rate.csv.gz",
];

fn open(name: &str) -> Option<File> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/vitals");
    let file = File::open(folder.join(name)).ok();
    if file.is_none() {
        println!("skipped: the recording {name} is not beside the workspace");
    }
    file
}

/// The rows of a recording, or `None` where it is absent.
pub(crate) fn rows(name: &str) -> Option<Vec<Row>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(open(name)?).read_to_string(&mut text).unwrap();
    Some(csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect())
}

/// The codes that the recordings use, or `None` where the list is absent.
pub(crate) fn codes() -> Option<Vec<String>> {
    let mut reader = csv::Reader::from_reader(open("codes.csv")?);
    Some(reader.records().map(|row| row.unwrap()[0].to_owned()).collect())
}
