//! The thread that looks who has been running for too long.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    fiber::{Event, Registry, registries},
    raw::{Running, keep_lookout, rest},
    util::drop_quietly::drop_quietly,
};

/// Looks in the time that a fiber may take.
const LOOKS: u32 = 4;

/// Looks in a row without news before the thread rests.
const QUIET: u32 = 2 * LOOKS;

/// Between two looks at the least.
const MIN_PAUSE: Duration = Duration::from_micros(250);

/// Starts the thread, if it does not run yet.
pub(super) fn start() {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return;
    }
    match thread::Builder::new().name("fiber-watch".to_owned()).spawn(|| Patrol::default().run()) {
        Ok(_) => *started = true,
        Err(error) => complain(&error),
    }
}

/// The next thread that runs its first fiber tries again.
fn complain(error: &std::io::Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_fiber::blocking", %error, "no thread for watching fibers");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

#[derive(Default)]
struct Patrol {
    /// What was seen of each registry's thread.
    seen: Vec<Seen>,
    /// The time in which this process ran, as far as this thread could see: when all of it is stopped, nobody blocks
    /// anybody.
    clock: Duration,
}

#[derive(Default)]
struct Seen {
    stretches: u64,
    /// Those that run, each in the one before.
    running: Vec<Stretch>,
}

#[derive(Clone)]
struct Stretch {
    number: u64,
    /// When it was first seen.
    since: Duration,
    reported: bool,
}

impl Patrol {
    fn run(&mut self) {
        keep_lookout(thread::current());
        let mut quiet = 0;
        let mut last = Instant::now();
        loop {
            let pause = pause();
            thread::park_timeout(pause);
            let now = Instant::now();
            self.clock += (now - last).min(2 * pause);
            last = now;
            quiet = if self.look(true) { 0 } else { quiet + 1 };
            if quiet >= QUIET {
                rest(|| self.look(false));
                quiet = 0;
                last = Instant::now();
            }
        }
    }

    /// Whether anything has begun or may still have to be reported.
    fn look(&mut self, reports: bool) -> bool {
        let mut is_news = false;
        let registries = registries();
        self.seen.resize_with(registries.len(), Seen::default);
        for (registry, seen) in registries.into_iter().zip(&mut self.seen) {
            let stretches = registry.run_slot.count();
            is_news |= std::mem::replace(&mut seen.stretches, stretches) != stretches;
            let Some(running) = registry.run_slot.running() else {
                seen.running.clear();
                continue;
            };
            let stretch = seen.find(&running, self.clock);
            if stretch.reported {
                continue;
            }
            is_news = true;
            let time = self.clock - stretch.since;
            if reports && time >= Duration::from_nanos(running.patience) {
                stretch.reported = true;
                // A subscriber or recorder that panics must not be the end of the watch.
                drop_quietly(catch_unwind(AssertUnwindSafe(|| report(registry, &running, time))));
            }
        }
        is_news
    }
}

impl Seen {
    /// The stretch that runs, as it was seen before or as seen now.
    fn find(&mut self, running: &Running, now: Duration) -> &mut Stretch {
        let depth = running.depth();
        // Those further in have ended.
        self.running.truncate(depth);
        if self.running.get(depth - 1).is_none_or(|stretch| stretch.number != running.stretch) {
            self.running.truncate(depth - 1);
            // Those around it that have not been seen have no number yet.
            let new = |number| Stretch { number, since: now, reported: false };
            self.running.resize(depth - 1, new(0));
            self.running.push(new(running.stretch));
        }
        &mut self.running[depth - 1]
    }
}

/// How long to wait before the next look: a part of what the most impatient layer allows.
fn pause() -> Duration {
    let patience =
        registries().into_iter().map(|registry| registry.run_slot.patience()).filter(|patience| *patience > 0).min();
    (Duration::from_nanos(patience.unwrap_or(100_000_000)) / LOOKS).max(MIN_PAUSE)
}

/// Counts, and warns unless that was done just now.
fn report(registry: &'static Registry, running: &Running, time: Duration) {
    let Some(survey) = registry.survey(running) else { return };
    let Some(detector) = &survey.shared.detector else { return };
    survey.shared.count(Event::Blocked);
    let now = Instant::now();
    let Some(unsaid) = detector.speak(now) else { return };
    #[cfg(feature = "tracing")]
    super::report::Report { registry, running, survey: &survey, detector, seen: (now, time), unsaid }.warn();
    #[cfg(not(feature = "tracing"))]
    let _ = (time, unsaid);
}
