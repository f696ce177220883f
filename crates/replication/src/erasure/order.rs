//! What is to be erased, as the hub says it to everybody.
//!
//! Every node gets every order, also one that never had the patient. So an order names streams and
//! subjects by a hash under its own random id: who holds the stream recognises it, and who does not
//! know the patient learns nothing.

use std::fmt;

use sync_protocol::{EntryId, StreamId};

/// Streams that one order may name: the parts of a record.
pub const ORDER_STREAMS_MAX: usize = 32;

/// Names an order, and blinds what it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub [u8; 16]);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderId({self})")
    }
}

/// An order to erase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseOrder {
    /// Its name: random, once.
    pub id: OrderId,
    /// What goes.
    pub target: Target,
}

/// What an order names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One entry that carries its own salt.
    Entry(EntryId),
    /// These streams, whatever is or will be in them.
    Streams(Vec<[u8; 32]>),
    /// Every stream of a subject, those included that come later.
    Subject([u8; 32]),
}

/// How an order covers a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// As a stream: what is written about the subject from now on stands in another generation of it.
    Stream,
    /// As all of its subject.
    Subject,
}

impl EraseOrder {
    /// An order to erase `streams`.
    #[must_use]
    pub fn of_streams(id: OrderId, streams: &[StreamId]) -> Self {
        let names = streams.iter().map(|stream| name_of_stream(id, stream)).collect();
        Self { id, target: Target::Streams(names) }
    }

    /// An order to erase all of the subject that `stream` is about.
    #[must_use]
    pub fn of_subject(id: OrderId, stream: &StreamId) -> Self {
        Self { id, target: Target::Subject(name_of_subject(id, stream)) }
    }

    /// Whether the order covers all of `stream`, and how.
    #[must_use]
    pub fn covers(&self, stream: &StreamId) -> Option<Cover> {
        match &self.target {
            Target::Entry(_) => None,
            Target::Streams(names) => {
                names.contains(&name_of_stream(self.id, stream)).then_some(Cover::Stream)
            }
            Target::Subject(name) => {
                (*name == name_of_subject(self.id, stream)).then_some(Cover::Subject)
            }
        }
    }
}

fn name_of_stream(id: OrderId, stream: &StreamId) -> [u8; 32] {
    blind(id, b"stream", &stream.bytes())
}

fn name_of_subject(id: OrderId, stream: &StreamId) -> [u8; 32] {
    let bytes = stream.bytes();
    // Scope and subject, as tables know a subject.
    blind(id, b"subject", bytes.first_chunk::<17>().map_or(&[], <[u8; 17]>::as_slice))
}

fn blind(id: OrderId, of: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&id.0);
    hasher.update(of);
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use vocab::{Compartment, PatientId};

    use super::*;
    use crate::streams::patient_stream;

    #[test]
    fn an_order_covers_what_it_names_and_says_nothing_to_others() {
        let (id, other) = (OrderId([1; 16]), OrderId([2; 16]));
        let (one, two) = (PatientId::from_bytes([7; 16]), PatientId::from_bytes([8; 16]));
        let vitals = patient_stream(one, Compartment::Vitals);
        let next = StreamId { generation: 1, ..vitals };
        let order = EraseOrder::of_streams(id, &[vitals]);
        assert_eq!(order.covers(&vitals), Some(Cover::Stream));
        assert_eq!(order.covers(&next), None, "what is written later is not erased");
        assert_eq!(order.covers(&patient_stream(one, Compartment::Identity)), None);
        assert_eq!(order.covers(&patient_stream(two, Compartment::Vitals)), None);
        assert_ne!(order.target, EraseOrder::of_streams(other, &[vitals]).target);

        let all = EraseOrder::of_subject(id, &vitals);
        for compartment in Compartment::ALL {
            assert_eq!(all.covers(&patient_stream(one, compartment)), Some(Cover::Subject));
            assert_eq!(all.covers(&patient_stream(two, compartment)), None);
        }
        assert_eq!(all.covers(&next), Some(Cover::Subject), "in every generation");
        let entry = EraseOrder { id, target: Target::Entry(EntryId([1; 32])) };
        assert_eq!(entry.covers(&vitals), None);
    }
}
