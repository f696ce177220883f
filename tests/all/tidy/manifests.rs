//! Manifests: every package takes its settings from the workspace, and the workspace is strict.

use super::house::{House, Package, at};

const SHARED_KEYS: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Lints of the workspace that other rules rest on, and their level.
const LINTS: [(&str, &str, &str); 5] = [
    ("rust", "unsafe_code", "forbid"),
    ("rust", "unused_must_use", "deny"),
    ("rust", "missing_docs", "warn"),
    ("clippy", "disallowed_methods", "deny"),
    ("clippy", "await_holding_lock", "deny"),
];

fn rule(house: &House) -> Vec<String> {
    let mut said: Vec<String> = house.packages.iter().flat_map(complaints).collect();
    if house.root.is_empty() {
        return said;
    }
    for (tool, lint, level) in LINTS {
        let found = at(&house.root, &["workspace", "lints", tool, lint]);
        if found.and_then(|value| value.as_str()) != Some(level) {
            said.push(format!("Cargo.toml: the lint {lint} is not {level}"));
        }
    }
    let profiles = house.root.get("profile").and_then(|all| all.as_table());
    for (name, profile) in profiles.into_iter().flatten() {
        if profile.get("panic").is_some_and(|value| value.as_str() == Some("abort")) {
            said.push(format!(
                "Cargo.toml: [profile.{name}] aborts on panic; nothing is contained"
            ));
        }
    }
    said
}

fn complaints(package: &Package) -> Vec<String> {
    let name = package.name();
    let inherits =
        |keys: &[&str]| at(&package.manifest, keys).and_then(|value| value.as_bool()) == Some(true);
    let mut said = Vec::new();
    if !inherits(&["lints", "workspace"]) {
        said.push(format!("{name}: the manifest lacks [lints] workspace = true"));
    }
    let alone = SHARED_KEYS.iter().filter(|key| !inherits(&["package", key, "workspace"]));
    said.extend(alone.map(|key| format!("{name}: the manifest lacks {key}.workspace = true")));
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let table = package.manifest.get(section).and_then(|table| table.as_table());
        let alone = table.into_iter().flatten().filter(|(_, value)| {
            value.get("workspace").and_then(|value| value.as_bool()) != Some(true)
        });
        said.extend(alone.map(|(used, _)| {
            format!("{name}: {used} belongs in [workspace.dependencies], once for all")
        }));
    }
    said
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    const WHOLE: &str = "
        package.name = 'a'
        package.version.workspace = true
        package.edition.workspace = true
        package.rust-version.workspace = true
        package.license.workspace = true
        package.publish.workspace = true
        lints.workspace = true
        dependencies.serde.workspace = true
    ";

    fn planted(text: &str) -> House {
        let mut house = House::planted("a", 0, &[]);
        house.packages[0].manifest = text.parse().unwrap();
        house
    }

    #[test]
    fn settings_come_from_the_workspace() {
        check(rule);
    }

    #[test]
    fn a_setting_of_its_own_is_found() {
        check_allows(rule, &planted(WHOLE));
        for line in WHOLE.lines().filter(|line| line.trim().ends_with("true")) {
            let other = line.replace("= true", "= false");
            check_finds(rule, &planted(&WHOLE.replace(line, &other)), "a: ");
        }
    }

    #[test]
    fn a_lax_workspace_is_found() {
        let lints = "
            workspace.lints.rust = { unsafe_code = 'forbid', unused_must_use = 'deny', missing_docs = 'warn' }
            workspace.lints.clippy = { disallowed_methods = 'deny', await_holding_lock = 'deny' }
        ";
        let root = |text: &str| House { root: text.parse().unwrap(), ..House::default() };
        check_allows(rule, &root(lints));
        check_finds(rule, &root(&lints.replace("'forbid'", "'deny'")), "unsafe_code");
        let aborting = format!("{lints}\nprofile.release.panic = 'abort'");
        check_finds(rule, &root(&aborting), "aborts on panic");
    }
}
