//! What happens from outside.

use std::{cell::Cell, future::poll_fn, sync::Arc, task::Poll, thread, time::Duration};

use futures_util::{FutureExt as _, future::select};
use tokio::{runtime::Builder, task::yield_now, time::advance};
use tower_service::Service as _;

use super::{
    calls::{Kept, Taken},
    fiber::{Ended, Made},
    hook::CARRIED,
    script::{LAYERS, Operation, WakerSetup},
    service::{Request, serve},
    stage::Stage,
    value::{Value, discard, guarded},
};

thread_local! {
    /// The runtime of this thread ends, and is entered meanwhile. What is polled then goes to the pool, for which only
    /// its own host waits.
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Turns that the other tasks of the thread get when they are to run.
const TURNS: usize = 12;

impl Stage {
    /// Whether a call that is polled here runs where the script expects it.
    pub(crate) fn may_poll(&self) -> bool {
        self.host.is_elsewhere() || !IS_ENDING.get()
    }

    pub(crate) async fn apply(self: &Arc<Self>, operation: &Operation) {
        match operation {
            Operation::Idle => self.idle().await,
            Operation::PollByTask { call } => {
                poll_fn(|cx| {
                    guarded(|| self.poll_with(*call, cx));
                    Poll::Ready(())
                })
                .await;
            }
            Operation::Advance { millis } => self.advance(Duration::from_millis((*millis).into())).await,
            operation => _ = guarded(|| self.apply_now(operation)),
        }
        if thread::panicking() {
            self.ledger.fail("a fiber has suspended while it panics");
        }
    }

    /// Lets other tasks run.
    pub(crate) async fn idle(&self) {
        for _ in 0..TURNS {
            yield_now().await;
            if self.host.is_elsewhere() {
                thread::yield_now();
            }
        }
    }

    /// Moves the clock, if it can be. Wakers that panic do so in tokio's driver, which does not survive that.
    pub(crate) async fn advance(&self, time: Duration) {
        if self.host.has_clock() {
            self.set_calm(true);
            advance(time).await;
            yield_now().await;
            self.set_calm(false);
        }
    }

    fn apply_now(self: &Arc<Self>, operation: &Operation) {
        match operation {
            Operation::Idle | Operation::Advance { .. } | Operation::PollByTask { .. } => unreachable!("they wait"),
            Operation::Start { fiber } => self.calls.put(Made::new(self, None, fiber).kept()),
            Operation::Poll { call, waker } => self.poll_call(*call, *waker),
            Operation::PollTwice { call, waker } => self.poll_twice(*call, *waker),
            Operation::Open { gate } => self.open(*gate),
            Operation::Drop { call } => drop(self.calls.take(*call)),
            Operation::DropPanicking { call } => drop_panicking(self.calls.take(*call)),
            Operation::DropElsewhere { call } => self.elsewhere(*call, |taken| discard(taken.kept)),
            Operation::PollElsewhere { call, waker } => self.poll_elsewhere(*call, *waker),
            Operation::PollCarrying { call, waker, value } => {
                let value = Value::new(self, None, *value);
                CARRIED.sync_scope(value, || self.poll_call(*call, *waker));
            }
            Operation::Act { act } => self.act(*act),
            Operation::ActElsewhere { act } => on_a_thread(|| self.act(*act)),
            Operation::Serve { layer, program } => {
                self.put_service(None, serve(self, usize::from(*layer) % LAYERS, program));
            }
            Operation::Ready { service, waker } => self.poll_ready(*service, *waker),
            Operation::Call { service, request } => {
                let Some((index, mut service)) = self.take_service(*service) else { return };
                let layer = service.get_ref().layer();
                self.calls.put(Kept::Sent(Box::pin(Ended(service.call(Request::new(self, None, layer, *request))))));
                self.put_service(Some(index), service);
            }
            Operation::Drained { layer } => {
                let handle = self.handles[usize::from(*layer) % LAYERS].clone();
                self.calls.put(Kept::Sent(Box::pin(async move { handle.drained().await })));
            }
            // It waits for a second at most, which here is one.
            Operation::Backtraces { .. } if !self.host.has_clock() => {}
            Operation::Backtraces { layer } => {
                let handle = self.handles[usize::from(*layer) % LAYERS].clone();
                let backtraces = Box::pin(async move { drop(handle.dump_with_backtraces().await) });
                // Its timer may be that of a runtime that ends.
                let backtraces = select(backtraces, Box::pin(self.waiting(0)));
                self.calls.put(Kept::Sent(Box::pin(backtraces.map(drop))));
            }
        }
    }

    /// On a runtime that ends with its thread.
    fn poll_elsewhere(self: &Arc<Self>, call: u8, waker: WakerSetup) {
        self.elsewhere(call, |taken| {
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            // It may panic.
            runtime.block_on(async { guarded(|| self.poll_taken(taken, waker)) });
            IS_ENDING.set(true);
        });
    }

    /// Does something to a call on a thread that ends afterwards.
    fn elsewhere(&self, call: u8, f: impl FnOnce(Taken) + Send) {
        match self.calls.take(call) {
            Some(taken @ Taken { kept: Kept::Sent(_), .. }) => on_a_thread(|| f(taken)),
            Some(local) => self.calls.put_back(local),
            None => {}
        }
    }
}

fn on_a_thread(f: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = scope.spawn(|| _ = guarded(f));
        thread.join().expect("it catches panics");
    });
}

/// Drops it while the thread panics.
pub(crate) fn drop_panicking<T>(value: T) {
    struct Dropped<T>(Option<T>);

    impl<T> Drop for Dropped<T> {
        fn drop(&mut self) {
            assert!(thread::panicking());
            discard(self.0.take());
        }
    }

    let dropped = Dropped(Some(value));
    guarded(move || {
        let _dropped = dropped;
        std::panic::resume_unwind(Box::new("while it is dropped"));
    });
}
