//! The door of devices: `POST /api/v1/devices/{device}/batches`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use devices::directory::Admitted;
use host::database::WriteError;
use store::StoreError;
use vitals::batch::{Batch, BatchError};
use vitals::checksum::{BodyDigest, ChecksumError};
use vocab::DeviceName;
use web::limits::BODY_BYTES_MAX;
use web::{Kind, Problem};
use workflows::WorkflowError;
use workflows::record_batch::{Recorded, record_batch};

use crate::node::Node;

/// RFC 9530; the standard list of header names does not have it yet.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Tells a client that sent another digest which one is wanted.
const WANT_CONTENT_DIGEST: HeaderName = HeaderName::from_static("want-content-digest");

/// Stores a batch of readings and answers with a receipt, after the commit.
pub(crate) async fn receive_batch(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match receive(&node, &device, &headers, body).await {
        Ok(receipt) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], receipt)
            .into_response(),
        Err(problem) => {
            node.counts.refused();
            refused(problem)
        }
    }
}

async fn receive(
    node: &Arc<Node>,
    device: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<String, Problem> {
    // Who it is and how much it may send is settled before its body is read.
    let (name, admitted) = authenticate(node, device, headers)?;
    node.rates.check(admitted.no).map_err(|wait| {
        Problem::new(Kind::TOO_MANY_REQUESTS)
            .detail("This device sends more batches than it may.")
            .retry_after(wait)
    })?;
    let body = web::body::read(body, BODY_BYTES_MAX).await?;
    let digest = headers.get(CONTENT_DIGEST).and_then(|value| value.to_str().ok());
    let digest = BodyDigest::verify(&body, digest).map_err(checksum_problem)?;
    let batch = Batch::parse(&body).map_err(batch_problem)?;
    store(node, name, admitted, batch, digest).await
}

/// One answer for an unknown device, a wrong key and no key.
fn authenticate(
    node: &Node,
    device: &str,
    headers: &HeaderMap,
) -> Result<(DeviceName, Admitted), Problem> {
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or("");
    let admitted = node.devices.current().authenticate(device, key);
    let admitted = admitted.map_err(|_| Problem::new(Kind::UNAUTHORIZED))?;
    let name = device.parse().map_err(|_| Problem::new(Kind::UNAUTHORIZED))?;
    Ok((name, admitted))
}

async fn store(
    node: &Arc<Node>,
    device: DeviceName,
    admitted: Admitted,
    batch: Batch,
    digest: BodyDigest,
) -> Result<String, Problem> {
    let now = node.clock.now();
    let name = device.clone();
    let recorded = node
        .writer
        .write(move |conn, state| {
            devices::store::note_seen(conn, admitted.no, now)?;
            record_batch(conn, &mut state.0, now, &name, &batch, digest)
        })
        .await
        .map_err(|error| write_problem(&error))?;
    match recorded {
        Recorded::Stored(stored) => {
            node.counts.receipt(stored.receipt.outcomes.tally());
            if stored.queued {
                node.outbox_grew.notify_one();
            }
            if stored.urgent {
                node.sync.ask();
            }
            let shown: Vec<_> =
                stored.fresh.iter().map(|reading| (reading.patient, reading.sealed())).collect();
            node.board.arrived(&device, &shown);
            Ok(stored.receipt.to_json())
        }
        Recorded::Repeated(receipt) => Ok(receipt.to_json()),
        Recorded::Conflict => Err(Problem::new(Kind::CONFLICT).detail(
            "This batch_id was used before for another body; nothing of this one is stored.",
        )),
    }
}

fn checksum_problem(error: ChecksumError) -> Problem {
    let kind = match error {
        ChecksumError::Mismatch => Kind::WRONG_CHECKSUM,
        ChecksumError::Missing | ChecksumError::NoSha256 => Kind::MISSING_CHECKSUM,
        ChecksumError::Malformed => Kind::MALFORMED,
    };
    Problem::new(kind).detail(sentence(&error))
}

fn batch_problem(error: BatchError) -> Problem {
    let kind = match error {
        BatchError::Syntax { .. } | BatchError::Shape { .. } => Kind::INVALID_JSON,
        BatchError::NoBatchId | BatchError::BadBatchId | BatchError::Empty => Kind::MALFORMED,
        BatchError::TooMany => Kind::TOO_LARGE,
    };
    Problem::new(kind).detail(sentence(&error))
}

/// An error as the sentence of a problem document.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).chain(['.']).collect()
    })
}

fn write_problem(error: &WriteError<WorkflowError>) -> Problem {
    let full_in_job = matches!(
        error,
        WriteError::Refused(WorkflowError::Store(StoreError::DiskFull))
            | WriteError::Refused(WorkflowError::Ledger(replication::LedgerError::Store(
                StoreError::DiskFull
            )))
    );
    if error.is_disk_full() || full_in_job {
        return Problem::new(Kind::DISK_FULL)
            .detail("Nothing of this batch is stored; send it again when there is room.");
    }
    tracing::error!(%error, "a batch could not be stored");
    Problem::new(Kind::NOT_STORED).detail("Nothing of this batch is stored; send it again.")
}

fn refused(problem: Problem) -> Response {
    let wanted = problem.kind() == Kind::MISSING_CHECKSUM;
    // The body was not read to its end, so nothing more can come over this connection.
    let unread = [Kind::TOO_MANY_REQUESTS, Kind::UNAUTHORIZED, Kind::TOO_LARGE, Kind::TOO_SLOW];
    let closes = unread.contains(&problem.kind());
    let mut response = problem.into_response();
    if closes {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if wanted {
        response.headers_mut().insert(WANT_CONTENT_DIGEST, HeaderValue::from_static("sha-256=10"));
    }
    response
}
