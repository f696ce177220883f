//! Compares our signature verifier with a file of verdicts.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use data_encoding::{DecodeError, HEXLOWER_PERMISSIVE};
use serde::Deserialize;
use sync_protocol::signature::verify_bytes;

/// Why the comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignaturesError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A line is not an object with the five fields.
    #[error("line {line}, column {}: {}", source.column(), plain(source))]
    Line { line: usize, source: serde_json::Error },
    /// A field is not hexadecimal.
    #[error("line {line}: {field} is not hexadecimal: {source}")]
    Hex { line: usize, field: &'static str, source: DecodeError },
    /// The verdicts cannot be printed.
    #[error("printing: {0}")]
    Print(#[from] io::Error),
}

/// What serde says without its own count of lines, which starts anew with each of ours.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// One line of the file; other fields are comments.
#[derive(Debug, Deserialize)]
struct Vector {
    name: String,
    public_key: String,
    message: String,
    signature: String,
    valid: bool,
}

/// Prints our verdict for each line of `file`; answers whether all are as the file says.
pub(crate) fn run(file: &Path, out: &mut dyn Write) -> Result<bool, SignaturesError> {
    let read = |source| SignaturesError::Read { path: file.to_owned(), source };
    let lines = BufReader::new(File::open(file).map_err(read)?).lines();
    let (mut agree, mut differ) = (0_usize, 0_usize);
    for (number, text) in (1..).zip(lines) {
        let text = text.map_err(read)?;
        if text.trim().is_empty() {
            continue;
        }
        let (name, expected, ours) = verdict(number, &text)?;
        if expected == ours {
            agree += 1;
            writeln!(out, "{:<7} {name}", word(ours))?;
        } else {
            differ += 1;
            writeln!(out, "{:<7} {name}  DIFFERS: the file says {}", word(ours), word(expected))?;
        }
    }
    writeln!(out, "{agree} verdicts agree, {differ} differ")?;
    Ok(differ == 0)
}

/// The name of the line, the verdict that it expects, and ours.
fn verdict(line: usize, text: &str) -> Result<(String, bool, bool), SignaturesError> {
    let vector: Vector =
        serde_json::from_str(text).map_err(|source| SignaturesError::Line { line, source })?;
    let bytes = |field, hex: &str| {
        HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|source| SignaturesError::Hex {
            line,
            field,
            source,
        })
    };
    let ours = verify_bytes(
        &bytes("public_key", &vector.public_key)?,
        &bytes("message", &vector.message)?,
        &bytes("signature", &vector.signature)?,
    );
    Ok((vector.name, vector.valid, ours))
}

fn word(valid: bool) -> &'static str {
    if valid { "valid" } else { "invalid" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn line(key: &str, message: &str, signature: &str, valid: bool) -> String {
        format!(
            r#"{{"name":"a","public_key":"{key}","message":"{message}","signature":"{signature}","valid":{valid}}}"#
        )
    }

    #[test]
    fn our_verdicts_are_the_published_ones() {
        check(&line(KEY, "72", SIGNATURE, true), true);
        check(&line(KEY, "73", SIGNATURE, false), false);
        check(&line(&KEY.to_uppercase(), "72", SIGNATURE, true), true);
        check(&line("", "72", SIGNATURE, false), false);
        check(&line(KEY, "72", "00", false), false);
    }

    #[track_caller]
    fn check(text: &str, expected: bool) {
        let (_, _, ours) = verdict(1, text).unwrap();
        assert_eq!(ours, expected, "{text}");
    }

    #[test]
    fn a_broken_line_is_named_by_its_number() {
        let error = |text: &str| verdict(7, text).unwrap_err().to_string();
        assert_eq!(error("{"), "line 7, column 1: EOF while parsing an object");
        assert!(error(r#"{"name":"a"}"#).contains("missing field `public_key`"));
        let odd = error(&line(KEY, "7", SIGNATURE, true));
        assert!(odd.starts_with("line 7: message is not hexadecimal"), "{odd}");
    }

    #[test]
    fn a_file_that_disagrees_is_a_failure() {
        let file = std::env::temp_dir().join(format!("signatures-{}", std::process::id()));
        let said = |lines: &[String]| {
            std::fs::write(&file, lines.join("\n")).unwrap();
            let mut out = Vec::new();
            let agree = run(&file, &mut out).unwrap();
            (agree, String::from_utf8(out).unwrap())
        };
        let right = line(KEY, "72", SIGNATURE, true);
        let wrong = line(KEY, "72", SIGNATURE, false);
        assert!(said(&[right.clone(), String::new()]).0);
        let (agree, text) = said(&[right, wrong]);
        std::fs::remove_file(&file).unwrap();
        assert!(!agree);
        assert_eq!(
            text,
            "valid   a\nvalid   a  DIFFERS: the file says invalid\n1 verdicts agree, 1 differ\n"
        );
    }
}
