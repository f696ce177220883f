//! One device: sends its batches in order and gives none up before it has a receipt.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::batch::{self, Batch, BatchError};
use crate::connection::{Connection, LinkError, Upload};
use crate::faults::Dice;
use crate::outcome::Outcome;
use crate::pace::Pace;
use crate::recording::Tape;
use crate::replay::{Plan, Transport};

/// The first wait before a batch is sent again; doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);

/// The longest wait that a device thinks of by itself.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// The longest wait that a device lets a node impose. A node that wants more is asked again anyway.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Why a device stopped before its last batch.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no key for the device.
    #[error("device {device} has no key")]
    NoKey {
        /// Which.
        device: String,
    },
    /// The node will not have the batch, now or later.
    #[error("device {device}, batch {batch}: refused with {status}{}", reason(title))]
    Refused {
        /// Who sent it.
        device: String,
        /// Its name.
        batch: String,
        /// The HTTP status.
        status: u16,
        /// What the problem document calls it.
        title: Option<String>,
    },
    /// There was no receipt for longer than the plan's patience.
    #[error("device {device}, batch {batch}: no receipt within {seconds} s, at last: {last}")]
    GaveUp {
        /// Who sent it.
        device: String,
        /// Its name.
        batch: String,
        /// The patience.
        seconds: u64,
        /// What happened last.
        last: Trouble,
    },
    /// The node answered 200 with something that is not the receipt of this batch.
    #[error("device {device}, batch {batch}: the answer is not its receipt")]
    NotAReceipt {
        /// Who sent it.
        device: String,
        /// Its name.
        batch: String,
    },
    /// The node answered the same batch with other bytes than before.
    #[error("device {device}, batch {batch}: another receipt than before")]
    ReceiptChanged {
        /// Who sent it.
        device: String,
        /// Its name.
        batch: String,
    },
    /// The node took a body that does not match its checksum.
    #[error("device {device}, batch {batch}: a body with a flipped bit was answered with 200")]
    CorruptionTaken {
        /// Who sent it.
        device: String,
        /// Its name.
        batch: String,
    },
    /// The batch could not be formed.
    #[error(transparent)]
    Form(#[from] BatchError),
}

/// Why there is no receipt yet.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No answer.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// An answer that means: later.
    #[error("status {0}")]
    Status(u16),
}

fn reason(title: &Option<String>) -> String {
    title.as_ref().map(|title| format!(" ({title})")).unwrap_or_default()
}

/// The parts of a receipt that a device looks at.
#[derive(Deserialize)]
struct Receipt {
    batch_id: String,
    outcomes: Vec<ReadingOutcome>,
}

#[derive(Deserialize)]
struct ReadingOutcome {
    outcome: Outcome,
}

/// A device while it replays its tape.
pub(crate) struct Device<'a> {
    pub(crate) tape: &'a Tape,
    pub(crate) plan: &'a Plan,
    pub(crate) pace: &'a Pace,
    pub(crate) connection: &'a mut Connection,
}

impl Device<'_> {
    /// Sends everything; `receipted` is told the places and outcomes of each batch, once.
    pub(crate) async fn play(
        &mut self,
        transport: &mut Transport,
        mut receipted: impl FnMut(&Batch, &[Outcome]),
    ) -> Result<(), DeviceError> {
        let key = self.plan.keys.of(&self.tape.device);
        let key = key.ok_or_else(|| DeviceError::NoKey { device: self.name() })?;
        let faults = self.plan.faults;
        let mut dice = Dice::new(faults.seed, &self.tape.device);
        let count = batch::count(self.tape, self.plan.batch_readings);
        for index in dice.order(count, faults.reorder) {
            let batch = batch::form(self.tape, index, self.plan.batch_readings)?;
            self.pace.admit(batch.places.len()).await;
            if !faults.delay.is_zero() {
                sleep(dice.wait(faults.delay)).await;
            }
            if dice.happens(faults.corrupt) {
                self.send_corrupted(&batch, key, &mut dice, transport).await?;
            }
            let receipt = self.until_receipt(&batch, key, &mut dice, transport).await?;
            let outcomes = self.read_receipt(&batch, &receipt)?;
            receipted(&batch, &outcomes);
            // Both mean one more request: an answer thrown away, or a copy sent for no reason.
            for chance in [faults.drop, faults.duplicate] {
                if dice.happens(chance) {
                    transport.resent += 1;
                    let again = self.until_receipt(&batch, key, &mut dice, transport).await?;
                    if again != receipt {
                        let (device, batch) = (self.name(), batch.id);
                        return Err(DeviceError::ReceiptChanged { device, batch });
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends the batch with a flipped bit. That it is refused is what matters, not how: a bit
    /// flipped in the batch may meet a broken link as any other.
    async fn send_corrupted(
        &mut self,
        batch: &Batch,
        key: &str,
        dice: &mut Dice,
        transport: &mut Transport,
    ) -> Result<(), DeviceError> {
        transport.corrupted += 1;
        let body = Bytes::from(dice.flip_a_bit(&batch.body));
        let answer = self.upload(batch, body, key, transport).await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            let (device, batch) = (self.name(), batch.id.clone());
            return Err(DeviceError::CorruptionTaken { device, batch });
        }
        Ok(())
    }

    /// Sends the batch until it is answered with 200, for as long as the plan has patience.
    async fn until_receipt(
        &mut self,
        batch: &Batch,
        key: &str,
        dice: &mut Dice,
        transport: &mut Transport,
    ) -> Result<Bytes, DeviceError> {
        let started = Instant::now();
        let mut backoff = BACKOFF_FIRST;
        loop {
            let answer = self.upload(batch, batch.body.clone(), key, transport).await;
            let (last, asked) = match answer {
                Ok(answer) if answer.status == 200 => return Ok(answer.body),
                Ok(answer) if may_come_later(answer.status) => {
                    (Trouble::Status(answer.status), answer.retry_after)
                }
                Ok(answer) => {
                    let (status, title) = (answer.status, title(&answer.body));
                    let (device, batch) = (self.name(), batch.id.clone());
                    return Err(DeviceError::Refused { device, batch, status, title });
                }
                Err(error) => (Trouble::Link(error), None),
            };
            let wait = match asked {
                Some(asked) => asked.min(RETRY_AFTER_MAX),
                // Between half and the whole, so that devices do not come back together.
                None => backoff / 2 + dice.wait(backoff / 2),
            };
            backoff = (backoff * 2).min(BACKOFF_MAX);
            let patience = self.plan.patience;
            if started.elapsed() + wait > patience {
                let (device, batch) = (self.name(), batch.id.clone());
                return Err(DeviceError::GaveUp {
                    device,
                    batch,
                    seconds: patience.as_secs(),
                    last,
                });
            }
            sleep(wait).await;
            transport.retries += 1;
        }
    }

    async fn upload(
        &mut self,
        batch: &Batch,
        body: Bytes,
        key: &str,
        transport: &mut Transport,
    ) -> Result<crate::connection::Answer, LinkError> {
        transport.bytes += u64::try_from(body.len()).unwrap_or(u64::MAX);
        let (device, digest) = (&*self.tape.device, batch.digest.as_str());
        self.connection.upload(&Upload { device, key, digest, body }).await
    }

    fn read_receipt(&self, batch: &Batch, body: &[u8]) -> Result<Vec<Outcome>, DeviceError> {
        let receipt: Option<Receipt> = serde_json::from_slice(body).ok();
        receipt
            .filter(|receipt| receipt.batch_id == batch.id)
            .map(|receipt| receipt.outcomes.into_iter().map(|one| one.outcome).collect())
            .filter(|outcomes: &Vec<Outcome>| outcomes.len() == batch.places.len())
            .ok_or_else(|| DeviceError::NotAReceipt {
                device: self.name(),
                batch: batch.id.clone(),
            })
    }

    fn name(&self) -> String {
        self.tape.device.as_ref().to_owned()
    }
}

/// Statuses after which the same batch may still get its receipt.
fn may_come_later(status: u16) -> bool {
    // 422: a bit was flipped on the way. 408, 429, 5xx: not now.
    matches!(status, 408 | 422 | 429 | 500..=599)
}

/// What a problem document calls itself.
fn title(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        title: String,
    }
    serde_json::from_slice(body).ok().map(|problem: Problem| problem.title)
}
