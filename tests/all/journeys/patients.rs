//! A patient known at two clinics.

use tests::programs::{Network, until};

#[test]
fn a_patient_edited_at_both_clinics_while_apart_is_merged_field_by_field() {
    let network = Network::start();
    let Network { north, south, .. } = &network;
    north.patient("p-1", "First Name");
    north.allow("p-1", "south");
    network.settle();
    let id = south.home.tell(&["patient", "list"]);
    let id = id.lines().nth(1).and_then(|line| line.split(',').next()).unwrap().to_owned();

    north.wire.cut();
    south.wire.cut();
    north.home.tell(&["patient", "edit", "p-1", "--name", "Second Name"]);
    south.home.tell(&["patient", "edit", &id, "--phone", "+919812345678", "--sex", "female"]);
    north.wire.restore();
    south.wire.restore();
    let line = |clinic: &tests::programs::network::Clinic| {
        let list = clinic.home.tell(&["patient", "list"]);
        list.lines().nth(1).unwrap().to_owned()
    };
    // The second clinic has given no number and shows whose it sees.
    let merged = format!("{id},p-1,north,Second Name,,female,+919812345678,0");
    for clinic in [north, south] {
        until("both edits are at both clinics", || line(clinic) == merged);
    }

    // Two names at once: both clinics show the same one, and that there is another.
    north.wire.cut();
    south.wire.cut();
    north.home.tell(&["patient", "edit", "p-1", "--name", "Third Name"]);
    south.home.tell(&["patient", "edit", &id, "--name", "Fourth Name"]);
    north.wire.restore();
    south.wire.restore();
    until("both clinics see the same conflict", || {
        let (here, there) = (line(north), line(south));
        here == there && here.ends_with(",1")
    });
}
