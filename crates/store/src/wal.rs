//! Whether the WAL that a program left holds everything that was committed into it.
//!
//! SQLite reads a WAL up to the first thing in it that does not add up and takes the rest for what a
//! power cut left half-written. A flipped bit looks the same to it, and everything behind the bit would
//! be gone without a word. But writes that were acknowledged look different: each was synced before
//! the next began, so only one of them can be half-written.
//!
//! The format is that of <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::StoreError;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The last bit says how numbers are read for checksums.
const MAGIC: u32 = 0x377f_0682;

/// What a WAL holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalState {
    /// Everything that was written into it.
    Whole,
    /// All but the last write, which is not whole and will be left out, as after a power cut.
    LastWriteTorn,
}

/// Looks at the WAL beside the database at `database`, before anybody opens it.
///
/// # Errors
///
/// [`StoreError::WalDamaged`] when writes that were synced cannot be read any more;
/// [`StoreError::File`].
pub fn check_wal(database: &Path) -> Result<WalState, StoreError> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    match fs::read(Path::new(&name)) {
        Ok(bytes) => look(&bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(WalState::Whole),
        Err(error) => Err(StoreError::File(error)),
    }
}

fn look(wal: &[u8]) -> Result<WalState, StoreError> {
    let Some((header, frames)) = wal.split_at_checked(HEADER_BYTES) else {
        return Ok(WalState::Whole);
    };
    let Some((sums, page_bytes)) = read_header(header) else {
        // It is synced before anything follows it.
        return if frames.is_empty() { Ok(WalState::Whole) } else { Err(StoreError::WalDamaged) };
    };
    let salts = header.get(16..24);
    let mut sums = Some(sums);
    // Commits at which everything adds up end `whole`; those behind the first that does not, do not.
    let (mut torn_commits, mut is_torn) = (0, false);
    for frame in frames.chunks_exact(FRAME_HEADER_BYTES + page_bytes) {
        let is_current = frame.get(8..16) == salts;
        sums = sums.and_then(|sums| {
            let begin = sums.over(frame.get(..8)?)?;
            let all = begin.over(frame.get(FRAME_HEADER_BYTES..)?)?;
            (is_current && all.are(frame.get(16..24)?)).then_some(all)
        });
        if sums.is_none() && is_current {
            is_torn = true;
            torn_commits += usize::from(number(frame, 4).is_some_and(|pages| pages != 0));
        }
    }
    match torn_commits {
        0 | 1 if is_torn => Ok(WalState::LastWriteTorn),
        0 | 1 => Ok(WalState::Whole),
        _ => Err(StoreError::WalDamaged),
    }
}

/// The checksum so far, and the size of a page.
fn read_header(header: &[u8]) -> Option<(Sums, usize)> {
    let magic = number(header, 0)?;
    if magic & !1 != MAGIC {
        return None;
    }
    let empty = Sums { first: 0, second: 0, big_endian: magic & 1 == 1 };
    let sums = empty.over(header.get(..24)?)?;
    let page_bytes = usize::try_from(number(header, 8)?).ok()?;
    let fits = page_bytes.is_power_of_two() && (512..=65_536).contains(&page_bytes);
    (fits && sums.are(header.get(24..)?)).then_some((sums, page_bytes))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// The running checksum of a WAL.
#[derive(Clone, Copy)]
struct Sums {
    first: u32,
    second: u32,
    big_endian: bool,
}

impl Sums {
    /// Over 8 bytes or a multiple.
    fn over(mut self, bytes: &[u8]) -> Option<Self> {
        let (pairs, []) = bytes.as_chunks::<8>() else { return None };
        let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        for [a, b, c, d, e, f, g, h] in pairs {
            let (x, y) = (read([*a, *b, *c, *d]), read([*e, *f, *g, *h]));
            self.first = self.first.wrapping_add(x).wrapping_add(self.second);
            self.second = self.second.wrapping_add(y).wrapping_add(self.first);
        }
        Some(self)
    }

    fn are(self, stored: &[u8]) -> bool {
        number(stored, 0) == Some(self.first) && number(stored, 4) == Some(self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, DatabaseKey, open};

    /// The WAL of three commits, and where each ends.
    fn three_commits() -> (Vec<u8>, [usize; 3]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let conn = open(&path, &DatabaseKey::new([1; 32]), Access::Write).unwrap();
        conn.execute_batch(
            "CREATE TABLE note (x TEXT NOT NULL) STRICT; PRAGMA wal_checkpoint(RESTART)",
        )
        .unwrap();
        let wal = path.with_extension("db-wal");
        let ends = [1, 2, 3].map(|at| {
            conn.execute("INSERT INTO note VALUES (hex(zeroblob(?1)))", [at * 3_000]).unwrap();
            fs::metadata(&wal).unwrap().len().try_into().unwrap()
        });
        (fs::read(&wal).unwrap(), ends)
    }

    #[test]
    fn a_flip_before_the_last_write_is_damage_and_one_in_it_may_be_a_power_cut() {
        let (wal, [_, second, third]) = three_commits();
        assert_eq!(wal.len(), third);
        assert_eq!(look(&wal).unwrap(), WalState::Whole);
        for at in (0..third).step_by(97) {
            let mut flipped = wal.clone();
            flipped[at] ^= 4;
            let found = look(&flipped);
            if at < second {
                assert!(matches!(found, Err(StoreError::WalDamaged)), "{at}: {found:?}");
            } else {
                assert_eq!(found.unwrap(), WalState::LastWriteTorn, "{at}");
            }
        }
    }

    #[test]
    fn what_a_power_cut_leaves_is_no_damage() {
        let (wal, [_, second, third]) = three_commits();
        for cut in [0, 1, HEADER_BYTES, second, second + 24, third - 1] {
            look(&wal[..cut]).unwrap();
        }
        // Sectors of the last write are missing, or its length came first.
        for hole in (second..third).step_by(512) {
            let mut torn = wal.clone();
            torn[hole..third.min(hole + 512)].fill(0);
            assert_eq!(look(&torn).unwrap(), WalState::LastWriteTorn);
        }
        let mut extended = wal[..second].to_vec();
        extended.resize(third, 0);
        assert_eq!(look(&extended).unwrap(), WalState::Whole);
        assert_eq!(look(&[0; HEADER_BYTES]).unwrap(), WalState::Whole);
    }
}
