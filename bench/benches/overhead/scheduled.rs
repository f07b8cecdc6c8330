//! Peers that need a scheduler: with one call in flight its round trip, with many its throughput.

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};

use bench::work::{Depth, Payload, Waits, call, call_async};
use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::{block_in_place, spawn_blocking},
};
use tokio_util::task::LocalPoolHandle;
use tower::{Layer as _, Service as _, service_fn};
use tower_fiber::{FiberLayer, sync_fn};

use crate::{
    cases::{self, Visit},
    waiters::{BlockOn, InFiber, May},
};

/// Threads of each scheduler.
const THREADS: usize = 2;

pub(crate) fn measure(criterion: &mut Criterion) {
    may::config().set_workers(THREADS);
    let one_thread = Builder::new_current_thread().build().expect("a runtime");
    let many_threads = Builder::new_multi_thread().worker_threads(THREADS).build().expect("a runtime");
    let local_pool = LocalPoolHandle::new(THREADS);
    cases::each(&mut Scheduled { criterion, one_thread, many_threads, local_pool });
}

struct Scheduled<'a> {
    criterion: &'a mut Criterion,
    one_thread: Runtime,
    many_threads: Runtime,
    local_pool: LocalPoolHandle,
}

impl Visit for Scheduled<'_> {
    fn visit<W: Waits, D: Depth, P: Payload>(&mut self, in_flight: usize) {
        let name = cases::name::<W, D, P>("scheduled", in_flight);
        let mut group = self.criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat);
        let (one_thread, many_threads) = (&self.one_thread, &self.many_threads);

        let mut native = service_fn(|request| async move { Ok::<_, Infallible>(call_async::<W, D, P>(request).await) });
        let make = move || native.call(P::request());
        on_tokio(&mut group, "native", many_threads, in_flight, make);
        let make = move || tokio::spawn(native.call(P::request()));
        on_tokio(&mut group, "native_spawn", many_threads, in_flight, make);

        let service = sync_fn(|request| Ok::<_, Infallible>(call::<W, D, P>(InFiber, request)));
        let mut in_place = FiberLayer::new().layer(service);
        on_tokio(&mut group, "in_place", one_thread, in_flight, move || in_place.call(P::request()));
        let mut pool = FiberLayer::new().layer(service);
        on_tokio(&mut group, "pool", many_threads, in_flight, move || pool.call(P::request()));

        let make = || {
            let (request, runtime) = (P::request(), Handle::current());
            spawn_blocking(move || call::<W, D, P>(BlockOn(&runtime), request))
        };
        on_tokio(&mut group, "spawn_blocking", many_threads, in_flight, make);
        let make = || async {
            let (request, runtime) = (P::request(), Handle::current());
            block_in_place(|| call::<W, D, P>(BlockOn(&runtime), request))
        };
        on_tokio(&mut group, "block_in_place", many_threads, in_flight, make);

        let local_pool = self.local_pool.clone();
        let make = move || {
            let request = P::request();
            local_pool.spawn_pinned(move || call_async::<W, D, P>(request))
        };
        on_tokio(&mut group, "local_pool", many_threads, in_flight, make);

        on_may::<W, D, P>(&mut group, in_flight);
        group.finish();
    }
}

/// With one call in flight the calls are made one after the other by one task; with many each call has a task.
fn on_tokio<F>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    peer: &str,
    runtime: &Runtime,
    in_flight: usize,
    make: impl FnMut() -> F + Clone + Send + 'static,
) where
    F: Future<Output: Send> + Send + 'static,
{
    let run = |iterations| {
        let mut make = make.clone();
        let task = runtime.spawn(async move {
            let mut tasks = Vec::with_capacity(in_flight);
            let begin = Instant::now();
            for _ in 0..iterations {
                if in_flight == 1 {
                    black_box(make().await);
                    continue;
                }
                tasks.extend((0..in_flight).map(|_| tokio::spawn(make())));
                for task in tasks.drain(..) {
                    black_box(task.await.expect("no call panics"));
                }
            }
            begin.elapsed()
        });
        runtime.block_on(task).expect("no call panics")
    };
    group.bench_function(peer, |bencher| bencher.iter_custom(run));
}

fn on_may<W: Waits, D: Depth, P: Payload>(group: &mut BenchmarkGroup<'_, WallTime>, in_flight: usize) {
    let run = |iterations| -> Duration {
        let all = may::go!(move || {
            let mut calls = Vec::with_capacity(in_flight);
            let begin = Instant::now();
            for _ in 0..iterations {
                calls.extend((0..in_flight).map(|_| {
                    let request = P::request();
                    may::go!(move || call::<W, D, P>(May, request))
                }));
                for call in calls.drain(..) {
                    black_box(call.join().expect("no call panics"));
                }
            }
            begin.elapsed()
        });
        all.join().expect("no call panics")
    };
    group.bench_function("may", |bencher| bencher.iter_custom(run));
}
