//! What must hold for alerts as bytes.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::RuleTable;
use crate::alert::tests::reading;

/// Two alerts of one minute and one late one, as a bedside monitor raises them.
pub(crate) fn plain() -> AlertsRaised {
    let table = RuleTable::built_in().unwrap();
    let readings = [
        reading("59408-5", "%", "86", 1),
        reading("59408-5", "%", "94.5", 1),
        reading("8310-5", "[degF]", "100.5", 1_000),
    ];
    AlertsRaised {
        device: "ward-06-mon".parse().unwrap(),
        rules_version: 1,
        alerts: readings.iter().map(|reading| table.judge(reading).unwrap()).collect(),
    }
}

prop_compose! {
    fn alert()(
        rule in 1..4u16,
        severity in select(&Severity::ALL[..]),
        direction in select(vec![Direction::Below, Direction::Above]),
        code in prop_oneof![Just(59_408), 1..10_000_000u32],
        unit in "%|mg/dL|[a-z]{0,32}",
        nanos in prop_oneof![
            (0..1_000i64).prop_map(|n| n * 60_000_000_000),
            (-1_000..1_000i64).prop_map(|n| n * 1_000_000_000),
            any::<i64>(),
        ],
        value in prop_oneof![
            "-?[1-9][0-9]{0,3}(\\.[0-9]{1,3})?",
            "[1-9][0-9]{0,20}e-?[0-9]{1,4}",
        ],
        sequence in any::<Option<u64>>(),
        late in any::<bool>(),
    ) -> Alert {
        Alert {
            raised: Raised { rule: RuleNo::from_number(rule), severity, direction },
            code: LoincCode::from_number(code).unwrap(),
            unit: UnitText::new(&unit).unwrap(),
            time: Timestamp::from_nanos(nanos),
            value: SentValue::parse(&value).unwrap(),
            sequence,
            late,
        }
    }
}

prop_compose! {
    fn fact()(
        device in "[a-z0-9]{1,64}",
        rules_version in any::<u16>(),
        alerts in prop::collection::vec(alert(), 1..8),
    ) -> AlertsRaised {
        AlertsRaised { device: device.parse().unwrap(), rules_version, alerts }
    }
}

#[test]
fn a_fact_is_past_when_nothing_in_it_is_new() {
    let mut fact = plain();
    assert!(!fact.is_past());
    fact.alerts.retain(|alert| alert.late);
    assert_eq!(fact.alerts.len(), 1);
    assert!(fact.is_past());
}

proptest! {
    #[test]
    fn alerts_read_back_as_themselves(fact in fact()) {
        prop_assert_eq!(AlertsRaised::from_bytes(&fact.to_bytes()), Ok(fact));
    }

    #[test]
    fn what_was_read_writes_back_to_the_same_bytes(fact in fact(), at in any::<Index>(), byte: u8) {
        let mut bytes = fact.to_bytes();
        *at.get_mut(&mut bytes) = byte;
        if let Ok(read) = AlertsRaised::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        let _ = AlertsRaised::from_bytes(&bytes);
    }

    #[test]
    fn cut_or_lengthened_bytes_are_refused(fact in fact(), more: u8) {
        let mut bytes = fact.to_bytes();
        bytes.push(more);
        prop_assert!(AlertsRaised::from_bytes(&bytes).is_err());
        bytes.truncate(bytes.len() - 2);
        prop_assert!(AlertsRaised::from_bytes(&bytes).is_err());
    }
}

#[test]
fn an_alert_among_its_kind_takes_about_ten_bytes() {
    let mut fact = plain();
    fact.alerts = vec![fact.alerts[0].clone(); 100];
    for (second, alert) in (0..).zip(&mut fact.alerts) {
        alert.time = alert.time.plus_seconds(second);
        alert.sequence = Some(1_000_000 + second.cast_unsigned());
    }
    let bytes = fact.to_bytes().len();
    assert!(bytes <= 1_000, "{bytes}");
}

#[test]
fn a_full_fact_fits() {
    let longest = SentValue::parse(&format!("1{}", "0".repeat(VALUE_BYTES_MAX - 1))).unwrap();
    let alert = |number: u32| Alert {
        unit: UnitText::new(&"u".repeat(UNIT_BYTES_MAX)).unwrap(),
        code: LoincCode::from_number(9_000_000 + number).unwrap(),
        raised: Raised { rule: RuleNo::from_number(u16::MAX), ..plain().alerts[0].raised },
        time: Timestamp::from_nanos(if number.is_multiple_of(2) { i64::MIN } else { 0 }),
        value: longest.clone(),
        sequence: Some(if number.is_multiple_of(2) { 1 << 63 } else { 0 }),
        late: true,
    };
    let count = u32::try_from(ALERTS_MAX).unwrap();
    let mut fact = AlertsRaised {
        device: "d".repeat(SLUG_BYTES_MAX).parse().unwrap(),
        rules_version: u16::MAX,
        alerts: (0..count).map(alert).collect(),
    };
    let bytes = fact.to_bytes();
    assert!(bytes.len() <= FACT_BYTES_MAX, "{}", bytes.len());
    assert_eq!(AlertsRaised::from_bytes(&bytes).as_ref(), Ok(&fact));
    fact.alerts = vec![fact.alerts[0].clone(); ALERTS_MAX + 1];
    assert_eq!(AlertsRaised::from_bytes(&fact.to_bytes()), Err(BadFact::TooLong));
}

#[test]
fn every_departure_from_the_one_form_is_refused() {
    let bytes = plain().to_bytes();
    check(&bytes, None);
    check(&[], Some(BadFact::Malformed));
    check(&[&[2], &bytes[1..]].concat(), Some(BadFact::Version(2)));
    check(&[&bytes[..], &[0]].concat(), Some(BadFact::NotCanonical));
    check(&vec![VERSION; FACT_BYTES_MAX + 1], Some(BadFact::TooLong));
    check_wire(|_| (), None);
    check_wire(|wire| wire.device = "=1".to_owned(), Some(BadFact::Malformed));
    check_wire(|wire| wire.alerts.clear(), Some(BadFact::Empty));
    check_wire(|wire| wire.step = 9, Some(BadFact::Malformed));
    check_wire(|wire| wire.kinds[0].code = 0, Some(BadFact::Malformed));
    check_wire(|wire| wire.kinds[0].severity = 5, Some(BadFact::Malformed));
    check_wire(|wire| wire.kinds[0].direction = 0, Some(BadFact::Malformed));
    check_wire(|wire| wire.kinds[0].unit = "\n".to_owned(), Some(BadFact::Malformed));
    check_wire(|wire| wire.alerts[0].kind = 3, Some(BadFact::Malformed));
    check_wire(|wire| wire.alerts[0].time = i64::MAX, Some(BadFact::Malformed));
    // A kind twice, one that no alert has, kinds out of order, a number as text, times in seconds
    // that are whole minutes.
    check_wire(|wire| wire.kinds[1] = wire.kinds[0].clone(), Some(BadFact::NotCanonical));
    check_wire(|wire| wire.alerts[2].kind = 0, Some(BadFact::NotCanonical));
    let turned = |wire: &mut FactWire| {
        wire.kinds.swap(0, 1);
        (wire.alerts[0].kind, wire.alerts[1].kind) = (1, 0);
    };
    check_wire(turned, Some(BadFact::NotCanonical));
    let text = || ValueWire::Text("86".to_owned());
    check_wire(|wire| wire.alerts[0].value = text(), Some(BadFact::NotCanonical));
    let seconds = |wire: &mut FactWire| {
        wire.step = 1;
        wire.alerts.iter_mut().for_each(|alert| alert.time *= 60);
    };
    check_wire(seconds, Some(BadFact::NotCanonical));
}

#[track_caller]
fn check(bytes: &[u8], expected: Option<BadFact>) {
    assert_eq!(AlertsRaised::from_bytes(bytes).err(), expected);
}

#[track_caller]
fn check_wire(change: impl Fn(&mut FactWire), expected: Option<BadFact>) {
    let mut wire: FactWire = postcard::from_bytes(&plain().to_bytes()[1..]).unwrap();
    change(&mut wire);
    check(&write(&wire), expected);
}

/// The signed form must not move: a change here makes every kept alert unreadable.
#[test]
fn the_bytes_of_version_1_stay_as_they_are() {
    let shown: String = plain().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        shown,
        "010b776172642d30362d6d6f6e010390d003012507040190d0030125080301f640065b646567465d0d020200030000a484a81c010a00ac0100010000010000e20e01020100010000da0f01"
    );
}
