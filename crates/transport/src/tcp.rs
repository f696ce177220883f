//! TLS over TCP, for networks that let no UDP through: the same keys, frames and classes as QUIC.
//!
//! After the handshake both ends send *records* of at most 1,200 bytes (`record`): pieces of frames,
//! the class first, and a few of the link's own. What QUIC's streams do is done here by hand: pieces
//! of urgent classes go between those of a long frame, and a peer sends no more of a class than
//! was granted (`flow`), so that bulk which nobody takes keeps no alert from being read.
//!
//! What TCP cannot do: a lost packet holds up everything behind it, and what the kernel has taken
//! cannot be overtaken. So the kernel is given little (`socket`).

mod counted;
mod dial;
mod door;
mod flow;
mod join;
mod message;
mod record;
mod session;
mod socket;

pub(crate) use dial::ask;
pub(crate) use door::run;
pub(crate) use join::Answer;
pub(crate) use record::RECORD_BYTES_MAX;
pub(crate) use session::{Session, Side};
pub(crate) use socket::listen;

use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection whose handshake is done.
pub(crate) type Tls = TlsStream<counted::Counted<TcpStream>>;
