//! Made-up people behind the patient numbers of a recording.

/// Given names with the sex that goes with them in the demo.
const GIVEN: [(&str, &str); 16] = [
    ("Asha", "female"),
    ("Daniel", "male"),
    ("Fatima", "female"),
    ("Juma", "male"),
    ("Lakshmi", "female"),
    ("Mateo", "male"),
    ("Amina", "female"),
    ("Ravi", "male"),
    ("Grace", "female"),
    ("Tesfaye", "male"),
    ("Priya", "female"),
    ("Omar", "male"),
    ("Wanjiru", "female"),
    ("Luis", "male"),
    ("Zainab", "female"),
    ("Samuel", "male"),
];

const FAMILY: [&str; 17] = [
    "Okafor", "Sharma", "Mwangi", "Hassan", "Fernando", "Otieno", "Bekele", "Patel", "Diallo",
    "Rahman", "Mbeki", "Silva", "Kamau", "Nair", "Abdi", "Castillo", "Banda",
];

/// One made-up person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// `1984-03-02`.
    pub(crate) birth_date: String,
    pub(crate) sex: &'static str,
}

/// The person number `index`. The first 272 have different names, because the two lists have no
/// common divisor.
pub(crate) fn person(index: usize) -> Person {
    let (given, sex) = GIVEN.get(index % GIVEN.len()).copied().unwrap_or(("Asha", "female"));
    let family = FAMILY.get(index % FAMILY.len()).copied().unwrap_or("Okafor");
    // Steps without a common divisor with the ranges spread people over ages and seasons; days end
    // at 28, which every month has.
    let (year, month, day) = (1936 + index * 7 % 80, 1 + index * 5 % 12, 1 + index * 11 % 28);
    let birth_date = format!("{year}-{month:02}-{day:02}");
    Person { name: format!("{given} {family}"), birth_date, sex }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_number_is_always_the_same_person_and_names_are_spread() {
        let expected = Person {
            name: "Fatima Mwangi".to_owned(),
            birth_date: "1950-11-23".to_owned(),
            sex: "female",
        };
        assert_eq!(person(2), expected);
        let names: BTreeSet<_> = (0..272).map(|index| person(index).name).collect();
        assert_eq!(names.len(), 272);
    }

    #[test]
    fn every_birthday_is_a_day() {
        for index in 0..2_000 {
            let date = person(index).birth_date;
            assert!(date.parse::<jiff::civil::Date>().is_ok(), "{date}");
        }
    }
}
