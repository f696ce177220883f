//! The one writer: a thread that runs use cases in the order they came and commits them in groups.
//!
//! A commit waits for the disk, once for a whole group. While it waits the queue fills, and what
//! has come by then is the next group: under load the groups grow by themselves, alone a write is
//! committed at once. Nobody is answered before the commit that holds their write has returned.
//!
//! After a failed sync the system shows what is not on the disk, and says of a second sync that all
//! is well. So nothing is acknowledged any more until the file was closed by everybody, opened anew,
//! written out from its WAL and checked: see [`Desk::recover`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{Connection, Group, StoreError};
use tokio::sync::{mpsc, oneshot, watch};

use super::job::{Job, job};
use super::{Readers, WriteError};
use crate::clock::instant_now;

/// Writes that may wait. At 60 us for a batch of readings a full queue is 60 ms of work; whoever
/// comes later waits to get in, so memory stays bounded and devices feel it as a slower answer.
const QUEUE_JOBS_MAX: usize = 1_024;

/// Writes in one commit. The gain of sharing a commit is nearly all had at a few dozen.
const GROUP_JOBS_MAX: usize = 256;

/// Work in one commit, so that the first of a group does not wait long for the last: twice this
/// and the time of a commit stay well below the 100 ms that a person notices.
const GROUP_WORK_MAX: Duration = Duration::from_millis(10);

/// Caches that the writer keeps between jobs. They may hold what a job learned from rows that were
/// never committed, so they are emptied whenever anything is taken back.
pub trait Reset {
    /// Forgets everything.
    fn reset(&mut self);
}

impl Reset for () {
    fn reset(&mut self) {}
}

/// Hands writes to the writer's thread; cheap to clone. The thread ends after [`stop`](Self::stop),
/// or when the last of the clones is gone.
#[derive(Debug)]
pub struct Writer<S> {
    queue: mpsc::Sender<Message<S>>,
    commits: watch::Receiver<u64>,
}

impl<S> Clone for Writer<S> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), commits: self.commits.clone() }
    }
}

enum Message<S> {
    Job(Box<dyn Job<S>>),
    EmptyWal(oneshot::Sender<bool>),
    /// Write the file anew, and empty the WAL.
    Rewrite(oneshot::Sender<bool>),
    Stop(oneshot::Sender<()>),
}

impl<S: Reset + Send + 'static> Writer<S> {
    /// Opens the database with `open` and starts the thread. After an input/output error `readers`
    /// are closed for as long as it takes to open the database anew and to check it.
    ///
    /// # Errors
    ///
    /// Those of `open`; [`StoreError::Thread`] when the system gives no thread.
    pub fn start(
        open: impl Fn() -> Result<Connection, StoreError> + Send + 'static,
        readers: Readers,
        state: S,
    ) -> Result<Self, StoreError> {
        let conn = open()?;
        let (queue, jobs) = mpsc::channel(QUEUE_JOBS_MAX);
        let (committed, commits) = watch::channel(0);
        let conn = Trust::Sound(conn);
        let mut desk = Desk { open, readers, conn, state, committed, group: Vec::new() };
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                let waiting_for_end = desk.work_through(jobs);
                // Also its hold on the readers, which may be the last: a program that is told that
                // the database is closed may end, and nothing may be closing it then.
                drop(desk);
                for ended in waiting_for_end {
                    let _ = ended.send(());
                }
            })
            .map_err(StoreError::Thread)?;
        Ok(Self { queue, commits })
    }

    /// Runs `work` in the writer and answers when it is durable.
    ///
    /// Writes run in the order in which they were queued. Once queued a write runs even when the
    /// caller no longer waits for it.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; nothing of this write is stored.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&Connection, &mut S) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.send(Message::Job(job)).await.map_err(|_| WriteError::Stopped)?;
        answer.await.unwrap_or(Err(WriteError::Stopped))
    }

    /// As [`write`](Self::write), for a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// When called on a thread of the async runtime, which must not wait.
    pub fn write_blocking<T, E>(
        &self,
        work: impl FnOnce(&Connection, &mut S) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue.blocking_send(Message::Job(job)).map_err(|_| WriteError::Stopped)?;
        answer.blocking_recv().unwrap_or(Err(WriteError::Stopped))
    }

    /// Changes after every commit that wrote something. A receiver that slept through several
    /// commits wakes once.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    /// Writes that wait at this moment, of at most 1,024.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Moves what was committed into the database file and empties the WAL, between two commits;
    /// answers whether it did. Somebody who reads at this moment is not waited for: try again later.
    pub async fn empty_wal(&self) -> bool {
        let (ended, wait) = oneshot::channel();
        self.queue.send(Message::EmptyWal(ended)).await.is_ok() && wait.await.unwrap_or(false)
    }

    /// Writes the database file anew and empties the WAL, between two commits, so that nothing that was
    /// erased is left in any file; answers whether it did. Writers wait for it.
    pub async fn rewrite(&self) -> bool {
        let (ended, wait) = oneshot::channel();
        self.queue.send(Message::Rewrite(ended)).await.is_ok() && wait.await.unwrap_or(false)
    }

    /// Finishes what is queued, closes the database and ends the thread. Later writes are
    /// [`WriteError::Stopped`].
    pub async fn stop(&self) {
        let (ended, wait) = oneshot::channel();
        if self.queue.send(Message::Stop(ended)).await.is_ok() {
            // An error means that the thread is gone, which is what was asked for.
            let _ = wait.await;
        }
    }
}

/// The connection, and how far it can be relied on.
enum Trust {
    /// What it commits is on the disk.
    Sound(Connection),
    /// A commit failed. What was committed before it is in the WAL for certain.
    CommitFailed(Connection),
    /// Bringing the WAL into the database failed, or what came after that. Kept only because readers
    /// cannot open the database alone.
    Doubtful(Connection),
    /// The database could not be opened.
    Closed,
}

/// What the thread works with.
struct Desk<S, O> {
    open: O,
    readers: Readers,
    conn: Trust,
    state: S,
    committed: watch::Sender<u64>,
    /// The jobs of the group at hand; kept to reuse its memory.
    group: Vec<Box<dyn Job<S>>>,
}

impl<S: Reset, O: Fn() -> Result<Connection, StoreError>> Desk<S, O> {
    /// Answers who waits for the end.
    fn work_through(&mut self, mut jobs: mpsc::Receiver<Message<S>>) -> Vec<oneshot::Sender<()>> {
        let mut waiting_for_end = Vec::new();
        while let Some(message) = jobs.blocking_recv() {
            let job = match message {
                Message::Job(job) => job,
                Message::EmptyWal(ended) => {
                    self.tidy(store::empty_wal, ended);
                    continue;
                }
                Message::Rewrite(ended) => {
                    self.tidy(store::rewrite, ended);
                    continue;
                }
                Message::Stop(ended) => {
                    waiting_for_end.push(ended);
                    jobs.close();
                    continue;
                }
            };
            match self.commit_group(job, &mut jobs) {
                Some(Message::Stop(ended)) => {
                    waiting_for_end.push(ended);
                    jobs.close();
                }
                Some(Message::EmptyWal(ended)) => self.tidy(store::empty_wal, ended),
                Some(Message::Rewrite(ended)) => self.tidy(store::rewrite, ended),
                Some(Message::Job(_)) | None => {}
            }
        }
        match std::mem::replace(&mut self.conn, Trust::Closed) {
            // Closing the last connection moves the WAL into the database file.
            Trust::Sound(conn) => drop(conn),
            Trust::CommitFailed(conn) | Trust::Doubtful(conn) => store::close_as_it_is(conn),
            Trust::Closed => {}
        }
        waiting_for_end
    }

    /// Answers `false` where it cannot be done now.
    fn tidy(
        &mut self,
        what: fn(&Connection) -> Result<bool, StoreError>,
        ended: oneshot::Sender<bool>,
    ) {
        let emptied = self.sound().and_then(|conn| {
            let emptied = what(&conn);
            self.keep(conn, emptied.as_ref().err(), Trust::Doubtful);
            emptied
        });
        if let Err(error) = &emptied {
            tracing::warn!(%error, "the database file or its WAL could not be tidied");
        }
        // Whoever no longer waits will ask again.
        let _ = ended.send(matches!(emptied, Ok(true)));
    }

    /// Takes the connection, recovered if it must be.
    fn sound(&mut self) -> Result<Connection, StoreError> {
        match std::mem::replace(&mut self.conn, Trust::Closed) {
            Trust::Sound(conn) => Ok(conn),
            other @ (Trust::CommitFailed(_) | Trust::Doubtful(_) | Trust::Closed) => {
                self.recover(other)
            }
        }
    }

    /// Puts the connection back after work that ended with `error`, if any.
    fn keep(
        &mut self,
        conn: Connection,
        error: Option<&StoreError>,
        otherwise: impl FnOnce(Connection) -> Trust,
    ) {
        let is_sound = error.is_none_or(leaves_the_connection_sound);
        self.conn = if is_sound { Trust::Sound(conn) } else { otherwise(conn) };
    }

    /// Starts over from what is certain: closes the database for everybody, opens it anew, writes
    /// everything that is in the WAL into the file, empties the WAL, and checks every page.
    fn recover(&mut self, before: Trust) -> Result<Connection, StoreError> {
        let readers = self.readers.clone();
        readers.while_closed(|| {
            match before {
                Trust::CommitFailed(conn) => {
                    // While this connection knows that the last commit is not one: whoever opens
                    // the WAL anew would find it there, whole, and believe it.
                    let _ = store::empty_wal(&conn);
                    store::close_as_it_is(conn);
                }
                Trust::Doubtful(conn) | Trust::Sound(conn) => store::close_as_it_is(conn),
                Trust::Closed => {}
            }
            let conn = (self.open)()?;
            match store::empty_wal(&conn).and_then(|_| store::check_file(&conn)) {
                Ok(()) => {
                    tracing::warn!("the database was opened anew and is whole");
                    Ok(conn)
                }
                Err(error) => {
                    self.conn = Trust::Doubtful(conn);
                    Err(error)
                }
            }
        })
    }

    /// Runs `first` and what is queued behind it, commits, answers. Gives back a message that is no
    /// job and was met on the way.
    fn commit_group(
        &mut self,
        first: Box<dyn Job<S>>,
        jobs: &mut mpsc::Receiver<Message<S>>,
    ) -> Option<Message<S>> {
        let mut other = None;
        let stored = match self.sound() {
            Ok(conn) => {
                let stored = self.run_group(&conn, first, jobs, &mut other);
                self.keep(conn, stored.as_ref().err(), Trust::CommitFailed);
                stored
            }
            Err(error) => {
                self.group.push(first);
                Err(error)
            }
        };
        match stored {
            Ok(wrote) => {
                if wrote {
                    self.committed.send_modify(|count| *count += 1);
                }
                self.group.drain(..).for_each(|job| job.answer(Ok(())));
                self.checkpoint();
            }
            Err(error) => {
                tracing::error!(error = %error, count = self.group.len(), "a commit failed");
                self.state.reset();
                let error = Arc::new(error);
                self.group.drain(..).for_each(|job| job.answer(Err(&error)));
            }
        }
        other
    }

    /// Keeps the WAL from growing without end; nobody waits for it.
    fn checkpoint(&mut self) {
        let Ok(conn) = self.sound() else { return };
        let moved = store::checkpoint_when_due(&conn);
        if let Err(error) = &moved {
            tracing::error!(%error, "the WAL could not be brought into the database");
        }
        self.keep(conn, moved.as_ref().err(), Trust::Doubtful);
    }

    /// Answers whether anything was written.
    fn run_group(
        &mut self,
        conn: &Connection,
        first: Box<dyn Job<S>>,
        jobs: &mut mpsc::Receiver<Message<S>>,
        other: &mut Option<Message<S>>,
    ) -> Result<bool, StoreError> {
        let started: Instant = instant_now();
        let mut next = Some(first);
        let group = match Group::begin(conn) {
            Ok(group) => group,
            Err(error) => {
                self.group.extend(next);
                return Err(error);
            }
        };
        while let Some(mut job) = next.take() {
            let ran = self.run_job(&group, conn, &mut job);
            self.group.push(job);
            ran?;
            if self.group.len() >= GROUP_JOBS_MAX || started.elapsed() >= GROUP_WORK_MAX {
                break;
            }
            match jobs.try_recv() {
                Ok(Message::Job(job)) => next = Some(job),
                Ok(message) => *other = Some(message),
                Err(_) => {}
            }
        }
        group.commit()
    }

    fn run_job(
        &mut self,
        group: &Group<'_>,
        conn: &Connection,
        job: &mut Box<dyn Job<S>>,
    ) -> Result<(), StoreError> {
        group.start()?;
        if job.run(conn, &mut self.state) {
            return group.keep();
        }
        self.state.reset();
        group.undo()
    }
}

/// A full disk and an undone transaction are ordinary: nothing was synced in vain, and what was
/// written of it is written over by the next. After anything else the connection is opened anew.
fn leaves_the_connection_sound(error: &StoreError) -> bool {
    matches!(error, StoreError::DiskFull | StoreError::Undone)
}
