//! All three secrets of a data folder together, and the copy of them that an operator keeps elsewhere.

use std::fmt;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use store::DatabaseKey;
use zeroize::Zeroizing;

use super::{
    DATABASE_KEY_FILE, DataFolder, FolderError, NODE_KEY_FILE, TLS_KEY_FILE, check_folder,
    rotation, secret, write_whole,
};

/// Longest copy: some lines of comment and six of 80 characters.
const COPY_BYTES_MAX: u64 = 4 * 1024;

/// Digits of the checksum: a mistyped character goes unnoticed once in 2^64.
const CHECK_DIGITS: usize = 16;

/// What a backup needs to become this node again.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    database: Zeroizing<[u8; 32]>,
    node: Zeroizing<[u8; 32]>,
    tls: Zeroizing<[u8; 32]>,
    /// The public key that the node began with, if it has another now.
    name: Option<[u8; 32]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

impl Keys {
    /// Reads those of the data folder at `data`, also while a program runs there.
    ///
    /// # Errors
    ///
    /// [`FolderError`], as for every secret: missing, too open, or damaged.
    pub fn of_folder(data: &Path) -> Result<Self, FolderError> {
        check_folder(data)?;
        Ok(Self {
            database: secret::read(&data.join(DATABASE_KEY_FILE))?,
            node: secret::read(&data.join(NODE_KEY_FILE))?,
            tls: secret::read(&rotation::tls_key_file(data))?,
            name: rotation::name(data)?,
        })
    }

    /// The key of the database and of its backups.
    #[must_use]
    pub fn database_key(&self) -> DatabaseKey {
        DatabaseKey::new(*self.database)
    }

    /// The seed of the key that signs.
    #[must_use]
    pub fn node_seed(&self) -> &[u8; 32] {
        &self.node
    }

    /// The public key that the node began with, if it rotated its keys since.
    #[must_use]
    pub const fn name(&self) -> Option<&[u8; 32]> {
        self.name.as_ref()
    }

    /// Writes a copy to `file`, which must not be there yet nor lie in the data folder `data`. `title`
    /// says whose keys they are.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn save(&self, title: &str, file: &Path, data: &Path) -> Result<(), FolderError> {
        let file = &std::path::absolute(file).map_err(FolderError::io("writing", file))?;
        if fs::symlink_metadata(file).is_ok() {
            return Err(FolderError::AlreadyThere { path: file.clone() });
        }
        let parent = file.parent().unwrap_or(file);
        let real = |path: &Path| fs::canonicalize(path).map_err(FolderError::io("reading", path));
        if real(parent)?.starts_with(real(data)?) {
            return Err(FolderError::NotElsewhere { path: file.clone() });
        }
        let lines = self.lines();
        let check = check(&lines);
        let text = Zeroizing::new(format!(
            "# The keys of a Cairn {title}. With one of its backups they bring it back.\n\
             # Keep them apart from backups: whoever has both can read everything.\n\
             {}check {check}\n",
            *lines
        ));
        write_whole(file, text.as_bytes())
    }

    /// Reads such a copy. Its mode is not looked at: it may be on a medium that knows none.
    ///
    /// # Errors
    ///
    /// [`FolderError::BadKeyCopy`] when a character is not as it was written.
    pub fn read(file: &Path) -> Result<Self, FolderError> {
        let bad = || FolderError::BadKeyCopy { path: file.to_owned() };
        let reading = |source| FolderError::Io { doing: "reading", path: file.to_owned(), source };
        if fs::metadata(file).map_err(reading)?.len() > COPY_BYTES_MAX {
            return Err(bad());
        }
        let text = Zeroizing::new(fs::read(file).map_err(reading)?);
        let text = std::str::from_utf8(&text).map_err(|_| bad())?;
        let value = |name: &str| {
            let mut values =
                text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            values.next().map(str::trim).ok_or_else(bad)
        };
        let secret = |name| -> Result<Zeroizing<[u8; 32]>, FolderError> {
            let bytes = HEXLOWER.decode(value(name)?.as_bytes()).map_err(|_| bad())?;
            let bytes = Zeroizing::new(bytes);
            Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| bad())?))
        };
        // Copies of nodes that have their first keys say no name.
        let name = match value("name") {
            Ok(_) => Some(*secret("name")?),
            Err(_) => None,
        };
        let keys = Self {
            database: secret("database")?,
            node: secret("node")?,
            tls: secret("tls")?,
            name,
        };
        if value("check")? != check(&keys.lines()) {
            return Err(bad());
        }
        Ok(keys)
    }

    /// Puts them into a folder that has none, or the same.
    pub(crate) fn put_into(&self, folder: &DataFolder) -> Result<(), FolderError> {
        let named = [
            (DATABASE_KEY_FILE, &self.database),
            (NODE_KEY_FILE, &self.node),
            (TLS_KEY_FILE, &self.tls),
        ];
        for (name, bytes) in named {
            let path = folder.file(name);
            match secret::make(&path, bytes) {
                Err(FolderError::AlreadyThere { .. }) if secret::read(&path)? == *bytes => {}
                done => done?,
            }
        }
        match &self.name {
            Some(name) => rotation::keep_name(folder.path(), name),
            None => Ok(()),
        }
    }

    fn lines(&self) -> Zeroizing<String> {
        let digits = |bytes: &[u8; 32]| Zeroizing::new(HEXLOWER.encode(bytes));
        let name = self.name.map(|name| format!("name {}\n", HEXLOWER.encode(&name)));
        Zeroizing::new(format!(
            "database {}\nnode {}\ntls {}\n{}",
            *digits(&self.database),
            *digits(&self.node),
            *digits(&self.tls),
            name.unwrap_or_default()
        ))
    }
}

fn check(lines: &str) -> String {
    let digest = blake3::hash(lines.as_bytes()).to_hex();
    digest.get(..CHECK_DIGITS).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[test]
    fn a_copy_of_the_keys_reads_back_and_no_mistyped_character_goes_unnoticed() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("data");
        let nothing_more = |_: &DataFolder| -> Result<(), FolderError> { Ok(()) };
        drop(DataFolder::create(&data, &Random::seeded(1), nothing_more).unwrap());
        let keys = Keys::of_folder(&data).unwrap();
        let copy = parent.path().join("keys.txt");
        keys.save("hub 12345678", &copy, &data).unwrap();
        assert_eq!(Keys::read(&copy).unwrap(), keys);
        assert_eq!(format!("{keys:?}"), "Keys([redacted])");
        assert!(matches!(
            keys.save("hub 12345678", &copy, &data),
            Err(FolderError::AlreadyThere { .. })
        ));
        let inside = data.join("keys.txt");
        assert!(matches!(
            keys.save("hub 12345678", &inside, &data),
            Err(FolderError::NotElsewhere { .. })
        ));

        let text = fs::read_to_string(&copy).unwrap();
        for (at, character) in
            text.char_indices().skip_while(|(at, _)| !text[*at..].starts_with("database"))
        {
            if character.is_whitespace() {
                continue;
            }
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            fs::write(&copy, bytes).unwrap();
            assert!(matches!(Keys::read(&copy), Err(FolderError::BadKeyCopy { .. })), "{at}");
        }
    }
}
