//! A planted bug, as the text that it changes.
//!
//! The form is that of `diff -u`, with one difference: a place is found by its lines and not by their
//! numbers, and has to be the only one, so that a patch outlives what is written around it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a patch cannot be planted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatchError {
    /// The file is no patch.
    #[error("{0}: line {1} is not that of a patch")]
    Malformed(String, usize),
    /// What it changes is not there any more, or more than once.
    #[error("{name}: {file} has {found} places like this, and it should have one:\n{place}")]
    Place {
        /// The patch.
        name: String,
        /// Where it should have been.
        file: String,
        /// How often it was found.
        found: usize,
        /// The lines.
        place: String,
    },
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    File(String, #[source] io::Error),
}

/// Lines that take the place of others in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk {
    file: String,
    old: String,
    new: String,
}

/// A bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// The name of its file, without the ending.
    pub(crate) name: String,
    /// What is wrong with it, in a sentence.
    pub(crate) what: String,
    hunks: Vec<Hunk>,
}

impl Patch {
    /// All patches of a folder, by name.
    ///
    /// # Errors
    ///
    /// [`PatchError`] names the file.
    pub(crate) fn all(folder: &Path) -> Result<Vec<Self>, PatchError> {
        let failed = |error| PatchError::File(folder.display().to_string(), error);
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path)
                .map_err(|error| PatchError::File(path.display().to_string(), error))?;
            all.push(Self::parse(&name, &text)?);
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    fn parse(name: &str, text: &str) -> Result<Self, PatchError> {
        let mut patch = Self { name: name.to_owned(), what: String::new(), hunks: Vec::new() };
        let mut file = String::new();
        for (number, line) in text.lines().enumerate() {
            let malformed = || PatchError::Malformed(name.to_owned(), number + 1);
            if let Some(path) = line.strip_prefix("+++ b/") {
                path.clone_into(&mut file);
            } else if line.starts_with("--- a/") {
                file.clear();
            } else if line.starts_with("@@") && !file.is_empty() {
                let (old, new) = (String::new(), String::new());
                patch.hunks.push(Hunk { file: file.clone(), old, new });
            } else if let Some(hunk) = patch.hunks.last_mut().filter(|_| !file.is_empty()) {
                let (mark, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
                match mark {
                    " " => [&mut hunk.old, &mut hunk.new].into_iter().for_each(|text| {
                        text.push_str(rest);
                        text.push('\n');
                    }),
                    "-" => hunk.old.extend([rest, "\n"]),
                    "+" => hunk.new.extend([rest, "\n"]),
                    _ => return Err(malformed()),
                }
            } else if number == 0 {
                line.clone_into(&mut patch.what);
            } else {
                return Err(malformed());
            }
        }
        let empty = patch.what.is_empty() || patch.hunks.is_empty();
        if empty { Err(PatchError::Malformed(name.to_owned(), 1)) } else { Ok(patch) }
    }

    /// The files that it changes under `root`, with their texts before and after.
    ///
    /// # Errors
    ///
    /// [`PatchError::Place`] when a place is not there exactly once.
    pub(crate) fn planted(
        &self,
        root: &Path,
    ) -> Result<Vec<(PathBuf, String, String)>, PatchError> {
        let mut files: Vec<(PathBuf, String, String)> = Vec::new();
        for hunk in &self.hunks {
            let path = root.join(&hunk.file);
            if !files.iter().any(|(known, ..)| *known == path) {
                let text = fs::read_to_string(&path)
                    .map_err(|error| PatchError::File(path.display().to_string(), error))?;
                files.push((path.clone(), text.clone(), text));
            }
            let Some((.., text)) = files.iter_mut().find(|(known, ..)| *known == path) else {
                continue;
            };
            let found = text.matches(&hunk.old).count();
            if found != 1 {
                return Err(PatchError::Place {
                    name: self.name.clone(),
                    file: hunk.file.clone(),
                    found,
                    place: hunk.old.clone(),
                });
            }
            *text = text.replacen(&hunk.old, &hunk.new, 1);
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::root;

    const TEXT: &str = "It is wrong.\n--- a/x.rs\n+++ b/x.rs\n@@\n one\n-two\n+three\n four\n";

    #[test]
    fn a_place_is_found_by_its_lines_and_has_to_be_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let patch = Patch::parse("bug", TEXT).unwrap();
        assert_eq!(patch.what, "It is wrong.");
        let check = |before: &str, after: Option<&str>| {
            fs::write(folder.path().join("x.rs"), before).unwrap();
            let planted = patch.planted(folder.path());
            match after {
                Some(after) => assert_eq!(planted.unwrap()[0].2, after),
                None => assert!(matches!(planted, Err(PatchError::Place { .. }))),
            }
        };
        check("zero\none\ntwo\nfour\n", Some("zero\none\nthree\nfour\n"));
        check("one\nthree\nfour\n", None);
        check("one\ntwo\nfour\none\ntwo\nfour\n", None);
    }

    #[test]
    fn what_is_no_patch_is_named_with_its_line() {
        for (text, line) in [("", 1), ("It is wrong.\nx\n", 2), ("It is wrong.\n", 1)] {
            let error = Patch::parse("bug", text).unwrap_err().to_string();
            assert_eq!(error, format!("bug: line {line} is not that of a patch"), "{text:?}");
        }
    }

    #[test]
    fn every_mutant_can_still_be_planted() {
        let all = Patch::all(&root().join(super::super::FOLDER)).unwrap();
        assert!(all.len() >= 10, "the sync design lists ten");
        for patch in all {
            patch.planted(root()).unwrap();
        }
    }
}
