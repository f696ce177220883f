//! The short form of entries on a lane, both ways.

use sync_protocol::lane::LaneDecoder;
use sync_protocol::message::{ChainDef, WireEntry};
use sync_protocol::{Class, codec};

use crate::entries::{self, EDGE};
use crate::script::Script;
use crate::talker::{Talker, several};

/// A lane that carries honest entries and whatever else, mixed.
pub(crate) fn lane(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (mut talker, mut decoder) = (Talker::default(), LaneDecoder::default());
    // As long as nothing foreign passed over the lane, it gives back what was put in.
    let mut honest = true;
    while !script.is_empty() {
        match script.below(4) {
            0 => {
                honest = false;
                let definitions: Vec<ChainDef> =
                    several(&mut script, |script| codec::decode(script.piece()).ok())
                        .into_iter()
                        .flatten()
                        .collect();
                let _ = decoder.define(*EDGE, &definitions);
            }
            1 => {
                let Ok(wire) = codec::decode::<WireEntry>(script.piece()) else { continue };
                honest = false;
                let chain = wire.chain;
                let expanded = decoder.expand(wire);
                if expanded.is_ok_and(|found| found.entry.verify(&found.key).is_err()) {
                    decoder.cut_thread(chain);
                }
            }
            2 => decoder.cut_thread(u32::from(script.byte())),
            _ => {
                let stream = script.stream();
                let own = script.flip();
                let sent = entries::some(&mut script, own, stream);
                let (chains, wire) = talker.short(Class::Records, *EDGE, &sent);
                assert!(decoder.define(*EDGE, &chains).is_ok());
                for (entry, wire) in sent.iter().zip(wire) {
                    let genuine = codec::decode::<WireEntry>(&codec::encode(&wire));
                    assert_eq!(genuine.as_ref(), Ok(&wire));
                    let Ok(found) = decoder.expand(wire) else { continue };
                    if !honest {
                        continue;
                    }
                    let (id, found) = (found.id, found.entry.verify(&found.key));
                    if let Ok(found) = found {
                        assert_eq!(found.get(), entry);
                        assert_eq!(id, entry.id());
                    }
                }
            }
        }
    }
}
