//! Finding what differs, and giving back what was lost, with a peer that says anything.

use sync_protocol::codec;
use sync_protocol::message::StreamState;
use sync_protocol::reconcile::{Asker, Holdings, OPEN_MAX, Piece, Question, reply};
use sync_protocol::{StreamId, limits};

use crate::script::Script;

/// Streams that the side under test holds.
const HELD: u8 = 200;

/// Questions that end a reconciliation whatever is answered, with room to spare.
const QUESTIONS_MAX: usize = 400;

fn held(count: u8) -> Holdings {
    let state = |number: u8| {
        let stream = StreamId { scope: 1, subject: [number; 16], compartment: 1, generation: 0 };
        StreamState { stream, count: 1, sum: [number; 16] }
    };
    Holdings::new(&(0..count).map(state).collect::<Vec<_>>())
}

/// Any question is refused, or answered with what an honest asking side can read; and any answer is
/// refused or leads on, until everything is asked.
pub(crate) fn reconcile(bytes: &[u8]) {
    if let Ok(pieces) = codec::decode::<Vec<Piece>>(bytes) {
        answered(&pieces);
    }
    asked(&mut Script::new(bytes));
}

fn answered(pieces: &[Piece]) {
    let ours = held(HELD);
    let Ok(question) = Question::read(pieces) else { return };
    let lists: Vec<_> = question.lists().map(|(span, list)| (span, list.to_vec())).collect();
    let mut differing = Vec::with_capacity(lists.len());
    for (span, list) in &lists {
        let (mut after, mut places, mut claims) = (None, Vec::new(), 0);
        loop {
            let some = ours.claims(span, list, after.as_ref(), limits::SETTLE_STREAMS_MAX);
            let Some(last) = some.last() else { break };
            assert!(after.is_none_or(|after| last.stream > after), "it does not end");
            after = Some(last.stream);
            claims += some.len();
            places.extend(some.iter().filter_map(|claim| claim.place));
        }
        assert!(claims <= list.len() + usize::from(HELD));
        assert_eq!(places, ours.differing(span, list));
        differing.push(places);
    }
    let answer = reply(&question, &ours, differing);
    assert!(codec::encode(&answer).len() < limits::FRAME_BYTES_TARGET * 2);
}

fn asked(script: &mut Script<'_>) {
    let theirs = held(script.byte());
    let mut asker = Asker::new(held(HELD));
    let mut questions = 0;
    while let Some((number, pieces)) = asker.ask() {
        questions += 1;
        assert!(questions <= QUESTIONS_MAX && asker.open().count() <= OPEN_MAX);
        assert!(codec::encode(&pieces).len() < limits::FRAME_BYTES_TARGET * 2);
        assert_eq!(asker.again(number).as_ref(), Some(&pieces));
        if script.flip()
            && let Ok(said) = codec::decode::<Vec<Piece>>(script.piece())
            && asker.answered(number, &said).is_err()
        {
            assert!(asker.again(number).is_some(), "what is refused changes nothing");
        }
        let question = Question::read(&pieces);
        assert!(question.is_ok(), "our own question is refused");
        let Ok(question) = question else { return };
        let lists = question.lists().map(|(span, list)| theirs.differing(&span, list)).collect();
        assert_eq!(asker.answered(number, &reply(&question, &theirs, lists)), Ok(()));
    }
    assert!(asker.is_done());
}
