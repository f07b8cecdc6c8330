//! tokio task-locals that follow a call into its fiber.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::task::LocalKey;

use super::{probe, scope::Scope};
use crate::{
    raw::{foreign, let_go},
    util::drop_quietly::{FirstPanic, drop_quietly},
};

/// A task-local that a layer carries.
pub(super) trait CarriedKey: Send + Sync {
    /// Makes the scope of a call or a fiber that is being made here.
    fn new_scope(self: Arc<Self>) -> Box<dyn Scope>;

    /// Tells keys apart.
    fn id(&self) -> usize;

    /// Whether it has a value here.
    #[cfg(debug_assertions)]
    fn is_set(&self) -> bool;

    /// The type of its values.
    #[cfg(debug_assertions)]
    fn type_name(&self) -> &'static str;

    /// Whether code on this stack has borrowed the value, or set one where there was none, so that the value cannot be
    /// taken off the thread.
    fn is_stuck(&self) -> bool;
}

impl<T: Clone + Send + 'static> CarriedKey for &'static LocalKey<T> {
    fn new_scope(self: Arc<Self>) -> Box<dyn Scope> {
        Box::new(Carried { key: *self, value: current(*self), has_run: false })
    }

    fn id(&self) -> usize {
        address(self)
    }

    #[cfg(debug_assertions)]
    fn is_set(&self) -> bool {
        is_set(self)
    }

    #[cfg(debug_assertions)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn is_stuck(&self) -> bool {
        is_set(self) && (was_unset(address(self)) || probe::is_borrowed(address(self)))
    }
}

fn is_set<T>(key: &'static LocalKey<T>) -> bool {
    key.try_with(|_| ()).is_ok()
}

thread_local! {
    /// A value is being cloned. Calls and fibers that the clone makes carry nothing, or it would clone for ever.
    static IS_CLONING: Cell<bool> = const { Cell::new(false) };
    /// The carried keys of the fibers that run on this thread, the outer fibers first, and whether each fiber began
    /// without a value.
    ///
    /// If a fiber that began without a value sets one by a scope, that scope cannot be taken off the thread: tokio
    /// takes a value away only in exchange for another.
    static ENTERED: RefCell<Vec<(usize, bool)>> = const { RefCell::new(Vec::new()) };
}

/// A clone of the thread's value.
fn current<T: Clone>(key: &'static LocalKey<T>) -> Option<T> {
    struct Cloned;

    impl Drop for Cloned {
        fn drop(&mut self) {
            IS_CLONING.set(false);
        }
    }

    if IS_CLONING.replace(true) {
        return None;
    }
    let _cloned = Cloned;
    foreign(|| key.try_with(T::clone).ok()).unwrap_or_else(|payload| resume_unwind(payload))
}

/// The value of one fiber.
struct Carried<T: 'static> {
    key: &'static LocalKey<T>,
    /// `None` if the caller had no value, and while the fiber runs.
    value: Option<T>,
    has_run: bool,
}

impl<T: Clone + Send + 'static> Scope for Carried<T> {
    fn begin(&mut self) {
        if let Some(value) = current(self.key) {
            let_go(self.value.replace(value));
        }
    }

    fn around(&mut self, panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic)) {
        let is_first = !mem::replace(&mut self.has_run, true);
        let Some(value) = self.value.take() else { return self.around_without(panics, run) };
        let (value, refused) = scoped(self.key, value, false, panics, run);
        self.value = value;
        match refused {
            None => {}
            // Code around the fiber has borrowed the value that the fiber begins with. The fiber sees that value for as
            // long as it does not wait.
            Some(payload) if is_first => {
                drop_quietly(payload);
                let _entered = Entered::new(address(self.key), true);
                run(panics);
            }
            Some(payload) => panics.keep(payload),
        }
    }
}

impl<T> Drop for Carried<T> {
    fn drop(&mut self) {
        let_go(self.value.take());
    }
}

impl<T: Clone + Send + 'static> Carried<T> {
    /// For a fiber that has no value: it sees no value of the code around it either.
    fn around_without(&self, panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic)) {
        match catch_unwind(AssertUnwindSafe(|| current(self.key))) {
            Ok(None) => {
                let _entered = Entered::new(address(self.key), true);
                run(panics);
            }
            Ok(Some(other)) => {
                let (left, refused) = scoped(self.key, other, true, panics, run);
                let_go(left);
                refused.into_iter().for_each(|payload| panics.keep(payload));
            }
            Err(payload) => panics.keep(payload),
        }
    }
}

/// Calls `run` with this value set, or with none if `is_hidden`. Returns the value that is set afterwards and, if tokio
/// refuses and does not call `run`, tokio's panic.
fn scoped<T: 'static>(
    key: &'static LocalKey<T>,
    value: T,
    is_hidden: bool,
    panics: &mut FirstPanic,
    run: &mut dyn FnMut(&mut FirstPanic),
) -> (Option<T>, Option<Box<dyn Any + Send>>) {
    let _entered = Entered::new(address(key), is_hidden);
    let value = probe::prepare(key, address(key), value);
    // Not `sync_scope`, which drops the value: the fiber may have changed the value.
    let mut scope = pin!(key.scope(
        value,
        poll_fn(|_| {
            run(panics);
            Poll::Ready(())
        })
    ));
    if is_hidden {
        let_go(scope.as_mut().take_value());
    }
    let polled = catch_unwind(AssertUnwindSafe(|| scope.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    (scope.take_value(), polled.err())
}

fn address<T>(key: &'static LocalKey<T>) -> usize {
    ptr::from_ref(key).addr()
}

/// Whether the innermost fiber that carries this key began without a value.
fn was_unset(key: usize) -> bool {
    let unset = |entered: &Vec<(usize, bool)>| {
        entered.iter().rfind(|(other, _)| *other == key).is_some_and(|(_, unset)| *unset)
    };
    ENTERED.try_with(|entered| unset(&entered.borrow())).unwrap_or(false)
}

/// Exists while a fiber runs.
struct Entered;

impl Entered {
    fn new(key: usize, is_unset: bool) -> Self {
        // A thread that is ending has no list any more.
        _ = ENTERED.try_with(|entered| entered.borrow_mut().push((key, is_unset)));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        _ = ENTERED.try_with(|entered| entered.borrow_mut().pop());
    }
}
