//! What a program asked of the disk, read from the output of `strace`.

use std::collections::BTreeMap;

/// Calls that change a disk, and those by which a program tells somebody that it did.
pub const CALLS: &str = "openat,write,writev,pwrite64,sendto,fsync,fdatasync,ftruncate,rename,\
    renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat";

/// One call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A file was opened, and made or emptied where that was asked.
    Open {
        /// Number of the open file.
        fd: i32,
        /// Its path.
        path: String,
        /// It is made where there is none.
        creates: bool,
        /// It is emptied.
        empties: bool,
    },
    /// Bytes were written.
    Write {
        /// Number of the open file.
        fd: i32,
        /// Its path, or what the system calls a socket.
        path: String,
        /// Where; `None` is where the last write ended.
        at: Option<usize>,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file was cut or extended.
    Truncate {
        /// Its path.
        path: String,
        /// Its length from now on.
        length: usize,
    },
    /// The system said that a file or a folder is on the disk.
    Sync {
        /// Its path.
        path: String,
        /// Number of the first call that it may not cover.
        asked: usize,
    },
    /// The system said that it could not bring something to the disk, and forgets that it has not.
    FailedSync {
        /// Its path.
        path: String,
        /// Number of the first call that it may not cover.
        asked: usize,
    },
    /// A second name.
    Link {
        /// The first.
        from: String,
        /// The second.
        to: String,
    },
    /// Another name.
    Rename {
        /// The old.
        from: String,
        /// The new.
        to: String,
    },
    /// A name less.
    Unlink {
        /// Which.
        path: String,
    },
    /// A folder.
    MakeFolder {
        /// Which.
        path: String,
    },
    /// A call that was left out.
    Nothing,
}

impl Call {
    /// The path that a sync was about.
    #[must_use]
    pub fn synced(&self) -> Option<&str> {
        if let Self::Sync { path, .. } = self { Some(path) } else { None }
    }

    /// The path that was written to.
    #[must_use]
    pub fn written(&self) -> Option<&str> {
        if let Self::Write { path, .. } = self { Some(path) } else { None }
    }
}

/// A call with its times, microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the program asked.
    pub asked: u64,
    /// When the system had answered.
    pub answered: u64,
    /// What it was.
    pub call: Call,
}

/// A line that is no output of `strace -f -y -xx -ttt -T`.
#[derive(Debug, thiserror::Error)]
#[error("line {number} of the trace cannot be read: {line}")]
pub struct BadLine {
    number: usize,
    line: String,
}

/// A line up to where another thread's came between.
struct Begun {
    asked: u64,
    text: String,
    place: usize,
}

/// Reads a trace. A call stands where the program asked for it, a sync where it was answered.
///
/// # Errors
///
/// [`BadLine`].
pub fn read(text: &str) -> Result<Vec<Event>, BadLine> {
    // `None` where a call did not succeed, or has not been answered.
    let mut events: Vec<Option<Event>> = Vec::new();
    let mut begun: BTreeMap<&str, Begun> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let bad = || BadLine { number: number + 1, line: line.chars().take(160).collect() };
        let (thread, rest) = line.split_once(' ').ok_or_else(bad)?;
        let (time, rest) = rest.trim_start().split_once(' ').ok_or_else(bad)?;
        let time = micros(time).ok_or_else(bad)?;
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun
                .insert(thread, Begun { asked: time, text: start.to_owned(), place: events.len() });
            events.push(None);
            continue;
        }
        let (begun, whole) = match rest.strip_prefix("<... ") {
            Some(end) => {
                let (_, end) = end.split_once(" resumed>").ok_or_else(bad)?;
                let begun = begun.remove(thread).ok_or_else(bad)?;
                let whole = format!("{}{end}", begun.text);
                (begun, whole)
            }
            None => {
                events.push(None);
                let place = events.len() - 1;
                (Begun { asked: time, text: String::new(), place }, rest.to_owned())
            }
        };
        let answered =
            if begun.text.is_empty() { time + lasted(&whole).unwrap_or(0) } else { time };
        let Some(call) = call(&whole, begun.place).ok_or_else(bad)? else { continue };
        let event = Some(Event { asked: begun.asked, answered, call });
        let is_sync =
            |event: &Event| matches!(event.call, Call::Sync { .. } | Call::FailedSync { .. });
        if event.as_ref().is_some_and(is_sync) {
            events.push(event);
        } else if let Some(place) = events.get_mut(begun.place) {
            *place = event;
        }
    }
    Ok(dense(events))
}

/// Leaves out the places of calls that came to nothing.
fn dense(events: Vec<Option<Event>>) -> Vec<Event> {
    let mut before = Vec::with_capacity(events.len());
    let mut count = 0;
    for event in &events {
        before.push(count);
        count += usize::from(event.is_some());
    }
    let number = |place: usize| before.get(place).copied().unwrap_or(count);
    let mut dense: Vec<Event> = events.into_iter().flatten().collect();
    for event in &mut dense {
        if let Call::Sync { asked, .. } | Call::FailedSync { asked, .. } = &mut event.call {
            *asked = number(*asked);
        }
    }
    dense
}

/// `1795526738.972524`
fn micros(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

/// The `<0.000125>` at the end of a line.
fn lasted(line: &str) -> Option<u64> {
    micros(line.strip_suffix('>')?.rsplit_once('<')?.1)
}

/// `Some(None)` is a call that did not succeed or that changes nothing.
fn call(line: &str, place: usize) -> Option<Option<Call>> {
    let (name, rest) = line.split_once('(')?;
    // Short calls are padded, so that answers stand below each other.
    let (arguments, answer) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let answer: i64 = {
        let digits = answer.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(answer.len());
        match answer.get(..digits)?.parse() {
            Ok(number) => number,
            // `?`: the program was killed.
            Err(_) => return Some(None),
        }
    };
    let is_sync = matches!(name, "fsync" | "fdatasync");
    if answer < 0 && !is_sync {
        return Some(None);
    }
    let arguments = split(arguments);
    let argument = |at: usize| arguments.get(at).map(String::as_str);
    let text = |at: usize| argument(at).and_then(quoted).map(|bytes| lossy(&bytes));
    let last_text =
        || arguments.iter().rev().find_map(|one| quoted(one)).map(|bytes| lossy(&bytes));
    let (fd, path) = argument(0).and_then(open_file).unzip();
    let taken = |mut bytes: Vec<u8>| {
        bytes.truncate(usize::try_from(answer).unwrap_or(usize::MAX));
        bytes
    };
    Some(match name {
        "openat" => {
            let flags = argument(2)?;
            Some(Call::Open {
                fd: i32::try_from(answer).ok()?,
                path: text(1)?,
                creates: flags.contains("O_CREAT"),
                empties: flags.contains("O_TRUNC"),
            })
        }
        "write" | "sendto" => {
            let bytes = taken(quoted(argument(1)?)?);
            Some(Call::Write { fd: fd?, path: path?, at: None, bytes })
        }
        "writev" => {
            let parts = argument(1)?.split("iov_base=").skip(1).map(quoted);
            let bytes = taken(parts.collect::<Option<Vec<_>>>()?.concat());
            Some(Call::Write { fd: fd?, path: path?, at: None, bytes })
        }
        "pwrite64" => {
            let at = Some(argument(3)?.parse().ok()?);
            Some(Call::Write { fd: fd?, path: path?, at, bytes: taken(quoted(argument(1)?)?) })
        }
        "ftruncate" => Some(Call::Truncate { path: path?, length: argument(1)?.parse().ok()? }),
        _ if is_sync && answer < 0 => Some(Call::FailedSync { path: path?, asked: place }),
        "fsync" | "fdatasync" => Some(Call::Sync { path: path?, asked: place }),
        "link" | "linkat" => Some(Call::Link {
            from: arguments.iter().find_map(|one| quoted(one)).map(|b| lossy(&b))?,
            to: last_text()?,
        }),
        "rename" | "renameat" | "renameat2" => Some(Call::Rename {
            from: arguments.iter().find_map(|one| quoted(one)).map(|b| lossy(&b))?,
            to: last_text()?,
        }),
        "unlink" | "unlinkat" => Some(Call::Unlink { path: last_text()? }),
        "mkdir" | "mkdirat" => Some(Call::MakeFolder { path: last_text()? }),
        _ => None,
    })
}

/// Arguments, divided by commas outside quotes and brackets.
fn split(text: &str) -> Vec<String> {
    let (mut depth, mut quotes) = (0_usize, false);
    let mut arguments = vec![String::new()];
    for letter in text.chars() {
        match letter {
            '"' => quotes = !quotes,
            '[' | '{' if !quotes => depth += 1,
            ']' | '}' if !quotes => depth = depth.saturating_sub(1),
            ',' if !quotes && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = arguments.last_mut()
            && !(last.is_empty() && letter == ' ')
        {
            last.push(letter);
        }
    }
    arguments
}

/// The bytes of `"\x2f\x74"`; nothing when they were cut short.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let (hex, rest) = text.strip_prefix('"')?.split_once('"')?;
    if rest.starts_with("...") { None } else { bytes(hex) }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !matches!(byte, b'\\' | b'x')).collect();
    data_encoding::HEXLOWER.decode(&digits).ok()
}

/// `4<\x2f\x74>`
fn open_file(text: &str) -> Option<(i32, String)> {
    let (fd, rest) = text.split_once('<')?;
    let name = rest.strip_suffix('>').unwrap_or(rest);
    // A file without a name any more has a word behind it, which is not in hexadecimal digits.
    let name = bytes(name).map_or_else(|| "(deleted)".to_owned(), |name| lossy(&name));
    Some((fd.parse().ok()?, name))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two threads, a call that failed, one that the end of the program cut off.
    const TRACE: &str = "\
7 1.000010 openat(AT_FDCWD<\\x2f>, \"\\x2f\\x61\", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 4<\\x2f\\x61> <0.000050>
7 1.000100 pwrite64(4<\\x2f\\x61>, \"\\x2c\\x22\", 2, 24) = 2 <0.000010>
7 1.000200 fdatasync(4<\\x2f\\x61> <unfinished ...>
8 1.000210 writev(9<\\x54\\x43\\x50>, [{iov_base=\"\\x68\", iov_len=1}, {iov_base=\"\\x69\", iov_len=1}], 2) = 2 <0.000001>
7 1.000300 <... fdatasync resumed>) = 0 <0.000090>
7 1.000400 unlink(\"\\x2f\\x62\") = -1 ENOENT (No such file or directory) <0.000001>
7 1.000450 fsync(4<\\x2f\\x61>) = -1 EIO (Input/output error) (INJECTED) <0.000001>
7 1.000500 fsync(4<\\x2f\\x61>)       = ? <unavailable>
7 1.000600 +++ killed by SIGKILL +++
";

    #[test]
    fn a_trace_is_read_in_the_order_in_which_things_can_be_relied_on() {
        let events = read(TRACE).unwrap();
        let calls: Vec<Call> = events.iter().map(|event| event.call.clone()).collect();
        let path = || "/a".to_owned();
        assert_eq!(
            calls,
            [
                Call::Open { fd: 4, path: path(), creates: true, empties: false },
                Call::Write { fd: 4, path: path(), at: Some(24), bytes: b",\"".to_vec() },
                Call::Write { fd: 9, path: "TCP".to_owned(), at: None, bytes: b"hi".to_vec() },
                Call::Sync { path: path(), asked: 2 },
                Call::FailedSync { path: path(), asked: 4 },
            ]
        );
        let times: Vec<_> = events.iter().map(|event| (event.asked, event.answered)).collect();
        let expected = [
            (1_000_010, 1_000_060),
            (1_000_100, 1_000_110),
            (1_000_210, 1_000_211),
            (1_000_200, 1_000_300),
            (1_000_450, 1_000_451),
        ];
        assert_eq!(times, expected);
    }

    #[test]
    fn bytes_that_were_cut_short_are_not_taken_for_all() {
        assert!(read("7 1.0 pwrite64(4<\\x2f>, \"\\x2c\"..., 2, 0) = 2 <0.1>\n").is_err());
    }
}
