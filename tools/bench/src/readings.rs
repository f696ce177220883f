//! Readings to work with: values of a real ward where the recordings are there, made ones else.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// One signal of a bedside monitor.
#[derive(Clone, Debug)]
struct Sample {
    code: String,
    unit: String,
    value: String,
}

/// A source of batches.
#[derive(Clone, Debug)]
pub(crate) struct Readings(Vec<Sample>);

/// A batch ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) json: String,
    pub(crate) digest: String,
}

/// Values read at the most; enough that columns see real variety.
const SAMPLES_MAX: usize = 50_000;

/// 2026-11-01T00:00:00Z in seconds: old enough never to be called late by chance.
const START_SECONDS: i64 = 1_793_491_200;

impl Readings {
    /// Reads the ward recording beside the checkout, or makes plausible values.
    pub(crate) fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/data/vitals/ward-hourly.csv.gz");
        Self::read(&path).unwrap_or_else(Self::made)
    }

    fn read(path: &Path) -> Option<Self> {
        let mut text = String::new();
        let file = std::fs::File::open(path).ok()?;
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).ok()?;
        let mut samples = Vec::new();
        for line in text.lines().skip(1).take(SAMPLES_MAX) {
            let mut cells = line.split(',').skip(2);
            let (code, unit) = (cells.next()?.to_owned(), cells.next()?.to_owned());
            let value = cells.nth(1)?.to_owned();
            samples.push(Sample { code, unit, value });
        }
        Some(Self(samples))
    }

    fn made() -> Self {
        let signals = [("8867-4", "/min", 70), ("59408-5", "%", 97), ("9279-1", "/min", 16)];
        let sample = |number: usize| {
            let (code, unit, base) =
                signals.get(number % signals.len()).copied().unwrap_or(("8867-4", "/min", 70));
            let value = (base + (number * 7) % 5).to_string();
            Sample { code: code.to_owned(), unit: unit.to_owned(), value }
        };
        Self((0..SAMPLES_MAX).map(sample).collect())
    }

    /// Batch number `number` of a device for a patient: readings a few seconds apart, in order.
    pub(crate) fn body(&self, device: usize, patient: &str, number: usize, count: usize) -> Body {
        let mut json = format!("{{\"batch_id\":\"d{device}-{number}\",\"readings\":[");
        for at in 0..count {
            let index = device * 977 + number * count + at;
            let Some(sample) = self.0.get(index % self.0.len().max(1)) else { break };
            let seconds = START_SECONDS + i64::try_from(number * count + at).unwrap_or(0) * 5;
            let time = vocab::Timestamp::from_millis(seconds * 1_000);
            let comma = if at == 0 { "" } else { "," };
            // Writing into a String does not fail.
            let _ = write!(
                json,
                "{comma}{{\"patient\":\"{patient}\",\"code\":\"{}\",\"unit\":\"{}\",\"time\":\"{time}\",\"value\":{}}}",
                sample.code, sample.unit, sample.value
            );
        }
        json.push_str("]}");
        let digest = data_encoding::BASE64.encode(&Sha256::digest(json.as_bytes()));
        Body { json, digest: format!("sha-256=:{digest}:") }
    }
}
