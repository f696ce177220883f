//! A peer that says what a test wants it to say, over a real link.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use host::{DataFolder, Random};
use replication::streams::class;
use sync_protocol::lane::{LaneEncoder, full};
use sync_protocol::message::{
    EpochClaim, Frame, Hello, HelloAck, Message, PROTOCOL_VERSIONS, Push, PushAck, Verdict,
};
use sync_protocol::signature::Signer;
use sync_protocol::{
    ChainKey, Class, Entry, EntryId, Epoch, Flags, Header, NodeId, SeqNo, StreamId,
};
use tests::programs::Home;
use tokio::runtime::Runtime;
use transport::link::LinkError;
use transport::{Dialer, Link, LinkProfile, TlsIdentity};

/// How long the hub may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes entries that are signed and chained as they should be, whatever is in them.
pub(super) struct Author {
    pub(super) node: NodeId,
    pub(super) node_seed: [u8; 32],
    pub(super) tls_seed: [u8; 32],
    pub(super) epoch: Epoch,
    signer: Signer,
    random: Random,
    oseq: u64,
    chains: BTreeMap<StreamId, (ChainKey, SeqNo, EntryId)>,
}

/// An entry with its place.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) oseq: u64,
    pub(super) entry: Entry,
    pub(super) key: ChainKey,
}

impl Author {
    /// With the keys of a data folder that no program uses.
    pub(super) fn of(home: &Home) -> Self {
        let seeds = DataFolder::open(home.path()).unwrap().seeds().unwrap();
        let random = Random::system();
        let signer = Signer::from_seed(&seeds.node);
        Self {
            node: signer.node(),
            node_seed: *seeds.node,
            tls_seed: *seeds.tls,
            epoch: Epoch(random.number()),
            signer,
            random,
            oseq: 0,
            chains: BTreeMap::new(),
        }
    }

    /// The next entry of the chain in `stream`.
    pub(super) fn write(&mut self, stream: StreamId, kind: u16, payload: Vec<u8>) -> Own {
        let random = &self.random;
        let (key, sseq, sprev) = *self
            .chains
            .entry(stream)
            .or_insert_with(|| (ChainKey(random.bytes()), SeqNo(0), EntryId::NONE));
        let sseq = sseq.next().unwrap();
        let own = self.write_at(stream, (key, sseq, sprev), kind, payload);
        self.chains.insert(stream, (key, sseq, own.entry.id()));
        own
    }

    /// An entry at any place of a chain.
    pub(super) fn write_at(
        &mut self,
        stream: StreamId,
        (key, sseq, sprev): (ChainKey, SeqNo, EntryId),
        kind: u16,
        payload: Vec<u8>,
    ) -> Own {
        self.oseq += 1;
        let header = Header {
            origin: self.node,
            epoch: self.epoch,
            stream,
            sseq,
            sprev,
            hlc: sync_protocol::hlc::Hlc::default(),
            kind,
            schema: 1,
            actor: [0; 16],
            flags: Flags::default(),
            payload_len: 0,
            commitment: [0; 32],
        };
        let entry = self.signer.sign(header, &key, payload).unwrap().into_inner();
        Own { oseq: self.oseq, entry, key }
    }

    /// Where the chain in `stream` stands.
    pub(super) fn head(&self, stream: &StreamId) -> (ChainKey, SeqNo, EntryId) {
        self.chains[stream]
    }
}

/// What became of a pushed entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stored,
    Refused(Verdict),
    /// The hub cannot make it out and asks for its long form.
    Unclear,
}

/// One end of a conversation.
pub(super) struct Peer {
    runtime: Runtime,
    _dialer: Dialer,
    link: Link,
    lanes: BTreeMap<u8, LaneEncoder>,
}

impl Peer {
    pub(super) fn dial(tls_seed: &[u8; 32], hub: SocketAddr, hub_key: &[u8; 32]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let identity = TlsIdentity::from_seed(tls_seed).unwrap();
        let (dialer, link) = runtime.block_on(async {
            let dialer = Dialer::new(&identity, LinkProfile::Wide).unwrap();
            let link = dialer.connect(hub, hub_key).await.unwrap();
            (dialer, link)
        });
        Self { runtime, _dialer: dialer, link, lanes: BTreeMap::new() }
    }

    /// Greets and waits for the answer.
    pub(super) fn greet(&mut self, author: &Author) -> HelloAck {
        let claims = vec![EpochClaim { epoch: author.epoch, head: author.oseq }];
        let hello = Hello {
            versions: PROTOCOL_VERSIONS,
            epoch: author.epoch,
            parent: None,
            claims,
            incarnation: None,
            unconfirmed: Vec::new(),
            wall_ms: 0,
        };
        self.say(Class::Control, &hello.into());
        let mut heard = self.hear_until(|message| matches!(message, Message::HelloAck(_)));
        let Some(Message::HelloAck(ack)) = heard.pop() else { panic!("it came last") };
        ack
    }

    /// Sends a message as the next frame of its lane.
    pub(super) fn say(&mut self, class: Class, message: &Message) {
        let frame = self.lanes.entry(class.number()).or_default().frame(message);
        self.send(class, frame);
    }

    /// Sends any bytes as a frame.
    pub(super) fn send(&self, class: Class, frame: Vec<u8>) {
        let sent = self.runtime.block_on(self.link.send(class.number(), frame));
        sent.unwrap();
    }

    /// The frame that pushes these entries.
    pub(super) fn push_frame(&mut self, class: Class, own: &[Own]) -> Vec<u8> {
        let push = self.push_message(class, own);
        self.lanes.entry(class.number()).or_default().frame(&push.into())
    }

    /// The message that pushes these entries of one epoch.
    pub(super) fn push_message(&mut self, class: Class, own: &[Own]) -> Push {
        let lane = self.lanes.entry(class.number()).or_default();
        let mut chains = Vec::new();
        let sender = own[0].entry.header.origin;
        let entries = own.iter().map(|one| {
            let id = one.entry.id();
            (one.oseq, lane.shorten(&one.entry, id, &one.key, sender, &mut chains))
        });
        let entries = entries.collect();
        Push { epoch: own[0].entry.header.epoch, chains, entries }
    }

    /// Pushes entries and waits until the hub has answered for each.
    pub(super) fn push(&mut self, own: &[Own]) -> Vec<Fate> {
        let class = class(&own[0].entry.header.stream);
        let frame = self.push_frame(class, own);
        self.send(class, frame);
        self.fates(own)
    }

    /// Waits until the hub has answered for each of these.
    pub(super) fn fates(&self, own: &[Own]) -> Vec<Fate> {
        let mut known: BTreeMap<u64, Fate> = BTreeMap::new();
        while own.iter().any(|one| !known.contains_key(&one.oseq)) {
            let message = self.hear();
            if let Message::PushAck(ack) = &message {
                note(&mut known, own, ack);
            } else if let Message::NeedFull(need) = &message {
                known.insert(need.oseq, Fate::Unclear);
            }
            assert!(!matches!(message, Message::Bye(_)), "the hub says good-bye: {message:?}");
        }
        own.iter().map(|one| known[&one.oseq]).collect()
    }

    /// Sends the long form of an entry and waits for the answer.
    pub(super) fn push_full(&mut self, own: &Own) -> Fate {
        self.say(Class::Control, &full(&own.entry, &own.key, own.oseq).into());
        let fates = self.fates(std::slice::from_ref(own));
        fates[0]
    }

    /// The next message from the hub.
    pub(super) fn hear(&self) -> Message {
        self.try_hear().expect("the hub closed the link")
    }

    /// The next message from the hub; `None` when it has closed the link.
    pub(super) fn try_hear(&self) -> Option<Message> {
        loop {
            let received = self.runtime.block_on(async {
                tokio::time::timeout(PATIENCE, self.link.recv()).await.expect("the hub is silent")
            });
            let (_, bytes) = received?;
            if let Some(message) = Frame::decode(&bytes).unwrap().message {
                return Some(message);
            }
        }
    }

    /// Everything that the hub says until `wanted` comes.
    pub(super) fn hear_until(&self, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            let message = self.hear();
            let done = wanted(&message);
            heard.push(message);
            if done {
                return heard;
            }
        }
    }

    /// Waits until the link is gone and says why.
    pub(super) fn closed(&self) -> LinkError {
        while self.try_hear().is_some() {}
        self.runtime.block_on(self.link.closed())
    }
}

fn note(known: &mut BTreeMap<u64, Fate>, own: &[Own], ack: &PushAck) {
    for one in own {
        let epoch = one.entry.header.epoch;
        let held = ack.received.iter().any(|(of, all)| *of == epoch && all.contains(one.oseq));
        if held {
            known.insert(one.oseq, Fate::Stored);
        }
    }
    for (_, oseq, verdict) in &ack.verdicts {
        known.insert(*oseq, Fate::Refused(*verdict));
    }
}
