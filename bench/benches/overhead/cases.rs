//! Which cases are measured.

use bench::work::{Deep, Depth, Large, NoWait, Payload, ReadyWait, Root, Suspends, Waits, Word};

/// Measures all peers in one case.
pub(crate) trait Visit {
    fn visit<W: Waits, D: Depth, P: Payload>(&mut self, in_flight: usize);
}

/// Calls in flight.
const IN_FLIGHT: [usize; 2] = [1, 1000];

pub(crate) fn each(visitor: &mut impl Visit) {
    for in_flight in IN_FLIGHT {
        each_wait::<Root>(visitor, in_flight);
        each_wait::<Deep>(visitor, in_flight);
        // Large values are moved at the start and the end: depth and number of waits change nothing about that.
        visitor.visit::<NoWait, Root, Large>(in_flight);
        visitor.visit::<Suspends<1>, Root, Large>(in_flight);
    }
}

fn each_wait<D: Depth>(visitor: &mut impl Visit, in_flight: usize) {
    visitor.visit::<NoWait, D, Word>(in_flight);
    visitor.visit::<ReadyWait, D, Word>(in_flight);
    visitor.visit::<Suspends<1>, D, Word>(in_flight);
    visitor.visit::<Suspends<10>, D, Word>(in_flight);
}

pub(crate) fn name<W: Waits, D: Depth, P: Payload>(table: &str, in_flight: usize) -> String {
    format!("{table}-{}-{}-{in_flight}-{}", W::NAME, D::NAME, P::NAME)
}
