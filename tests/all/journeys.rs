//! Stories with the real programs over real QUIC and TCP on loopback.

mod backups;
mod clinics;
mod commands;
mod copies;
mod links;
mod patients;
mod quarantine;
mod restored_hub;
mod roads;
