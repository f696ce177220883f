//! The question and the answer as bytes. One meaning has one form; anything else is refused.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{JoinRequest, JoinResponse, Joined};
use crate::fact::CERTIFICATE_BYTES_MAX;
use crate::{NodeCertificate, Refusal, Token};

/// The written form of this version, the first byte of both.
const VERSION: u8 = 1;

/// Length of a request in bytes, exactly: version 1, token 16, key 32, signature 64.
pub const REQUEST_BYTES_MAX: usize = 1 + 16 + 32 + 64;

/// Longest response in bytes: version 1, which answer 1, key 32, certificate with its length.
pub const RESPONSE_BYTES_MAX: usize = 1 + 1 + 32 + 2 + CERTIFICATE_BYTES_MAX;

// What the transport lets a stranger ask: one request of 4 KiB.
const _: () = assert!(REQUEST_BYTES_MAX <= 4 * 1024);

/// Why bytes are no request or no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// More than there can be.
    #[error("the message is longer than any of its kind")]
    TooLong,
    /// Written by a newer program.
    #[error("the message has version {0}, which this program does not know")]
    Version(u8),
    /// The bytes cannot be read, or are not the one form of what they say.
    #[error("the message cannot be read")]
    Malformed,
}

impl From<BadMessage> for Refusal {
    fn from(_: BadMessage) -> Self {
        Self::Malformed
    }
}

#[derive(Serialize, Deserialize)]
struct RequestWire {
    token: [u8; 16],
    node_key: [u8; 32],
    signature: [[u8; 32]; 2],
}

/// Numbers are the order of the lines; new ones come last.
#[derive(Serialize, Deserialize)]
enum ResponseWire {
    Accepted { hub_node_key: [u8; 32], certificate: Vec<u8> },
    Refused(RefusalWire),
}

#[derive(Serialize, Deserialize)]
enum RefusalWire {
    Used,
    Expired,
    Foreign,
    TooManyTries { retry_after_s: u32 },
    KeyKnown,
    Malformed,
    BadProof,
    NotCurrent,
}

impl JoinRequest {
    /// Its canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (first, second) = self.signature.split_at(32);
        let half = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).unwrap_or_default();
        Zeroizing::new(write(&RequestWire {
            token: *self.token.bytes(),
            node_key: self.node_key,
            signature: [half(first), half(second)],
        }))
    }

    /// Reads what a stranger sent.
    ///
    /// # Errors
    ///
    /// [`BadMessage`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadMessage> {
        let wire: RequestWire = read(bytes, REQUEST_BYTES_MAX)?;
        let mut signature = [0; 64];
        signature.copy_from_slice(wire.signature.as_flattened());
        Ok(Self { token: Token::new(wire.token), node_key: wire.node_key, signature })
    }
}

impl JoinResponse {
    /// Its canonical bytes, at most [`RESPONSE_BYTES_MAX`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write(&match self {
            Self::Accepted(joined) => ResponseWire::Accepted {
                hub_node_key: joined.hub_node_key,
                certificate: joined.certificate.to_bytes(),
            },
            Self::Refused(refusal) => ResponseWire::Refused((*refusal).into()),
        })
    }

    /// Reads what the hub sent.
    ///
    /// # Errors
    ///
    /// [`BadMessage`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadMessage> {
        Ok(match read(bytes, RESPONSE_BYTES_MAX)? {
            ResponseWire::Accepted { hub_node_key, certificate } => {
                let certificate =
                    NodeCertificate::from_bytes(&certificate).map_err(|_| BadMessage::Malformed)?;
                Self::Accepted(Joined { hub_node_key, certificate })
            }
            ResponseWire::Refused(refusal) => Self::Refused(refusal.into()),
        })
    }
}

impl From<Refusal> for RefusalWire {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Used => Self::Used,
            Refusal::Expired => Self::Expired,
            Refusal::Foreign => Self::Foreign,
            Refusal::TooManyTries { retry_after_s } => Self::TooManyTries { retry_after_s },
            Refusal::KeyKnown => Self::KeyKnown,
            Refusal::Malformed => Self::Malformed,
            Refusal::BadProof => Self::BadProof,
            Refusal::NotCurrent => Self::NotCurrent,
        }
    }
}

impl From<RefusalWire> for Refusal {
    fn from(wire: RefusalWire) -> Self {
        match wire {
            RefusalWire::Used => Self::Used,
            RefusalWire::Expired => Self::Expired,
            RefusalWire::Foreign => Self::Foreign,
            RefusalWire::TooManyTries { retry_after_s } => Self::TooManyTries { retry_after_s },
            RefusalWire::KeyKnown => Self::KeyKnown,
            RefusalWire::Malformed => Self::Malformed,
            RefusalWire::BadProof => Self::BadProof,
            RefusalWire::NotCurrent => Self::NotCurrent,
        }
    }
}

/// Writing into memory cannot fail; an empty result would be refused by every reader.
fn write(wire: &impl Serialize) -> Vec<u8> {
    let written = postcard::to_extend(wire, vec![VERSION]);
    debug_assert!(written.is_ok(), "writing into memory failed");
    written.unwrap_or_default()
}

fn read<T: Serialize + for<'a> Deserialize<'a>>(
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, BadMessage> {
    if bytes.len() > bytes_max {
        return Err(BadMessage::TooLong);
    }
    let (version, body) = bytes.split_first().ok_or(BadMessage::Malformed)?;
    if *version != VERSION {
        return Err(BadMessage::Version(*version));
    }
    let wire = postcard::from_bytes(body).map_err(|_| BadMessage::Malformed)?;
    if write(&wire) == bytes { Ok(wire) } else { Err(BadMessage::Malformed) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fact::tests::certificate;

    prop_compose! {
        fn request()(
            token in any::<[u8; 16]>(),
            node_key in any::<[u8; 32]>(),
            signature in any::<[[u8; 32]; 2]>(),
        ) -> JoinRequest {
            let signature = signature.as_flattened().try_into().unwrap();
            JoinRequest { token: Token::new(token), node_key, signature }
        }
    }

    fn response() -> impl Strategy<Value = JoinResponse> {
        prop_oneof![
            (any::<[u8; 32]>(), certificate()).prop_map(|(hub_node_key, certificate)| {
                JoinResponse::Accepted(Joined { hub_node_key, certificate })
            }),
            prop::sample::select(&Refusal::ALL[..]).prop_map(JoinResponse::Refused),
            any::<u32>().prop_map(|retry_after_s| {
                JoinResponse::Refused(Refusal::TooManyTries { retry_after_s })
            }),
        ]
    }

    proptest! {
        #[test]
        fn messages_read_back_as_themselves(request in request(), response in response()) {
            let bytes = request.to_bytes();
            prop_assert_eq!(bytes.len(), REQUEST_BYTES_MAX);
            prop_assert_eq!(JoinRequest::from_bytes(&bytes), Ok(request));
            let bytes = response.to_bytes();
            prop_assert!(bytes.len() <= RESPONSE_BYTES_MAX);
            prop_assert_eq!(JoinResponse::from_bytes(&bytes), Ok(response));
        }

        #[test]
        fn what_was_read_writes_back_to_the_same_bytes(
            response in response(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = response.to_bytes();
            *at.get_mut(&mut bytes) = byte;
            if let Ok(read) = JoinResponse::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..240)) {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let _ = JoinRequest::from_bytes(&bytes);
            let _ = JoinResponse::from_bytes(&bytes);
        }

        #[test]
        fn a_cut_or_lengthened_message_is_refused(
            request in request(),
            response in response(),
            more in any::<u8>(),
        ) {
            let (mut asked, mut answered) = (request.to_bytes().to_vec(), response.to_bytes());
            asked.push(more);
            answered.push(more);
            prop_assert_eq!(JoinRequest::from_bytes(&asked), Err(BadMessage::TooLong));
            prop_assert!(JoinResponse::from_bytes(&answered).is_err());
            asked.truncate(asked.len() - 2);
            answered.truncate(answered.len() - 2);
            prop_assert_eq!(JoinRequest::from_bytes(&asked), Err(BadMessage::Malformed));
            prop_assert!(JoinResponse::from_bytes(&answered).is_err());
        }
    }

    #[test]
    fn what_is_no_answer_is_refused_with_its_cause() {
        check(&[], Err(BadMessage::Malformed));
        check(&[VERSION], Err(BadMessage::Malformed));
        check(&[2, 1, 0], Err(BadMessage::Version(2)));
        check(&[VERSION; RESPONSE_BYTES_MAX + 1], Err(BadMessage::TooLong));
        // An answer and a reason that only a newer hub gives.
        check(&[VERSION, 2], Err(BadMessage::Malformed));
        check(&[VERSION, 1, 8], Err(BadMessage::Malformed));
        // A number written longer than needed.
        check(&[VERSION, 1, 0x80, 0], Err(BadMessage::Malformed));
        // A certificate that is none.
        check(&[&[VERSION, 0][..], &[9; 32], &[1, 9]].concat(), Err(BadMessage::Malformed));
    }

    /// An older node must read the reasons of a newer hub as they were meant.
    #[test]
    fn the_numbers_of_the_reasons_stay_as_they_are() {
        check(&[VERSION, 1, 0], Ok(Refusal::Used));
        check(&[VERSION, 1, 1], Ok(Refusal::Expired));
        check(&[VERSION, 1, 2], Ok(Refusal::Foreign));
        check(&[VERSION, 1, 3, 60], Ok(Refusal::TooManyTries { retry_after_s: 60 }));
        check(&[VERSION, 1, 4], Ok(Refusal::KeyKnown));
        check(&[VERSION, 1, 5], Ok(Refusal::Malformed));
        check(&[VERSION, 1, 6], Ok(Refusal::BadProof));
        check(&[VERSION, 1, 7], Ok(Refusal::NotCurrent));
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<Refusal, BadMessage>) {
        assert_eq!(JoinResponse::from_bytes(bytes), expected.map(JoinResponse::Refused));
    }
}
