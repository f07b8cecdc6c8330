//! Calls on threads that have a current-thread runtime entered and do not drive it.

use std::{sync::mpsc, thread};

use futures_util::FutureExt as _;
use tokio::{
    runtime::{self, Builder, Handle, LocalOptions, Runtime},
    sync::oneshot,
    task::{LocalSet, spawn_blocking},
};
use tokio_test::task;
use tower_fiber::{Counters, FiberLayer, Placement, WaitExt as _, offload, run_in_fiber};

use crate::support::{poll_once, text_of_panic, until};

fn new_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Makes a call that waits, and drops it then.
async fn begin_and_drop(layer: &FiberLayer) -> Left {
    let (open, gate) = oneshot::channel();
    let (begun, begins) = oneshot::channel();
    let (send, ended) = mpsc::channel();
    let mut call = layer.run(move || {
        begun.send(()).unwrap();
        gate.wait().unwrap();
        send.send(Handle::current().id()).unwrap();
    });
    tokio::select! {
        biased;
        () = &mut call => unreachable!("it waits"),
        begun = begins => begun.unwrap(),
    }
    drop(call);
    Left { open, ended }
}

/// What is left of it.
struct Left {
    open: oneshot::Sender<()>,
    ended: mpsc::Receiver<runtime::Id>,
}

impl Left {
    /// It runs to its end, with that runtime entered.
    async fn ends(self, layer: &FiberLayer, runtime: &Handle) {
        self.open.send(()).unwrap();
        until(|| layer.handle().live() == 0).await;
        assert_eq!(self.ended.try_recv(), Ok(runtime.id()), "{:?}", layer.handle().counters());
        assert_eq!(layer.handle().counters().leaked, 0);
    }
}

/// Polls a future here until it is ready, as an executor that knows nothing of tokio.
fn spin<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    loop {
        if let Some(output) = poll_once(&mut future).now_or_never().unwrap() {
            return output;
        }
        thread::yield_now();
    }
}

#[test]
fn call_from_offload() {
    for layer in [FiberLayer::new(), FiberLayer::new().placement(Placement::SharedPool)] {
        new_runtime().block_on(async {
            let inside = layer.clone();
            let left = run_in_fiber(move || offload(move || begin_and_drop(&inside).wait())).await;
            left.ends(&layer, &Handle::current()).await;
        });
    }
}

#[test]
fn the_runtimes_own_block_on_in_spawn_blocking() {
    new_runtime().block_on(async {
        let layer = FiberLayer::new();
        let (inside, handle) = (layer.clone(), Handle::current());
        let left = spawn_blocking(move || handle.block_on(begin_and_drop(&inside)));
        left.await.unwrap().ends(&layer, &Handle::current()).await;
    });
}

#[test]
fn another_runtimes_block_on_in_spawn_blocking() {
    let blocks = || {
        let other = new_runtime();
        let layer = FiberLayer::new();
        other.block_on(async {
            let home = run_in_fiber(|| thread::current().id()).await;
            assert_eq!(home, thread::current().id(), "it is driven here");
            begin_and_drop(&layer).await.ends(&layer, other.handle()).await;
        });
    };
    new_runtime().block_on(async { spawn_blocking(blocks).await.unwrap() });
}

#[test]
fn a_handle_that_is_entered_on_a_thread_of_ones_own() {
    async fn test() {
        let layer = FiberLayer::new();
        let (inside, handle) = (layer.clone(), Handle::current());
        let thread = thread::spawn(move || {
            let _entered = handle.enter();
            spin(begin_and_drop(&inside))
        });
        until(|| thread.is_finished()).await;
        thread.join().unwrap().ends(&layer, &Handle::current()).await;
    }

    new_runtime().block_on(test());
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test());
}

#[test]
fn the_block_on_of_a_second_thread() {
    let shared = new_runtime();
    let layer = FiberLayer::new();
    shared.block_on(async {
        let left = thread::scope(|scope| scope.spawn(|| shared.block_on(begin_and_drop(&layer))).join().unwrap());
        left.ends(&layer, shared.handle()).await;
    });
}

#[test]
fn a_runtime_that_is_entered_and_driven_later() {
    let runtime = new_runtime();
    let layer = FiberLayer::new();
    let left = {
        let _entered = runtime.enter();
        spin(begin_and_drop(&layer))
    };
    runtime.block_on(left.ends(&layer, runtime.handle()));
}

#[test]
fn in_place_where_the_runtime_is_only_entered_is_refused_at_the_call() {
    let runtime = new_runtime();
    let layer = FiberLayer::new().name("orders").placement(Placement::InPlace);
    let _entered = runtime.enter();
    let text = text_of_panic(|| task::spawn(layer.run(|| ())).poll());
    assert!(text.contains("`orders`") && text.contains("not driven by this thread"), "{text}");
    assert_eq!(layer.handle().counters(), Counters::default());
}

#[test]
fn in_place_in_a_local_set_where_the_runtime_is_only_entered() {
    new_runtime().block_on(async {
        let layer = FiberLayer::new().placement(Placement::InPlace);
        let handle = Handle::current();
        let blocks = move || {
            let here = thread::current().id();
            handle.block_on(LocalSet::new().run_until(async {
                assert_eq!(layer.run(move || thread::current().id()).await, here);
                begin_and_drop(&layer).await.ends(&layer, &Handle::current()).await;
            }));
        };
        spawn_blocking(blocks).await.unwrap();
    });
}
