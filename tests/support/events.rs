//! Warnings that the crate gives through `tracing`.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Collects the warnings of each thread that it is the subscriber of.
#[derive(Clone)]
pub(crate) struct Warnings(Arc<Mutex<Vec<String>>>, Level);

impl Default for Warnings {
    fn default() -> Self {
        /// While a process has one subscriber, `tracing` decides whether anybody wants an event by that of the thread
        /// which comes by it first: one of another test that has none. With two it asks both.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Warnings(Arc::default(), Level::WARN)));

        LazyLock::force(&ANOTHER);
        Self(Arc::default(), Level::WARN)
    }
}

impl Warnings {
    /// What is worth knowing as well.
    pub(crate) fn and_infos() -> Self {
        Self(Self::default().0, Level::INFO)
    }

    /// Those in which this text occurs, of all that were not taken.
    pub(crate) fn with(&self, text: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|warning| warning.contains(text)).cloned().collect()
    }

    /// Those since the last time, each with all its fields.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.1
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        _ = write!(self.0, "{field}={value:?} ");
    }
}
