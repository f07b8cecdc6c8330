//! The questions that running code asks its fiber's owner.

use std::{any::Any, ops::Range};

/// The owner's part of a fiber, independent of its job. It is asked while it is lent to a resume, with waits refused.
pub(crate) trait Owner: 'static {
    /// The name for messages. Also asked in a signal handler: it neither locks nor allocates.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "an overflow's message asks"))]
    fn name(&self) -> &str;

    /// The addresses that code on the stack may use. Also asked in a signal handler.
    fn usable(&self) -> Range<usize>;

    /// Whether the code holds something that it must not hold while it is suspended. Asked if the poll said that a bar
    /// exists.
    fn is_barred(&self) -> bool;

    /// Whether libc's blocking calls suspend the fiber.
    #[cfg(feature = "interpose")]
    #[cfg_attr(
        not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
        allow(dead_code, reason = "nothing is interposed here")
    )]
    fn is_interposed(&self) -> bool;

    /// Reports where the code is.
    fn report(&self);

    /// Passes on that the caller has gone.
    fn tell_caller_gone(&self);

    /// Passes a signal on to the fibers inside this one.
    fn tell_inside(&self);

    /// What is left to run on the stack before it is returned. Asked if the state was told that there is something.
    fn at_end(&self) -> Option<Box<dyn FnOnce()>>;

    /// Looks at the payload of a panic that ends the fiber.
    #[cfg(feature = "tracing")]
    fn note_panic(&self, payload: &(dyn Any + Send));

    fn as_any(&self) -> &dyn Any;
}
