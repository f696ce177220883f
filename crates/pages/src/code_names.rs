//! What the codes on the pages are called. LOINC codes and names are copyright Regenstrief
//! Institute and used under the LOINC licence (loinc.org); the names here are shortened.

const NAMES: [(&str, &str); 38] = [
    ("11524-6", "ECG"),
    ("15074-8", "Glucose, blood (mmol/L)"),
    ("17861-6", "Calcium"),
    ("1963-8", "Bicarbonate, serum"),
    ("1975-2", "Bilirubin, total"),
    ("19891-1", "Carbon dioxide at end of breath"),
    ("2019-8", "Carbon dioxide, partial pressure, arterial"),
    ("2075-0", "Chloride"),
    ("2160-0", "Creatinine"),
    ("2339-0", "Glucose, blood"),
    ("2345-7", "Glucose, serum or plasma"),
    ("2524-7", "Lactate"),
    ("2703-7", "Oxygen, partial pressure, arterial"),
    ("2708-6", "Oxygen saturation in arterial blood"),
    ("2744-1", "pH of arterial blood"),
    ("2823-3", "Potassium"),
    ("29463-7", "Body weight"),
    ("2951-2", "Sodium"),
    ("3094-0", "Urea nitrogen"),
    ("39156-5", "Body mass index"),
    ("41981-2", "Calories burned"),
    ("4544-3", "Hematocrit"),
    ("55423-8", "Steps"),
    ("59408-5", "Oxygen saturation by pulse oximetry"),
    ("6690-2", "Leukocytes"),
    ("718-7", "Hemoglobin"),
    ("777-3", "Platelets"),
    ("8302-2", "Body height"),
    ("8310-5", "Body temperature"),
    ("8462-4", "Diastolic blood pressure"),
    ("8478-0", "Mean blood pressure"),
    ("8480-6", "Systolic blood pressure"),
    ("8867-4", "Heart rate"),
    ("8889-8", "Heart rate by pulse oximetry"),
    ("9187-6", "Urine output"),
    ("9269-2", "Glasgow coma score, total"),
    ("9279-1", "Respiratory rate"),
    ("93832-4", "Sleep"),
];

/// A short English name; the code itself where none is known.
#[must_use]
pub fn name_of(code: &str) -> &str {
    NAMES.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_has_a_name_and_another_is_shown_as_it_is() {
        assert_eq!(name_of("8867-4"), "Heart rate");
        assert_eq!(name_of("99999-9"), "99999-9");
    }
}
