//! A tiny node: keeps batches in memory, answers as a clinic's node does, and has moods.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use device_sim::batch::content_digest;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How the node misbehaves: each number n means "at every n-th request", 0 never.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mood {
    /// Breaks the connection before it reads the batch.
    pub(crate) breaks: usize,
    /// Stores the batch and breaks the connection instead of answering.
    pub(crate) loses_answers: usize,
    /// Says 503.
    pub(crate) is_full: usize,
    /// Says 422 though nothing is wrong, as after a bit flipped on the way.
    pub(crate) flips: usize,
    /// Says 429 with `Retry-After: 1`, beginning with the first.
    pub(crate) is_busy: usize,
    /// Answers with the receipt of another batch.
    pub(crate) invents: bool,
    /// Answers the same batch differently.
    pub(crate) forgets: bool,
    /// Does not look at the checksum.
    pub(crate) is_careless: bool,
}

#[derive(Default)]
struct State {
    requests: usize,
    connections: usize,
    corruptions: u64,
    /// Per device and batch id: the body and the receipt.
    receipts: BTreeMap<(String, String), (Bytes, Bytes)>,
    /// Batch ids as they were stored, per device.
    arrivals: BTreeMap<String, Vec<String>>,
    readings: BTreeSet<String>,
}

/// What outlives a stop.
pub(crate) struct Kept(Arc<Mutex<State>>, Mood);

/// A running node.
pub(crate) struct Node {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    mood: Mood,
    listening: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn start(mood: Mood) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), Kept(Arc::default(), mood)).await
    }

    pub(crate) async fn start_at(address: SocketAddr, Kept(state, mood): Kept) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let listening = tokio::spawn(listen(listener, Arc::clone(&state), mood));
        Self { address, state, mood, listening }
    }

    /// Nobody listens at the address when this returns.
    pub(crate) async fn stop(self) -> Kept {
        self.listening.abort();
        let _ = self.listening.await;
        Kept(self.state, self.mood)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    pub(crate) fn corruptions(&self) -> u64 {
        self.state.lock().unwrap().corruptions
    }

    pub(crate) fn stored(&self) -> usize {
        self.state.lock().unwrap().readings.len()
    }

    /// Whether each device's batches arrived as their ids count.
    pub(crate) fn is_in_order(&self) -> bool {
        self.state.lock().unwrap().arrivals.values().all(|ids| ids.is_sorted())
    }
}

async fn listen(listener: TcpListener, state: Arc<Mutex<State>>, mood: Mood) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        state.lock().unwrap().connections += 1;
        tokio::spawn(serve(stream, Arc::clone(&state), mood));
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, mood: Mood) {
    let service = service_fn(move |request| answer(request, Arc::clone(&state), mood));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// An answer, or an error that breaks the connection.
type Answered = Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>>;

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>, mood: Mood) -> Answered {
    let number = {
        let mut state = state.lock().unwrap();
        state.requests += 1;
        state.requests
    };
    let every = |n: usize| n > 0 && number.is_multiple_of(n);
    if every(mood.breaks) {
        return Err("broken before reading".into());
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if every(mood.is_full) {
        return Ok(say(503, "no room", None));
    }
    if mood.is_busy > 0 && number % mood.is_busy == 1 {
        return Ok(say(429, "too many requests", Some("1")));
    }
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
    if header("content-digest") != content_digest(&body) && !mood.is_careless {
        state.lock().unwrap().corruptions += 1;
        return Ok(say(422, "wrong checksum", None));
    }
    if every(mood.flips) {
        return Ok(say(422, "wrong checksum", None));
    }
    let device = head.uri.path().split('/').nth(4).unwrap().to_owned();
    if header("authorization") != format!("Bearer {}", device.replace("mon", "key")) {
        return Ok(say(401, "unknown device or key", None));
    }
    let receipt = store(&mut state.lock().unwrap(), &device, body, mood);
    if every(mood.loses_answers) {
        return Err("broken before answering".into());
    }
    Ok(receipt)
}

fn store(state: &mut State, device: &str, body: Bytes, mood: Mood) -> Response<Full<Bytes>> {
    // A careless node takes what is not even JSON.
    let batch: Value = serde_json::from_slice(&body).unwrap_or_default();
    let id = batch["batch_id"].as_str().unwrap_or_default().to_owned();
    let place = (device.to_owned(), id.clone());
    if let Some((before, receipt)) = state.receipts.get(&place).filter(|_| !mood.forgets) {
        let same = *before == body;
        return if same { ok(receipt.clone()) } else { say(409, "another body", None) };
    }
    let mut outcomes = Vec::new();
    for reading in batch["readings"].as_array().into_iter().flatten() {
        let fresh = state.readings.insert(format!("{device} {reading}"));
        outcomes.push(json!({ "outcome": if fresh { "accepted" } else { "duplicate" } }));
    }
    let named = if mood.invents { "another" } else { &id };
    let receipt = json!({ "batch_id": named, "device": device, "outcomes": outcomes });
    let receipt = Bytes::from(receipt.to_string());
    state.arrivals.entry(device.to_owned()).or_default().push(id);
    state.receipts.insert(place, (body, receipt.clone()));
    ok(receipt)
}

fn ok(receipt: Bytes) -> Response<Full<Bytes>> {
    Response::new(Full::new(receipt))
}

fn say(status: u16, title: &str, retry_after: Option<&str>) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    let body = json!({ "title": title, "status": status }).to_string();
    response.body(Full::new(body.into())).unwrap()
}
