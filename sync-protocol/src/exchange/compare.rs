//! The comparison stream by stream, when the sums of all streams differ.

use super::Violation;
use crate::limits;
use crate::message::{Compare, StreamState};
use crate::standing::OwnHoldings;

/// Streams that one comparison may name in all: the largest edge holds about 300,000.
const STREAMS_MAX: usize = 1_000_000;

/// What the edge says: everything it holds, in messages within their limit; at least one.
pub(super) fn messages(streams: &[StreamState]) -> Vec<Compare> {
    let chunks = streams.chunks(limits::COMPARE_STREAMS_MAX);
    let mut all: Vec<Compare> =
        chunks.map(|chunk| Compare { streams: chunk.to_vec(), more: true }).collect();
    match all.last_mut() {
        Some(last) => last.more = false,
        None => all.push(Compare { streams: Vec::new(), more: false }),
    }
    all
}

/// The same of the edge's own entries.
pub(super) fn own_holdings(streams: &[StreamState]) -> Vec<OwnHoldings> {
    let messages = messages(streams).into_iter();
    messages.map(|Compare { streams, more }| OwnHoldings { streams, more }).collect()
}

/// What the hub has heard of a comparison so far.
#[derive(Debug, Default)]
pub(super) struct Gathered(Vec<StreamState>);

impl Gathered {
    /// Adds a message; answers all of the comparison once it is whole.
    pub(super) fn add(&mut self, compare: Compare) -> Result<Option<Vec<StreamState>>, Violation> {
        let total = self.0.len() + compare.streams.len();
        if compare.streams.len() > limits::COMPARE_STREAMS_MAX || total > STREAMS_MAX {
            return Err(Violation::Limit);
        }
        self.0.extend(compare.streams);
        Ok((!compare.more).then(|| std::mem::take(&mut self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamId;

    #[test]
    fn a_comparison_arrives_whole_in_as_many_messages_as_it_needs() {
        check(0, 1);
        check(1, 1);
        check(limits::COMPARE_STREAMS_MAX, 1);
        check(limits::COMPARE_STREAMS_MAX + 1, 2);
        check(3 * limits::COMPARE_STREAMS_MAX, 3);
    }

    #[track_caller]
    fn check(streams: usize, expected: usize) {
        let stream = StreamId { scope: 1, subject: [0; 16], compartment: 1, generation: 0 };
        let all: Vec<StreamState> =
            (0..streams).map(|at| StreamState { stream, count: at as u64, sum: [0; 16] }).collect();
        let messages = messages(&all);
        assert_eq!(messages.len(), expected);
        let mut gathered = Gathered::default();
        let mut heard = messages.into_iter().map(|message| gathered.add(message).unwrap());
        assert_eq!(heard.by_ref().nth(expected - 1).unwrap(), Some(all));
    }
}
