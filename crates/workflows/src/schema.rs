//! Which rooms have tables in which program.

use store::Room;

/// The tables of an edge.
pub const EDGE: &[Room] = &[
    replication::LEDGER,
    replication::EDGE,
    replication::EDGE_BUNDLES,
    directory::store::SITES,
    directory::store::EDGE,
    patients::store::ROOM,
    devices::store::ROOM,
    vitals::store::ROOM,
    alerts::store::ROOM,
    consent::store::ROOM,
];

/// The tables of a hub.
pub const HUB: &[Room] = &[
    replication::LEDGER,
    replication::HUB,
    replication::HUB_BUNDLES,
    directory::store::SITES,
    directory::store::HUB,
    patients::store::ROOM,
    alerts::store::ROOM,
    consent::store::ROOM,
];
