//! What a blocked thread's registry shows: the fiber that blocks it, and the fibers that wait there.

use std::{panic::Location, ptr, sync::Arc};

use super::{About, Entry, Registry};
use crate::{
    fiber::{FiberId, Shared},
    raw::{Home, Running},
};

/// The maximum number of groups of waiting fibers in a survey.
const GROUPS: usize = 8;

/// A report on a fiber that blocks its thread.
pub(crate) struct Survey {
    pub(crate) shared: Arc<Shared>,
    pub(crate) fiber: FiberId,
    pub(crate) label: &'static str,
    /// Where it last waited.
    pub(crate) waits_at: Option<&'static Location<'static>>,
    pub(crate) home: Home,
    /// The thread's other suspended fibers, as far as they are registered.
    pub(crate) others: Vec<Group>,
    /// How many more fibers wait beyond these groups.
    pub(crate) more: usize,
}

/// Fibers of one layer that wait at the same place.
pub(crate) struct Group {
    pub(crate) shared: Arc<Shared>,
    pub(crate) label: &'static str,
    pub(crate) waits_at: Option<&'static Location<'static>>,
    pub(crate) fibers: usize,
}

impl Registry {
    /// For threads other than the registry's own. `None` if the fiber has ended.
    pub(crate) fn survey(&'static self, running: &Running) -> Option<Survey> {
        self.with(|entries| {
            let find = |fiber| entries.iter().map(|(_, entry)| entry).find(|entry| Some(entry.fiber) == fiber);
            let blocking = find(running.fiber().map(FiberId::of_number))?;
            // The fibers around it do not wait: they run, by polling it.
            let mut around = Vec::new();
            let mut next = blocking;
            while let Some(outer) = find(next.inside) {
                around.push(outer.fiber);
                next = outer;
            }
            let home = Home::of_id(blocking.fiber.number());
            let mut survey = Survey {
                shared: Shared::of(blocking.layer)?,
                fiber: blocking.fiber,
                label: blocking.about.label,
                waits_at: blocking.about.waits_at,
                home,
                others: Vec::new(),
                more: 0,
            };
            for (_, entry) in entries.iter() {
                // A reused registry may still list fibers of a thread that has ended.
                let is_here = entry.suspended && Home::of_id(entry.fiber.number()) == home;
                if is_here && entry.fiber != blocking.fiber && !around.contains(&entry.fiber) {
                    survey.add(entry);
                }
            }
            Some(survey)
        })
    }
}

impl Survey {
    fn add(&mut self, entry: &Entry) {
        if let Some(group) = self.others.iter_mut().find(|group| group.has(entry)) {
            group.fibers += 1;
            return;
        }
        let About { label, waits_at, .. } = entry.about;
        match Shared::of(entry.layer) {
            Some(shared) if self.others.len() < GROUPS => {
                self.others.push(Group { shared, label, waits_at, fibers: 1 })
            }
            _ => self.more += 1,
        }
    }
}

impl Group {
    fn has(&self, entry: &Entry) -> bool {
        let places = [self.waits_at, entry.about.waits_at].map(|place| place.map(ptr::from_ref));
        self.shared.id == entry.layer && places[0] == places[1] && self.label == entry.about.label
    }
}
