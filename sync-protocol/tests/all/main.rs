//! The rules of the protocol, each shown by trying to break it.

mod dice;
mod exchange;
