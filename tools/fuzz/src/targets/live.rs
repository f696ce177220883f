//! Latest values of other clinics, on their way to a screen.

use pages::board::{Board, Source};
use sync_protocol::codec;
use sync_protocol::message::Live;
use vocab::{Compartment, PatientId};

use crate::targets::vitals::show;

/// A live message as it comes, and its values under a stream that is shown.
pub(crate) fn live(bytes: &[u8]) {
    let board = Board::default();
    if let Ok(live) = codec::decode::<Live>(bytes) {
        assert_eq!(codec::encode(&live), bytes);
        board.arrived_live(Source::Elsewhere, &live);
    }
    let stream =
        replication::streams::patient_stream(PatientId::from_bytes([1; 16]), Compartment::Vitals);
    board.arrived_live(Source::Elsewhere, &Live { stream, values: bytes.to_vec() });
    for shown in board.latest().iter().chain(&board.recent()) {
        show(&shown.reading);
    }
}
