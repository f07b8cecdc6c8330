//! Those that wait for a permit, and what they have of one.

use std::{
    collections::{BTreeMap, BTreeSet},
    ptr,
    task::Waker,
};

use slab::Slab;

use crate::raw::wake;

#[derive(Debug, Default)]
pub(super) struct Line {
    /// Permits that fibers have. Above the limit if calls were left behind by the fibers that had made them.
    pub(super) used: usize,
    /// Each with the task that has it.
    pub(super) reserved: Slab<TaskId>,
    /// In the order in which they go on. Without a waker: one that was woken to look whether there is room.
    pub(super) asleep: BTreeMap<Turn, Option<Waker>>,
    /// The reservations of new calls that have been woken and have not looked yet.
    pub(super) assigned: BTreeMap<Turn, usize>,
    /// Those under way that have been woken and have not looked yet.
    pub(super) called: BTreeSet<Turn>,
    turns: u64,
}

/// What a task's waker consists of.
pub(super) type TaskId = (usize, usize);

pub(super) fn task_of(waker: &Waker) -> TaskId {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) rank: Rank,
    number: u64,
}

/// In which order they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::fiber) enum Rank {
    /// A call inside a fiber of the layer, which needs no permit of its own.
    Inside,
    /// A root that is polled again.
    UnderWay,
    /// A call that has a reservation.
    Reserved,
    New,
}

impl Line {
    /// Whether one of this rank may go on now.
    pub(super) fn has_room(&self, rank: Rank, max: usize) -> bool {
        match rank {
            // So that those which are left behind are as many at most as the others.
            Rank::Inside => self.used < max.saturating_mul(2),
            Rank::UnderWay => self.used < max,
            Rank::Reserved => self.used + self.called.len() < max,
            Rank::New => self.used + self.called.len() + self.reserved.len() < max,
        }
    }

    /// Whether no new call sleeps that came before.
    pub(super) fn is_next(&self, turn: Option<Turn>) -> bool {
        let first = self.asleep.iter().find(|(_, waker)| waker.is_some());
        first.is_none_or(|(first, _)| turn.is_some_and(|turn| turn <= *first))
    }

    /// The first that sleeps and may go on.
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

    /// To be woken, with the line free: those that may go on now. A new call is assigned a reservation; of the others
    /// the first is woken, whose end wakes the next, or all if there is no end to come.
    ///
    /// If there are none and `looks`, it is the first of those that are only kept away by others, to look whether they
    /// use what they have.
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
