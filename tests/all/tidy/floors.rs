//! Rule 1: every package says its floor and uses lower floors only.

use super::house::{House, Package};

/// Steps sideways that the house allows, each with its reason.
const SIDEWAYS: [(&str, &str, &str); 5] = [
    ("alerts", "vitals", "an alert is judged from readings and nothing else"),
    ("workflows", "replication", "a use case writes what it did into the outbox it is told from"),
    ("export", "replication", "a list of what is held is read from the entries that are held"),
    ("api", "web", "problems, limits and the caller are the same for every HTTP door"),
    ("pages", "web", "as for api"),
];

/// The highest floor: programs, tools and tests.
const HOUSES: i64 = 5;

fn rule(house: &House) -> Vec<String> {
    house.packages.iter().flat_map(|package| complaints(house, package)).collect()
}

fn complaints(house: &House, package: &Package) -> Vec<String> {
    let name = package.name();
    let Some(floor) = package.floor().filter(|floor| (0..=HOUSES).contains(floor)) else {
        return vec![format!("{name}: the manifest lacks [package.metadata.house] floor = 0..5")];
    };
    let mut names = package.used();
    names.extend(package.dependencies("dev-dependencies"));
    names
        .into_iter()
        .filter_map(|used| house.package(used))
        .filter(|used| {
            let below = used.floor().is_some_and(|used| used < floor);
            !below && used.name() != name && !is_allowed(package, used)
        })
        .map(|used| {
            format!(
                "{name} (floor {floor}) uses {} (floor {:?}); dependencies point down",
                used.name(),
                used.floor()
            )
        })
        .collect()
}

fn is_allowed(package: &Package, used: &Package) -> bool {
    // Tools and tests start, measure and question the programs.
    let drives_programs = package.folder.starts_with("tools/") || package.folder == "tests";
    let sideways =
        SIDEWAYS.iter().any(|(from, to, _)| (*from, *to) == (package.name(), used.name()));
    sideways || drives_programs && used.floor() == Some(HOUSES)
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn dependencies_point_down() {
        check(rule);
    }

    #[test]
    fn a_dependency_that_points_up_or_sideways_is_found() {
        let up = House::planted("vitals", 2, &["host"]).with("host", 4, &[]);
        check_finds(rule, &up, "vitals (floor 2) uses host");
        let sideways = House::planted("vitals", 2, &["patients"]).with("patients", 2, &[]);
        check_finds(rule, &sideways, "vitals (floor 2) uses patients");
        let declared = House::planted("alerts", 2, &["vitals"]).with("vitals", 2, &["serde"]);
        check_allows(rule, &declared);
        check_finds(rule, &House::planted("vitals", 9, &[]), "lacks [package.metadata.house]");
    }
}
