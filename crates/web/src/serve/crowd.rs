//! Who is connected: how many in all and from each address, and who has to go when it is full.
//!
//! A connection that has not yet sent the head of one request is on trial. When there is no place
//! for a newcomer, the one that has been on trial longest makes room: a client that means it has
//! asked within milliseconds, and those that only hold places push each other out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Everybody who is connected; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    present: Arc<Mutex<Present>>,
    all_max: usize,
    address_max: usize,
}

#[derive(Debug, Default)]
struct Present {
    /// By number, so the longest here comes first. At most `all_max`, so it is simply searched.
    members: BTreeMap<u64, Member>,
    next: u64,
}

#[derive(Debug)]
struct Member {
    address: IpAddr,
    /// `None` once it has asked for something.
    on_trial: Option<oneshot::Sender<()>>,
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    present: Arc<Mutex<Present>>,
    number: u64,
    kept: AtomicBool,
}

impl Crowd {
    pub(super) fn new(all_max: usize, address_max: usize) -> Self {
        Self { present: Arc::default(), all_max, address_max }
    }

    /// A place for one more connection from `address`, if there is one or one can be made. The
    /// receiver is ready when the place has gone to somebody else.
    pub(super) fn enter(&self, address: IpAddr) -> Option<(Place, oneshot::Receiver<()>)> {
        // One machine is one address, whichever way it is written.
        let address = address.to_canonical();
        let mut present = lock(&self.present);
        let of_address = |member: &Member| member.address == address;
        if present.members.values().filter(|member| of_address(member)).count() >= self.address_max
        {
            present.make_room(of_address)?;
        }
        if present.members.len() >= self.all_max {
            present.make_room(|_| true)?;
        }
        let number = present.next;
        present.next += 1;
        let (on_trial, lost) = oneshot::channel();
        present.members.insert(number, Member { address, on_trial: Some(on_trial) });
        let present = Arc::clone(&self.present);
        Some((Place { present, number, kept: AtomicBool::new(false) }, lost))
    }
}

impl Present {
    /// Sends away the longest on trial among `which`; `None` when nobody is.
    fn make_room(&mut self, which: impl Fn(&Member) -> bool) -> Option<()> {
        let (number, _) =
            self.members.iter().find(|(_, member)| member.on_trial.is_some() && which(member))?;
        let number = *number;
        let on_trial = self.members.remove(&number)?.on_trial?;
        // It may be ending by itself at this moment.
        let _ = on_trial.send(());
        Some(())
    }
}

impl Place {
    /// The connection has asked for something: from now on the place is its own.
    pub(super) fn keep(&self) {
        // Said with every request; the lock is taken for the first.
        if self.kept.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(member) = lock(&self.present).members.get_mut(&self.number) {
            member.on_trial = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.present).members.remove(&self.number);
    }
}

fn lock(present: &Mutex<Present>) -> MutexGuard<'_, Present> {
    present.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> [IpAddr; 3] {
        ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"].map(|text| text.parse().unwrap())
    }

    /// A place that its connection has made its own.
    fn kept(crowd: &Crowd, address: IpAddr) -> Option<Place> {
        let (place, _) = crowd.enter(address)?;
        place.keep();
        Some(place)
    }

    #[test]
    fn each_address_and_all_together_have_their_number_of_places() {
        let crowd = Crowd::new(3, 2);
        let [a, b, mapped] = addresses();
        let places = [kept(&crowd, a).unwrap(), kept(&crowd, mapped).unwrap()];
        assert!(kept(&crowd, a).is_none(), "a third of one address");
        let third = kept(&crowd, b).unwrap();
        assert!(kept(&crowd, b).is_none(), "a fourth of all");
        drop(third);
        assert!(kept(&crowd, b).is_some());
        drop(places);
        assert!(lock(&crowd.present).members.is_empty());
    }

    #[test]
    fn whoever_is_longest_on_trial_makes_room() {
        let crowd = Crowd::new(3, 2);
        let [a, b, _] = addresses();
        let other = kept(&crowd, b).unwrap();
        let (_first, mut first_lost) = crowd.enter(a).unwrap();
        let (second, mut second_lost) = crowd.enter(a).unwrap();
        let (_third, mut third_lost) = crowd.enter(a).unwrap();
        assert!(first_lost.try_recv().is_ok(), "the first went");
        assert!(second_lost.try_recv().is_err() && third_lost.try_recv().is_err());
        second.keep();
        let (_fourth, _) = crowd.enter(a).unwrap();
        assert!(third_lost.try_recv().is_ok(), "the third went, the second has asked");
        drop(other);
    }

    #[test]
    fn a_place_that_was_lost_is_not_given_back_twice() {
        let crowd = Crowd::new(2, 2);
        let [a, ..] = addresses();
        let (first, _) = crowd.enter(a).unwrap();
        let rest: Vec<_> = (0..2).map(|_| kept(&crowd, a).unwrap()).collect();
        drop(first);
        assert!(kept(&crowd, a).is_none());
        drop(rest);
    }
}
