//! TCP sockets that keep little for themselves.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::LinkProfile;

/// Handshakes of TCP itself that the kernel finishes ahead of us.
const BACKLOG: i32 = 1_024;

/// Bytes that the kernel takes and has not sent. An alert stands behind these, so they are as few as
/// keep a line busy between two looks: at 10 MB/s this is 1.6 ms.
const UNSENT_WIDE_BYTES: u32 = 16 * 1024;

/// The same on a narrow link: two records, 300 ms at 64 kbit/s.
const UNSENT_NARROW_BYTES: u32 = 2_400;

/// Bytes on a narrow link that the kernel has sent and not seen acknowledged, 2 s at 64 kbit/s: as
/// many as QUIC has there. Without it TCP fills the queue of the modem.
const SEND_BUFFER_NARROW_BYTES: usize = 16 * 1024;

/// Binds `address` and listens. An IPv6 address serves IPv4 as well where the system can.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && socket.set_only_v6(false).is_err() {
        tracing::debug!("this system keeps IPv6 sockets to IPv6");
    }
    // Connections of a program before this one may not have timed out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Makes the kernel send at once and hold little back.
pub(crate) fn keep_little(stream: &TcpStream, profile: LinkProfile) {
    let socket = SockRef::from(stream);
    let (unsent, buffer) = match profile {
        LinkProfile::Wide => (UNSENT_WIDE_BYTES, None),
        LinkProfile::Narrow => (UNSENT_NARROW_BYTES, Some(SEND_BUFFER_NARROW_BYTES)),
    };
    let mut done = socket.set_tcp_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        done = done.and(socket.set_tcp_notsent_lowat(unsent));
    }
    if let Some(bytes) = buffer {
        done = done.and(socket.set_send_buffer_size(bytes));
    }
    if let Err(error) = done {
        // The link works all the same; urgent frames wait longer behind a backlog.
        tracing::debug!(%error, "the system keeps its own send buffer");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_socket_holds_little_back() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        keep_little(&stream, LinkProfile::Narrow);
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_NARROW_BYTES);
        // Linux reports twice what was set (socket(7)).
        assert_eq!(socket.send_buffer_size().unwrap(), 2 * SEND_BUFFER_NARROW_BYTES);
    }
}
