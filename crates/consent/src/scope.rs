//! What a permission reaches: whose hands, which parts of a record, for what, to do what.

use std::marker::PhantomData;

use vocab::{Compartment, Purpose, SiteId};

/// What somebody wants to do with a part of a record. Numbers are on the wire and never change
/// their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    /// Look at it.
    View = 1,
    /// Hold a copy and keep it current.
    Replicate = 2,
    /// Add to it.
    Write = 3,
    /// Hand it out as a file or on paper.
    Export = 4,
    /// Let a model read it.
    AiUse = 5,
}

/// Who is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// One clinic.
    Site(SiteId),
    /// Every clinic of this network. Never a default; somebody has to choose it.
    AnySite,
}

impl Recipient {
    /// Whether `site` is meant.
    #[must_use]
    pub fn includes(self, site: SiteId) -> bool {
        match self {
            Self::Site(named) => named == site,
            Self::AnySite => true,
        }
    }
}

/// Something that has a small number on the wire and can stand in a [`SetOf`].
pub trait Member: Copy + 'static {
    /// Every value that this version knows.
    const ALL: &'static [Self];

    /// The number on the wire, 1 to 31.
    fn number(self) -> u8;
}

impl Member for Action {
    const ALL: &'static [Self] =
        &[Self::View, Self::Replicate, Self::Write, Self::Export, Self::AiUse];

    fn number(self) -> u8 {
        self as u8
    }
}

impl Member for Compartment {
    const ALL: &'static [Self] = &Self::ALL;

    fn number(self) -> u8 {
        Self::number(self)
    }
}

impl Member for Purpose {
    const ALL: &'static [Self] = &Self::ALL;

    fn number(self) -> u8 {
        Self::number(self)
    }
}

/// A set with exactly one written form: bit `n` stands for the value with number `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetOf<T> {
    bits: u32,
    of: PhantomData<T>,
}

impl<T: Member> SetOf<T> {
    /// The set of these values.
    #[must_use]
    pub fn of(members: &[T]) -> Self {
        let bits = members.iter().fold(0, |bits, member| bits | bit(*member));
        Self { bits, of: PhantomData }
    }

    /// Reads a set from its written form; `None` if it names a value this version does not know.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        let known = Self::of(T::ALL).bits;
        (bits & !known == 0).then_some(Self { bits, of: PhantomData })
    }

    /// The written form.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether `member` is in it.
    #[must_use]
    pub fn contains(self, member: T) -> bool {
        self.bits & bit(member) != 0
    }

    /// The values in it, by number.
    pub fn iter(self) -> impl Iterator<Item = T> {
        T::ALL.iter().copied().filter(move |member| self.contains(*member))
    }
}

fn bit<T: Member>(member: T) -> u32 {
    1 << (member.number() & 31)
}

/// Whether a compartment is closed unless it is named on its own: health of mind, sexuality, HIV,
/// substance use, genes, violence. Screens ask for each of these separately.
#[must_use]
pub const fn is_sensitive(compartment: Compartment) -> bool {
    match compartment {
        Compartment::MentalHealth
        | Compartment::SexualReproductive
        | Compartment::HivSti
        | Compartment::SubstanceUse
        | Compartment::Genetic
        | Compartment::Violence => true,
        Compartment::Identity
        | Compartment::Lifesaver
        | Compartment::Vitals
        | Compartment::Clinical
        | Compartment::Medication
        | Compartment::Laboratory
        | Compartment::Imaging
        | Compartment::MaternalChild
        | Compartment::Billing
        | Compartment::Administrative
        | Compartment::Alerts
        | Compartment::Consent => false,
    }
}

/// The compartment that a grant must name for `asked` to be released; `None` if none can.
///
/// Alerts say what the readings say, so they follow [`Compartment::Vitals`] and are never named
/// themselves. The record of consent itself tells where a person is treated and whom they distrust:
/// no grant releases it.
#[must_use]
pub const fn governed_by(asked: Compartment) -> Option<Compartment> {
    match asked {
        Compartment::Alerts => Some(Compartment::Vitals),
        Compartment::Consent => None,
        Compartment::Identity
        | Compartment::Lifesaver
        | Compartment::Vitals
        | Compartment::Clinical
        | Compartment::Medication
        | Compartment::Laboratory
        | Compartment::Imaging
        | Compartment::MaternalChild
        | Compartment::MentalHealth
        | Compartment::SexualReproductive
        | Compartment::HivSti
        | Compartment::SubstanceUse
        | Compartment::Genetic
        | Compartment::Violence
        | Compartment::Billing
        | Compartment::Administrative => Some(asked),
    }
}

/// Whether a grant may name `compartment`.
#[must_use]
pub fn is_grantable(compartment: Compartment) -> bool {
    governed_by(compartment) == Some(compartment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set = SetOf::of(&[Compartment::Vitals, Compartment::Identity]);
        let held: Vec<_> = set.iter().collect();
        assert_eq!(held, [Compartment::Identity, Compartment::Vitals]);
        assert_eq!(SetOf::from_bits(set.bits()), Some(set));
        assert!(!set.is_empty() && SetOf::<Compartment>::of(&[]).is_empty());
    }

    #[test]
    fn unknown_numbers_are_no_set() {
        check_unknown::<Action>(&[0, 6, 31]);
        check_unknown::<Purpose>(&[0, 8, 31]);
        check_unknown::<Compartment>(&[0, 19, 31]);
    }

    #[track_caller]
    fn check_unknown<T: Member>(numbers: &[u8]) {
        assert!(SetOf::<T>::from_bits(SetOf::<T>::of(T::ALL).bits()).is_some());
        for number in numbers {
            assert!(SetOf::<T>::from_bits(1 << number).is_none(), "{number}");
        }
    }

    #[test]
    fn six_compartments_are_sensitive() {
        let sensitive: Vec<u8> =
            Compartment::ALL.into_iter().filter(|c| is_sensitive(*c)).map(|c| c.number()).collect();
        assert_eq!(sensitive, [9, 10, 11, 12, 13, 14]);
    }

    #[test]
    fn alerts_follow_vitals_and_consent_is_never_granted() {
        for compartment in Compartment::ALL {
            let expected = match compartment.name() {
                "alerts" => Some(Compartment::Vitals),
                "consent" => None,
                _ => Some(compartment),
            };
            assert_eq!(governed_by(compartment), expected);
            assert_eq!(is_grantable(compartment), expected == Some(compartment));
        }
    }
}
