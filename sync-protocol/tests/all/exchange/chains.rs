//! What a store of the model holds of each author's chain in one stream.

use std::collections::BTreeMap;

use sync_protocol::{ChainHead, EntryId, Epoch, Header, NodeId, Past, SeqNo};

/// The chains of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chains {
    heads: BTreeMap<(NodeId, Epoch), ChainHead>,
    at: BTreeMap<(NodeId, Epoch, SeqNo), EntryId>,
    places: BTreeMap<(NodeId, EntryId), SeqNo>,
}

impl Chains {
    /// What is held that matters for an entry with this header.
    pub(crate) fn past(&self, header: &Header) -> Past {
        let Header { origin, epoch, sseq, sprev, .. } = *header;
        match self.heads.get(&(origin, epoch)) {
            Some(&head) => Past::Begun { head, held: self.at.get(&(origin, epoch, sseq)).copied() },
            None => {
                let of_author = self.places.iter().filter(|((author, _), _)| *author == origin);
                let have = of_author.map(|(_, place)| *place).max().unwrap_or(SeqNo(0));
                Past::New { before: self.places.get(&(origin, sprev)).copied(), have }
            }
        }
    }

    /// An entry was stored.
    pub(crate) fn insert(&mut self, header: &Header, id: EntryId) {
        let Header { origin, epoch, sseq, .. } = *header;
        self.heads.insert((origin, epoch), ChainHead { sseq, id });
        self.at.insert((origin, epoch, sseq), id);
        self.places.insert((origin, id), sseq);
    }
}
