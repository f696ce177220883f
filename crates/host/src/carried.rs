//! Files that leave this machine with somebody, and come from there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::folder::{FolderError, sync_folder_of};

/// A file that gets its name when all of it is on the medium: one that was pulled out too early has
/// none that looks whole. Dropped before [`finish`](Self::finish) it leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    /// `None` once it has its name.
    half_done: Option<PathBuf>,
    path: PathBuf,
    out: BufWriter<File>,
}

impl NewFile {
    /// Begins the file at `path`, for its owner only.
    ///
    /// # Errors
    ///
    /// [`FolderError::AlreadyThere`]; what is there stays.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(FolderError::AlreadyThere { path: path.to_owned() });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let half_done = path.with_file_name(name);
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half_done)
            .map_err(|source| writing(path, source))?;
        let out = BufWriter::with_capacity(128 * 1024, opened);
        Ok(Self { half_done: Some(half_done), path: path.to_owned(), out })
    }

    /// Puts all of it on the medium and gives it its name; answers its length in bytes.
    ///
    /// # Errors
    ///
    /// [`FolderError`]; then nothing is left of it.
    pub fn finish(mut self) -> Result<u64, FolderError> {
        let put = |file: &mut BufWriter<File>| -> io::Result<u64> {
            file.flush()?;
            file.get_ref().sync_all()?;
            Ok(file.get_ref().metadata()?.len())
        };
        let bytes = put(&mut self.out).map_err(|source| writing(&self.path, source))?;
        // A medium of the plainest kind knows no hard links, so that a name cannot be given and
        // refused in one step.
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(FolderError::AlreadyThere { path: self.path.clone() });
        }
        if let Some(half_done) = &self.half_done {
            fs::rename(half_done, &self.path).map_err(|source| writing(&self.path, source))?;
        }
        self.half_done = None;
        sync_folder_of(&self.path)?;
        Ok(bytes)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(half_done) = self.half_done.take() {
            let _ = fs::remove_file(half_done);
        }
    }
}

/// Opens a file that somebody brought; answers it with its length in bytes.
///
/// # Errors
///
/// [`FolderError::Io`], also for what is no plain file: reading a device might never end.
pub fn open(path: &Path) -> Result<(File, u64), FolderError> {
    let reading = |source| FolderError::Io { doing: "reading", path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(reading)?;
    if !found.is_file() {
        return Err(reading(io::ErrorKind::InvalidInput.into()));
    }
    let file = File::open(path).map_err(reading)?;
    Ok((file, found.len()))
}

fn writing(path: &Path, source: io::Error) -> FolderError {
    FolderError::Io { doing: "writing", path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_never_takes_anothers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bundle");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(), 0, "what was broken off is gone");

        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(file.finish().unwrap(), 5);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(), 1);

        assert!(matches!(NewFile::create(&path), Err(FolderError::AlreadyThere { .. })));
        let missing = folder.path().join("nowhere/a.bundle");
        assert!(matches!(NewFile::create(&missing), Err(FolderError::Io { .. })));
        assert_eq!(open(&path).unwrap().1, 5);
        assert!(open(folder.path()).is_err());
    }
}
