//! A snapshot as JSON, in one line.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use super::snapshot::{Layer, Snapshot, state};
use crate::{
    diagnostics::{JsonText, Place},
    fiber::Listed,
};

pub(super) struct Json<'a>(pub(super) &'a Snapshot);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{{\"layers\":[{}]}}", List(&self.0.layers, write_layer))
    }
}

/// The elements of a list.
struct List<'a, T>(&'a [T], fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result);

impl<T> Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(elements, write) = self;
        for (index, element) in elements.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            write(f, element)?;
        }
        Ok(())
    }
}

/// A value, or `null`.
struct OrNull<T>(Option<T>);

impl<T: Display> Display for OrNull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("null"),
        }
    }
}

fn seconds(time: Option<Duration>) -> OrNull<f64> {
    OrNull(time.map(|time| time.as_secs_f64()))
}

fn write_layer(f: &mut fmt::Formatter<'_>, layer: &Layer) -> fmt::Result {
    let name = OrNull(layer.name().map(JsonText));
    write!(f, "{{\"name\":{name},\"closed\":{},", layer.is_closed())?;
    write!(f, "\"max_fibers\":{},\"counters\":{{", OrNull(layer.max_fibers()))?;
    for (index, (name, number)) in layer.counters().enumerate() {
        write!(f, "{}\"{name}\":{number}", if index == 0 { "" } else { "," })?;
    }
    let overview = &layer.overview;
    let (places, fibers) = overview.others;
    write!(f, "}},\"places\":[{}],", List(&overview.places, write_place))?;
    write!(f, "\"more_places\":{places},\"fibers_of_more_places\":{fibers},\"unlisted\":{}}}", overview.unlisted)
}

fn write_place(f: &mut fmt::Formatter<'_>, place: &Place) -> fmt::Result {
    let waits_at = place.waits_at.map(|location| location.to_string());
    let waits_at = OrNull(waits_at.as_deref().map(JsonText));
    let (youngest, oldest) = place.ages().unzip();
    let is_abandoned = place.abandoned().is_some();
    write!(f, "{{\"function\":{},\"state\":\"{}\",", JsonText(place.function), state(place))?;
    write!(f, "\"waits_at\":{waits_at},\"abandoned\":{is_abandoned},\"fibers\":{},", place.fibers)?;
    write!(f, "\"youngest_seconds\":{},\"oldest_seconds\":{},", seconds(youngest), seconds(oldest))?;
    write!(f, "\"oldest\":[{}]}}", List(&place.oldest, write_fiber))
}

fn write_fiber(f: &mut fmt::Formatter<'_>, fiber: &Listed) -> fmt::Result {
    write!(f, "{{\"id\":\"{}\",\"thread\":{},", fiber.fiber, JsonText(&fiber.thread.to_string()))?;
    write!(f, "\"age_seconds\":{},\"abandoned_seconds\":{}}}", seconds(fiber.age), seconds(fiber.abandoned))
}
