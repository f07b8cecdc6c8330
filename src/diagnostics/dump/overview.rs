//! The fibers of a layer by the places where they wait: small, however many fibers there are.

use std::{collections::HashMap, panic::Location, ptr, sync::Arc, time::Duration};

use super::Ages;
use crate::fiber::{Listed, Shared, list};

/// The most places that are listed.
const PLACES: usize = 100;
/// The most fibers that are listed of each place.
const FIBERS: usize = 5;

/// The places where most fibers of a layer wait.
pub(crate) struct Overview {
    pub(crate) places: Vec<Place>,
    /// The number of further places, and that of their fibers.
    pub(crate) others: (usize, usize),
    /// The number of fibers that run and have not waited yet.
    pub(crate) unlisted: u64,
}

/// Fibers of one function that wait in the same place, and that all have their callers or have all lost them.
pub(crate) struct Place {
    /// The type name of the service or function.
    pub(crate) function: &'static str,
    pub(crate) waits_at: Option<&'static Location<'static>>,
    /// Whether the fibers run now and waited there last.
    pub(crate) is_running: bool,
    pub(crate) fibers: usize,
    ages: Ages,
    abandoned: Ages,
    /// The oldest of them.
    pub(crate) oldest: Vec<Listed>,
}

impl Place {
    /// The ages of the youngest and the oldest fiber.
    pub(crate) fn ages(&self) -> Option<(Duration, Duration)> {
        self.ages.0
    }

    /// How long ago the last and the first of their callers went.
    pub(crate) fn abandoned(&self) -> Option<(Duration, Duration)> {
        self.abandoned.0
    }

    fn add(&mut self, fiber: Listed) {
        self.fibers += 1;
        self.ages.add(fiber.age);
        self.abandoned.add(fiber.abandoned);
        if self.oldest.len() < FIBERS {
            self.oldest.push(fiber);
        }
    }
}

/// Groups the fibers of a layer that have waited and not ended.
pub(crate) fn overview(shared: &Arc<Shared>) -> Overview {
    let mut listed = list(shared);
    let unlisted = shared.counters.live().saturating_sub(listed.len() as u64);
    // They come in the order of their threads. Fibers without an age sort last.
    listed.sort_by_key(|fiber| std::cmp::Reverse(fiber.age));
    let mut indices = HashMap::new();
    let mut places: Vec<Place> = Vec::new();
    for fiber in listed {
        let place = fiber.waits_at.map(ptr::from_ref);
        let index =
            *indices.entry((fiber.label, place, fiber.is_running, fiber.abandoned.is_some())).or_insert_with(|| {
                places.push(Place {
                    function: fiber.label,
                    waits_at: fiber.waits_at,
                    is_running: fiber.is_running,
                    fibers: 0,
                    ages: Ages(None),
                    abandoned: Ages(None),
                    oldest: Vec::new(),
                });
                places.len() - 1
            });
        places[index].add(fiber);
    }
    // Of places with as many fibers, the one with the oldest fiber comes first, since it was found first.
    places.sort_by_key(|place| std::cmp::Reverse(place.fibers));
    let others = places.split_off(places.len().min(PLACES));
    let others = (others.len(), others.iter().map(|place| place.fibers).sum());
    Overview { places, others, unlisted }
}
