//! Everything a change must pass, with the time that each step takes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cargo::cargo;

/// A step: its name and the arguments of cargo.
type Step = (&'static str, &'static [&'static str]);

const STEPS: [Step; 3] = [
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    // The tests hold the house rules and the version floors as well: tests/all/tidy.rs.
    ("tests", &["test", "--workspace", "--locked"]),
];

/// Programs that the build of the encrypted database calls, and what to say without them.
const PROGRAMS: [(&str, &str); 3] = [
    ("cc", "a C compiler; on Debian: apt-get install gcc"),
    ("make", "make; on Debian: apt-get install make"),
    ("perl", "perl; on Debian: apt-get install perl"),
];

/// Programs that some tests need: the name, the package on Debian, and what is not tried without it. They
/// say so and are skipped, so a system where it cannot be installed still gets through. `age` is held to
/// the release whose files ours were compared with; its last part is Debian's own.
const WITNESSES: [(&str, &str, &str); 2] = [
    ("strace", "strace", "power cuts and failing calls are not tried"),
    ("age", "age=1.1.1-*", "sealed files are not compared with the age program"),
];

/// Components of the Rust toolchain: a question that only works when it is there, and its name.
const COMPONENTS: [(&[&str], &str); 2] =
    [(&["fmt", "--version"], "rustfmt"), (&["clippy", "--version"], "clippy")];

/// Runs the steps until one fails; answers whether all passed.
pub(crate) fn run(out: &mut dyn Write) -> io::Result<bool> {
    let started = now();
    if !step(out, "tools", tools)? {
        return Ok(false);
    }
    for (name, arguments) in STEPS {
        let passed = step(out, name, |out| {
            writeln!(out, "    cargo {}", arguments.join(" "))?;
            out.flush()?;
            Ok(cargo(arguments).status()?.success())
        })?;
        if !passed {
            return Ok(false);
        }
    }
    writeln!(out, "all passed in {} s", started.elapsed().as_secs())?;
    Ok(true)
}

fn step(
    out: &mut dyn Write,
    name: &str,
    work: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
) -> io::Result<bool> {
    writeln!(out, "==> {name}")?;
    out.flush()?;
    let started = now();
    let passed = work(out)?;
    let word = if passed { "passed" } else { "FAILED" };
    writeln!(out, "<== {name} {word} after {:.1} s", started.elapsed().as_secs_f64())?;
    out.flush()?;
    Ok(passed)
}

#[expect(clippy::disallowed_methods, reason = "the time that a step takes is shown to a person")]
fn now() -> Instant {
    Instant::now()
}

/// Looks for what the checks need, and installs the parts of the toolchain and the witnesses when they
/// are missing.
fn tools(out: &mut dyn Write) -> io::Result<bool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing: Vec<_> =
        PROGRAMS.iter().filter(|(program, _)| find(program, &path).is_none()).collect();
    for (_, what) in &missing {
        writeln!(out, "    missing: {what}")?;
    }
    let mut ready = missing.is_empty();
    for (question, component) in COMPONENTS {
        if answers(&mut cargo(question)) {
            continue;
        }
        writeln!(out, "    rustup component add {component}")?;
        out.flush()?;
        let added = Command::new("rustup").args(["component", "add", component]).status();
        if !added.is_ok_and(|status| status.success()) {
            writeln!(out, "    missing: {component}, a component of the Rust toolchain")?;
            ready = false;
        }
    }
    for witness in WITNESSES {
        install(out, &path, witness)?;
    }
    Ok(ready)
}

/// Installs a witness where that is permitted.
fn install(
    out: &mut dyn Write,
    path: &OsString,
    (program, package, without): (&str, &str, &str),
) -> io::Result<()> {
    if find(program, path).is_some() {
        return Ok(());
    }
    writeln!(out, "    apt-get install {package}")?;
    out.flush()?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", package]);
    if !answers(&mut install) {
        writeln!(out, "    missing: {program}; {without}; on Debian: apt-get install {package}")?;
    }
    Ok(())
}

/// Where in `path` the program is.
fn find(program: &str, path: &OsString) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn answers(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_path_or_not_at_all() {
        let path = OsString::from("/nowhere:/bin:/usr/bin");
        assert!(find("sh", &path).is_some());
        assert!(find("no-such-program", &path).is_none());
    }

    #[test]
    fn the_time_of_a_step_and_its_outcome_are_shown() {
        let mut out = Vec::new();
        assert!(!step(&mut out, "lints", |_| Ok(false)).unwrap());
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("==> lints\n<== lints FAILED after "), "{text}");
    }
}
