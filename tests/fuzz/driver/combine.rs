//! Fibers side by side.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tower_fiber::{WaitExt as _, join, join_all, race, timeout};

use super::{
    fiber::{Inside, Made, MadeFuture, Me},
    ledger::FiberNo,
    script::{FiberSetup, Kind, Steps},
    stage::Stage,
    value::{Value, discard},
};

impl Me {
    fn made(&self, children: &[FiberSetup]) -> Vec<Made> {
        children.iter().map(|child| Made::new(&self.stage, Some(self), child)).collect()
    }

    /// Waits for what `combine` makes of these.
    pub(crate) fn wait_for<F: Future>(&self, made: Vec<Made>, combine: impl FnOnce(Vec<MadeFuture>) -> F) {
        let follow = made.iter().filter(|made| made.follows).map(|made| made.number).collect();
        let inside = Inside { follow, ..Inside::default() };
        let combined = combine(made.into_iter().map(|made| made.future).collect());
        let future = Some(Box::pin(combined));
        let probe = Probe { stage: &self.stage, future, inside: &inside };
        self.waits_for(&inside, || inside.is_polled.get(), || probe.wait());
    }

    pub(crate) fn join(&self, children: &[Steps]) {
        let bodies: Vec<_> = children.iter().map(|child| self.child(child)).collect();
        let numbers: Vec<FiberNo> = bodies.iter().map(|body| body.number()).collect();
        let were_cut = || self.stage.ledger.were_cut(&numbers);
        let run = |body: super::fiber::Body| move || body.run();
        let inside = Inside { follow: numbers.clone(), ..Inside::default() };
        self.waits_for(&inside, were_cut, || match <[_; 2]>::try_from(bodies) {
            Ok([first, second]) => drop(join(run(first), run(second))),
            Err(bodies) => drop(join_all(bodies.into_iter().map(run))),
        });
    }

    /// One alone has a time-out, several race.
    pub(crate) fn race(&self, limit: u8, children: &[Steps]) {
        let bodies: Vec<_> = children.iter().map(|child| self.child(child)).collect();
        let numbers: Vec<FiberNo> = bodies.iter().map(|body| body.number()).collect();
        let were_cut = || self.stage.ledger.were_cut(&numbers);
        // Where the clock cannot be moved, that is, where it ticks, no timer is to fire.
        let limit = match limit % 3 {
            0 if self.stage.host.has_clock() => Duration::ZERO,
            1 if self.stage.host.has_clock() => Duration::from_millis(10),
            _ => Duration::from_secs(1000),
        };
        let run = |body: super::fiber::Body| move || body.run();
        self.waits_for(&Inside::default(), were_cut, || match <[_; 1]>::try_from(bodies) {
            Ok([body]) => drop(timeout(limit, run(body))),
            Err(bodies) if bodies.is_empty() => {}
            Err(bodies) => drop(race(bodies.into_iter().map(run))),
        });
    }

    pub(crate) fn unordered(&self, take: u8, children: &[FiberSetup]) {
        let take = usize::from(take) % (children.len() + 1);
        self.wait_for(self.made(children), |children| async move {
            let mut children: FuturesUnordered<_> = children.into_iter().map(|child| Caught(Some(child))).collect();
            for _ in 0..take {
                drop(children.next().await);
            }
        });
    }

    pub(crate) fn select(&self, manner: u8, children: &[FiberSetup]) {
        let manner = manner % 4;
        let mut children = children.to_vec();
        if manner == 3 {
            // One that waits for a place would get it, and keep it from the one before it.
            children.iter_mut().for_each(|child| child.kind = Kind::Local);
        }
        if children.is_empty() {
            return;
        }
        self.wait_for(self.made(&children), |children| Select {
            children: children.into_iter().map(|child| (child, Arc::default())).collect(),
            manner,
            is_begun: false,
        });
    }
}

/// Says whether a panic comes from inside of the future, whose output is dropped.
struct Probe<'a, F> {
    future: Option<Pin<Box<F>>>,
    stage: &'a Stage,
    inside: &'a Inside,
}

impl<F: Future> Future for Probe<'_, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.inside.is_polled.set(true);
        self.inside.turn.set(self.stage.ledger.turn());
        let poll = self.future.as_mut().expect("it has not ended").as_mut().poll(cx).map(drop);
        if poll.is_ready() {
            self.future = None;
        }
        self.inside.is_polled.set(false);
        poll
    }
}

/// A child that does not panic when it is dropped: `FuturesUnordered` forgets the others then.
struct Caught(Option<MadeFuture>);

impl Future for Caught {
    type Output = Value;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        Pin::new(self.0.as_mut().expect("it is not dropped")).poll(cx)
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

/// The first of several that ends.
struct Select {
    children: Vec<(MadeFuture, Arc<Flag>)>,
    /// In order, in reverse order, only those that were woken, or the first only.
    manner: u8,
    is_begun: bool,
}

/// Notes that a child was woken.
#[derive(Default)]
struct Flag {
    is_woken: AtomicBool,
    parent: std::sync::Mutex<Option<Waker>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Relaxed);
        let parent = self.parent.lock().unwrap().take();
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

impl Flag {
    fn set_parent(&self, waker: &Waker) {
        let waker = waker.clone();
        let former = self.parent.lock().unwrap().replace(waker);
        drop(former);
    }
}

impl Future for Select {
    type Output = Value;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let (manner, count) = (self.manner, self.children.len());
        for turn in 0..count {
            let index = if manner == 1 { count - 1 - turn } else { turn };
            let (child, flag) = &mut self.children[index];
            let child = Pin::new(child);
            let poll = match manner {
                2 => {
                    flag.set_parent(cx.waker());
                    if !flag.is_woken.swap(false, Ordering::Relaxed) && !is_first {
                        continue;
                    }
                    child.poll(&mut Context::from_waker(&Waker::from(Arc::clone(flag))))
                }
                3 if !is_first && index > 0 => continue,
                _ => child.poll(cx),
            };
            if poll.is_ready() {
                return poll;
            }
        }
        Poll::Pending
    }
}
