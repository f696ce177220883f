//! Why a change from elsewhere was not applied.

use crate::ChangeId;

/// Why a change was not applied; the document is as it was.
///
/// Everything except [`MissingDependencies`](Self::MissingDependencies) is final for this version of
/// the program: the same bytes are refused again by every replica, so they belong in quarantine. A
/// text never quotes what was in the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The change builds on changes that are not here yet. Keep it and try again after the next one.
    #[error("the change builds on changes that have not arrived")]
    MissingDependencies(ChangeId),
    /// Written by a newer version; keep it until this program is updated.
    #[error("the change has format {0}, which this version does not know")]
    NewerFormat(u8),
    /// More bytes than a change may have, before or after decompression.
    #[error("the change is larger than a change may be")]
    TooLarge,
    /// The compressed bytes are damaged, or stand for more than they may.
    #[error("the change does not decompress to what it declares")]
    BadCompression,
    /// The bytes are no change, or not written the one way a change is written.
    #[error("the change is malformed: {0}")]
    Malformed(&'static str),
    /// Compressed, bundled or document chunks, which are never sent.
    #[error("the change has a form that is not allowed: {0}")]
    ForbiddenForm(&'static str),
    /// More operations, dependencies, authors or replaced values than a change may have.
    #[error("the change holds too many {0}")]
    TooMany(&'static str),
    /// An operation that our documents do not have.
    #[error("the change does what no edit of ours does: {0}")]
    ForbiddenOperation(&'static str),
    /// The actor in the change is not the one that the signer has.
    #[error("the change is not by the author who signed it")]
    WrongAuthor,
    /// The author has already made another change with this number.
    #[error("the author has made two different changes with one number")]
    Forked,
    /// It replaces what its author cannot have seen, or numbers its operations wrongly.
    #[error("the change does not fit the past it names: {0}")]
    Inconsistent(&'static str),
    /// The caller does not allow this author to write one of the fields, or not with this value.
    #[error("the change writes a field in a way that is not allowed")]
    FieldNotAllowed,
    /// automerge refused the change.
    #[error("the merge engine refused the change")]
    Engine,
    /// automerge panicked on the change; the panic was contained.
    #[error("the merge engine failed on the change")]
    Panicked,
}

impl Refused {
    /// One word for metrics and for the answer to the sender; never changes.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MissingDependencies(_) => "missing_dependencies",
            Self::NewerFormat(_) => "newer_format",
            Self::TooLarge => "too_large",
            Self::BadCompression => "bad_compression",
            Self::Malformed(_) => "malformed",
            Self::ForbiddenForm(_) => "forbidden_form",
            Self::TooMany(_) => "too_many",
            Self::ForbiddenOperation(_) => "forbidden_operation",
            Self::WrongAuthor => "wrong_author",
            Self::Forked => "forked",
            Self::Inconsistent(_) => "inconsistent",
            Self::FieldNotAllowed => "field_not_allowed",
            Self::Engine => "engine",
            Self::Panicked => "panicked",
        }
    }
}
