//! How many connections there are, in all and of each address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    present: Arc<Mutex<Present>>,
    all_max: usize,
    address_max: usize,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    present: Arc<Mutex<Present>>,
    address: IpAddr,
}

impl Crowd {
    pub(super) fn new(all_max: usize, address_max: usize) -> Self {
        Self { present: Arc::default(), all_max, address_max }
    }

    /// A place for one more connection from `address`, if there is one.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        // One machine is one address, whichever way it is written.
        let address = address.to_canonical();
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = present.by_address.get(&address).copied().unwrap_or(0);
        if present.all >= self.all_max || of_address >= self.address_max {
            return None;
        }
        present.all += 1;
        present.by_address.insert(address, of_address + 1);
        Some(Place { present: Arc::clone(&self.present), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.all = present.all.saturating_sub(1);
        match present.by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                present.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_and_all_together_have_their_number_of_places() {
        let crowd = Crowd::new(3, 2);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let places = [crowd.enter(a), crowd.enter(mapped)];
        assert!(places.iter().all(Option::is_some));
        assert!(crowd.enter(a).is_none(), "a third of one address");
        let third = crowd.enter(b).unwrap();
        assert!(crowd.enter(b).is_none(), "a fourth of all");
        drop(third);
        assert!(crowd.enter(b).is_some());
        drop(places);
        assert!(crowd.present.lock().unwrap().by_address.is_empty(), "addresses are forgotten");
    }
}
