//! Pages that people look at: how a clinic or the hub stands, live.
//!
//! Plain HTML that works without JavaScript; one small script fetches the changing part every
//! second. There is no sign-in yet, so pages that show a patient's data answer this machine only.

mod assets;
pub mod board;
pub mod code_names;
mod guard;
pub mod health;
mod html;
pub mod metrics;
mod router;
pub mod view;

pub use health::{BackupHealth, SetAsideHealth};
pub use router::{Provide, router};
pub use view::View;
