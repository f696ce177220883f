//! The answering side: it reads a question and answers from what it holds, and keeps nothing of it.

use super::{
    Held, Holdings, LIST_MAX, LISTED_MAX, Piece, SUMS_MAX, Said, Span, Unsound, Writer, divide,
    spans, sum_of,
};

/// A question that was read and is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub(super) asked: Vec<(Span, Asked)>,
}

/// What is asked of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// Whether this is the sum.
    Sum([u8; 16]),
    /// Which of these, all that the asking side holds there, are held differently.
    List(Vec<Held>),
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    ///
    /// [`Unsound`] for one that no honest side asks.
    pub fn read(pieces: &[Piece]) -> Result<Self, Unsound> {
        let (mut sums, mut listed) = (0, 0);
        let mut asked = Vec::with_capacity(pieces.len());
        for (span, piece) in spans(pieces)?.into_iter().zip(pieces) {
            let what = match &piece.said {
                Said::Nothing => Asked::Nothing,
                Said::Sum(sum) => {
                    sums += 1;
                    Asked::Sum(*sum)
                }
                Said::List(list) => {
                    listed += list.len().max(1);
                    if listed > LIST_MAX {
                        return Err(Unsound::TooMany);
                    }
                    let mut before = span.from;
                    let mut held: Vec<Held> = Vec::with_capacity(list.len());
                    for item in list {
                        let key = item.key.expand(&before).ok_or(Unsound::Order)?;
                        let follows = held.last().map_or(key >= span.from, |last| key > last.key);
                        if !follows || span.to.is_some_and(|to| key >= to) {
                            return Err(Unsound::Order);
                        }
                        held.push(Held { key, mark: item.mark });
                        before = key;
                    }
                    Asked::List(held)
                }
                Said::Tell | Said::Differ(_) => return Err(Unsound::OutOfTurn),
            };
            asked.push((span, what));
        }
        if sums > SUMS_MAX {
            return Err(Unsound::TooMany);
        }
        Ok(Self { asked })
    }

    /// The lists in it, each with its piece of the order.
    pub fn lists(&self) -> impl Iterator<Item = (Span, &[Held])> {
        self.asked.iter().filter_map(|(span, asked)| match asked {
            Asked::List(held) => Some((*span, held.as_slice())),
            Asked::Nothing | Asked::Sum(_) => None,
        })
    }
}

/// Answers `question` from what is held here; `differing` has, for each of its
/// [lists](Question::lists), the places of streams that differ.
#[must_use]
pub fn reply(question: &Question, held: &Holdings, differing: Vec<Vec<u16>>) -> Vec<Piece> {
    let mut differing = differing.into_iter();
    let mut writer = Writer::default();
    for (span, asked) in &question.asked {
        match asked {
            Asked::Nothing => writer.piece(span.to, Said::Nothing),
            Asked::Sum(sum) => {
                let ours = held.within(span);
                if sum_of(ours) == *sum {
                    writer.piece(span.to, Said::Nothing);
                } else if ours.len() <= LISTED_MAX {
                    writer.piece(span.to, Said::Tell);
                } else {
                    for part in divide(span, ours) {
                        writer.piece(part.to, Said::Sum(sum_of(held.within(&part))));
                    }
                }
            }
            Asked::List(_) => match differing.next() {
                Some(places) if !places.is_empty() => writer.piece(span.to, Said::Differ(places)),
                _ => writer.piece(span.to, Said::Nothing),
            },
        }
    }
    writer.finish()
}
