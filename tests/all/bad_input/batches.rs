//! Batches that are damaged, unreadable, or hold what cannot be.

use serde_json::Value;
use tests::programs::http::{ask, digest};
use tests::programs::readings::{exported, from_now, sorted};
use tests::programs::{Reading, body};

use super::{Door, check_problem};

fn pulse(value: &str) -> Reading {
    Reading::pulse("bed-4-mon", "p-1", -1, value)
}

#[test]
fn a_body_that_does_not_match_its_checksum_stores_nothing_and_may_come_again() {
    let door = Door::open("");
    let to = door.clinic.serving.http;
    let batch = body("b-1", &[pulse("72")]);
    let request =
        |headers: &[(&str, &str)]| ask(to, &door.monitor.request(batch.as_bytes(), headers));

    let other = digest(body("b-1", &[pulse("73")]).as_bytes());
    check_problem(&request(&[("content-digest", &other)]), 422, "wrong-checksum");
    let mut flipped = batch.clone().into_bytes();
    flipped[20] ^= 1;
    let answer =
        ask(to, &door.monitor.request(&flipped, &[("content-digest", &digest(batch.as_bytes()))]));
    check_problem(&answer, 422, "wrong-checksum");

    for headers in [&[][..], &[("content-digest", "sha-512=:AAAA:")]] {
        let answer = request(headers);
        check_problem(&answer, 400, "missing-checksum");
        assert_eq!(answer.header("want-content-digest"), Some("sha-256=10"));
    }
    for header in ["sha-256=:AAAA:", "sha-256", "sha-256=\"AAAA\"", "SHA-256=:AAAA:"] {
        check_problem(&request(&[("content-digest", header)]), 400, "malformed");
    }
    assert_eq!(door.readings("batches"), 0);
    assert_eq!(exported(&door.clinic.home.tell(&["export", "vitals"])), []);

    assert_eq!(door.send(&batch).json()["accepted"], 1);
    assert_eq!(door.readings("batches"), 1);
}

#[test]
fn what_is_no_batch_is_refused_with_the_place() {
    let door = Door::open("");
    let reading = pulse("72").json();
    let check = |text: &str, code, says: &str| {
        let detail = check_problem(&door.send(text), 400, code);
        assert!(detail.contains(says), "{text}: {detail}");
    };
    check("", "invalid-json", "line 1, column 0");
    check("[]", "invalid-json", "line 1, column");
    check("{\"batch_id\":\"b\",\n  \"readings\":[tru]}", "invalid-json", "line 2, column 18");
    check(
        &format!("{{\"batch_id\":\"b\",\n\"readings\":[{reading}"),
        "invalid-json",
        "line 2, column",
    );
    check(&format!("{} x", body("b", &[pulse("72")])), "invalid-json", "line 1, column");
    // Nothing is taken that another reader could understand differently.
    let twice = [
        format!("{{\"batch_id\":\"a\",\"batch_id\":\"b\",\"readings\":[{reading}]}}"),
        format!("{{\"batch_id\":\"b\",\"readings\":[{reading}],\"readings\":[{reading}]}}"),
        format!(
            "{{\"batch_id\":\"b\",\"readings\":[{}]}}",
            reading.replace("\"value\":72", "\"value\":72,\"value\":73")
        ),
        format!(
            "{{\"batch_id\":\"b\",\"readings\":[{}]}}",
            reading.replace("{", "{\"patient\":\"p-2\",")
        ),
    ];
    twice.iter().for_each(|text| check(text, "invalid-json", "a key stands twice"));
    check(&format!("{{\"readings\":[{reading}]}}"), "malformed", "no batch_id");
    check(&body("../b", &[pulse("72")]), "malformed", "batch_id is not a name");
    check(
        &format!("{{\"batch_id\":7,\"readings\":[{reading}]}}"),
        "malformed",
        "batch_id is not a name",
    );
    check("{\"batch_id\":\"b\"}", "malformed", "no readings");
    check(&body("b", &[]), "malformed", "no readings");

    let mut bytes = body("b", &[pulse("72")]).into_bytes();
    bytes[14] = 0xff;
    let headers = [("content-digest", digest(&bytes))];
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = ask(door.clinic.serving.http, &door.monitor.request(&bytes, &headers));
    let detail = check_problem(&answer, 400, "invalid-json");
    assert!(detail.contains("line 1, column 15"), "{detail}");
    assert_eq!(door.readings("batches"), 0);
}

/// What a reading is changed to, what becomes of it, and why.
fn odd_readings() -> Vec<(Reading, &'static str, &'static str)> {
    let with = |change: &dyn Fn(&mut Reading)| {
        let mut reading = pulse("72");
        change(&mut reading);
        reading
    };
    let timed = |seconds| with(&|reading| reading.time = from_now(seconds));
    let at = |time: &str| with(&|reading| reading.time = time.to_owned());
    vec![
        (with(&|r| r.patient = "p-9".to_owned()), "quarantined", "unknown-patient"),
        (with(&|r| r.patient = "../p".to_owned()), "rejected", "bad-patient"),
        (pulse("72").of("8867-5", "/min"), "rejected", "bad-code"),
        (pulse("72").of("pulse", "/min"), "rejected", "bad-code"),
        (pulse("72").of("8867-4", "bpm"), "quarantined", "unknown-unit"),
        (pulse("72").of("8867-4", "mm[Hg]"), "quarantined", "unit-mismatch"),
        (pulse("0"), "quarantined", "impossible-value"),
        (pulse("-5"), "quarantined", "impossible-value"),
        (pulse("98.6").of("8310-5", "Cel"), "quarantined", "impossible-value"),
        (pulse("1e308"), "quarantined", "impossible-value"),
        (pulse("\"high\""), "rejected", "bad-value"),
        (pulse("[72]"), "rejected", "bad-value"),
        (pulse("null"), "rejected", "bad-value"),
        (timed(11 * 60), "quarantined", "time-ahead"),
        (at("1970-01-01T00:00:00Z"), "quarantined", "time-before-1990"),
        (at("1989-12-31T23:59:59Z"), "quarantined", "time-before-1990"),
        (at("yesterday"), "rejected", "bad-time"),
        (at("2026-02-30T00:00:00Z"), "rejected", "bad-time"),
    ]
}

#[test]
fn a_reading_that_cannot_be_is_set_aside_and_its_neighbours_are_stored() {
    let door = Door::open("");
    let good = [pulse("71"), pulse("73"), Reading { time: from_now(9 * 60), ..pulse("74") }];
    let odd = odd_readings();
    let mut all = vec![good[0].clone()];
    all.extend(odd.iter().map(|(reading, ..)| reading.clone()));
    all.extend_from_slice(&good[1..]);
    let receipt = door.send(&body("b-1", &all)).json();
    let outcomes: Vec<(&str, &str)> = receipt["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["outcome"].as_str().unwrap(), one["reason"].as_str().unwrap_or("")))
        .collect();
    let mut expected = vec![("accepted", "")];
    expected.extend(odd.iter().map(|(_, outcome, reason)| (*outcome, *reason)));
    expected.extend([("accepted", ""), ("accepted", "")]);
    assert_eq!(outcomes, expected);
    assert_eq!(exported(&door.clinic.home.tell(&["export", "vitals"])), sorted(good));
    let aside = odd.iter().filter(|(_, outcome, _)| *outcome == "quarantined").count();
    assert_eq!(door.clinic.home.tell(&["quarantine"]).lines().count(), 1 + aside);
    // Old, but possible: kept, and nobody is called.
    let old = Reading { time: "1990-01-01T00:00:00Z".to_owned(), ..pulse("41") };
    assert_eq!(door.send(&body("b-2", &[old])).json()["accepted"], 1);
}

#[test]
fn a_reading_without_a_field_or_of_another_shape_costs_only_itself() {
    let door = Door::open("");
    let good = pulse("72").json();
    let shapes = [
        ("7".to_owned(), "not-an-object"),
        ("[]".to_owned(), "not-an-object"),
        (good.replace("\"patient\":\"p-1\",", ""), "missing-field"),
        (good.replace(",\"value\":72", ""), "missing-field"),
        (good.replace("\"p-1\"", "1"), "wrong-type"),
        (good.replace("\"/min\"", "\"\\u0007\""), "bad-unit"),
        (good.replace("72", "72,\"sequence\":-1"), "bad-sequence"),
    ];
    let list: Vec<&str> = shapes.iter().map(|(text, _)| text.as_str()).collect();
    let text = format!("{{\"batch_id\":\"b-1\",\"readings\":[{},{good}]}}", list.join(","));
    let receipt = door.send(&text).json();
    let reasons: Vec<&Value> =
        receipt["outcomes"].as_array().unwrap().iter().map(|one| &one["reason"]).collect();
    let expected: Vec<&str> = shapes.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(&reasons[..shapes.len()], expected);
    assert_eq!((&receipt["rejected"], &receipt["accepted"]), (&7.into(), &1.into()));
}

#[test]
fn the_same_batch_gets_the_same_receipt_and_another_under_its_name_is_refused() {
    let mut door = Door::open("");
    let kept = pulse("72");
    let batch = body("b-1", &[kept.clone(), pulse("0"), pulse("\"high\"")]);
    let first = door.send(&batch);
    assert_eq!(first.status, 200);
    assert_eq!(door.send(&batch).body, first.body);
    let other = body("b-1", &[pulse("73")]);
    check_problem(&door.send(&other), 409, "conflict");

    door.clinic.serving.kill();
    door.clinic.serving = door.clinic.home.serve();
    assert_eq!(door.send(&batch).body, first.body, "after a restart as well");
    check_problem(&door.send(&other), 409, "conflict");
    assert_eq!(door.readings("accepted"), 1);
    assert_eq!(exported(&door.clinic.home.tell(&["export", "vitals"])), [kept]);

    // Names are each device's own.
    let second = tests::programs::network::device(&door.clinic.home, "bed-5-mon");
    assert_eq!(second.send(door.clinic.serving.http, &other).json()["accepted"], 1);
}
