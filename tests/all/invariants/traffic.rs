//! How much is under way, and what goes first.

use std::collections::{BTreeMap, VecDeque};

use sync_protocol::{Class, limits};
use tests::clinic::NEWER_KINDS;
use tests::world::World;
use vocab::PatientId;

/// Entries of a backlog, and the bytes of each.
const BACKLOG: (u64, usize) = (300, 50_000);

#[test]
fn invariant_29_what_is_under_way_does_not_grow_with_what_waits() {
    let mut world = World::still(1);
    world.settle();
    // A backlog of which the hub answers nothing.
    world.stall_hub(60_000);
    write_backlog(&mut world, BACKLOG);
    let (backlog, mut under_way) = (BACKLOG.0 * BACKLOG.1 as u64, 0);
    world.tap();
    world.pass(1_000);
    for ((_, up), _, frame) in world.tapped() {
        under_way += if up { frame.len() } else { 0 };
    }
    let window = limits::PUSH_WINDOW_BYTES + limits::FRAME_BYTES_MAX;
    assert!(backlog > 2 * window as u64, "otherwise this shows nothing");
    assert!(under_way > limits::FRAME_BYTES_MAX, "{under_way} bytes: something was sent");
    assert!(under_way <= window, "{under_way} bytes are under way");
}

fn write_backlog(world: &mut World, (entries, bytes): (u64, usize)) -> PatientId {
    let now = world.now();
    let clinic = &mut world.clinics[0];
    let patient = clinic.register(now, now + 1);
    for _ in 0..entries {
        clinic.write_newer(now, patient, NEWER_KINDS.start, vec![7; bytes]);
    }
    if let Some(exchange) = &mut clinic.exchange {
        exchange.local_change(now);
    }
    patient
}

/// Bytes per millisecond of 64 kbit/s.
const BYTES_PER_MS: usize = 8;

/// One way of a round trip of 600 ms.
const ONE_WAY_MS: u64 = 300;

/// What goes at once: a datagram.
const DATAGRAM_BYTES: usize = 1_200;

/// A narrow link that, as QUIC does, sends datagrams of the most urgent lane that has something.
#[derive(Default)]
struct Narrow {
    waiting: BTreeMap<Class, VecDeque<(usize, Vec<u8>)>>,
    free_at: u64,
    arriving: VecDeque<(u64, Class, Vec<u8>)>,
}

impl Narrow {
    /// A lane takes a frame when it has sent the one before.
    fn is_ready(&self, class: Class) -> bool {
        self.waiting.get(&class).is_none_or(VecDeque::is_empty)
    }

    fn push(&mut self, class: Class, frame: Vec<u8>) {
        self.waiting.entry(class).or_default().push_back((frame.len(), frame));
    }

    fn send(&mut self, now: u64) {
        while self.free_at <= now
            && let Some((class, lane)) = self.waiting.iter_mut().find(|(_, lane)| !lane.is_empty())
            && let Some((left, _)) = lane.front_mut()
        {
            let bytes = DATAGRAM_BYTES.min(*left);
            *left -= bytes;
            self.free_at = now + (bytes / BYTES_PER_MS) as u64 + 1;
            let class = *class;
            if *left == 0
                && let Some((_, frame)) = lane.pop_front()
            {
                self.arriving.push_back((self.free_at + ONE_WAY_MS, class, frame));
            }
        }
    }

    fn receive(&mut self, now: u64) -> Option<(Class, Vec<u8>)> {
        self.arriving.pop_front_if(|(at, ..)| *at <= now).map(|(_, class, frame)| (class, frame))
    }
}

#[test]
fn invariant_20_an_alert_overtakes_a_backlog_on_a_narrow_link() {
    let mut world = World::still(1);
    world.settle();
    let patient = write_backlog(&mut world, (40, 50_000));
    let (start, mut up, mut down) = (world.now(), Narrow::default(), Narrow::default());
    let mut alerted = None;
    for ms in 0..120_000 {
        let now = start + ms;
        world.carry(0, now, [&|class| up.is_ready(class), &|class| down.is_ready(class)]);
        for ((_, to_hub), class, frame) in world.tapped() {
            if to_hub { &mut up } else { &mut down }.push(class, frame);
        }
        up.send(now);
        down.send(now);
        while let Some((class, frame)) = up.receive(now) {
            world.hand(0, true, now, class, &frame);
        }
        while let Some((class, frame)) = down.receive(now) {
            world.hand(0, false, now, class, &frame);
        }
        // When the link has been full of bulk for a while, a reading is critical.
        if ms == 10_000 {
            let clinic = &mut world.clinics[0];
            let time = clinic.wall(now);
            let body = format!(
                r#"{{"batch_id":"b","readings":[{{"patient":"{patient}","code":"2708-6","unit":"%","time":"{time}","value":70}}]}}"#
            );
            clinic.receive_batch(now, "mon", &body).unwrap();
            clinic.exchange.as_mut().unwrap().local_change(now);
            alerted = Some(now);
        }
        if let Some(at) = alerted
            && !alerts::store::newest(&world.hub.conn, 1).unwrap().is_empty()
        {
            let pending = replication::edge::status(&world.clinics[0].conn).unwrap().pending;
            assert!(pending > 20, "{pending} entries: the backlog is still there");
            // And back again.
            let took = now - at + ONE_WAY_MS;
            assert!(took < 2_000, "{took} ms until the alert is at the hub and said so");
            return;
        }
    }
    panic!("the alert never arrived");
}
