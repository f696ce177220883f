//! Orders and receipts as bytes. One meaning has one form; anything else is refused.

use serde::{Deserialize, Serialize};
use sync_protocol::{EntryId, codec};

use super::order::{EraseOrder, ORDER_STREAMS_MAX, OrderId, Target};
use super::receipt::EraseReceipt;

/// The written form of this version, the first byte of both.
const VERSION: u8 = 1;

/// Longest order: version, id, which target, streams with their number.
const ORDER_BYTES_MAX: usize = 1 + 16 + 1 + 1 + 32 * ORDER_STREAMS_MAX;

/// Longest receipt: version, id, a number of up to 10 bytes, an entry with an order in it.
const RECEIPT_BYTES_MAX: usize = 1 + 16 + 10 + 2 + ORDER_BYTES_MAX + 1024;

/// The bytes are no order, or no receipt, that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no order to erase and no receipt for one")]
pub struct Unreadable;

#[derive(Serialize, Deserialize)]
struct OrderWire {
    id: [u8; 16],
    target: TargetWire,
}

/// Numbers are the order of the lines; new ones come last.
#[derive(Serialize, Deserialize)]
enum TargetWire {
    Entry([u8; 32]),
    Streams(Vec<[u8; 32]>),
    Subject([u8; 32]),
}

#[derive(Serialize, Deserialize)]
struct ReceiptWire {
    order: [u8; 16],
    erased: u64,
    signed: Vec<u8>,
}

impl EraseOrder {
    /// Its canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let target = match &self.target {
            Target::Entry(id) => TargetWire::Entry(id.0),
            Target::Streams(names) => TargetWire::Streams(names.clone()),
            Target::Subject(name) => TargetWire::Subject(*name),
        };
        write(&OrderWire { id: self.id.0, target })
    }

    /// Reads what the hub signed.
    ///
    /// # Errors
    ///
    /// [`Unreadable`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let OrderWire { id, target } = read(bytes, ORDER_BYTES_MAX)?;
        let target = match target {
            TargetWire::Entry(id) => Target::Entry(EntryId(id)),
            TargetWire::Streams(names) if names.len() <= ORDER_STREAMS_MAX => {
                Target::Streams(names)
            }
            TargetWire::Streams(_) => return Err(Unreadable),
            TargetWire::Subject(name) => Target::Subject(name),
        };
        Ok(Self { id: OrderId(id), target })
    }
}

impl EraseReceipt {
    /// Its canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { order, erased, signed } = self;
        write(&ReceiptWire { order: order.0, erased: *erased, signed: signed.clone() })
    }

    /// Reads what a node signed.
    ///
    /// # Errors
    ///
    /// [`Unreadable`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let ReceiptWire { order, erased, signed } = read(bytes, RECEIPT_BYTES_MAX)?;
        Ok(Self { order: OrderId(order), erased, signed })
    }
}

fn write(wire: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(codec::encode(wire));
    bytes
}

fn read<T: Serialize + for<'a> Deserialize<'a>>(
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, Unreadable> {
    match bytes.split_first() {
        Some((&VERSION, body)) if bytes.len() <= bytes_max => {
            codec::decode(body).map_err(|_| Unreadable)
        }
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target() -> impl Strategy<Value = Target> {
        let name = any::<[u8; 32]>();
        prop_oneof![
            name.prop_map(|id| Target::Entry(EntryId(id))),
            prop::collection::vec(name, 0..=ORDER_STREAMS_MAX).prop_map(Target::Streams),
            name.prop_map(Target::Subject),
        ]
    }

    proptest! {
        #[test]
        fn orders_and_receipts_read_back_as_themselves(
            id in any::<[u8; 16]>(),
            target in target(),
            erased in any::<u64>(),
            signed in prop::collection::vec(any::<u8>(), 0..900),
        ) {
            let order = EraseOrder { id: OrderId(id), target };
            prop_assert!(order.to_bytes().len() <= ORDER_BYTES_MAX);
            prop_assert_eq!(EraseOrder::from_bytes(&order.to_bytes()), Ok(order));
            let receipt = EraseReceipt { order: OrderId(id), erased, signed };
            prop_assert_eq!(EraseReceipt::from_bytes(&receipt.to_bytes()), Ok(receipt));
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Ok(order) = EraseOrder::from_bytes(&bytes) {
                prop_assert_eq!(order.to_bytes(), &bytes[..]);
            }
            if let Ok(receipt) = EraseReceipt::from_bytes(&bytes) {
                prop_assert_eq!(receipt.to_bytes(), &bytes[..]);
            }
        }
    }

    /// The signed form must not move: every kept order would become unreadable.
    #[test]
    fn the_bytes_of_version_1_stay_as_they_are() {
        let order = EraseOrder { id: OrderId([1; 16]), target: Target::Streams(vec![[2; 32]]) };
        let expected = [&[1][..], &[1; 16], &[1, 1], &[2; 32]].concat();
        assert_eq!(order.to_bytes(), expected);
        assert_eq!(EraseOrder::from_bytes(&[&expected[..], &[0]].concat()), Err(Unreadable));
        assert_eq!(EraseOrder::from_bytes(&[&[2], &expected[1..]].concat()), Err(Unreadable));
        assert_eq!(EraseOrder::from_bytes(&[]), Err(Unreadable));
        let many = EraseOrder {
            id: OrderId([1; 16]),
            target: Target::Streams(vec![[2; 32]; ORDER_STREAMS_MAX + 1]),
        };
        assert_eq!(EraseOrder::from_bytes(&many.to_bytes()), Err(Unreadable));
    }
}
