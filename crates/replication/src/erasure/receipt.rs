//! What a node signs when it has carried an order out.

use sync_protocol::lane::{full, unfold};
use sync_protocol::{Entry, NodeId, Verified, codec};
use vocab::FactKind;

use super::order::{EraseOrder, OrderId};
use crate::ledger::store::StoredEntry;
use crate::outbox::without_salt;
use crate::streams::{Topic, topic};

/// The payload of an entry in the node's own stream. It carries the order as the hub signed it, so that
/// a hub that came back from a backup of before learns from the receipt what it had ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseReceipt {
    /// Which order.
    pub order: OrderId,
    /// Payloads that were there and are not any more, as the node counts.
    pub erased: u64,
    /// The order's entry in its long form.
    pub signed: Vec<u8>,
}

impl EraseReceipt {
    pub(crate) fn new(order: OrderId, erased: u64, held: &StoredEntry) -> Self {
        Self { order, erased, signed: codec::encode(&full(&held.entry, &held.key, 0)) }
    }

    /// The order in it with the entry that carries it, if `hub` signed that.
    pub(crate) fn order_of(
        &self,
        hub: &NodeId,
    ) -> Option<(EraseOrder, Verified<Entry>, sync_protocol::ChainKey)> {
        let expanded = unfold(codec::decode(&self.signed).ok()?).ok()?;
        let entry = expanded.entry.verify(&expanded.key).ok()?;
        let header = &entry.get().header;
        let is_order = header.origin == *hub
            && header.kind == FactKind::EraseOrder.number()
            && topic(&header.stream) == Topic::Policy;
        let payload = without_salt(header.flags, entry.get().payload.bytes()?);
        let order = EraseOrder::from_bytes(payload).ok()?;
        (is_order && order.id == self.order).then_some((order, entry, expanded.key))
    }
}
