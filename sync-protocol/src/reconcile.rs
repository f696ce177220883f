//! Finding which streams two nodes hold differently, when most are equal: range-based set
//! reconciliation over the order of stream ids.
//!
//! One side asks: it names pieces of the order and the sum of what it holds in each. The other
//! answers with nothing where its own sum is the same, and with the sums of smaller pieces where it is
//! not, until a piece is so small that the asking side lists it. Equal sets take one question and an
//! answer of a few bytes; one stream of 300,000 that differs takes three questions. Each question
//! means the same alone, so one that was lost is asked again and the answering side keeps nothing
//! of the conversation.
//!
//! What is compared is a [`Mark`] of each stream, made from its id, count and sum. Sums of marks can
//! be forged by whoever chooses many entries; the two who compare here are honest and at most faulty.

mod answer;
mod ask;

use serde::{Deserialize, Serialize};

use crate::StreamId;
use crate::message::StreamState;

pub use answer::{Asked, Question, reply};
pub use ask::Asker;

/// Parts that a piece of which the sums differ is divided into.
pub const PARTS: usize = 16;

/// Of so few streams a piece is listed instead of divided.
pub const LISTED_MAX: usize = 16;

/// Sums in one question. Each may be answered by [`PARTS`] sums of some 23 bytes: an answer stays
/// below 12 KiB.
pub const SUMS_MAX: usize = 2 * PARTS;

/// Streams listed in one question: at most 38 bytes each, some 24 as streams of one subject share
/// most of their ids. A question stays below 20 KiB.
pub const LIST_MAX: usize = 512;

/// Questions that may be open at once, so that a link with a long way does not stand idle: what they
/// and their answers hold in memory stays below 3 MiB at either end.
pub const OPEN_MAX: usize = 128;

/// Streams that can be compared: the largest edge holds about 300,000, in 36 bytes each. Of more, the
/// first million in their order are.
pub const STREAMS_MAX: usize = 1_000_000;

/// Pieces in one message: what an honest side needs between its sums or lists, and around them.
const PIECES_MAX: usize = 2 * SUMS_MAX * PARTS + 1;

/// A stream's place in the order: its id as bytes.
pub(crate) type Key = [u8; StreamId::BYTES];

/// Why a message of a reconciliation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// More of something than allowed.
    #[error("more pieces, sums or streams than one message may have")]
    TooMany,
    /// Pieces or streams that are not in their order, or not where they are said to be.
    #[error("pieces that are not in order")]
    Order,
    /// Something that the other side says, or that answers nothing.
    #[error("said out of turn")]
    OutOfTurn,
}

/// What a stream and all that is held of it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(pub [u8; 16]);

impl Mark {
    /// Of a stream with this count and sum.
    #[must_use]
    pub fn of(state: &StreamState) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"held");
        hasher.update(&state.stream.bytes());
        hasher.update(&state.count.to_be_bytes());
        hasher.update(&state.sum);
        Self(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

/// A stream with its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    key: Key,
    /// What is held of it.
    pub mark: Mark,
}

impl Held {
    /// Which stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId::from_bytes(&self.key)
    }
}

impl From<&StreamState> for Held {
    fn from(state: &StreamState) -> Self {
        Self { key: state.stream.bytes(), mark: Mark::of(state) }
    }
}

/// What one side says that it holds of a stream, where that is not what the other has on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which stream.
    pub stream: StreamId,
    /// What is held of it; `None` is nothing.
    pub mark: Option<Mark>,
    /// Its place in the list, if it is there.
    pub place: Option<u16>,
}

/// All streams of one side, in their order.
#[derive(Clone, Debug, Default)]
pub struct Holdings(Vec<Held>);

impl Holdings {
    /// From what is held of each, in any order. A stream that is held with nothing in it is left out,
    /// because to hold nothing of it is the same.
    #[must_use]
    pub fn new(streams: &[StreamState]) -> Self {
        let mut held: Vec<Held> =
            streams.iter().filter(|state| state.count > 0).map(Held::from).collect();
        held.sort_unstable_by_key(|held| held.key);
        held.dedup_by_key(|held| held.key);
        held.truncate(STREAMS_MAX);
        held.shrink_to_fit();
        Self(held)
    }

    /// How many streams.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those in a piece of the order.
    fn within(&self, span: &Span) -> &[Held] {
        let low = self.0.partition_point(|held| held.key < span.from);
        let high = span.to.map_or(self.0.len(), |to| self.0.partition_point(|held| held.key < to));
        self.0.get(low..high).unwrap_or_default()
    }

    /// What the other side is to be taken at its word for: streams of a piece of which it holds something
    /// else, where `listed` is all that it holds there. In their order, after `after` and at most
    /// `claims_max`.
    #[must_use]
    pub fn claims(
        &self,
        span: &Span,
        listed: &[Held],
        after: Option<&StreamId>,
        claims_max: usize,
    ) -> Vec<Claim> {
        let after = after.map(StreamId::bytes);
        let is_next = |key: &Key| after.is_none_or(|after| *key > after);
        let mut ours = self.within(span).iter().filter(|held| is_next(&held.key)).peekable();
        let mut claims = Vec::new();
        for (place, theirs) in (0..).zip(listed).filter(|(_, held)| is_next(&held.key)) {
            while let Some(only) = ours.next_if(|ours| ours.key < theirs.key) {
                claims.push(Claim { stream: only.stream(), mark: None, place: None });
            }
            let same = ours.next_if(|ours| ours.key == theirs.key);
            if same.map(|ours| ours.mark) != Some(theirs.mark) {
                let (stream, mark) = (theirs.stream(), Some(theirs.mark));
                claims.push(Claim { stream, mark, place: Some(place) });
            }
            if claims.len() >= claims_max {
                claims.truncate(claims_max);
                return claims;
            }
        }
        let rest = ours.map(|only| Claim { stream: only.stream(), mark: None, place: None });
        let room = claims_max - claims.len();
        claims.extend(rest.take(room));
        claims
    }

    /// The places in `listed`, all that the other side holds in a piece, of those that this side holds
    /// differently or not at all.
    #[must_use]
    pub fn differing(&self, span: &Span, listed: &[Held]) -> Vec<u16> {
        let ours = self.within(span);
        let mark_of = |key: &Key| {
            let place = ours.binary_search_by_key(key, |held| held.key).ok()?;
            ours.get(place).map(|held| held.mark)
        };
        let differs = listed.iter().map(|held| mark_of(&held.key) != Some(held.mark));
        (0..).zip(differs).filter_map(|(place, differs)| differs.then_some(place)).collect()
    }
}

fn sum_of(held: &[Held]) -> [u8; 16] {
    let marks = held.iter().map(|held| u128::from_le_bytes(held.mark.0));
    marks.fold(0, u128::wrapping_add).to_le_bytes()
}

/// A piece of the order of streams: from one id up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    from: Key,
    /// `None` is the end of the order.
    to: Option<Key>,
}

impl Span {
    /// The whole order.
    pub const ALL: Self = Self { from: [0; StreamId::BYTES], to: None };

    fn ends_by(&self, other: &Self) -> bool {
        match (self.to, other.to) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => ours <= theirs,
        }
    }
}

/// An id as it is written: how many bytes it has in common with the one before it in the message, and
/// the rest without the zeros at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortKey {
    common: u8,
    #[serde(with = "serde_bytes")]
    rest: Vec<u8>,
}

impl ShortKey {
    fn shorten(before: &Key, key: &Key) -> Self {
        let common = before.iter().zip(key).take_while(|(a, b)| a == b).count();
        let rest = key.get(common..).unwrap_or_default();
        let len = rest.len() - rest.iter().rev().take_while(|byte| **byte == 0).count();
        let rest = rest.get(..len).unwrap_or_default().to_vec();
        Self { common: u8::try_from(common).unwrap_or(u8::MAX), rest }
    }

    /// `None` for what [`shorten`](Self::shorten) does not write.
    fn expand(&self, before: &Key) -> Option<Key> {
        let common = usize::from(self.common);
        let mut key = [0; StreamId::BYTES];
        key.get_mut(..common)?.copy_from_slice(before.get(..common)?);
        key.get_mut(common..)?.get_mut(..self.rest.len())?.copy_from_slice(&self.rest);
        (Self::shorten(before, &key) == *self).then_some(key)
    }
}

/// A piece of the order, and what is said of it. It begins where the one before it in the message
/// ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Where it ends; `None` is the end of the order, and of the message.
    pub end: Option<ShortKey>,
    /// What is said.
    pub said: Said,
}

/// What is said of a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// Nothing is asked, or nothing differs.
    Nothing,
    /// What all the speaker holds there comes to.
    Sum([u8; 16]),
    /// Asked only: each stream that the asking side holds there.
    List(Vec<Listed>),
    /// Answered only: so little is held there that the asking side is to list, or divide, it.
    Tell,
    /// Answered to a list only: places in it of the streams that are held differently.
    Differ(Vec<u16>),
}

/// A stream in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Which; short beside the one before it in the list, or the beginning of the piece.
    pub key: ShortKey,
    /// What is held of it.
    pub mark: Mark,
}

/// Writes pieces one after the other; neighbours of which nothing is said become one.
#[derive(Debug, Default)]
struct Writer {
    pieces: Vec<Piece>,
    before: Key,
    /// Where a piece of which nothing is said ends, if the last one is that.
    nothing: Option<Option<Key>>,
}

impl Writer {
    fn piece(&mut self, to: Option<Key>, said: Said) {
        if said == Said::Nothing {
            self.nothing = Some(to);
            return;
        }
        self.flush();
        self.put(to, said);
    }

    /// Says nothing of what lies between the last piece and `from`.
    fn skip_to(&mut self, from: &Key) {
        let at = self.nothing.unwrap_or(Some(self.before));
        if at.is_some_and(|at| at < *from) {
            self.nothing = Some(Some(*from));
        }
    }

    fn flush(&mut self) {
        if let Some(to) = self.nothing.take() {
            self.put(to, Said::Nothing);
        }
    }

    fn put(&mut self, to: Option<Key>, said: Said) {
        let end = to.map(|to| ShortKey::shorten(&self.before, &to));
        self.before = to.unwrap_or(self.before);
        self.pieces.push(Piece { end, said });
    }

    /// The message, which goes to the end of the order.
    fn finish(mut self) -> Vec<Piece> {
        if self.pieces.last().is_none_or(|last| last.end.is_some()) {
            self.nothing = Some(None);
        }
        self.flush();
        self.pieces
    }
}

/// Reads where the pieces of a message are; they go to the end of the order.
fn spans(pieces: &[Piece]) -> Result<Vec<Span>, Unsound> {
    if pieces.len() > PIECES_MAX {
        return Err(Unsound::TooMany);
    }
    let mut spans = Vec::with_capacity(pieces.len());
    let mut from = Some([0; StreamId::BYTES]);
    for piece in pieces {
        let begins = from.ok_or(Unsound::Order)?;
        let to = match &piece.end {
            Some(end) => Some(end.expand(&begins).ok_or(Unsound::Order)?),
            None => None,
        };
        if to.is_some_and(|to| to <= begins) {
            return Err(Unsound::Order);
        }
        spans.push(Span { from: begins, to });
        from = to;
    }
    if from.is_some() { Err(Unsound::Order) } else { Ok(spans) }
}

/// Divides what is held in a piece into [`PARTS`] smaller ones of about the same number of streams.
/// Bounds are no longer than is needed to tell neighbours apart.
fn divide(span: &Span, held: &[Held]) -> Vec<Span> {
    let parts = PARTS.min(held.len()).max(1);
    let near = (held.len() / parts / 4).min(8);
    let mut from = span.from;
    let mut spans = Vec::with_capacity(parts);
    for part in 1..parts {
        let at = held.len() * part / parts;
        // Streams of one subject stand together: between two subjects the bound is shorter.
        let neighbours = held.get(at - 1..).unwrap_or_default().windows(2).take(1 + near);
        let bounds = neighbours.filter_map(|pair| match pair {
            [left, right] => Some(bound_between(&left.key, &right.key)),
            _ => None,
        });
        if let Some(to) = bounds.min_by_key(bound_len) {
            spans.push(Span { from, to: Some(to) });
            from = to;
        }
    }
    spans.push(Span { from, to: span.to });
    spans
}

fn bound_len(bound: &Key) -> usize {
    bound.len() - bound.iter().rev().take_while(|byte| **byte == 0).count()
}

/// The shortest id above `left` and not above `right`, filled up with zeros.
fn bound_between(left: &Key, right: &Key) -> Key {
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let mut bound = [0; StreamId::BYTES];
    for (out, byte) in bound.iter_mut().zip(right).take(common + 1) {
        *out = *byte;
    }
    bound
}

#[cfg(test)]
mod tests;
