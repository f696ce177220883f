//! The one script and the one style sheet, served by the program itself.

/// The script.
pub(crate) const SCRIPT: &str = include_str!("../assets/live.js");

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("../assets/page.css");

/// A first visit on a slow link: both together in well under a second at 400 kbit/s.
const BYTES_MAX: usize = 8 * 1024;
const _: () = assert!(SCRIPT.len() + STYLE.len() <= BYTES_MAX);
