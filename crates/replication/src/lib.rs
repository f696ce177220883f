//! Carries facts out and in: what a node wrote is signed and queued, what others wrote is checked,
//! stored once and handed to the room it belongs to, and a stream leaves the hub only through the
//! consent gate.
//!
//! [`edge::EdgeDesk`] and [`hub::HubDesk`] answer what the two sides of a conversation ask of
//! storage; [`outbox`] is the one way to write.

pub mod bundle;
pub mod edge;
pub mod erasure;
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
        ("V3__ledger_signing_keys", include_str!("../migrations/V3__ledger_signing_keys.sql")),
        ("V4__ledger_erasure", include_str!("../migrations/V4__ledger_erasure.sql")),
        ("V5__ledger_quarantine", include_str!("../migrations/V5__ledger_quarantine.sql")),
    ],
};

/// Tables of what an edge carries by bundle, beside [`EDGE`].
pub const EDGE_BUNDLES: Room = Room {
    name: "replication_bundle_edge",
    scripts: &[("V1__bundle_edge", include_str!("../migrations/V1__bundle_edge.sql"))],
};

/// Tables of what a hub carries by bundle, beside [`HUB`].
pub const HUB_BUNDLES: Room = Room {
    name: "replication_bundle_hub",
    scripts: &[("V1__bundle_hub", include_str!("../migrations/V1__bundle_hub.sql"))],
};

/// Tables of an edge, beside [`LEDGER`].
pub const EDGE: Room = Room {
    name: "replication_edge",
    scripts: &[
        ("V1__edge", include_str!("../migrations/V1__edge.sql")),
        ("V2__edge_purge", include_str!("../migrations/V2__edge_purge.sql")),
        ("V3__edge_returned", include_str!("../migrations/V3__edge_returned.sql")),
        ("V4__edge_lease", include_str!("../migrations/V4__edge_lease.sql")),
        ("V5__edge_offer", include_str!("../migrations/V5__edge_offer.sql")),
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
        ("V7__hub_lease", include_str!("../migrations/V7__hub_lease.sql")),
        ("V8__hub_erasure", include_str!("../migrations/V8__hub_erasure.sql")),
        ("V9__hub_resupplied", include_str!("../migrations/V9__hub_resupplied.sql")),
    ],
};
