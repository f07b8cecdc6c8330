//! Reports that fibers give when asked: each takes a backtrace on its own stack.

use std::{
    backtrace::Backtrace,
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use super::{Shared, id::FiberId, relay::Relayed};
use crate::{raw::remaining_stack, util::lock::lock};

/// Bytes of free stack that taking a backtrace needs.
const ROOM: usize = 24 * 1024;

/// The open requests for reports to the fibers of one layer.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Vec<Arc<Answers>>>);

/// The answers to one request.
#[derive(Debug)]
pub(crate) struct Answers {
    /// The only fiber that is asked, or `None` for all.
    asked: Option<FiberId>,
    /// `None` for a fiber whose stack is too full.
    backtraces: Mutex<HashMap<FiberId, Option<Arc<Backtrace>>>>,
    epoch: Notify,
}

impl Answers {
    /// Waits for the next answer after the first poll of this future.
    pub(crate) async fn changed(&self) {
        Relayed::new(pin!(self.epoch.notified())).await;
    }

    pub(crate) fn of(&self, fiber: FiberId) -> Option<Option<Arc<Backtrace>>> {
        lock(&self.backtraces).get(&fiber).cloned()
    }
}

/// A request for reports, open while this value exists.
pub(crate) struct Asking {
    shared: Arc<Shared>,
    pub(crate) answers: Arc<Answers>,
}

impl Asking {
    /// Asks one fiber, or all. The caller must wake the waiting fibers that are asked after this.
    pub(crate) fn new(shared: &Arc<Shared>, asked: Option<FiberId>) -> Self {
        let answers = Arc::new(Answers { asked, backtraces: Mutex::default(), epoch: Notify::new() });
        lock(&shared.reports.0).push(Arc::clone(&answers));
        shared.in_flight.ask_for_reports();
        Self { shared: Arc::clone(shared), answers }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.shared.reports.0).retain(|answers| !Arc::ptr_eq(answers, &self.answers));
    }
}

/// Answers all open requests for the fiber that this code runs on.
#[cold]
pub(super) fn report(shared: &Shared, fiber: FiberId) {
    let is_asked = |answers: &&Arc<Answers>| answers.asked.is_none_or(|asked| asked == fiber);
    let asking: Vec<_> = lock(&shared.reports.0).iter().filter(is_asked).cloned().collect();
    if asking.is_empty() {
        return;
    }
    let has_room = remaining_stack().is_none_or(|bytes| bytes > ROOM);
    let backtrace = has_room.then(|| Arc::new(Backtrace::force_capture()));
    for answers in asking {
        lock(&answers.backtraces).insert(fiber, backtrace.clone());
        answers.epoch.notify_one();
    }
}
