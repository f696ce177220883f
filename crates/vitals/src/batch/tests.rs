//! What a batch is, and what each kind of broken one gets.

use proptest::prelude::*;

use super::*;

const READING: &str = r#"{"patient":"p-1","code":"8310-5","unit":"Cel","time":"2026-06-12T17:22:00Z","value":36.10,"sequence":5}"#;

fn body(readings: &str) -> String {
    format!(r#"{{"batch_id":"b-1","readings":[{readings}]}}"#)
}

#[test]
fn a_batch_is_read_with_every_field() {
    let batch = Batch::parse(body(READING).as_bytes()).unwrap();
    assert_eq!(batch.id.as_str(), "b-1");
    assert_eq!(batch.patients, ["p-1".parse().unwrap()]);
    let reading = batch.readings[0].clone().unwrap();
    assert_eq!(reading.patient, 0);
    assert_eq!(reading.code.to_string(), "8310-5");
    assert_eq!(reading.unit.as_str(), "Cel");
    assert_eq!(reading.time.to_string(), "2026-06-12T17:22:00Z");
    assert_eq!(reading.value.to_string(), "36.10");
    assert_eq!(reading.sequence, Some(5));
}

#[test]
fn the_order_of_keys_spaces_and_unknown_fields_do_not_matter() {
    let plain = Batch::parse(body(READING).as_bytes()).unwrap();
    let other = r#"
        { "readings" : [ { "note": {"a": [1, {"b": null}], "a": 2}, "sequence": 5, "value": "36.10",
            "time": "2026-06-12T22:52:00+05:30", "unit": "\u0043el", "code": "8310-5", "patient": "p-1" } ],
          "version": [1, 2, 3], "batch_id" : "b-1" } "#;
    assert_eq!(Batch::parse(other.as_bytes()).unwrap(), plain);
}

#[test]
fn several_patients_are_listed_once_each() {
    let other = READING.replace("p-1", "p-2");
    let batch = Batch::parse(body(&format!("{READING},{other},{READING}")).as_bytes()).unwrap();
    assert_eq!(batch.patients, ["p-1".parse().unwrap(), "p-2".parse().unwrap()]);
    let places: Vec<_> = batch.readings.iter().map(|r| r.as_ref().unwrap().patient).collect();
    assert_eq!(places, [0, 1, 0]);
}

#[test]
fn what_is_wrong_with_one_reading_costs_only_that_reading() {
    use Reason as R;
    reading(READING, None);
    reading("5", Some(R::NotAnObject));
    reading("-5.5", Some(R::NotAnObject));
    reading("null", Some(R::NotAnObject));
    reading("\"text\"", Some(R::NotAnObject));
    reading("[1,[2],{\"a\":3}]", Some(R::NotAnObject));
    reading("{}", Some(R::MissingField));
    for field in ["patient", "code", "unit", "time", "value"] {
        reading(&READING.replace(field, "other"), Some(R::MissingField));
    }
    reading(&READING.replace("\"p-1\"", "null"), Some(R::MissingField));
    reading(&READING.replace("\"p-1\"", "17"), Some(R::WrongType));
    reading(&READING.replace("\"p-1\"", "[\"p-1\"]"), Some(R::WrongType));
    reading(&READING.replace("\"8310-5\"", "{\"loinc\":\"8310-5\"}"), Some(R::WrongType));
    reading(&READING.replace("\"Cel\"", "true"), Some(R::WrongType));
    reading(&READING.replace("\"2026-06-12T17:22:00Z\"", "1781284920"), Some(R::WrongType));
    reading(&READING.replace("p-1", ""), Some(R::BadPatient));
    reading(&READING.replace("p-1", "=1+1"), Some(R::BadPatient));
    reading(&READING.replace("p-1", &"p".repeat(65)), Some(R::BadPatient));
    reading(&READING.replace("8310-5", "8310-6"), Some(R::BadCode));
    reading(&READING.replace("Cel", &"C".repeat(33)), Some(R::BadUnit));
    reading(&READING.replace("Cel", "C\\n"), Some(R::BadUnit));
    reading(&READING.replace("2026-06-12T", "2026-06-32T"), Some(R::BadTime));
    reading(&READING.replace("36.10", "\"NaN\""), Some(R::BadValue));
    reading(&READING.replace("36.10", "null"), Some(R::BadValue));
    reading(&READING.replace("36.10", "true"), Some(R::BadValue));
    reading(&READING.replace("36.10", "[36.1]"), Some(R::BadValue));
    reading(&READING.replace("36.10", "\"\""), Some(R::BadValue));
    reading(&READING.replace("36.10", &"1".repeat(33)), Some(R::BadValue));
    reading(&READING.replace("36.10", "1e999"), None);
    reading(&READING.replace("36.10", "\"3\\u0036.10\""), None);
    reading(&READING.replace(":5}", ":null}"), None);
    reading(&READING.replace(":5}", ":18446744073709551615}"), None);
    reading(&READING.replace(":5}", ":-1}"), Some(R::BadSequence));
    reading(&READING.replace(":5}", ":1.5}"), Some(R::BadSequence));
    reading(&READING.replace(":5}", ":\"5\"}"), Some(R::BadSequence));
    reading(&READING.replace(":5}", ":{\"n\":5}}"), Some(R::BadSequence));
}

#[track_caller]
fn reading(json: &str, expected: Option<Reason>) {
    let batch = Batch::parse(body(&format!("{READING},{json},{READING}")).as_bytes()).unwrap();
    let reasons: Vec<_> = batch.readings.iter().map(|reading| reading.as_ref().err()).collect();
    assert_eq!(reasons, [None, expected.as_ref(), None], "{json}");
}

#[test]
fn what_is_no_batch_is_refused_with_its_place() {
    let good = body(READING);
    refused("", BatchError::Syntax { line: 1, column: 0 });
    refused(&good[..good.len() - 1], BatchError::Syntax { line: 1, column: good.len() - 1 });
    refused("{\"batch_id\":\"b\",\n \"readings\":[}", BatchError::Syntax { line: 2, column: 14 });
    refused(
        "{\"batch_id\":\"b\",\n \"readings\":[01]}",
        BatchError::Syntax { line: 2, column: 15 },
    );
    refused(&format!("{good} x"), BatchError::Syntax { line: 1, column: good.len() + 2 });
    refused("[]", BatchError::Shape { line: 1, column: 0 });
    refused("{\"batch_id\":\"b\",\"readings\":{}}", BatchError::Shape { line: 1, column: 27 });
    refused(r#"{"readings":[]}"#, BatchError::NoBatchId);
    refused(r#"{"batch_id":null,"readings":[1]}"#, BatchError::NoBatchId);
    refused(r#"{"batch_id":7,"readings":[1]}"#, BatchError::BadBatchId);
    refused(r#"{"batch_id":"a b","readings":[1]}"#, BatchError::BadBatchId);
    refused(r#"{"batch_id":"b"}"#, BatchError::Empty);
    refused(r#"{"batch_id":"b","readings":[]}"#, BatchError::Empty);
}

#[track_caller]
fn refused(text: &str, expected: BatchError) {
    assert_eq!(Batch::parse(text.as_bytes()), Err(expected), "{text}");
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let bytes = b"{\n \"batch_id\":\"\xff\"}";
    assert_eq!(Batch::parse(bytes), Err(BatchError::Syntax { line: 2, column: 14 }));
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    for twice in [
        r#"{"batch_id":"b","batch_id":"b","readings":[1]}"#.to_owned(),
        r#"{"readings":[1],"batch_id":"b","readings":[1]}"#.to_owned(),
        body(&READING.replace("{", "{\"patient\":\"p-1\",")),
        body(&READING.replace("{", "{\"value\":36.10,")),
        body(&READING.replace("{", "{\"sequence\":5,")),
    ] {
        assert!(matches!(Batch::parse(twice.as_bytes()), Err(BatchError::Shape { .. })), "{twice}");
    }
}

#[test]
fn a_batch_holds_at_most_five_thousand_readings() {
    let many = vec!["1"; BATCH_READINGS_MAX].join(",");
    assert_eq!(Batch::parse(body(&many).as_bytes()).unwrap().readings.len(), BATCH_READINGS_MAX);
    assert_eq!(Batch::parse(body(&format!("{many},1")).as_bytes()), Err(BatchError::TooMany));
    let broken = format!("{many},1,");
    assert!(matches!(Batch::parse(body(&broken).as_bytes()), Err(BatchError::Syntax { .. })));
}

#[test]
fn nesting_is_followed_to_its_limit_and_no_deeper() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mixed =
        |depth: usize| format!("{}1{}", "{\"a\":[".repeat(depth / 2), "]}".repeat(depth / 2));
    type Build = fn(&str) -> String;
    let cases: [(Build, usize); 6] = [
        (|value| format!("{{\"x\":{value},{}", &body(READING)[1..]), 1),
        (|value| body(&READING.replace('{', &format!("{{\"x\":{value},"))), 3),
        (|value| body(&READING.replace("36.10", value)), 3),
        (|value| body(&READING.replace("\"p-1\"", value)), 3),
        (|value| body(&READING.replace(":5}", &format!(":{value}}}"))), 3),
        (body, 2),
    ];
    for (number, (build, outside)) in cases.into_iter().enumerate() {
        let inside = JSON_DEPTH_MAX - outside;
        assert!(Batch::parse(build(&nested(inside)).as_bytes()).is_ok(), "case {number}");
        for too_deep in [nested(inside + 1), nested(20_000), mixed(inside + 2)] {
            let answer = Batch::parse(build(&too_deep).as_bytes());
            assert!(answer.is_err(), "case {number}");
        }
    }
    // Brackets inside a text are no nesting.
    let text = format!("[\"\\\"{}\"]", "[".repeat(100));
    assert!(Batch::parse(body(&READING.replace("36.10", &text)).as_bytes()).is_ok());
}

#[test]
fn a_batch_in_debug_output_tells_nothing_about_a_person() {
    let batch = Batch::parse(body(READING).as_bytes()).unwrap();
    let shown = format!("{batch:?} {:?}", batch.readings);
    assert!(!shown.contains("p-1") && !shown.contains("36.1"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Batch::parse(&bytes);
    }

    /// Damage anywhere in a body is answered and never turns into a panic.
    #[test]
    fn any_damage_is_answered(at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = body(&format!("{READING},{READING}")).into_bytes();
        let place = at.index(bytes.len());
        bytes[place] = with;
        let _ = Batch::parse(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = Batch::parse(&bytes);
    }
}
