//! Which instance is called, and how many there are. Each call through a layer clones the service once more.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tower::{Service, ServiceExt as _};

use crate::{
    harness::{compare, same},
    probe::{Counts, Fate, Probe, Refused},
};

/// Calls of an instance that has not been polled ready fail.
#[derive(Default)]
struct ReadyOnce {
    is_ready: bool,
}

impl Clone for ReadyOnce {
    fn clone(&self) -> Self {
        Self { is_ready: false }
    }
}

impl Service<()> for ReadyOnce {
    type Response = ();
    type Error = Refused;
    type Future = Ready<Result<(), Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let was_ready = std::mem::take(&mut self.is_ready);
        ready(was_ready.then_some(()).ok_or_else(|| Refused("it was not ready".to_owned())))
    }
}

#[test]
fn the_instance_that_is_ready_is_called() {
    same(|around, seen| async move {
        let mut service = around.around(ReadyOnce::default());
        for _ in 0..3 {
            let call = service.ready().await.unwrap().call(());
            // Readiness of the next call is nothing to this one.
            _ = service.ready().await.unwrap();
            seen.note(format_args!("{:?}", call.await));
        }
        let mut clone = service.clone();
        seen.note(format_args!("{:?}", clone.ready().await.unwrap().call(()).await));
        seen.note(format_args!("{:?}", clone.call(()).await));
    });
}

const CALLS: usize = 5;

#[test]
fn each_call_clones_once_more_and_no_instance_stays() {
    compare(
        |around, seen| async move {
            let probe = Probe::new(&seen);
            let counts = Arc::clone(&probe.counts);
            let asks: Vec<_> = (0..CALLS).map(|n| probe.ask(&n.to_string(), Fate::Later)).collect();
            let mut service = around.around(probe);
            for ask in asks {
                _ = service.ready().await.unwrap().call(ask).await;
            }
            drop(service);
            around_ended(&counts).await;
            let seen_calls = (0..CALLS).filter(|n| seen.has(&format!("call of {n}"))).count();
            seen.sort();
            seen.note(format_args!("{seen_calls} calls"));
            seen.note(format_args!("{} clones", Counts::get(&counts.clones)));
        },
        |mut without, layers| {
            *without.last_mut().unwrap() = format!("{} clones", CALLS * layers);
            without
        },
    );
}

async fn around_ended(counts: &Counts) {
    crate::support::until(|| Counts::get(&counts.instances) == 0).await;
}

#[test]
fn a_clone_of_the_service_is_one_clone_of_the_inner_one() {
    same(|around, seen| async move {
        let probe = Probe::new(&seen);
        let counts = Arc::clone(&probe.counts);
        let service = around.around(probe);
        let clones: Vec<_> = (0..3).map(|_| service.clone()).collect();
        seen.note(format_args!("{} clones, {} instances", Counts::get(&counts.clones), Counts::get(&counts.instances)));
        drop((service, clones));
        seen.note(format_args!("{} instances", Counts::get(&counts.instances)));
    });
}

/// A count that its clones share.
#[derive(Clone, Default)]
struct SharedCount(Arc<AtomicUsize>);

impl Service<()> for SharedCount {
    type Response = usize;
    type Error = Refused;
    type Future = Ready<Result<usize, Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

#[test]
fn what_clones_share_is_kept() {
    same(|around, seen| async move {
        let mut service = around.around(SharedCount::default());
        for _ in 0..3 {
            seen.note(service.ready().await.unwrap().call(()).await.unwrap());
        }
    });
}
