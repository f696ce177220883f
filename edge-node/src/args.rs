//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use edge_node::commands::{Name, What};

/// The clinic's server: takes readings from devices, works without a network, and syncs with its
/// hub when there is one.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder with this node's keys, settings and database.
    #[arg(long, value_name = "DIR", global = true, default_value = "edge-data")]
    pub(crate) data: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Verb,
}

const EXAMPLES: &str = "Examples:
  edge-node init
  edge-node join CAIRN1:…
  edge-node serve
  edge-node device add bed-4-mon --kind pulse_oximeter
  edge-node status
  edge-node export vitals > vitals.csv

A command on a running node asks the running program; otherwise it opens the data folder itself.";

/// A verb.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the data folder: keys, settings, encrypted database.
    Init,
    /// Join a hub with the invitation its operator gave you.
    Join {
        /// The line that begins with CAIRN1:
        invitation: String,
    },
    /// Run until stopped.
    Serve {
        /// Listen for HTTP here instead of where the settings say.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
    },
    /// How things stand, in one screen.
    Status {
        /// As one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Look for the hub now.
    Sync,
    /// Seal open segments now, so that they go to the hub.
    Flush,
    /// The sites that the hub's directory names.
    Sites,
    /// Make new keys for signing and connecting; they are in force, and the old ones over, once the hub
    /// has been reached.
    RotateKey,
    /// Devices that may send readings.
    #[command(subcommand)]
    Device(DeviceVerb),
    /// Patients known at this clinic.
    #[command(subcommand)]
    Patient(PatientVerb),
    /// What patients allow.
    #[command(subcommand)]
    Consent(ConsentVerb),
    /// Parts of records that may not be opened now, and why, as CSV.
    Locked,
    /// Open a locked record because somebody needs it now. It is written down first, and the hub
    /// hears of it before anything else; it closes again after two hours.
    Emergency {
        /// The patient's number.
        patient_ref: String,
        /// life-at-risk, cannot-ask or copy-locked.
        #[arg(long)]
        reason: String,
        /// The reason in words.
        #[arg(long, value_name = "TEXT")]
        because: String,
        /// Parts joined by +.
        #[arg(long, default_value = "identity+lifesaver")]
        parts: String,
        /// Why more than identity and lifesaver is needed.
        #[arg(long, value_name = "TEXT", default_value = "")]
        further: String,
    },
    /// Write what is held as CSV to standard output.
    Export {
        /// Which list.
        what: What,
        /// Of this patient only, by number.
        #[arg(long, value_name = "NUMBER")]
        patient: Option<String>,
    },
    /// What was set aside here: list it, look at one, judge it again, give it up.
    Quarantine {
        #[command(subcommand)]
        verb: Option<QuarantineVerb>,
    },
    /// Entries that the hub refused or set aside, with its reasons, as CSV.
    Refused,
    /// Make a backup now, beside the running program: where the settings say, or in another folder.
    Backup {
        /// An existing folder on another medium.
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// What a link would carry, as a file that somebody carries.
    #[command(subcommand)]
    Bundle(BundleVerb),
    /// Try a backup out: bring it back beside the data, check everything in it, throw it away.
    Drill {
        /// A backup, or a folder of backups whose newest is taken; else that of the settings.
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        /// The file that save-keys wrote, as a restore on another machine needs it.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Bring a backup into a data folder that holds no data.
    Restore {
        /// A backup, or a folder of backups whose newest is taken.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// The file that save-keys wrote; not needed where the data folder still has its keys.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Write the keys to a file that is kept apart from backups: without it none can be opened.
    SaveKeys {
        /// A new file, outside the data folder.
        file: PathBuf,
    },
    /// Check everything that is held, from the first entry on; exit code 1 names what is wrong.
    Verify,
}

/// What can be done with bundles.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleVerb {
    /// Write what the hub is not known to have to a file that only the hub opens.
    Export {
        /// A new file, on a stick perhaps.
        file: PathBuf,
        /// An age key that opens it as well, to recover it; may be given again.
        #[arg(long, value_name = "AGE-KEY")]
        also: Vec<String>,
        /// The summary as one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Take in a file that the hub wrote for this clinic.
    Import {
        /// The file.
        file: PathBuf,
        /// The summary as one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
}

/// What can be done with what was set aside.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineVerb {
    /// Readings that are open, with their reasons, as CSV; what is done when nothing is said.
    List {
        /// Entries of others whose content was not taken, instead of readings.
        #[arg(long)]
        entries: bool,
        /// Also what was taken again or discarded.
        #[arg(long)]
        all: bool,
    },
    /// Everything about one.
    Show {
        /// Its name, the column id of the list, such as r7 or e3.
        id: Name,
    },
    /// Judge again by today's rules, such as after a patient was registered or after an upgrade.
    #[command(group(clap::ArgGroup::new("which").required(true).args(["id", "all"])))]
    Retry {
        /// Its name.
        id: Option<Name>,
        /// All that are open.
        #[arg(long)]
        all: bool,
    },
    /// Delete what one says. Device or author, times, who decided and why stay as evidence.
    Discard {
        /// Its name.
        id: Name,
        /// Why, in one line.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who decides; the account that this is typed in, if left out.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceVerb {
    /// Register a device; prints its key, which is shown this once.
    Add {
        /// Its name here, such as bed-4-mon.
        name: String,
        /// Its type, such as pulse_oximeter or heart_rate_monitor.
        #[arg(long, default_value = "")]
        kind: String,
    },
    /// Register the devices of a CSV file (device_id,kind); prints device_id,key.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Give a device another key.
    Rotate {
        /// Its name.
        name: String,
    },
    /// Refuse a device from now on.
    Revoke {
        /// Its name.
        name: String,
    },
    /// List the devices.
    List,
}

/// What can be done with patients.
#[derive(Debug, Subcommand)]
pub(crate) enum PatientVerb {
    /// Register a patient.
    Add(Details),
    /// Change a patient's details; what is not given stays.
    Edit(Details),
    /// Register the patients of a CSV file (patient_ref,name,birth_date,sex,phone).
    Import {
        /// The file.
        file: PathBuf,
    },
    /// List the patients.
    List,
}

/// A patient's details.
#[derive(Debug, clap::Args)]
pub(crate) struct Details {
    /// This clinic's own number for the patient.
    pub(crate) patient_ref: String,
    /// The name.
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// 1984-03-02, 1984-03 or 1984.
    #[arg(long, default_value = "")]
    pub(crate) birth_date: String,
    /// female, male, other or unknown.
    #[arg(long, default_value = "")]
    pub(crate) sex: String,
    /// A phone number.
    #[arg(long, default_value = "")]
    pub(crate) phone: String,
}

/// What can be done with consent.
#[derive(Debug, Subcommand)]
pub(crate) enum ConsentVerb {
    /// Record that a patient allows a site to have parts of the record, to treat them.
    Grant {
        /// The patient's number.
        patient_ref: String,
        /// The site, by its name in the directory.
        #[arg(long)]
        site: String,
        /// Parts joined by +, such as identity+vitals. Alerts go with vitals.
        #[arg(long, default_value = "identity+vitals")]
        compartments: String,
        /// The day, or the moment, from which it no longer counts, such as 2027-03-01.
        #[arg(long, default_value = "")]
        until: String,
        /// For how many hours the copy may be opened while that clinic does not hear the hub; usually
        /// a week.
        #[arg(long, value_name = "HOURS", default_value = "")]
        offline_hours: String,
        /// Somebody decides for a child: parent, grandparent, sibling, relative or appointed. Needs
        /// --until, at the latest the day on which the child comes of age.
        #[arg(long, value_name = "WHO", default_value = "")]
        guardian: String,
    },
    /// Record that a patient takes it back, from one site or from everybody.
    Revoke {
        /// The patient's number.
        patient_ref: String,
        /// The site; everybody if left out.
        #[arg(long)]
        site: Option<String>,
    },
    /// Whether a patient allows a site a part of the record now.
    Check {
        /// The patient's number.
        patient_ref: String,
        /// The site, by its name in the directory.
        #[arg(long)]
        site: String,
        /// The part, such as vitals.
        #[arg(long, default_value = "vitals")]
        compartment: String,
        /// What for, such as treatment or research.
        #[arg(long, default_value = "treatment")]
        purpose: String,
    },
    /// What a patient allowed.
    List {
        /// The patient's number.
        patient_ref: String,
    },
    /// Record the grants of a CSV file (patient_ref,site,compartments).
    Import {
        /// The file.
        file: PathBuf,
    },
}
