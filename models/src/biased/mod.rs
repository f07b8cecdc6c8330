//! The lock that costs its owner next to nothing.

#[path = "../../../src/raw/biased.rs"]
#[expect(unsafe_code, reason = "the library's file; loom checks what its comments claim")]
mod lock;

/// The expensive side of the fence makes both of them full fences, so both are full fences here.
mod fence {
    use loom::sync::atomic::{Ordering, fence};

    pub(super) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

use loom::{cell::Cell, sync::Arc, thread};

use self::lock::Biased;
use crate::explore;

/// loom fails if two threads are at the cell at once, or if one does not see what the other did before.
fn add(cell: &mut Cell<u32>) {
    cell.set(cell.get() + 1);
}

#[test]
fn the_owner_and_two_others_have_it_one_at_a_time() {
    explore(|| {
        let biased = Arc::new(Biased::<Cell<u32>>::default());
        let others: Vec<_> = (0..2)
            .map(|_| {
                let biased = Arc::clone(&biased);
                thread::spawn(move || biased.look_in(add))
            })
            .collect();
        biased.own(add);
        biased.own(add);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(biased.own(|cell| cell.get()), 4);
    });
}
