//! What carries a link: a QUIC connection, or TLS over TCP where UDP gets no answer.

use std::fmt;
use std::sync::Arc;

use quinn::Connection;

use crate::link::{LinkError, LinkStats, Verdict};
use crate::tcp::Session;

/// The road that a link takes through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// QUIC over UDP: lost packets of one class hold up no other.
    Udp,
    /// TLS over TCP, for networks that let no UDP through.
    Tcp,
}

impl Road {
    /// One word, for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "over UDP",
            Self::Tcp => "over TCP, because UDP got no answer",
        })
    }
}

/// One connection, shared by all who may have to end it.
#[derive(Clone)]
pub(crate) enum Carrier {
    Quic(Connection, Arc<Verdict>),
    Tcp(Arc<Session>),
}

impl Carrier {
    pub(crate) const fn road(&self) -> Road {
        match self {
            Self::Quic(..) => Road::Udp,
            Self::Tcp(_) => Road::Tcp,
        }
    }

    /// Closes with a reason of our own. Does nothing if the connection is closed already.
    pub(crate) fn close(&self, code: u32, reason: &'static str) {
        match self {
            Self::Quic(connection, verdict) => verdict.close(connection, code, reason.as_bytes()),
            Self::Tcp(session) => session.close(code),
        }
    }

    /// Waits until the connection has ended.
    pub(crate) async fn closed(&self) -> LinkError {
        match self {
            Self::Quic(connection, verdict) => verdict.explain(connection.closed().await),
            Self::Tcp(session) => session.closed().await,
        }
    }

    /// Why the connection has ended, if it has.
    pub(crate) fn close_reason(&self) -> Option<LinkError> {
        match self {
            Self::Quic(connection, verdict) => {
                connection.close_reason().map(|reason| verdict.explain(reason))
            }
            Self::Tcp(session) => session.close_reason(),
        }
    }

    pub(crate) fn stats(&self) -> LinkStats {
        match self {
            Self::Quic(connection, _) => {
                let stats = connection.stats();
                LinkStats {
                    sent_bytes: stats.udp_tx.bytes,
                    received_bytes: stats.udp_rx.bytes,
                    sent_datagrams: stats.udp_tx.datagrams,
                    received_datagrams: stats.udp_rx.datagrams,
                    lost_packets: stats.path.lost_packets,
                    round_trip: stats.path.rtt,
                }
            }
            Self::Tcp(session) => session.stats(),
        }
    }
}
