//! Stories with the real programs over real QUIC and TCP on loopback.

mod backups;
mod bundles;
mod clinics;
mod commands;
mod copies;
mod erasure;
mod leases;
mod links;
mod patients;
mod quarantine;
mod restored_hub;
mod roads;
mod rotation;
