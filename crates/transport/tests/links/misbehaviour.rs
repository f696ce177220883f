//! Enrolled peers that break the rules lose their link and nothing else happens.

use transport::close_code;
use transport::framing::FramingError;
use transport::link::{LinkError, Misbehaviour};

use crate::world::{Hub, closed_with, enrolled_rogue, pair, within};

#[tokio::test]
async fn a_frame_that_is_too_long_ends_that_link_only() {
    check(
        &[&[5, 0x81, 0xa0, 0x40]],
        Misbehaviour::Framing(FramingError::TooLong),
        close_code::FRAME_TOO_LONG,
    )
    .await;
}

#[tokio::test]
async fn what_is_no_frame_ends_the_link() {
    let framing = Misbehaviour::Framing;
    check(&[&[5, 0]], framing(FramingError::Empty), close_code::MISBEHAVED).await;
    check(&[&[5, 0x80, 0]], framing(FramingError::Length), close_code::MISBEHAVED).await;
    check(&[&[5, 2, 1]], Misbehaviour::BrokenLane, close_code::MISBEHAVED).await;
    check(&[&[]], Misbehaviour::BrokenLane, close_code::MISBEHAVED).await;
}

#[tokio::test]
async fn a_lane_of_no_class_or_of_a_taken_one_ends_the_link() {
    let code = close_code::MISBEHAVED;
    check(&[&[7, 1, 1]], Misbehaviour::UnknownClass(7), code).await;
    check(&[&[2, 1, 1], &[2, 1, 1]], Misbehaviour::SecondLane(2), code).await;
}

/// Sends each of `lanes` on a stream of its own and expects the link to end.
async fn check(lanes: &[&[u8]], misbehaviour: Misbehaviour, code: u32) {
    let hub = Hub::start();
    let (_dialer, honest, honest_accepted) = pair(&hub).await;
    let (_endpoint, rogue) = enrolled_rogue(&hub).await;
    let accepted = hub.link().await;
    for bytes in lanes {
        let mut lane = rogue.open_uni().await.unwrap();
        lane.write_all(bytes).await.unwrap();
        lane.finish().unwrap();
    }
    assert_eq!(within(accepted.closed()).await, LinkError::Misbehaved(misbehaviour));
    assert_eq!(closed_with(&rogue).await, code);

    honest.send(5, vec![1]).await.unwrap();
    within(honest_accepted.recv()).await.unwrap();
    pair(&hub).await;
}

#[tokio::test]
async fn a_stream_that_is_no_lane_ends_the_link() {
    let hub = Hub::start();
    let (_endpoint, rogue) = enrolled_rogue(&hub).await;
    let accepted = hub.link().await;
    let (mut lane, _answer) = rogue.open_bi().await.unwrap();
    lane.write_all(&[0]).await.unwrap();
    let ended = within(accepted.closed()).await;
    assert_eq!(ended, LinkError::Misbehaved(Misbehaviour::ForeignStream));
}

#[tokio::test]
async fn a_lane_that_is_abandoned_ends_the_link() {
    let broken = LinkError::Misbehaved(Misbehaviour::BrokenLane);

    let hub = Hub::start();
    let (_endpoint, rogue) = enrolled_rogue(&hub).await;
    let accepted = hub.link().await;
    let mut lane = rogue.open_uni().await.unwrap();
    lane.write_all(&[1, 1, 1]).await.unwrap();
    within(accepted.recv()).await.unwrap();
    lane.reset(9_u32.into()).unwrap();
    assert_eq!(within(accepted.closed()).await, broken);

    let (_endpoint, rogue) = enrolled_rogue(&hub).await;
    let accepted = hub.link().await;
    accepted.send(1, vec![1]).await.unwrap();
    within(rogue.accept_uni()).await.unwrap().stop(9_u32.into()).unwrap();
    within(async {
        while accepted.send(1, vec![1]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(within(accepted.closed()).await, broken);
}

#[tokio::test]
async fn no_more_lanes_can_be_opened_than_allowed() {
    let hub = Hub::start();
    let (_endpoint, rogue) = enrolled_rogue(&hub).await;
    let _accepted = hub.link().await;
    let mut lanes = Vec::new();
    for _ in 0..16 {
        lanes.push(within(rogue.open_uni()).await.unwrap());
    }
    assert!(at_once(rogue.open_uni()).await.is_none(), "a 17th lane");
    let mut both_ways = Vec::new();
    for _ in 0..4 {
        both_ways.push(within(rogue.open_bi()).await.unwrap());
    }
    assert!(at_once(rogue.open_bi()).await.is_none(), "a 5th exchange");
    assert!(rogue.max_datagram_size().is_none(), "datagrams");
}

/// What `future` gives without waiting.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}
