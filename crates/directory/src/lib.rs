//! The sites of a hub: what it says about each and its keys, and how a site gets in.
//!
//! The hub invites a site by a line of text that works once. The site's node answers it with proof
//! that it owns its two keys, and the hub says so in a certificate, which every node keeps.
//! Who is not named in one is a stranger.

pub mod address;
pub mod invitation;
pub mod token;

pub use address::HubAddress;
pub use invitation::Invitation;
pub use token::Token;
