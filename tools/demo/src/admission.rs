//! Registers everyone and everything of a recording at the first clinic, and the consents.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use device_sim::recording::Tape;
use device_sim::{Keys, Recording};

use crate::people::person;
use crate::process::ProcessError;
use crate::stage::{Actor, SECOND_CLINIC};

/// Of how many patients, by first appearance, one consents.
const CONSENTS_EVERY: usize = 3;

/// What patients who consent allow; alerts go with vitals.
const COMPARTMENTS: &str = "identity+vitals";

/// Why the clinic does not know everyone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmissionError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("writing {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    #[error("{} has a name that is not UTF-8", .0.display())]
    Path(PathBuf),
    #[error("the clinic's answer to the import of devices")]
    Keys(#[source] device_sim::keys::KeysError),
    #[error("the clinic's answer to the import of devices is not text")]
    Text,
}

/// Who was registered.
pub(crate) struct Admitted {
    pub(crate) keys: Keys,
    /// The patients who consent to the second clinic.
    pub(crate) consenting: BTreeSet<Arc<str>>,
}

/// Registers all patients and devices of `recording` and grants every third patient's consent.
pub(crate) async fn admit(
    clinic: &Actor,
    recording: &Recording,
    folder: &Path,
) -> Result<Admitted, AdmissionError> {
    import(clinic, folder, "patient", &patients(recording)).await?;
    let answer = import(clinic, folder, "device", &devices(recording)).await?;
    let answer = String::from_utf8(answer).map_err(|_| AdmissionError::Text)?;
    let keys = Keys::parse(&answer).map_err(AdmissionError::Keys)?;
    let consenting: BTreeSet<_> = consenting(recording).collect();
    if !consenting.is_empty() {
        import(clinic, folder, "consent", &consents(recording)).await?;
    }
    Ok(Admitted { keys, consenting })
}

/// Hands a list to the clinic's program as a file, and takes the file away again.
async fn import(
    clinic: &Actor,
    folder: &Path,
    what: &str,
    csv: &str,
) -> Result<Vec<u8>, AdmissionError> {
    let path = folder.join(format!("{what}s.csv"));
    let cannot = |error| AdmissionError::Write(path.clone(), error);
    fs::write(&path, csv).map_err(cannot)?;
    let file = path.to_str().ok_or_else(|| AdmissionError::Path(path.clone()))?;
    let answer = clinic.ask(&[what, "import", file]).await?;
    fs::remove_file(&path).map_err(cannot)?;
    Ok(answer)
}

fn patients(recording: &Recording) -> String {
    let mut csv = "patient_ref,name,birth_date,sex\n".to_owned();
    for (index, number) in recording.patients.iter().enumerate() {
        let person = person(index);
        csv.push_str(&row(&[number, &person.name, &person.birth_date, person.sex]));
    }
    csv
}

fn devices(recording: &Recording) -> String {
    let mut csv = "device_id,kind\n".to_owned();
    for tape in &recording.tapes {
        csv.push_str(&row(&[&tape.device, kind(tape)]));
    }
    csv
}

fn consents(recording: &Recording) -> String {
    let mut csv = "patient_ref,site,compartments\n".to_owned();
    for number in consenting(recording) {
        csv.push_str(&row(&[&number, SECOND_CLINIC, COMPARTMENTS]));
    }
    csv
}

/// The third, sixth, ninth … patient by first appearance.
fn consenting(recording: &Recording) -> impl Iterator<Item = Arc<str>> {
    recording.patients.iter().skip(CONSENTS_EVERY - 1).step_by(CONSENTS_EVERY).cloned()
}

/// A line of CSV. A patient's number comes from the recording and may hold anything.
fn row(fields: &[&str]) -> String {
    let quoted: Vec<String> =
        fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
    quoted.join(",") + "\n"
}

/// What a device is, by what it measured; a device that measures several things is `other`.
fn kind(tape: &Tape) -> &'static str {
    let mut codes = tape.readings.iter().map(|reading| &*reading.code);
    let first = codes.next().unwrap_or_default();
    if codes.any(|code| code != first) {
        return "other";
    }
    match first {
        "2339-0" | "2345-7" | "15074-8" => "cgm",
        "8867-4" => "heart_rate_monitor",
        "2708-6" | "59408-5" => "pulse_oximeter",
        "8310-5" => "thermometer",
        "29463-7" => "weighing_scale",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(patients: usize) -> Recording {
        let mut text = "device_id,patient_ref,code,unit,time,value\n".to_owned();
        for patient in (0..patients).chain(0..patients) {
            text.push_str(&format!("mon-{},p{patient},8310-5,Cel,t,36\n", patient % 2));
        }
        text.push_str("mon-1,p0,8867-4,/min,t,60\n");
        Recording::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_third_patient_consents() {
        check(1, &[]);
        check(2, &[]);
        check(3, &["p2"]);
        check(7, &["p2", "p5"]);
    }

    #[track_caller]
    fn check(patients: usize, expected: &[&str]) {
        let found: Vec<_> = consenting(&recording(patients)).collect();
        assert_eq!(found.iter().map(|number| &**number).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_lists_are_those_that_the_clinic_reads() {
        let recording = recording(3);
        assert_eq!(
            patients(&recording),
            "patient_ref,name,birth_date,sex\n\
             \"p0\",\"Asha Okafor\",\"1936-01-01\",\"female\"\n\
             \"p1\",\"Daniel Sharma\",\"1943-06-12\",\"male\"\n\
             \"p2\",\"Fatima Mwangi\",\"1950-11-23\",\"female\"\n"
        );
        assert_eq!(
            devices(&recording),
            "device_id,kind\n\"mon-0\",\"thermometer\"\n\"mon-1\",\"other\"\n"
        );
        assert_eq!(
            consents(&recording),
            "patient_ref,site,compartments\n\"p2\",\"south-clinic\",\"identity+vitals\"\n"
        );
        assert_eq!(row(&["a\"b", "c,d"]), "\"a\"\"b\",\"c,d\"\n");
    }
}
