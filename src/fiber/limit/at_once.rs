//! Permits and reservations of calls that find room, which need no place in line.

use std::{sync::Arc, task::Waker};

use super::{
    Limit, Permit, Place, limit_of,
    line::{Line, Rank, task_of},
};
use crate::fiber::Shared;

impl Limit {
    /// `None` if a new call would have to wait.
    fn admit_at_once<R>(&self, name: &str, take: impl FnOnce(&mut Line) -> R) -> Option<R> {
        let mut line = self.line();
        let has_room = line.asleep.is_empty() && line.has_room(Rank::New, self.max);
        let taken = has_room.then(|| take(&mut line))?;
        drop(line);
        self.note(true, name);
        Some(taken)
    }
}

impl Permit {
    /// For a new call. `None` if it has to wait.
    pub(in crate::fiber) fn at_once(shared: &Arc<Shared>, name: &str) -> Option<Self> {
        limit_of(shared).admit_at_once(name, |line| line.used += 1).map(|()| Self(Arc::clone(shared)))
    }
}

/// The reservation of a service that found room when it was asked whether it is ready. Dropping it releases the
/// reservation to other calls.
pub(in crate::fiber) struct Reserved {
    /// `None` once the reservation was used.
    shared: Option<Arc<Shared>>,
    key: usize,
}

impl Reserved {
    /// `None` if the service has to wait.
    pub(in crate::fiber) fn at_once(shared: &Arc<Shared>, name: &str, waker: &Waker) -> Option<Self> {
        let key = limit_of(shared).admit_at_once(name, |line| line.reserved.insert(task_of(waker)))?;
        Some(Self { shared: Some(Arc::clone(shared)), key })
    }

    /// A permit in exchange for the reservation. `Err` if the call has to wait.
    pub(in crate::fiber) fn into_permit(mut self, name: &str) -> Result<Permit, Place> {
        let shared = self.shared.take().expect("it is unused");
        let limit = limit_of(&shared);
        let mut line = limit.line();
        if !line.has_room(Rank::Reserved, limit.max) {
            drop(line);
            return Err(Place::reserved(shared, self.key));
        }
        line.reserved.remove(self.key);
        line.used += 1;
        drop(line);
        limit.note(true, name);
        Ok(Permit(shared))
    }

    /// Stands in line with the reservation.
    pub(in crate::fiber) fn into_place(mut self) -> Place {
        Place::reserved(self.shared.take().expect("it is unused"), self.key)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            limit_of(shared).change(|line| line.reserved.remove(self.key));
        }
    }
}
