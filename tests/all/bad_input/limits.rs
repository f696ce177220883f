//! Every limit of the HTTP and JSON doors: taken just below, refused just above.

use tests::programs::http::{Connection, ask, digest};
use tests::programs::{Reading, body};
use web::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX, HEADERS_MAX, URL_BYTES_MAX};

use super::{Door, check_problem};

/// A batch of `count` readings, spaces added until it has `bytes`.
fn batch(id: &str, count: usize, bytes: usize) -> String {
    let reading = |at: usize| {
        let seconds = -i64::try_from(at).unwrap() - 1;
        Reading::pulse("bed-4-mon", "p-1", seconds, "72")
    };
    let mut text = body(id, &(0..count).map(reading).collect::<Vec<_>>());
    text.push_str(&" ".repeat(bytes.saturating_sub(text.len())));
    text
}

#[test]
fn a_batch_may_be_so_long_and_no_longer() {
    let door = Door::open("");
    let to = door.clinic.serving.http;
    assert_eq!(door.send(&batch("b-1", 2, BODY_BYTES_MAX)).status, 200);
    let long = batch("b-2", 2, BODY_BYTES_MAX + 1);
    let detail = check_problem(&door.send(&long), 413, "too-large");
    assert!(detail.contains("1048576"), "{detail}");
    // Nor is it taken in pieces that do not say how long they are together.
    let head = String::from_utf8(
        door.monitor.request(b"", &[("content-digest", &digest(long.as_bytes()))]),
    );
    let head = head.unwrap().replace("content-length: 0", "transfer-encoding: chunked");
    let chunked = format!("{head}{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    check_problem(&ask(to, chunked.as_bytes()), 413, "too-large");

    let full = door.send(&batch("b-3", 5_000, 0)).json();
    assert_eq!((&full["accepted"], &full["duplicate"]), (&4_998.into(), &2.into()));
    let detail = check_problem(&door.send(&batch("b-4", 5_001, 0)), 413, "too-large");
    assert!(detail.contains("5000 readings"), "{detail}");
    assert_eq!(door.readings("batches"), 2);
}

#[test]
fn json_may_be_so_deep_and_no_deeper() {
    let door = Door::open("");
    let nested = |id: &str, depth: usize| {
        // The batch itself is the first level.
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        batch(id, 1, 0).replacen('{', &format!("{{\"x\":{open}{close},"), 1)
    };
    assert_eq!(door.send(&nested("b-1", 32)).status, 200);
    let detail = check_problem(&door.send(&nested("b-2", 33)), 400, "invalid-json");
    assert!(detail.contains("deeper than 32"), "{detail}");
    check_problem(&door.send(&nested("b-3", 200_000)), 400, "invalid-json");
    assert_eq!(door.send(&batch("b-4", 1, 0)).status, 200, "the program is still there");
}

#[test]
fn a_request_may_have_so_many_and_so_long_headers() {
    let door = Door::open("");
    let to = door.clinic.serving.http;
    let health = |path: &str, headers: &str| {
        ask(to, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").as_bytes())
            .status
    };
    let many = |count: usize| (1..count).map(|at| format!("h{at}: a\r\n")).collect::<String>();
    assert_eq!(health("/health", &many(HEADERS_MAX)), 200);
    assert_eq!(health("/health", &many(HEADERS_MAX + 1)), 431);
    let rest = "GET /health HTTP/1.1\r\nhost: localhost\r\nlong: \r\n\r\n".len();
    let long = |bytes: usize| format!("long: {}\r\n", "a".repeat(bytes - rest));
    assert_eq!(health("/health", &long(HEADER_BYTES_MAX)), 200);
    assert_eq!(health("/health", &long(HEADER_BYTES_MAX + 1)), 431);
    let path = |bytes: usize| format!("/health?{}", "q".repeat(bytes - "/health?".len()));
    assert_eq!(health(&path(URL_BYTES_MAX), ""), 200);
    assert_eq!(health(&path(URL_BYTES_MAX + 1), ""), 414);
}

#[test]
fn a_caller_that_takes_its_time_is_let_go() {
    let door = Door::open("");
    let to = door.clinic.serving.http;
    let mut silent = Connection::open(to).unwrap();
    silent.send(b"GET /health HTTP/1.1\r\nhost: loc").unwrap();
    let whole = door.monitor.upload(&batch("b-1", 1, 4_000));
    let mut slow = Connection::open(to).unwrap();
    slow.send(&whole[..whole.len() - 3_000]).unwrap();
    check_problem(&slow.answer().unwrap(), 408, "too-slow");
    // The one without even a head gets no answer to it; its place is free again.
    let ended = silent.answer();
    assert!(ended.is_err() || ended.is_ok_and(|answer| answer.status == 408));
    assert_eq!(door.readings("batches"), 0);
}
