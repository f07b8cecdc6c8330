//! The warning about a fiber that blocks its thread.

use std::{
    fmt,
    panic::Location,
    time::{Duration, Instant},
};

use super::stack::Stack;
use crate::{
    fiber::{DetectorSettings, Registry, Shared, Survey},
    raw::{Running, Untraceable},
};

pub(super) struct Report<'a> {
    pub(super) registry: &'static Registry,
    pub(super) running: &'a Running,
    pub(super) survey: &'a Survey,
    pub(super) detector: &'a DetectorSettings,
    /// When the fiber was seen, and how long, at least, it had run by then.
    pub(super) seen: (Instant, Duration),
    /// Stretches of the layer that were only counted, not logged, since its last warning.
    pub(super) unsaid: u64,
}

impl Report<'_> {
    pub(super) fn warn(&self) {
        let stack = self.stack();
        let Survey { shared, label, .. } = self.survey;
        let text = Text { report: self, stack: &stack };
        tracing::warn!(target: "tower_fiber::blocking", service = shared.name_or(label), "{text}");
    }

    /// `None` if no backtrace is wanted.
    fn stack(&self) -> Option<Result<Stack, Untraceable>> {
        if !self.detector.backtrace {
            return None;
        }
        let trace = self.registry.run_slot.trace(self.running);
        Some(trace.map(|trace| Stack::resolve(&trace)))
    }

    /// How long the fiber has run by now, if it still runs, or had run when it was seen.
    fn time(&self) -> (Duration, bool) {
        let (seen, time) = self.seen;
        let still_runs = self.registry.run_slot.is_at(self.running);
        (if still_runs { time + seen.elapsed() } else { time }, still_runs)
    }
}

struct Text<'a> {
    report: &'a Report<'a>,
    stack: &'a Option<Result<Stack, Untraceable>>,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { survey, detector, unsaid, .. } = self.report;
        let Survey { home, waits_at, .. } = survey;
        let (time, still_runs) = self.report.time();
        let now = if still_runs { "still does" } else { "has gone on since" };
        let [time, threshold] = [time, detector.threshold].map(|time| time.as_millis());
        write!(
            f,
            "a fiber has blocked {home} for {time} ms (threshold {threshold} ms) and {now}; nothing else runs there meanwhile; "
        )?;
        match waits_at {
            Some(place) => write!(f, "it waited last at {place}")?,
            None => f.write_str("it has not waited before")?,
        }
        match *unsaid {
            0 => {}
            1 => f.write_str("; one more time was only counted since the last warning")?,
            times => write!(f, "; {times} more times were only counted since the last warning")?,
        }
        match self.stack {
            Some(Ok(stack)) => {
                self.advise(f, stack.lock())?;
                write!(f, "\nthe thread is in:\n{stack}")
            }
            Some(Err(why)) => {
                self.advise(f, None)?;
                write!(f, "\nno backtrace: {why}")
            }
            None => self.advise(f, None),
        }
    }
}

impl Text<'_> {
    fn advise(&self, f: &mut fmt::Formatter<'_>, lock: Option<&str>) -> fmt::Result {
        let Survey { others, more, .. } = self.report.survey;
        let Some(lock) = lock else {
            return f.write_str("; what computes for long or blocks belongs into `offload`");
        };
        if others.is_empty() {
            return write!(
                f,
                "\nit waits for {lock}: hold such a lock for moments only, or use tokio's by await_in_fiber"
            );
        }
        write!(
            f,
            "\nit waits for {lock}; if a suspended fiber of the same thread holds that, neither can ever go on: do not hold such a lock \
             over a wait, use tokio's by await_in_fiber; suspended are"
        )?;
        for group in others {
            f.write_str("\n   ")?;
            if group.fibers > 1 {
                write!(f, "{} of ", group.fibers)?;
            }
            waiting(f, &group.shared, group.label, group.waits_at)?;
        }
        if *more > 0 {
            write!(f, "\n   and {more} others")?;
        }
        Ok(())
    }
}

fn waiting(f: &mut fmt::Formatter<'_>, shared: &Shared, label: &str, place: Option<&Location<'_>>) -> fmt::Result {
    write!(f, "`{}`", shared.name_or(label))?;
    place.map_or(Ok(()), |place| write!(f, ", waiting at {place}"))
}
