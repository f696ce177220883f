//! Two sides in memory, beside a comparison of everything with everything.

use proptest::prelude::*;

use super::*;
use crate::codec;
use crate::mending::{Reconcile, ReconcileStep};

/// What it took.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    questions: usize,
    rounds: usize,
    bytes: usize,
}

fn state(number: u32, count: u64) -> StreamState {
    // Ids as they are drawn: in the order of time, with random bytes behind.
    let mut subject = [0; 16];
    let subject_no = number / 4;
    let random = blake3::hash(&subject_no.to_be_bytes());
    subject[..6]
        .copy_from_slice(&(0x0190_0000_0000 + u64::from(subject_no) * 977).to_be_bytes()[2..]);
    subject[6..].copy_from_slice(&random.as_bytes()[..10]);
    let compartment = u8::try_from(number % 4).unwrap();
    let stream = StreamId { scope: 1, subject, compartment, generation: 0 };
    StreamState { stream, count, sum: [u8::try_from(count % 251).unwrap(); 16] }
}

fn answer(held: &Holdings, pieces: &[Piece]) -> (Vec<Piece>, Vec<(Span, Vec<Held>)>) {
    let question = Question::read(pieces).unwrap();
    let lists: Vec<(Span, Vec<Held>)> =
        question.lists().map(|(span, list)| (span, list.to_vec())).collect();
    let differing = lists.iter().map(|(span, list)| held.differing(span, list)).collect();
    (reply(&question, held, differing), lists)
}

fn size(number: u32, step: ReconcileStep) -> usize {
    codec::encode(&Reconcile { number, step }).len()
}

/// Lets one side ask the other: what the asking side found, what the answering side saw, the cost.
fn reconcile(ours: &Holdings, theirs: &Holdings) -> (Vec<StreamId>, Vec<StreamId>, Cost) {
    let mut asker = Asker::new(ours.clone());
    let mut seen = Vec::new();
    let mut cost = Cost::default();
    while !asker.is_done() {
        cost.rounds += 1;
        let asked: Vec<(u32, Vec<Piece>)> = std::iter::from_fn(|| asker.ask()).collect();
        assert!(!asked.is_empty() && asked.len() <= OPEN_MAX);
        for (number, pieces) in asked {
            assert_eq!(asker.again(number).as_ref(), Some(&pieces), "the same when said again");
            let (answer, lists) = answer(theirs, &pieces);
            for (span, list) in lists {
                let (mut after, mut places) = (None, Vec::new());
                loop {
                    let claims = theirs.claims(&span, &list, after.as_ref(), 5);
                    let Some(last) = claims.last() else { break };
                    assert!(claims.len() <= 5);
                    after = Some(last.stream);
                    places.extend(claims.iter().filter_map(|claim| claim.place));
                    seen.extend(claims.iter().map(|claim| claim.stream));
                }
                assert_eq!(places, theirs.differing(&span, &list));
            }
            asker.answered(number, &answer).unwrap();
            cost.questions += 1;
            let question = size(number, ReconcileStep::Ask(pieces));
            let answer = size(number, ReconcileStep::Answer(answer));
            assert!(question <= 20 * 1024 && answer <= 16 * 1024, "{question} and {answer}");
            cost.bytes += question + answer;
        }
    }
    seen.sort();
    seen.dedup();
    (asker.into_differing(), seen, cost)
}

/// The same, by comparing everything with everything.
fn naive(ours: &Holdings, theirs: &Holdings) -> (Vec<StreamId>, Vec<StreamId>) {
    let lacks = |side: &Holdings, held: &Held| {
        side.0.iter().find(|other| other.key == held.key).is_none_or(|o| o.mark != held.mark)
    };
    let of = |a: &Holdings, b: &Holdings| -> Vec<StreamId> {
        a.0.iter().filter(|held| lacks(b, held)).map(Held::stream).collect()
    };
    let found = of(ours, theirs);
    let mut seen = [found.clone(), of(theirs, ours)].concat();
    seen.sort();
    seen.dedup();
    (found, seen)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever two sides hold, both learn what a comparison of everything with everything finds.
    #[test]
    fn both_sides_find_what_differs(
        common in proptest::collection::btree_set(0_u32..4_000, 0..1_500),
        ours in proptest::collection::btree_map(0_u32..4_000, 0_u64..3, 0..60),
        theirs in proptest::collection::btree_map(0_u32..4_000, 0_u64..3, 0..60),
    ) {
        let side = |own: &std::collections::BTreeMap<u32, u64>| {
            let mut all: std::collections::BTreeMap<u32, u64> =
                common.iter().map(|number| (*number, 7)).collect();
            all.extend(own);
            let states: Vec<StreamState> = all.iter().map(|(n, count)| state(*n, *count)).collect();
            Holdings::new(&states)
        };
        let (ours, theirs) = (side(&ours), side(&theirs));
        let (found, seen, _) = reconcile(&ours, &theirs);
        prop_assert_eq!((found, seen), naive(&ours, &theirs));
    }

    /// Any message is answered or refused; nothing panics, and an answer goes to the end of the order.
    #[test]
    fn any_question_is_answered_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let held = Holdings::new(&(0..100).map(|number| state(number, 1)).collect::<Vec<_>>());
        if let Ok(pieces) = codec::decode::<Vec<Piece>>(&bytes)
            && let Ok(question) = Question::read(&pieces)
        {
            let answer = reply(&question, &held, Vec::new());
            prop_assert!(spans(&answer).is_ok());
        }
    }
}

#[test]
fn equal_sets_take_one_question_and_a_few_bytes() {
    let held = Holdings::new(&(0..300_000).map(|number| state(number, 3)).collect::<Vec<_>>());
    assert_eq!(held.len(), 300_000);
    let (found, seen, cost) = reconcile(&held, &held);
    assert!(found.is_empty() && seen.is_empty());
    assert_eq!((cost.questions, cost.rounds), (1, 1));
    assert!(cost.bytes < 420, "{cost:?}");
}

#[test]
fn one_stream_of_many_is_found_in_three_round_trips() {
    let mut states: Vec<StreamState> = (0..300_000).map(|number| state(number, 3)).collect();
    let theirs = Holdings::new(&states);
    states[123_456].count = 4;
    let (found, seen, cost) = reconcile(&Holdings::new(&states), &theirs);
    assert_eq!((found, seen), (vec![states[123_456].stream], vec![states[123_456].stream]));
    assert_eq!(cost.rounds, 3);
    assert!(cost.bytes < 2_000, "{cost:?}");
}

#[test]
fn a_stream_that_only_one_side_has_is_found_from_either() {
    let all: Vec<StreamState> = (0..1_000).map(|number| state(number, 3)).collect();
    let (more, fewer) = (Holdings::new(&all), Holdings::new(&all[1..]));
    assert_eq!(reconcile(&more, &fewer).0, vec![all[0].stream]);
    // What only the answering side has it sees itself.
    let (found, seen, _) = reconcile(&fewer, &more);
    assert_eq!((found, seen), (vec![], vec![all[0].stream]));
    let nothing = Holdings::default();
    assert_eq!(reconcile(&nothing, &more).1.len(), 1_000);
    assert_eq!(reconcile(&more, &nothing).0.len(), 1_000);
}

/// A piece of the order from where the one before it ends to `to`.
fn piece(before: u8, to: Option<u8>, said: Said) -> Piece {
    let key = |byte| [byte; StreamId::BYTES];
    let from = if before == 0 { [0; StreamId::BYTES] } else { key(before) };
    Piece { end: to.map(|to| ShortKey::shorten(&from, &key(to))), said }
}

#[test]
fn a_question_that_no_honest_side_asks_is_refused() {
    let sum = || Said::Sum([1; 16]);
    let check = |pieces: Vec<Piece>, expected| {
        assert_eq!(Question::read(&pieces).err(), expected, "{pieces:?}");
    };
    check(vec![piece(0, None, sum())], None);
    check(vec![piece(0, Some(5), sum()), piece(5, None, Said::Nothing)], None);
    check(vec![], Some(Unsound::Order));
    check(vec![piece(0, Some(5), sum())], Some(Unsound::Order));
    check(vec![piece(0, None, sum()), piece(0, None, sum())], Some(Unsound::Order));
    check(vec![piece(0, Some(5), sum()), piece(5, Some(4), sum())], Some(Unsound::Order));
    check(vec![piece(0, Some(5), sum()), piece(5, Some(5), sum())], Some(Unsound::Order));
    check(vec![piece(0, None, Said::Tell)], Some(Unsound::OutOfTurn));
    check(vec![piece(0, None, Said::Differ(vec![]))], Some(Unsound::OutOfTurn));
    let many = |said: &dyn Fn() -> Said, count: u8| -> Vec<Piece> {
        let bounded = (0..count).map(|at| piece(at, Some(at + 1), said()));
        bounded.chain([piece(count, None, Said::Nothing)]).collect()
    };
    check(many(&sum, 32), None);
    check(many(&sum, 33), Some(Unsound::TooMany));
    let key = |before, key| ShortKey::shorten(&[before; StreamId::BYTES], &[key; StreamId::BYTES]);
    let listed = |before, of| Listed { key: key(before, of), mark: Mark([0; 16]) };
    let list = |items| vec![piece(0, Some(5), sum()), piece(5, None, Said::List(items))];
    check(list(vec![listed(5, 5), listed(5, 7)]), None);
    check(list(vec![listed(5, 7), listed(7, 7)]), Some(Unsound::Order));
    check(list(vec![listed(5, 7), listed(7, 6)]), Some(Unsound::Order));
    check(list(vec![listed(5, 4)]), Some(Unsound::Order));
    let empty = || Said::List(Vec::new());
    let lists: Vec<Piece> = (0..=PIECES_MAX).map(|_| piece(0, None, empty())).collect();
    check(lists, Some(Unsound::TooMany));
    let long = ShortKey { common: 0, rest: vec![1; 21] };
    check(vec![Piece { end: Some(long), said: sum() }], Some(Unsound::Order));
    let idle = ShortKey { common: 0, rest: vec![1, 0] };
    check(vec![Piece { end: Some(idle), said: sum() }], Some(Unsound::Order));
}

#[test]
fn an_answer_that_fits_no_question_is_refused() {
    let held = Holdings::new(&(0..100).map(|number| state(number, 1)).collect::<Vec<_>>());
    let mut asker = Asker::new(held);
    let (number, asked) = asker.ask().unwrap();
    let mut check = |answer: Vec<Piece>, expected: Result<(), Unsound>| {
        assert_eq!(asker.answered(number, &answer), expected, "{answer:?}");
        assert_eq!(asker.again(number).is_some(), expected.is_err());
    };
    // To sums: a list, places, and a piece that reaches over two that were asked.
    check(vec![piece(0, None, Said::List(Vec::new()))], Err(Unsound::OutOfTurn));
    check(vec![piece(0, None, Said::Differ(vec![0]))], Err(Unsound::OutOfTurn));
    check(vec![piece(0, None, Said::Sum([1; 16]))], Err(Unsound::OutOfTurn));
    // More parts than an honest side makes.
    let end = asked[0].end.as_ref().unwrap().expand(&[0; StreamId::BYTES]).unwrap();
    let mut writer = Writer::default();
    for part in 1..=17_u8 {
        let mut to = [0; StreamId::BYTES];
        to[19] = part;
        assert!(to < end);
        writer.piece(Some(to), Said::Sum([1; 16]));
    }
    check(writer.finish(), Err(Unsound::OutOfTurn));
    check(vec![piece(0, None, Said::Nothing)], Ok(()));
    assert!(asker.is_done() && asker.into_differing().is_empty());
}

/// A side that says that everything differs, whatever it is asked, is heard a bounded number of times.
#[test]
fn a_side_that_lies_about_every_sum_is_asked_no_more_than_an_honest_one() {
    let held = Holdings::new(&(0..20_000).map(|number| state(number, 1)).collect::<Vec<_>>());
    let mut asker = Asker::new(held.clone());
    let mut questions = 0;
    while let Some((number, pieces)) = asker.ask() {
        questions += 1;
        let question = Question::read(&pieces).unwrap();
        let mut writer = Writer::default();
        for ((span, asked), piece) in question.asked.iter().zip(&pieces) {
            let said = match asked {
                Asked::Nothing => Said::Nothing,
                // The very same piece, as often as it is asked.
                Asked::Sum(_) => Said::Sum([7; 16]),
                Asked::List(list) => {
                    Said::Differ((0..).zip(list).map(|(place, _)| place).collect())
                }
            };
            assert_eq!(piece.end.is_none(), span.to.is_none());
            writer.piece(span.to, said);
        }
        asker.answered(number, &writer.finish()).unwrap();
    }
    assert!(asker.is_done());
    let (_, _, cost) = reconcile(&held, &Holdings::default());
    assert!(questions <= 2 * cost.questions, "{questions} and {cost:?}");
    assert_eq!(asker.into_differing().len(), 20_000);
}
