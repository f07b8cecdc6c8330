//! Stands in for spans without the feature `tracing`.

#[inline]
pub(super) fn may_exist() -> bool {
    false
}

#[derive(Default)]
pub(super) struct Parent {}

impl Parent {
    pub(super) fn current() -> Option<Self> {
        None
    }

    pub(super) fn at(here: &Here, _: Option<&Id>) -> Option<Self> {
        match *here {}
    }

    pub(super) fn renew(&mut self, _: &Here) {}

    pub(super) fn is_nothing(&self) -> bool {
        true
    }

    pub(super) fn is(&self, here: &Here) -> bool {
        match *here {}
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
pub(super) enum Here {}
pub(super) enum Id {}
pub(super) enum Dispatcher {}

impl Here {
    pub(super) fn look() -> Option<Self> {
        None
    }
}

pub(super) fn reset_dispatcher(_: &mut Option<Dispatcher>) {}

pub(super) struct Spans {}

impl Spans {
    pub(super) fn none() -> Self {
        Self {}
    }

    pub(super) fn take_off(&mut self, _: Option<Id>) {}

    pub(super) fn take_off_here(&mut self, here: Here, _: Option<Id>) {
        match here {}
    }

    pub(super) fn take_off_all_but_one(&mut self, _: bool) {}

    pub(super) fn put_on(&mut self) {}

    pub(super) fn is_empty(&self) -> bool {
        true
    }

    pub(super) fn are_only(&self, _: Option<&Id>) -> bool {
        false
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
