//! Permits and reservations of calls that find room, which need no place in line.

use std::{sync::Arc, task::Waker};

use super::{
    Limit,
    line::{Line, Rank, task_of},
    permit::{Permit, limit_of},
    place::Place,
};
use crate::fiber::Shared;

impl Limit {
    /// `None` if a new call would have to wait.
    #[inline]
    fn admit_at_once<R>(&self, name: &str, take: impl FnOnce(&mut Line) -> R) -> Option<R> {
        let mut line = self.line();
        let has_room = line.asleep.is_empty() && line.has_room(Rank::New, self.max);
        let taken = has_room.then(|| take(&mut line))?;
        drop(line);
        self.note(true, name);
        Some(taken)
    }

    /// The key of a reservation, for a service. `None` if it has to wait.
    pub(in crate::fiber) fn reserve_at_once(&self, name: &str, waker: &Waker) -> Option<u32> {
        let insert = |line: &mut Line| {
            let key = line.reserved.insert(task_of(waker));
            u32::try_from(key).inspect_err(|_| _ = line.reserved.remove(key)).ok()
        };
        self.admit_at_once(name, insert).flatten()
    }

    /// Releases a reservation to other calls.
    pub(in crate::fiber) fn give_back(&self, key: u32) {
        self.change(|line| line.reserved.remove(key as usize));
    }
}

impl Permit {
    /// For a new call. `None` if it has to wait.
    #[inline]
    pub(in crate::fiber) fn at_once(shared: &Arc<Shared>, name: &str) -> Option<Self> {
        limit_of(shared).admit_at_once(name, |line| line.used += 1).map(|()| Self(Arc::clone(shared)))
    }

    /// In exchange for a reservation. `Err` if the call has to wait.
    pub(in crate::fiber) fn for_reserved(shared: Arc<Shared>, key: u32, name: &str) -> Result<Self, Place> {
        let limit = limit_of(&shared);
        let mut line = limit.line();
        if !line.has_room(Rank::Reserved, limit.max) {
            drop(line);
            return Err(Place::reserved(shared, key));
        }
        line.reserved.remove(key as usize);
        line.used += 1;
        drop(line);
        limit.note(true, name);
        Ok(Self(shared))
    }
}
