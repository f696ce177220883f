//! Pages that people look at, and what they show.

pub mod board;
