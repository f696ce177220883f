//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use crash_states::explore::Subject;
use crash_states::plant::Plant;

/// Records a real run of a hub and two clinics, builds disks that a power cut could have left of it,
/// opens each as the programs do, and checks that it keeps every promise.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// States for device ingest, and as many for applying change sets (half at the hub, half at a
    /// clinic).
    #[arg(long, default_value_t = 2_000)]
    pub(crate) states: u64,
    /// Decides which of all states.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Of one node only.
    #[arg(long)]
    pub(crate) subject: Option<Subject>,
    /// Plant a break, which must be found.
    #[arg(long)]
    pub(crate) plant: Option<Plant>,
    /// Let the sync of this number of each thread of the clinic fail while it is recorded; what it was
    /// to bring to the disk never gets there.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) failed_sync: Option<u64>,
    /// Look at the recording in this folder again.
    #[arg(long, value_name = "DIR")]
    pub(crate) replay: Option<PathBuf>,
    /// Look at this state only.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) state: Option<u64>,
    /// Keep the recording also when all is well.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Another kind of fault.
    #[command(subcommand)]
    pub(crate) other: Option<Other>,
}

/// Faults that are no power cuts.
#[derive(Debug, Subcommand)]
pub(crate) enum Other {
    /// Let the n-th call fail, for n = 1, 2, 3, … until a run has no such call any more.
    Errors {
        /// Only these calls, such as pwrite64.
        #[arg(long)]
        calls: Option<String>,
        /// Only every so many calls.
        #[arg(long, default_value_t = 1)]
        step: u64,
        /// Only at the clinic or at the hub.
        #[arg(long)]
        at: Option<Place>,
    },
    /// Flip bits in every file of a clinic's and a hub's folder.
    Flips {
        /// In each file.
        #[arg(long, default_value_t = 300)]
        count: u64,
    },
}

/// Whose calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Place {
    /// A clinic that takes batches.
    Clinic,
    /// A hub that applies what a clinic sends.
    Hub,
}
