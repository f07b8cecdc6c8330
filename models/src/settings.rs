//! The library's settings, as far as a hosted fiber looks at them.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDrop {
    Finish,
    Cancel,
}

#[derive(Clone, Copy)]
pub(crate) struct Leave {
    pub(crate) on_drop: OnDrop,
}
