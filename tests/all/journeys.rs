//! Stories with the real programs over real QUIC on loopback.

mod backups;
mod clinics;
mod commands;
mod links;
mod patients;
