//! Who is let in, how often, and what is answered where nothing is.

use tests::programs::http::{Answer, ask, digest, get, post};
use tests::programs::network::device;
use tests::programs::{Home, Reading, body, until};

use super::{Door, check_problem};

/// The answer without the time of day.
fn timeless(answer: &Answer) -> (u16, Vec<String>, String) {
    let lines = answer.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    (answer.status, lines.map(str::to_owned).collect(), answer.text())
}

#[test]
fn an_unknown_device_a_wrong_key_and_no_key_get_one_and_the_same_answer() {
    let door = Door::open("");
    let home = &door.clinic.home;
    let to = door.clinic.serving.http;
    let key = door.monitor.key.as_str();
    let other = device(home, "bed-5-mon");
    let revoked = device(home, "bed-6-mon");
    home.tell(&["device", "revoke", "bed-6-mon"]);
    let rotated = device(home, "bed-7-mon");
    home.tell(&["device", "rotate", "bed-7-mon"]);

    let batch = body("b-1", &[Reading::pulse("bed-4-mon", "p-1", -1, "72")]);
    let sum = digest(batch.as_bytes());
    let tries = [
        ("bed-9-mon", Some(format!("Bearer {key}"))),
        ("bed-4-mon", Some("Bearer cairn-dev-aaaa".to_owned())),
        ("bed-4-mon", Some(format!("Bearer {}", other.key))),
        ("bed-4-mon", Some(format!("Bearer {key}x"))),
        ("bed-4-mon", Some(format!("Bearer {}", key.get(..key.len() - 1).unwrap()))),
        ("bed-4-mon", Some(format!("Basic {key}"))),
        ("bed-4-mon", Some("Bearer ".to_owned())),
        ("bed-4-mon", None),
        ("bed-9-mon", None),
        ("..%2f..", Some(format!("Bearer {key}"))),
        ("bed-6-mon", Some(format!("Bearer {}", revoked.key))),
        ("bed-7-mon", Some(format!("Bearer {}", rotated.key))),
    ];
    let answers: Vec<_> = tries
        .iter()
        .map(|(name, authorization)| {
            let mut headers = vec![("content-digest", sum.as_str())];
            headers.extend(authorization.iter().map(|value| ("authorization", value.as_str())));
            let answer = ask(to, &post(name, batch.as_bytes(), &headers));
            check_problem(&answer, 401, "unauthorized");
            timeless(&answer)
        })
        .collect();
    for (answer, made) in answers.iter().zip(&tries) {
        assert_eq!(answer, &answers[0], "{made:?}");
    }
    // Nor does anything but the key decide: a body that is no batch, or too long, is not looked at.
    let answer = ask(to, &post("bed-9-mon", &vec![b'x'; 2 * 1024 * 1024], &[]));
    check_problem(&answer, 401, "unauthorized");
    assert_eq!(door.readings("batches"), 0);
    assert_eq!(door.send(&batch).json()["accepted"], 1);
}

#[test]
fn a_device_that_sends_too_often_waits_and_the_others_go_on() {
    let door = Door::open("[devices]\nbatches_per_second = 1\nbatches_burst = 3");
    let other = device(&door.clinic.home, "bed-5-mon");
    let to = door.clinic.serving.http;
    let batch = |at: usize| {
        body(&format!("b-{at}"), &[Reading::pulse("any", "p-1", -1, &(60 + at).to_string())])
    };
    let refused = (0..20).map(|at| door.send(&batch(at))).find(|answer| answer.status != 200);
    let refused = refused.expect("twenty at once are too many");
    check_problem(&refused, 429, "too-many-requests");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(wait, 1, "in whole seconds");
    assert_eq!(other.send(to, &batch(0)).status, 200);
    until("the device may send again", || door.send(&batch(99)).status == 200);
}

#[test]
fn where_nothing_is_the_answer_says_so() {
    let door = Door::open("");
    let to = door.clinic.serving.http;
    for path in
        ["/nothing", "/api/v1/devices", "/api/v1/devices/bed-4-mon", "/../etc/passwd", "/%00"]
    {
        check_problem(&get(to, path), 404, "not-found");
    }
    check_problem(&get(to, "/api/v1/devices/bed-4-mon/batches"), 405, "wrong-method");
    let to_page = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    check_problem(&ask(to, to_page), 405, "wrong-method");
    check_hub();
    for path in ["/health", "/metrics", "/"] {
        assert_eq!(get(to, path).status, 200, "{path}");
    }
    assert!(get(to, "/metrics").text().ends_with("# EOF\n"));
}

fn check_hub() {
    let folder = tests::programs::network::folder();
    let hub = Home::new(tests::programs::binaries::Binary::Hub, folder.path(), "hub");
    hub.tell(&["init"]);
    let serving = hub.serve();
    check_problem(&get(serving.http, "/nothing"), 404, "not-found");
    let put = b"PUT /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    check_problem(&ask(serving.http, put), 405, "wrong-method");
    assert_eq!(get(serving.http, "/health").status, 200);
}
