//! Client and server over a real socket.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::*;
use crate::folder::FolderError;
use crate::{Shutdown, shutdown::Stop};

struct Running {
    _folder: TempDir,
    path: PathBuf,
    stop: Stop,
    server: tokio::task::JoinHandle<()>,
}

fn private_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    folder
}

fn start() -> Running {
    let folder = private_folder();
    let path = folder.path().join("control.sock");
    let (stop, shutdown) = Shutdown::new();
    let control = Control::bind(&path).unwrap();
    let server = tokio::spawn(control.serve(handle, shutdown));
    Running { _folder: folder, path, stop, server }
}

async fn handle(question: String) -> Result<Answer, Refusal> {
    match question.as_str() {
        r#""status""# => Ok(Answer::from("all is well".to_owned())),
        r#""long""# => Ok(Answer::Whole(vec![7; 3 * 1024 * 1024 + 1])),
        r#""export""# => Ok(pieces([Ok("a,b\n"), Ok(""), Ok("1,2\n")])),
        r#""broken""# => Ok(pieces([Ok("a,b\n"), Err(Refusal::new("the disk fails")), Ok("1,2")])),
        _ => Err(Refusal::new("there is no such command")),
    }
}

fn pieces(all: [Result<&str, Refusal>; 3]) -> Answer {
    let (sender, receiver) = mpsc::channel(3);
    for piece in all {
        sender.try_send(piece.map(|piece| piece.as_bytes().to_vec())).unwrap();
    }
    Answer::Pieces(receiver)
}

async fn asked(path: &Path, question: &'static str) -> Result<Vec<u8>, AskError> {
    let path = path.to_owned();
    spawn_blocking(move || {
        let mut output = Vec::new();
        let written = ask(&path, &question, &mut output)?;
        assert_eq!(written, output.len() as u64);
        Ok(output)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn answers_come_whole_and_refusals_as_a_sentence() {
    let running = start();
    assert_eq!(asked(&running.path, "status").await.unwrap(), b"all is well");
    assert_eq!(asked(&running.path, "long").await.unwrap().len(), 3 * 1024 * 1024 + 1);
    assert_eq!(asked(&running.path, "export").await.unwrap(), b"a,b\n1,2\n");
    let error = asked(&running.path, "fly").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no such command");
}

#[tokio::test]
async fn an_answer_that_was_cut_off_is_not_taken_for_whole() {
    let running = start();
    let error = asked(&running.path, "broken").await.unwrap_err();
    assert_eq!(error.to_string(), "the disk fails");
    // Without a word, as when the program is killed.
    let folder = private_folder();
    let path = folder.path().join("control.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"{\"ok\":true}\n\0\0\0\x04a,b\n\0\0\0\x04").unwrap();
        stream.read_exact(&mut [0; 9]).unwrap();
    });
    assert!(matches!(asked(&path, "export").await, Err(AskError::BrokenOff(_))));
}

#[tokio::test]
async fn a_question_without_an_end_is_refused() {
    let running = start();
    let path = running.path.clone();
    let answer = spawn_blocking(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(&vec![b'x'; 70_000]).ok();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok();
        answer
    });
    assert!(answer.await.unwrap().starts_with(r#"{"error":"a question is one line"#));
}

#[tokio::test]
async fn the_socket_is_its_owners_and_gone_after_the_end() {
    let running = start();
    let mode = fs::metadata(&running.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    running.stop.request();
    running.server.await.unwrap();
    assert!(!running.path.exists());
    assert!(matches!(asked(&running.path, "status").await, Err(AskError::NotRunning)));
}

#[tokio::test]
async fn a_stale_socket_is_replaced_a_live_one_and_another_file_are_not() {
    let running = start();
    assert!(matches!(Control::bind(&running.path), Err(FolderError::Held { .. })));

    let folder = private_folder();
    let path = folder.path().join("control.sock");
    // What a killed program leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(asked(&path, "status").await, Err(AskError::NotRunning)));
    drop(Control::bind(&path).unwrap());

    fs::remove_file(&path).unwrap();
    fs::write(&path, "kept").unwrap();
    assert!(matches!(Control::bind(&path), Err(FolderError::AlreadyThere { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
}

#[tokio::test]
async fn a_folder_that_others_can_enter_gets_no_socket() {
    let folder = private_folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    let error = Control::bind(&folder.path().join("control.sock")).unwrap_err();
    assert!(matches!(error, FolderError::TooOpen { .. }));
}
