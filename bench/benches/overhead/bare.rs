//! Peers whose calls are futures that can be polled by hand.

use std::{
    any::TypeId,
    convert::Infallible,
    future::Future,
    hint::black_box,
    task::{Context, Waker},
};

use bench::{
    drive::{Slots, in_task, one},
    work::{Depth, Large, NoWait, Payload, Waits, call, call_async},
};
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use tower::{Layer as _, Service as _, service_fn};
use tower_fiber::{FiberLayer, sync_fn};

use crate::{
    cases::{self, Visit},
    raw::{RawCall, Stacks},
    waiters::{InFiber, Never, Stackful},
};

pub(crate) fn measure(mut criterion: Criterion) -> Criterion {
    in_task(move || {
        cases::each(&mut Bare { criterion: &mut criterion });
        criterion
    })
}

struct Bare<'a> {
    criterion: &'a mut Criterion,
}

impl Visit for Bare<'_> {
    fn visit<W: Waits, D: Depth, P: Payload>(&mut self, in_flight: usize) {
        let mut group = self.criterion.benchmark_group(cases::name::<W, D, P>("bare", in_flight));
        if TypeId::of::<W>() == TypeId::of::<NoWait>() {
            let mut direct = sync_fn(|request| Ok::<_, Infallible>(call::<W, D, P>(Never, request)));
            measure_one(&mut group, "direct", in_flight, || direct.call(P::request()));
        }

        let mut native = service_fn(|request| async move { Ok::<_, Infallible>(call_async::<W, D, P>(request).await) });
        measure_one(&mut group, "native", in_flight, || native.call(P::request()));

        let service = sync_fn(|request| Ok::<_, Infallible>(call::<W, D, P>(InFiber, request)));
        let mut in_place = FiberLayer::new().layer(service);
        measure_one(&mut group, "in_place", in_flight, || in_place.call(P::request()));

        if TypeId::of::<P>() == TypeId::of::<Large>() {
            let layer = FiberLayer::builder().max_fibers(in_flight).build().expect("it is in range");
            let mut limited = layer.layer(service);
            measure_one(&mut group, "in_place_limited", in_flight, || {
                let ready = limited.poll_ready(&mut Context::from_waker(Waker::noop()));
                assert!(ready.is_ready(), "there is room for all");
                limited.call(P::request())
            });
        }

        let stacks = Stacks::default();
        let raw = || RawCall::<P>::new::<W, D>(&stacks, P::request());
        measure_one(&mut group, "corosensei", in_flight, raw);

        let stackful = || {
            let request = P::request();
            stackful::stackful(move || call::<W, D, P>(Stackful, request))
        };
        measure_one(&mut group, "stackful", in_flight, stackful);
        group.finish();
    }
}

fn measure_one<F: Future>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    peer: &str,
    in_flight: usize,
    mut make: impl FnMut() -> F,
) {
    if in_flight == 1 {
        group.bench_function(peer, |bencher| bencher.iter(|| black_box(one(make()))));
    } else {
        let mut slots = Slots::new(in_flight);
        group.bench_function(peer, |bencher| bencher.iter(|| slots.run(&mut make)));
    }
}
