//! One request, one answer, nothing else.

use quinn::{Connection, Endpoint};
use transport::close_code;
use transport::dialer::DialError;
use transport::join::{ANSWER_BYTES_MAX, JoinError, REQUEST_BYTES_MAX};
use transport::link::LinkError;

use crate::world::{
    ENROLLED, Hub, ROADS, STRANGER, Shown, bare, closed_with, dialer, join, key, pair, within,
};

#[tokio::test]
async fn a_stranger_asks_once_and_is_answered() {
    check(STRANGER, 1, 0).await;
    check(STRANGER, 300, 600).await;
    check(STRANGER, REQUEST_BYTES_MAX, ANSWER_BYTES_MAX).await;
    check(ENROLLED, 300, 600).await;
}

async fn check(seed: u8, request_len: usize, answer_len: usize) {
    for road in ROADS {
        let hub = Hub::start();
        let dialer = dialer(seed);
        let (request, answer) = (vec![5; request_len], vec![6; answer_len]);
        let asking = join(&dialer, hub.address(), &hub.key, &request, road);
        let answering = async {
            let asked = hub.request().await;
            assert_eq!((asked.client_key(), asked.request()), (&key(seed), request.as_slice()));
            assert!(asked.remote_address().ip().is_loopback());
            within(asked.answer(&answer)).await
        };
        let (received, answered) = tokio::join!(asking, answering);
        assert_eq!(received.unwrap(), answer);
        assert_eq!(answered, Ok(()));
        assert_eq!(hub.listener.links(), 0);
    }
}

#[tokio::test]
async fn what_is_too_long_is_not_sent() {
    for road in ROADS {
        let hub = Hub::start();
        let dialer = dialer(STRANGER);
        for length in [0, REQUEST_BYTES_MAX + 1] {
            let request = vec![1; length];
            let error = join(&dialer, hub.address(), &hub.key, &request, road).await.unwrap_err();
            assert!(matches!(error, DialError::Request), "{error:?}");
        }
        let asking = join(&dialer, hub.address(), &hub.key, b"token", road);
        let answering = async { hub.request().await.answer(&vec![1; ANSWER_BYTES_MAX + 1]).await };
        let (received, answered) = tokio::join!(asking, answering);
        assert_eq!(answered, Err(JoinError::AnswerTooLong));
        let refused = LinkError::ClosedByPeer { code: close_code::JOIN_REFUSED };
        assert!(matches!(received, Err(DialError::Ended(ended)) if ended == refused));
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_or_empty_is_refused() {
    for length in [0, REQUEST_BYTES_MAX + 1, 200_000] {
        let hub = Hub::start();
        let (_endpoint, rogue) = rogue(&hub).await;
        let (mut lane, _answer) = rogue.open_bi().await.unwrap();
        // The refusal may come before all of it is written.
        let _ = lane.write_all(&vec![1; length]).await;
        let _ = lane.finish();
        expect_refusal(&hub, &rogue).await;
    }
}

#[tokio::test]
async fn a_second_request_is_refused_and_so_is_the_first() {
    let hub = Hub::start();
    let (_endpoint, rogue) = rogue(&hub).await;
    let (mut first, mut answer) = rogue.open_bi().await.unwrap();
    first.write_all(b"token").await.unwrap();
    first.finish().unwrap();
    let request = hub.request().await;
    let (mut second, _answer) = rogue.open_bi().await.unwrap();
    second.write_all(b"token").await.unwrap();
    assert_eq!(closed_with(&rogue).await, close_code::JOIN_REFUSED);
    let answered = within(request.answer(b"certificate")).await;
    assert!(matches!(answered, Err(JoinError::Unconfirmed(_))), "{answered:?}");
    assert!(answer.read_to_end(100).await.is_err());
}

#[tokio::test]
async fn a_joining_node_cannot_open_lanes() {
    let hub = Hub::start();
    let (_endpoint, instead) = rogue(&hub).await;
    instead.open_uni().await.unwrap().write_all(&[1, 1, 1]).await.unwrap();
    expect_refusal(&hub, &instead).await;

    let (_endpoint, beside) = rogue(&hub).await;
    let (mut lane, _answer) = beside.open_bi().await.unwrap();
    lane.write_all(b"token").await.unwrap();
    lane.finish().unwrap();
    let _request = hub.request().await;
    beside.open_uni().await.unwrap().write_all(&[1, 1, 1]).await.unwrap();
    assert_eq!(closed_with(&beside).await, close_code::JOIN_REFUSED);
}

#[tokio::test]
async fn a_joining_node_gets_no_frames() {
    let hub = Hub::start();
    let (_endpoint, rogue) = rogue(&hub).await;
    let (mut lane, _answer) = rogue.open_bi().await.unwrap();
    lane.write_all(b"token").await.unwrap();
    lane.finish().unwrap();
    let request = hub.request().await;
    assert_eq!(hub.listener.links(), 0);
    drop(request);
    assert_eq!(closed_with(&rogue).await, close_code::JOIN_REFUSED);
    assert!(within(rogue.accept_uni()).await.is_err());
}

#[tokio::test]
async fn a_joining_node_that_says_nothing_is_sent_away_in_time() {
    let hub = Hub::start();
    let (_endpoint, silent) = rogue(&hub).await;
    let (_endpoint, unanswered) = rogue(&hub).await;
    let (mut lane, _answer) = unanswered.open_bi().await.unwrap();
    lane.write_all(b"token").await.unwrap();
    lane.finish().unwrap();
    let request = hub.request().await;
    // From here on time passes as soon as there is nothing else to do.
    tokio::time::pause();
    assert_eq!(closed_with(&silent).await, close_code::JOIN_LATE);
    assert_eq!(closed_with(&unanswered).await, close_code::JOIN_LATE);
    drop(request);
    tokio::time::resume();
    pair(&hub).await;
}

async fn rogue(hub: &Hub) -> (Endpoint, Connection) {
    bare(hub.address(), Shown::RawKey(STRANGER), &[b"cairn-join/1"]).await.unwrap()
}

async fn expect_refusal(hub: &Hub, connection: &Connection) {
    assert_eq!(closed_with(connection).await, close_code::JOIN_REFUSED);
    let admitted = hub.listener.counts().admitted;
    pair(hub).await;
    assert_eq!(hub.listener.counts().admitted, admitted + 1);
}
