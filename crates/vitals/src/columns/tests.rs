//! Whatever is written is read back, and whatever else is read is answered.

use proptest::prelude::*;

use super::*;

/// Readings of few codes at few moments, so that columns, ticks and repeats really occur.
pub(crate) fn any_readings(max: usize) -> impl Strategy<Value = Vec<SealedReading>> {
    let code = prop::sample::select(vec!["8867-4", "8480-6", "8310-5", "2345-7", "777-3"]);
    let unit = prop::sample::select(vec!["/min", "mm[Hg]", "Cel", "", "°"]);
    let time = prop_oneof![
        8 => (0i64..50).prop_map(|hour| 1_780_000_000_000_000_000 + hour * 3_600_000_000_000),
        1 => any::<i64>(),
    ];
    let value = prop_oneof![
        8 => (30i64..200, 0u8..3).prop_map(|(m, s)| SentValue::from_plain(m, s).unwrap()),
        1 => (-999_999_999_999_999_999i64..999_999_999_999_999_999, 0u8..17)
            .prop_map(|(m, s)| SentValue::from_plain(m, s).unwrap()),
        1 => prop::sample::select(vec!["1e2", "-0", "99999999999999999999", "1E-7"])
            .prop_map(|text| SentValue::parse(text).unwrap()),
    ];
    let sequence = prop_oneof![3 => Just(None), 1 => any::<u64>().prop_map(Some), 2 => (0u64..9).prop_map(Some)];
    let received = prop_oneof![
        8 => (0i64..6).prop_map(|batch| 1_790_000_000_123_456_789 + batch * 60_000_000_007),
        1 => any::<i64>(),
    ];
    let reading = (code, unit, time, value, sequence, received).prop_map(
        |(code, unit, time, value, sequence, received)| SealedReading {
            code: code.parse().unwrap(),
            unit: UnitText::new(unit).unwrap(),
            time: Timestamp::from_nanos(time),
            value,
            sequence,
            received: Timestamp::from_nanos(received),
        },
    );
    proptest::collection::vec(reading, 0..max)
}

/// Every field of every reading, in one order.
pub(crate) fn as_set(readings: &[SealedReading]) -> Vec<String> {
    let mut lines: Vec<String> = readings
        .iter()
        .map(|r| {
            let (code, unit, value) = (r.code, r.unit, r.value.to_string());
            format!("{code} {unit} {} {value} {:?} {}", r.time, r.sequence, r.received.nanos())
        })
        .collect();
    lines.sort();
    lines
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(readings in any_readings(120)) {
        let bytes = write(&readings);
        let back = read(&bytes, 120).unwrap();
        prop_assert_eq!(as_set(&back), as_set(&readings));
        prop_assert_eq!(write(&back), bytes, "the same set gives the same bytes");
    }

    #[test]
    fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, 1_000);
        if let Some(first) = bytes.first_mut() {
            *first = LAYOUT;
            let _ = read(&bytes, 1_000);
        }
    }

    #[test]
    fn any_damage_is_answered(
        readings in any_readings(40),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write(&readings);
        let place = at.index(bytes.len());
        bytes[place] = with;
        if let Some(read) = read(&bytes, 40) {
            prop_assert!(read.len() <= 40);
        }
        bytes.truncate(cut.index(bytes.len()));
        let _ = read(&bytes, 40);
    }
}

#[test]
fn more_readings_than_allowed_are_refused_whatever_is_claimed() {
    let mut bytes = vec![LAYOUT];
    put_u64(&mut bytes, u64::MAX);
    assert!(read(&bytes, 1_000).is_none());
    let one = SealedReading {
        code: "8867-4".parse().unwrap(),
        unit: UnitText::new("/min").unwrap(),
        time: Timestamp::from_millis(1),
        value: SentValue::parse("72").unwrap(),
        sequence: None,
        received: Timestamp::from_millis(2),
    };
    let bytes = write(&[one.clone(), one.clone(), one]);
    assert_eq!(read(&bytes, 3).map(|readings| readings.len()), Some(3));
    assert!(read(&bytes, 2).is_none());
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = write(&[]);
    assert_eq!(read(&bytes, 0).map(|readings| readings.len()), Some(0));
    bytes.push(0);
    assert!(read(&bytes, 0).is_none());
}
