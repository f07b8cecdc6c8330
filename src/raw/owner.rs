//! What running code asks its fiber's owner.

use std::{any::Any, ops::Range};

/// The owner's part of a fiber, which does not depend on what that runs. It is asked while it is lent to a resume, with
/// waits refused.
pub(crate) trait Owner: 'static {
    /// For messages. Also asked in a signal handler: it neither locks nor allocates.
    fn name(&self) -> &str;

    /// The addresses that code on the stack may use. Also asked in a signal handler.
    fn usable(&self) -> Range<usize>;

    /// Whether the code holds what it must not hold while it is suspended. Asked if the poll said that there is a bar.
    fn is_barred(&self) -> bool;

    /// The code was asked where it is.
    fn report(&self);

    /// The caller has gone.
    fn tell_caller_gone(&self);

    /// The fiber was told something that fibers inside it are to hear.
    fn tell_inside(&self);

    /// What is left to run on the stack before that is returned, if the state was told that there is something.
    fn at_end(&self) -> Option<Box<dyn FnOnce()>>;

    fn as_any(&self) -> &dyn Any;
}
