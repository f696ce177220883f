//! The asking side: which pieces are open, and what follows from an answer.

use std::collections::BTreeMap;

use super::{
    Holdings, LIST_MAX, LISTED_MAX, Listed, OPEN_MAX, PARTS, Piece, SUMS_MAX, Said, ShortKey, Span,
    Unsound, Writer, divide, spans, sum_of,
};
use crate::StreamId;

/// Something that was asked of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Sum,
    List,
}

/// The asking side of one reconciliation. It ends whatever the other side answers: a piece is divided
/// only by what is held here, and listed when little is.
#[derive(Debug)]
pub struct Asker {
    held: Holdings,
    /// Pieces that differ and were not asked about yet; the last is next, so that few wait.
    todo: Vec<Span>,
    open: BTreeMap<u32, Vec<(Span, About)>>,
    asked: u32,
    differing: Vec<StreamId>,
}

impl Asker {
    /// For a side that holds this.
    #[must_use]
    pub fn new(held: Holdings) -> Self {
        Self { held, todo: vec![Span::ALL], open: BTreeMap::new(), asked: 0, differing: Vec::new() }
    }

    /// The next question, with its number, unless as many are open as may be.
    pub fn ask(&mut self) -> Option<(u32, Vec<Piece>)> {
        if self.open.len() >= OPEN_MAX {
            return None;
        }
        let (mut sums, mut listed) = (0, 0);
        let mut asked = Vec::new();
        while let Some(span) = self.todo.last() {
            let held = self.held.within(span);
            if held.len() <= LISTED_MAX {
                listed += held.len().max(1);
                if listed > LIST_MAX {
                    break;
                }
                asked.push((*span, About::List));
            } else {
                sums += PARTS;
                if sums > SUMS_MAX {
                    break;
                }
                asked.extend(divide(span, held).into_iter().map(|part| (part, About::Sum)));
            }
            self.todo.pop();
        }
        if asked.is_empty() {
            return None;
        }
        asked.sort_unstable_by_key(|(span, _)| *span);
        self.asked = self.asked.wrapping_add(1);
        let pieces = self.write(&asked);
        self.open.insert(self.asked, asked);
        Some((self.asked, pieces))
    }

    /// A question that is open, once more.
    #[must_use]
    pub fn again(&self, number: u32) -> Option<Vec<Piece>> {
        self.open.get(&number).map(|asked| self.write(asked))
    }

    /// Takes an answer; one to a question that is not open was seen before.
    ///
    /// # Errors
    ///
    /// [`Unsound`] when it does not answer what was asked.
    pub fn answered(&mut self, number: u32, pieces: &[Piece]) -> Result<(), Unsound> {
        let Some(asked) = self.open.get(&number) else { return Ok(()) };
        let mut questions = asked.iter();
        let mut question = questions.next();
        let (mut parts, mut differs, mut found) = (0, Vec::new(), Vec::new());
        for (span, piece) in spans(pieces)?.iter().zip(pieces) {
            while question.is_some_and(|(asked, _)| asked.to.is_some_and(|to| to <= span.from)) {
                question = questions.next();
                parts = 0;
            }
            if piece.said == Said::Nothing {
                continue;
            }
            let Some((asked, about)) = question.filter(|(asked, _)| asked.from <= span.from) else {
                return Err(Unsound::OutOfTurn);
            };
            parts += 1;
            if !span.ends_by(asked) || parts > PARTS {
                return Err(Unsound::OutOfTurn);
            }
            match (&piece.said, about) {
                (Said::Sum(sum), About::Sum) => {
                    if sum_of(self.held.within(span)) != *sum {
                        differs.push(*span);
                    }
                }
                (Said::Tell, About::Sum) => differs.push(*span),
                (Said::Differ(places), About::List) if span == asked => {
                    let held = self.held.within(span);
                    if !places.is_sorted_by(|a, b| a < b) {
                        return Err(Unsound::Order);
                    }
                    for place in places {
                        let held = held.get(usize::from(*place)).ok_or(Unsound::OutOfTurn)?;
                        found.push(held.stream());
                    }
                }
                _ => return Err(Unsound::OutOfTurn),
            }
        }
        self.open.remove(&number);
        self.todo.extend(differs);
        self.differing.extend(found);
        Ok(())
    }

    /// Numbers of the questions that are open.
    pub fn open(&self) -> impl Iterator<Item = u32> + '_ {
        self.open.keys().copied()
    }

    /// Whether everything was asked and answered.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.todo.is_empty() && self.open.is_empty()
    }

    /// The streams held here, in their order, that the other side holds differently or not at all.
    #[must_use]
    pub fn into_differing(mut self) -> Vec<StreamId> {
        self.differing.sort_unstable();
        self.differing.dedup();
        self.differing
    }

    fn write(&self, asked: &[(Span, About)]) -> Vec<Piece> {
        let mut writer = Writer::default();
        for (span, about) in asked {
            let held = self.held.within(span);
            writer.skip_to(&span.from);
            let said = match about {
                About::Sum => Said::Sum(sum_of(held)),
                About::List => {
                    let mut before = span.from;
                    let list = held.iter().map(|held| {
                        let key = ShortKey::shorten(&before, &held.key);
                        before = held.key;
                        Listed { key, mark: held.mark }
                    });
                    Said::List(list.collect())
                }
            };
            writer.piece(span.to, said);
        }
        writer.finish()
    }
}
