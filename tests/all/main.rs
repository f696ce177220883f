//! Tests of the whole: one binary, so that it is linked once.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod at_rest;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod device_batches;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod first_start;
#[cfg(test)]
mod hostile_peer;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tidy;
