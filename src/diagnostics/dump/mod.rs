//! Dumps: what each fiber of a layer is doing.

use std::{fmt, panic::Location, ptr, sync::Arc, time::Duration};

#[cfg(feature = "insight")]
use crate::fiber::wake_fiber;
use crate::fiber::{Asking, FiberId, Listed, Shared, list, wake_all};

mod backtrace;
mod json;
mod limit;
#[cfg(feature = "insight")]
mod overview;

#[cfg(all(feature = "signal", unix))]
pub(crate) use self::json::Members;
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) use self::json::Text;
#[cfg(feature = "insight")]
pub(crate) use self::overview::{Overview, Place, overview};

/// How long [`FiberHandle::dump_with_backtraces`](crate::FiberHandle::dump_with_backtraces) waits for busy
/// threads.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lists the fibers of a layer that have waited and not ended.
pub(crate) fn dump(shared: &Arc<Shared>) -> Dump {
    Dump::new(shared, list(shared), |_| None)
}

/// Lists them with backtraces, for which each fiber is woken.
pub(crate) async fn dump_with_backtraces(shared: &Arc<Shared>) -> Dump {
    let asking = Asking::new(shared, None);
    wake_all(shared);
    let mut limit = limit::after(PATIENCE);
    loop {
        let listed = list(shared);
        let is_answered = |fiber: &Listed| asking.answers.of(fiber.fiber).is_some();
        if limit.is_over() || listed.iter().all(is_answered) {
            let backtrace = |fiber| asking.answers.of(fiber).flatten().map(|taken| backtrace::of_code(&taken));
            return Dump::new(shared, listed, backtrace);
        }
        limit.or(asking.answers.changed()).await;
    }
}

/// Lists one fiber, with a function that makes the text of its backtrace, which may take long. `None` if no such fiber
/// waits in this layer.
#[cfg(feature = "insight")]
pub(crate) async fn dump_one(
    shared: &Arc<Shared>,
    fiber: FiberId,
) -> Option<(Listed, impl FnOnce() -> Option<String> + Send + 'static)> {
    let find = || list(shared).into_iter().find(|listed| listed.fiber == fiber);
    let mut found = find()?;
    let asking = Asking::new(shared, Some(fiber));
    wake_fiber(fiber);
    let mut limit = limit::after(PATIENCE);
    while asking.answers.of(fiber).is_none() && !limit.is_over() {
        limit.or(asking.answers.changed()).await;
        found = find()?;
    }
    let taken = asking.answers.of(fiber).flatten();
    Some((found, move || taken.map(|taken| backtrace::of_code(&taken))))
}

/// The fibers of a layer at about one time, by [`FiberHandle::dump`](crate::FiberHandle::dump).
///
/// `Display` groups the fibers of one service that wait in the same place, on the same thread and with the same
/// backtrace into one line with their number.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// The fibers that have waited, the oldest of each thread first.
    pub fibers: Vec<FiberInfo>,
    /// The number of further fibers, which run and have not waited yet.
    pub unlisted: u64,
}

/// One fiber of a [`Dump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FiberInfo {
    /// Its id, as [`fiber_id`](crate::fiber_id) returns it in the fiber.
    pub id: FiberId,
    /// The layer's name, or the type of the service or function.
    pub service: String,
    /// The name of its home thread.
    pub thread: String,
    /// How long ago it began, to some milliseconds. `None` if neither the layer nor a handle of it existed then.
    pub age: Option<Duration>,
    /// How long ago its caller, or that of a fiber around it, went, to some milliseconds. `None` while it has one.
    pub abandoned: Option<Duration>,
    /// Whether it runs or waits.
    pub state: FiberState,
    /// Where it waits, or waited last if it runs now. Behind an adapter it is the adapter's line.
    pub waits_at: Option<&'static Location<'static>>,
    /// The functions that wait, innermost first: one line for each function and one for its place.
    pub backtrace: Option<String>,
}

/// Whether a fiber runs or waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FiberState {
    /// Its code is running.
    Running,
    /// It is suspended in a wait.
    Waiting,
}

impl Dump {
    fn new(
        shared: &Arc<crate::fiber::Shared>,
        listed: Vec<Listed>,
        backtrace: impl Fn(FiberId) -> Option<String>,
    ) -> Self {
        let unlisted = shared.counters.live().saturating_sub(listed.len() as u64);
        let fibers = listed.into_iter().map(|fiber| FiberInfo {
            id: fiber.fiber,
            service: shared.name_or(fiber.label).to_owned(),
            thread: fiber.thread.to_string(),
            age: fiber.age,
            abandoned: fiber.abandoned,
            state: if fiber.is_running { FiberState::Running } else { FiberState::Waiting },
            waits_at: fiber.waits_at,
            backtrace: backtrace(fiber.fiber),
        });
        Self { fibers: fibers.collect(), unlisted }
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for fiber in &self.fibers {
            match groups.iter_mut().find(|group| group.fiber.is_like(fiber)) {
                Some(group) => group.add(fiber),
                None => groups.push(Group {
                    fiber,
                    number: 1,
                    ages: Ages::of(fiber.age),
                    abandoned: Ages::of(fiber.abandoned),
                }),
            }
        }
        groups.iter().try_for_each(|group| writeln!(f, "{group}"))?;
        match (self.fibers.len(), self.unlisted) {
            (0, 0) => f.write_str("no fibers"),
            (listed, 0) => write!(f, "fibers: {listed}"),
            (listed, unlisted) => write!(f, "fibers: {listed}, and {unlisted} that run and have not yet waited"),
        }
    }
}

impl FiberInfo {
    /// Whether both fibers belong in one line.
    fn is_like(&self, other: &Self) -> bool {
        let Self { id: _, service, thread, age: _, abandoned, state, waits_at, backtrace } = self;
        let same_place = waits_at.map(ptr::from_ref) == other.waits_at.map(ptr::from_ref);
        same_place
            && *state == other.state
            && abandoned.is_some() == other.abandoned.is_some()
            && *service == other.service
            && *thread == other.thread
            && *backtrace == other.backtrace
    }
}

/// Fibers of one service that wait in the same place.
struct Group<'a> {
    fiber: &'a FiberInfo,
    number: usize,
    ages: Ages,
    /// How long ago their callers went.
    abandoned: Ages,
}

/// The shortest and the longest time, if any is known.
#[derive(Clone, Copy)]
struct Ages(Option<(Duration, Duration)>);

impl Ages {
    fn of(age: Option<Duration>) -> Self {
        Self(age.map(|age| (age, age)))
    }

    fn add(&mut self, age: Option<Duration>) {
        self.0 = match (self.0, age) {
            (Some((least, greatest)), Some(age)) => Some((least.min(age), greatest.max(age))),
            (ages, age) => ages.or(Self::of(age).0),
        };
    }

    /// Writes the time, or the range of it for many fibers.
    fn write(self, what: &str, number: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(|(least, greatest)| (least.as_secs_f64(), greatest.as_secs_f64())) {
            Some((least, greatest)) if number > 1 => write!(f, ", {what} {least:.3} to {greatest:.3} s ago"),
            Some((age, _)) => write!(f, ", {what} {age:.3} s ago"),
            None => Ok(()),
        }
    }
}

impl Group<'_> {
    fn add(&mut self, fiber: &FiberInfo) {
        self.number += 1;
        self.ages.add(fiber.age);
        self.abandoned.add(fiber.abandoned);
    }
}

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fiber, number, ages, abandoned } = self;
        if *number > 1 {
            write!(f, "{number} of ")?;
        }
        let state = match (fiber.state, number) {
            (FiberState::Running, 1) => "runs; waited last",
            (FiberState::Running, _) => "run; waited last",
            (FiberState::Waiting, 1) => "waits",
            (FiberState::Waiting, _) => "wait",
        };
        write!(f, "`{}` {state}", fiber.service)?;
        if let Some(place) = fiber.waits_at {
            write!(f, " at {place}")?;
        }
        ages.write("began", *number, f)?;
        abandoned.write("caller gone", *number, f)?;
        write!(f, ", {}", fiber.thread)?;
        match &fiber.backtrace {
            Some(backtrace) => backtrace.lines().try_for_each(|line| write!(f, "\n    {line}")),
            None => Ok(()),
        }
    }
}
