//! Devices that resend what they have no receipt for, and more than that: every reading counts once.

use host::Random;
use sync_protocol::NodeId;
use tests::clinic::{Clinic, EPOCH_MS};
use tests::disk::Medium;
use tests::network::Dice;
use vitals::receipt::{Outcome, Receipt};
use vocab::{SiteId, Timestamp};

/// Batches of the acceptance criterion for device ingest.
const BATCHES: u64 = 100_000;

/// Of a hundred batches, those that repeat an earlier one.
const REPEATS_PERCENT: u64 = 20;

/// Batches back from which a repeat is taken: a device that was out of reach for a day.
const MEMORY: u64 = 5_000;

fn body(batch_id: &str, number: u64) -> String {
    let time = EPOCH_MS + i64::try_from(number).unwrap() * 100;
    let time = Timestamp::from_millis(time);
    format!(
        r#"{{"batch_id":"{batch_id}","readings":[{{"patient":"p-{}","code":"8867-4","unit":"/min","time":"{time}","value":72}}]}}"#,
        number % 7
    )
}

#[test]
fn of_a_hundred_thousand_batches_with_a_fifth_of_repeats_each_reading_counts_once() {
    let hub = NodeId(Random::seeded(1).bytes());
    let mut clinic = Clinic::new(Medium::Memory, SiteId::from_bytes([1; 16]), 2, hub);
    (0..7).for_each(|number| {
        clinic.register(0, number);
    });
    let mut dice = Dice::new(3);
    let mut receipts: Vec<(String, Receipt)> = Vec::new();
    let (mut accepted, mut duplicate, mut same) = (0, 0, 0);
    for at in 0..BATCHES {
        let now = at * 100;
        let device = format!("mon-{}", at % 11);
        let again =
            dice.percent(REPEATS_PERCENT).then(|| at.checked_sub(1 + dice.below(MEMORY))).flatten();
        let Some(earlier) = again else {
            let receipt =
                clinic.receive_batch(now, &device, &body(&format!("b-{at}"), at)).unwrap();
            accepted += receipt.outcomes.tally().accepted;
            receipts.push((body(&format!("b-{at}"), at), receipt));
            continue;
        };
        let (text, known) = &receipts
            [usize::try_from(earlier).unwrap() * receipts.len() / usize::try_from(at).unwrap()];
        let device = known.device.as_str().to_owned();
        let text = text.clone();
        if dice.percent(50) {
            // The same batch: the same receipt.
            let receipt = clinic.receive_batch(now, &device, &text).unwrap();
            assert_eq!(receipt.to_json(), known.to_json());
            same += 1;
        } else {
            // The same reading under another name.
            let renamed = text.replacen("\"b-", &format!("\"r{at}-"), 1);
            let receipt = clinic.receive_batch(now, &device, &renamed).unwrap();
            assert_eq!(receipt.outcomes.iter().collect::<Vec<_>>(), [Outcome::Duplicate]);
            duplicate += 1;
        }
    }
    assert_eq!(accepted + duplicate + same, BATCHES);
    assert!(duplicate + same > BATCHES / 6, "{duplicate} + {same}");
    // What is held is what was accepted, by a count over the tables themselves.
    clinic.flush(BATCHES * 100);
    let totals = vitals::store::totals(&clinic.conn).unwrap();
    assert_eq!(
        (totals.batches, totals.readings.accepted, totals.readings.duplicate),
        (accepted + duplicate, accepted, duplicate)
    );
    let open = vitals::tail::counts(&clinic.conn).unwrap();
    assert_eq!((open.open_readings, open.sealed_readings), (0, accepted));
    assert_eq!(clinic.acknowledged.len() as u64, accepted);
}
