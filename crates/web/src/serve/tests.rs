//! A real server on loopback and clients that misbehave.

use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::{Problem, Whole, limits, problem};

/// Limits that a test can wait for.
fn quick() -> Limits {
    Limits {
        header_time_max: Duration::from_millis(300),
        body_delay_max: Duration::from_millis(300),
        request_time_max: Duration::from_secs(2),
        answer_stall_max: Duration::from_millis(500),
        ..Limits::default()
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/length", post(async |Whole(body): Whole| body.len().to_string()))
        .route("/panic", get(async || -> &'static str { panic!("planted") }))
        .route("/never", get(async || std::future::pending::<&'static str>().await))
        .route("/large", get(async || vec![b'x'; 64 * 1024 * 1024]))
        .route("/unread", post(async || Problem::new(crate::Kind::UNAUTHORIZED)))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, router, limits, async {
        let _ = stopped.await;
    }));
    Running { address, stop, server }
}

async fn connect(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.unwrap()
}

/// Connects from another loopback address, as another machine would.
async fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends `request` on a connection of its own and reads to the end.
async fn asked(to: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(to).await;
    stream.write_all(request).await.unwrap();
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let done = timeout(Duration::from_secs(20), reading).await.expect("the server closes");
    done.expect("the answer is not thrown away");
    String::from_utf8(answer).unwrap()
}

/// Reads one answer of `/` and leaves the connection open.
async fn read_hello(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhello") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
}

fn post_of(path: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[track_caller]
fn check_status(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:.200}");
    if status != 200 && status != 431 {
        assert!(answer.contains("content-type: application/problem+json"), "{answer:.300}");
    }
}

#[tokio::test]
async fn each_limit_takes_what_is_just_below_and_refuses_what_is_just_above() {
    let running = start(Limits::default()).await;
    let to = running.address;
    let get = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n").into_bytes()
    };

    let query = |bytes: usize| format!("/?{}", "q".repeat(bytes - 2));
    check_status(&asked(to, &get(&query(limits::URL_BYTES_MAX), "")).await, 200);
    check_status(&asked(to, &get(&query(limits::URL_BYTES_MAX + 1), "")).await, 414);

    // Two headers are there already.
    let headers = |count: usize| (0..count - 2).map(|n| format!("h{n}: a\r\n")).collect::<String>();
    check_status(&asked(to, &get("/", &headers(limits::HEADERS_MAX))).await, 200);
    check_status(&asked(to, &get("/", &headers(limits::HEADERS_MAX + 1))).await, 431);

    let head = |bytes: usize| {
        let rest = get("/", "long: \r\n").len();
        get("/", &format!("long: {}\r\n", "a".repeat(bytes - rest)))
    };
    check_status(&asked(to, &head(limits::HEADER_BYTES_MAX)).await, 200);
    check_status(&asked(to, &head(limits::HEADER_BYTES_MAX + 1)).await, 431);

    let body = vec![b'x'; limits::BODY_BYTES_MAX + 1];
    let fits = &body[1..];
    let answer = asked(to, &post_of("/length", fits.len(), fits)).await;
    check_status(&answer, 200);
    assert!(answer.ends_with("\r\n\r\n1048576"));
    check_status(&asked(to, &post_of("/length", body.len(), &body)).await, 413);
    let chunked = [
        b"POST /length HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n100001\r\n",
        body.as_slice(),
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    check_status(&asked(to, &chunked).await, 413);
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_large_body_still_reaches_the_client() {
    let running = start(Limits::default()).await;
    let body = vec![b'x'; 6 * 1024 * 1024];
    check_status(&asked(running.address, &post_of("/length", body.len(), &body)).await, 413);
    check_status(&asked(running.address, &post_of("/unread", body.len(), &body)).await, 401);
}

#[tokio::test]
async fn two_slow_connections_lose_their_places_and_a_healthy_one_is_served_meanwhile() {
    let running = start(Limits { connections_per_address_max: 3, ..quick() }).await;
    let mut silent = connect(running.address).await;
    let mut dripping = connect(running.address).await;
    let drip = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nhost: a\r\nnever-ending: ".iter().cycle() {
            if dripping.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut healthy = connect(running.address).await;
    for _ in 0..3 {
        healthy.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        read_hello(&mut healthy).await;
    }
    assert_eq!(read_to_end(&mut silent).await, "");
    drip.await.unwrap();
    let more = connect(running.address).await;
    drop((silent, more));
}

#[tokio::test]
async fn five_hundred_slow_connections_keep_nobody_out() {
    let running = start(Limits::default()).await;
    let mut slow = Vec::new();
    for round in 0..500 {
        let mut stream = connect(running.address).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        slow.push(stream);
        if round % 50 == 49 {
            let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            check_status(&asked(running.address, request).await, 200);
        }
    }
    let lost = slow.iter().filter(|stream| {
        let mut byte = [0];
        !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    });
    assert!(lost.count() >= 500 - limits::CONNECTIONS_PER_ADDRESS_MAX);
}

#[tokio::test]
async fn a_body_below_the_minimum_rate_is_broken_off() {
    let running = start(quick()).await;
    let mut stream = connect(running.address).await;
    stream.write_all(&post_of("/length", 1_000, b"abc")).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    check_status(&answer, 408);
    assert!(answer.contains("too-slow"));
}

#[tokio::test]
async fn a_body_that_keeps_its_rate_is_waited_for() {
    let running = start(Limits { body_bytes_per_second_min: 100, ..quick() }).await;
    let mut stream = connect(running.address).await;
    stream.write_all(&post_of("/length", 300, &[b'x'; 100])).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(&[b'x'; 50]).await.unwrap();
    }
    check_status(&read_to_end(&mut stream).await, 200);
}

#[tokio::test]
async fn each_address_has_its_places_and_no_more() {
    let limits = Limits { connections_max: 3, connections_per_address_max: 2, ..Limits::default() };
    let running = start(limits).await;
    let mut first = Vec::new();
    for _ in 0..2 {
        let mut stream = connect_from("127.0.0.1", running.address).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        read_hello(&mut stream).await;
        first.push(stream);
    }
    let mut third = connect_from("127.0.0.1", running.address).await;
    let answer = read_to_end(&mut third).await;
    check_status(&answer, 503);
    assert!(answer.contains("retry-after: 5"));
    let length = answer.split("\r\n\r\n").nth(1).unwrap().len();
    assert!(answer.contains(&format!("content-length: {length}\r\n")), "{answer}");

    let mut other = connect_from("127.0.0.2", running.address).await;
    other.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    check_status(&read_to_end(&mut other).await, 200);
}

#[tokio::test]
async fn what_takes_too_long_or_panics_is_answered_for() {
    let running = start(quick()).await;
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    check_status(&asked(running.address, get("/never").as_bytes()).await, 503);
    check_status(&asked(running.address, get("/panic").as_bytes()).await, 500);
    check_status(&asked(running.address, get("/nothing").as_bytes()).await, 404);
    check_status(&asked(running.address, get("/length").as_bytes()).await, 405);
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_loses_its_place() {
    let running = start(Limits { connections_max: 1, ..quick() }).await;
    let mut deaf = connect(running.address).await;
    deaf.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // Its place is the only one: whoever gets in proves that it is free again.
    let served = async {
        loop {
            let mut stream = connect(running.address).await;
            let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            let mut answer = String::new();
            if stream.write_all(request).await.is_ok()
                && stream.read_to_string(&mut answer).await.is_ok()
                && answer.starts_with("HTTP/1.1 200")
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), served).await.expect("the place is free again");
    drop(deaf);
}

#[tokio::test]
async fn stopping_finishes_the_request_at_hand_and_closes_idle_connections() {
    let running = start(Limits::default()).await;
    let mut idle = connect(running.address).await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_hello(&mut idle).await;
    let mut busy = connect(running.address).await;
    busy.write_all(&post_of("/length", 4, b"ab")).await.unwrap();
    // Connections are taken in the order they came: when the third is answered, `busy` is in.
    let mut third = connect(running.address).await;
    third.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_hello(&mut third).await;
    running.stop.send(()).unwrap();
    busy.write_all(b"cd").await.unwrap();
    let answer = read_to_end(&mut busy).await;
    check_status(&answer, 200);
    read_to_end(&mut idle).await;
    read_to_end(&mut third).await;
    running.server.await.unwrap();
}
