//! Reports that fibers give when asked: each takes a backtrace on its own stack.

use std::{
    backtrace::Backtrace,
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use super::{id::FiberId, relay::Relayed};
use crate::{raw::remaining_stack, util::lock::lock};

/// Bytes of free stack that taking a backtrace needs.
const ROOM: usize = 24 * 1024;

/// The open requests for reports to the fibers of one layer.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Vec<Arc<Answers>>>);

impl Reports {
    /// Opens a request to one fiber, or to all.
    pub(super) fn ask(&self, asked: Option<FiberId>) -> Arc<Answers> {
        let answers = Arc::new(Answers { asked, backtraces: Mutex::default(), epoch: Notify::new() });
        lock(&self.0).push(Arc::clone(&answers));
        answers
    }

    /// Closes a request.
    pub(super) fn end(&self, request: &Arc<Answers>) {
        lock(&self.0).retain(|answers| !Arc::ptr_eq(answers, request));
    }

    /// Answers all open requests for the fiber that this code runs on.
    #[cold]
    pub(super) fn answer(&self, fiber: FiberId) {
        let is_asked = |answers: &&Arc<Answers>| answers.asked.is_none_or(|asked| asked == fiber);
        let asking: Vec<_> = lock(&self.0).iter().filter(is_asked).cloned().collect();
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
}

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
