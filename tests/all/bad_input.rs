//! What a clinic's door answers to devices that are faulty, strange or hostile, asked of the real
//! program.

mod batches;
mod callers;
mod crowds;
mod limits;

use serde_json::Value;
use tests::programs::http::{Answer, Device};
use tests::programs::network::{Alone, device, number};

/// A clinic with a patient and a device.
struct Door {
    clinic: Alone,
    monitor: Device,
}

impl Door {
    fn open(settings: &str) -> Self {
        let clinic = Alone::start(settings);
        clinic.home.tell(&["patient", "add", "p-1", "--name", "Somebody"]);
        let monitor = device(&clinic.home, "bed-4-mon");
        Self { clinic, monitor }
    }

    #[track_caller]
    fn send(&self, body: &str) -> Answer {
        self.monitor.send(self.clinic.serving.http, body)
    }

    /// What the clinic counts of `name` among its readings.
    fn readings(&self, name: &str) -> u64 {
        number(&self.clinic.home.status(), &["readings", name])
    }
}

/// The answer is a problem document of this kind; answers its detail.
#[track_caller]
fn check_problem(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.head);
    let document = answer.json();
    assert_eq!(document["code"], code, "{document}");
    assert_eq!(document["status"], status, "{document}");
    assert_eq!(document["type"], format!("/problems/{code}"), "{document}");
    document.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned()
}
