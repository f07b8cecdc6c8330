//! Where a call stands that has no permit yet.

use std::{
    mem,
    sync::Arc,
    task::{Poll, Waker},
};

use super::{
    Permit, limit_of,
    line::{Line, Rank, Turn, Wakers, task_of},
};
use crate::{
    fiber::Shared,
    raw::{clone_waker, foreign, let_go},
    util::drop_quietly::drop_quietly,
};

/// Turns of the scheduler for which an unused reservation keeps new calls away.
const PATIENCE: u32 = 16;

/// Where a call stands that has no permit yet. When it is dropped, others have what it had.
pub(in crate::fiber) struct Place {
    shared: Arc<Shared>,
    standing: Standing,
}

#[derive(Clone, Copy, Default)]
struct Standing {
    reserved: Option<Reservation>,
    /// In line: asleep, or woken.
    turn: Option<Turn>,
    /// How often it has found room that others keep and do not use.
    looks: u32,
}

#[derive(Clone, Copy)]
enum Reservation {
    Own(usize),
    /// That of another service of the same task, which waits until several are ready at once, or of one that has not
    /// used it.
    Shared,
}

impl Standing {
    fn give_back(&mut self, line: &mut Line) {
        if let Some(Reservation::Own(key)) = self.reserved.take() {
            line.reserved.remove(key);
        }
    }

    /// Whether there is room for it that was only kept for others, which have not used it for some turns of the
    /// scheduler.
    fn is_patience_over(&self, line: &Line, max: usize) -> bool {
        self.looks >= PATIENCE && line.used < max && line.is_next(self.turn)
    }

    /// Steps out of the line, with what was assigned there; gives the waker.
    fn look(&mut self, line: &mut Line) -> Option<Waker> {
        let turn = self.turn?;
        if let Some(key) = line.assigned.remove(&turn) {
            self.reserved = Some(Reservation::Own(key));
        }
        line.called.remove(&turn);
        line.asleep.remove(&turn).flatten()
    }
}

impl Place {
    #[inline]
    pub(in crate::fiber) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, standing: Standing::default() }
    }

    /// Ready with a reservation when a new call may begin, for a service.
    #[inline]
    pub(in crate::fiber) fn poll_ready(&mut self, name: &str, waker: &Waker) -> Poll<()> {
        if self.standing.reserved.is_some() && self.standing.turn.is_none() {
            return Poll::Ready(());
        }
        self.poll(Rank::New, name, waker, |standing, line, max| {
            let task = task_of(waker);
            if standing.reserved.is_none() {
                if line.has_room(Rank::New, max) && line.is_next(standing.turn) {
                    standing.reserved = Some(Reservation::Own(line.reserved.insert(task)));
                } else if line.reserved.iter().any(|(_, other)| *other == task) || standing.is_patience_over(line, max)
                {
                    standing.reserved = Some(Reservation::Shared);
                }
            }
            standing.reserved.is_some()
        })
    }

    /// Ready with a permit when a call may begin, or a root go on.
    #[inline]
    pub(in crate::fiber) fn poll_permit(&mut self, rank: Rank, name: &str, waker: &Waker) -> Poll<Permit> {
        let taken = self.poll(rank, name, waker, |standing, line, max| {
            let has_room = match rank {
                Rank::New if standing.reserved.is_some() => line.has_room(Rank::Reserved, max),
                Rank::New => line.has_room(Rank::New, max) && line.is_next(standing.turn),
                rank => line.has_room(rank, max),
            };
            let has_room = has_room || standing.is_patience_over(line, max);
            if has_room {
                standing.give_back(line);
                line.used += 1;
            }
            has_room
        });
        taken.map(|()| Permit(Arc::clone(&self.shared)))
    }

    /// Ready when a call may begin inside a fiber of the layer that was not left behind itself: those that were never
    /// wait, or they could wait for each other.
    pub(in crate::fiber) fn poll_inside(&mut self, name: &str, waker: &Waker) -> Poll<()> {
        self.poll(Rank::Inside, name, waker, |_, line, max| line.has_room(Rank::Inside, max))
    }

    /// Ready when `take` is `true`; in line until then.
    #[inline]
    fn poll(
        &mut self,
        rank: Rank,
        name: &str,
        waker: &Waker,
        mut take: impl FnMut(&mut Standing, &mut Line, usize) -> bool,
    ) -> Poll<()> {
        let Self { shared, standing } = self;
        let limit = limit_of(shared);
        let mut own_waker = None;
        // Twice at most: a waker is cloned while the line is free.
        loop {
            let mut line = limit.line();
            let former = standing.look(&mut line);
            let has_waited = standing.turn.is_some();
            if take(standing, &mut line, limit.max) {
                standing.turn = None;
                // It may have been woken alone while there is room for more.
                let has_looked = mem::take(&mut standing.looks) > 0;
                let wakers = has_waited.then(|| line.wakers(limit.max, has_looked));
                drop(line);
                wakers.into_iter().for_each(Wakers::wake);
                former.into_iter().for_each(let_go);
                if !has_waited && rank == Rank::New {
                    limit.note(true, name);
                }
                return Poll::Ready(());
            }
            let rank = if standing.reserved.is_some() && rank == Rank::New { Rank::Reserved } else { rank };
            let turn = standing.turn.filter(|turn| turn.rank == rank).unwrap_or_else(|| line.next_turn(rank));
            if matches!(rank, Rank::Reserved | Rank::New) && line.used < limit.max && line.is_next(Some(turn)) {
                // What is in the way may never be used: readiness, or a call that was woken. It may be, after those
                // have had a turn.
                standing.turn = Some(turn);
                standing.looks += 1;
                drop(line);
                former.into_iter().for_each(let_go);
                drop_quietly(foreign(|| waker.wake_by_ref()));
                return Poll::Pending;
            }
            if let Some(waker) = own_waker.take() {
                line.asleep.insert(turn, Some(waker));
                standing.turn = Some(turn);
                // One before it may have been woken and not have looked: the turn of those behind must not wait for
                // that.
                let wakers = line.wakers(limit.max, true);
                drop(line);
                wakers.wake();
                former.into_iter().for_each(let_go);
                if rank == Rank::New {
                    limit.note(false, name);
                }
                return Poll::Pending;
            }
            drop(line);
            former.into_iter().for_each(let_go);
            own_waker = Some(clone_waker(waker));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { shared, standing } = self;
        if standing.reserved.is_some() || standing.turn.is_some() {
            let limit = limit_of(shared);
            let mut line = limit.line();
            let waker = standing.look(&mut line);
            let has_something = standing.reserved.is_some() || waker.is_none();
            standing.give_back(&mut line);
            // One that slept leaves the others as they were.
            let wakers = has_something.then(|| line.wakers(limit.max, true));
            drop(line);
            wakers.into_iter().for_each(Wakers::wake);
            waker.into_iter().for_each(let_go);
        }
    }
}
