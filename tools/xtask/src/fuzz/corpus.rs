//! The checked-in inputs of a target.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files of one corpus, and all their bytes: what a repository can carry and a test can run.
const FILES_MAX: usize = 190;
const BYTES_MAX: u64 = 280 * 1024;

/// Beginning of the name of an input that once broke its target; these always stay.
const REGRESSION: &str = "regression-";

/// A target's folder.
#[derive(Debug)]
pub(super) struct Corpus {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

impl Corpus {
    /// The corpora in `folder`, by name. There is one for each target.
    pub(super) fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let folder = entry?.path();
            if let Some(name) = folder.file_name().filter(|_| folder.is_dir()) {
                all.push(Self { name: name.to_string_lossy().into_owned(), folder });
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// How many files there are, and how many bytes in them.
    pub(super) fn size(&self) -> io::Result<(usize, u64)> {
        let files = files(&self.folder)?;
        Ok((files.len(), files.iter().map(|(bytes, _)| bytes).sum()))
    }

    /// Puts the inputs in `merged` in the place of these, as many as there may be: the longest first,
    /// because each reaches most, and shorter ones where those fill the room.
    pub(super) fn replace(&self, merged: &Path) -> io::Result<()> {
        let (mut count, mut total) = (0, 0);
        for (bytes, path) in files(&self.folder)? {
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(REGRESSION)) {
                (count, total) = (count + 1, total + bytes);
            } else {
                fs::remove_file(path)?;
            }
        }
        for (bytes, path) in files(merged)?.into_iter().rev() {
            let Some(name) = path.file_name() else { continue };
            if count < FILES_MAX && total + bytes <= BYTES_MAX {
                (count, total) = (count + 1, total + bytes);
                fs::copy(&path, self.folder.join(name))?;
            }
        }
        Ok(())
    }
}

/// The files of a folder with their lengths, the shortest first.
fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.len(), entry.path()));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_is_replaced_by_the_longest_inputs_that_fit_and_keeps_what_once_broke_it() {
        let folder = std::env::temp_dir().join(format!("corpus-{}", std::process::id()));
        let (own, merged) = (folder.join("own"), folder.join("merged"));
        fs::create_dir_all(&own).unwrap();
        fs::create_dir_all(&merged).unwrap();
        fs::write(own.join("regression-1"), [0; 50_000]).unwrap();
        fs::write(own.join("old"), [1]).unwrap();
        fs::write(merged.join("too-long"), vec![2; 240_000]).unwrap();
        fs::write(merged.join("long"), vec![2; 1_000]).unwrap();
        (0..250).for_each(|n| fs::write(merged.join(format!("{n:03}")), [3; 10]).unwrap());
        let corpus = Corpus { name: "own".to_owned(), folder: own.clone() };
        corpus.replace(&merged).unwrap();
        assert_eq!(corpus.size().unwrap(), (FILES_MAX, 51_000 + 10 * (FILES_MAX as u64 - 2)));
        assert!(own.join("regression-1").exists() && !own.join("old").exists());
        assert!(own.join("long").exists() && !own.join("too-long").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
