//! The line of text that lets a site in.
//!
//! It is made to be read aloud to a terminal or shown to a phone: capitals and digits that a QR code
//! packs tightly, and a checksum that tells a slip of the finger from a refusal by the hub.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::address::ADDRESS_BYTES_MAX;
use crate::{HubAddress, Token};

/// What every invitation begins with, before the number of its form.
const NAME: &str = "CAIRN";

/// The form that this program writes and reads.
const VERSION: &str = "1";

const TOKEN_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// One slip in 2^32 is taken for an invitation; the hub then refuses the token.
const CHECKSUM_BYTES: usize = 4;

/// Token, key, address and checksum.
const BODY_BYTES_MAX: usize = TOKEN_BYTES + KEY_BYTES + ADDRESS_BYTES_MAX + CHECKSUM_BYTES;

/// Longest invitation in characters: five bits each behind `CAIRN1:`.
pub const TEXT_CHARS_MAX: usize = NAME.len() + VERSION.len() + 1 + (BODY_BYTES_MAX * 8).div_ceil(5);

/// Characters that a QR code of version 10 holds at error correction M, in its alphanumeric mode.
/// Larger ones have modules too fine for a cheap phone held before a screen. Source: ISO/IEC 18004,
/// table 7.
const QR_CHARS_MAX: usize = 311;
const _: () = assert!(TEXT_CHARS_MAX <= QR_CHARS_MAX);

/// Longest text that is looked at: every character may be followed by a separator, and there may be
/// some white space around.
const INPUT_BYTES_MAX: usize = 2 * TEXT_CHARS_MAX + 64;

/// Set apart from other uses of the hash.
const CHECKSUM_PREFIX: &[u8] = b"cairn invitation 1\0";

/// Where the hub is, how to know it, and what lets its holder in once.
///
/// Printed with [`Display`](fmt::Display) as one line; debug output leaves the token out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Where the hub listens.
    pub hub_address: HubAddress,
    /// The ed25519 key that the hub proves when it is called; nobody else is the hub.
    pub hub_tls_key: [u8; 32],
    /// What lets one node in.
    pub token: Token,
}

/// Why a text is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInvitation {
    /// Something else was given.
    #[error("this is not an invitation; one begins with {NAME}{VERSION}:")]
    NotAnInvitation,
    /// The checksum does not fit.
    #[error("this invitation is mistyped or incomplete; copy the whole line again")]
    Mistyped,
    /// A newer hub wrote it.
    #[error("this invitation was made by a newer hub; update this program first")]
    UnknownVersion,
}

impl Invitation {
    /// A QR code of the line, in half blocks for a terminal: two modules to a character, at most 65
    /// columns and 33 lines, the quiet zone with it.
    ///
    /// Light modules are drawn and dark ones left empty, as terminals are dark. On a light terminal
    /// the code is inverted, which most phones read as well.
    #[must_use]
    pub fn qr(&self) -> String {
        let text = Zeroizing::new(self.to_string());
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M);
        debug_assert!(code.is_ok(), "the bounds above keep it within version 10");
        code.map(|code| {
            code.render::<Dense1x2>()
                .dark_color(Dense1x2::Light)
                .light_color(Dense1x2::Dark)
                .build()
        })
        .unwrap_or_default()
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = Zeroizing::new(Vec::with_capacity(BODY_BYTES_MAX));
        body.extend_from_slice(self.token.bytes());
        body.extend_from_slice(&self.hub_tls_key);
        body.extend_from_slice(self.hub_address.as_str().as_bytes());
        let checksum = checksum(&body);
        body.extend_from_slice(&checksum);
        let code = Zeroizing::new(BASE32_NOPAD.encode(&body));
        write!(f, "{NAME}{VERSION}:{}", code.as_str())
    }
}

impl FromStr for Invitation {
    type Err = BadInvitation;

    /// Reads a line as [`Display`](fmt::Display) writes it; letters may be lower-case, and white
    /// space and hyphens may stand anywhere.
    fn from_str(text: &str) -> Result<Self, BadInvitation> {
        if text.len() > INPUT_BYTES_MAX {
            return Err(BadInvitation::NotAnInvitation);
        }
        let written = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
        let line: String = written.map(|letter| letter.to_ascii_uppercase()).collect();
        let line = Zeroizing::new(line);
        let code = code_of(&line)?;
        let body = BASE32_NOPAD.decode(code.as_bytes()).map_err(|_| BadInvitation::Mistyped)?;
        let body = Zeroizing::new(body);
        let (body, sum) = body.split_last_chunk().ok_or(BadInvitation::Mistyped)?;
        if checksum(body) != *sum {
            return Err(BadInvitation::Mistyped);
        }
        // What follows fits its checksum: whoever wrote it was no hub.
        read(body).ok_or(BadInvitation::NotAnInvitation)
    }
}

/// What stands behind `CAIRN1:`.
fn code_of(line: &str) -> Result<&str, BadInvitation> {
    let rest = line.strip_prefix(NAME).ok_or(BadInvitation::NotAnInvitation)?;
    let (version, code) = rest.split_once(':').ok_or(BadInvitation::NotAnInvitation)?;
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadInvitation::NotAnInvitation);
    }
    if version == VERSION { Ok(code) } else { Err(BadInvitation::UnknownVersion) }
}

fn read(body: &[u8]) -> Option<Invitation> {
    let (token, rest) = body.split_first_chunk::<TOKEN_BYTES>()?;
    let (hub_tls_key, address) = rest.split_first_chunk::<KEY_BYTES>()?;
    let address = std::str::from_utf8(address).ok()?;
    let hub_address: HubAddress = address.parse().ok()?;
    // One address has one text, so one invitation has one line.
    (hub_address.as_str() == address).then(|| Invitation {
        hub_address,
        hub_tls_key: *hub_tls_key,
        token: Token::new(*token),
    })
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash: [u8; 32] =
        Sha256::new().chain_update(CHECKSUM_PREFIX).chain_update(body).finalize().into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use qrcode::Version;

    use super::*;
    use crate::address::tests::address;

    fn plain() -> Invitation {
        Invitation {
            hub_address: "192.0.2.7:4433".parse().unwrap(),
            hub_tls_key: [2; 32],
            token: Token::new([1; 16]),
        }
    }

    fn longest() -> Invitation {
        let hub_address = format!("{}.{}:65535", "a".repeat(61), "b".repeat(60));
        Invitation { hub_address: hub_address.parse().unwrap(), ..plain() }
    }

    prop_compose! {
        fn invitation()(
            hub_address in address(),
            hub_tls_key in any::<[u8; 32]>(),
            token in any::<[u8; 16]>(),
        ) -> Invitation {
            Invitation { hub_address, hub_tls_key, token: Token::new(token) }
        }
    }

    /// Lines are on paper and in messages; what one means must not change.
    #[test]
    fn the_line_of_version_1_stays_as_it_is() {
        assert_eq!(
            plain().to_string(),
            "CAIRN1:AEAQCAIBAEAQCAIBAEAQCAIBAEBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEMJZGIXDALRSFY3TUNBUGMZ5ZUWDQE"
        );
    }

    #[test]
    fn people_write_it_as_they_like() {
        let line = plain().to_string();
        check(&line, Ok(()));
        check(&line.to_lowercase(), Ok(()));
        check(&format!(" \t{line}\r\n"), Ok(()));
        check(&grouped(&line, "-"), Ok(()));
        check(&grouped(&line, " "), Ok(()));
        check(&grouped(&line, "\n    "), Ok(()));
    }

    fn grouped(line: &str, separator: &str) -> String {
        let letters: Vec<char> = line.chars().collect();
        let groups: Vec<String> = letters.chunks(8).map(|group| group.iter().collect()).collect();
        groups.join(separator)
    }

    #[test]
    fn a_refusal_says_what_is_wrong_with_the_line() {
        let line = plain().to_string();
        check("", Err(BadInvitation::NotAnInvitation));
        check("hub.example.org:4433", Err(BadInvitation::NotAnInvitation));
        check(&line[1..], Err(BadInvitation::NotAnInvitation));
        check(&line[7..], Err(BadInvitation::NotAnInvitation));
        check(&line.replace("CAIRN1", "CAIRN"), Err(BadInvitation::NotAnInvitation));
        check(&line.replace("CAIRN1", "CAIRNX"), Err(BadInvitation::NotAnInvitation));
        check(&line.replace("CAIRN1", "CAIRN2"), Err(BadInvitation::UnknownVersion));
        check(&line.replace("CAIRN1", "CAIRN10"), Err(BadInvitation::UnknownVersion));
        check("CAIRN1:", Err(BadInvitation::Mistyped));
        check(&line[..line.len() - 1], Err(BadInvitation::Mistyped));
        check(&format!("{line}A"), Err(BadInvitation::Mistyped));
        check(&format!("{line}{line}"), Err(BadInvitation::Mistyped));
        check(&line.replacen("CAIRN1:A", "CAIRN1:0", 1), Err(BadInvitation::Mistyped));
        check(&line.replacen("CAIRN1:A", "CAIRN1:é", 1), Err(BadInvitation::Mistyped));
        check(&"A".repeat(INPUT_BYTES_MAX + 1), Err(BadInvitation::NotAnInvitation));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(), BadInvitation>) {
        assert_eq!(text.parse(), expected.map(|()| plain()), "{text}");
    }

    #[test]
    fn what_no_hub_writes_is_refused_though_its_checksum_fits() {
        let line = |address: &[u8]| {
            let body = [&[1; 16][..], &[2; 32], address].concat();
            let whole = [&body[..], &checksum(&body)].concat();
            format!("CAIRN1:{}", BASE32_NOPAD.encode(&whole))
        };
        let read = |address: &[u8]| line(address).parse::<Invitation>();
        assert_eq!(read(b"192.0.2.7:4433"), Ok(plain()));
        for address in [&b"192.0.2.7"[..], b"", b"HUB.org:4433", b"0.0.0.0:4433", b"\xff:4433"] {
            assert_eq!(read(address), Err(BadInvitation::NotAnInvitation));
        }
    }

    #[test]
    fn the_longest_invitation_fits_a_qr_code_of_version_10() {
        check_fits(&plain(), Version::Normal(5));
        assert_eq!(longest().hub_address.as_str().len(), ADDRESS_BYTES_MAX);
        assert_eq!(longest().to_string().len(), TEXT_CHARS_MAX);
        check_fits(&longest(), Version::Normal(10));
    }

    #[track_caller]
    fn check_fits(invitation: &Invitation, expected: Version) {
        let line = invitation.to_string();
        let code = QrCode::with_error_correction_level(line.as_bytes(), EcLevel::M).unwrap();
        assert_eq!(code.version(), expected, "{} characters", line.len());
    }

    /// Every second row of modules is the upper half of a character.
    #[test]
    fn the_picture_shows_the_modules_with_their_quiet_zone() {
        let line = plain().to_string();
        let code = QrCode::with_error_correction_level(line.as_bytes(), EcLevel::M).unwrap();
        let picture: Vec<Vec<char>> =
            plain().qr().lines().map(|line| line.chars().collect()).collect();
        let is_light = |x: usize, y: usize| match picture[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            ' ' => false,
            other => panic!("{other:?} is no half block"),
        };
        let (width, quiet) = (code.width(), 4);
        for y in 0..width + 2 * quiet {
            for x in 0..width + 2 * quiet {
                let inside =
                    (quiet..width + quiet).contains(&x) && (quiet..width + quiet).contains(&y);
                let dark = inside && code[(x - quiet, y - quiet)] == qrcode::Color::Dark;
                assert_eq!(is_light(x, y), !dark, "{x}, {y}");
            }
        }
        let size = |invitation: Invitation| {
            let picture = invitation.qr();
            (picture.lines().map(|line| line.chars().count()).max(), picture.lines().count())
        };
        assert_eq!(size(longest()), (Some(65), 33));
    }

    #[test]
    fn no_debug_output_holds_the_token() {
        let shown = format!("{:?}", Invitation { token: Token::new([0xa7; 16]), ..plain() });
        assert!(shown.contains("[redacted]") && !shown.contains("167"), "{shown}");
    }

    proptest! {
        #[test]
        fn the_line_leads_back_to_the_invitation(invitation in invitation()) {
            let line = invitation.to_string();
            prop_assert!(line.len() <= TEXT_CHARS_MAX);
            let alphanumeric = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b':';
            prop_assert!(line.bytes().all(alphanumeric));
            prop_assert_eq!(line.parse(), Ok(invitation));
        }

        #[test]
        fn one_wrong_character_is_noticed(
            invitation in invitation(),
            at in any::<prop::sample::Index>(),
            other in "[A-Z2-7]",
        ) {
            let mut line = invitation.to_string();
            let at = "CAIRN1:".len() + at.index(line.len() - "CAIRN1:".len());
            prop_assume!(line[at..=at] != other);
            line.replace_range(at..=at, &other);
            prop_assert_eq!(line.parse::<Invitation>(), Err(BadInvitation::Mistyped));
        }

        #[test]
        fn two_characters_in_the_wrong_order_are_noticed(
            invitation in invitation(),
            at in any::<prop::sample::Index>(),
        ) {
            let mut line = invitation.to_string().into_bytes();
            let at = "CAIRN1:".len() + at.index(line.len() - "CAIRN1:".len() - 1);
            prop_assume!(line[at] != line[at + 1]);
            line.swap(at, at + 1);
            let line = String::from_utf8(line).unwrap();
            prop_assert_eq!(line.parse::<Invitation>(), Err(BadInvitation::Mistyped));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), code in "[A-Z2-7]{0,120}") {
            let _ = text.parse::<Invitation>();
            let _ = format!("CAIRN1:{text}").parse::<Invitation>();
            let _ = format!("CAIRN1:{code}").parse::<Invitation>();
        }
    }
}
