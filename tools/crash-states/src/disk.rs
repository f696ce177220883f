//! A disk that has not been told everything yet: what is on it for certain, what may be, and the
//! disks that a power cut can leave.

use std::collections::BTreeMap;

use ::tests::network::Dice;

use crate::trace::Call;

/// What a disk writes as a whole, bytes.
const SECTOR_BYTES: usize = 512;

/// When a name is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// When its folder was synced, and nothing else helps: what POSIX promises.
    Strict,
    /// Names reach the disk in the order in which they were given, and with any sync: a journal.
    Ordered,
}

/// A file, whatever its names.
type Inode = usize;

/// The files of a disk by their paths.
pub type Image = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug)]
enum FileChange {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

/// A change of names that happens as a whole; `None` is a name less.
type NameChange = Vec<(String, Option<Inode>)>;

#[derive(Clone, Debug, Default)]
struct File {
    is_folder: bool,
    /// On the disk.
    certain: Vec<u8>,
    /// Not certain to be on the disk, with the number of the call.
    pending: Vec<(usize, FileChange)>,
}

/// The disk below one folder, which itself is certain.
#[derive(Clone, Debug)]
pub struct Disk {
    rule: Rule,
    root: String,
    files: Vec<File>,
    /// As the program sees them.
    names: BTreeMap<String, Inode>,
    certain_names: BTreeMap<String, Inode>,
    pending_names: Vec<(usize, NameChange)>,
    /// Where the next write without a place goes.
    offsets: BTreeMap<i32, usize>,
    calls: usize,
}

impl Disk {
    /// An empty disk below `root`.
    #[must_use]
    pub fn new(rule: Rule, root: &str) -> Self {
        Self {
            rule,
            root: format!("{root}/"),
            files: Vec::new(),
            names: BTreeMap::new(),
            certain_names: BTreeMap::new(),
            pending_names: Vec::new(),
            offsets: BTreeMap::new(),
            calls: 0,
        }
    }

    /// Does what the program asked for.
    pub fn apply(&mut self, call: &Call) {
        let number = self.calls;
        self.calls += 1;
        match call {
            Call::Open { fd, path, creates, empties } => {
                self.offsets.insert(*fd, 0);
                if !self.is_below(path) {
                    return;
                }
                if *creates && !self.names.contains_key(path) {
                    let inode = self.make(false);
                    self.rename(number, vec![(path.clone(), Some(inode))]);
                } else if *empties {
                    self.change(number, path, FileChange::Truncate { length: 0 });
                }
            }
            Call::Write { fd, path, at, bytes } => {
                let at = at.unwrap_or_else(|| {
                    let offset = self.offsets.entry(*fd).or_default();
                    let at = *offset;
                    *offset += bytes.len();
                    at
                });
                self.change(number, path, FileChange::Write { at, bytes: bytes.clone() });
            }
            Call::Truncate { path, length } => {
                self.change(number, path, FileChange::Truncate { length: *length });
            }
            Call::Sync { path, asked } => self.sync(path, *asked),
            // The program still reads it, and no later sync brings it to the disk.
            Call::FailedSync { path, asked } => {
                if let Some(file) = self.names.get(path).and_then(|&at| self.files.get_mut(at)) {
                    file.pending.retain(|(at, _)| at >= asked);
                }
            }
            Call::Nothing => {}
            Call::Link { from, to } => {
                if let Some(&inode) = self.names.get(from) {
                    self.rename(number, vec![(to.clone(), Some(inode))]);
                }
            }
            Call::Rename { from, to } => {
                if let Some(&inode) = self.names.get(from) {
                    self.rename(number, vec![(from.clone(), None), (to.clone(), Some(inode))]);
                }
            }
            Call::Unlink { path } => {
                if self.names.contains_key(path) {
                    self.rename(number, vec![(path.clone(), None)]);
                }
            }
            Call::MakeFolder { path } => {
                if self.is_below(path) {
                    let inode = self.make(true);
                    self.rename(number, vec![(path.clone(), Some(inode))]);
                }
            }
        }
    }

    fn is_below(&self, path: &str) -> bool {
        path.starts_with(&self.root)
    }

    fn make(&mut self, is_folder: bool) -> Inode {
        self.files.push(File { is_folder, ..File::default() });
        self.files.len() - 1
    }

    fn change(&mut self, number: usize, path: &str, change: FileChange) {
        if let Some(file) = self.names.get(path).and_then(|&inode| self.files.get_mut(inode)) {
            file.pending.push((number, change));
        }
    }

    fn rename(&mut self, number: usize, change: NameChange) {
        give_names(&mut self.names, &change);
        self.pending_names.push((number, change));
    }

    /// What was asked before call number `asked` is certain from now on.
    fn sync(&mut self, path: &str, asked: usize) {
        if let Some(file) = self.names.get(path).and_then(|&inode| self.files.get_mut(inode)) {
            let later = file.pending.split_off(file.pending.partition_point(|(at, _)| *at < asked));
            for (_, change) in std::mem::replace(&mut file.pending, later) {
                make_change(&mut file.certain, &change);
            }
        } else if !format!("{path}/").starts_with(&self.root) {
            return;
        }
        let rule = self.rule;
        let certain = &mut self.certain_names;
        self.pending_names.retain(|(at, change)| {
            let covered = match rule {
                Rule::Strict => change.iter().all(|(name, _)| folder_of(name) == path),
                Rule::Ordered => true,
            };
            let is_certain = covered && *at < asked;
            if is_certain {
                give_names(certain, change);
            }
            !is_certain
        });
    }

    /// Everything that the program wrote, as it would read it itself.
    #[must_use]
    pub fn as_seen(&self) -> Image {
        self.image(&self.names, |file| {
            let mut bytes = file.certain.clone();
            file.pending.iter().for_each(|(_, change)| make_change(&mut bytes, change));
            bytes
        })
    }

    /// What a power cut now can leave; which of many the dice say.
    #[must_use]
    pub fn crash(&self, dice: &mut Dice) -> Image {
        let mut names = self.certain_names.clone();
        let kept = Kept::roll(dice);
        let first_lost = dice.below(self.pending_names.len() as u64 + 1);
        for (at, (_, change)) in self.pending_names.iter().enumerate() {
            let is_kept = match (self.rule, kept) {
                (_, Kept::Nothing) => false,
                (_, Kept::Everything) => true,
                (Rule::Ordered, _) => (at as u64) < first_lost,
                (Rule::Strict, _) => dice.percent(50),
            };
            if is_kept {
                give_names(&mut names, change);
            }
        }
        self.image(&names, |file| self.crashed(file, dice))
    }

    fn image(
        &self,
        names: &BTreeMap<String, Inode>,
        mut content: impl FnMut(&File) -> Vec<u8>,
    ) -> Image {
        let mut image = Image::new();
        for (path, inode) in names {
            let Some(file) = self.files.get(*inode).filter(|file| !file.is_folder) else {
                continue;
            };
            if self.is_reachable(names, path) {
                image.insert(path.clone(), content(file));
            }
        }
        image
    }

    /// A file is lost with any folder above it.
    fn is_reachable(&self, names: &BTreeMap<String, Inode>, path: &str) -> bool {
        let folder = folder_of(path);
        format!("{folder}/") == self.root
            || names.contains_key(folder) && self.is_reachable(names, folder)
    }

    fn crashed(&self, file: &File, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = file.certain.clone();
        let kept = Kept::roll(dice);
        let share = 10 + dice.below(81);
        let whole = dice.below(file.pending.len() as u64 + 1);
        for (at, (_, change)) in file.pending.iter().enumerate() {
            let at = at as u64;
            match kept {
                Kept::Nothing => break,
                Kept::Everything => make_change(&mut bytes, change),
                Kept::Prefix if at < whole => make_change(&mut bytes, change),
                Kept::Prefix if at == whole => tear(&mut bytes, change, dice, 50),
                Kept::Prefix => break,
                Kept::Some => {
                    if dice.percent(share) {
                        make_change(&mut bytes, change);
                    }
                }
                Kept::Sectors => tear(&mut bytes, change, dice, share),
            }
        }
        // The length may be on the disk before what it is the length of.
        if self.rule == Rule::Strict && kept != Kept::Nothing && dice.percent(15) {
            let ends = file.pending.iter().map(|(_, change)| match change {
                FileChange::Write { at, bytes } => at + bytes.len(),
                FileChange::Truncate { .. } => 0,
            });
            let length = ends.max().unwrap_or(0).max(bytes.len());
            bytes.resize(length, 0);
        }
        bytes
    }
}

/// Which of the changes that are not certain a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Nothing,
    Everything,
    /// In order up to one, which is torn.
    Prefix,
    /// Any of them.
    Some,
    /// Any sectors of any of them.
    Sectors,
}

impl Kept {
    fn roll(dice: &mut Dice) -> Self {
        match dice.below(6) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Prefix,
            3 => Self::Some,
            _ => Self::Sectors,
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn give_names(names: &mut BTreeMap<String, Inode>, change: &NameChange) {
    for (name, inode) in change {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

fn make_change(bytes: &mut Vec<u8>, change: &FileChange) {
    match change {
        FileChange::Write { at, bytes: new } => put(bytes, *at, new),
        FileChange::Truncate { length } => bytes.resize(*length, 0),
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(place) = bytes.get_mut(at..end) {
        place.copy_from_slice(new);
    }
}

/// Keeps each sector of a write, or a truncation, with this probability.
fn tear(bytes: &mut Vec<u8>, change: &FileChange, dice: &mut Dice, percent: u64) {
    match change {
        FileChange::Write { at, bytes: new } => {
            let mut from = 0;
            while from < new.len() {
                // Sectors begin where the disk begins them, not where the write does.
                let to =
                    new.len().min((at + from) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - at);
                if dice.percent(percent) {
                    put(bytes, at + from, new.get(from..to).unwrap_or_default());
                }
                from = to;
            }
        }
        FileChange::Truncate { .. } => {
            if dice.percent(percent) {
                make_change(bytes, change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str) -> Call {
        Call::Open { fd: 4, path: path.to_owned(), creates: true, empties: false }
    }

    fn write(path: &str, at: usize, bytes: &[u8]) -> Call {
        Call::Write { fd: 4, path: path.to_owned(), at: Some(at), bytes: bytes.to_vec() }
    }

    fn sync(path: &str, asked: usize) -> Call {
        Call::Sync { path: path.to_owned(), asked }
    }

    /// What power cuts after `calls` leave of `/r/a`, each state once.
    fn states(rule: Rule, calls: &[Call]) -> Vec<Option<Vec<u8>>> {
        let mut disk = Disk::new(rule, "/r");
        calls.iter().for_each(|call| disk.apply(call));
        let mut found: Vec<_> =
            (0..500).map(|seed| disk.crash(&mut Dice::new(seed)).remove("/r/a")).collect();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn what_was_synced_is_there_and_what_was_not_may_be() {
        let calls = [open("/r/a"), sync("/r", 1), write("/r/a", 0, b"x"), sync("/r/a", 3)];
        let with_more = [calls.to_vec(), vec![write("/r/a", 1, b"y")]].concat();
        for rule in [Rule::Strict, Rule::Ordered] {
            assert_eq!(states(rule, &calls), [Some(b"x".to_vec())]);
            let found = states(rule, &with_more);
            assert!(found.contains(&Some(b"x".to_vec())));
            assert!(found.contains(&Some(b"xy".to_vec())));
        }
        // The length before the bytes: only where nothing promises otherwise.
        assert!(states(Rule::Strict, &with_more).contains(&Some(b"x\0".to_vec())));
        assert!(!states(Rule::Ordered, &with_more).contains(&Some(b"x\0".to_vec())));
    }

    #[test]
    fn a_sync_covers_what_was_asked_before_it_began() {
        let calls = [open("/r/a"), sync("/r", 1), write("/r/a", 0, b"x"), sync("/r/a", 2)];
        assert!(states(Rule::Strict, &calls).contains(&Some(Vec::new())));
    }

    #[test]
    fn a_name_is_certain_with_its_folder_or_with_any_sync() {
        let calls = [open("/r/a"), write("/r/a", 0, b"x"), sync("/r/a", 2)];
        assert_eq!(states(Rule::Strict, &calls), [None, Some(b"x".to_vec())]);
        assert_eq!(states(Rule::Ordered, &calls), [Some(b"x".to_vec())]);
        let with_folder = [calls.to_vec(), vec![sync("/r", 3)]].concat();
        assert_eq!(states(Rule::Strict, &with_folder), [Some(b"x".to_vec())]);
    }

    #[test]
    fn a_file_goes_with_the_folder_above_it() {
        let mut disk = Disk::new(Rule::Strict, "/r");
        let path = "/r/new/a";
        let calls = [
            Call::MakeFolder { path: "/r/new".to_owned() },
            open(path),
            write(path, 0, b"x"),
            sync(path, 3),
            sync("/r/new", 4),
        ];
        calls.iter().for_each(|call| disk.apply(call));
        let lost = (0..100).filter(|seed| disk.crash(&mut Dice::new(*seed)).is_empty()).count();
        assert!((1..100).contains(&lost), "{lost}");
        disk.apply(&sync("/r", 5));
        assert!((0..100).all(|seed| !disk.crash(&mut Dice::new(seed)).is_empty()));
    }

    #[test]
    fn a_rename_is_whole_and_sectors_are_too() {
        let old = vec![b'o'; 2 * SECTOR_BYTES];
        let new = vec![b'n'; 2 * SECTOR_BYTES];
        let calls = [
            open("/r/a"),
            write("/r/a", 0, &old),
            sync("/r/a", 2),
            sync("/r", 3),
            write("/r/a", 0, &new),
        ];
        let found = states(Rule::Strict, &calls);
        let half = [&new[..SECTOR_BYTES], &old[..SECTOR_BYTES]].concat();
        assert_eq!(found.len(), 4, "each of two sectors is the old or the new one");
        assert!(found.contains(&Some(half)));
        let renamed = Call::Rename { from: "/r/b".to_owned(), to: "/r/a".to_owned() };
        let calls = [calls[..4].to_vec(), vec![open("/r/b"), sync("/r", 5), renamed]].concat();
        assert_eq!(states(Rule::Strict, &calls), [Some(Vec::new()), Some(old)]);
    }
}
