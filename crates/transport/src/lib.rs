//! Links between nodes that know each other by key: over QUIC, and over TCP where UDP does not pass.
//!
//! Both ends of a link prove an ed25519 key (raw public keys, RFC 7250): the [`Dialer`] accepts one
//! server key, named beforehand; the [`Listener`] accepts the keys an [`Admission`] knows. A [`Link`]
//! moves frames, opaque bytes, on seven *lanes* numbered by class, 0 the most urgent; it knows nothing
//! of what the frames say. A node without an enrolled key can do one thing, [`Dialer::join`]: send
//! one bounded request and read one answer.

pub mod framing;

pub mod backoff;
pub mod delay_target;
mod either_way;

pub mod identity;
pub mod pinning;

pub mod config;
pub mod socket;
mod write_queue;

mod carrier;
pub mod close_code;
mod lanes;
pub mod link;
mod outbox;
mod registry;
mod tcp;

pub mod dialer;
pub mod drive;
pub mod join;
pub mod listener;
pub mod roads;

pub use carrier::Road;
pub use config::LinkProfile;
pub use dialer::Dialer;
pub use identity::TlsIdentity;
pub use join::JoinRequest;
pub use link::Link;
pub use listener::{Incoming, Listener, TcpDoor};
pub use pinning::Admission;
pub use roads::Roads;
