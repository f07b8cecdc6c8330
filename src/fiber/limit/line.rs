//! The calls that wait for a permit, and their reservations.

use std::{
    collections::{BTreeMap, BTreeSet},
    ptr,
    task::Waker,
};

use slab::Slab;

use crate::raw::wake;

#[derive(Debug, Default)]
pub(super) struct Line {
    /// Permits that fibers hold. Above the limit if fibers left behind calls that they had made.
    pub(super) used: usize,
    /// Each reservation with the task that holds it.
    pub(super) reserved: Slab<TaskId>,
    /// The waiting calls, in the order in which they go on. One without a waker has been woken to check for room.
    pub(super) asleep: BTreeMap<Turn, Option<Waker>>,
    /// The reservations assigned to new calls that have been woken and have not been polled yet.
    pub(super) assigned: BTreeMap<Turn, usize>,
    /// The calls under way that have been woken and have not been polled yet.
    pub(super) called: BTreeSet<Turn>,
    turns: u64,
}

/// Identifies a task by the parts of its waker.
pub(super) type TaskId = (usize, usize);

pub(super) fn task_of(waker: &Waker) -> TaskId {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) rank: Rank,
    number: u64,
}

/// The order in which calls go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::fiber) enum Rank {
    /// A call inside a fiber of the layer, which needs no permit of its own.
    Inside,
    /// A root that is polled again.
    UnderWay,
    /// A new call that has a reservation.
    Reserved,
    New,
}

impl Line {
    /// Whether a call of this rank may go on now.
    pub(super) fn has_room(&self, rank: Rank, max: usize) -> bool {
        match rank {
            // This keeps the number of fibers left behind at or below that of the others.
            Rank::Inside => self.used < max.saturating_mul(2),
            Rank::UnderWay => self.used < max,
            Rank::Reserved => self.used + self.called.len() < max,
            Rank::New => self.used + self.called.len() + self.reserved.len() < max,
        }
    }

    /// Whether no earlier call sleeps.
    pub(super) fn is_next(&self, turn: Option<Turn>) -> bool {
        let first = self.asleep.iter().find(|(_, waker)| waker.is_some());
        first.is_none_or(|(first, _)| turn.is_some_and(|turn| turn <= *first))
    }

    /// The first sleeping call that may go on.
    fn next(&self, max: usize) -> Option<Turn> {
        [Rank::Inside, Rank::UnderWay, Rank::Reserved, Rank::New].into_iter().find_map(|rank| {
            let first = self.asleep.range(Turn { rank, number: 0 }..).next().map(|(turn, _)| *turn);
            first.filter(|turn| turn.rank == rank && self.has_room(rank, max))
        })
    }

    pub(super) fn next_turn(&mut self, rank: Rank) -> Turn {
        self.turns += 1;
        Turn { rank, number: self.turns }
    }

    /// The calls that may go on now, to be woken after the line is unlocked. Each new call is assigned a reservation.
    /// Of the other calls only the first is woken, and its end wakes the next; all are woken if no fiber is left whose
    /// end could do that.
    ///
    /// If there are none and `looks` is set: the first call that is held back only by reservations or by woken calls,
    /// to check whether those are used.
    pub(super) fn wakers(&mut self, max: usize, looks: bool) -> Wakers {
        let mut wakers = Wakers(None, Vec::new());
        let mut is_one_on_its_way = false;
        while let Some(turn) = self.next(max) {
            let is_new = turn.rank == Rank::New;
            if !is_new && is_one_on_its_way && self.used > 0 {
                break;
            }
            is_one_on_its_way = true;
            let Some(waker) = self.asleep.remove(&turn) else { break };
            match turn.rank {
                Rank::New => {
                    let key = self.reserved.insert(waker.as_ref().map(task_of).unwrap_or_default());
                    self.assigned.insert(turn, key);
                }
                Rank::UnderWay => _ = self.called.insert(turn),
                Rank::Inside | Rank::Reserved => {}
            }
            match &mut wakers.0 {
                first @ None => *first = waker,
                Some(_) => wakers.1.extend(waker),
            }
        }
        if looks && !is_one_on_its_way && self.used < max {
            let mut others = self.asleep.range_mut(Turn { rank: Rank::Reserved, number: 0 }..);
            wakers.0 = others.find_map(|(_, waker)| waker.take());
        }
        wakers
    }
}

#[must_use = "they sleep"]
pub(super) struct Wakers(Option<Waker>, Vec<Waker>);

impl Wakers {
    pub(super) fn wake(self) {
        self.0.into_iter().chain(self.1).for_each(wake);
    }
}
