//! The real programs as child processes, and what stands around them: data folders, an HTTP client,
//! a wire that can be cut, a whole network of a hub and clinics.
//!
//! Nothing here waits for a time to pass. Whoever waits, waits for a state, and fails when it does
//! not come.

pub mod binaries;
pub mod http;
pub mod network;
pub mod process;
pub mod readings;
pub mod relay;
pub mod wait;

pub use network::Network;
pub use process::{Home, Serving};
pub use readings::{Reading, body};
pub use relay::Relay;
pub use wait::{until, until_some};
