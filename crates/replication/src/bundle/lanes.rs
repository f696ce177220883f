//! One of a kind for every class: a bundle has the lanes of a link.

use sync_protocol::Class;

/// A lane's end per class.
#[derive(Debug, Default)]
pub(crate) struct Lanes<T>([T; Class::COUNT]);

impl<T> Lanes<T> {
    /// That of `class`.
    pub(crate) const fn of(&mut self, class: Class) -> &mut T {
        let [control, urgent, policy, records, fresh, backfill, blobs] = &mut self.0;
        match class {
            Class::Control => control,
            Class::Urgent => urgent,
            Class::Policy => policy,
            Class::Records => records,
            Class::Fresh => fresh,
            Class::Backfill => backfill,
            Class::Blobs => blobs,
        }
    }
}
