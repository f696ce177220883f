//! A certificate as bytes: what the hub signs and every node keeps.
//!
//! One meaning has one written form. Whatever does not write back to the very bytes it was read
//! from is refused: trailing bytes, numbers written longer than needed.

use serde::{Deserialize, Serialize};
use vocab::slug::SLUG_BYTES_MAX;
use vocab::{FactKind, SiteId, SiteName, Timestamp};

use crate::NodeCertificate;

/// The kind of entry that carries a certificate.
pub const KIND: FactKind = FactKind::NodeCertificate;

/// The written form of a certificate that succeeds none, its first byte.
const VERSION: u8 = 1;

/// The written form of one that names the key it succeeds.
const VERSION_SUCCEEDS: u8 = 2;

/// Longest certificate in bytes: version 1, site 16, name 1 + 64, three keys of 32, a time of up to 10.
pub const CERTIFICATE_BYTES_MAX: usize = 1 + 16 + 1 + SLUG_BYTES_MAX + 3 * 32 + 10;

// The length of a name is one byte.
const _: () = assert!(SLUG_BYTES_MAX < 0x80);

/// Why a payload is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFact {
    /// More than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate is longer than {CERTIFICATE_BYTES_MAX} bytes")]
    TooLong,
    /// Written by a newer program.
    #[error("the certificate has version {0}, which this program does not know")]
    Version(u8),
    /// The bytes cannot be read.
    #[error("the certificate cannot be read")]
    Malformed,
    /// The bytes can be read but are not the one form of what they say.
    #[error("the certificate is not written in its one form")]
    NotCanonical,
}

#[derive(Serialize, Deserialize)]
struct CertificateWire {
    site: [u8; 16],
    site_name: SiteName,
    node_key: [u8; 32],
    tls_key: [u8; 32],
    issued_at: i64,
}

/// The same with one field more. A form of its own, so that a certificate of the first form stays the
/// bytes that it was.
#[derive(Serialize, Deserialize)]
struct SuccessorWire {
    certificate: CertificateWire,
    succeeds: [u8; 32],
}

impl NodeCertificate {
    /// Its canonical bytes, at most [`CERTIFICATE_BYTES_MAX`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = CertificateWire {
            site: self.site.bytes(),
            site_name: self.site_name.clone(),
            node_key: self.node_key,
            tls_key: self.tls_key,
            issued_at: self.issued_at.nanos(),
        };
        // Writing into memory cannot fail: postcard refuses a full buffer and a sequence of unknown
        // length, and neither exists here. An empty result would be refused by every reader.
        let written = match self.succeeds {
            None => postcard::to_extend(&wire, vec![VERSION]),
            Some(succeeds) => {
                let wire = SuccessorWire { certificate: wire, succeeds };
                postcard::to_extend(&wire, vec![VERSION_SUCCEEDS])
            }
        };
        debug_assert!(written.is_ok(), "writing into memory failed");
        written.unwrap_or_default()
    }

    /// Reads the payload of an entry of [`KIND`]. Whether the hub signed it is the entry's matter.
    ///
    /// # Errors
    ///
    /// [`BadFact`]; nothing of a payload that is not understood whole counts.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadFact> {
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(BadFact::TooLong);
        }
        let (version, body) = bytes.split_first().ok_or(BadFact::Malformed)?;
        let (wire, succeeds) = match *version {
            VERSION => {
                let wire: CertificateWire =
                    postcard::from_bytes(body).map_err(|_| BadFact::Malformed)?;
                (wire, None)
            }
            VERSION_SUCCEEDS => {
                let SuccessorWire { certificate, succeeds } =
                    postcard::from_bytes(body).map_err(|_| BadFact::Malformed)?;
                (certificate, Some(succeeds))
            }
            other => return Err(BadFact::Version(other)),
        };
        let certificate = Self {
            site: SiteId::from_bytes(wire.site),
            site_name: wire.site_name,
            node_key: wire.node_key,
            tls_key: wire.tls_key,
            issued_at: Timestamp::from_nanos(wire.issued_at),
            succeeds,
        };
        if certificate.to_bytes() != bytes {
            return Err(BadFact::NotCanonical);
        }
        Ok(certificate)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        pub(crate) fn certificate()(
            site in any::<[u8; 16]>(),
            name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            node_key in any::<[u8; 32]>(),
            tls_key in any::<[u8; 32]>(),
            issued_at in any::<i64>(),
            succeeds in any::<Option<[u8; 32]>>(),
        ) -> NodeCertificate {
            NodeCertificate {
                site: SiteId::from_bytes(site),
                site_name: name.parse().unwrap(),
                node_key,
                tls_key,
                issued_at: Timestamp::from_nanos(issued_at),
                succeeds,
            }
        }
    }

    fn plain() -> NodeCertificate {
        NodeCertificate {
            site: SiteId::from_bytes([1; 16]),
            site_name: "north".parse().unwrap(),
            node_key: [2; 32],
            tls_key: [3; 32],
            issued_at: Timestamp::from_nanos(5),
            succeeds: None,
        }
    }

    proptest! {
        #[test]
        fn a_certificate_reads_back_as_itself(certificate in certificate()) {
            let bytes = certificate.to_bytes();
            prop_assert!(bytes.len() <= CERTIFICATE_BYTES_MAX);
            prop_assert_eq!(NodeCertificate::from_bytes(&bytes), Ok(certificate));
        }

        #[test]
        fn what_was_read_writes_back_to_the_same_bytes(
            certificate in certificate(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = certificate.to_bytes();
            *at.get_mut(&mut bytes) = byte;
            if let Ok(read) = NodeCertificate::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), version in VERSION..=VERSION_SUCCEEDS) {
            let _ = NodeCertificate::from_bytes(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let _ = NodeCertificate::from_bytes(&bytes);
        }
    }

    #[test]
    fn every_departure_from_the_one_form_is_refused() {
        let bytes = plain().to_bytes();
        check(&bytes, None);
        check(&[], Some(BadFact::Malformed));
        check(&[&[2], &bytes[1..]].concat(), Some(BadFact::Malformed));
        check(&[&[3], &bytes[1..]].concat(), Some(BadFact::Version(3)));
        check(&[&bytes[..], &[0]].concat(), Some(BadFact::NotCanonical));
        check(&bytes[..bytes.len() - 1], Some(BadFact::Malformed));
        // Version, site, then the length of the name.
        let length = 1 + 16;
        assert_eq!(bytes[length], 5);
        let longer_number = [&bytes[..length], &[0x85, 0], &bytes[length + 1..]].concat();
        check(&longer_number, Some(BadFact::NotCanonical));
        let mut bad_name = bytes;
        bad_name[length + 1] = b'=';
        check(&bad_name, Some(BadFact::Malformed));
        check(&[VERSION; CERTIFICATE_BYTES_MAX + 1], Some(BadFact::TooLong));
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Option<BadFact>) {
        assert_eq!(NodeCertificate::from_bytes(bytes).err(), expected);
    }

    /// The signed form must not move: a change here makes every kept certificate unreadable.
    #[test]
    fn the_bytes_of_version_1_stay_as_they_are() {
        let expected =
            ["01", &"01".repeat(16), "056e6f727468", &"02".repeat(32), &"03".repeat(32), "0a"];
        assert_eq!(data_encoding::HEXLOWER.encode(&plain().to_bytes()), expected.concat());
    }

    #[test]
    fn the_bytes_of_version_2_are_those_of_version_1_and_the_key_it_succeeds() {
        let successor = NodeCertificate { succeeds: Some([4; 32]), ..plain() };
        let expected = [&[2], &plain().to_bytes()[1..], &[4; 32]].concat();
        assert_eq!(successor.to_bytes(), expected);
        assert_eq!(NodeCertificate::from_bytes(&expected), Ok(successor));
    }
}
