//! Why a site is not let in, in words for the person who tried.

/// The hub's reason. Displayed, it is a sentence that says what happened and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A node got in with this invitation.
    #[error(
        "This invitation was used already, and each works only once. Ask the operator of the hub \
         for a new one; if it was not you who used it, say so."
    )]
    Used,
    /// Its time is over, or a newer one for the same site took its place.
    #[error(
        "This invitation is no longer valid: each lasts 24 hours, and a newer one for the same site \
         replaces it. Ask the operator of the hub for a new one."
    )]
    Expired,
    /// This hub never issued it.
    #[error(
        "This hub did not issue this invitation. Check that it is the one meant for this clinic, or \
         ask the operator of the hub for a new one."
    )]
    Foreign,
    /// Too many tries with wrong invitations from the same place.
    #[error(
        "Too many wrong invitations were tried from this network. Wait {} and try again.",
        in_minutes(*retry_after_s)
    )]
    TooManyTries {
        /// When the next try is heard, in seconds from now.
        retry_after_s: u32,
    },
    /// The hub knows the key that signs entries or the key that the connection was made with.
    #[error(
        "This node has joined the hub before, and its keys are not let in a second time. If it is \
         to join anew, set it up again with keys of its own (edge-node init in an empty folder)."
    )]
    KeyKnown,
    /// The hub cannot read the request.
    #[error(
        "The hub does not understand this node's request. Update the program on both sides to the \
         same version and try again."
    )]
    Malformed,
    /// The request is not signed by the key it names, or was made for another hub or connection, or
    /// one of the keys is one that nobody should have.
    #[error(
        "This node could not prove that its keys are its own. Check that its folder is complete and \
         not a copy of another node's, then try again."
    )]
    BadProof,
    /// The key that a node would go over from is not, or no longer, a node's here.
    #[error(
        "The hub does not know the keys that this node would change as those of a node that is let in: \
         it was replaced, shut out, or changed its keys elsewhere. Ask the operator of the hub for an \
         invitation."
    )]
    NotCurrent,
}

impl Refusal {
    /// One of each.
    pub const ALL: [Self; 8] = [
        Self::Used,
        Self::Expired,
        Self::Foreign,
        Self::TooManyTries { retry_after_s: 3_600 },
        Self::KeyKnown,
        Self::Malformed,
        Self::BadProof,
        Self::NotCurrent,
    ];

    /// Whether it counts against where the request came from: somebody who guesses gets nothing
    /// else. A used or expired invitation was a real one, so its holder is no stranger.
    #[must_use]
    pub const fn is_wrong_try(self) -> bool {
        match self {
            Self::Foreign | Self::Malformed | Self::BadProof => true,
            Self::Used
            | Self::Expired
            | Self::TooManyTries { .. }
            | Self::KeyKnown
            | Self::NotCurrent => false,
        }
    }
}

/// Rounded up: who waits that long is not sent away again.
fn in_minutes(seconds: u32) -> String {
    match seconds.div_ceil(60) {
        0 | 1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_sentence_of_its_own_that_says_what_to_do() {
        let sentences: BTreeSet<String> =
            Refusal::ALL.iter().map(|refusal| refusal.to_string()).collect();
        assert_eq!(sentences.len(), Refusal::ALL.len());
        let advice = ["Ask", "Check", "Wait", "Update", "set it up"];
        for sentence in sentences {
            assert!(advice.iter().any(|word| sentence.contains(word)), "{sentence}");
            assert!(!sentence.contains("  ") && sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn a_wait_is_told_in_minutes_rounded_up() {
        check(0, "Wait a minute and");
        check(60, "Wait a minute and");
        check(61, "Wait 2 minutes and");
        check(3_600, "Wait 60 minutes and");
    }

    #[track_caller]
    fn check(retry_after_s: u32, expected: &str) {
        let sentence = Refusal::TooManyTries { retry_after_s }.to_string();
        assert!(sentence.contains(expected), "{sentence}");
    }
}
