//! A recording of readings in the shared format: `device_id,patient_ref,code,unit,time,value`,
//! plain or gzip.
//!
//! Everything but the device's name is kept as the text that stands in the file, because what a
//! clinic stores and what it refuses is for the clinic to say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

/// The columns, in their order.
pub const COLUMNS: [&str; 6] = ["device_id", "patient_ref", "code", "unit", "time", "value"];

/// Unpacked bytes of a recording. The largest known one has half a million rows of 60 bytes,
/// 30 MB; this is seventeen times that, and what a small machine can still hold in memory.
pub const RECORDING_BYTES_MAX: u64 = 512 << 20;

/// Longest field. Names end at 64 bytes and numbers at 32; the rest is room for wrong ones.
pub const FIELD_BYTES_MAX: usize = 256;

/// Longest name of a device: it stands in the path of a request.
pub const DEVICE_BYTES_MAX: usize = 64;

/// What each device recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// One tape per device, by first appearance.
    pub tapes: Vec<Tape>,
    /// The patients that readings name, by first appearance.
    pub patients: Vec<Arc<str>>,
}

/// What one device recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tape {
    /// The device's name: 1 to [`DEVICE_BYTES_MAX`] letters, digits, `.`, `_`, `-`.
    pub device: Arc<str>,
    /// Its readings in the order of the file.
    pub readings: Vec<Reading>,
}

/// One row, as it is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Reading {
    /// The clinic's name for the patient.
    pub patient: Arc<str>,
    /// What was measured, in LOINC.
    pub code: Arc<str>,
    /// Its unit, in UCUM.
    pub unit: Arc<str>,
    /// When, in RFC 3339.
    pub time: Box<str>,
    /// The number.
    pub value: Box<str>,
}

/// Why a file is no recording. Lines are counted from 1, the header being the first.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened.
    #[error("opening {}", path.display())]
    Open {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes cannot be read or unpacked.
    #[error("reading the recording")]
    Read(#[source] io::Error),
    /// The first line is not the header.
    #[error("line 1 is not the header {}", COLUMNS.join(","))]
    Header,
    /// A line has another number of fields than the header.
    #[error("line {line} has {fields} fields; there are {} columns", COLUMNS.len())]
    Fields {
        /// Where.
        line: u64,
        /// How many it has.
        fields: u64,
    },
    /// A field is not UTF-8.
    #[error("line {line} is not UTF-8 text")]
    Text {
        /// Where.
        line: u64,
    },
    /// A field is longer than [`FIELD_BYTES_MAX`].
    #[error("line {line}: {column} is longer than {FIELD_BYTES_MAX} bytes")]
    Long {
        /// Where.
        line: u64,
        /// Which field.
        column: &'static str,
    },
    /// The device's name cannot stand in a request.
    #[error(
        "line {line}: device_id is not a name of 1 to {DEVICE_BYTES_MAX} letters, digits, dots, \
         dashes or underscores"
    )]
    Device {
        /// Where.
        line: u64,
    },
    /// The file has more than [`RECORDING_BYTES_MAX`].
    #[error("the recording has more than {} MiB", RECORDING_BYTES_MAX >> 20)]
    TooLarge,
    /// There is a header and nothing else.
    #[error("the recording holds no readings")]
    Empty,
}

impl Recording {
    /// Reads a file, unpacking it when it is gzip.
    ///
    /// # Errors
    ///
    /// As [`RecordingError`].
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let opened = File::open(path);
        let file =
            opened.map_err(|source| RecordingError::Open { path: path.to_owned(), source })?;
        Self::read(file)
    }

    /// Reads bytes, unpacking them when they begin as gzip does.
    ///
    /// # Errors
    ///
    /// As [`RecordingError`].
    pub fn read(bytes: impl Read) -> Result<Self, RecordingError> {
        let mut bytes = BufReader::new(bytes);
        let is_gzip = bytes.fill_buf().map_err(RecordingError::Read)?.starts_with(&[0x1f, 0x8b]);
        if is_gzip {
            read_rows(MultiGzDecoder::new(bytes), RECORDING_BYTES_MAX)
        } else {
            read_rows(bytes, RECORDING_BYTES_MAX)
        }
    }

    /// How many readings there are.
    #[must_use]
    pub fn readings(&self) -> usize {
        self.tapes.iter().map(|tape| tape.readings.len()).sum()
    }
}

impl std::fmt::Debug for Reading {
    /// Readings stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("code", &self.code).finish_non_exhaustive()
    }
}

fn read_rows(bytes: impl Read, bytes_max: u64) -> Result<Recording, RecordingError> {
    // One byte more than allowed tells a recording that ends at the limit from one that goes on.
    let mut limited = bytes.take(bytes_max + 1);
    let read = read_limited(&mut limited);
    if limited.limit() == 0 { Err(RecordingError::TooLarge) } else { read }
}

fn read_limited(bytes: impl Read) -> Result<Recording, RecordingError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let mut record = csv::StringRecord::new();
    if !reader.read_record(&mut record).map_err(row_error)? || record != COLUMNS[..] {
        return Err(RecordingError::Header);
    }
    let mut builder = Builder::default();
    while reader.read_record(&mut record).map_err(row_error)? {
        builder.add(&record)?;
    }
    let recording = builder.recording;
    if recording.tapes.is_empty() { Err(RecordingError::Empty) } else { Ok(recording) }
}

fn row_error(error: csv::Error) -> RecordingError {
    let line = error.position().map_or(0, csv::Position::line);
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest concerns writing and serde")]
    match error.into_kind() {
        csv::ErrorKind::Io(source) => RecordingError::Read(source),
        csv::ErrorKind::UnequalLengths { len, .. } => RecordingError::Fields { line, fields: len },
        _ => RecordingError::Text { line },
    }
}

/// A recording being read: every name is held once.
#[derive(Default)]
struct Builder {
    recording: Recording,
    names: BTreeSet<Arc<str>>,
    patients: BTreeSet<Arc<str>>,
    tapes: BTreeMap<Arc<str>, usize>,
}

impl Builder {
    fn add(&mut self, record: &csv::StringRecord) -> Result<(), RecordingError> {
        let line = record.position().map_or(0, csv::Position::line);
        let long = COLUMNS.iter().zip(record).find(|(_, field)| field.len() > FIELD_BYTES_MAX);
        if let Some((column, _)) = long {
            return Err(RecordingError::Long { line, column });
        }
        let mut fields = record.iter();
        let mut next = || fields.next().unwrap_or_default();
        let (device, patient, code, unit, time, value) =
            (next(), next(), next(), next(), next(), next());
        if !is_device_name(device) {
            return Err(RecordingError::Device { line });
        }
        let patient = self.name(patient);
        if self.patients.insert(Arc::clone(&patient)) {
            self.recording.patients.push(Arc::clone(&patient));
        }
        let (code, unit) = (self.name(code), self.name(unit));
        let reading = Reading { patient, code, unit, time: time.into(), value: value.into() };
        let place = match self.tapes.get(device) {
            Some(place) => *place,
            None => self.start_tape(device),
        };
        if let Some(tape) = self.recording.tapes.get_mut(place) {
            tape.readings.push(reading);
        }
        Ok(())
    }

    fn start_tape(&mut self, device: &str) -> usize {
        let place = self.recording.tapes.len();
        let device = self.name(device);
        self.tapes.insert(Arc::clone(&device), place);
        self.recording.tapes.push(Tape { device, readings: Vec::new() });
        place
    }

    fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        self.names.insert(Arc::clone(&name));
        name
    }
}

/// As nodes name devices.
fn is_device_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    first && rest && text.len() <= DEVICE_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const HEADER: &str = "device_id,patient_ref,code,unit,time,value\n";
    const ROWS: &str = "b-mon,p2,8867-4,/min,2026-06-12T17:22:00Z,36.10\n\
                        a-mon,p1,8867-4,/min,2026-06-12T17:22:00Z,x\n\
                        b-mon,p1,8310-5,Cel,,1.326e+04\n";

    #[test]
    fn readings_are_grouped_by_device_in_the_order_of_the_file() {
        let recording = Recording::read([HEADER, ROWS].concat().as_bytes()).unwrap();
        let devices: Vec<_> = recording.tapes.iter().map(|tape| &*tape.device).collect();
        assert_eq!(devices, ["b-mon", "a-mon"]);
        assert_eq!(recording.patients.iter().map(|name| &**name).collect::<Vec<_>>(), ["p2", "p1"]);
        let values: Vec<_> = recording.tapes[0].readings.iter().map(|one| &*one.value).collect();
        assert_eq!(values, ["36.10", "1.326e+04"]);
        assert_eq!(recording.readings(), 3);
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all([HEADER, ROWS].concat().as_bytes()).unwrap();
        let plain = Recording::read([HEADER, ROWS].concat().as_bytes()).unwrap();
        let mut packed = packed.finish().unwrap();
        assert_eq!(Recording::read(packed.as_slice()).unwrap(), plain);
        packed.truncate(packed.len() - 9);
        assert!(matches!(Recording::read(packed.as_slice()), Err(RecordingError::Read(_))));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        check("", "line 1 is not the header device_id,patient_ref,code,unit,time,value");
        check("device_id,patient_ref\n", "line 1 is not the header");
        check(HEADER, "the recording holds no readings");
        check(&[HEADER, ROWS, "a,b,c\n"].concat(), "line 5 has 3 fields; there are 6 columns");
        check(&[HEADER, "a/b,p,c,u,t,v\n"].concat(), "line 2: device_id is not a name");
        check(&[HEADER, ",p,c,u,t,v\n"].concat(), "line 2: device_id is not a name");
        let long = "9".repeat(FIELD_BYTES_MAX + 1);
        check(&[HEADER, ROWS, "a,p,c,u,t,", &long].concat(), "line 5: value is longer than 256");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let said = Recording::read(text.as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let bytes = [HEADER.as_bytes(), b"a,p,c,u,t,\xff\n"].concat();
        let said = Recording::read(bytes.as_slice()).unwrap_err().to_string();
        assert_eq!(said, "line 2 is not UTF-8 text");
    }

    #[test]
    fn a_recording_without_end_is_refused() {
        let text = [HEADER, ROWS].concat();
        let length = u64::try_from(text.len()).unwrap();
        let read = |bytes_max| read_rows(text.as_bytes(), bytes_max);
        assert!(matches!(read(length - 1), Err(RecordingError::TooLarge)));
        assert!(matches!(read(length - 9), Err(RecordingError::TooLarge)));
        assert!(read(length).is_ok());
    }

    #[test]
    fn the_shared_recordings_are_read_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/vitals");
        for (name, readings, devices) in
            [("ward-hourly.csv.gz", 214_922, 52), ("monitor-minute.csv.gz", 14_008, 4)]
        {
            let path = folder.join(name);
            if !path.exists() {
                println!("skipped: the recording {name} is not beside the workspace");
                continue;
            }
            let recording = Recording::open(&path).unwrap();
            assert_eq!(
                (recording.readings(), recording.tapes.len()),
                (readings, devices),
                "{name}"
            );
        }
    }
}
