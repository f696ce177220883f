//! The backups of a running program: one at a time, by the clock or when asked.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Connection, StoreError};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use vocab::Timestamp;

use super::generations::{About, Backup, newest_sound, prune};
use super::make::{Moment, make};
use super::state::{Failed, Good, Standing};
use super::{BackupError, Cause, Drill, Keys, Settings, medium};
use crate::Clock;
use crate::control::Refusal;
use crate::database::{ReadError, Readers};

/// How long a failed attempt rests, where the settings do not want the next one earlier.
const RETRY: Duration = Duration::from_secs(5 * 60);

/// How long a status waits for a medium that does not answer.
const LOOK_TIME_MAX: Duration = Duration::from_secs(3);

/// Makes the backups of one data folder.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    data: PathBuf,
    about: About,
    facts: Mutex<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    running: bool,
    /// The folder was, or is being, looked at for backups of earlier processes.
    looked: bool,
    last_good: Option<Good>,
    failed: Option<Failed>,
    /// When the last attempt of this process ended, on the monotonic clock, and whether it succeeded.
    attempt: Option<(u64, bool)>,
}

/// A backup that was made, and what was found in it.
#[derive(Debug)]
pub struct Made<T> {
    /// The backup.
    pub backup: Backup,
    /// Whether it is where the settings say, on a second medium: then what is in it is durable.
    pub counts: bool,
    /// Whether it is on another file system than the data.
    pub second_medium: bool,
    /// What was found in it.
    pub found: T,
}

impl<T> Made<T> {
    /// What was made and what it is worth, for whoever asked.
    #[must_use]
    pub fn report(&self) -> String {
        let manifest = &self.backup.manifest;
        let worth = match (self.counts, self.second_medium) {
            (true, _) => "what is in it is on a second medium from now on",
            (false, true) => {
                "it is not in the folder of the settings, so nothing counts as being on a second medium \
                 because of it"
            }
            (false, false) => {
                "it is on the same disk as the data and lost with it, so nothing counts as being on a \
                 second medium because of it (backup.same_disk_counts in config.toml says otherwise)"
            }
        };
        format!(
            "made {}: {} rows in {} tables, {} bytes, read back and whole\n{worth}\n",
            self.backup.path.display(),
            manifest.rows.values().sum::<u64>(),
            manifest.rows.len(),
            manifest.bytes
        )
    }
}

impl Keeper {
    /// For the data folder `data`.
    #[must_use]
    pub fn new(settings: Settings, data: &Path, about: About) -> Self {
        Self { settings, data: data.to_owned(), about, facts: Mutex::default() }
    }

    /// The folder of the settings, unless they name none.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        let folder = self.settings.folder.as_path();
        (!folder.as_os_str().is_empty()).then_some(folder)
    }

    /// Whose backups they are.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What to try out: the backup `from`, or the newest of the folder `from` or of the settings.
    ///
    /// # Errors
    ///
    /// [`BackupError::NoFolder`] when neither is given.
    pub fn drill(
        &self,
        from: Option<PathBuf>,
        keys: Option<PathBuf>,
        now: Timestamp,
    ) -> Result<Drill, BackupError> {
        let from = from.or_else(|| self.folder().map(Path::to_owned));
        Ok(Drill {
            from: from.ok_or(BackupError::NoFolder)?,
            keys,
            data: self.data().to_owned(),
            about: self.about().clone(),
            now,
        })
    }

    /// Makes a backup in `to`, or where the settings say. `incarnation` reads from the live database;
    /// `look` reads from the copy, once that was read back and is whole.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; there is no new backup then, and older ones are as they were.
    pub async fn make<T: Send + 'static>(
        &self,
        readers: &Readers,
        clock: &Clock,
        to: Option<PathBuf>,
        incarnation: impl FnOnce(&Connection) -> Result<Option<u64>, StoreError> + Send + 'static,
        look: impl FnOnce(&Connection) -> Result<T, Cause> + Send + 'static,
    ) -> Result<Made<T>, BackupError> {
        let _running = Running::begin(&self.facts)?;
        let folder = to.unwrap_or_else(|| self.settings.folder.clone());
        let configured = folder == self.settings.folder;
        let made = self.attempt(readers, clock, folder, incarnation, look).await;
        let mut facts = self.lock();
        if configured {
            facts.attempt = Some((clock.monotonic_nanos(), made.is_ok()));
        }
        match made {
            Ok((backup, second_medium, found)) => {
                if configured {
                    facts.last_good = Some(good(&backup, second_medium));
                    facts.failed = None;
                }
                let counts = configured && (second_medium || self.settings.same_disk_counts);
                Ok(Made { backup, counts, second_medium, found })
            }
            Err(error) => {
                if configured && self.folder().is_some() {
                    let (word, sentence) = (error.word(), Refusal::because(&error).sentence);
                    facts.failed = Some(Failed { at: clock.now(), word, sentence });
                }
                Err(error)
            }
        }
    }

    async fn attempt<T: Send + 'static>(
        &self,
        readers: &Readers,
        clock: &Clock,
        folder: PathBuf,
        incarnation: impl FnOnce(&Connection) -> Result<Option<u64>, StoreError> + Send + 'static,
        look: impl FnOnce(&Connection) -> Result<T, Cause> + Send + 'static,
    ) -> Result<(Backup, bool, T), BackupError> {
        let (about, data, clock) = (self.about.clone(), self.data.clone(), clock.clone());
        let keep = usize::try_from(self.settings.keep.get()).unwrap_or(usize::MAX);
        let read = readers.read(move |conn| {
            let medium = medium::look(&folder, &data)?;
            let key = Keys::of_folder(&data)?.database_key();
            let failed = |error| BackupError::Database(ReadError::Store(error));
            let moment =
                Moment { incarnation: incarnation(conn).map_err(failed)?, made_at: clock.now() };
            let (backup, found) = make(conn, &key, (&folder, keep), &about, &moment, look)?;
            Ok((backup, medium.second, found))
        });
        read.await.map_err(|error| match error {
            ReadError::Refused(error) => error,
            ReadError::Store(error) => BackupError::Database(ReadError::Store(error)),
            ReadError::Panicked => BackupError::Database(ReadError::Panicked),
            ReadError::Stopped => BackupError::Database(ReadError::Stopped),
        })
    }

    /// Whether the settings want a backup now.
    pub async fn is_due(&self, clock: &Clock) -> bool {
        if self.folder().is_none() || self.settings.every_minutes == 0 {
            return false;
        }
        self.look().await;
        let every = Duration::from_secs(u64::from(self.settings.every_minutes) * 60);
        let facts = self.lock();
        match (facts.running, facts.attempt, &facts.last_good) {
            (true, ..) => false,
            (false, Some((ended, succeeded)), _) => {
                let rest = if succeeded { every } else { every.min(RETRY) };
                let passed = clock.monotonic_nanos().saturating_sub(ended);
                Duration::from_nanos(passed) >= rest
            }
            (false, None, Some(good)) => {
                let age = clock.now().seconds_since(good.made_at);
                // Of the future: the clock was put back, and nobody knows how old it is.
                u64::try_from(age).map_or(true, |age| Duration::from_secs(age) >= every)
            }
            (false, None, None) => true,
        }
    }

    /// How backups stand.
    pub async fn standing(&self, now: Timestamp) -> Standing {
        self.look().await;
        let facts = self.lock();
        Standing {
            folder: self.folder().map(Path::to_owned),
            every_minutes: self.settings.every_minutes,
            same_disk_counts: self.settings.same_disk_counts,
            last_good: facts.last_good.clone(),
            failed: facts.failed.clone(),
            now,
        }
    }

    /// Removes all backups of the folder of the settings but the newest, which must not hold what they
    /// held.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; some of them may be gone.
    pub async fn drop_older(&self) -> Result<(), BackupError> {
        let Some(folder) = self.folder().map(Path::to_owned) else { return Ok(()) };
        let about = self.about.clone();
        let dropped = spawn_blocking(move || prune(&folder, &about, 1)).await;
        dropped.unwrap_or(Err(BackupError::Database(ReadError::Panicked)))
    }

    /// Looks once for backups that earlier processes made. A medium that does not answer holds up
    /// nobody for long.
    async fn look(&self) {
        let Some(folder) = self.folder().map(Path::to_owned) else { return };
        if std::mem::replace(&mut self.lock().looked, true) {
            return;
        }
        let (about, data) = (self.about.clone(), self.data.clone());
        let looking = spawn_blocking(move || {
            let second = medium::look(&folder, &data).ok()?.second;
            newest_sound(&folder, &about).map(|backup| good(&backup, second))
        });
        match timeout(LOOK_TIME_MAX, looking).await {
            Ok(found) => {
                let mut facts = self.lock();
                if facts.last_good.is_none() {
                    facts.last_good = found.ok().flatten();
                }
            }
            Err(_) => tracing::warn!("the backup folder does not answer"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn good(backup: &Backup, second_medium: bool) -> Good {
    let manifest = &backup.manifest;
    Good {
        number: manifest.number,
        made_at: manifest.made_at,
        bytes: manifest.bytes,
        second_medium,
    }
}

/// The right to make a backup; one at a time.
struct Running<'a>(&'a Mutex<Facts>);

impl<'a> Running<'a> {
    fn begin(facts: &'a Mutex<Facts>) -> Result<Self, BackupError> {
        let mut open = facts.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut open.running, true) {
            return Err(BackupError::Running);
        }
        Ok(Self(facts))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running = false;
    }
}
