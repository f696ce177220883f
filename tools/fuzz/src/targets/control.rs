//! The control socket: a question of one line, an answer in pieces.

use host::control::read_answer;

/// A line of JSON is a command or none, and says the same when written again.
pub(crate) fn question(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(command) = serde_json::from_str::<edge_node::commands::Command>(text) {
        let written = serde_json::to_string(&command).unwrap_or_default();
        let again = serde_json::from_str::<edge_node::commands::Command>(&written);
        assert_eq!(format!("{:?}", again.ok()), format!("{:?}", Some(command)));
    }
    if let Ok(command) = serde_json::from_str::<hub::commands::Command>(text) {
        let written = serde_json::to_string(&command).unwrap_or_default();
        let again = serde_json::from_str::<hub::commands::Command>(&written);
        assert_eq!(format!("{:?}", again.ok()), format!("{:?}", Some(command)));
    }
}

/// An answer is whole or broken off, and never longer than what came.
pub(crate) fn answer(bytes: &[u8]) {
    for answer in [bytes.to_vec(), [b"{\"ok\":true}\n", bytes].concat()] {
        let mut out = Vec::new();
        if let Ok(written) = read_answer(answer.as_slice(), &mut out) {
            assert_eq!(u64::try_from(out.len()), Ok(written));
        }
        assert!(out.len() <= answer.len());
    }
}
