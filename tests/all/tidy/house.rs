//! The repository as the rules see it: packages with manifests, files with their text.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

use super::source::Source;

/// Everything the rules look at.
#[derive(Default)]
pub(super) struct House {
    /// The manifest of the workspace.
    pub(super) root: Table,
    /// The packages, by folder.
    pub(super) packages: Vec<Package>,
    /// Name and version of each package in the lock file.
    pub(super) locked: Vec<(String, String)>,
    /// Text of ARCHITECTURE.md, if it is there.
    pub(super) architecture: Option<String>,
}

/// One package of the workspace.
pub(super) struct Package {
    /// Its folder from the root: `crates/vocab`.
    pub(super) folder: String,
    pub(super) manifest: Table,
    pub(super) files: Vec<Source>,
}

impl Package {
    pub(super) fn name(&self) -> &str {
        at(&self.manifest, &["package", "name"]).and_then(|name| name.as_str()).unwrap_or("?")
    }

    /// The floor it says it is on.
    pub(super) fn floor(&self) -> Option<i64> {
        at(&self.manifest, &["package", "metadata", "house", "floor"])?.as_integer()
    }

    /// The names of its dependencies in `section` and its target-specific twins, as in the
    /// registry.
    pub(super) fn dependencies(&self, section: &str) -> Vec<&str> {
        let plain = self.manifest.get(section);
        let by_target = self.manifest.get("target").and_then(|all| all.as_table());
        let by_target = by_target.into_iter().flat_map(|all| all.values());
        let tables = plain.into_iter().chain(by_target.filter_map(|one| one.get(section)));
        tables
            .filter_map(|table| table.as_table())
            .flat_map(|table| table.iter())
            .map(|(key, value)| value.get("package").and_then(|name| name.as_str()).unwrap_or(key))
            .collect()
    }

    /// Dependencies of what is built for use, without those of its tests.
    pub(super) fn used(&self) -> Vec<&str> {
        let mut names = self.dependencies("dependencies");
        names.extend(self.dependencies("build-dependencies"));
        names
    }

    /// Its Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

/// The value at `keys` below one another.
pub(super) fn at<'t>(table: &'t Table, keys: &[&str]) -> Option<&'t toml::Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

impl House {
    /// Reads this repository.
    pub(super) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let mut folders: Vec<PathBuf> =
            ["edge-node", "hub", "sync-protocol", "tests"].map(|name| root.join(name)).into();
        for group in ["crates", "tools"] {
            let entries = fs::read_dir(root.join(group)).unwrap();
            folders.extend(entries.map(|entry| entry.unwrap().path()));
        }
        folders.sort();
        let packages = folders
            .into_iter()
            .filter(|folder| folder.join("Cargo.toml").exists())
            .map(|folder| read_package(&root, &folder))
            .collect();
        Self {
            root: read_toml(&root.join("Cargo.toml")),
            packages,
            locked: locked(&read_toml(&root.join("Cargo.lock"))),
            architecture: fs::read_to_string(root.join("ARCHITECTURE.md")).ok(),
        }
    }

    pub(super) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name() == name)
    }

    /// A house of one package `name` on `floor` with the given dependencies, to plant mistakes in.
    pub(super) fn planted(name: &str, floor: i64, dependencies: &[&str]) -> Self {
        Self::default().with(name, floor, dependencies)
    }

    /// The same with one package more.
    pub(super) fn with(mut self, name: &str, floor: i64, dependencies: &[&str]) -> Self {
        let lines: String =
            dependencies.iter().map(|name| format!("{name}.workspace = true\n")).collect();
        let text = format!(
            "[package]\nname = \"{name}\"\n[package.metadata.house]\nfloor = {floor}\n\
             [dependencies]\n{lines}"
        );
        self.packages.push(Package {
            folder: format!("crates/{name}"),
            manifest: text.parse().unwrap(),
            files: Vec::new(),
        });
        self
    }

    /// The same with a file in its last package.
    pub(super) fn with_file(mut self, path: &str, text: &str) -> Self {
        let package = self.packages.last_mut().unwrap();
        let path = format!("{}/{path}", package.folder);
        package.files.push(Source::new(path, text.to_owned()));
        self
    }
}

fn read_package(root: &Path, folder: &Path) -> Package {
    let mut paths = Vec::new();
    collect(folder, &mut paths);
    paths.sort();
    let files = paths.iter().filter_map(|path| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        Some(Source::new(name, fs::read_to_string(path).ok()?))
    });
    Package {
        folder: folder.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
        manifest: read_toml(&folder.join("Cargo.toml")),
        files: files.collect(),
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What a fuzzer wrote is no text of ours.
            if path.file_name().is_some_and(|name| name != "target" && name != "corpus") {
                collect(&path, paths);
            }
        } else {
            paths.push(path);
        }
    }
}

fn read_toml(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Name and version of each package that a lock file lists.
pub(super) fn locked(lock: &Table) -> Vec<(String, String)> {
    let packages = lock.get("package").and_then(|list| list.as_array()).unwrap();
    let text = |package: &toml::Value, key| package.get(key).unwrap().as_str().unwrap().to_owned();
    packages.iter().map(|package| (text(package, "name"), text(package, "version"))).collect()
}
