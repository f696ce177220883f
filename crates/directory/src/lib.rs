//! The sites of a hub: what it says about each and its keys, and how a site gets in.
//!
//! The hub invites a site by a line of text that works once. The site's node answers it with proof
//! that it owns its two keys, and the hub says so in a [`NodeCertificate`], which every node keeps.
//! Who is not named in one is a stranger.

pub mod address;
pub mod certificate;
pub mod fact;
pub mod invitation;
pub mod join;
pub mod refusal;
pub mod rotation;
pub mod store;
pub mod token;
pub mod tries;

pub use address::HubAddress;
pub use certificate::NodeCertificate;
pub use invitation::Invitation;
pub use join::{JoinRequest, JoinResponse, Joined};
pub use refusal::Refusal;
pub use rotation::RotateRequest;
pub use token::Token;
pub use tries::{Source, WrongTries};
