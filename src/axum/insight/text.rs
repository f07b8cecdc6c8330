//! A snapshot as text.

use std::fmt;

use super::snapshot::{Layer, Snapshot, rounded, state};
use crate::diagnostics::Place;

pub(super) struct Text<'a>(pub(super) &'a Snapshot);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.layers.is_empty() {
            f.write_str("no layers\n")?;
        }
        for (index, layer) in self.0.layers.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "\n" })?;
            write_layer(f, layer)?;
        }
        Ok(())
    }
}

fn write_layer(f: &mut fmt::Formatter<'_>, layer: &Layer) -> fmt::Result {
    match layer.name() {
        Some(name) => write!(f, "layer `{name}`")?,
        None => f.write_str("a layer without a name")?,
    }
    f.write_str(if layer.is_closed() { ", closed" } else { "" })?;
    for (index, (name, number)) in layer.counters().enumerate() {
        write!(f, "{} {name} {number}", if index == 0 { ":" } else { "," })?;
    }
    if let Some(max) = layer.max_fibers() {
        write!(f, ", max_fibers {max}")?;
    }
    f.write_str("\n")?;
    layer.overview.places.iter().try_for_each(|place| write_place(f, place))?;
    if let (places @ 1.., fibers) = layer.overview.others {
        writeln!(f, "{places} more places, with {fibers} fibers")?;
    }
    match layer.overview.unlisted {
        0 => Ok(()),
        unlisted => writeln!(f, "{unlisted} that run and have not waited yet"),
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, place: &Place) -> fmt::Result {
    write!(f, "{} {}", place.fibers, state(place))?;
    if let Some(location) = place.waits_at {
        write!(f, "{} at {location}", if place.is_running { ", waited last" } else { "" })?;
    }
    write!(f, " in `{}`", place.function)?;
    for (what, times) in [("began", place.ages()), ("caller gone", place.abandoned())] {
        if let Some((least, greatest)) = times {
            write!(f, ", {what} {} to {} ago", rounded(least), rounded(greatest))?;
        }
    }
    f.write_str("\n")?;
    for fiber in &place.oldest {
        writeln!(f, "    {}, {}", fiber.fiber, fiber.thread)?;
    }
    match place.fibers - place.oldest.len() {
        0 => Ok(()),
        more => writeln!(f, "    and {more} more"),
    }
}
