//! The spans that are entered on a thread: those of its task, and those of each fiber.
//!
//! A subscriber keeps one stack of spans for each thread. Each resume takes all spans of the task off and puts the
//! fiber's on, and each suspend does the reverse. That is right even if the same span has been entered twice, or by
//! both.
//!
//! A task has most often entered one span, in which its fiber began. The first poll finds that out by taking it off.
//! In later polls such a span stays on, because a suspend can tell it from what the fiber has entered. A second entry
//! is taken for the fiber's: a task that enters a span once around a first poll rarely enters it twice around a later
//! one.
//!
//! Subscribers are foreign code. A subscriber that panics here harms nothing but itself.

mod here;
mod off;
mod parent;
mod scoped;
mod taken;

use tracing::level_filters::LevelFilter;
#[cfg(debug_assertions)]
use tracing::{Id, dispatcher};

#[cfg(debug_assertions)]
use self::taken::current_of;
pub(super) use self::{
    here::Here,
    off::Spans,
    parent::Parent,
    scoped::{Dispatcher, reset_dispatcher},
};

/// Whether any thread can have entered a span. None can until a subscriber exists.
#[inline]
pub(super) fn may_exist() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// The current span, to be compared.
#[cfg(debug_assertions)]
pub(super) type CurrentId = Option<Id>;

#[cfg(debug_assertions)]
pub(super) fn current_id() -> CurrentId {
    dispatcher::get_default(current_of)
}
