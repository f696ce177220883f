//! Fields that people type: patients, names and keys of sites and devices, times.

use devices::DeviceKey;
use patients::{NewPatient, PatientForm};
use vocab::{DeviceName, PatientRef, SiteName, Timestamp};

/// A form, one field to a line.
pub(crate) fn forms(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let form = PatientForm {
        patient_ref: next(),
        name: next(),
        birth_date: next(),
        sex: next(),
        phone: next(),
    };
    let now = Timestamp::from_millis(1_800_000_000_000);
    if let Ok(patient) = NewPatient::parse(form, now) {
        // What was stored once is read again from the document.
        let name = patient.name.reveal().as_str().to_owned();
        let date = patient.birth_date.map(|date| date.reveal().to_string()).unwrap_or_default();
        let phone = patient.phone.map(|phone| phone.reveal().as_str().to_owned());
        let phone = phone.unwrap_or_default();
        let number = patient.patient_ref.as_str().to_owned();
        let again = PatientForm {
            patient_ref: &number,
            name: &name,
            birth_date: &date,
            sex: form.sex,
            phone: &phone,
        };
        let again = NewPatient::parse(again, now);
        assert!(again.is_ok_and(|again| {
            again.name.reveal().as_str() == name && again.patient_ref.as_str() == number
        }));
    }
    if let Ok(key) = DeviceKey::parse(text) {
        assert_eq!(key.to_text().as_str(), text.to_ascii_lowercase(), "a key has two texts");
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
    if let Ok(name) = text.parse::<SiteName>() {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(name) = text.parse::<DeviceName>() {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(name) = text.parse::<PatientRef>() {
        assert_eq!(name.as_str(), text);
    }
}
