//! How much is said, and how fast: an idle greeting, a narrow link, an alert behind a backlog.

use sync_protocol::Class;
use sync_protocol::message::Message;

use super::pair::{Pair, Way, said};
use super::world::stream;

#[test]
fn an_idle_conversation_is_a_short_greeting_and_its_answer_whatever_is_held() {
    let mut pair = Pair::new();
    for subject in 0..50 {
        pair.author(stream(Class::Records, subject), b"ours");
        pair.offer(stream(Class::Fresh, subject), &[b"theirs".to_vec()]);
    }
    pair.run();
    pair.edge_store.restart(sync_protocol::Epoch(u64::MAX));
    pair.reconnect();
    let mut frames = Vec::new();
    pair.wait_over(60 * 60 * 1_000, |way, (class, frame)| {
        frames.push((way, frame.len()));
        vec![(class, frame)]
    });
    assert!(pair.is_idle());
    let [(Way::Up, hello), (Way::Down, answer)] = frames[..] else { panic!("{frames:?}") };
    assert!(hello <= 88 && answer <= 70, "goals of 88 and 70 bytes: {hello} and {answer}");
    assert_eq!((hello, answer), (72, 42));
}

/// A link that carries `rate` bytes in a millisecond each way and holds one frame at a time.
fn narrow(pair: &mut Pair, rate: usize) -> u64 {
    let (mut up_free, mut down_free) = (pair.now, pair.now);
    let mut on_way: Vec<(u64, Way, Class, Vec<u8>)> = Vec::new();
    let start = pair.now;
    loop {
        let busy = |way, on_way: &[(u64, Way, Class, Vec<u8>)]| on_way.iter().any(|f| f.1 == way);
        if !busy(Way::Up, &on_way)
            && let Some((class, frame)) = pair.edge.poll_transmit(|_| true)
        {
            up_free = pair.now.max(up_free) + 1 + (frame.len() / rate) as u64;
            on_way.push((up_free, Way::Up, class, frame));
        }
        if !busy(Way::Down, &on_way)
            && let Some((class, frame)) = pair.hub.poll_transmit(|_| true)
        {
            down_free = pair.now.max(down_free) + 1 + (frame.len() / rate) as u64;
            on_way.push((down_free, Way::Down, class, frame));
        }
        let timeouts = [pair.edge.poll_timeout(), pair.hub.poll_timeout()].into_iter().flatten();
        let Some(next) = on_way.iter().map(|frame| frame.0).chain(timeouts).min() else {
            return pair.now - start;
        };
        if on_way.is_empty() && pair.is_idle() {
            return pair.now - start;
        }
        pair.now = next.max(pair.now);
        on_way.retain(|(at, way, class, frame)| {
            let here = *at <= pair.now;
            match way {
                Way::Up if here => pair.hub.receive(pair.now, *class, frame),
                Way::Down if here => pair.edge.receive(pair.now, *class, frame),
                _ => {}
            }
            !here
        });
        pair.edge.timeout(pair.now);
        pair.hub.timeout(pair.now);
        pair.answer();
    }
}

#[test]
fn a_backlog_on_a_narrow_link_is_sent_once() {
    let mut pair = Pair::new();
    let (up, down) = (stream(Class::Fresh, 1), stream(Class::Backfill, 2));
    for _ in 0..500 {
        pair.author(up, &[1; 2_000]);
    }
    pair.author(up, &vec![1; 1_000_000]);
    pair.offer(down, &vec![vec![2; 2_000]; 500]);
    pair.answer();
    // 64 kbit/s.
    let took_ms = narrow(&mut pair, 8);
    assert_eq!((pair.at_hub(&up), pair.at_edge(&down)), (501, 500));
    assert_eq!((pair.edge.tally().resent, pair.hub.tally().resent), (0, 0));
    let least_ms = (500 * 2_000 + 1_000_000) / 8;
    assert!(took_ms < least_ms * 12 / 10, "{took_ms} ms, {least_ms} at best");
}

#[test]
fn an_alert_is_the_next_frame_behind_any_backlog() {
    let mut pair = Pair::new();
    for _ in 0..1_000 {
        pair.author(stream(Class::Fresh, 1), &[1; 1_000]);
    }
    pair.answer();
    // The backlog waits in the scheduler.
    while pair.edge.poll_transmit(|class| class == Class::Control).is_some_and(|(class, frame)| {
        pair.hub.receive(pair.now, class, &frame);
        pair.answer();
        while let Some((class, frame)) = pair.hub.poll_transmit(|_| true) {
            pair.edge.receive(pair.now, class, &frame);
        }
        pair.answer();
        true
    }) {}
    let (class, _) = pair.edge.poll_transmit(|_| true).unwrap();
    assert_eq!(class, Class::Fresh, "the backlog is on its way");
    pair.author(stream(Class::Urgent, 1), b"look");
    pair.answer();
    let (class, frame) = pair.edge.poll_transmit(|_| true).unwrap();
    assert_eq!(class, Class::Urgent);
    let Message::Push(push) = said(&frame) else { panic!("a push") };
    assert_eq!(push.entries.len(), 1);
}
