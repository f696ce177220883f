//! The end that answers.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::{Answer, Refusal};
use super::wire::{BROKEN_OFF, Header, PIECE_BYTES_MAX, QUESTION_BYTES_MAX};
use crate::Shutdown;
use crate::folder::{FolderError, check_folder};

/// Questions answered at once; more wait. People and scripts ask one at a time.
const QUESTIONS_AT_ONCE: usize = 8;

/// How long a client may take to send its line; the programs send it at once.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(5);

/// How long answers may still run after the request to stop.
const FINISH_TIME_MAX: Duration = Duration::from_secs(5);

/// A socket that is bound and not yet served.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the socket at `path`, for its owner only. One that a killed program left there is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`FolderError::Held`] when a program answers there, [`FolderError::TooOpen`] when others
    /// than the owner can reach the folder, [`FolderError::AlreadyThere`] when the file is no
    /// socket.
    pub fn bind(path: &Path) -> Result<Self, FolderError> {
        if let Some(folder) = path.parent() {
            check_folder(folder)?;
        }
        remove_stale(path)?;
        let failed = |source| FolderError::Io { doing: "binding", path: path.to_owned(), source };
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Until here the folder alone has kept others out.
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers questions with `handler` until `shutdown`, then removes the socket. The handler gets
    /// the question's line without its end.
    pub async fn serve<H, F>(self, handler: H, shutdown: Shutdown)
    where
        H: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Refusal>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let permits = Arc::new(Semaphore::new(QUESTIONS_AT_ONCE));
        let mut running = JoinSet::new();
        loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                next = next => next,
                () = shutdown.requested() => break,
            };
            while running.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let handler = Arc::clone(&handler);
                    running.spawn(async move {
                        if let Err(error) = answer(stream, handler.as_ref()).await {
                            tracing::debug!(error = %error, "a control question was broken off");
                        }
                        drop(permit);
                    });
                }
                // Out of file descriptors, for example: passes when others are closed.
                Err(error) => {
                    tracing::warn!(error = %error, "the control socket cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        let _ = fs::remove_file(&self.path);
        // What is still running after this is broken off, and the client notices.
        let finish = async { while running.join_next().await.is_some() {} };
        let _ = timeout(FINISH_TIME_MAX, finish).await;
    }
}

fn remove_stale(path: &Path) -> Result<(), FolderError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FolderError::io("reading", path)(error)),
    };
    if !found.file_type().is_socket() {
        return Err(FolderError::AlreadyThere { path: path.to_owned() });
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(FolderError::Held { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(FolderError::io("removing", path))
}

async fn answer<H, F>(stream: UnixStream, handler: &H) -> io::Result<()>
where
    H: Fn(String) -> F,
    F: Future<Output = Result<Answer, Refusal>>,
{
    let mut stream = BufReader::new(stream);
    let question = timeout(QUESTION_TIME_MAX, read_question(&mut stream)).await??;
    let reply = match question {
        Ok(question) => handler(question).await,
        Err(refusal) => Err(refusal),
    };
    match reply {
        Err(refusal) => stream.write_all(&Header::Error(refusal.sentence).line()).await?,
        Ok(Answer::Whole(bytes)) => {
            stream.write_all(&Header::Ok(true).line()).await?;
            write_piece(&mut stream, &bytes).await?;
            stream.write_u32(0).await?;
        }
        Ok(Answer::Pieces(mut pieces)) => {
            stream.write_all(&Header::Ok(true).line()).await?;
            let mut broken_off = None;
            while broken_off.is_none()
                && let Some(piece) = pieces.recv().await
            {
                match piece {
                    Ok(piece) => write_piece(&mut stream, &piece).await?,
                    Err(refusal) => broken_off = Some(refusal),
                }
            }
            match broken_off {
                Some(refusal) => {
                    stream.write_u32(BROKEN_OFF).await?;
                    stream.write_all(&Header::Error(refusal.sentence).line()).await?;
                }
                None => stream.write_u32(0).await?,
            }
        }
    }
    stream.shutdown().await
}

async fn read_question(stream: &mut BufReader<UnixStream>) -> io::Result<Result<String, Refusal>> {
    let mut line = Vec::new();
    stream.take(QUESTION_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Ok(Err(Refusal::new(format!(
            "a question is one line of at most {QUESTION_BYTES_MAX} bytes"
        ))));
    }
    Ok(String::from_utf8(line).map_err(|_| Refusal::new("a question is UTF-8 text")))
}

async fn write_piece(stream: &mut BufReader<UnixStream>, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(PIECE_BYTES_MAX) {
        // A chunk has at most PIECE_BYTES_MAX bytes.
        let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
        stream.write_u32(length).await?;
        stream.write_all(piece).await?;
    }
    Ok(())
}
