//! Bundles of a clinic: written for the hub, and taken in from it.

use std::fs::File;
use std::io::{BufReader, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use directory::store::hub_link::HubLink;
use envelope::{BadKey, Identity, Recipient};
use host::carried::{self, NewFile};
use host::control::{Answer, PieceWriter, Refusal, note};
use host::database::{ReadError, WriteError};
use replication::LedgerError;
use replication::bundle::{
    BundleError, Checked, FILE_BYTES_MAX, Header, Reader, Seal, Way, Writer, check,
};
use replication::edge::bundle::{self, Packed, Step, Stored, Unpacker};
use replication::streams::{Topic, topic};
use serde::Serialize;
use sync_protocol::NodeId;
use sync_protocol::exchange::EdgeOp;
use sync_protocol::signature::Signer;
use vocab::{PatientId, Timestamp};
use workflows::apply_fact::Rooms;

use crate::bundle_body::{ExportedBody, ImportedBody};
use crate::node::Node;

/// Frames stored in one transaction: 256 KiB of entries, which hold up a device's batch for some
/// milliseconds.
const FRAMES_AT_ONCE: usize = 16;

/// How often whoever waits hears how far it is, in frames: every 16 MiB.
const SAY_EVERY: usize = 1_024;

/// Why a bundle is not written or not used.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    File(#[from] host::folder::FolderError),
    #[error("saying how far it is")]
    Output(#[from] std::io::Error),
    #[error(transparent)]
    Read(#[from] ReadError<store::StoreError>),
    #[error(transparent)]
    Write(#[from] WriteError<LedgerError>),
    #[error(transparent)]
    Note(#[from] WriteError<store::StoreError>),
}

/// Writes what the hub is not known to have to the new file `to`, sealed to the hub and to `also`.
pub(crate) async fn export(
    node: &Arc<Node>,
    to: PathBuf,
    also: &[String],
    json: bool,
) -> Result<Answer, Refusal> {
    let hub = hub_of(node).await?;
    let recipient = Recipient::of_signing_key(&hub.hub_node_key)
        .ok_or_else(|| Refusal::new("the hub's key is none that a bundle can be sealed to"))?;
    let also = also
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Recipient>, BadKey>>()
        .map_err(Refusal::because)?;
    if also.len() >= envelope::RECIPIENTS_MAX {
        return Err(Refusal::new(format!("at most {} keys", envelope::RECIPIENTS_MAX - 1)));
    }
    let mut file = NewFile::create(&to).map_err(Refusal::because)?;
    crate::chores::seal(node, 0).await.map_err(Refusal::because)?;
    let (me, hub_key, now) = (node.key(), NodeId(hub.hub_node_key), node.clock.now());
    let header = node
        .writer
        .write(move |conn, _| bundle::begin(conn, now, me, hub_key))
        .await
        .map_err(Refusal::because)?;
    let (signer, random) = (Signer::from_seed(&node.keys().node_seed), node.random.clone());
    Ok(Answer::streamed(&node.readers, move |conn, mut out| -> Result<(), Failed> {
        let fill = &mut |bytes: &mut [u8]| random.fill(bytes);
        let mut seal = Seal { to: recipient, also: &also, me: &signer, fill };
        let mut writer = Writer::new(&mut file, &header, &mut seal)?;
        let mut seen = |frames: usize| {
            if frames.is_multiple_of(SAY_EVERY) {
                // Whoever waits may be gone; then the answer says so.
                let _ = note(&mut out, &format!("wrote {frames} frames"));
            }
        };
        let packed = bundle::pack(conn, &header, &signer, &mut writer, &mut seen)?;
        writer.finish(&signer)?;
        let bytes = file.finish()?;
        exported(&mut out, &to, &header, packed, bytes, json)
    }))
}

fn exported(
    out: &mut PieceWriter,
    to: &Path,
    header: &Header,
    packed: Packed,
    bytes: u64,
    json: bool,
) -> Result<(), Failed> {
    let Packed { entries, acknowledged, receipts, more } = packed;
    if json {
        let body = ExportedBody {
            bundle: header.number,
            entries,
            acknowledged_streams: acknowledged,
            receipts,
            more,
            bytes,
        };
        say_json(out, &body)?;
    } else {
        let more =
            if more { "; there is more: export again when the hub's answer is here" } else { "" };
        writeln!(
            out,
            "wrote bundle {} for the hub to {}: {entries} entries, how far {acknowledged} streams are \
             held, {receipts} receipts, {bytes} bytes{more}",
            header.number,
            to.display()
        )?;
    }
    Ok(out.flush()?)
}

/// Takes in the file `from`, which the hub wrote.
pub(crate) async fn import(node: &Arc<Node>, from: PathBuf, json: bool) -> Result<Answer, Refusal> {
    let hub = hub_of(node).await?;
    let (file, bytes) = carried::open(&from).map_err(Refusal::because)?;
    if bytes > FILE_BYTES_MAX {
        return Err(Refusal::because(BundleError::TooLong));
    }
    let (mut out, answer, break_off) = PieceWriter::new();
    let node = Arc::clone(node);
    tokio::task::spawn_blocking(move || {
        let intake = Intake { node: &node, hub: NodeId(hub.hub_node_key) };
        let done = intake.run(file, &mut out, json);
        if let Err(error) = done {
            let refusal = Refusal::because(error);
            tokio::runtime::Handle::current().block_on(break_off.because(refusal));
        }
    });
    Ok(answer)
}

async fn hub_of(node: &Node) -> Result<HubLink, Refusal> {
    node.hub_link().await.ok_or_else(|| {
        Refusal::new("this clinic has joined no hub yet; a bundle needs to know whom it is for")
    })
}

/// A bundle on its way in.
struct Intake<'a> {
    node: &'a Node,
    hub: NodeId,
}

impl Intake<'_> {
    fn run(&self, file: File, out: &mut PieceWriter, json: bool) -> Result<(), Failed> {
        let identity = Identity::of_signing_seed(&self.node.keys().node_seed);
        let life = self.read(bundle::life)?;
        let checked = {
            let mut said = Ok(());
            let expect = |header: &Header| bundle::expect(header, self.node.key(), self.hub, life);
            let checked = check(BufReader::new(&file), &identity, Way::Down, expect, |frames| {
                if frames.is_multiple_of(SAY_EVERY) && said.is_ok() {
                    said = note(out, &format!("checked {frames} frames"));
                }
            })?;
            said?;
            checked
        };
        let checked = Arc::new(checked);
        let seen = Arc::clone(&checked);
        let before = self.read(move |conn| bundle::imported(conn, &seen))?;
        if let Some(at) = before {
            return repeated(out, &checked, at, json);
        }
        let (stored, refused) = self.store(&file, &identity, &checked, out)?;
        // Leases count from here: all that had ended by then was in it.
        self.node.time.heard_of(checked.header.created_ms());
        imported(out, &checked, stored, refused, json)
    }

    /// Reads it again and stores it, a few frames at a time.
    fn store(
        &self,
        mut file: &File,
        identity: &Identity,
        checked: &Arc<Checked>,
        out: &mut PieceWriter,
    ) -> Result<(Stored, u64), Failed> {
        file.rewind().map_err(BundleError::Read)?;
        let mut reader = Reader::again(BufReader::new(file), identity, checked)?;
        let mut unpacker = Unpacker::new(self.hub);
        let (mut stored, mut steps, mut frames) = (Stored::default(), Vec::new(), 0_usize);
        while let Some((class, frame)) = reader.next_frame()? {
            steps.extend(unpacker.step(class, frame)?);
            frames += 1;
            if steps.len() >= FRAMES_AT_ONCE {
                stored = self.write(std::mem::take(&mut steps), stored)?;
            }
            if frames.is_multiple_of(SAY_EVERY) {
                note(out, &format!("stored {frames} of {} frames", checked.frames()))?;
            }
        }
        stored = self.write(steps, stored)?;
        let (now, done) = (self.node.clock.now(), Arc::clone(checked));
        self.node
            .writer
            .write_blocking(move |conn, _| bundle::finish(conn, now, &done, &stored))?;
        Ok((stored, unpacker.refused))
    }

    fn write(&self, steps: Vec<Step>, mut stored: Stored) -> Result<Stored, Failed> {
        let ended: Vec<PatientId> = steps.iter().filter_map(ended).collect();
        let now = self.node.clock.now();
        let mut rooms = Rooms { hub: self.hub, site: self.node.site_or_none(), now };
        let me = Signer::from_seed(&self.node.keys().node_seed);
        let stored = self.node.writer.write_blocking(move |conn, _| {
            let known = rooms;
            bundle::store(conn, now, steps, &mut rooms, &known, &me, &mut stored)?;
            Ok::<_, LedgerError>(stored)
        })?;
        if !ended.is_empty() {
            self.node.wal_holds_deleted.store(true, Ordering::Relaxed);
        }
        ended.into_iter().for_each(|patient| self.node.board.forget(patient));
        Ok(stored)
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&store::Connection) -> Result<T, store::StoreError> + Send + 'static,
    ) -> Result<T, Failed> {
        Ok(tokio::runtime::Handle::current().block_on(self.node.readers.read(work))?)
    }
}

/// The patient of whom something is to be let go.
fn ended(step: &Step) -> Option<PatientId> {
    let Step::Op(EdgeOp::Purge(order)) = step else { return None };
    match topic(&order.stream) {
        Topic::Patient(patient, _) => Some(patient),
        Topic::Site(_) | Topic::Emergencies(_) | Topic::Policy | Topic::Unknown => None,
    }
}

fn repeated(
    out: &mut PieceWriter,
    checked: &Checked,
    at: Timestamp,
    json: bool,
) -> Result<(), Failed> {
    if json {
        say_json(out, &body(checked, Stored::default(), 0, true))?;
    } else {
        writeln!(
            out,
            "bundle {} of the hub was imported before, at {at}; nothing was changed",
            checked.header.number
        )?;
    }
    Ok(out.flush()?)
}

fn imported(
    out: &mut PieceWriter,
    checked: &Checked,
    stored: Stored,
    refused: u64,
    json: bool,
) -> Result<(), Failed> {
    if json {
        say_json(out, &body(checked, stored, refused, false))?;
    } else {
        let Stored { entries, received, let_go, waiting } = stored;
        writeln!(
            out,
            "imported bundle {} of the hub: {entries} new entries of others, {received} of our own are \
             at the hub, {let_go} streams let go, {waiting} runs wait for another bundle",
            checked.header.number
        )?;
        if refused > 0 {
            writeln!(
                out,
                "{refused} runs were left out: they are not as their authors signed them"
            )?;
        }
    }
    Ok(out.flush()?)
}

fn body(checked: &Checked, stored: Stored, refused: u64, repeated: bool) -> ImportedBody {
    let Stored { entries, received, let_go, waiting } = stored;
    let bundle = checked.header.number;
    ImportedBody { bundle, repeated, entries, received, let_go, waiting, refused }
}

fn say_json(out: &mut PieceWriter, body: &impl Serialize) -> Result<(), Failed> {
    serde_json::to_writer(&mut *out, body).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}
