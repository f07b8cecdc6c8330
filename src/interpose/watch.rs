//! The descriptors that fibers have waited for, each watched by a runtime until it is closed.

use std::{
    collections::BTreeMap,
    future::{Future as _, poll_fn},
    io::{self, ErrorKind},
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    pin::pin,
    process,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::{self, Handle},
    sync::Notify,
};

use crate::{
    raw::{
        foreign,
        interpose::{Direction, Held, Refused, Returned, duplicate, is_same_file, watched},
        let_go,
    },
    util::lock::lock,
};

/// The same file by a number of the crate's own, so that a descriptor which is closed and reused while a fiber waits
/// is never read in its place.
pub(super) struct Watch {
    fd: AsyncFd<OwnedFd>,
    runtime: runtime::Id,
    is_closed: AtomicBool,
    closed: Notify,
}

/// The watched descriptors of each shard, by number, for each runtime.
type Shard = Mutex<BTreeMap<RawFd, Vec<Arc<Watch>>>>;

const SHARDS: usize = 16;

static WATCHES: [Shard; SHARDS] = [const { Mutex::new(BTreeMap::new()) }; SHARDS];

/// How many are watched.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The process that watches. A child that was forked shares nothing of this.
static PROCESS: OnceLock<u32> = OnceLock::new();

fn shard(fd: RawFd) -> &'static Shard {
    &WATCHES[fd.unsigned_abs() as usize % SHARDS]
}

impl Watch {
    /// The watch of this descriptor, which is made if there is none, or if it is of a file that was closed unseen.
    pub(super) fn of(fd: RawFd) -> Option<Arc<Self>> {
        let _held = Held::new();
        let runtime = Handle::try_current().ok()?.id();
        let known = lock(shard(fd)).get(&fd).and_then(|all| all.iter().find(|one| one.runtime == runtime).cloned());
        if let Some(known) = known {
            if is_same_file(known.fd.as_raw_fd(), fd) {
                return Some(known);
            }
            forget(fd);
        }
        // A runtime without sockets panics.
        let watched = foreign(|| duplicate(fd).and_then(watched)).ok()??;
        let made = Arc::new(Self { fd: watched, runtime, is_closed: AtomicBool::new(false), closed: Notify::new() });
        PROCESS.get_or_init(process::id);
        COUNT.fetch_add(1, Ordering::Relaxed);
        lock(shard(fd)).entry(fd).or_default().push(Arc::clone(&made));
        forget_stale(fd);
        Some(made)
    }

    /// Calls `attempt` when the file may be ready, until it says something else than that it would wait.
    pub(super) async fn ready(
        &self,
        direction: Direction,
        attempt: &mut dyn FnMut(RawFd) -> Returned,
    ) -> Result<Returned, Refused> {
        let interest = match direction {
            Direction::In => Interest::READABLE,
            Direction::Out => Interest::WRITABLE,
        };
        self.ready_for(interest, attempt).await
    }

    async fn ready_for(
        &self,
        interest: Interest,
        attempt: &mut dyn FnMut(RawFd) -> Returned,
    ) -> Result<Returned, Refused> {
        let mut closed = pin!(self.closed.notified());
        closed.as_mut().enable();
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Refused::Closed);
        }
        let mut done = pin!(self.fd.async_io(interest, |fd| match attempt(fd.as_raw_fd()) {
            returned if returned == -(libc::EAGAIN as Returned) => Err(ErrorKind::WouldBlock.into()),
            returned => Ok(returned),
        }));
        poll_fn(move |cx| match done.as_mut().poll(cx) {
            // The runtime ends.
            Poll::Ready(done) => Poll::Ready(done.map_err(|_: io::Error| Refused::Unable)),
            Poll::Pending => closed.as_mut().poll(cx).map(|()| Err(Refused::Closed)),
        })
        .await
    }
}

/// Forgets the descriptors from `first` to `last`, and lets go whoever waits for one.
pub(super) fn forget_all(first: RawFd, last: RawFd) {
    if COUNT.load(Ordering::Relaxed) == 0 || PROCESS.get() != Some(&process::id()) {
        return;
    }
    if first == last {
        forget(first);
        return;
    }
    for shard in &WATCHES {
        let found: Vec<_> = {
            let _held = Held::new();
            lock(shard).range(first..=last).map(|(&fd, _)| fd).collect()
        };
        found.into_iter().for_each(forget);
    }
}

fn forget(fd: RawFd) {
    let _held = Held::new();
    // The lock is released before anything is dropped or woken.
    let found = lock(shard(fd)).remove(&fd);
    for watch in found.into_iter().flatten() {
        COUNT.fetch_sub(1, Ordering::Relaxed);
        watch.is_closed.store(true, Ordering::Release);
        _ = foreign(|| watch.closed.notify_waiters());
        let_go(watch);
    }
}

/// Looks at the next two of the shard, whether they were closed by a call that does not lead here.
fn forget_stale(fd: RawFd) {
    let is_stale = |(&number, all): (&RawFd, &Vec<Arc<Watch>>)| {
        let is_stale = all.iter().any(|one| !is_same_file(one.fd.as_raw_fd(), number));
        is_stale.then_some(number)
    };
    let stale: Vec<_> = lock(shard(fd)).range(fd + 1..).take(2).filter_map(is_stale).collect();
    stale.into_iter().for_each(forget);
}
