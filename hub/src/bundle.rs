//! Bundles of the hub: written for a clinic, and taken in from one.

use std::fs::File;
use std::io::{BufReader, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use envelope::{BadKey, Identity, Recipient};
use host::carried::{self, NewFile};
use host::control::{Answer, PieceWriter, Refusal, note};
use host::database::{ReadError, WriteError};
use replication::LedgerError;
use replication::bundle::{
    BundleError, Checked, FILE_BYTES_MAX, Header, Reader, Seal, Way, Writer, check,
};
use replication::hub::Node as Enrolled;
use replication::hub::bundle::{self, Packed, Stored, Unpacker};
use serde::Serialize;
use store::{Connection, StoreError};
use sync_protocol::exchange::HubOp;
use sync_protocol::signature::Signer;
use vocab::{SiteName, Timestamp};
use workflows::apply_fact::{NO_SITE, Rooms};

use crate::bundle_body::{ExportedBody, ImportedBody};
use crate::node::Hub;

/// Frames stored in one transaction: 256 KiB of entries.
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
    Read(#[from] ReadError<StoreError>),
    #[error(transparent)]
    Write(#[from] WriteError<LedgerError>),
    #[error(transparent)]
    Note(#[from] WriteError<StoreError>),
}

/// Writes what the clinic `site` may have and is not known to have to the new file `to`, sealed to its
/// node and to `also`.
pub(crate) async fn export(
    hub: &Arc<Hub>,
    site: &str,
    to: PathBuf,
    also: &[String],
    json: bool,
) -> Result<Answer, Refusal> {
    let node = node_of_site(hub, site).await?;
    let recipient = Recipient::of_signing_key(&node.key.0)
        .ok_or_else(|| Refusal::new("the clinic's key is none that a bundle can be sealed to"))?;
    let also = also
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Recipient>, BadKey>>()
        .map_err(Refusal::because)?;
    if also.len() >= envelope::RECIPIENTS_MAX {
        return Err(Refusal::new(format!("at most {} keys", envelope::RECIPIENTS_MAX - 1)));
    }
    let mut file = NewFile::create(&to).map_err(Refusal::because)?;
    let (me, now) = (hub.key, hub.clock.now());
    let numbered = node.clone();
    let header = hub
        .writer
        .write(move |conn, _| bundle::begin(conn, now, me, &numbered))
        .await
        .map_err(Refusal::because)?;
    let (signer, random) = (Signer::from_seed(&hub.node_seed), hub.random.clone());
    Ok(Answer::streamed(&hub.readers, move |conn, mut out| -> Result<(), Failed> {
        let fill = &mut |bytes: &mut [u8]| random.fill(bytes);
        let mut seal = Seal { to: recipient, also: &also, me: &signer, fill };
        let mut writer = Writer::new(&mut file, &header, &mut seal)?;
        let mut seen = |frames: usize| {
            if frames.is_multiple_of(SAY_EVERY) {
                // Whoever waits may be gone; then the answer says so.
                let _ = note(&mut out, &format!("wrote {frames} frames"));
            }
        };
        let packed = bundle::pack(conn, now, me, &node, &mut writer, &mut seen)?;
        writer.finish(&signer)?;
        let bytes = file.finish()?;
        exported(&mut out, &to, &node, &header, packed, bytes, json)
    }))
}

async fn node_of_site(hub: &Hub, site: &str) -> Result<Enrolled, Refusal> {
    let name: SiteName = site.parse().map_err(Refusal::because)?;
    let found = hub
        .readers
        .read(move |conn| {
            let Some(site) = directory::store::sites::find_site(conn, &name)? else {
                return Ok(None);
            };
            let node = bundle::node_of_site(conn, site)?;
            let copies = node.as_ref().map_or(Ok(false), |node| bundle::has_copies(conn, node))?;
            Ok(Some((node, copies)))
        })
        .await
        .map_err(|error: ReadError<StoreError>| Refusal::because(error))?;
    match found {
        None => Err(Refusal::new(format!("no site is called {site}; hub status lists them"))),
        Some((None, _)) => Err(Refusal::new(format!("no node of {site} is let in"))),
        Some((Some(_), true)) => Err(Refusal::new(format!(
            "two copies of the node of {site} were seen, and a bundle would open at either; let a new \
             node in with: hub invite --site {site}"
        ))),
        Some((Some(node), false)) => Ok(node),
    }
}

fn exported(
    out: &mut PieceWriter,
    to: &Path,
    node: &Enrolled,
    header: &Header,
    packed: Packed,
    bytes: u64,
    json: bool,
) -> Result<(), Failed> {
    let Packed { entries, streams, ended, more } = packed;
    let (site, bundle) = (node.site_name.as_str(), header.number);
    if json {
        say_json(out, &ExportedBody { site, bundle, entries, streams, ended, more, bytes })?;
    } else {
        let more = if more { "; there is more: export again when its answer is here" } else { "" };
        writeln!(
            out,
            "wrote bundle {bundle} for {site} to {}: {entries} entries of {streams} streams, {ended} \
             streams to let go, {bytes} bytes{more}",
            to.display()
        )?;
    }
    Ok(out.flush()?)
}

/// Takes in the file `from`, which a clinic wrote.
pub(crate) fn import(hub: &Arc<Hub>, from: &Path, json: bool) -> Result<Answer, Refusal> {
    let (file, bytes) = carried::open(from).map_err(Refusal::because)?;
    if bytes > FILE_BYTES_MAX {
        return Err(Refusal::because(BundleError::TooLong));
    }
    let (mut out, answer, break_off) = PieceWriter::new();
    let hub = Arc::clone(hub);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = Intake(&hub).run(file, &mut out, json) {
            let refusal = Refusal::because(error);
            tokio::runtime::Handle::current().block_on(break_off.because(refusal));
        }
    });
    Ok(answer)
}

/// A bundle on its way in.
struct Intake<'a>(&'a Hub);

impl Intake<'_> {
    fn run(&self, file: File, out: &mut PieceWriter, json: bool) -> Result<(), Failed> {
        let identity = Identity::of_signing_seed(&self.0.node_seed);
        let mut sender = None;
        let mut said = Ok(());
        let expect = |header: &Header| {
            let from = header.from;
            let found = self.read(move |conn| bundle::node_of_key(conn, &from));
            sender = found.map_err(|_| BundleError::Stranger)?;
            bundle::expect(header, self.0.key, sender.as_ref())
        };
        let checked = check(BufReader::new(&file), &identity, Way::Up, expect, |frames| {
            if frames.is_multiple_of(SAY_EVERY) && said.is_ok() {
                said = note(out, &format!("checked {frames} frames"));
            }
        })?;
        said?;
        let node = sender.ok_or(BundleError::Stranger)?;
        let checked = Arc::new(checked);
        let (of, seen) = (node.clone(), Arc::clone(&checked));
        if let Some(at) = self.read(move |conn| bundle::imported(conn, &of, &seen))? {
            return repeated(out, &node, &checked, at, json);
        }
        let (stored, refused) = self.store(&file, &identity, &node, &checked, out)?;
        imported(out, &node, &checked, &stored, refused, json)
    }

    /// Reads it again and stores it, a few frames at a time.
    fn store(
        &self,
        mut file: &File,
        identity: &Identity,
        node: &Enrolled,
        checked: &Arc<Checked>,
        out: &mut PieceWriter,
    ) -> Result<(Stored, u64), Failed> {
        file.rewind().map_err(BundleError::Read)?;
        let mut reader = Reader::again(BufReader::new(file), identity, checked)?;
        let header = checked.header;
        let mut unpacker = self.read(move |conn| Unpacker::begin(conn, &header))?;
        let (mut stored, mut ops, mut frames) = (Stored::default(), Vec::new(), 0_usize);
        while let Some((class, frame)) = reader.next_frame()? {
            ops.extend(unpacker.step(class, frame)?);
            frames += 1;
            if ops.len() >= FRAMES_AT_ONCE {
                stored = self.write(node, std::mem::take(&mut ops), stored)?;
            }
            if frames.is_multiple_of(SAY_EVERY) {
                note(out, &format!("stored {frames} of {} frames", checked.frames()))?;
            }
        }
        stored = self.write(node, ops, stored)?;
        let (now, of, done) = (self.0.clock.now(), node.clone(), Arc::clone(checked));
        self.0.writer.write_blocking(move |conn, _| bundle::finish(conn, now, &of, &done))?;
        Ok((stored, unpacker.refused))
    }

    fn write(&self, node: &Enrolled, ops: Vec<HubOp>, stored: Stored) -> Result<Stored, Failed> {
        let (node, now, hub) = (node.clone(), self.0.clock.now(), self.0.key);
        let mut stored = self.0.writer.write_blocking(move |conn, _| {
            let mut rooms = Rooms { hub, site: NO_SITE, now };
            let mut stored = stored;
            bundle::store(conn, now, &node, ops, &mut rooms, &mut stored)?;
            Ok::<_, LedgerError>(stored)
        })?;
        let told: Vec<_> = std::mem::take(&mut stored.wake).into_iter().collect();
        self.0.sessions.wake(&told);
        Ok(stored)
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failed> {
        Ok(tokio::runtime::Handle::current().block_on(self.0.readers.read(work))?)
    }
}

fn repeated(
    out: &mut PieceWriter,
    node: &Enrolled,
    checked: &Checked,
    at: Timestamp,
    json: bool,
) -> Result<(), Failed> {
    if json {
        say_json(out, &body(node, checked, &Stored::default(), 0, true))?;
    } else {
        writeln!(
            out,
            "bundle {} of {} was imported before, at {at}; nothing was changed",
            checked.header.number, node.site_name
        )?;
    }
    Ok(out.flush()?)
}

fn imported(
    out: &mut PieceWriter,
    node: &Enrolled,
    checked: &Checked,
    stored: &Stored,
    refused: u64,
    json: bool,
) -> Result<(), Failed> {
    if json {
        say_json(out, &body(node, checked, stored, refused, false))?;
    } else {
        let Stored { entries, set_aside, waiting, receipts, .. } = stored;
        writeln!(
            out,
            "imported bundle {} of {}: {entries} new entries, {set_aside} set aside, {receipts} receipts, \
             {waiting} entries wait for another bundle",
            checked.header.number, node.site_name
        )?;
        if refused > 0 {
            writeln!(
                out,
                "{refused} entries were left out: they are not as their author signed them"
            )?;
        }
    }
    Ok(out.flush()?)
}

fn body<'a>(
    node: &'a Enrolled,
    checked: &Checked,
    stored: &Stored,
    refused: u64,
    repeated: bool,
) -> ImportedBody<'a> {
    ImportedBody {
        site: node.site_name.as_str(),
        bundle: checked.header.number,
        repeated,
        entries: stored.entries,
        set_aside: stored.set_aside,
        receipts: stored.receipts,
        waiting: stored.waiting,
        refused,
    }
}

fn say_json(out: &mut PieceWriter, body: &impl Serialize) -> Result<(), Failed> {
    serde_json::to_writer(&mut *out, body).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}
