//! A subscriber that compares the number in each event with that of the innermost span that has one.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use tracing::{
    Event, Id, Subscriber,
    field::{Field, Visit},
    span::Attributes,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

#[derive(Default)]
pub(crate) struct Observer {
    events: AtomicU64,
    mismatches: AtomicU64,
}

impl Observer {
    /// For the whole process.
    pub(crate) fn install() -> &'static Self {
        static OBSERVER: OnceLock<Observer> = OnceLock::new();
        let observer = OBSERVER.get_or_init(Self::default);
        let info = tracing::level_filters::LevelFilter::INFO;
        let subscriber = tracing_subscriber::registry().with(info).with(Observes(observer));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        observer
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(crate) fn mismatches(&self) -> u64 {
        self.mismatches.load(Ordering::Relaxed)
    }
}

struct Observes(&'static Observer);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Observes {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut number = Number(None);
        attributes.record(&mut number);
        context.span(id).unwrap().extensions_mut().insert(number);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut number = Number(None);
        event.record(&mut number);
        // Others have none.
        let Number(Some(number)) = number else { return };
        self.0.events.fetch_add(1, Ordering::Relaxed);
        let scope = context.event_scope(event).into_iter().flatten();
        let in_spans: Vec<_> =
            scope.filter_map(|span| span.extensions().get::<Number>().and_then(|span| span.0)).collect();
        // That of the layer outside and of the one inside at least.
        if in_spans.len() < 2 || in_spans.iter().any(|own| *own != number) {
            self.0.mismatches.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The field `id`.
struct Number(Option<u64>);

impl Visit for Number {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "id" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
