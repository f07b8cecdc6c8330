//! The warning about a fiber that blocks its thread.

use std::{
    fmt,
    panic::Location,
    thread,
    time::{Duration, Instant},
};

use super::stack::{Awaited, Stack};
use crate::{
    fiber::{Registry, Shared, Survey},
    raw::{Running, Trace, Untraceable, trace_thread},
};

pub(super) struct Report {
    pub(super) registry: &'static Registry,
    pub(super) running: Running,
    pub(super) survey: Survey,
    /// When the fiber was seen, and how long, at least, it had run by then.
    pub(super) seen: (Instant, Duration),
    /// Stretches of the layer that were only counted, not logged, since its last warning.
    pub(super) unsaid: u64,
}

/// The trace of the thread, or why there is none.
enum Functions {
    NotWanted,
    Known(Stack),
    Unknown(Untraceable),
    /// They follow in an event of their own.
    Later,
}

impl Report {
    pub(super) fn warn(self) {
        let functions = match self.trace() {
            None => Functions::NotWanted,
            Some(Err(why)) => Functions::Unknown(why),
            Some(Ok(trace)) if Stack::is_quick() => Functions::Known(Stack::resolve(&trace)),
            Some(Ok(trace)) => {
                self.say(&Functions::Later);
                // The debug information is read now, which may take long, and other threads are to be looked at
                // meanwhile.
                let follow = move || self.say(&Functions::Known(Stack::resolve(&trace)));
                // Without a thread, the warning stays without them.
                _ = thread::Builder::new().name("fiber-symbols".to_owned()).spawn(follow);
                return;
            }
        };
        self.say(&functions);
    }

    fn say(&self, functions: &Functions) {
        let Survey { shared, fiber, label, home, waits_at, .. } = &self.survey;
        let (time, still_runs) = self.time();
        let text = Text { report: self, functions, time, still_runs };
        tracing::warn!(
            target: "tower_fiber::blocking",
            service = shared.name_or(label),
            thread = %home,
            fiber = %fiber,
            elapsed_ms = time.as_millis() as u64,
            threshold_ms = self.threshold().as_millis() as u64,
            still_runs,
            waits_at = waits_at.map(tracing::field::display),
            "{text}"
        );
    }

    fn threshold(&self) -> Duration {
        self.survey.shared.detector.as_ref().map_or(Duration::ZERO, |detector| detector.threshold)
    }

    /// `None` if no backtrace is wanted.
    fn trace(&self) -> Option<Result<Trace, Untraceable>> {
        let detector = self.survey.shared.detector.as_ref()?;
        detector.backtrace.then(|| trace_thread(&self.registry.run_slot, &self.running))
    }

    /// How long the fiber has run by now, if it still runs, or had run when it was seen.
    fn time(&self) -> (Duration, bool) {
        let (seen, time) = self.seen;
        let still_runs = self.registry.run_slot.is_at(&self.running);
        (if still_runs { time + seen.elapsed() } else { time }, still_runs)
    }
}

struct Text<'a> {
    report: &'a Report,
    functions: &'a Functions,
    time: Duration,
    still_runs: bool,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { survey, unsaid, .. } = self.report;
        let Survey { home, waits_at, .. } = survey;
        let now = if self.still_runs {
            "still does; nothing else runs there meanwhile"
        } else {
            "has gone on since; nothing else ran there meanwhile"
        };
        let [time, threshold] = [self.time, self.report.threshold()].map(|time| time.as_millis());
        write!(f, "a fiber has blocked {home} for {time} ms (threshold {threshold} ms) and {now}; ")?;
        match waits_at {
            Some(place) => write!(f, "it waited last at {place}")?,
            None => f.write_str("it has not waited before")?,
        }
        match *unsaid {
            0 => {}
            1 => f.write_str("; one more time was only counted since the last warning")?,
            times => write!(f, "; {times} more times were only counted since the last warning")?,
        }
        match self.functions {
            Functions::Known(stack) => {
                self.advise(f, stack.awaited())?;
                write!(f, "\nthe thread is in:\n{stack}")
            }
            Functions::Unknown(why) => {
                self.advise(f, None)?;
                write!(f, "\nno backtrace: {why}")
            }
            Functions::Later => {
                f.write_str("; the functions that it is in follow when the debug information has been read")
            }
            Functions::NotWanted => self.advise(f, None),
        }
    }
}

impl Text<'_> {
    fn advise(&self, f: &mut fmt::Formatter<'_>, awaited: Option<Awaited>) -> fmt::Result {
        let Survey { others, more, .. } = &self.report.survey;
        match (awaited, others.is_empty()) {
            (None, _) => return f.write_str("; what computes for long or blocks belongs in `offload` [TF31]"),
            (Some(Awaited::Lock(lock)), true) => {
                return write!(
                    f,
                    "\nit waits for {lock}: hold such a lock for moments only, or use one of `tower_fiber::sync`, for which the fiber \
                     suspends [TF32]"
                );
            }
            (Some(Awaited::Notice(notice)), true) => {
                return write!(
                    f,
                    "\nit waits for {notice}: use what suspends the fiber, of `tower_fiber::sync` or of tokio's by await_in_fiber [TF41]"
                );
            }
            (Some(Awaited::Lock(lock)), false) => write!(
                f,
                "\nit waits for {lock}; if a suspended fiber of the same thread holds that, neither can ever go on: do not hold such a \
                 lock over a wait, or use one of `tower_fiber::sync`, for which the fiber suspends [TF32]; suspended are"
            )?,
            (Some(Awaited::Notice(notice)), false) => write!(
                f,
                "\nit waits for {notice}; if that is to come from a suspended fiber of the same thread, neither can ever go on: use what \
                 suspends the fiber, of `tower_fiber::sync` or of tokio's by await_in_fiber [TF41]; suspended are"
            )?,
        }
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
