//! What `/health` says, for whatever watches a program.

/// How backups stand, in words that name no place: the port may be open to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupHealth {
    /// `off`, `none-yet`, `fresh`, `late` or `failing`.
    pub state: &'static str,
    /// Seconds since the last good one.
    pub age_seconds: Option<u64>,
    /// Why the last attempt failed, in one word of a small set.
    pub last_error: Option<&'static str>,
}

/// What was set aside, in figures that name nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetAsideHealth {
    /// Waits for a person.
    pub open: u64,
    /// Given up by a person, with a reason.
    pub discarded: u64,
}

/// One JSON object. `status` is about the program alone: a missing backup is no reason to start it
/// anew. Every text in it is a word of ours, so nothing needs to be escaped.
pub(crate) fn body(
    status: &str,
    backup: Option<BackupHealth>,
    aside: Option<SetAsideHealth>,
) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let backup = backup.map_or_else(String::new, |backup| {
        let age = backup.age_seconds.map_or_else(|| "null".to_owned(), |age| age.to_string());
        let error =
            backup.last_error.map_or_else(|| "null".to_owned(), |word| format!("\"{word}\""));
        let state = backup.state;
        format!(
            ",\"backup\":{{\"state\":\"{state}\",\"age_seconds\":{age},\"last_error\":{error}}}"
        )
    });
    let aside = aside.map_or_else(String::new, |SetAsideHealth { open, discarded }| {
        format!(",\"set_aside\":{{\"open\":{open},\"discarded\":{discarded}}}")
    });
    format!("{{\"status\":\"{status}\",\"version\":\"{version}\"{backup}{aside}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_one_json_object() {
        let version = env!("CARGO_PKG_VERSION");
        let plain = format!("{{\"status\":\"ok\",\"version\":\"{version}\"}}\n");
        assert_eq!(body("ok", None, None), plain);
        let good = BackupHealth { state: "fresh", age_seconds: Some(7), last_error: None };
        let said = body("ok", Some(good), None);
        let tail = ",\"backup\":{\"state\":\"fresh\",\"age_seconds\":7,\"last_error\":null}}\n";
        assert!(said.ends_with(tail), "{said}");
        let bad =
            BackupHealth { state: "failing", age_seconds: None, last_error: Some("disk-full") };
        let said = body("ok", Some(bad), Some(SetAsideHealth { open: 2, discarded: 1 }));
        assert!(said.contains("\"age_seconds\":null,\"last_error\":\"disk-full\""), "{said}");
        assert!(said.ends_with("},\"set_aside\":{\"open\":2,\"discarded\":1}}\n"), "{said}");
    }
}
