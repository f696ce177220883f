//! Progress in a long answer: lines for whoever waits, beside those that are the answer.

use std::io::{self, Write};

/// What a line of progress begins with.
const NOTE: &[u8] = b"# ";

/// Writes a line of progress into an answer.
///
/// # Errors
///
/// Those of `out`.
pub fn note(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "# {text}")?;
    out.flush()
}

/// Parts an answer: lines of progress go to `notes`, all others to `answer`.
#[derive(Debug)]
pub struct Notes<'a, A: Write, N: Write> {
    answer: &'a mut A,
    notes: N,
    line: Vec<u8>,
}

impl<'a, A: Write, N: Write> Notes<'a, A, N> {
    /// Parts what is written to it.
    pub const fn new(answer: &'a mut A, notes: N) -> Self {
        Self { answer, notes, line: Vec::new() }
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        match line.strip_prefix(NOTE) {
            Some(text) => self.notes.write_all(text),
            None => self.answer.write_all(&line),
        }
    }
}

impl<A: Write, N: Write> Write for Notes<'_, A, N> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() && !NOTE.starts_with(&self.line) && !self.line.starts_with(NOTE) {
            self.end_line()?;
        }
        self.notes.flush()?;
        self.answer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_and_answer_come_apart_however_they_are_cut() {
        let mut text = Vec::new();
        note(&mut text, "checked 3 frames").unwrap();
        text.extend_from_slice(b"imported 3\nno end");
        for size in 1..text.len() {
            let (mut answer, mut notes) = (Vec::new(), Vec::new());
            let mut parted = Notes::new(&mut answer, &mut notes);
            for part in text.chunks(size) {
                parted.write_all(part).unwrap();
            }
            parted.flush().unwrap();
            assert_eq!(answer, b"imported 3\nno end", "{size}");
            assert_eq!(notes, b"checked 3 frames\n", "{size}");
        }
    }
}
