//! One entry or frame that was set aside, as text for the person who settles it.

use replication::ledger::quarantine::Inspected;
use sync_protocol::Class;

/// Everything about an entry or frame that was set aside, but its contents: nothing of a payload is
/// decoded, because it may be a patient's, and it may be hostile.
#[must_use]
pub fn inspected(found: &Inspected) -> String {
    let aside = &found.aside;
    let mut text = format!(
        "number      {} ({})\nset aside   {}\nauthor      {}, start {:?}, position {}\nreason      {}: {}\n\
         length      {} bytes\nblake3      {}\n",
        aside.no,
        aside.standing.word(),
        aside.at,
        aside.origin.short(),
        aside.epoch,
        aside.oseq,
        aside.reason,
        aside.sentence(),
        aside.bytes,
        hex(&found.hash),
    );
    if let Some(id) = &aside.id {
        text.push_str(&format!("entry       {id}\n"));
    }
    if let Some(waiting) = &found.held {
        let header = &waiting.entry.header;
        let kind = vocab::FactKind::from_number(header.kind);
        let class: Class = replication::streams::class(&header.stream);
        text.push_str(&format!(
            "kind        {} ({}), in a stream of class {class:?}\n",
            kind.map_or("unknown", vocab::FactKind::name),
            header.kind,
        ));
    }
    if let Some(at) = aside.settled_at {
        text.push_str(&format!("settled     {at}\n"));
        if !aside.settled_why.is_empty() {
            text.push_str(&format!(
                "by          {}\nwhy         {}\n",
                aside.settled_by, aside.settled_why
            ));
        }
    } else {
        let first = found.raw.get(..FIRST_BYTES).unwrap_or(&found.raw);
        text.push_str(&format!("first bytes {}\n", hex(first)));
        text.push_str(if found.held.is_some() {
            "retry       possible: its header is held\n"
        } else {
            "retry       not possible: no stream holds its header\n"
        });
    }
    text
}

/// So many bytes tell a form from another and give away little.
const FIRST_BYTES: usize = 16;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
