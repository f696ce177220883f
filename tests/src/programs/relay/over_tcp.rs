//! The TCP side of a wire: connections are passed on as long as it is not cut.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Inner, LOOK_UP, lock};

/// Passes on whoever comes until the wire is over.
pub(super) fn accept(inner: &Arc<Inner>, listener: &TcpListener) {
    for client in listener.incoming() {
        if inner.is_over.load(Ordering::SeqCst) {
            return;
        }
        let hub = *lock(&inner.hub);
        if inner.is_cut.load(Ordering::SeqCst) {
            continue;
        }
        let (Ok(client), Ok(hub)) = (client, TcpStream::connect(hub)) else { continue };
        for stream in [&client, &hub] {
            stream.set_nodelay(true).expect("a socket takes an option");
            stream.set_read_timeout(Some(LOOK_UP)).expect("a socket takes a timeout");
        }
        let pairs = [(client.try_clone(), hub.try_clone(), true), (Ok(hub), Ok(client), false)];
        for (from, to, is_up) in pairs {
            let (Ok(from), Ok(to)) = (from, to) else { continue };
            let inner = Arc::clone(inner);
            std::thread::spawn(move || pass_on(&inner, &from, &to, is_up));
        }
    }
}

/// Lets a waiting [`accept`] look whether it is over.
pub(super) fn wake(address: SocketAddr) {
    // If it is gone already, nobody has to be woken.
    let _ = TcpStream::connect(address);
}

fn pass_on(inner: &Inner, mut from: &TcpStream, mut to: &TcpStream, is_up: bool) {
    let mut bytes = [0; 2_048];
    while !inner.is_over.load(Ordering::SeqCst) && !inner.is_cut.load(Ordering::SeqCst) {
        let length = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        let bytes = bytes.get(..length).unwrap_or_default();
        if is_up {
            inner.transmit(length);
        }
        if !inner.takes(bytes) || to.write_all(bytes).is_err() {
            break;
        }
    }
    // What one side ended, ends on the other as well; a cut wire ends both.
    let _ = to.shutdown(Shutdown::Write);
    if inner.is_cut.load(Ordering::SeqCst) || inner.is_over.load(Ordering::SeqCst) {
        let _ = from.shutdown(Shutdown::Both);
    }
}
