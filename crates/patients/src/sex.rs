//! Sex for administration.

/// The sex that the patient's papers say, which is not a statement about biology or identity.
///
/// Source: FHIR R4, value set `administrative-gender`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sex {
    /// `male`
    Male,
    /// `female`
    Female,
    /// `other`
    Other,
    /// `unknown`, also when nobody has said.
    #[default]
    Unknown,
}

/// The text is none of the four codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sex is one of male, female, other, unknown")]
pub struct BadSex;

impl Sex {
    /// Every code.
    pub const ALL: [Self; 4] = [Self::Male, Self::Female, Self::Other, Self::Unknown];

    /// Reads a code.
    ///
    /// # Errors
    ///
    /// [`BadSex`].
    pub fn parse(text: &str) -> Result<Self, BadSex> {
        Self::ALL.into_iter().find(|sex| sex.code() == text).ok_or(BadSex)
    }

    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_codes_lead_back_and_nothing_else_is_taken() {
        for sex in Sex::ALL {
            assert_eq!(Sex::parse(sex.code()), Ok(sex));
        }
        for text in ["", "Male", "m", "F"] {
            assert_eq!(Sex::parse(text), Err(BadSex), "{text}");
        }
    }
}
