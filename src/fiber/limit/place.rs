//! The position of a call that has no permit yet.

use std::{
    mem,
    sync::Arc,
    task::{Poll, Waker},
};

use super::{
    line::{Line, Rank, Turn, Wakers, task_of},
    permit::{Permit, limit_of},
};
use crate::{
    fiber::Shared,
    raw::{clone_waker, foreign, let_go},
    util::drop_quietly::drop_quietly,
};

/// Scheduler turns for which an unused reservation holds back new calls.
const PATIENCE: u32 = 16;

/// The position of a call that has no permit yet. Dropping it releases its reservation to other calls.
pub(in crate::fiber) struct Place {
    shared: Arc<Shared>,
    standing: Standing,
}

#[derive(Clone, Copy, Default)]
struct Standing {
    reserved: Option<Reservation>,
    /// The place in line, whether asleep or woken.
    turn: Option<Turn>,
    /// How often the call has found room that was held for other calls and not used.
    looks: u32,
}

#[derive(Clone, Copy)]
enum Reservation {
    Own(usize),
    /// Shares the reservation of another service of the same task, which waits until several are ready at once, or of a
    /// service that has not used its own.
    Shared,
}

impl Standing {
    fn give_back(&mut self, line: &mut Line) {
        if let Some(Reservation::Own(key)) = self.reserved.take() {
            line.reserved.remove(key);
        }
    }

    /// Whether there is room that was only held for other calls, which have not used it for some scheduler turns.
    fn is_patience_over(&self, line: &Line, max: usize) -> bool {
        self.looks >= PATIENCE && line.used < max && line.is_next(self.turn)
    }

    /// Leaves the line, taking the reservation that was assigned there. Returns the waker.
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

    /// The position of a call that has a reservation.
    pub(in crate::fiber) fn reserved(shared: Arc<Shared>, key: u32) -> Self {
        let reserved = Some(Reservation::Own(key as usize));
        Self { shared, standing: Standing { reserved, ..Standing::default() } }
    }

    /// For a service: ready with a reservation when a new call may begin.
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

    /// Ready with a permit when a call may begin or a root may go on.
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

    /// Ready when a call may begin inside a fiber of the layer that was not itself left behind. Calls inside fibers
    /// that were left behind do not call this: they never wait, or they could wait for each other.
    pub(in crate::fiber) fn poll_inside(&mut self, name: &str, waker: &Waker) -> Poll<()> {
        self.poll(Rank::Inside, name, waker, |_, line, max| line.has_room(Rank::Inside, max))
    }

    /// Ready when `take` returns `true`; the call stays in line until then.
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
        // Runs at most twice, since a waker is cloned only while the line is unlocked.
        loop {
            let mut line = limit.line();
            let former = standing.look(&mut line);
            let has_waited = standing.turn.is_some();
            if take(standing, &mut line, limit.max) {
                standing.turn = None;
                // The call may have been woken alone although there is room for more.
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
                // The room may be held by readiness or by a woken call, and never be used. This call may take it after
                // their tasks have had a turn.
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
                // An earlier call may have been woken and not polled yet; the calls behind it must not wait for that.
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
            // A call that slept changes nothing for the others.
            let wakers = has_something.then(|| line.wakers(limit.max, true));
            drop(line);
            wakers.into_iter().for_each(Wakers::wake);
            waker.into_iter().for_each(let_go);
        }
    }
}
