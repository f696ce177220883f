//! Stories with the real programs over real QUIC on loopback.

mod clinics;
mod commands;
mod copies;
mod links;
mod patients;
