//! Carries facts out and in: what a node wrote is signed and queued, what others wrote is checked,
//! stored once and handed to the room it belongs to, and a stream leaves the hub only through the
//! consent gate.
//!
//! [`edge::EdgeDesk`] and [`hub::HubDesk`] answer what the two sides of a conversation ask of
//! storage; [`outbox`] is the one way to write.

pub mod edge;
pub mod gate;
pub mod hub;
pub mod ledger;
pub mod materialize;
pub mod outbox;
pub mod streams;

pub use ledger::LedgerError;
pub use materialize::{Arrived, Materialize, Refusal};
pub use outbox::{Author, Draft, Written};
use store::Room;

/// Tables of both sides.
pub const LEDGER: Room = Room {
    name: "replication",
    scripts: &[
        ("V1__ledger", include_str!("../migrations/V1__ledger.sql")),
        ("V2__ledger_branches", include_str!("../migrations/V2__ledger_branches.sql")),
        ("V3__ledger_quarantine", include_str!("../migrations/V3__ledger_quarantine.sql")),
    ],
};

/// Tables of an edge, beside [`LEDGER`].
pub const EDGE: Room = Room {
    name: "replication_edge",
    scripts: &[
        ("V1__edge", include_str!("../migrations/V1__edge.sql")),
        ("V2__edge_purge", include_str!("../migrations/V2__edge_purge.sql")),
        ("V3__edge_returned", include_str!("../migrations/V3__edge_returned.sql")),
    ],
};

/// Tables of a hub, beside [`LEDGER`].
pub const HUB: Room = Room {
    name: "replication_hub",
    scripts: &[
        ("V1__hub", include_str!("../migrations/V1__hub.sql")),
        ("V2__hub_purge", include_str!("../migrations/V2__hub_purge.sql")),
        ("V3__hub_restored", include_str!("../migrations/V3__hub_restored.sql")),
        ("V4__hub_durable", include_str!("../migrations/V4__hub_durable.sql")),
        ("V5__hub_starts", include_str!("../migrations/V5__hub_starts.sql")),
        ("V6__hub_safe_mode", include_str!("../migrations/V6__hub_safe_mode.sql")),
    ],
};
