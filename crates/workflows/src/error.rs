//! Why a use case did not happen; nothing of it is stored then.

use store::StoreError;

/// What can stop a use case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// The database refused; trying again may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signing and queueing failed.
    #[error(transparent)]
    Ledger(#[from] replication::LedgerError),
    /// The readings do not fit one segment.
    #[error(transparent)]
    Segment(#[from] vitals::segment::SegmentError),
    /// The patient's record did not take it.
    #[error(transparent)]
    Record(#[from] patients::record::RecordError),
    /// What was set aside stays as it is.
    #[error(transparent)]
    Quarantine(#[from] vitals::quarantine::QuarantineError),
    /// No patient of this clinic has this number.
    #[error("no patient with this number is known here")]
    UnknownPatient,
    /// The directory names no such site; it comes from the hub.
    #[error("no site with this name is known here yet: the directory comes with the first sync")]
    UnknownSite,
    /// The terms break a rule of consent.
    #[error(transparent)]
    Grant(#[from] consent::grant::BadGrant),
    /// A guardian's grant about somebody whose age nobody knows.
    #[error(
        "what a guardian grants ends when the patient comes of age, and this patient's birth date is not known: add it with `edge-node patient edit`"
    )]
    BirthDateUnknown,
    /// A guardian's grant about a grown-up.
    #[error("this patient is of age and decides alone")]
    OfAge,
    /// A guardian's grant that ends too late.
    #[error("what a guardian grants ends at the latest when the patient comes of age, at {of_age}")]
    BeyondChildhood {
        /// When that is.
        of_age: vocab::Timestamp,
    },
    /// A record is not opened.
    #[error(transparent)]
    Emergency(#[from] consent::emergency::BadEmergency),
    /// The revocation breaks a rule of consent.
    #[error(transparent)]
    Revoke(#[from] consent::revoke::BadRevoke),
    /// The device registry did not take it.
    #[error(transparent)]
    Devices(#[from] devices::store::DevicesError),
    /// The clinic has no id yet; the hub gives it one.
    #[error(
        "this clinic has not joined a hub yet; use the invitation that the hub's operator gave you: edge-node join"
    )]
    NotJoined,
    /// The hub was not noted.
    #[error(transparent)]
    Hub(#[from] directory::store::hub_link::HubLinkError),
}
