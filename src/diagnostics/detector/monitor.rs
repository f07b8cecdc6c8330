//! The thread that looks for fibers that run for too long.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::{
    fiber::{Event, Registry, registries},
    raw::{LOOKOUT, Running},
    util::{drop_quietly::drop_quietly, lock::lock},
};

/// Looks per threshold.
const LOOKS: u32 = 4;

/// Looks in a row that find nothing new before the thread rests.
const QUIET: u32 = 2 * LOOKS;

/// The shortest time between two looks.
const MIN_PAUSE: Duration = Duration::from_micros(250);

/// Starts the thread if it does not run yet.
pub(super) fn start() {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = lock(&STARTED);
    if *started {
        return;
    }
    match thread::Builder::new().name("fiber-detector".to_owned()).spawn(|| Monitor::default().run()) {
        Ok(_) => *started = true,
        Err(error) => complain(&error),
    }
}

/// The next thread to run its first fiber tries again.
fn complain(error: &std::io::Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_fiber::blocking", %error, "cannot start the thread that detects blocking");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

#[derive(Default)]
struct Monitor {
    /// What was seen on the thread of each registry.
    seen: Vec<Seen>,
    /// The time in which this process ran, as far as this thread could see. A process that is stopped blocks no calls.
    clock: Duration,
}

#[derive(Default)]
struct Seen {
    stretches: u64,
    /// The running fibers, each inside the one before.
    running: Vec<Stretch>,
}

#[derive(Clone)]
struct Stretch {
    number: u64,
    /// When it was first seen.
    since: Duration,
    reported: bool,
}

impl Monitor {
    fn run(&mut self) {
        LOOKOUT.keep(thread::current());
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
                LOOKOUT.rest(|| self.look(false));
                quiet = 0;
                last = Instant::now();
            }
        }
    }

    /// Whether a stretch has begun or may still have to be reported.
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
                // A subscriber or recorder that panics must not end this thread.
                drop_quietly(catch_unwind(AssertUnwindSafe(|| report(registry, &running, time))));
            }
        }
        is_news
    }
}

impl Seen {
    /// The running stretch, as it was seen before or is seen now.
    fn find(&mut self, running: &Running, now: Duration) -> &mut Stretch {
        let depth = running.depth();
        // The fibers further in have ended.
        self.running.truncate(depth);
        if self.running.get(depth - 1).is_none_or(|stretch| stretch.number != running.stretch) {
            self.running.truncate(depth - 1);
            // Enclosing fibers that were not seen have no number yet.
            let new = |number| Stretch { number, since: now, reported: false };
            self.running.resize(depth - 1, new(0));
            self.running.push(new(running.stretch));
        }
        &mut self.running[depth - 1]
    }
}

/// How long to wait before the next look: a part of the shortest threshold.
fn pause() -> Duration {
    let patience =
        registries().into_iter().map(|registry| registry.run_slot.patience()).filter(|patience| *patience > 0).min();
    (Duration::from_nanos(patience.unwrap_or(100_000_000)) / LOOKS).max(MIN_PAUSE)
}

/// Counts the stretch, and warns unless a warning was logged just now.
fn report(registry: &'static Registry, running: &Running, time: Duration) {
    let Some(survey) = registry.survey(running) else { return };
    let Some(detector) = &survey.shared.detector else { return };
    survey.shared.count(Event::Blocked);
    let now = Instant::now();
    let Some(unsaid) = detector.speak(now) else { return };
    #[cfg(feature = "tracing")]
    super::report::Report { registry, running: *running, survey, seen: (now, time), unsaid }.warn();
    #[cfg(not(feature = "tracing"))]
    let _ = (time, unsaid);
}
