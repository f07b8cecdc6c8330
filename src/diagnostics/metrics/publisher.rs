//! Passes what layers have counted on to the recorder.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use super::{
    delta::{Delta, Told},
    facade::LayerMetrics,
};
use crate::{
    fiber::{LOOKOUT, Meter},
    raw::{foreign, let_go},
    util::{drop_quietly::drop_quietly, lock::lock},
};

/// How often the thread looks.
const TICK: Duration = Duration::from_millis(100);

/// Looks in a row that find nothing new before the thread rests.
const QUIET: u32 = 10;

/// The layers of one name.
struct Named {
    meter: Arc<Meter>,
    told: Mutex<Told>,
    /// Made when there is something to tell first.
    metrics: OnceLock<LayerMetrics>,
}

static ALL: Mutex<Option<HashMap<String, Arc<Named>>>> = Mutex::new(None);

/// What the layers of this name count in.
pub(crate) fn meter_of(name: Option<&str>) -> Arc<Meter> {
    let name = name.unwrap_or("unnamed");
    let mut all = lock(&ALL);
    let all = all.get_or_insert_default();
    let named = all.entry(name.to_owned()).or_insert_with(|| {
        let (meter, told) = (Arc::new(Meter::new(name, wake)), Mutex::default());
        Arc::new(Named { meter, told, metrics: OnceLock::new() })
    });
    Arc::clone(&named.meter)
}

/// Passes on what all layers have counted. Returns whether there was anything.
pub(crate) fn publish() -> bool {
    let all: Vec<_> = lock(&ALL).iter().flat_map(HashMap::values).map(Arc::clone).collect();
    all.iter().filter(|named| named.publish()).count() > 0
}

impl Named {
    fn publish(&self) -> bool {
        let mut delta = lock(&self.told).renew(&self.meter);
        let_go(mem::take(&mut delta.layers));
        let has_changed = !delta.is_empty();
        if has_changed {
            self.tell(&delta);
        }
        has_changed
    }

    /// Called with nothing locked.
    fn tell(&self, delta: &Delta) {
        if self.metrics.get().is_none() {
            let made = foreign(|| LayerMetrics::new(&self.meter.name));
            // Another thread, or the recorder itself, may have made them meanwhile.
            drop_quietly(made.map(|made| let_go(self.metrics.set(made))));
        }
        self.metrics.get().into_iter().for_each(|metrics| metrics.tell(delta));
    }
}

/// Called when something is counted while the thread rests or has not been started.
#[cold]
fn wake() {
    static IS_STARTED: Mutex<bool> = Mutex::new(false);
    if !LOOKOUT.wake() {
        return;
    }
    let started = {
        let mut is_started = lock(&IS_STARTED);
        if *is_started {
            return;
        }
        let started = thread::Builder::new().name("fiber-metrics".to_owned()).spawn(run);
        *is_started = started.is_ok();
        started
    };
    // A subscriber is foreign code.
    started.err().into_iter().for_each(|error| drop_quietly(foreign(|| complain(&error))));
}

/// The recorder is then told by `FiberHandle::counters` only.
fn complain(error: &std::io::Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_fiber::metrics", %error, "the thread that passes on metrics could not be started: only `FiberHandle::counters` passes them on now");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

fn run() {
    LOOKOUT.keep(thread::current());
    let mut quiet = 0;
    loop {
        thread::park_timeout(TICK);
        quiet = if publish() { 0 } else { quiet + 1 };
        if quiet >= QUIET {
            LOOKOUT.rest(publish);
            quiet = 0;
        }
    }
}
