//! Stands in for spans without the feature `tracing`.

#[inline]
pub(super) fn may_exist() -> bool {
    false
}

#[inline]
pub(super) fn are_none_here() -> bool {
    true
}

#[derive(Default)]
pub(super) struct Parent {}

impl Parent {
    pub(super) fn current() -> Option<Self> {
        None
    }

    pub(super) fn renew(&mut self) {}

    pub(super) fn renew_by(&mut self, _: &mut Spans) {}

    pub(super) fn taken_off(_: &mut Spans, _: Option<&Self>) -> Option<Self> {
        None
    }

    pub(super) fn id(&self) -> Option<&Id> {
        None
    }

    pub(super) fn kept(&self) -> Option<Id> {
        None
    }

    pub(super) fn entered(&self) -> Spans {
        Spans::none()
    }

    pub(super) fn set_dispatcher(&self) -> Option<Dispatcher> {
        None
    }
}

/// No value of these exists.
pub(super) enum Id {}
pub(super) enum Dispatcher {}

pub(super) fn reset_dispatcher(_: &mut Option<Dispatcher>) {}

pub(super) struct Spans {}

impl Spans {
    pub(super) fn none() -> Self {
        Self {}
    }

    pub(super) fn take_off(&mut self, _: Option<Id>) {}

    pub(super) fn put_on(&mut self) {}

    pub(super) fn is_empty(&self) -> bool {
        true
    }

    pub(super) fn lie_in(&self, _: Option<&Id>) -> bool {
        true
    }

    pub(super) fn leave_out(&mut self, _: Option<&Id>) {}
}

#[cfg(debug_assertions)]
pub(super) type CurrentId = ();

#[cfg(debug_assertions)]
pub(super) fn current_id() -> CurrentId {}
